package ingest

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"headwater.stream/internal/media"
)

// Oddities that must not end the publish: the samples before and after all arrive.
func TestOddMessagesAreIgnored(t *testing.T) {
	aggregate := func(tags ...[]byte) []byte { return bytes.Join(tags, nil) }
	flvTag := func(typ byte, ts uint32, b []byte) []byte {
		h := make([]byte, 11)
		h[0] = typ
		putUint24(h[1:], uint32(len(b)))
		putUint24(h[4:], ts)
		h[7] = byte(ts >> 24)
		return append(append(h, b...), 0, 0, 0, 0)
	}
	for name, c := range map[string]struct {
		send  func(p *peer)
		extra int // samples it brings
	}{
		"zero-length audio": {send: func(p *peer) { p.raw(header(4, typeAudio, 1, 100, 0)...) }},
		"unknown types":     {send: func(p *peer) { p.send(5, 99, 1, 0, []byte("?")); p.send(5, 16, 0, 0, make([]byte, 5000)) }},
		"unknown user control": {send: func(p *peer) {
			p.send(2, typeUserControl, 0, 0, []byte{0, 31, 0, 0, 0, 0})
			p.send(2, typeUserControl, 0, 0, []byte{0})
		}},
		"window sizes": {send: func(p *peer) {
			p.send(2, typeWindowAckSize, 0, 0, []byte{0, 0, 0, 0})
			p.send(2, typeWindowAckSize, 0, 0, []byte{0, 0, 0, 2})
			p.send(2, typeWindowAckSize, 0, 0, []byte{0xff, 0xff, 0xff, 0xff})
			p.send(2, typeWindowAckSize, 0, 0, []byte{1})
		}},
		"chunk sizes": {send: func(p *peer) {
			p.send(2, typeSetChunkSize, 0, 0, []byte{0, 0, 0, 0})
			p.send(2, typeSetChunkSize, 0, 0, []byte{1, 2})
		}},
		"1000 acks": {send: func(p *peer) {
			for range 1000 {
				p.send(2, typeAck, 0, 0, []byte{0, 0, 0, 1})
			}
		}},
		"peer bandwidth": {send: func(p *peer) { p.send(2, typePeerBandwidth, 0, 0, []byte{0, 0, 0, 0, 9}) }},
		"abort in mid-message": {send: func(p *peer) {
			p.raw(append(header(7, typeVideo, 1, 100, 1000), make([]byte, p.chunk)...)...)
			p.send(2, typeAbort, 0, 0, []byte{0, 0, 0, 7})
			p.send(7, typeData, 1, 0, appendAMFString(nil, "onTextData"))
			p.send(2, typeAbort, 0, 0, []byte{0, 0, 1, 200})
			p.send(2, typeAbort, 0, 0, []byte{0})
		}},
		"AMF3 command and data": {send: func(p *peer) {
			p.send(3, typeCommandAMF3, 0, 0, append([]byte{0}, amfCommand("_checkbw", 9, []byte{amfUndefined})...))
			if c := p.await("_result"); c.transaction != 9 {
				p.t.Errorf("got the result of %v", c.transaction)
			}
			p.send(5, typeDataAMF3, 1, 0, append([]byte{0}, metadata(appendAMFObject(nil, "width", 1.0))...))
		}},
		"aggregate": {extra: 3, send: func(p *peer) {
			p.send(6, typeAggregate, 1, 115, aggregate(
				flvTag(typeVideo, 5, videoFrame(false, 0, slice)), flvTag(typeAudio, 5, audioFrame(rawAAC...)), flvTag(typeVideo, 6, videoFrame(false, 0, slice))))
		}},
		"broken aggregates": {send: func(p *peer) {
			p.send(6, typeAggregate, 1, 115, []byte{9, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 1})
			p.send(6, typeAggregate, 1, 115, []byte{9})
			p.send(6, typeAggregate, 1, 115, aggregate(flvTag(typeAggregate, 0, flvTag(typeVideo, 0, []byte{1}))))
			p.send(6, typeAggregate, 1, 115, aggregate(flvTag(typeCommand, 0, amfCommand("deleteStream", 0, nil))))
		}},
		"metadata that lies": {send: func(p *peer) {
			p.send(5, typeData, 1, 0, metadata(nested(14000, amfObject)))
			p.send(5, typeData, 1, 0, metadata([]byte{amfStrictArray, 0xff, 0xff, 0xff, 0xff}))
			p.send(5, typeData, 1, 0, metadata([]byte{amfECMAArray, 0xff, 0xff, 0xff, 0xff, 0, 1, 'a'}))
			p.send(5, typeData, 1, 0, metadata([]byte{amfObject, 0xff, 0xff, 'a'}))
			p.send(5, typeData, 1, 0, []byte{amfLongString, 0xff, 0xff, 0xff, 0xff})
			p.send(5, typeData, 1, 0, appendAMFString(nil, "onCuePoint"))
			p.send(5, typeData, 1, 0, []byte{0x7e})
		}},
		"metadata flood": {send: func(p *peer) {
			b := metadata(appendAMFObject(nil, "width", 1.0, "note", strings.Repeat("x", 1000)))
			for range 2000 {
				p.send(5, typeData, 1, 0, b)
			}
		}},
		"unknown commands": {send: func(p *peer) {
			p.command(1, "getStreamLength", 7, []byte{amfNull})
			if c := p.await("_error"); c.transaction != 7 {
				p.t.Errorf("got the error of %v", c.transaction)
			}
			p.command(1, "setPeerInfo", 0, nil)
			p.command(0, "deleteStream", 0, appendAMFNumber([]byte{amfNull}, 77))
			p.command(0, "_result", 77, []byte{amfNull})
		}},
		"ping": {send: func(p *peer) {
			p.send(2, typeUserControl, 0, 0, []byte{0, 6, 1, 2, 3, 4})
			for {
				m, err := p.in.next()
				if err != nil {
					p.t.Fatal(err)
				}
				if m.typ == typeUserControl && bytes.Equal(m.payload, []byte{0, 7, 1, 2, 3, 4}) {
					return
				}
			}
		}},
		"acknowledgement": {send: func(p *peer) {
			p.send(2, typeWindowAckSize, 0, 0, binary.BigEndian.AppendUint32(nil, minAckWindow))
			for range 70 {
				p.send(5, typeData, 1, 0, append(appendAMFString(nil, "onTextData"), make([]byte, 1000)...))
			}
			for {
				m, err := p.in.next()
				if err != nil {
					p.t.Fatal(err)
				}
				if m.typ == typeAck {
					if n := binary.BigEndian.Uint32(m.payload); n < minAckWindow || n > 200_000 {
						p.t.Errorf("%d bytes acknowledged", n)
					}
					return
				}
			}
		}},
		"chunk size down and up": {extra: 4, send: func(p *peer) {
			for i, n := range []uint32{1, 7, 4096, 128} {
				p.setChunkSize(n)
				p.send(6, typeVideo, 1, uint32(110+i), videoFrame(false, 0, bytes.Repeat(slice, 100)))
			}
		}},
		"media on another message stream": {extra: 1, send: func(p *peer) { p.send(6, typeVideo, 9, 115, videoFrame(false, 0, slice)) }},
		"two- and three-byte chunk stream IDs": {extra: 2, send: func(p *peer) {
			b := videoFrame(false, 0, slice)
			h := header(0, typeVideo, 1, 112, len(b))
			p.raw(append(append([]byte{0, 10}, h[1:]...), b...)...)
			p.raw(append(append([]byte{1, 10, 2}, h[1:]...), b...)...)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			gate := new(memGate)
			s := startServer(t, gate, Limits{})
			p := connectPeer(t, s.addr)
			p.publish("live", "x")
			p.media(0, 3)
			c.send(p)
			p.media(3, 3)
			session := gate.session(t, 0)
			p.command(1, "FCUnpublish", 5, appendAMFString([]byte{amfNull}, "x"))
			if code := p.await("onStatus").info().get("code"); code != codeDone {
				t.Errorf("unpublish answered with %v", code)
			}
			if n := session.count(); n != 12+c.extra || session.closed() != 1 {
				t.Errorf("%d samples, want %d; closed %d times", n, 12+c.extra, session.closed())
			}
			video := session.of(media.Video)
			for i := 1; i < len(video); i++ {
				if video[i].DTS < video[i-1].DTS {
					t.Errorf("frame %d steps back", i)
				}
			}
		})
	}
}
