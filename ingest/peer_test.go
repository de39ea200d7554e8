package ingest

import (
	"encoding/binary"
	"errors"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/yutopp/go-rtmp/handshake"
)

// peer is a scripted RTMP client that can break every rule.
type peer struct {
	t     testing.TB
	nc    net.Conn
	in    *chunkReader
	chunk int // of what it sends
}

// connectPeer dials and shakes hands.
func connectPeer(t testing.TB, addr string) *peer {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return newPeer(t, nc)
}

func newPeer(t testing.TB, nc net.Conn) *peer {
	t.Helper()
	t.Cleanup(func() { _ = nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(20 * time.Second))
	b := newInbuf(nc, 4096)
	if err := handshake.HandshakeWithServer(readerFunc(func(p []byte) (int, error) { return len(p), b.readFull(p) }), nc, &handshake.Config{}); err != nil {
		t.Fatal(err)
	}
	limits := Limits{}.withDefaults()
	w := newWork(limits.Work)
	return &peer{t: t, nc: nc, in: newChunkReader(b, &limits, new(Counters), &w), chunk: defaultChunkSize}
}

// raw sends bytes and does not care whether they arrive.
func (p *peer) raw(b ...byte) { _, _ = p.nc.Write(b) }

// header makes a type 0 chunk header.
func header(csid byte, typ byte, stream, ts uint32, size int) []byte {
	h := make([]byte, 12, 16)
	h[0] = csid
	putUint24(h[1:], min(ts, extendedMark))
	putUint24(h[4:], uint32(size))
	h[7] = typ
	binary.LittleEndian.PutUint32(h[8:], stream)
	if ts >= extendedMark {
		h = binary.BigEndian.AppendUint32(h, ts)
	}
	return h
}

// chunks makes the chunks of one message; repeat says whether type 3 chunks repeat the extended timestamp.
func chunks(csid, typ byte, stream, ts uint32, payload []byte, size int, repeat bool) []byte {
	b := header(csid, typ, stream, ts, len(payload))
	ext := b[12:]
	for i := 0; i < len(payload); i += size {
		if i > 0 {
			b = append(b, 0xc0|csid)
			if repeat {
				b = append(b, ext...)
			}
		}
		b = append(b, payload[i:min(i+size, len(payload))]...)
	}
	return b
}

func (p *peer) send(csid, typ byte, stream, ts uint32, payload []byte) {
	p.raw(chunks(csid, typ, stream, ts, payload, p.chunk, true)...)
}

func (p *peer) setChunkSize(n uint32) {
	p.send(2, typeSetChunkSize, 0, 0, binary.BigEndian.AppendUint32(nil, n))
	p.chunk = int(min(n, maxMessage))
}

func amfCommand(name string, transaction float64, body []byte) []byte {
	return append(appendAMFNumber(appendAMFString(nil, name), transaction), body...)
}

func (p *peer) command(stream uint32, name string, transaction float64, body []byte) {
	p.send(3, typeCommand, stream, 0, amfCommand(name, transaction, body))
}

func (p *peer) connect(app string) {
	p.command(0, "connect", 1, appendAMFObject(nil, "app", app))
	p.await("_result")
}

// open connects and creates message stream 1.
func (p *peer) open(app string) {
	p.connect(app)
	p.command(0, "createStream", 2, []byte{amfNull})
	p.await("_result")
}

// publish opens and publishes on message stream 1.
func (p *peer) publish(app, name string) {
	p.t.Helper()
	p.open(app)
	p.command(1, "publish", 3, appendAMFString(appendAMFString([]byte{amfNull}, name), "live"))
	if c := p.await("onStatus"); c.info().get("code") != codeStart {
		p.t.Fatalf("publish was answered with %v", c.info())
	}
}

// await reads up to a command of that name.
func (p *peer) await(name string) command {
	p.t.Helper()
	for {
		m, err := p.in.next()
		if err != nil {
			p.t.Fatalf("no %s: %v", name, err)
		}
		if m.typ != typeCommand {
			continue
		}
		c, err := parseCommand(m.payload, 32, 1000)
		if err != nil {
			p.t.Fatal(err)
		}
		if c.name == name {
			return c
		}
	}
}

// end reads until the server closes and returns the code of the last status, "" when there was none.
func (p *peer) end(within time.Duration) string {
	p.t.Helper()
	_ = p.nc.SetReadDeadline(time.Now().Add(within))
	code := ""
	for {
		m, err := p.in.next()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			p.t.Fatalf("the server did not close within %v", within)
		}
		if err != nil {
			return code
		}
		if m.typ == typeCommand {
			if c, err := parseCommand(m.payload, 32, 1000); err == nil && c.name == "onStatus" {
				code, _ = c.info().get("code").(string)
			}
		}
	}
}

// Some H.264 and AAC that parses: 320x180 at 30 fps from x264 and 48 kHz mono from ffmpeg.
func testAVCC() []byte {
	sps := []byte{0x67, 0x64, 0x00, 0x0d, 0xac, 0xd9, 0x41, 0x41, 0x9f, 0x9f, 0x01, 0x10, 0x00,
		0x00, 0x03, 0x00, 0x10, 0x00, 0x00, 0x03, 0x03, 0xc0, 0xf1, 0x42, 0x99, 0x60}
	pps := []byte{0x68, 0xef, 0x8f, 0xcb}
	b := []byte{1, 0x64, 0x00, 0x0d, 0xff, 0xe1, 0, byte(len(sps))}
	b = append(b, sps...)
	b = append(b, 1, 0, byte(len(pps)))
	b = append(b, pps...)
	return append(b, 0xfd, 0xf8, 0xf8, 0x00)
}

func videoConfig(record []byte) []byte { return append([]byte{0x17, 0, 0, 0, 0}, record...) }

func videoFrame(key bool, cts int32, nals ...[]byte) []byte {
	b := []byte{0x27, 1, byte(cts >> 16), byte(cts >> 8), byte(cts)}
	if key {
		b[0] = 0x17
	}
	for _, n := range nals {
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(n))), n...)
	}
	return b
}

func audioConfig(asc ...byte) []byte { return append([]byte{0xaf, 0}, asc...) }

func audioFrame(b ...byte) []byte { return append([]byte{0xaf, 1}, b...) }

var (
	idr    = []byte{0x65, 0x88, 0x84, 0x00, 0x33, 0xff}
	slice  = []byte{0x41, 0x9a, 0x24, 0x6c, 0x41, 0x4f}
	ascLC  = []byte{0x11, 0x88, 0x56, 0xe5, 0x00}
	rawAAC = []byte{0x01, 0x18, 0x20, 0x07}
)

// media sends a little stream of n frames on an open publish, from ms on.
func (p *peer) media(from, n int) {
	if from == 0 {
		p.send(6, typeVideo, 1, 0, videoConfig(testAVCC()))
		p.send(4, typeAudio, 1, 0, audioConfig(ascLC...))
	}
	for i := from; i < from+n; i++ {
		nal := slice
		if i%10 == 0 {
			nal = idr
		}
		p.send(6, typeVideo, 1, uint32(i*40), videoFrame(i%10 == 0, 0, nal))
		p.send(4, typeAudio, 1, uint32(i*40), audioFrame(rawAAC...))
	}
}

// deafListener accepts sockets that take no more bytes once deaf is set, as those of a peer that never reads.
type deafListener struct {
	net.Listener
	deaf *atomic.Bool
}

func (l deafListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return &deafConn{Conn: c, deaf: l.deaf, closed: make(chan struct{})}, err
}

type deafConn struct {
	net.Conn
	deaf     *atomic.Bool
	deadline time.Time // of the writing goroutine
	once     sync.Once
	closed   chan struct{}
}

func (c *deafConn) SetWriteDeadline(t time.Time) error {
	c.deadline = t
	return c.Conn.SetWriteDeadline(t)
}

func (c *deafConn) Write(p []byte) (int, error) {
	if !c.deaf.Load() {
		return c.Conn.Write(p)
	}
	t := time.NewTimer(time.Until(c.deadline))
	defer t.Stop()
	select {
	case <-t.C:
		return 0, os.ErrDeadlineExceeded
	case <-c.closed:
		return 0, net.ErrClosed
	}
}

func (c *deafConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

func lines(s string) int { return strings.Count(s, "\n") }

func rawDial(t testing.TB, addr string) net.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nc.Close() })
	return nc
}
