package origin_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"headwater.stream/internal/media"
	"headwater.stream/origin"
)

// ask sends one request; header is key, value, key, value, ….
func ask(h http.Handler, method, target string, header ...string) *http.Response {
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestURLs is the table of what every public path answers.
func TestURLs(t *testing.T) {
	m := newMemory(true)
	m.steps(8*partsPerSegment + 2)
	h := handlerOf(m, origin.Options{})
	short, year := "public, max-age=1", "public, max-age=31536000, immutable"
	for _, c := range []struct {
		path   string
		status int
		typ    string
		cache  string
		code   string
	}{
		{base + "manifest(format=m3u8-cmaf)", 200, "application/vnd.apple.mpegurl", "public, max-age=10", ""},
		{base + "manifest%28format=m3u8-cmaf%29.m3u8", 200, "application/vnd.apple.mpegurl", "public, max-age=10", ""},
		{base + "master.m3u8", 200, "application/vnd.apple.mpegurl", "public, max-age=10", ""},
		{base + "manifest(format=mpd-time-cmaf)", 200, "application/dash+xml", "no-cache", ""},
		{base + "manifest.mpd", 200, "application/dash+xml", "no-cache", ""},
		{base + "v1/media.m3u8", 200, "application/vnd.apple.mpegurl", short, ""},
		{base + "a1/media.m3u8?x=1", 200, "application/vnd.apple.mpegurl", short, ""},
		{base + "manifest(format=m3u8-cmaf,iframes=yes)", 200, "application/vnd.apple.mpegurl", "public, max-age=10", ""},
		{base + "v1/iframes.m3u8", 200, "application/vnd.apple.mpegurl", short, ""},
		{base + "v1/iframes.m3u8?_HLS_msn=7&_HLS_part=9", 200, "application/vnd.apple.mpegurl", "public, max-age=12", ""},
		{base + "v1/media.m3u8?_HLS_msn=7", 200, "application/vnd.apple.mpegurl", "public, max-age=12", ""},
		{base + "v1/init-1764077000.mp4", 200, "video/mp4", year, ""},
		{base + "a1/init-1764077000.mp4", 200, "audio/mp4", year, ""},
		{base + "v1/seg-1764077000-3.m4s", 200, "video/mp4", year, ""},
		{base + "a1/part-1764077000-8-1.m4s", 200, "audio/mp4", year, ""},
		{"/time", 200, "text/plain; charset=utf-8", "no-store", ""},

		{"/", 404, "application/json", short, "MPE_RESOURCE_NOT_FOUND"},
		{"/favicon.ico", 404, "application/json", short, "MPE_RESOURCE_NOT_FOUND"},
		{"/" + id + "/other.ism/master.m3u8", 404, "application/json", short, "MPE_RESOURCE_NOT_FOUND"},
		{base + "manifest", 415, "application/json", "no-store", "MPE_FORMAT_NOT_SUPPORTED"},
		{base + "manifest(format=m3u8-aapl)", 415, "application/json", "no-store", "MPE_FORMAT_NOT_SUPPORTED"},
		{base + "manifest(format=m3u8-cmaf,encryption=cenc)", 415, "application/json", "no-store", "MPE_ENCRYPTION_NOT_SUPPORTED"},
		{base + "v9/media.m3u8", 404, "application/json", short, "MPE_EGRESS_TRACK_NOT_FOUND"},
		{base + "a1/iframes.m3u8", 404, "application/json", short, "MPE_EGRESS_TRACK_NOT_FOUND"},
		{base + "v1/init-5.mp4", 404, "application/json", short, "MPE_FRAGMENT_TIMESTAMP_NOT_FOUND"},
		{base + "v1/seg-1764077000-9.m4s", 404, "application/json", "no-store", "MPE_FRAGMENT_NOT_READY"},
		{base + "v1/seg-1764076999-3.m4s", 404, "application/json", short, "MPE_FRAGMENT_TIMESTAMP_NOT_FOUND"},
		{base + "v1/part-1764077000-8-4.m4s", 404, "application/json", "no-store", "MPE_FRAGMENT_NOT_READY"}, // not the hinted one
		{base + "v1/seg-1764077000-03.m4s", 404, "application/json", short, "MPE_RESOURCE_NOT_FOUND"},
		{base + "manifest(format=m3u8-cmaf,filter=)", 400, "application/json", "no-store", "MPE_BAD_URL_SYNTAX"},
		{base + "manifest(format=m3u8-cmaf,filter=a;b;c;d)", 415, "application/json", "no-store", "MPE_FILTER_COMPOSITION_FILTER_COUNT_OVER_LIMIT"},
		{base + "manifest.mpd?start=now", 400, "application/json", "no-store", "MPE_BAD_URL_SYNTAX"},
		{base + "v1/media.m3u8?_HLS_part=0", 400, "application/json", "no-store", "MPE_BAD_URL_SYNTAX"},
	} {
		r := ask(h, "GET", c.path)
		if r.StatusCode != c.status || r.Header.Get("Content-Type") != c.typ || r.Header.Get("Cache-Control") != c.cache {
			t.Errorf("GET %s: %d, type %q, cache %q; want %d, %q, %q", c.path, r.StatusCode, r.Header.Get("Content-Type"), r.Header.Get("Cache-Control"), c.status, c.typ, c.cache)
		}
		if r.Header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("GET %s: no CORS", c.path)
		}
		text := body(t, r)
		if got := r.Header.Get("Content-Length"); got != fmt.Sprint(len(text)) {
			t.Errorf("GET %s: Content-Length %s, %d bytes", c.path, got, len(text))
		}
		if c.code != "" {
			var e struct{ Code, Message string }
			if err := json.Unmarshal([]byte(text), &e); err != nil || e.Code != c.code || e.Message == "" || r.Header.Get("X-Ms-Error-Code") != c.code {
				t.Errorf("GET %s: body %s, want %s", c.path, text, c.code)
			}
		}
		head := ask(h, "HEAD", c.path)
		if head.StatusCode != c.status || body(t, head) != "" || head.Header.Get("Content-Length") != r.Header.Get("Content-Length") {
			t.Errorf("HEAD %s: %d, length %s", c.path, head.StatusCode, head.Header.Get("Content-Length"))
		}
	}
}

func TestAliasesAreIdentical(t *testing.T) {
	m := newMemory(true)
	m.steps(3 * partsPerSegment)
	h := handlerOf(m, origin.Options{})
	for _, pair := range [][2]string{{"manifest(format=m3u8-cmaf)", "master.m3u8"}, {"manifest(format=mpd-time-cmaf)", "manifest.mpd"}} {
		a, b := body(t, ask(h, "GET", base+pair[0])), body(t, ask(h, "GET", base+pair[1]))
		if a != b || a == "" {
			t.Errorf("%s and %s differ", pair[0], pair[1])
		}
	}
}

// TestPartsMakeSegments: every listed part is there, and together they are the segment.
func TestPartsMakeSegments(t *testing.T) {
	m := newMemory(true)
	m.steps(3 * partsPerSegment)
	h := handlerOf(m, origin.Options{})
	var parts strings.Builder
	for i := range partsPerSegment {
		parts.WriteString(body(t, ask(h, "GET", fmt.Sprintf("%sv1/part-%d-1-%d.m4s", base, epoch, i))))
	}
	if whole := body(t, ask(h, "GET", fmt.Sprintf("%sv1/seg-%d-1.m4s", base, epoch))); whole != parts.String() {
		t.Errorf("the parts are\n%s\nthe segment is\n%s", parts.String(), whole)
	}
}

func TestResolverErrors(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
		code   string
	}{
		{origin.ErrNotFound, 404, "MPE_RESOURCE_NOT_FOUND"},
		{origin.ErrStopped, 404, "MPE_RESOURCE_NOT_FOUND"},
		{origin.ErrNoMedia, 404, "MPE_LIVE_MEDIA_ENTRIES_NOT_FOUND"},
		{origin.ErrNotValid, 404, "MPE_UNAUTHORIZED"},
		{origin.ErrProtocol, 403, "MPE_OUTPUT_FORMAT_BLOCKED"},
		{origin.ErrAddress, 403, "MPE_UNAUTHORIZED"},
		{origin.ErrToken, 403, "MPE_UNAUTHORIZED"},
		{origin.ErrNoFilter, 404, "MPE_EGRESS_FILTER_NOT_FOUND"},
		{origin.ErrNoSpan, 404, "MPE_EGRESS_TIMESTAMP_NOT_FOUND"},
		{origin.ErrLeftWindow, 410, "MPE_FILTER_FORCE_END_LEFT_EDGE_CROSSED_DVR_WINDOW"},
		{origin.ErrFilterRange, 415, "MPE_FILTER_RANGE_ATTRIBUTE_INVALID"},
		{origin.ErrFilterTrack, 415, "MPE_FILTER_TRACK_ATTRIBUTE_INVALID"},
		{origin.ErrFilterWindow, 415, "MPE_FILTER_PRESENTATION_WINDOW_INVALID"},
		{origin.ErrFilterBackoff, 415, "MPE_FILTER_LIVE_BACKOFF_INVALID"},
		{origin.ErrBackoffWindow, 415, "MPE_FILTER_LIVE_BACKOFF_OVER_PRESENTATION_WINDOW"},
		{origin.ErrBackoffDVR, 415, "MPE_FILTER_LIVE_BACKOFF_OVER_DVRWINDOW"},
		{origin.ErrFilterSegment, 415, "MPE_HLS_SEGMENT_TOO_LARGE"},
		{origin.ErrRemovedAll, 415, "MPE_FILTER_REMOVED_ALL_STREAMS"},
		{errors.New("disk on fire"), 503, "MPE_STORAGE_SERVER_BUSY"},
	} {
		h := origin.NewHandler(origin.Options{Resolver: catalog{err: fmt.Errorf("resolving: %w", c.err)}})
		r := ask(h, "GET", base+"master.m3u8")
		if r.StatusCode != c.status || r.Header.Get("X-Ms-Error-Code") != c.code {
			t.Errorf("%v: %d %s, want %d %s", c.err, r.StatusCode, r.Header.Get("X-Ms-Error-Code"), c.status, c.code)
		}
		if text := body(t, r); strings.Contains(text, "fire") {
			t.Errorf("the cause is shown: %s", text)
		}
	}
}

// TestTokenNotLogged: a request with a token fails, and the log tells of it without the token.
func TestTokenNotLogged(t *testing.T) {
	var log strings.Builder
	h := origin.NewHandler(origin.Options{Resolver: catalog{err: errors.New("disk on fire")}, Log: slog.New(slog.NewTextHandler(&log, nil))})
	for _, target := range []string{"/t/secret.to.ken" + base + "master.m3u8", base + "master.m3u8?token=secret.to.ken"} {
		if r := ask(h, "GET", target); r.StatusCode != 503 || strings.Contains(body(t, r), "secret") {
			t.Errorf("%s: %d", target, r.StatusCode)
		}
	}
	if text := log.String(); strings.Contains(text, "secret") || strings.Count(text, "path="+base+"master.m3u8") != 2 {
		t.Errorf("the log:\n%s", text)
	}
}

func TestNothingYet(t *testing.T) {
	h := handlerOf(newMemory(true), origin.Options{})
	for _, name := range []string{"master.m3u8", "manifest.mpd", "v1/media.m3u8"} {
		if r := ask(h, "GET", base+name); r.StatusCode != 404 || r.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s of an empty presentation: %d, %s", name, r.StatusCode, r.Header.Get("Cache-Control"))
		}
	}
}

func TestMethods(t *testing.T) {
	m := newMemory(true)
	m.steps(partsPerSegment)
	h := handlerOf(m, origin.Options{})
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "PROPFIND"} {
		r := ask(h, method, base+"master.m3u8", "X-Echo", "secret")
		if r.StatusCode != 405 || r.Header.Get("Allow") != "GET, HEAD, OPTIONS" || strings.Contains(body(t, r), "secret") {
			t.Errorf("%s: %d, Allow %q", method, r.StatusCode, r.Header.Get("Allow"))
		}
	}
	r := ask(h, "OPTIONS", base+"v1/seg-1764077000-0.m4s", "Origin", "http://a.example", "Access-Control-Request-Headers", "range")
	if r.StatusCode != 204 || r.Header.Get("Access-Control-Allow-Origin") != "*" || !strings.Contains(r.Header.Get("Access-Control-Allow-Headers"), "Range") {
		t.Errorf("OPTIONS: %d, %v", r.StatusCode, r.Header)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", base+"master.m3u8", strings.NewReader("body")))
	if w.Code != 400 || w.Header().Get("Connection") != "close" {
		t.Errorf("GET with a body: %d, Connection %q", w.Code, w.Header().Get("Connection"))
	}
}

func gunzip(t *testing.T, s string) string {
	t.Helper()
	z, err := gzip.NewReader(strings.NewReader(s))
	if err != nil {
		t.Fatal(err)
	}
	z.Multistream(false) // browsers read one member
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestCodings: compressed and plain are the same text at every moment of a long life, under different entity tags.
func TestCodings(t *testing.T) {
	m := newMemory(true)
	m.window = 200 // several pieces of kept text
	m.steps(partsPerSegment)
	h := handlerOf(m, origin.Options{})
	for range 260 {
		m.steps(partsPerSegment + 1)
		for _, name := range []string{"v1/media.m3u8", "manifest.mpd", "master.m3u8"} {
			plain, zipped := ask(h, "GET", base+name), ask(h, "GET", base+name, "Accept-Encoding", "gzip, br")
			if zipped.Header.Get("Content-Encoding") != "gzip" || zipped.Header.Get("Vary") != "Accept-Encoding" || plain.Header.Get("Vary") != "Accept-Encoding" {
				t.Fatalf("%s: encoding %q, Vary %q", name, zipped.Header.Get("Content-Encoding"), zipped.Header.Get("Vary"))
			}
			if a, b := plain.Header.Get("ETag"), zipped.Header.Get("ETag"); a == b || a == "" || b == "" {
				t.Fatalf("%s: entity tags %s and %s", name, a, b)
			}
			z := body(t, zipped)
			if fmt.Sprint(len(z)) != zipped.Header.Get("Content-Length") {
				t.Fatalf("%s: %d bytes, Content-Length %s", name, len(z), zipped.Header.Get("Content-Length"))
			}
			if got, want := gunzip(t, z), body(t, plain); got != want {
				t.Fatalf("%s: compressed is\n%s\nplain is\n%s", name, got, want)
			}
		}
	}
	for accept, want := range map[string]bool{
		"": false, "identity": false, "gzip": true, "GZIP": true, "br;q=1, gzip;q=0.5": true, "gzip;q=0": false, "*": true, "*;q=0": false,
		"gzip;q=0.0, *": false, "deflate": false,
	} {
		if got := ask(h, "GET", base+"master.m3u8", "Accept-Encoding", accept).Header.Get("Content-Encoding") == "gzip"; got != want {
			t.Errorf("Accept-Encoding %q: gzip %v, want %v", accept, got, want)
		}
	}
	if r := ask(h, "GET", base+"v1/seg-1764077000-200.m4s", "Accept-Encoding", "gzip"); r.Header.Get("Content-Encoding") != "" || r.Header.Get("Vary") != "" {
		t.Errorf("media is encoded: %v", r.Header)
	}
}

func TestNotModified(t *testing.T) {
	m := newMemory(true)
	m.steps(3 * partsPerSegment)
	h := handlerOf(m, origin.Options{})
	for _, name := range []string{"v1/media.m3u8", "manifest.mpd", "master.m3u8", "v1/seg-1764077000-1.m4s", "v1/init-1764077000.mp4"} {
		etag := ask(h, "GET", base+name).Header.Get("ETag")
		for _, tag := range []string{etag, `"x", W/` + etag, "*"} {
			r := ask(h, "GET", base+name, "If-None-Match", tag)
			if r.StatusCode != 304 || body(t, r) != "" || r.Header.Get("ETag") != etag || r.Header.Get("Cache-Control") == "" || r.Header.Get("Access-Control-Allow-Origin") != "*" {
				t.Errorf("%s If-None-Match %s: %d, %v", name, tag, r.StatusCode, r.Header)
			}
		}
		if r := ask(h, "GET", base+name, "If-None-Match", `"other"`); r.StatusCode != 200 {
			t.Errorf("%s with another tag: %d", name, r.StatusCode)
		}
	}
	etag := ask(h, "GET", base+"v1/media.m3u8").Header.Get("ETag")
	m.step()
	if r := ask(h, "GET", base+"v1/media.m3u8", "If-None-Match", etag); r.StatusCode != 200 {
		t.Errorf("the changed playlist: %d", r.StatusCode)
	}
}

func TestRanges(t *testing.T) {
	m := newMemory(true)
	m.steps(2 * partsPerSegment)
	h := handlerOf(m, origin.Options{})
	url := base + "v1/seg-1764077000-1.m4s"
	whole := body(t, ask(h, "GET", url))
	n := len(whole)
	etag := ask(h, "GET", url).Header.Get("ETag")
	for _, c := range []struct {
		value   string
		status  int
		content string
		want    string
	}{
		{"bytes=10-109", 206, fmt.Sprintf("bytes 10-109/%d", n), whole[10:110]},
		{"bytes=0-0", 206, fmt.Sprintf("bytes 0-0/%d", n), whole[:1]},
		{"bytes=100-", 206, fmt.Sprintf("bytes 100-%d/%d", n-1, n), whole[100:]},
		{"bytes=-50", 206, fmt.Sprintf("bytes %d-%d/%d", n-50, n-1, n), whole[n-50:]},
		{"bytes=-999999", 206, fmt.Sprintf("bytes 0-%d/%d", n-1, n), whole},
		{"bytes=5-9007199254740991", 206, fmt.Sprintf("bytes 5-%d/%d", n-1, n), whole[5:]},
		{fmt.Sprintf("bytes=%d-", n), 416, fmt.Sprintf("bytes */%d", n), ""},
		{fmt.Sprintf("bytes=%d-%d", n+5, n+9), 416, fmt.Sprintf("bytes */%d", n), ""},
		{"bytes=-0", 416, fmt.Sprintf("bytes */%d", n), ""},
		{"bytes=0-1,5-6", 200, "", whole},
		{"bytes=" + strings.Repeat("0-,", 2000) + "0-", 200, "", whole},
		{"bytes=9-5", 200, "", whole},
		{"bytes=a-b", 200, "", whole},
		{"bytes=--5", 200, "", whole},
		{"bytes=99999999999999999999-", 200, "", whole},
		{"items=0-1", 200, "", whole},
		{"bytes=", 200, "", whole},
	} {
		r := ask(h, "GET", url, "Range", c.value)
		got := body(t, r)
		if r.StatusCode != c.status || r.Header.Get("Content-Range") != c.content || c.status != 416 && got != c.want {
			t.Errorf("Range %.60s: %d, Content-Range %q, %d bytes; want %d, %q", c.value, r.StatusCode, r.Header.Get("Content-Range"), len(got), c.status, c.content)
		}
	}
	if r := ask(h, "GET", url, "Range", "bytes=0-9", "If-Range", etag); r.StatusCode != 206 {
		t.Errorf("If-Range with the tag: %d", r.StatusCode)
	}
	if r := ask(h, "GET", url, "Range", "bytes=0-9", "If-Range", `"old"`); r.StatusCode != 200 {
		t.Errorf("If-Range with another tag: %d", r.StatusCode)
	}
}

// TestDirectives: what is answered or refused at once.
func TestDirectives(t *testing.T) {
	m := newMemory(true)
	m.window = 8
	m.steps(20*partsPerSegment + 3) // segments 12…19 are listed, of 20 parts 0…2
	h := handlerOf(m, origin.Options{})
	for query, want := range map[string]int{
		"_HLS_msn=19": 200, "_HLS_msn=12": 200, "_HLS_msn=0": 200, "_HLS_msn=3&_HLS_part=2": 200,
		"_HLS_msn=20&_HLS_part=2": 200, "_HLS_msn=19&_HLS_part=0": 200,
		"_HLS_msn=19&_HLS_part=5": 200, // part 0 of 20
		"_HLS_msn=18&_HLS_part=5": 200,
		"_HLS_skip=YES":           200, "_HLS_skip=v2": 200, "_HLS_skip=no": 200,
		"x=1&_HLS_other=2": 200,
		"_HLS_msn=22":      400, "_HLS_msn=22&_HLS_part=0": 400, "_HLS_msn=120": 400, "_HLS_msn=18446744073709551615": 400,
		"_HLS_msn=20&_HLS_part=11": 400, // the limit is eight parts of 0.4 s
		"_HLS_msn=21&_HLS_part=8":  400,
		"_HLS_msn=19&_HLS_part=99": 400,
		"_HLS_part=0":              400, "_HLS_msn=": 400, "_HLS_msn=abc": 400, "_HLS_msn=-1": 400, "_HLS_msn=+1": 400, "_HLS_msn=1.5": 400,
		"_HLS_msn=19&_HLS_part=x": 400, "_HLS_msn=19&_HLS_msn=19": 400, "_HLS_msn=18446744073709551616": 400, "_HLS_msn=%31": 400,
	} {
		r := ask(h, "GET", base+"v1/media.m3u8?"+query)
		if r.StatusCode != want {
			t.Errorf("%s: %d, want %d", query, r.StatusCode, want)
		}
		if want == 200 && !strings.Contains(body(t, r), "20-2.m4s") {
			t.Errorf("%s: not the current playlist", query)
		}
	}
	skip := body(t, ask(h, "GET", base+"v1/media.m3u8?_HLS_skip=YES"))
	if !strings.Contains(skip, "#EXT-X-SKIP:SKIPPED-SEGMENTS=1\n") {
		t.Errorf("the delta update is\n%s", skip)
	}
	m.end()
	for _, query := range []string{"_HLS_msn=400", "_HLS_msn=21&_HLS_part=0&_HLS_skip=YES"} { // ignored after ENDLIST
		r := ask(h, "GET", base+"v1/media.m3u8?"+query)
		if text := body(t, r); r.StatusCode != 200 || !strings.HasSuffix(text, "#EXT-X-ENDLIST\n") || strings.Contains(text, "#EXT-X-SKIP") {
			t.Errorf("%s at the end: %d\n%s", query, r.StatusCode, text)
		}
	}
}

// files is a Presentation whose segments are on disk.
type files struct {
	*memory
	dir string
}

func (f files) Open(ctx context.Context, ref media.Ref) (media.Object, error) {
	obj, err := f.memory.Open(ctx, ref)
	if err != nil || ref.Kind != media.ObjectSegment {
		return obj, err
	}
	const before = "what lies before in the file"
	name := filepath.Join(f.dir, ref.File())
	if err := os.WriteFile(name, append([]byte(before), bytes.Join(obj.Data, nil)...), 0o600); err != nil {
		return media.Object{}, err
	}
	file, err := os.Open(name)
	if err != nil {
		return media.Object{}, err
	}
	return media.Object{Size: obj.Size, File: file, Offset: int64(len(before))}, nil
}

func TestFiles(t *testing.T) {
	m := newMemory(true)
	m.steps(2 * partsPerSegment)
	srv := httptest.NewServer(handlerOf(files{m, t.TempDir()}, origin.Options{}))
	defer srv.Close()
	url := "v1/seg-1764077000-1.m4s"
	want := body(t, ask(handlerOf(m, origin.Options{}), "GET", base+url))
	for value, slice := range map[string]string{"": want, "bytes=7-": want[7:], "bytes=-9": want[len(want)-9:], "bytes=3-5": want[3:6]} {
		req, err := http.NewRequest("GET", srv.URL+base+url, nil)
		if err != nil {
			t.Fatal(err)
		}
		if value != "" {
			req.Header.Set("Range", value)
		}
		r, err := srv.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if got := body(t, r); got != slice {
			t.Errorf("Range %q: %q, want %q", value, got, slice)
		}
		if err := r.Body.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTime(t *testing.T) {
	at := time.Date(2026, 11, 25, 14, 3, 5, 7_900_000, time.FixedZone("", 3600))
	h := origin.NewHandler(origin.Options{Resolver: catalog{}, Now: func() time.Time { return at }})
	if got := body(t, ask(h, "GET", "/time")); got != "2026-11-25T13:03:05.007Z" {
		t.Errorf("/time is %q", got)
	}
}

// TestHandOver: the replay of an output takes over its URLs; what live viewers follow keeps its timeline and PART-TARGET, a
// recording that is opened later begins at 0.
func TestHandOver(t *testing.T) {
	m := newMemory(true)
	m.window = 3
	m.steps(9 * partsPerSegment)
	live := origin.NewChannel(m, origin.ChannelOptions{})
	get := func(c *origin.Channel, file string) string {
		return body(t, ask(origin.NewHandler(origin.Options{Resolver: catalog{channel: c}}), "GET", base+file))
	}
	if text := get(live, "manifest.mpd"); !strings.Contains(text, `type="dynamic"`) || !strings.Contains(text, `start="PT0S"`) || strings.Contains(text, "presentationTimeOffset") {
		t.Errorf("the live MPD is\n%s", text)
	}
	get(live, "v1/media.m3u8")
	m.end()
	follows, opened := origin.NewChannel(m, origin.ChannelOptions{After: live}), origin.NewChannel(m, origin.ChannelOptions{})
	if text := get(follows, "manifest.mpd"); !strings.Contains(text, `type="static" mediaPresentationDuration="PT18S"`) {
		t.Errorf("the MPD that follows is\n%s", text)
	}
	if text := get(opened, "manifest.mpd"); !strings.Contains(text, `mediaPresentationDuration="PT6S"`) || !strings.Contains(text, `presentationTimeOffset="1440000"`) {
		t.Errorf("the MPD of the recording is\n%s", text)
	}
	if text := get(follows, "v1/media.m3u8"); !strings.Contains(text, "PART-INF") || !strings.Contains(text, "ENDLIST") {
		t.Errorf("the playlist that follows is\n%s", text)
	}
	if text := get(opened, "v1/media.m3u8"); strings.Contains(text, "PART-INF") || !strings.Contains(text, "TYPE:VOD") {
		t.Errorf("the playlist of the recording is\n%s", text)
	}
}
