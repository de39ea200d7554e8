package node

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
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
