package origin_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"headwater.stream/internal/media"
	"headwater.stream/origin"
)

// flight is a download that goes on in the background of a synctest bubble.
type flight struct {
	mu   sync.Mutex
	resp *http.Response
	got  strings.Builder
	err  error // of the body's end
	done bool
}

// fly requests a target over its own connection, taking at most a step of bytes per pause.
func fly(t *testing.T, c net.Conn, target string, step int, pause time.Duration, header ...string) *flight {
	t.Helper()
	f := &flight{}
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: x\r\n%s\r\n", target, strings.Join(header, "")); err != nil {
		t.Fatal(err)
	}
	go func() {
		r := bufio.NewReaderSize(c, 1<<10)
		resp, err := http.ReadResponse(r, nil)
		f.mu.Lock()
		f.resp, f.err = resp, err
		f.mu.Unlock()
		for chunk := make([]byte, step); err == nil; {
			var n int
			n, err = resp.Body.Read(chunk)
			f.mu.Lock()
			f.got.Write(chunk[:n])
			f.err = err
			f.mu.Unlock()
			if pause > 0 {
				time.Sleep(pause)
			}
		}
		f.mu.Lock()
		f.done = true
		f.mu.Unlock()
	}()
	return f
}

// now lets everything run until it waits and returns what has come so far.
func (f *flight) now() (text string, done bool, err error) {
	synctest.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.got.String(), f.done, f.err
}

// TestInFlight: each chunk arrives whole the moment it is complete, the end with the segment, and the bytes are the
// finished segment's.
func TestInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(true)
		m.steps(2*partsPerSegment + 2)
		h := handlerOf(m, origin.Options{})
		url := base + "v1/seg-1764077000-2.m4s"
		dial := serve(t, h)
		whole := fly(t, dial(), url, 1<<20, 0)
		ranged := fly(t, dial(), url, 1<<20, 0, "Range: bytes=5-9007199254740991\r\n")
		want := ""
		for i := range partsPerSegment {
			if i >= 2 {
				m.step()
			}
			want += strings.Repeat(fmt.Sprintf("v1 2.%d;", i), m.repeat)
			for _, f := range []*flight{whole, ranged} {
				if got, done, _ := f.now(); i >= 1 && (got != want || done != (i == partsPerSegment-1)) {
					t.Fatalf("after part %d: %d bytes of %d, ended %v", i, len(got), len(want), done)
				}
			}
		}
		for _, f := range []*flight{whole, ranged} {
			if _, _, err := f.now(); err != io.EOF {
				t.Errorf("ended with %v", err)
			}
			head := f.resp.Header
			if f.resp.StatusCode != 200 || f.resp.ContentLength != -1 || f.resp.TransferEncoding[0] != "chunked" || head.Get("Content-Range") != "" {
				t.Errorf("in flight: %d, length %d, %v", f.resp.StatusCode, f.resp.ContentLength, head)
			}
			finished := ask(h, "GET", url)
			for _, key := range []string{"Etag", "Cache-Control", "Content-Type", "Access-Control-Allow-Origin"} {
				if head.Get(key) == "" || head.Get(key) != finished.Header.Get(key) {
					t.Errorf("%s is %q in flight, then %q", key, head.Get(key), finished.Header.Get(key))
				}
			}
			if text := body(t, finished); text != want {
				t.Errorf("the finished segment has %d bytes, in flight it had %d", len(text), len(want))
			}
		}
	})
}

func TestInFlightHead(t *testing.T) {
	m := newMemory(true)
	m.steps(2*partsPerSegment + 2)
	h := handlerOf(m, origin.Options{})
	url := base + "v1/seg-1764077000-2.m4s"
	if r := ask(h, "HEAD", url); r.StatusCode != 200 || r.Header.Get("Content-Length") != "" || r.Header.Get("Etag") == "" || body(t, r) != "" {
		t.Errorf("HEAD: %d, %v", r.StatusCode, r.Header)
	}
	if r := ask(h, "GET", url, "If-None-Match", `"v1-seg-1764077000-2.m4s"`); r.StatusCode != 304 || body(t, r) != "" {
		t.Errorf("If-None-Match: %d, %v", r.StatusCode, r.Header)
	}
	plain := newMemory(false)
	plain.steps(2*partsPerSegment + 2)
	if r := ask(handlerOf(plain, origin.Options{}), "GET", url); r.StatusCode != 404 || r.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("the open segment of a presentation without parts: %d, %v", r.StatusCode, r.Header)
	}
}

// TestInFlightEnds: what comes to its end early ends cleanly; what is given up is cut off, so that nobody takes it for whole.
func TestInFlightEnds(t *testing.T) {
	url := base + "v1/seg-1764077000-2.m4s"
	for name, c := range map[string]struct {
		then  func(*memory)
		whole bool
	}{
		"the encoder leaves": {(*memory).lose, true},
		"the end":            {(*memory).end, true},
		"given up": {func(m *memory) {
			m.change(func(v *media.View) {
				v.Ended = true
				v.Renditions[0].Open = nil
				delete(m.objects, media.Ref{Rendition: "v1", Kind: media.ObjectSegment, Epoch: epoch, Number: 2})
			})
		}, false},
		"nothing comes": {func(*memory) { time.Sleep(7 * time.Second) }, false}, // three target durations
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMemory(true)
				m.steps(2*partsPerSegment + 2)
				var metrics origin.Metrics
				f := fly(t, serve(t, handlerOf(m, origin.Options{Metrics: &metrics}))(), url, 1<<20, 0)
				if _, done, _ := f.now(); done || metrics.Waiting.Load() != 1 {
					t.Fatalf("ended %v, waiting %d", done, metrics.Waiting.Load())
				}
				c.then(m)
				got, done, err := f.now()
				if !done || metrics.Waiting.Load() != 0 {
					t.Errorf("ended %v, waiting %d", done, metrics.Waiting.Load())
				}
				if c.whole && (err != io.EOF || got != body(t, ask(handlerOf(m, origin.Options{}), "GET", url))) {
					t.Errorf("%d bytes, %v", len(got), err)
				}
				if !c.whole && !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Errorf("not to be taken for the whole: %v", err)
				}
			})
		})
	}
}

// TestInFlightBehind: a viewer who is so slow that the chunks he waits for are no longer listed gets the rest of the
// finished segment, from memory or from a file.
func TestInFlightBehind(t *testing.T) {
	for name, open := range map[string]func(*memory) origin.Presentation{
		"memory": func(m *memory) origin.Presentation { return m },
		"file":   func(m *memory) origin.Presentation { return files{m, t.TempDir()} },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMemory(true)
				m.repeat = 8000 // more than the server's buffers
				m.steps(2*partsPerSegment + 2)
				h := handlerOf(open(m), origin.Options{})
				f := fly(t, serve(t, h)(), base+"v1/seg-1764077000-2.m4s", 16<<10, time.Second)
				f.now()
				m.steps(10 * partsPerSegment)
				time.Sleep(2 * time.Minute)
				got, done, err := f.now()
				if want := body(t, ask(h, "GET", base+"v1/seg-1764077000-2.m4s")); got != want || !done || err != io.EOF {
					t.Errorf("%d bytes of %d, ended %v, %v", len(got), len(want), done, err)
				}
			})
		})
	}
}

// TestInFlightHTTP2: the same in DATA frames.
func TestInFlightHTTP2(t *testing.T) {
	m := newMemory(true)
	m.steps(2*partsPerSegment + 2)
	srv := httptest.NewUnstartedServer(handlerOf(m, origin.Options{}))
	srv.EnableHTTP2 = true
	srv.StartTLS()
	defer srv.Close()
	resp, err := srv.Client().Get(srv.URL + base + "a1/seg-1764077000-2.m4s")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.ProtoMajor != 2 || resp.StatusCode != 200 || resp.ContentLength != -1 {
		t.Errorf("%s: %d, length %d", resp.Proto, resp.StatusCode, resp.ContentLength)
	}
	want := ""
	for i := range partsPerSegment {
		part := strings.Repeat(fmt.Sprintf("a1 2.%d;", i), m.repeat)
		want += part
		if i >= 2 {
			m.step()
		}
		got := make([]byte, len(part))
		if _, err := io.ReadFull(resp.Body, got); err != nil || string(got) != part {
			t.Fatalf("part %d: %.20q, %v", i, got, err)
		}
	}
	if rest, err := io.ReadAll(resp.Body); len(rest) > 0 || err != nil {
		t.Errorf("after the last part: %q, %v", rest, err)
	}
}
