package ingest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

const (
	handshakeSize = 1 + 1536 + 1536 // C0, C1 and C2 (RTMP 1.0, 5.2)
	readBuffer    = 16 << 10
	mediaBuffer   = 64 << 10               // of one that sends media
	lingerTime    = 500 * time.Millisecond // for the peer to read a last status
	lingerBytes   = 8 << 20
	kickTime      = 2 * time.Second // after which a kicked connection is cut, status or not
)

var (
	errVersion   = errors.New("not RTMP: the first byte is not version 3")
	errHandshake = errors.New("no handshake in time")
)

// guard is the connection that go-rtmp gets instead of the socket. It passes the handshake, then reads messages under
// Limits and writes those that the library should see as single chunks with full headers: it never sees an interleaved,
// fragmented, oversized or unknown one. Deadlines of all kinds are kept here.
//
// Read is called on the connection's goroutine only, so whatever handle does there may use go-rtmp's writer, which bears
// one user (spec/dependencies.md, 1.2 row 13).
type guard struct {
	nc     net.Conn
	socket io.Reader // nc's
	limits *Limits
	in     *inbuf
	chunks *chunkReader

	handle  func(m *message) (forward bool, err error) // looks at each message, may change it
	failed  func(err error) error                      // is told why reading ends, returns what the library should see
	closed  func()                                     // after the socket is closed
	shaken  int                                        // handshake bytes passed
	head    [16]byte                                   // header of the message being passed on
	out     []byte                                     // rest of it, and
	body    []byte                                     // its payload
	bundle  bundle                                     // the aggregate message being taken apart
	now     time.Time                                  // of the last socket read
	media   time.Time                                  // of the last media message
	linger  bool                                       // a status was sent: give the peer time to read it
	phase   time.Time                                  // when the current phase must be over, zero while media flows
	armed   time.Time                                  // the socket's read deadline, but for that of a kick
	reading error                                      // sticky

	mu     sync.Mutex // guards the fields below and the socket's read deadline
	kicked bool
	ended  bool
}

func newGuard(nc net.Conn, limits *Limits, counters *Counters, handle func(*message) (bool, error)) *guard {
	g := &guard{nc: nc, socket: newSocket(nc), limits: limits, handle: handle}
	g.in = newInbuf(readerFunc(g.readSocket), readBuffer)
	w := newWork(limits.Work)
	g.chunks = newChunkReader(g.in, limits, counters, &w)
	g.now = time.Now()
	g.phase = g.now.Add(limits.Handshake)
	return g
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// readSocket reads from the socket under the deadline of the phase.
func (g *guard) readSocket(p []byte) (int, error) {
	for {
		due, err := g.arm()
		if err != nil {
			return 0, err
		}
		n, err := g.socket.Read(p)
		g.chunks.counters.bytes.Add(uint64(n))
		if n == 0 && errors.Is(err, os.ErrDeadlineExceeded) && time.Now().Before(due) && !g.isKicked() {
			g.armed = time.Time{} // that was the deadline of a read before this one
			continue
		}
		return n, err
	}
}

// arm sees to it that the next read ends when it is due. A socket's deadline that is earlier stays: moving it costs more
// than to find out, once in a while, that it was that of an earlier read.
func (g *guard) arm() (due time.Time, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.now = time.Now()
	due = g.phase
	if due.IsZero() {
		due = g.now.Add(g.limits.Idle)
		if s := g.media.Add(g.limits.Stall); s.Before(due) {
			due = s
		}
	}
	if g.kicked {
		due = g.now
	}
	if g.armed.IsZero() || due.Before(g.armed) {
		g.armed = due
		err = g.nc.SetReadDeadline(due)
	}
	return due, err
}

// await begins a phase that must be over in d.
func (g *guard) await(d time.Duration) {
	g.phase = time.Now().Add(d)
}

// flowing ends the phases: from now on Idle and Stall hold.
func (g *guard) flowing() {
	if !g.phase.IsZero() {
		g.in.grow(mediaBuffer)
	}
	g.media, g.phase = g.now, time.Time{}
}

// kick makes the reader stop: its pending read fails, and if it is stuck elsewhere the socket is cut after kickTime.
func (g *guard) kick() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.kicked || g.ended {
		return
	}
	g.kicked = true
	_ = g.nc.SetReadDeadline(time.Now())
	time.AfterFunc(kickTime, func() { _ = g.nc.Close() })
}

func (g *guard) isKicked() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.kicked
}

// Read implements io.Reader for go-rtmp.
func (g *guard) Read(p []byte) (int, error) {
	if g.reading != nil {
		return 0, g.reading
	}
	n, err := g.read(p)
	if err != nil {
		g.reading = g.failed(err)
		return 0, g.reading
	}
	return n, nil
}

func (g *guard) read(p []byte) (int, error) {
	if g.shaken < handshakeSize {
		return g.handshake(p)
	}
	for len(g.out) == 0 && len(g.body) == 0 {
		if err := g.advance(); err != nil {
			return 0, err
		}
	}
	n := copy(p, g.out)
	g.out = g.out[n:]
	m := copy(p[n:], g.body)
	g.body = g.body[m:]
	return n + m, nil
}

// handshake passes C0, C1 and C2 on; the library answers them.
func (g *guard) handshake(p []byte) (int, error) {
	if err := g.in.need(1); err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) && !g.isKicked() {
			err = errHandshake
		}
		return 0, err
	}
	b := g.in.peek()
	// Version 3 is the only one (5.2.2); 6 would be RTMPE, 0x16 TLS, 'G' HTTP.
	if g.shaken == 0 && b[0] != 3 {
		return 0, errVersion
	}
	n := copy(p[:min(len(p), handshakeSize-g.shaken)], b)
	g.in.skip(n)
	g.shaken += n
	if g.shaken == handshakeSize {
		g.await(g.limits.FirstMedia)
		// The chunk size that makes every message a single chunk.
		g.pass(2, &message{typ: typeSetChunkSize, payload: binary.BigEndian.AppendUint32(nil, maxMessage)})
	}
	return n, nil
}

// advance reads the next message and passes it on if it should be.
func (g *guard) advance() error {
	m, ok := g.bundle.next()
	if !ok {
		var err error
		if m, err = g.chunks.next(); err != nil {
			return err
		}
		if m.typ == typeAggregate {
			g.bundle = newBundle(m)
			g.chunks.work.charge(4)
			return nil
		}
	}
	if g.isKicked() {
		return os.ErrDeadlineExceeded
	}
	if m.typ == typeAudio || m.typ == typeVideo {
		g.chunks.work.charge(4)
		g.flowing()
	} else {
		g.chunks.work.charge(100 + len(m.payload)/64)
	}
	forward, err := g.handle(&m)
	if err != nil || !forward {
		return err
	}
	g.pass(3, &m)
	return nil
}

// pass hands m to the library as one type 0 chunk.
func (g *guard) pass(chunkStream byte, m *message) {
	h := g.head[:12]
	h[0] = chunkStream
	putUint24(h[1:], min(m.timestamp, extendedMark))
	putUint24(h[4:], uint32(len(m.payload)))
	h[7] = m.typ
	binary.LittleEndian.PutUint32(h[8:], m.stream)
	if m.timestamp >= extendedMark {
		h = binary.BigEndian.AppendUint32(h, m.timestamp)
	}
	g.out, g.body = h, m.payload
}

func putUint24(b []byte, v uint32) { b[0], b[1], b[2] = byte(v>>16), byte(v>>8), byte(v) }

// Write implements io.Writer for go-rtmp, on the library's writing goroutine.
func (g *guard) Write(p []byte) (int, error) {
	if err := g.nc.SetWriteDeadline(time.Now().Add(g.limits.Write)); err != nil {
		return 0, err
	}
	return g.nc.Write(p)
}

// Close implements io.Closer for go-rtmp, which calls it last. When a status is on its way to a peer that still sends, a
// plain close would be a reset that destroys the status; so the rest is read for a moment.
func (g *guard) Close() error {
	if g.linger {
		if c, ok := g.nc.(interface{ CloseWrite() error }); ok && c.CloseWrite() == nil {
			_ = g.nc.SetReadDeadline(time.Now().Add(lingerTime))
			_, _ = io.CopyN(io.Discard, g.nc, lingerBytes)
		}
	}
	g.mu.Lock()
	g.ended = true
	g.mu.Unlock()
	err := g.nc.Close()
	if g.closed != nil {
		g.closed()
	}
	return err
}

// bundle takes an aggregate message apart (RTMP 1.0, 7.1.6): FLV tags, of which each has a header of 11 bytes and is
// followed by a back pointer.
type bundle struct {
	rest   []byte
	stream uint32
	shift  uint32 // from the tags' timestamps to those of the message stream
	begun  bool
	base   uint32
}

func newBundle(m message) bundle { return bundle{rest: m.payload, stream: m.stream, base: m.timestamp} }

// next returns the next message in the bundle; the first that is cut short, or of a type that does not belong there,
// ends it.
func (b *bundle) next() (message, bool) {
	for len(b.rest) >= 11 {
		h := b.rest
		size := int(uint24(h[1:]))
		// "The timestamp of the aggregate message and of the first sub-message give the offset to renormalize by."
		ts := uint24(h[4:]) | uint32(h[7])<<24
		if !b.begun {
			b.begun, b.shift = true, b.base-ts
		}
		if len(h) < 11+size {
			break
		}
		b.rest = h[min(11+size+4, len(h)):]
		if t := h[0]; size > 0 && (t == typeAudio || t == typeVideo || t == typeData || t == typeDataAMF3) {
			return message{typ: t, stream: b.stream, timestamp: ts + b.shift, payload: h[11 : 11+size]}, true
		}
	}
	b.rest = nil
	return message{}, false
}

// describe puts the end of reading in words for the log.
func describe(err error) string {
	switch {
	case err == nil:
		return "ended"
	case errors.Is(err, io.EOF):
		return "the encoder closed the connection"
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "nothing came in time"
	}
	return fmt.Sprint(err)
}
