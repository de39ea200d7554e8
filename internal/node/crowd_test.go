package node

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"headwater.stream/archive/fsstore"
	"headwater.stream/ingest"
	"headwater.stream/internal/control"
	"headwater.stream/internal/media"
	"headwater.stream/origin"
)

// BenchmarkIngestUnderCrowd sends video frames at their real pace, one per iteration, while viewers hold blocked reloads, and
// reports what the encoder's goroutine spends on a frame (invariant I5). Use -benchtime 900x: half a minute each.
func BenchmarkIngestUnderCrowd(b *testing.B) {
	for _, viewers := range []int{0, 5000} {
		b.Run(fmt.Sprintf("viewers=%d", viewers), func(b *testing.B) { crowd(b, viewers) })
	}
}

func crowd(b *testing.B, viewers int) {
	dir := b.TempDir()
	var stores [2]*fsstore.Store
	for i, name := range []string{"events", "assets"} {
		s, err := fsstore.New(dir+"/"+name, fsstore.Options{Sync: time.Second})
		if err != nil {
			b.Fatal(err)
		}
		defer s.Close()
		stores[i] = s
	}
	rt := newRuntime(b.Context(), newClock(), stores[0], stores[1], newMetrics(), Config{Log: slog.New(slog.DiscardHandler), PreviewSpan: time.Minute})
	defer rt.close()
	rt.Apply(b.Context(), control.Desired{EndpointRunning: true, Events: []control.EventSpec{
		{ID: "e", Name: "e", Token: "token", PreviewID: faultPreview, Running: true, SegmentTarget: 2 * time.Second, Parts: true}}})
	handler := origin.NewHandler(origin.Options{Resolver: rt})
	s, err := rt.Admit(b.Context(), ingest.Request{Remote: netip.MustParseAddrPort("192.0.2.1:1"), App: "live/token", Stream: "key", Kick: func(*ingest.Refusal) {}})
	if err != nil {
		b.Fatal(err)
	}
	if err := s.SetTracks([]media.Track{faultVideo(30, "")}); err != nil {
		b.Fatal(err)
	}
	frame := make([]byte, 25<<10) // of 6 Mbit/s
	began, sent := time.Now(), 0
	send := func() time.Duration {
		due := began.Add(time.Duration(sent) * time.Second / 30)
		<-time.After(time.Until(due))
		start := time.Now()
		copy(frame, faultFrame(sent, sent%60 == 0))
		sample := media.Sample{DTS: int64(sent) * media.VideoTimescale / 30, Sync: sent%60 == 0, Data: slices.Clone(frame)}
		if err := s.WriteSample(sample); err != nil {
			b.Fatal(err)
		}
		sent++
		return time.Since(start)
	}
	for range 70 {
		send()
	}
	ctx, stop := context.WithCancel(b.Context())
	var wg sync.WaitGroup
	answers := make([]int, viewers)
	for i := range viewers {
		wg.Go(func() {
			r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/"+faultPreview+"/preview.ism/v1/media.m3u8", nil)
			for ctx.Err() == nil {
				hint := rt.routes.Load().previews[faultPreview].tl.View().Find("v1").Hint
				r.URL.RawQuery = "_HLS_msn=" + strconv.FormatUint(hint.Number, 10) + "&_HLS_part=" + strconv.Itoa(hint.Part)
				w := &discard{header: http.Header{}}
				handler.ServeHTTP(w, r)
				if w.status == http.StatusOK {
					answers[i]++
				}
			}
		})
	}
	for range 30 {
		send()
	}
	var took []time.Duration
	for b.Loop() {
		took = append(took, send())
	}
	b.StopTimer()
	stop()
	wg.Wait()
	if err := s.Close(); err != nil {
		b.Error(err)
	}
	if viewers > 0 && slices.Min(answers) == 0 {
		b.Error("a viewer got no answer")
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
	b.ReportMetric(0, "ns/op") // the pace is the encoder's
}

// discard is a response that nobody reads.
type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header { return d.header }

// SetWriteDeadline is found by http.ResponseController, as it is on a socket.
func (d *discard) SetWriteDeadline(time.Time) error { return nil }

func (d *discard) WriteHeader(status int) { d.status = status }

func (d *discard) Write(p []byte) (int, error) {
	if d.status == 0 {
		d.status = http.StatusOK
	}
	return io.Discard.Write(p)
}
