package origin

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"runtime/debug"
	"sync/atomic"
	"syscall"
	"time"
)

// headBytes is how long the header of a request may be here: those of browsers have a quarter of it.
const headBytes = 4 << 10

// short is a connection that the Front serves itself.
type short struct {
	f      *Front
	nc     net.Conn
	raw    syscall.RawConn // nil: it cannot be looked at
	remote string
	ctx    context.Context
	cancel context.CancelFunc
	served atomic.Bool  // a request was answered
	since  atomic.Int64 // Unix time in ns at which the present request came, 0: there is none

	buf    *[headBytes]byte // nil while a request is answered and nothing came behind it
	n      int              // bytes in it
	header http.Header      // of requests
	values []string         // behind it
	reply  reply
}

func newShort(ctx context.Context, f *Front, nc net.Conn) *short {
	c := &short{f: f, nc: nc, header: http.Header{}}
	c.ctx, c.cancel = context.WithCancel(ctx)
	c.reply.c, c.reply.header = c, http.Header{}
	if a := nc.RemoteAddr(); a != nil {
		c.remote = a.String()
	}
	if s, ok := nc.(syscall.Conn); ok {
		c.raw, _ = s.SyscallConn()
	}
	return c
}

func (c *short) close() {
	c.cancel()
	_ = c.nc.Close()
	c.f.state(c.nc, http.StateClosed)
}

// run serves the connection to its end, or until it is another's.
func (c *short) run() {
	defer c.f.leave(c)
	defer func() {
		if v := recover(); v != nil {
			c.log(v)
			c.close()
		}
	}()
	c.buf = c.f.heads.Get().(*[headBytes]byte)
	over := c.serve()
	nc, head := c.nc, bytes.Clone(c.head())
	c.release()
	if !over {
		c.close()
		return
	}
	c.cancel()
	_ = nc.SetDeadline(time.Time{})
	c.f.handOver(&begun{nc, head})
}

func (c *short) head() []byte {
	if c.buf == nil {
		return nil
	}
	return c.buf[:c.n]
}

// release gives the buffer back.
func (c *short) release() {
	if c.buf != nil {
		c.f.heads.Put(c.buf)
		c.buf = nil
	}
}

// serve answers requests; it returns true when there is one for net/http.
func (c *short) serve() (over bool) {
	for wait := readHeaderTimeout; ; wait = idleTimeout {
		end, err := c.await(wait)
		if err != nil {
			return false
		}
		if end == 0 {
			return true
		}
		req, ok := c.parse(string(c.buf[:end]))
		if !ok {
			return true
		}
		if c.n = copy(c.buf[:], c.buf[end:c.n]); c.n == 0 {
			c.release()
		}
		c.since.Store(time.Now().UnixNano())
		ok = c.handle(req)
		c.served.Store(true)
		c.since.Store(0)
		if !ok || c.f.ending() {
			return false
		}
		if c.buf == nil {
			c.buf = c.f.heads.Get().(*[headBytes]byte)
		}
	}
}

// await reads until a header is complete and returns its length, 0 when it is none of ours. The first byte is waited for that
// long, the rest no longer than net/http would.
func (c *short) await(wait time.Duration) (end int, err error) {
	begun, seen := c.n > 0, 0
	if begun {
		wait = readHeaderTimeout
	}
	if err := c.nc.SetReadDeadline(time.Now().Add(wait)); err != nil {
		return 0, err
	}
	for {
		for seen < c.n {
			i := bytes.IndexByte(c.buf[seen:c.n], '\n')
			if i < 0 {
				break
			}
			at := seen + i
			if at == 0 || c.buf[at-1] != '\r' {
				return 0, nil
			}
			if at >= 3 && c.buf[at-2] == '\n' {
				return at + 1, nil
			}
			seen = at + 1
		}
		if c.n == headBytes || c.n >= 4 && !known(c.buf[:4]) {
			return 0, nil
		}
		n, err := c.nc.Read(c.buf[c.n:])
		if n == 0 && err != nil {
			return 0, err
		}
		c.n += n
		if !begun && wait != readHeaderTimeout {
			if err := c.nc.SetReadDeadline(time.Now().Add(readHeaderTimeout)); err != nil {
				return 0, err
			}
		}
		begun = true
	}
}

// known reports whether a method that is served here begins like that.
func known(b []byte) bool {
	s := string(b)
	return s == "GET " || s == "HEAD" || s == "OPTI"
}

// handle answers a request and reports whether another may follow.
func (c *short) handle(r *http.Request) (more bool) {
	w := &c.reply
	w.reset(r.Method)
	defer func() {
		if v := recover(); v != nil {
			if v != http.ErrAbortHandler {
				c.log(v)
			}
			more = false
		}
	}()
	c.f.srv.Handler.ServeHTTP(w, r)
	return w.finish()
}

// log tells of a panic.
func (c *short) log(v any) {
	if c.f.srv.ErrorLog != nil {
		c.f.srv.ErrorLog.Printf("panic serving %s: %v\n%s", c.remote, v, debug.Stack())
	}
}
