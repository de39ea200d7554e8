package origin_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"headwater.stream/origin"
)

// listen serves h on a loopback port and returns its address and what opens connections to it.
func listen(t *testing.T, h http.Handler, change func(*http.Server), front ...bool) (dial func() net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := origin.NewServer(h)
	if change != nil {
		change(srv)
	}
	var server interface {
		Serve(net.Listener) error
		Close() error
	} = srv
	if len(front) == 0 || front[0] {
		server = origin.NewFront(srv)
	}
	stopped := make(chan error)
	go func() { stopped <- server.Serve(l) }()
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		if err := <-stopped; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return func() net.Conn {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		return c
	}
}

// send writes a GET request.
func send(t *testing.T, c net.Conn, target string) {
	t.Helper()
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", target); err != nil {
		t.Fatal(err)
	}
}

// receive reads an answer and returns its status and body.
func receive(t *testing.T, c net.Conn) (int, string) {
	t.Helper()
	r, err := http.ReadResponse(bufio.NewReaderSize(c, 512), nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(b)
}

// fresh is a viewer who comes now: he must be served within a second.
func fresh(t *testing.T, dial func() net.Conn) {
	t.Helper()
	began := time.Now()
	c := dial()
	send(t, c, base+"v1/media.m3u8")
	if status, text := receive(t, c); status != 200 || !strings.HasPrefix(text, "#EXTM3U") || time.Since(began) > time.Second {
		t.Errorf("a fresh viewer gets %d after %v", status, time.Since(began))
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// used returns the memory that is in use.
func used() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// TestSlowReaders is case 46: five hundred who take a byte a second cost a connection each and are dropped.
func TestSlowReaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(true)
		m.repeat = 8000 // a third of a megabyte
		m.steps(2*partsPerSegment + 1)
		var metrics origin.Metrics
		dial := serve(t, handlerOf(m, origin.Options{Metrics: &metrics}))
		before, began := used(), time.Now()
		const readers = 500
		var wg sync.WaitGroup
		for i := range readers {
			c := dial()
			target := fmt.Sprintf("GET %sv1/seg-%d-%d.m4s HTTP/1.1\r\nHost: x\r\n\r\n", base, epoch, 1+i%2) // one finished, one in flight
			wg.Go(func() {
				_, err := io.WriteString(c, target+target+target) // and more, without waiting for the answers
				for one := make([]byte, 1); err == nil; time.Sleep(time.Second) {
					_, err = c.Read(one)
				}
			})
		}
		synctest.Wait()
		if per := (used() - before) / readers; per > 48<<10 {
			t.Errorf("a slow reader costs %d bytes", per)
		}
		for range 5 {
			fresh(t, dial)
			m.step()
			time.Sleep(time.Second)
		}
		for metrics.Stalled.Load() < readers && time.Since(began) < 2*time.Minute {
			time.Sleep(time.Second)
		}
		if took := time.Since(began); metrics.Stalled.Load() != readers || took > 45*time.Second {
			t.Errorf("%d of %d dropped after %v", metrics.Stalled.Load(), readers, took)
		}
		wg.Wait()
	})
}

// TestConnectionsThatSayNothing is case 47: they end within the limits and nobody notices them.
func TestConnectionsThatSayNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(true)
		m.steps(3 * partsPerSegment)
		dial := serve(t, handlerOf(m, origin.Options{}))
		var wg sync.WaitGroup
		for text, n := range map[string]int{
			"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ":                         500,
			"GET /time HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\n\r\n": 200,
			"": 2000,
		} {
			for range n {
				c := dial()
				wg.Go(func() {
					began := time.Now()
					if _, err := io.WriteString(c, text); err != nil {
						t.Error(err)
					}
					if _, took := closedAfter(t, c); took > 11*time.Second {
						t.Errorf("%.30q is kept for %v", text, time.Since(began))
					}
				})
			}
		}
		for range 3 {
			fresh(t, dial)
			time.Sleep(time.Second)
		}
		wg.Wait()
	})
}

// TestBlockedCrowd is case 50, over sockets: what two thousand blocked reloads cost, and that all are answered at once.
func TestBlockedCrowd(t *testing.T) {
	m := newMemory(true)
	m.steps(8 * partsPerSegment)
	var metrics origin.Metrics
	dial := listen(t, handlerOf(m, origin.Options{Metrics: &metrics}), nil)
	const crowd = 2000
	fresh(t, dial)
	before := used()
	conns := make([]net.Conn, crowd)
	for i := range conns {
		conns[i] = dial()
		send(t, conns[i], base+"v1/media.m3u8?_HLS_msn=8&_HLS_part=0")
	}
	waiting := func() bool { return metrics.Waiting.Load() == crowd }
	if !poll(20*time.Second, waiting) {
		t.Fatalf("%d wait", metrics.Waiting.Load())
	}
	// Four kilobytes are the stack, four the connection's, its request's and the wait's.
	if per := (used() - before) / crowd; per > 10<<10 && !raceEnabled {
		t.Errorf("a waiter costs %d bytes", per)
	}
	fresh(t, dial)
	began := time.Now()
	m.step()
	for _, c := range conns {
		if status, text := receive(t, c); status != 200 || !strings.Contains(text, "part-1764077000-8-0.m4s") {
			t.Fatalf("%d: %s", status, text)
		}
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("all were answered after %v", took)
	}
	for _, c := range conns {
		send(t, c, base+"v1/media.m3u8?_HLS_msn=9&_HLS_part=0")
	}
	if !poll(20*time.Second, waiting) {
		t.Fatalf("%d wait", metrics.Waiting.Load())
	}
	began = time.Now()
	m.end()
	for _, c := range conns {
		if status, text := receive(t, c); status != 200 || !strings.HasSuffix(text, "#EXT-X-ENDLIST\n") {
			t.Fatalf("at the end: %d", status)
		}
	}
	if took := time.Since(began); took > 5*time.Second || metrics.Waiting.Load() != 0 {
		t.Errorf("released after %v, %d wait", took, metrics.Waiting.Load())
	}
}

// TestViewersWhoLeave is case 55: nothing stays of those who came once, or left in the middle of an answer.
func TestViewersWhoLeave(t *testing.T) {
	m := newMemory(true)
	m.repeat = 8000
	m.steps(2*partsPerSegment + 1)
	var metrics origin.Metrics
	dial := listen(t, handlerOf(m, origin.Options{Metrics: &metrics}), nil)
	fresh(t, dial)
	goroutines, before := runtime.NumGoroutine(), used()
	const viewers = 3000
	targets := []string{
		base + "master.m3u8", base + fmt.Sprintf("v1/seg-%d-1.m4s", epoch), base + fmt.Sprintf("v1/seg-%d-2.m4s", epoch),
		base + "v1/media.m3u8?_HLS_msn=2&_HLS_part=1", base + fmt.Sprintf("v1/part-%d-2-1.m4s", epoch),
	}
	for i := range viewers {
		c := dial()
		send(t, c, targets[i%len(targets)])
		if i%2 == 0 && i%len(targets) < 3 {
			if _, err := io.ReadFull(c, make([]byte, 12)); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if !poll(25*time.Second, func() bool { return runtime.NumGoroutine() <= goroutines+20 && metrics.Waiting.Load() == 0 }) {
		t.Errorf("%d goroutines, there were %d; %d wait", runtime.NumGoroutine(), goroutines, metrics.Waiting.Load())
	}
	if left := used() - before; left > viewers<<11 && !raceEnabled { // 800 bytes are the test's own, 400 the runtime's of each goroutine at the peak
		t.Errorf("%d bytes are left of %d viewers", left, viewers)
	}
	fresh(t, dial)
}

// poll waits until ok, at most for d, and reports whether it was.
func poll(d time.Duration, ok func() bool) bool {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ok()
		}
	}
	return true
}
