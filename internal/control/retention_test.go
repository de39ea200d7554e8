package control_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"headwater.stream/api"
	"headwater.stream/internal/control"
	"headwater.stream/internal/state/memstate"
)

// TestRetention: assets go, with their locators and files, at their own time or the retention after their recording ended;
// never while an output records, and never one that never recorded.
func TestRetention(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rt := &memRuntime{fail: map[string]int{}}
		o := options(control.Quotas{})
		o.AssetRetention = 24 * time.Hour
		svc, err := control.New(memstate.New(), rt, o)
		check(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = svc.Run(ctx)
		}()
		defer func() {
			cancel()
			<-done
		}()
		later := func(d time.Duration) {
			time.Sleep(d)
			synctest.Wait()
		}
		now := time.Now()
		asset := func(name string, expires time.Time) {
			t.Helper()
			a := &api.Asset{}
			if !expires.IsZero() {
				a.Properties.Expires = api.NewTime(expires)
			}
			_, _, err := svc.PutAsset(ctx, name, a, api.WriteOptions{})
			check(t, err)
			_, err = svc.CreateStreamingLocator(ctx, "loc-"+name, &api.StreamingLocator{Properties: api.StreamingLocatorProperties{AssetName: name, StreamingPolicyName: "Predefined_ClearStreamingOnly"}}, api.WriteOptions{})
			check(t, err)
		}
		exists := func(what string, names ...string) {
			t.Helper()
			want := map[string]bool{}
			for _, n := range names {
				want[n] = true
			}
			for _, n := range []string{"empty", "early", "kept", "rec", "soon"} {
				_, err := svc.GetAsset(ctx, n)
				_, locErr := svc.GetStreamingLocator(ctx, "loc-"+n)
				if (err == nil) != want[n] || (locErr == nil) != want[n] {
					t.Errorf("%s: %s: %v, locator %v", what, n, err, locErr)
				}
			}
		}
		asset("empty", time.Time{})
		asset("early", now.Add(2*time.Hour))
		asset("kept", api.FarFuture().Time)
		asset("rec", time.Time{})
		asset("soon", now.Add(time.Hour)) // while it is recorded
		_, _, err = svc.CreateLiveEvent(ctx, "ev", rtmp(), api.WriteOptions{AutoStart: true})
		check(t, err)
		later(time.Second)
		for _, name := range []string{"kept", "rec", "soon"} {
			_, _, err := svc.CreateLiveOutput(ctx, "ev", name, outputOn(name), api.WriteOptions{})
			check(t, err)
			later(time.Second)
		}
		later(time.Hour + 59*time.Minute)
		exists("before", "empty", "early", "kept", "rec", "soon")
		later(2 * time.Minute)
		exists("after the time of one", "empty", "kept", "rec", "soon")
		later(50 * time.Hour)
		exists("while it is recorded", "empty", "kept", "rec", "soon")
		for _, name := range []string{"kept", "rec", "soon"} {
			_, err := svc.DeleteLiveOutput(ctx, "ev", name, api.WriteOptions{})
			check(t, err)
			later(time.Second)
		}
		exists("ended, past its own time", "empty", "kept", "rec")
		later(23 * time.Hour)
		exists("within the retention", "empty", "kept", "rec")
		later(2 * time.Hour)
		exists("behind the retention", "empty", "kept")
		if n := len(rt.removed); n < 3 {
			t.Errorf("the files of %d assets were removed, want 3", n)
		}
		_, err = svc.UpdateAsset(ctx, "empty", []byte(`{"properties":{"expires":"`+time.Now().Add(time.Minute).UTC().Format(time.RFC3339)+`"}}`), api.WriteOptions{})
		check(t, err)
		later(2 * time.Minute)
		exists("changed", "kept")
	})
}
