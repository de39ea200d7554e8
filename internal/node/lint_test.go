package node

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"headwater.stream/ingest"
	"headwater.stream/internal/lint"
)

// inProcess is a transport to a handler, without sockets.
type inProcess struct{ http.Handler }

// RoundTrip implements http.RoundTripper.
func (h inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	done := make(chan *http.Response, 1)
	go func() {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		resp := w.Result()
		body, _ := io.ReadAll(resp.Body)
		resp.Body, resp.Request = io.NopCloser(bytes.NewReader(body)), r
		done <- resp
	}()
	select {
	case resp := <-done:
		return resp, nil
	case <-r.Context().Done():
		<-done // the handler sees it too
		return nil, r.Context().Err()
	}
}

// TestLintOurselves: what this origin serves, live and recorded, breaks none of the rules of lint that are MUST.
func TestLintOurselves(t *testing.T) {
	faults(t, func(r *faultRig) {
		look := func(name string, d time.Duration) {
			report, err := lint.Run(r.t.Context(), lint.Options{URL: "http://origin.example" + r.base + name, For: d, Client: &http.Client{Transport: inProcess{r.handler}}})
			if err != nil {
				t.Error(err)
				return
			}
			var text bytes.Buffer
			if err := report.Write(&text); err != nil {
				t.Error(err)
			}
			t.Logf("%s", &text)
			if report.Count(lint.Must) > 0 || len(report.Checked) < 20 {
				t.Errorf("%s: MUST rules are broken, or only %d were looked at", name, len(report.Checked))
			}
		}
		names := []string{"master.m3u8", "manifest.mpd", "v1/media.m3u8"}
		done := make(chan struct{}, len(names))
		looking := false
		s := r.send(publisher{audio: 48000, beforeSend: func(_ ingest.Session, ms float64) {
			if ms < 30_000 || looking {
				return
			}
			looking = true
			for _, name := range names {
				go func() {
					defer func() { done <- struct{}{} }()
					look(name, 15*time.Second)
				}()
			}
		}}, 50*time.Second)
		for range names {
			<-done
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		r.desired.Outputs = nil
		r.apply()
		for _, name := range names {
			look(name, 0)
		}
	})
}

// rewritten answers with what change makes of the real answer.
func rewritten(h http.Handler, change func(r *http.Request, w *httptest.ResponseRecorder) *httptest.ResponseRecorder) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		rec = change(r, rec)
		maps.Copy(w.Header(), rec.Header())
		w.WriteHeader(rec.Code)
		_, _ = w.Write(rec.Body.Bytes())
	})
}

// textual changes the text of playlists, which then are not compressed.
func textual(h http.Handler, change func(text string) string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, ".m3u8") {
			r = r.Clone(r.Context())
			r.Header.Set("Accept-Encoding", "identity")
		}
		rewritten(h, func(r *http.Request, w *httptest.ResponseRecorder) *httptest.ResponseRecorder {
			if strings.HasSuffix(r.URL.Path, ".m3u8") && w.Code == http.StatusOK {
				text := change(w.Body.String())
				w.Body = bytes.NewBufferString(text)
				w.Header().Set("Content-Length", strconv.Itoa(len(text)))
			}
			return w
		}).ServeHTTP(w, r)
	})
}

// saboteurs break one thing each about an origin; each names what lint has to find.
func saboteurs(real http.Handler) map[string]http.Handler {
	line := regexp.MustCompile(`(?m)^#EXT-X-RENDITION-REPORT.*\n`)
	dateless := regexp.MustCompile(`(?m)^#EXT-X-PROGRAM-DATE-TIME.*\n`)
	began := time.Now()
	answer := func(status int) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		w.Code = status
		return w
	}
	return map[string]http.Handler{
		"LL-BLOCK": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { // answers at once, whatever is asked for
			r = r.Clone(r.Context())
			r.URL.RawQuery = ""
			real.ServeHTTP(w, r)
		}),
		"LL-RR":       textual(real, func(s string) string { return line.ReplaceAllString(s, "") }),
		"MP-PDT":      textual(real, func(s string) string { return dateless.ReplaceAllString(s, "") }),
		"LL-PART-MAX": textual(real, func(s string) string { return strings.Replace(s, "PART-TARGET=0.", "PART-TARGET=0.0", 1) }),
		"MP-TD-CONST": textual(real, func(s string) string {
			if time.Since(began) > 4*time.Second {
				return strings.Replace(s, "TARGETDURATION:", "TARGETDURATION:1", 1)
			}
			return s
		}),
		"LL-PART-BYTES": rewritten(real, func(r *http.Request, w *httptest.ResponseRecorder) *httptest.ResponseRecorder {
			if strings.Contains(r.URL.Path, "/part-") && w.Body.Len() > 0 {
				w.Body.Bytes()[w.Body.Len()-1] ^= 1
			}
			return w
		}),
		"LL-HINT-GET": rewritten(real, func(r *http.Request, w *httptest.ResponseRecorder) *httptest.ResponseRecorder {
			if strings.Contains(r.URL.Path, "/part-") {
				return answer(http.StatusInternalServerError)
			}
			return w
		}),
		"CMAF-PARSE": rewritten(real, func(r *http.Request, w *httptest.ResponseRecorder) *httptest.ResponseRecorder {
			if strings.Contains(r.URL.Path, "/seg-") {
				w.Body.Truncate(w.Body.Len() / 2)
				w.Header().Del("Content-Length")
			}
			return w
		}),
		"HTTP-HEAD": rewritten(real, func(r *http.Request, w *httptest.ResponseRecorder) *httptest.ResponseRecorder {
			if r.Method == http.MethodHead {
				return answer(http.StatusMethodNotAllowed)
			}
			return w
		}),
		"HTTP-404": rewritten(real, func(r *http.Request, w *httptest.ResponseRecorder) *httptest.ResponseRecorder {
			if w.Code == http.StatusNotFound {
				w.Code = http.StatusOK
			}
			return w
		}),
	}
}

// TestLintFinds: an origin that does one thing wrong is told so, by the rule that says it.
func TestLintFinds(t *testing.T) {
	faults(t, func(r *faultRig) {
		var wg sync.WaitGroup
		looking := false
		s := r.send(publisher{audio: 48000, beforeSend: func(_ ingest.Session, ms float64) {
			if ms < 30_000 || looking {
				return
			}
			looking = true
			for want, h := range saboteurs(r.handler) {
				wg.Go(func() {
					report, err := lint.Run(r.t.Context(), lint.Options{URL: "http://origin.example" + r.base + "master.m3u8", For: 8 * time.Second, Client: &http.Client{Transport: inProcess{h}}})
					if err != nil {
						t.Errorf("%s: %v", want, err)
						return
					}
					if !slices.ContainsFunc(report.Findings, func(f lint.Finding) bool { return f.Rule == want }) {
						var text bytes.Buffer
						_ = report.Write(&text)
						t.Errorf("%s is not found:\n%s", want, &text)
					}
				})
			}
		}}, 42*time.Second)
		wg.Wait()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}
