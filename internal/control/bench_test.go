package control_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"headwater.stream/api"
	"headwater.stream/internal/control"
	"headwater.stream/internal/doctor"
	"headwater.stream/internal/state"
	"headwater.stream/internal/state/boltstate"
	"headwater.stream/internal/state/memstate"
)

// fill gives a store n assets and n locators.
func fill(b testing.TB, store state.Store, n int) {
	b.Helper()
	svc, err := control.New(store, &memRuntime{}, quiet())
	if err != nil {
		b.Fatal(err)
	}
	// Nobody runs the loop, and nobody waits for it.
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	for i := range n {
		name := fmt.Sprintf("asset%05d", i)
		if _, _, err := svc.PutAsset(gone, name, &api.Asset{}, api.WriteOptions{}); err != nil {
			b.Fatal(err)
		}
		l := &api.StreamingLocator{Properties: api.StreamingLocatorProperties{AssetName: name, StreamingPolicyName: "Predefined_ClearStreamingOnly"}}
		if _, err := svc.CreateStreamingLocator(gone, name, l, api.WriteOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}

const many = 10_000

func running(b *testing.B, store state.Store) *control.Service {
	svc, err := control.New(store, &memRuntime{}, quiet())
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = svc.Run(ctx)
	}()
	b.Cleanup(func() {
		cancel()
		<-done
	})
	if _, _, err := svc.PutAsset(ctx, "ready", &api.Asset{}, api.WriteOptions{}); err != nil { // returns after a pass of the loop
		b.Fatal(err)
	}
	return svc
}

// BenchmarkPage is one page of 10,000 assets on the wire: below 50 ms.
func BenchmarkPage(b *testing.B) {
	store := memstate.New()
	fill(b, store, many)
	h := api.Handler(running(b, store), api.HandlerOptions{Tokens: api.SingleToken(testToken)})
	for name, query := range map[string]string{"name": "", "filtered": "&$filter=name+gt+'asset05000'&$orderby=properties/created+desc"} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				r := httptest.NewRequest(http.MethodGet, account+"/assets?api-version=2022-08-01"+query, nil)
				r.Header.Set("Authorization", "Bearer "+testToken)
				w := httptest.NewRecorder()
				h.ServeHTTP(w, r)
				if w.Code != http.StatusOK {
					b.Fatal(w.Body)
				}
			}
		})
	}
}

// BenchmarkPublish is a locator more on 10,000, until the runtime has it, and one less.
func BenchmarkPublish(b *testing.B) {
	store := memstate.New()
	fill(b, store, many)
	svc := running(b, store)
	l := &api.StreamingLocator{Properties: api.StreamingLocatorProperties{AssetName: "asset00001", StreamingPolicyName: "Predefined_ClearStreamingOnly"}}
	for b.Loop() {
		if _, err := svc.CreateStreamingLocator(b.Context(), "more", l, api.WriteOptions{}); err != nil {
			b.Fatal(err)
		}
		if _, err := svc.DeleteStreamingLocator(b.Context(), "more", api.WriteOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkBoot opens a state file with 10,000 assets and locators, up to the first plan: below 2 s.
func BenchmarkBoot(b *testing.B) {
	path := filepath.Join(b.TempDir(), boltstate.FileName)
	store, err := boltstate.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	fill(b, store, many)
	if err := store.Close(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		store, err := boltstate.Open(path)
		if err != nil {
			b.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		svc, err := control.New(store, bootRuntime{cancel}, quiet())
		if err != nil {
			b.Fatal(err)
		}
		_ = svc.Run(ctx)
		if err := store.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// bootRuntime ends the loop at the first Apply.
type bootRuntime struct{ end func() }

func (r bootRuntime) Apply(context.Context, control.Desired) map[string]error {
	r.end()
	return nil
}
func (bootRuntime) AssetTracks(string) ([]control.RecordedTrack, error) { return nil, nil }
func (bootRuntime) Examine(string) *doctor.Report                       { return nil }
func (bootRuntime) EventStatus(string) (control.EventStatus, bool) {
	return control.EventStatus{}, false
}
