package origin

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// Front serves the connections of a listener for an http.Server. Nearly all requests of viewers are alike: GET, HTTP/1.1, no
// TLS, no body. Those it reads and answers itself, on one goroutine, with one write and few allocations, and holds little
// while they wait. A connection with anything else on it, from the first byte on, goes to the http.Server for good, so what
// is odd, broken or hostile is net/http's, and what a request is answered is the Handler's in both cases.
type Front struct {
	srv   *http.Server
	rest  *rest
	heads sync.Pool // *[headBytes]byte
	done  chan struct{}
	wg    sync.WaitGroup // connections here

	mu       sync.Mutex
	listener net.Listener
	conns    map[*short]struct{}
	closing  bool
}

// lookEvery is how often connections whose requests wait are looked at, whether the viewer has left.
const lookEvery = time.Second

// NewFront returns a Front for srv, which the caller has set up and does not serve himself.
func NewFront(srv *http.Server) *Front {
	f := &Front{srv: srv, rest: newRest(), done: make(chan struct{}), conns: map[*short]struct{}{}}
	f.heads.New = func() any { return new([headBytes]byte) }
	return f
}

// Serve accepts viewers from l until Shutdown or Close, and returns http.ErrServerClosed then. It is called once.
func (f *Front) Serve(l net.Listener) error {
	f.mu.Lock()
	if f.closing {
		f.mu.Unlock()
		return http.ErrServerClosed
	}
	f.listener, f.rest.addr = l, l.Addr()
	f.mu.Unlock()
	ctx := context.Background()
	if f.srv.BaseContext != nil {
		ctx = f.srv.BaseContext(l)
	}
	served := make(chan error, 1)
	go func() { served <- f.srv.Serve(f.rest) }()
	go f.look()
	err := f.accept(ctx, l)
	select {
	case <-f.done: // asked to
		<-served
		return http.ErrServerClosed
	default:
		return errors.Join(err, f.Close())
	}
}

func (f *Front) accept(ctx context.Context, l net.Listener) error {
	const first, last = 5 * time.Millisecond, time.Second
	pause := first
	for {
		nc, err := l.Accept()
		switch {
		case err == nil:
		case errors.Is(err, net.ErrClosed) || errors.Is(err, io.EOF):
			return err
		default: // out of descriptors, aborted handshakes: they pass
			select {
			case <-f.done:
				return err
			case <-time.After(pause):
			}
			pause = min(2*pause, last)
			continue
		}
		pause = first
		if _, ok := nc.(*tls.Conn); ok {
			f.handOver(nc)
			continue
		}
		c := newShort(ctx, f, nc)
		if f.enter(c) {
			go c.run()
		} else {
			c.close()
		}
	}
}

func (f *Front) enter(c *short) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closing {
		return false
	}
	f.conns[c] = struct{}{}
	f.wg.Add(1)
	return true
}

func (f *Front) leave(c *short) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.conns, c)
	f.wg.Done()
}

// handOver gives a connection to the http.Server.
func (f *Front) handOver(nc net.Conn) {
	select {
	case f.rest.conns <- nc:
	case <-f.rest.done:
		_ = nc.Close()
		f.state(nc, http.StateClosed)
	}
}

// ending reports whether connections are to end.
func (f *Front) ending() bool {
	select {
	case <-f.done:
		return true
	default:
		return false
	}
}

// state tells who counts connections.
func (f *Front) state(nc net.Conn, s http.ConnState) {
	if f.srv.ConnState != nil {
		f.srv.ConnState(nc, s)
	}
}

// look ends the requests of viewers who have left while they wait.
func (f *Front) look() {
	t := time.NewTicker(lookEvery)
	defer t.Stop()
	var list []*short
	for {
		select {
		case <-f.done:
			return
		case now := <-t.C:
			list = list[:0]
			f.mu.Lock()
			for c := range f.conns {
				if since := c.since.Load(); since != 0 && now.UnixNano()-since > int64(lookEvery) {
					list = append(list, c)
				}
			}
			f.mu.Unlock()
			for _, c := range list {
				if c.raw != nil && hasLeft(c.raw) {
					c.cancel()
				}
			}
			clear(list)
		}
	}
}

// begin begins the end: nobody is let in, and with all set every connection is closed, else those between two requests.
func (f *Front) begin(all bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.closing {
		f.closing = true
		close(f.done)
	}
	if f.listener != nil {
		_ = f.listener.Close()
		f.listener = nil
	}
	for c := range f.conns {
		switch {
		case all, c.since.Load() == 0 && c.served.Load():
			_ = c.nc.Close()
		case c.since.Load() == 0: // its first request is on its way, or it was opened ahead of need
			_ = c.nc.SetReadDeadline(time.Now().Add(firstRequest))
		}
	}
}

// firstRequest is how long Shutdown waits for a request on a connection that has had none.
const firstRequest = 500 * time.Millisecond

// Shutdown lets no more requests in and waits, until ctx ends, for those under way.
func (f *Front) Shutdown(ctx context.Context) error {
	f.begin(false)
	err := f.srv.Shutdown(ctx)
	gone := make(chan struct{})
	go func() { f.wg.Wait(); close(gone) }()
	select {
	case <-gone:
		return err
	case <-ctx.Done():
		return errors.Join(err, ctx.Err())
	}
}

// Close closes all connections.
func (f *Front) Close() error {
	f.begin(true)
	return f.srv.Close()
}

// rest is the listener that the http.Server sees.
type rest struct {
	addr  net.Addr
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func newRest() *rest { return &rest{conns: make(chan net.Conn), done: make(chan struct{})} }

// Accept implements net.Listener.
func (r *rest) Accept() (net.Conn, error) {
	select {
	case c := <-r.conns:
		return c, nil
	case <-r.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (r *rest) Close() error { r.once.Do(func() { close(r.done) }); return nil }

// Addr implements net.Listener.
func (r *rest) Addr() net.Addr { return r.addr }

// begun is a connection of which something was read already.
type begun struct {
	net.Conn
	head []byte
}

// Read implements io.Reader.
func (b *begun) Read(p []byte) (int, error) {
	if len(b.head) == 0 {
		return b.Conn.Read(p)
	}
	n := copy(p, b.head)
	if b.head = b.head[n:]; len(b.head) == 0 {
		b.head = nil
	}
	return n, nil
}

// ReadFrom implements io.ReaderFrom: sendfile.
func (b *begun) ReadFrom(r io.Reader) (int64, error) { return io.Copy(b.Conn, r) }

// CloseWrite lets net/http end a connection without a reset.
func (b *begun) CloseWrite() error {
	if c, ok := b.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return nil
}
