package ingest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/yutopp/go-rtmp"
	rtmpmsg "github.com/yutopp/go-rtmp/message"
)

// Server accepts encoders. Fields must not be changed once Serve was called; Serve may be called for several listeners.
type Server struct {
	Gate   Gate         // required
	Log    *slog.Logger // nil: silent
	Limits Limits

	open, accepted, refused, panics atomic.Int64
	guesses                         guesses
}

// Stats is what a Server counted since it began.
type Stats struct {
	Open     int64 // connections now
	Accepted int64 // connections ever
	Refused  int64 // connections closed because of Limits.Connections
	Panics   int64 // bugs that cost one connection each
}

// Stats returns the current counts.
func (s *Server) Stats() Stats {
	return Stats{Open: s.open.Load(), Accepted: s.accepted.Load(), Refused: s.refused.Load(), Panics: s.panics.Load()}
}

func (s *Server) logger() *slog.Logger {
	if s.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return s.Log
}

// Serve accepts encoders from l until ctx ends or l fails for good. It closes l, tells the encoders that the server goes,
// and returns when their connections are gone, which Limits.Shutdown bounds. It returns nil when ctx ended it. For RTMPS
// let l be a tls.NewListener.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	limits := s.Limits.withDefaults()
	run := &serving{srv: s, limits: &limits, conns: make(map[*conn]struct{})}
	run.feed = &feed{addr: l.Addr(), conns: make(chan net.Conn), done: make(chan struct{})}
	lib := rtmp.NewServer(&rtmp.ServerConfig{OnConnect: run.connect})
	libDone := make(chan struct{})
	go func() {
		defer close(libDone)
		_ = lib.Serve(run.feed) // ErrClosed, from Close below
	}()
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	err := run.accept(ctx, l)
	stop()
	_ = l.Close()
	endErr := run.end()
	_ = run.feed.Close() // the library may not have got to know it
	_ = lib.Close()
	<-libDone
	if ctx.Err() != nil {
		err = nil
	}
	return errors.Join(err, endErr)
}

// serving is one call of Serve.
type serving struct {
	srv    *Server
	limits *Limits
	feed   *feed

	mu    sync.Mutex
	conns map[*conn]struct{}
	idle  chan struct{} // closed when conns is empty, set by end
}

// accept hands connections to the library until the listener ends.
func (r *serving) accept(ctx context.Context, l net.Listener) error {
	const first, last = 5 * time.Millisecond, time.Second
	pause := first
	for {
		nc, err := l.Accept()
		switch {
		case err == nil:
		case ctx.Err() != nil || errors.Is(err, net.ErrClosed) || errors.Is(err, io.EOF):
			return err
		default: // out of descriptors, aborted handshakes: they pass
			r.srv.logger().Warn("accepting an encoder failed", "err", err)
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(pause):
			}
			pause = min(2*pause, last)
			continue
		}
		pause = first
		if r.srv.open.Load() >= int64(r.limits.Connections) {
			r.srv.refused.Add(1)
			_ = nc.Close()
			continue
		}
		c := newConn(ctx, r.srv, r.limits, nc, nil)
		c.onEnd = func() { r.remove(c) }
		r.add(c)
		select {
		case r.feed.conns <- accepted{nc, c}:
		case <-ctx.Done():
			_ = nc.Close()
			c.cancel()
			r.remove(c)
			return ctx.Err()
		}
	}
}

func (r *serving) add(c *conn) {
	r.srv.open.Add(1)
	r.srv.accepted.Add(1)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conns[c] = struct{}{}
}

func (r *serving) remove(c *conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.conns[c]; !ok {
		return
	}
	delete(r.conns, c)
	r.srv.open.Add(-1)
	if r.idle != nil && len(r.conns) == 0 {
		close(r.idle)
		r.idle = nil
	}
}

// each calls f for every connection.
func (r *serving) each(f func(c *conn)) {
	r.mu.Lock()
	conns := make([]*conn, 0, len(r.conns))
	for c := range r.conns {
		conns = append(conns, c)
	}
	r.mu.Unlock()
	for _, c := range conns {
		f(c)
	}
}

// end kicks all connections and waits for them: first politely, then without their sockets.
func (r *serving) end() error {
	r.mu.Lock()
	idle := make(chan struct{})
	if len(r.conns) == 0 {
		close(idle)
	} else {
		r.idle = idle
	}
	r.mu.Unlock()
	r.each(func(c *conn) { c.kick(0, &Refusal{CodeShutdown, "The server is going down."}) })
	for _, wait := range []time.Duration{r.limits.Shutdown, 2 * time.Second} {
		t := time.NewTimer(wait)
		select {
		case <-idle:
			t.Stop()
			return nil
		case <-t.C:
		}
		r.each(func(c *conn) { _ = c.nc.Close() })
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := len(r.conns); n > 0 {
		return fmt.Errorf("%d encoder connections did not end in time", n)
	}
	return nil
}

// connect is called by the library on the connection's goroutine.
func (r *serving) connect(nc net.Conn) (io.ReadWriteCloser, *rtmp.ConnConfig) {
	c := nc.(accepted).c
	return c.guard, &rtmp.ConnConfig{
		Handler: c,
		// Some encoders send their C2 before they have our S1 to echo, or never echo it (RTMP 1.0, 5.2.4 gains nothing).
		SkipHandshakeVerification: true,

		ReaderBufferSize: libraryBuffer,
		WriterBufferSize: libraryBuffer,
		// The guard sends nothing to streams that do not exist; this is for when our books and the library's differ.
		IgnoreMessagesOnNotExistStream:          true,
		IgnoreMessagesOnNotExistStreamThreshold: 100,
		ControlState: rtmp.StreamControlStateConfig{
			MaxChunkStreams:            8,
			MaxMessageStreams:          maxStreams,
			DefaultAckWindowSize:       ourAckWindow,
			DefaultBandwidthWindowSize: ourAckWindow,
			DefaultBandwidthLimitType:  rtmpmsg.LimitTypeDynamic,
		},
		Logger:  libraryLogger(c),
		RPreset: preset{},
	}
}

// feed is the listener that the library sees: our own accept loop backs off, counts and keeps a registry, the library's
// does none of it.
type feed struct {
	addr  net.Addr
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

type accepted struct {
	net.Conn
	c *conn
}

// Accept implements net.Listener.
func (f *feed) Accept() (net.Conn, error) {
	select {
	case c := <-f.conns:
		return c, nil
	case <-f.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (f *feed) Close() error { f.once.Do(func() { close(f.done) }); return nil }

// Addr implements net.Listener.
func (f *feed) Addr() net.Addr { return f.addr }

// preset is what the answer to connect says about this server.
type preset struct{}

// GetServerConnectResultProperties implements rtmp.ResponsePreset. Encoders look for a "FMS/3" or later.
func (preset) GetServerConnectResultProperties() rtmpmsg.NetConnectionConnectResultProperties {
	return rtmpmsg.NetConnectionConnectResultProperties{FMSVer: "FMS/3,5,7,7009", Capabilities: 31, Mode: 1}
}

// GetServerConnectResultData implements rtmp.ResponsePreset.
func (preset) GetServerConnectResultData() map[string]any {
	return map[string]any{"version": "3,5,7,7009"}
}

// libraryLogger keeps the library's last words on a connection and drops the rest.
func libraryLogger(c *conn) logrus.FieldLogger {
	l := logrus.New()
	l.SetOutput(io.Discard)
	l.SetLevel(logrus.ErrorLevel)
	l.AddHook(lastWords{c})
	return l
}

type lastWords struct{ c *conn }

// Levels implements logrus.Hook.
func (lastWords) Levels() []logrus.Level { return []logrus.Level{logrus.ErrorLevel} }

// Fire implements logrus.Hook.
func (w lastWords) Fire(e *logrus.Entry) error { w.c.complain(e.Message); return nil }

func isTLS(c net.Conn) bool {
	_, ok := c.(*tls.Conn)
	return ok
}
