package ingest

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"headwater.stream/internal/media"
)

// finiteSource ends a looping source when told to and counts its samples.
type finiteSource struct {
	Source
	enough  atomic.Bool
	samples atomic.Int64
}

func (s *finiteSource) Next() (Packet, error) {
	if s.enough.Load() {
		return Packet{}, io.EOF
	}
	p, err := s.Source.Next()
	if err == io.EOF {
		if err = s.Rewind(); err == nil {
			p, err = s.Source.Next()
		}
	}
	if err == nil && !p.Config {
		s.samples.Add(1)
	}
	return p, err
}

// nested makes an AMF value nested n levels deep.
func nested(n int, marker byte) []byte {
	var level []byte
	switch marker {
	case amfObject:
		level = []byte{amfObject, 0, 1, 'a'}
	case amfECMAArray:
		level = []byte{amfECMAArray, 0, 0, 0, 1, 0, 1, 'a'}
	default:
		level = []byte{amfStrictArray, 0, 0, 0, 1}
	}
	return bytes.Repeat(level, n)
}

func metadata(v []byte) []byte {
	return append(appendAMFString(appendAMFString(nil, "@setDataFrame"), "onMetaData"), v...)
}

// The attacks of spec/dependencies.md 1.2 and cases 1 to 9 of spec/ingest-and-faults.md 8. Each must end with the
// connection closed; limits are short so that waiting for them does not take long.
func attacks() map[string]func(p *peer) {
	lie := []byte{amfStrictArray, 0x7f, 0xff, 0xff, 0xff}
	big := func(csid byte, typ byte, size int) []byte { return header(csid, typ, 0, 0, size) }
	return map[string]func(p *peer){
		"array that claims 2^31 values": func(p *peer) { p.command(0, "connect", 1, lie) },
		"connect nested 4 million deep": func(p *peer) {
			p.setChunkSize(maxMessage)
			body := amfCommand("connect", 1, nested(4_190_000, amfObject))
			p.raw(append(big(3, typeCommand, len(body)), body...)...)
		},
		"connect nested 16000 objects": func(p *peer) { p.command(0, "connect", 1, nested(16000, amfObject)) },
		"connect nested 9 arrays":      func(p *peer) { p.command(0, "connect", 1, nested(9, amfStrictArray)) },
		"connect nested ECMA arrays":   func(p *peer) { p.command(0, "connect", 1, nested(9000, amfECMAArray)) },
		"connect with 20000 values":    func(p *peer) { p.command(0, "connect", 1, bytes.Repeat([]byte{amfNull}, 20000)) },
		"command without a name":       func(p *peer) { p.send(3, typeCommand, 0, 0, []byte{amfNull}) },
		"command of one marker":        func(p *peer) { p.send(3, typeCommand, 0, 0, []byte{amfString}) },
		"new header inside a message": func(p *peer) {
			p.raw(append(big(3, typeCommand, 1000), make([]byte, 128)...)...)
			p.raw(append(big(3, typeCommand, 100), make([]byte, 100)...)...)
		},
		"type 3 chunk on a new chunk stream": func(p *peer) { p.raw(0xc0|9, 1, 2, 3) },
		"225 unfinished messages of 1 MB": func(p *peer) {
			p.setChunkSize(maxMessage)
			for i := range 225 {
				h := big(0, typeCommand, 1<<20)
				p.raw(append([]byte{0, byte(i)}, h[1:]...)...)
				p.raw(make([]byte, 1<<16)...)
			}
		},
		"4000 unfinished messages": func(p *peer) {
			for i := range 4000 {
				h := big(0, typeCommand, 60000)
				p.raw(append([]byte{1, byte(i), byte(i >> 8)}, h[1:]...)...)
				p.raw(make([]byte, 128)...)
			}
		},
		"60 unfinished commands": func(p *peer) {
			for i := range 60 {
				p.raw(append(big(byte(3+i), typeCommand, 60000), make([]byte, 128)...)...)
			}
		},
		"command of 16 MB": func(p *peer) {
			p.setChunkSize(1<<31 - 1)
			p.raw(big(3, typeCommand, maxMessage)...)
		},
		"chunk size with the top bit, 16 MB declared": func(p *peer) {
			p.setChunkSize(0x80000001)
			p.raw(append(big(4, typeVideo, maxMessage), make([]byte, 128)...)...)
		},
		"20000 createStream": func(p *peer) {
			p.connect("live")
			for range 20000 {
				p.command(0, "createStream", 2, []byte{amfNull})
			}
		},
		"10000 pings before publish": func(p *peer) {
			for range 10000 {
				p.send(2, typeUserControl, 0, 0, []byte{0, 6, 0, 0, 0, 1})
			}
		},
		"publish before connect": func(p *peer) {
			p.command(1, "publish", 1, appendAMFString([]byte{amfNull}, "x"))
		},
		"publish before createStream": func(p *peer) {
			p.connect("live")
			p.command(1, "publish", 3, appendAMFString([]byte{amfNull}, "x"))
		},
		"second connect": func(p *peer) {
			p.connect("live")
			p.command(0, "connect", 1, appendAMFObject(nil, "app", "live"))
		},
		"noise after the handshake": func(p *peer) {
			noise := make([]byte, 1<<20)
			r := rand.NewChaCha8([32]byte{1})
			_, _ = r.Read(noise)
			p.raw(noise...)
		},
		"zeros after the handshake":   func(p *peer) { p.raw(make([]byte, 1<<20)...) },
		"silence after the handshake": func(*peer) {},
		"silence after connect":       func(p *peer) { p.connect("live") },
		"silence after publish":       func(p *peer) { p.publish("live", "x") },
		"media before publish, for ever": func(p *peer) {
			p.open("live")
			for i := range 2000 {
				p.send(6, typeVideo, 1, uint32(i), videoFrame(true, 0, idr))
			}
		},
		"half a message after publish": func(p *peer) {
			p.publish("live", "x")
			p.media(0, 3)
			p.raw(append(big(6, typeVideo, maxMessage), make([]byte, 128)...)...)
		},
		"partial messages of 3 MB after publish": func(p *peer) {
			p.publish("live", "x")
			p.setChunkSize(3 << 20)
			for i := range 40 {
				p.raw(append(big(byte(10+i), typeVideo, 16<<20-1), make([]byte, 3<<20)...)...)
			}
		},
		"drip of bytes, no message": func(p *peer) {
			p.publish("live", "x")
			p.media(0, 2)
			p.raw(big(6, typeVideo, 1<<20)...)
			tick := time.NewTicker(50 * time.Millisecond)
			defer tick.Stop()
			for range 30 {
				<-tick.C
				if _, err := p.nc.Write([]byte{0}); err != nil {
					return
				}
			}
		},
		"play": func(p *peer) {
			p.open("live")
			p.command(1, "play", 3, appendAMFString([]byte{amfNull}, "x"))
		},
		"second publish": func(p *peer) {
			p.publish("live", "x")
			p.media(0, 3)
			p.command(1, "publish", 4, appendAMFString([]byte{amfNull}, "y"))
		},
	}
}

func TestAttacksCostOneConnection(t *testing.T) {
	limits := Limits{Handshake: time.Second, FirstMedia: 700 * time.Millisecond, Idle: 700 * time.Millisecond, Stall: time.Second, Write: time.Second}
	gate := new(memGate)
	healthyGate := new(memGate)
	router := &memGate{}
	router.wrap = func(s *memSession) Session {
		g := gate
		if s.request.Stream == "healthy" {
			g = healthyGate
		}
		g.mu.Lock()
		g.sessions = append(g.sessions, s)
		g.mu.Unlock()
		return s
	}
	s := startServer(t, router, limits)

	src := &finiteSource{Source: open(t, demo)}
	healthy := make(chan error, 1)
	go func() {
		healthy <- Publish(context.Background(), "rtmp://"+s.addr+"/live/healthy", src, PublishOptions{})
	}()
	side := healthyGate.session(t, 0)
	eventually(t, "media of the healthy stream", func() bool { return side.count() > 0 })

	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	var wg sync.WaitGroup
	slots := make(chan struct{}, 6)
	for name, attack := range attacks() {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			t.Run(name, func(t *testing.T) {
				p := connectPeer(t, s.addr)
				attack(p)
				p.end(5 * time.Second)
			})
		})
	}
	wg.Wait()
	runtime.ReadMemStats(&after)
	if grown := int64(after.Sys) - int64(before.Sys); grown > 256<<20 {
		t.Errorf("the process grew by %d MB", grown>>20)
	}

	src.enough.Store(true)
	if err := <-healthy; err != nil {
		t.Errorf("the healthy stream ended: %v", err)
	}
	eventually(t, "the end of the healthy stream", func() bool { return side.closed() == 1 })
	if got, sent := int64(side.count()), src.samples.Load(); got != sent {
		t.Errorf("the healthy stream lost samples: %d of %d arrived", got, sent)
	}
	if n := s.Stats().Panics; n != 0 {
		t.Errorf("%d panics", n)
	}
	for _, a := range gate.all() {
		eventually(t, "sessions closed", func() bool { return a.closed() == 1 })
	}
	eventually(t, "no connection left", func() bool { return s.Stats().Open == 0 })
	s.stop()
	if n, max := lines(s.logs.String()), int(s.Stats().Accepted); n > max {
		t.Errorf("%d log lines for %d connections:\n%s", n, max, s.logs)
	}
}

func TestGarbageInsteadOfAHandshake(t *testing.T) {
	s := startServer(t, new(memGate), Limits{Handshake: 500 * time.Millisecond})
	var wg sync.WaitGroup
	for name, b := range map[string]string{
		"HTTP":      "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"TLS":       "\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
		"RTMPE":     "\x06" + strings.Repeat("\x00", 1536),
		"0xff":      strings.Repeat("\xff", 4000),
		"zeros":     strings.Repeat("\x00", 4000),
		"silence":   "",
		"half":      "\x03" + strings.Repeat("x", 1000),
		"no echo":   "\x03" + strings.Repeat("x", 3072),
		"C0 and C1": "\x03" + strings.Repeat("x", 1536),
	} {
		wg.Go(func() {
			t.Run(name, func(t *testing.T) {
				nc := rawDial(t, s.addr)
				_, _ = nc.Write([]byte(b))
				_ = nc.SetReadDeadline(time.Now().Add(3 * time.Second))
				if _, err := io.Copy(io.Discard, nc); err != nil && strings.Contains(err.Error(), "timeout") {
					t.Error("not closed")
				}
			})
		})
	}
	wg.Wait()
	s.stop()
	if n := lines(s.logs.String()); n > 9 {
		t.Errorf("%d log lines:\n%s", n, s.logs)
	}
}

func TestHalfHandshakesDoNotKeepEncodersOut(t *testing.T) {
	gate := new(memGate)
	s := startServer(t, gate, Limits{Handshake: time.Second})
	for range 200 {
		nc := rawDial(t, s.addr)
		_, _ = nc.Write([]byte{3, 0, 0})
	}
	begun := time.Now()
	p := connectPeer(t, s.addr)
	p.publish("live", "x")
	if d := time.Since(begun); d > 3*time.Second {
		t.Errorf("a new encoder waited %v", d)
	}
	_ = p.nc.Close()
	eventually(t, "all closed", func() bool { return s.Stats().Open == 0 })
}

func TestTooManyConnections(t *testing.T) {
	s := startServer(t, new(memGate), Limits{Connections: 3})
	var peers []*peer
	for range 3 {
		peers = append(peers, connectPeer(t, s.addr))
	}
	nc := rawDial(t, s.addr)
	_ = nc.SetReadDeadline(time.Now().Add(3 * time.Second))
	if n, _ := nc.Read(make([]byte, 1)); n != 0 || s.Stats().Refused != 1 {
		t.Errorf("the fourth connection was served")
	}
	_ = peers[0].nc.Close()
	eventually(t, "room again", func() bool { return s.Stats().Open < 3 })
	connectPeer(t, s.addr).publish("live", "x")
}

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

func TestPeerThatNeverReads(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gate := new(memGate)
	s := serveOn(t, narrowListener{l}, gate, Limits{Write: 300 * time.Millisecond})
	p := connectPeer(t, s.addr)
	_ = p.nc.(*net.TCPConn).SetReadBuffer(4096)
	p.publish("live", "x")
	begun := time.Now()
	for { // until the server hangs up
		if _, err := p.nc.Write(chunks(2, typeUserControl, 0, 0, []byte{0, 6, 0, 0, 0, 1}, 128, true)); err != nil {
			break
		}
	}
	if d := time.Since(begun); d > 5*time.Second {
		t.Errorf("it took %v to notice", d)
	}
	eventually(t, "the session closed", func() bool { return gate.session(t, 0).closed() == 1 })
}

func TestStatusOfAPublishThatEnds(t *testing.T) {
	short := Limits{FirstMedia: 300 * time.Millisecond, Idle: 300 * time.Millisecond}
	for name, c := range map[string]struct {
		do     func(p *peer)
		limits Limits
		code   string
	}{
		"nothing sent": {func(p *peer) { p.publish("live", "x") }, short, CodeIdle},
		"frozen":       {func(p *peer) { p.publish("live", "x"); p.media(0, 2) }, short, CodeIdle},
		"play":         {func(p *peer) { p.open("live"); p.command(1, "play", 3, appendAMFString([]byte{amfNull}, "x")) }, Limits{}, codePlay},
		"empty name":   {func(p *peer) { p.open("live"); p.command(1, "publish", 3, appendAMFString([]byte{amfNull}, "?a=b")) }, Limits{}, CodeBadName},
		"missing name": {func(p *peer) { p.open("live"); p.command(1, "publish", 3, []byte{amfNull}) }, Limits{}, CodeBadName},
		"name of 60 kB": {func(p *peer) {
			p.open("live")
			p.command(1, "publish", 3, appendAMFString([]byte{amfNull}, strings.Repeat("x", 60000)))
		}, Limits{}, CodeBadName},
		"control characters in the name": {func(p *peer) { p.open("live"); p.command(1, "publish", 3, appendAMFString([]byte{amfNull}, "a\r\nb")) }, Limits{}, CodeBadName},
		"NUL in the app":                 {func(p *peer) { p.open("li\x00ve"); p.command(1, "publish", 3, appendAMFString([]byte{amfNull}, "b")) }, Limits{}, CodeBadName},
		"too large": {func(p *peer) {
			p.publish("live", "x")
			p.raw(header(5, typeCommand, 1, 0, 1<<20)...)
		}, Limits{}, CodeFailed},
		"HEVC": {func(p *peer) { p.publish("live", "x"); p.send(6, typeVideo, 1, 0, []byte("\x90hvc1\x01\x02\x03")) }, Limits{}, CodeFailed},
		"MP3":  {func(p *peer) { p.publish("live", "x"); p.send(4, typeAudio, 1, 0, []byte("\x2f\xff\xfb")) }, Limits{}, CodeFailed},
	} {
		t.Run(name, func(t *testing.T) {
			gate := new(memGate)
			s := startServer(t, gate, c.limits)
			p := connectPeer(t, s.addr)
			c.do(p)
			if code := p.end(3 * time.Second); code != c.code {
				t.Errorf("status %q, want %q", code, c.code)
			}
		})
	}
}

func TestShutdownTellsEncoders(t *testing.T) {
	gate := new(memGate)
	s := startServer(t, gate, Limits{})
	p := connectPeer(t, s.addr)
	p.publish("live", "x")
	p.media(0, 3)
	eventually(t, "media", func() bool { return gate.session(t, 0).count() == 6 })
	go s.stop()
	if code := p.end(3 * time.Second); code != CodeShutdown {
		t.Errorf("status %q", code)
	}
	s.stop()
	if gate.session(t, 0).closed() != 1 {
		t.Error("the session was not closed")
	}
}

func TestWhatEncodersAskFor(t *testing.T) {
	for name, c := range map[string]struct {
		app, name string
		want      Request
	}{
		"slashes":           {"/live/tok/", "cam", Request{App: "live/tok", Stream: "cam"}},
		"query in the name": {"live/tok", "cam?a=b&c=d", Request{App: "live/tok", Stream: "cam", Query: "a=b&c=d"}},
		"query in the app":  {"live/tok?k=v", "cam?a=b", Request{App: "live/tok", Stream: "cam", Query: "a=b&k=v"}},
		"dots":              {"live/../x", "..", Request{App: "live/../x", Stream: ".."}},
		"no app":            {"", "cam", Request{Stream: "cam"}},
	} {
		t.Run(name, func(t *testing.T) {
			gate := new(memGate)
			s := startServer(t, gate, Limits{})
			connectPeer(t, s.addr).publish(c.app, c.name)
			r := gate.session(t, 0).request
			if r.App != c.want.App || r.Stream != c.want.Stream || r.Query != c.want.Query {
				t.Errorf("request %q %q %q", r.App, r.Stream, r.Query)
			}
		})
	}
	// Every field of connect is optional and of any type; publish type and even the null may be missing or odd.
	gate := new(memGate)
	s := startServer(t, gate, Limits{})
	for _, body := range [][]byte{nil, {amfNull}, {amfUndefined}, appendAMFString(nil, "app"),
		appendAMFObject(nil, "app", 5.0, "tcUrl", true, "capabilities", "x", "flashVer", nil, "fourCcList", nil)} {
		p := connectPeer(t, s.addr)
		p.command(0, "connect", 1, body)
		p.await("_result")
		p.command(0, "releaseStream", 2, appendAMFString([]byte{amfNull}, "x"))
		p.await("_result")
		p.command(0, "FCPublish", 3, appendAMFString([]byte{amfNull}, "x"))
		p.await("_result")
		p.await("onFCPublish")
		p.command(0, "createStream", 4, nil)
		if c := p.await("_result"); c.transaction != 4 || c.args[1] != 1.0 {
			t.Errorf("createStream answered with %+v", c)
		}
		p.command(0, "publish", 5, appendAMFString([]byte{amfUndefined}, "x")) // on message stream 0
		if c := p.await("onStatus"); c.info().get("code") != codeStart {
			t.Errorf("publish answered with %+v", c)
		}
	}
}

func TestPublishAgainOnOneConnection(t *testing.T) {
	gate := new(memGate)
	s := startServer(t, gate, Limits{})
	p := connectPeer(t, s.addr)
	p.publish("live", "one")
	p.media(0, 3)
	p.command(0, "deleteStream", 0, appendAMFNumber([]byte{amfNull}, 1))
	p.media(3, 3) // too late
	p.command(0, "createStream", 8, []byte{amfNull})
	p.await("_result")
	p.command(1, "publish", 9, appendAMFString([]byte{amfNull}, "two"))
	p.await("onStatus")
	p.media(0, 2)
	first, second := gate.session(t, 0), gate.session(t, 1)
	eventually(t, "media of the second", func() bool { return second.count() == 4 })
	if first.count() != 6 || first.closed() != 1 {
		t.Errorf("first: %d samples, closed %d times", first.count(), first.closed())
	}
	if d := second.request.Counters.Dropped(DropUnpublished); d != 6 {
		t.Errorf("%d messages counted as unpublished", d)
	}
}
