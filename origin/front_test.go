package origin_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"headwater.stream/origin"
)

// behind serves h on a loopback port, by the http.Server alone or behind a Front, and counts the connections that net/http got.
func behind(t *testing.T, h http.Handler, front bool) (dial func() net.Conn, handed *atomic.Int64) {
	t.Helper()
	handed = new(atomic.Int64)
	dial = listen(t, h, func(s *http.Server) {
		s.ConnState = func(_ net.Conn, st http.ConnState) {
			if st == http.StateNew {
				handed.Add(1)
			}
		}
	}, front)
	return dial, handed
}

// exchange sends text and reads so many answers; it returns them with "now" for their dates.
func exchange(t *testing.T, dial func() net.Conn, text string, answers int) (list []string) {
	t.Helper()
	c := dial()
	defer c.Close()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(c)
	for range answers {
		method, _, _ := strings.Cut(text, " ")
		resp, err := http.ReadResponse(r, &http.Request{Method: method})
		if err != nil {
			t.Fatalf("%.60q: %v", text, err)
		}
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatalf("%.60q: %v", text, err)
		}
		if at, err := http.ParseTime(resp.Header.Get("Date")); err == nil && time.Since(at).Abs() < time.Minute {
			resp.Header.Set("Date", "now")
		}
		list = append(list, fmt.Sprintf("%s %s %d %v %v %q", resp.Proto, resp.Status, resp.ContentLength, resp.TransferEncoding, resp.Header, b))
	}
	return list
}

// TestFrontAnswersAlike holds the Front to what net/http makes of the same bytes, and says who answers what.
func TestFrontAnswersAlike(t *testing.T) {
	m := newMemory(true)
	m.repeat = 9000
	m.steps(3*partsPerSegment + 2)
	h := handlerOf(m, origin.Options{Now: func() time.Time { return time.Unix(1, 0) }})
	alone, _ := behind(t, h, false)
	dial, handed := behind(t, h, true)
	inFiles, _ := behind(t, handlerOf(files{m, t.TempDir()}, origin.Options{}), true)
	get := func(target string, fields ...string) string {
		return "GET " + target + " HTTP/1.1\r\nHost: x\r\n" + strings.Join(append(fields, ""), "\r\n") + "\r\n"
	}
	part, segment := base+fmt.Sprintf("v1/part-%d-1-1.m4s", epoch), base+fmt.Sprintf("v1/seg-%d-1.m4s", epoch)
	for _, c := range []struct {
		text    string
		answers int
		here    bool // the Front answers it itself
	}{
		{get(base + "master.m3u8"), 1, true},
		{get(base+"v1/media.m3u8?_HLS_msn=2&_HLS_part=1", "accept-encoding: gzip, br", "User-Agent: x", "Cookie: a=b", "X-Twice: 1", "X-Twice: 2", "X-Empty:"), 1, true},
		{get(base+"manifest.mpd", "Connection: Keep-Alive"), 1, true},
		{get(part), 1, true},
		{get(segment), 1, true},
		{get(segment, "Range: bytes=100000-100009"), 1, true},
		{get(segment, "RANGE:bytes=99999999-"), 1, true},
		{get(segment, fmt.Sprintf(`If-None-Match: "v1-seg-%d-1.m4s"`, epoch)), 1, true},
		{strings.Replace(get(segment), "GET", "HEAD", 1), 1, true},
		{strings.Replace(get(segment), "GET", "OPTIONS", 1), 1, true},
		{get("/time"), 1, true},
		{get("/nothing"), 1, true},
		{get(base + "v1/media.m3u8?_HLS_msn=x&CMCD=br%3D1%2Csid%3D%22a%22"), 1, true},
		{get("/time") + get(part) + get("/nothing") + get(base+"master.m3u8"), 4, true},
		{get("/time") + strings.Replace(get(part), "GET", "POST", 1), 2, false},
		{get("/time") + get(base+"%761/media.m3u8") + get("/time"), 3, false},
		{get("/time", "Content-Length: 0"), 1, false},
		{get("/time", "Connection: close"), 1, false},
		{get("/time", "Host: y"), 1, false},
		{get("/time", "Bad Name: y"), 1, false},
		{get("/time", "X: a\x01"), 1, false},
		{get("/time", "X: a", " folded"), 1, false},
		{get("/time", "Expect: 100-continue"), 1, false},
		{get("/time", "X: "+strings.Repeat("y", 5000)), 1, false},
		{get("http://x/time"), 1, false},
		{get("//x/time"), 1, false},
		{"GET /time HTTP/1.1\r\n\r\n", 1, false},
		{"GET /time HTTP/1.0\r\n\r\n", 1, false},
		{"GET /time HTTP/1.1\nHost: x\n\n", 1, false},
		{"GET  /time HTTP/1.1\r\nHost: x\r\n\r\n", 1, false},
	} {
		before := handed.Load()
		want, got := exchange(t, alone, c.text, c.answers), exchange(t, dial, c.text, c.answers)
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("%.100q: answer %d is\n%.900s\nnet/http's\n%.900s", c.text, i, got[i], want[i])
			}
		}
		if strings.Contains(c.text, segment) && !strings.Contains(c.text, part) { // by sendfile it is the same
			if got := exchange(t, inFiles, c.text, c.answers); got[0] != want[0] {
				t.Errorf("%.100q: from a file the answer is\n%.900s", c.text, got[0])
			}
		}
		if here := handed.Load() == before; here != c.here {
			t.Errorf("%.100q: answered by the Front: %v", c.text, here)
		}
	}
}

// TestFrontWriter sends through a Front what the Handler does not: bodies of no declared length, and handlers that fail.
func TestFrontWriter(t *testing.T) {
	cases := map[string]http.HandlerFunc{
		"/nothing": func(http.ResponseWriter, *http.Request) {},
		"/status":  func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) },
		"/chunks": func(w http.ResponseWriter, _ *http.Request) {
			for i := range 3 {
				_, _ = fmt.Fprintf(w, "<html>%d", i)
				_ = http.NewResponseController(w).Flush()
			}
		},
		"/reader": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.Copy(w, strings.NewReader("some text")) },
		"/close": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Connection", "close")
			_ = http.NewResponseController(w).Flush()
			_, _ = io.WriteString(w, "the last")
		},
		"/breaks": func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["X-Odd"] = []string{"a\r\nb: c"}
			w.Header().Set("Content-Length", "0")
		},
	}
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { maps.Clone(cases)[r.URL.Path](w, r) })
	alone, _ := behind(t, h, false)
	dial, handed := behind(t, h, true)
	for path := range cases {
		text := "GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n"
		want, got := exchange(t, alone, text, 1)[0], exchange(t, dial, text, 1)[0]
		if path == "/reader" { // net/http keeps what is short until it knows how long it is
			if !strings.Contains(got, "200 OK") || !strings.HasSuffix(got, `"some text"`) {
				t.Errorf("%s: %s", path, got)
			}
		} else if got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	if handed.Load() != 0 {
		t.Errorf("%d connections went to net/http", handed.Load())
	}
	for _, fails := range []http.HandlerFunc{
		func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "9")
			_, _ = io.WriteString(w, "short")
		},
		func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "part")
			panic(http.ErrAbortHandler)
		},
	} {
		dial, _ := behind(t, fails, true)
		c := dial()
		send(t, c, "/")
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(resp.Body); err == nil {
			t.Errorf("an answer that broke off is taken for whole: %q", b)
		}
	}
}

// TestFrontShutdown: idle connections end at once, a request under way is answered, nobody is let in.
func TestFrontShutdown(t *testing.T) {
	m := newMemory(true)
	m.steps(8 * partsPerSegment)
	var metrics origin.Metrics
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	front := origin.NewFront(origin.NewServer(handlerOf(m, origin.Options{Metrics: &metrics})))
	served := make(chan error)
	go func() { served <- front.Serve(l) }()
	dial := func() net.Conn {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		_ = c.SetDeadline(time.Now().Add(20 * time.Second))
		return c
	}
	idle, blocked, late := dial(), dial(), dial()
	send(t, idle, "/time")
	receive(t, idle)
	send(t, blocked, base+"v1/media.m3u8?_HLS_msn=8&_HLS_part=0")
	if !poll(10*time.Second, func() bool { return metrics.Waiting.Load() == 1 }) {
		t.Fatal("it does not wait")
	}
	ended := make(chan error)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		ended <- front.Shutdown(ctx)
	}()
	if _, err := idle.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("an idle connection: %v", err)
	}
	send(t, late, "/time") // it was let in before
	if status, _ := receive(t, late); status != 200 {
		t.Errorf("the first request of a connection is answered %d", status)
	}
	if _, err := net.Dial("tcp", l.Addr().String()); err == nil {
		t.Error("somebody was let in")
	}
	m.step()
	if status, _ := receive(t, blocked); status != 200 {
		t.Errorf("status %d", status)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		t.Error(err)
	}
}
