// Package ingest turns an encoder's RTMP connection into media samples: it accepts sockets, guards the RTMP library
// from what hostile or odd peers send, asks a Gate who may publish, and hands access units to a Session. It can also
// play the encoder (Publish). It is the only user of github.com/yutopp/go-rtmp, whose types do not leave it.
//
// One connection is one goroutine, from socket to Session:
//
//	socket → inbuf → chunkReader → guard ─┬► conn → demuxer → Session (audio, video, metadata)
//	                                      └► go-rtmp (handshake, commands: state machine and replies)
//
// The guard (guard.go, chunk.go, amf.go) is there because the library may not see raw bytes: it dies of lying AMF
// counts, nested objects, extended timestamps and more (spec/dependencies.md, 1.2). Behind the guard it sees whole
// messages in single chunks, and commands that were parsed and written anew by us.
package ingest
