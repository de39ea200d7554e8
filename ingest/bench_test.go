package ingest

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"headwater.stream/internal/media"
)

// nullSession takes everything.
type nullSession struct{ done chan struct{} }

func (nullSession) SetTracks([]media.Track) error  { return nil }
func (nullSession) WriteSample(media.Sample) error { return nil }
func (nullSession) WriteEvent(media.Event) error   { return nil }
func (s nullSession) Close() error                 { close(s.done); return nil }

type nullGate struct{ session nullSession }

func (g nullGate) Admit(context.Context, Request) (Session, error) { return g.session, nil }

// tapeConn is a socket that plays a recorded client: the benchmark measures our side only, without the kernel.
type tapeConn struct {
	out  bytes.Buffer // what the server said, up to S2
	tape *bytes.Reader
	step int
}

func (c *tapeConn) Read(p []byte) (int, error) {
	switch c.step {
	case 0: // C0 and C1
		c.step++
		p[0] = 3
		clear(p[1:1537])
		return 1537, nil
	case 1: // C2 echoes S1
		c.step++
		n := copy(p, c.out.Bytes()[1:1537])
		return n, nil
	}
	return c.tape.Read(p)
}

func (c *tapeConn) Write(p []byte) (int, error) {
	if c.out.Len() < 1+2*1536 {
		c.out.Write(p)
	}
	return len(p), nil
}

func (c *tapeConn) Close() error                     { return nil }
func (c *tapeConn) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (c *tapeConn) RemoteAddr() net.Addr             { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }
func (c *tapeConn) SetDeadline(time.Time) error      { return nil }
func (c *tapeConn) SetReadDeadline(time.Time) error  { return nil }
func (c *tapeConn) SetWriteDeadline(time.Time) error { return nil }

type tapeListener struct {
	conns chan net.Conn
	done  chan struct{}
	once  *sync.Once
}

func (l tapeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}
func (l tapeListener) Close() error   { l.once.Do(func() { close(l.done) }); return nil }
func (l tapeListener) Addr() net.Addr { return &net.TCPAddr{} }

// tape records a publisher of seconds of 6 Mbit/s H.264 at 30 fps, a key frame of 120 kB per two seconds, and 128 kbit/s AAC.
func tape(size, seconds int) []byte {
	b := chunks(2, typeSetChunkSize, 0, 0, binary.BigEndian.AppendUint32(nil, uint32(size)), 128, true)
	send := func(csid, typ byte, stream, ts uint32, p []byte) {
		b = append(b, chunks(csid, typ, stream, ts, p, size, true)...)
	}
	send(3, typeCommand, 0, 0, amfCommand("connect", 1, appendAMFObject(nil, "app", "live")))
	send(3, typeCommand, 0, 0, amfCommand("createStream", 2, []byte{amfNull}))
	send(3, typeCommand, 1, 0, amfCommand("publish", 3, appendAMFString([]byte{amfNull}, "x")))
	send(6, typeVideo, 1, 0, videoConfig(testAVCC()))
	send(4, typeAudio, 1, 0, audioConfig(ascLC...))
	key := videoFrame(true, 0, append([]byte{0x65}, make([]byte, 120_000)...))
	frame := videoFrame(false, 66, append([]byte{0x41}, make([]byte, 23_000)...))
	sound := audioFrame(make([]byte, 340)...)
	audio := 0
	for i := range seconds * 30 {
		ts := i * 100 / 3
		for ; audio*1024/48 <= ts; audio++ {
			send(4, typeAudio, 1, uint32(audio*1024/48), sound)
		}
		if i%60 == 0 {
			send(6, typeVideo, 1, uint32(ts), key)
		} else {
			send(6, typeVideo, 1, uint32(ts), frame)
		}
	}
	return b
}

// BenchmarkIngest measures guard, go-rtmp and demuxer; µs/Mbit is the figure of spec/dependencies.md 1.1.
func BenchmarkIngest(b *testing.B) {
	for _, size := range []int{128, 4096, 60000} {
		b.Run(fmt.Sprintf("chunk=%d", size), func(b *testing.B) {
			const seconds = 20
			t := tape(size, seconds)
			l := tapeListener{make(chan net.Conn), make(chan struct{}), new(sync.Once)}
			gate := &nullGate{}
			s := &Server{Gate: gate, Limits: Limits{Work: 1 << 40}}
			ctx, cancel := context.WithCancel(context.Background())
			served := make(chan error, 1)
			go func() { served <- s.Serve(ctx, l) }()
			b.SetBytes(int64(len(t)))
			b.ReportAllocs()
			for b.Loop() {
				gate.session = nullSession{make(chan struct{})}
				l.conns <- &tapeConn{tape: bytes.NewReader(t)}
				<-gate.session.done
			}
			perMbit := float64(b.Elapsed().Microseconds()) / float64(b.N) / (float64(len(t)) * 8 / 1e6)
			b.ReportMetric(perMbit, "µs/Mbit")
			b.ReportMetric(seconds/(b.Elapsed().Seconds()/float64(b.N)), "×realtime")
			b.ReportMetric(0, "ns/op")
			cancel()
			<-served
		})
	}
}
