package origin_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"headwater.stream/internal/media"
	"headwater.stream/origin"
)

// discard is a response that nobody reads. Its header is kept from one request to the next, as net/http's allocations are
// not what is measured.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(int)             {}

func (d *discard) SetWriteDeadline(time.Time) error { return nil }

func benchmark(b *testing.B, target string, header ...string) {
	m := newMemory(true)
	m.steps(20 * partsPerSegment)
	h := handlerOf(m, origin.Options{})
	r := httptest.NewRequest("GET", target, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := &discard{header: http.Header{}}
	h.ServeHTTP(w, r)
	b.ReportAllocs()
	for b.Loop() {
		clear(w.header)
		h.ServeHTTP(w, r)
	}
}

// BenchmarkPlaylist is a viewer who asks for a playlist that others have asked for already.
func BenchmarkPlaylist(b *testing.B) { benchmark(b, base+"v1/media.m3u8?_HLS_msn=19&_HLS_part=4") }

func BenchmarkPlaylistGzip(b *testing.B) {
	benchmark(b, base+"v1/media.m3u8?_HLS_msn=19&_HLS_part=4", "Accept-Encoding", "gzip, deflate, br")
}

func BenchmarkDelta(b *testing.B) { benchmark(b, base+"v1/media.m3u8?_HLS_msn=19&_HLS_skip=YES") }

func BenchmarkPart(b *testing.B) { benchmark(b, base+"v1/part-1764077000-19-3.m4s") }

// BenchmarkNewPart is the work for one part and rendition: a View, its playlist and the compressed coding.
func BenchmarkNewPart(b *testing.B) {
	m := newMemory(true)
	m.steps(20 * partsPerSegment)
	h := handlerOf(m, origin.Options{})
	r := httptest.NewRequest("GET", base+"v1/media.m3u8", nil)
	r.Header.Set("Accept-Encoding", "gzip")
	w := &discard{header: http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		m.change(func(v *media.View) {})
		clear(w.header)
		h.ServeHTTP(w, r)
	}
}
