package watch_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"headwater.stream/internal/watch"
)

var handler = watch.Handler()

func get(t *testing.T, method, target string, header ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	return w.Result()
}

func read(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestPageIsWhole follows every reference from the page: each must be served by the handler itself.
func TestPageIsWhole(t *testing.T) {
	pending := []string{""}
	seen := map[string]bool{}
	reference := regexp.MustCompile(`(?:src|href)="([^"#:]+)"|from '\./([^']+)'|script\('([^']+)'\)`)
	for len(pending) > 0 {
		name := pending[0]
		pending = pending[1:]
		if seen[name] {
			continue
		}
		seen[name] = true
		res := get(t, "GET", "/watch/"+name)
		if res.StatusCode != 200 {
			t.Errorf("%q: %s", name, res.Status)
			continue
		}
		body := read(t, res)
		if strings.HasSuffix(name, ".min.js") {
			continue
		}
		for _, m := range reference.FindAllStringSubmatch(body, -1) {
			pending = append(pending, m[1]+m[2]+m[3])
		}
		if m := regexp.MustCompile(`https?://[^\s"']+`).FindString(body); m != "" {
			t.Errorf("%q refers to %s: everything must come from the binary", name, m)
		}
		if strings.Contains(body, "innerHTML") || strings.Contains(body, "insertAdjacentHTML") {
			t.Errorf("%q writes markup from text", name)
		}
	}
	for _, name := range []string{"watch.js", "players.js", "source.js", "watch.css", "hls.min.js", "dash.mediaplayer.min.js"} {
		if !seen[name] {
			t.Errorf("%s is not reached from the page", name)
		}
	}
}

func TestHeaders(t *testing.T) {
	for name, contentType := range map[string]string{"": "text/html", "watch.js": "text/javascript", "watch.css": "text/css"} {
		res := get(t, "GET", "/watch/"+name)
		h := res.Header
		if got := h.Get("Content-Type"); !strings.HasPrefix(got, contentType) {
			t.Errorf("%q: Content-Type %q, want %s", name, got, contentType)
		}
		if got := h.Get("Content-Security-Policy"); !strings.Contains(got, "default-src 'none'") || strings.Contains(got, "unsafe") {
			t.Errorf("%q: Content-Security-Policy %q", name, got)
		}
		if h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%q: no nosniff", name)
		}
	}
}

func TestRevalidation(t *testing.T) {
	first := get(t, "GET", "/watch/watch.js")
	tag := first.Header.Get("ETag")
	if tag == "" {
		t.Fatal("no ETag")
	}
	if res := get(t, "GET", "/watch/watch.js", "If-None-Match", tag); res.StatusCode != http.StatusNotModified {
		t.Errorf("with the current tag: %s", res.Status)
	}
	if res := get(t, "GET", "/watch/watch.js", "If-None-Match", `"other"`); res.StatusCode != http.StatusOK {
		t.Errorf("with another tag: %s", res.Status)
	}
}

func TestGzip(t *testing.T) {
	plain := read(t, get(t, "GET", "/watch/hls.min.js"))
	for accept, want := range map[string]bool{
		"gzip, br": true, "br, gzip;q=0.5": true, "GZIP": true,
		"": false, "br": false, "gzip;q=0": false, "gzip; q=0.000": false, "x-gzip-not": false,
	} {
		res := get(t, "GET", "/watch/hls.min.js", "Accept-Encoding", accept)
		if got := res.Header.Get("Content-Encoding") == "gzip"; got != want {
			t.Errorf("Accept-Encoding %q: gzip %v, want %v", accept, got, want)
			continue
		}
		body := res.Body
		if want {
			z, err := gzip.NewReader(res.Body)
			if err != nil {
				t.Fatal(err)
			}
			body = z
		}
		b, err := io.ReadAll(body)
		if err != nil || string(b) != plain {
			t.Errorf("Accept-Encoding %q: %d bytes, want %d (%v)", accept, len(b), len(plain), err)
		}
	}
}

func TestOtherRequests(t *testing.T) {
	for _, c := range []struct {
		method, target string
		status         int
		location       string
	}{
		{"GET", "/watch?src=/a/b.ism/master.m3u8", 301, "/watch/?src=/a/b.ism/master.m3u8"},
		{"HEAD", "/watch/", 200, ""},
		{"POST", "/watch/", 405, ""},
		{"GET", "/watch/README.md", 404, ""},
		{"GET", "/watch/vendor/hls.min.js", 404, ""},
		{"GET", "/watch/../watch.go", 404, ""},
		{"GET", "/", 404, ""},
	} {
		res := get(t, c.method, c.target)
		if res.StatusCode != c.status || res.Header.Get("Location") != c.location {
			t.Errorf("%s %s: %d %q, want %d %q", c.method, c.target, res.StatusCode, res.Header.Get("Location"), c.status, c.location)
		}
	}
}
