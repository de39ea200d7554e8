package node

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"log/slog"
	"math"
	"net"
	"sync"
	"time"

	"headwater.stream/ingest"
	"headwater.stream/internal/media"
)

// wire is a generated encoder that speaks RTMP over net.Pipe to the ingest server in front of the rig, and can break every
// rule. As an ingest.Session it sends what it is given as an encoder would.
type wire struct {
	r       *faultRig
	nc      net.Conn
	chunk   int  // size of the chunks it sends
	without bool // leaves extended timestamps out of type 3 chunks (old librtmp)
	tracks  []media.Track
	again   bool // sends the sequence header before each key frame
	meta    []byte

	mu    sync.Mutex
	said  bytes.Buffer // by the server
	ended bool
}

// pipes is a listener of net.Pipe.
type pipes struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { p.once.Do(func() { close(p.done) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// serve starts the ingest server of the rig.
func (r *faultRig) serve() {
	if r.pipes != nil {
		return
	}
	r.pipes = &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
	ctx, cancel := context.WithCancel(r.t.Context())
	done := make(chan error, 1)
	srv := &ingest.Server{Gate: r.rt, Log: slog.New(slog.DiscardHandler)}
	go func() { done <- srv.Serve(ctx, r.pipes) }()
	r.stop = func() {
		cancel()
		if err := <-done; err != nil {
			r.t.Errorf("Serve: %v", err)
		}
		if n := srv.Stats().Panics; n != 0 {
			r.t.Errorf("%d panics", n)
		}
	}
}

// dial connects and publishes.
func (r *faultRig) dial(app, name string) *wire {
	r.t.Helper()
	var ours net.Conn
	if r.connect != nil {
		ours = r.connect()
	} else {
		r.serve()
		var theirs net.Conn
		ours, theirs = net.Pipe()
		r.pipes.conns <- theirs
	}
	w := &wire{r: r, nc: ours, chunk: 128}
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := ours.Read(buf)
			w.mu.Lock()
			w.said.Write(buf[:n])
			w.ended = err != nil
			w.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	hello := make([]byte, 1+1536)
	hello[0] = 3
	w.raw(hello)
	r.t.Helper()
	w.wait("the handshake", func() bool { return w.said.Len() >= 1+2*1536 })
	w.mu.Lock()
	echo := bytes.Clone(w.said.Bytes()[1:1537])
	w.said.Reset()
	w.mu.Unlock()
	w.raw(echo)
	w.command(0, "connect", 1, []byte{3, 0, 3, 'a', 'p', 'p'}, amfText(app), []byte{0, 0, 9})
	w.expect("NetConnection.Connect.Success")
	w.command(0, "createStream", 2, []byte{5})
	w.command(1, "publish", 3, []byte{5}, amfText(name))
	return w
}

// wait polls in fake time.
func (w *wire) wait(what string, ok func() bool) {
	w.r.t.Helper()
	for range 200 {
		w.mu.Lock()
		done := ok()
		w.mu.Unlock()
		if done {
			return
		}
		<-time.After(100 * time.Millisecond)
	}
	w.r.t.Fatalf("waited in vain for %s", what)
}

// expect waits until the server has said something, a status code for example.
func (w *wire) expect(text string) {
	w.r.t.Helper()
	w.wait(text, func() bool { return bytes.Contains(w.said.Bytes(), []byte(text)) })
}

// closed waits until the server has hung up.
func (w *wire) closed() {
	w.r.t.Helper()
	w.wait("the end of the connection", func() bool { return w.ended })
}

func (w *wire) raw(b []byte) { _, _ = w.nc.Write(b) }

func amfText(s string) []byte { return append([]byte{2, byte(len(s) >> 8), byte(len(s))}, s...) }

func (w *wire) command(stream uint32, name string, transaction float64, args ...[]byte) {
	body := append(amfText(name), binary.BigEndian.AppendUint64([]byte{0}, math.Float64bits(transaction))...)
	w.send(3, 20, stream, 0, append(body, bytes.Join(args, nil)...))
}

// message sends a message on the stream that is published.
func (w *wire) message(chunkStream, kind byte, ts uint32, body []byte) {
	w.send(chunkStream, kind, 1, ts, body)
}

// setChunk changes the size of the chunks that follow.
func (w *wire) setChunk(n int) {
	w.send(2, 1, 0, 0, binary.BigEndian.AppendUint32(nil, uint32(n)))
	w.chunk = n
}

func (w *wire) send(chunkStream, kind byte, stream, ts uint32, body []byte) {
	var b, extended []byte
	short := ts
	if ts >= 0xffffff {
		short, extended = 0xffffff, binary.BigEndian.AppendUint32(nil, ts)
	}
	b = append(b, chunkStream, byte(short>>16), byte(short>>8), byte(short), byte(len(body)>>16), byte(len(body)>>8), byte(len(body)), kind)
	b = append(binary.LittleEndian.AppendUint32(b, stream), extended...)
	for i := 0; i < len(body); i += w.chunk {
		if i > 0 {
			if b = append(b, 0xc0|chunkStream); !w.without {
				b = append(b, extended...)
			}
		}
		b = append(b, body[i:min(i+w.chunk, len(body))]...)
	}
	w.raw(b)
}

// SetTracks implements ingest.Session: sequence headers.
func (w *wire) SetTracks(tracks []media.Track) error {
	w.tracks = tracks
	if w.meta != nil {
		w.message(4, 18, 0, w.meta)
	}
	for i := range tracks {
		w.header(i)
	}
	return nil
}

func (w *wire) header(i int) {
	if t := w.tracks[i]; t.Kind == media.Video {
		w.message(6, 9, 0, append([]byte{0x17, 0, 0, 0, 0}, t.Config...))
	} else {
		w.message(4, 8, 0, append([]byte{0xaf, 0}, t.Config...))
	}
}

// WriteSample implements ingest.Session.
func (w *wire) WriteSample(s media.Sample) error {
	t := w.tracks[s.Track]
	ts := uint32(s.DTS * 1000 / int64(t.Timescale))
	if t.Kind == media.Audio {
		w.message(4, 8, ts, append([]byte{0xaf, 1}, s.Data...))
		return nil
	}
	if w.again && s.Sync {
		w.header(s.Track)
	}
	cts := s.Offset * 1000 / int32(t.Timescale)
	b := []byte{0x27, 1, byte(cts >> 16), byte(cts >> 8), byte(cts)}
	if s.Sync {
		b[0] = 0x17
	}
	w.message(6, 9, ts, append(b, s.Data...))
	return nil
}

// WriteEvent implements ingest.Session: an ad cue in simple mode, as AMF0.
func (w *wire) WriteEvent(e media.Event) error {
	text := func(b []byte, s string) []byte { return append(append(b, 0, byte(len(s))), s...) }
	number := func(b []byte, name string, v float64) []byte {
		return binary.BigEndian.AppendUint64(append(text(b, name), 0), math.Float64bits(v))
	}
	b := append(text([]byte{2}, "onAdCue"), 3)
	b = text(append(text(b, "type"), 2), "SpliceOut")
	b = text(append(text(b, "id"), 2), e.Cue)
	b = number(number(b, "time", e.Start.Seconds()), "duration", e.Duration.Seconds())
	w.message(4, 18, uint32(e.Start.Milliseconds()), append(b, 0, 0, 9))
	return nil
}

// Close implements ingest.Session: without a word, in the middle of a message.
func (w *wire) Close() error {
	w.raw([]byte{6, 0, 0, 0, 0, 1, 0, 9, 1, 0, 0, 0, 0x17, 1})
	return w.nc.Close()
}

var (
	_ ingest.Session = (*wire)(nil)
	_ io.Closer      = (*wire)(nil)
)
