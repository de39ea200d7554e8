package origin_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"headwater.stream/origin"
)

// pipes is a listener whose connections have no buffers and whose deadlines follow the test's clock.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
}

func (l *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipes) Close() error   { close(l.done); return nil }
func (l *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "pipe"} }

// serve serves h and returns what opens connections to it.
func serve(t *testing.T, h http.Handler) (dial func() net.Conn) {
	l := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
	srv := origin.NewFront(origin.NewServer(h))
	stopped := make(chan error)
	go func() { stopped <- srv.Serve(l) }()
	t.Cleanup(func() {
		if err := srv.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
		if err := <-stopped; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("serving: %v", err)
		}
	})
	return func() net.Conn {
		client, server := net.Pipe()
		l.conns <- server
		t.Cleanup(func() { _ = client.Close() })
		return client
	}
}

// closedAfter reads to the end of the connection and returns what came and when it ended.
func closedAfter(t *testing.T, c net.Conn) (string, time.Duration) {
	t.Helper()
	began := time.Now()
	b, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(b), time.Since(began)
}

func TestSlowHeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dial := serve(t, handlerOf(newMemory(true), origin.Options{}))
		for _, text := range []string{"", "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "} {
			c := dial()
			if _, err := io.WriteString(c, text); err != nil {
				t.Fatal(err)
			}
			if _, took := closedAfter(t, c); took > 11*time.Second {
				t.Errorf("a header that does not come is waited for %v", took)
			}
		}
	})
}

func TestBodyNeverSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dial := serve(t, handlerOf(newMemory(true), origin.Options{}))
		for _, head := range []string{"Content-Length: 1000", "Transfer-Encoding: chunked", "Content-Length: 100000000"} {
			c := dial()
			if _, err := fmt.Fprintf(c, "GET /time HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n", head); err != nil {
				t.Fatal(err)
			}
			text, took := closedAfter(t, c)
			if !strings.HasPrefix(text, "HTTP/1.1 400 ") || took > 10*time.Second {
				t.Errorf("%s: %.40q after %v", head, text, took)
			}
		}
	})
}

// TestNeverReads: a viewer that takes nothing is dropped after half a minute; one who takes a little at a time is not.
func TestNeverReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(true)
		m.repeat = 8000 // more than the server's buffers
		m.steps(2 * partsPerSegment)
		var metrics origin.Metrics
		dial := serve(t, handlerOf(m, origin.Options{Metrics: &metrics}))
		request := "GET " + base + "v1/seg-1764077000-1.m4s HTTP/1.1\r\nHost: x\r\n\r\n"
		never, slow := dial(), dial()
		for _, c := range []net.Conn{never, slow} {
			if _, err := io.WriteString(c, request); err != nil {
				t.Fatal(err)
			}
		}
		began := time.Now()
		done := make(chan string)
		go func() {
			r := bufio.NewReaderSize(slow, 16<<10)
			resp, err := http.ReadResponse(r, nil)
			if err != nil {
				done <- err.Error()
				return
			}
			var got []byte
			for chunk := make([]byte, 16<<10); ; time.Sleep(time.Second) {
				n, err := resp.Body.Read(chunk)
				got = append(got, chunk[:n]...)
				if err != nil {
					break
				}
			}
			done <- string(got)
		}()
		want := body(t, ask(handlerOf(m, origin.Options{}), "GET", base+"v1/seg-1764077000-1.m4s"))
		if got := <-done; got != want {
			t.Errorf("the slow viewer got %d bytes of %d", len(got), len(want))
		}
		for metrics.Stalled.Load() == 0 && time.Since(began) < time.Minute {
			time.Sleep(time.Second)
		}
		if took := time.Since(began); metrics.Stalled.Load() != 1 || took > 31*time.Second {
			t.Errorf("%d connections dropped after %v", metrics.Stalled.Load(), took)
		}
	})
}

// TestHugeRequests is case 52: refused, or answered as if nothing were, and the connection is not confused.
func TestHugeRequests(t *testing.T) {
	m := newMemory(true)
	m.steps(2 * partsPerSegment)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := origin.NewFront(origin.NewServer(handlerOf(m, origin.Options{})))
	stopped := make(chan error)
	go func() { stopped <- srv.Serve(l) }()
	defer func() {
		if err := srv.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		<-stopped
	}()
	for name, text := range map[string]string{
		"query":              "GET " + base + "v1/media.m3u8?" + strings.Repeat("a=b&", 1<<18) + " HTTP/1.1\r\nHost: x\r\n\r\n",
		"header":             "GET " + base + "v1/media.m3u8 HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("y", 1<<20) + "\r\n\r\n",
		"headers":            "GET " + base + "v1/media.m3u8 HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("X: "+strings.Repeat("y", 1000)+"\r\n", 16<<10) + "\r\n",
		"both":               "GET /time HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /time HTTP/1.1\r\nHost: x\r\n\r\n",
		"two lengths":        "GET /time HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\nGET /time HTTP/1.1\r\nHost: x\r\n\r\n",
		"odd coding":         "GET /time HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\nGET /time HTTP/1.1\r\nHost: x\r\n\r\n",
		"two codings":        "GET /time HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\nGET /time HTTP/1.1\r\nHost: x\r\n\r\n",
		"space before colon": "GET /time HTTP/1.1\r\nHost: x\r\nContent-Length : 5\r\n\r\nGET /time HTTP/1.1\r\nHost: x\r\n\r\n",
		"folded":             "GET /time HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\nGET /time HTTP/1.1\r\nHost: x\r\n\r\n",
		"no host":            "GET /time HTTP/1.1\r\n\r\n",
		"two hosts":          "GET /time HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
		"no path":            "GET HTTP/1.1\r\nHost: x\r\n\r\n",
		"version":            "GET /time HTTP/9.9\r\nHost: x\r\n\r\n",
		"NUL":                "GET /time HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n",
		"garbage":            "\x16\x03\x01 hello\r\n\r\n",
	} {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = io.WriteString(c, text) }() // the server may close before it has all
		reply, _ := io.ReadAll(c)                      // and reset the connection then
		if n := strings.Count(string(reply), "HTTP/1.1 "); n != 1 || !strings.HasPrefix(string(reply), "HTTP/1.1 4") && !strings.HasPrefix(string(reply), "HTTP/1.1 50") {
			t.Errorf("%s: %d answers, %.60q", name, n, reply)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}
