package node

import (
	"bytes"
	"errors"
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

// RoundTrip implements http.RoundTripper: the answer is there with its header, the body as it is written.
func (h inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	body, in := io.Pipe()
	w := &piped{header: http.Header{}, body: in, begun: make(chan struct{})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			err, _ := recover().(error)
			if err != nil && !errors.Is(err, http.ErrAbortHandler) {
				panic(err)
			}
			w.WriteHeader(http.StatusOK)
			_ = in.CloseWithError(err)
		}()
		h.ServeHTTP(w, r)
	}()
	select {
	case <-w.begun:
		return &http.Response{StatusCode: w.status, Header: w.sent, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Body: body, Request: r}, nil
	case <-r.Context().Done():
		_ = body.Close()
		<-done // the handler sees it too
		return nil, r.Context().Err()
	}
}

// piped is the writer's side of an answer.
type piped struct {
	header, sent http.Header
	body         *io.PipeWriter
	begun        chan struct{}
	status       int
}

func (p *piped) Header() http.Header { return p.header }

// SetWriteDeadline and Flush are found by http.ResponseController, as they are on a socket.
func (p *piped) SetWriteDeadline(time.Time) error { return nil }

func (p *piped) Flush() { p.WriteHeader(http.StatusOK) }

func (p *piped) WriteHeader(status int) {
	if p.status == 0 {
		p.status, p.sent = status, p.header.Clone()
		close(p.begun)
	}
}

func (p *piped) Write(b []byte) (int, error) {
	p.WriteHeader(http.StatusOK)
	return p.body.Write(b)
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
		names := []string{"master.m3u8", "manifest(format=m3u8-cmaf,iframes=yes)", "manifest.mpd", "manifest(format=mpd-time-cmaf,iframes=yes)", "v1/media.m3u8"}
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

// delayed answers requests with something in their query late.
func delayed(h http.Handler, query string, d time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		if strings.Contains(r.URL.RawQuery, query) {
			<-time.After(d)
		}
		maps.Copy(w.Header(), rec.Header())
		w.WriteHeader(rec.Code)
		_, _ = w.Write(rec.Body.Bytes())
	})
}

// saboteurs break one thing each about an origin; each names what lint has to find.
func saboteurs(real http.Handler) map[string]http.Handler {
	line := regexp.MustCompile(`(?m)^#EXT-X-RENDITION-REPORT.*\n`)
	dated := regexp.MustCompile(`(?m)^#EXT-X-PROGRAM-DATE-TIME.*\n`)
	bandwidth := regexp.MustCompile(`(INF:|,)BANDWIDTH=\d+`)
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
		"MP-PDT":      textual(real, func(s string) string { return dated.ReplaceAllString(s, "") }),
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
		"MV-BW-PEAK":    textual(real, func(s string) string { return bandwidth.ReplaceAllString(s, "${1}BANDWIDTH=1000") }),
		"MV-CODECS-ALL": textual(real, func(s string) string { return strings.Replace(s, "avc1.", "hvc1.", 1) }),
		"MP-PDT-TFDT": textual(real, func(s string) string { // a clock that goes wrong
			return dated.ReplaceAllStringFunc(s, func(line string) string {
				at, err := time.Parse("2006-01-02T15:04:05.000Z", strings.TrimSpace(line[len("#EXT-X-PROGRAM-DATE-TIME:"):]))
				if err != nil {
					return line
				}
				return "#EXT-X-PROGRAM-DATE-TIME:" + began.Add(at.Sub(began)*21/20).Format("2006-01-02T15:04:05.000Z") + "\n"
			})
		}),
		"LL-BLOCK-FAST": delayed(real, "_HLS_part=", 500*time.Millisecond),
		"LL-CADENCE":    delayed(real, "_HLS_part=", 500*time.Millisecond),
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
