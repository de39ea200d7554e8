package lint

import (
	"bytes"
	"encoding/binary"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// site serves files from memory, without a socket.
type site map[string]string

// RoundTrip implements http.RoundTripper.
func (s site) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	text, ok := s[r.URL.Path]
	w.Header().Set("Access-Control-Allow-Origin", "*")
	if !ok {
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusNotFound)
	} else {
		w.Header().Set("Cache-Control", "max-age=60")
		w.Header().Set("Content-Type", map[bool]string{true: "video/mp2t", false: "application/vnd.apple.mpegurl"}[strings.HasSuffix(r.URL.Path, ".ts")])
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(text))
	}
	resp := w.Result()
	resp.Request = r
	return resp, nil
}

func look(t *testing.T, s http.RoundTripper, path string) (*Report, error) {
	t.Helper()
	return Run(t.Context(), Options{URL: "http://live.example" + path, Client: &http.Client{Transport: s}})
}

// TestRun looks at little recordings through HTTP and reads the report.
func TestRun(t *testing.T) {
	s := site{
		"/media.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXTINF:2.0,\n0.ts\n#EXTINF:3.0,\n1.ts\n#EXT-X-ENDLIST\n",
		"/0.ts":       "transport stream",
	}
	r, err := look(t, s, "/media.m3u8")
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := r.Write(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"HLS recorded", "MUST   MP-EXTINF-MAX", "segment 1 lasts 3.000 s, the target duration is 2", "MUST   MP-SEG ", "segment: status 404", "where   http://live.example/1.ts",
		"not fragmented MP4", "2 MUST and 0 SHOULD rules are broken",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the report does not say %q:\n%s", want, &text)
		}
	}
	for path, body := range map[string]string{"/page": "<html>hello</html>", "/none": ""} {
		if body != "" {
			s[path] = body
		}
		if r, err := look(t, s, path); err == nil {
			t.Errorf("%s: no error but %+v", path, r)
		}
	}
}

// endless is a server that never stops sending.
type endless struct{}

// RoundTrip implements http.RoundTripper.
func (endless) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Header: http.Header{}, Request: r, Body: io.NopCloser(io.MultiReader(strings.NewReader("#EXTM3U\n"), zeros{}))}, nil
}

type zeros struct{}

// Read implements io.Reader.
func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

func TestEndless(t *testing.T) {
	if _, err := look(t, endless{}, "/media.m3u8"); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("%v", err)
	}
}

// FuzzParse: whatever a server sends is no reason to fail.
func FuzzParse(f *testing.F) {
	f.Add(livePlaylist(10, 16, 2))
	f.Add(goodMultivariant)
	f.Add(goodMPD)
	f.Add("\x00\x00\x00\x10moof\x00\x00\x00\x08mfhd\x00\x00\x00\x08mdat")
	var lies [16]byte
	binary.BigEndian.PutUint32(lies[:], 1<<31)
	copy(lies[4:], "moov")
	f.Add(string(lies[:]))
	f.Fuzz(func(t *testing.T, text string) {
		fix := newFixture()
		fix.multivariant, fix.before, fix.after, fix.audio, fix.recorded, fix.first, fix.second, fix.static = text, text, text, text, text, text, text, text
		fix.judge()
		parseInit("x", []byte(text))
		parseSegment("x", []byte(text), nil, 1)
		m := parseMPD(where, []byte(text))
		m.At = noon
		for _, at := range m.templates() {
			for _, s := range m.complete(at) {
				at.url(m, at.Media, s)
				break
			}
		}
	})
}
