package ingest

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
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
			for range 100 {
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
	limits := Limits{Handshake: 3 * time.Second, FirstMedia: 2 * time.Second, Idle: 2 * time.Second, Stall: 3 * time.Second, Write: 2 * time.Second}
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
	slots := make(chan struct{}, 8)
	for name, attack := range attacks() {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			t.Run(name, func(t *testing.T) {
				p := connectPeer(t, s.addr)
				attack(p)
				p.end(12 * time.Second)
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
	s := startServer(t, new(memGate), Limits{Handshake: 500 * time.Millisecond, FirstMedia: time.Second})
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
	s := startServer(t, gate, Limits{Handshake: 3 * time.Second})
	for range 500 {
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

func TestPeerThatNeverReads(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gate := new(memGate)
	deaf := new(atomic.Bool)
	s := serveOn(t, deafListener{l, deaf}, gate, Limits{Write: 300 * time.Millisecond})
	p := connectPeer(t, s.addr)
	p.publish("live", "x")
	deaf.Store(true)
	begun := time.Now()
	for { // until the server hangs up
		if _, err := p.nc.Write(chunks(2, typeUserControl, 0, 0, []byte{0, 6, 0, 0, 0, 1}, 128, true)); err != nil {
			break
		}
	}
	if d := time.Since(begun); d > 10*time.Second {
		t.Errorf("it took %v to notice", d)
	}
	eventually(t, "the session closed", func() bool { return gate.session(t, 0).closed() == 1 })
}
