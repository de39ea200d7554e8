package node

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"headwater.stream/archive/fsstore"
	"headwater.stream/internal/control"
	"headwater.stream/origin"
)

// answered is a request to a published locator: status, code and Cache-Control.
func (r *faultRig) answered(path string) (status int, code, cache string) {
	w := httptest.NewRecorder()
	r.handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w.Code, w.Header().Get("X-Ms-Error-Code"), w.Header().Get("Cache-Control")
}

// TestMaxCacheAge: "maxCacheAge overrides fragments and VOD manifests only" (ams-v3 §7), and what an endpoint serves only.
func TestMaxCacheAge(t *testing.T) {
	faults(t, func(r *faultRig) {
		r.desired.MaxCacheAge = 600 * time.Second
		r.apply()
		s := r.send(publisher{audio: 48000}, 21*time.Second)
		_, list := r.get("v1/media.m3u8")
		segment := segmentNumber.FindString(list)
		published, preview := "/"+faultLocator+"/show.ism/", "/"+faultPreview+"/preview.ism/"
		check := func(when string, want map[string]string) {
			t.Helper()
			for path, want := range want {
				if status, _, got := r.answered(path); status != http.StatusOK || got != want {
					t.Errorf("%s, %s: %d %q, want %q", when, path, status, got, want)
				}
			}
		}
		check("live", map[string]string{
			published + "v1/" + segment: "public, max-age=600, immutable", preview + "v1/" + segment: "public, max-age=31536000, immutable",
			published + "master.m3u8": "public, max-age=10", published + "v1/media.m3u8": "public, max-age=1", published + "manifest.mpd": "no-cache",
			published + "v1/media.m3u8?end=6": "public, max-age=600", // what is cut out of it has ended
		})
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		r.desired.Outputs = nil
		r.apply()
		check("ended", map[string]string{
			published + "v1/" + segment: "public, max-age=600, immutable",
			published + "master.m3u8":   "public, max-age=600", published + "v1/media.m3u8": "public, max-age=600", published + "manifest.mpd": "public, max-age=600",
		})
		r.desired.MaxCacheAge = 0
		r.apply()
		check("not set", map[string]string{published + "v1/" + segment: "public, max-age=31536000, immutable", published + "manifest.mpd": "public, max-age=60"})
	})
}

// TestLocatorTimes: startTime and endTime bound every answer of a locator, by HLS and DASH, manifests and media.
func TestLocatorTimes(t *testing.T) {
	faults(t, func(r *faultRig) {
		id := filteredLocator(1)
		r.desired.Locators = append(r.desired.Locators, control.LocatorSpec{ID: id, AssetID: "a", HLS: true, DASH: true,
			StartTime: r.began.Add(30 * time.Second), EndTime: r.began.Add(50 * time.Second)})
		r.apply()
		s := r.send(publisher{audio: 48000}, 20*time.Second)
		_, list := r.get("v1/media.m3u8")
		check := func(when string, want int) {
			t.Helper()
			for _, name := range []string{"master.m3u8", "manifest(format=m3u8-cmaf)", "v1/media.m3u8", "manifest.mpd", "manifest(format=mpd-time-cmaf)", "v1/" + segmentNumber.FindString(list)} {
				status, code, cache := r.answered("/" + id + "/show.ism/" + name)
				if status != want || want == http.StatusNotFound && (code != "MPE_UNAUTHORIZED" || strings.Contains(cache, "immutable")) {
					t.Errorf("%s, %s: %d %s %q, want %d", when, name, status, code, cache, want)
				}
			}
		}
		check("before startTime", http.StatusNotFound)
		r.until(r.began.Add(30 * time.Second))
		check("from startTime on", http.StatusOK)
		r.until(r.began.Add(50*time.Second - time.Millisecond))
		check("until endTime", http.StatusOK)
		r.until(r.began.Add(50 * time.Second))
		check("at endTime", http.StatusNotFound)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestResolveLocksNothing: a viewer's request is resolved while the control plane, an event and a recording hold all their
// locks.
func TestResolveLocksNothing(t *testing.T) {
	faults(t, func(r *faultRig) {
		r.desired.Filters = []control.FilterSpec{{AssetID: "a", Name: "video"}}
		r.apply()
		s := r.send(publisher{audio: 48000}, 5*time.Second)
		names := []string{"master.m3u8", "v1/media.m3u8", "manifest.mpd", "v1/media(filter=video).m3u8"}
		for _, name := range names {
			r.get(name) // what is made once is made
		}
		a, e := r.rt.byAsset["a"], r.rt.events["e"]
		done := make(chan int, 1)
		r.rt.mu.Lock()
		a.mu.Lock()
		e.mu.Lock()
		a.shown.Load().mu.Lock()
		for _, name := range names {
			go func() {
				status, _ := r.get(name)
				done <- status
			}()
			select {
			case status := <-done:
				if status != http.StatusOK {
					t.Errorf("%s: status %d", name, status)
				}
			case <-time.After(time.Second):
				t.Fatalf("%s waits for a lock", name)
			}
		}
		a.shown.Load().mu.Unlock()
		e.mu.Unlock()
		a.mu.Unlock()
		r.rt.mu.Unlock()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

// BenchmarkResolve finds one of 10,000 locators as a viewer's request does; without a lock, so it is as fast on many cores.
func BenchmarkResolve(b *testing.B) {
	const many = 10_000
	dir := b.TempDir()
	spools, err := fsstore.New(dir+"/events", fsstore.Options{})
	if err != nil {
		b.Fatal(err)
	}
	assets, err := fsstore.New(dir+"/assets", fsstore.Options{})
	if err != nil {
		b.Fatal(err)
	}
	rt := newRuntime(b.Context(), newClock(), spools, assets, newMetrics(), Config{Log: slog.New(slog.DiscardHandler), PreviewSpan: time.Minute})
	d := control.Desired{
		EndpointRunning: true,
		Events:          []control.EventSpec{{ID: "e", Name: "e", Token: "token", PreviewID: faultPreview, Running: true, SegmentTarget: 2 * time.Second}},
		Outputs:         []control.OutputSpec{{ID: "o", Name: "o", EventID: "e", AssetID: "a", ManifestName: "show", ArchiveWindow: time.Minute}},
		Assets:          []control.AssetSpec{{ID: "a", Name: "a", Container: "asset", ManifestName: "show"}},
		Filters:         []control.FilterSpec{{AssetID: "a", Name: "video"}},
	}
	for i := range many {
		d.Locators = append(d.Locators, control.LocatorSpec{ID: fmt.Sprintf("33333333-0000-0000-0000-%012d", i), AssetID: "a", HLS: true, DASH: true})
	}
	if failed := rt.Apply(b.Context(), d); len(failed) > 0 {
		b.Fatal(failed)
	}
	b.Cleanup(func() {
		if err := rt.close(); err != nil {
			b.Error(err)
		}
		spools.Close()
		assets.Close()
	})
	for name, q := range map[string]origin.Request{"plain": {}, "filtered": {Filters: []string{"video"}}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				q, i := q, 0
				q.Name, q.Protocol, q.RemoteAddr = "show", origin.HLS, "192.0.2.1:1000"
				for pb.Next() {
					q.ID = d.Locators[i%many].ID
					i += 7919 // another one each time
					if _, err := rt.Resolve(b.Context(), q); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}
