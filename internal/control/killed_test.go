package control_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"headwater.stream/api"
	"headwater.stream/internal/control"
	"headwater.stream/internal/state"
	"headwater.stream/internal/state/boltstate"
	"headwater.stream/internal/state/memstate"
)

// TestConcurrentCreates: of many creates of one name one wins, the others get 409, and nothing is there twice.
func TestConcurrentCreates(t *testing.T) {
	p := startMem(t)
	ctx := t.Context()
	must[*api.Asset](t)(p.PutAsset(ctx, "a", &api.Asset{}))
	creates := map[string]func() error{
		"event": func() error {
			_, err := p.CreateLiveEvent(ctx, "one", rtmp(), api.WriteOptions{AutoStart: true})
			return err
		},
		"endpoint": func() error {
			units := int32(0)
			e := &api.StreamingEndpoint{Tracked: api.Tracked{Location: "local"}, Properties: api.StreamingEndpointProperties{ScaleUnits: &units}}
			_, err := p.CreateStreamingEndpoint(ctx, "one", e, api.WriteOptions{})
			return err
		},
		"locator": func() error {
			_, err := p.CreateStreamingLocator(ctx, "one", &api.StreamingLocator{Properties: api.StreamingLocatorProperties{AssetName: "a", StreamingPolicyName: "Predefined_ClearStreamingOnly"}})
			return err
		},
	}
	for what, create := range creates {
		var all sync.WaitGroup
		var mu sync.Mutex
		won := 0
		for range 100 {
			all.Go(func() {
				err := create()
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					won++
				} else {
					wantError(t, err, 409, api.CodeConflict)
				}
			})
		}
		all.Wait()
		if won != 1 {
			t.Errorf("%s: %d creates won", what, won)
		}
	}
	// An asset is made or updated: one makes it, and all see the same.
	made, ids := make(chan int, 100), make(chan any, 100)
	var puts sync.WaitGroup
	for range 100 {
		puts.Go(func() {
			a := p.raw(t, "PUT", "~/assets/one", "{}")
			made <- a.status
			ids <- a.property("properties.assetId")
		})
	}
	puts.Wait()
	created, id := 0, <-ids
	for range 99 {
		if other := <-ids; other != id {
			t.Errorf("two assets of one name: %v and %v", id, other)
		}
	}
	for range 100 {
		switch status := <-made; status {
		case 201:
			created++
		case 200:
		default:
			t.Errorf("a concurrent PUT of an asset: %d", status)
		}
	}
	if created != 1 {
		t.Errorf("%d PUTs made the asset", created)
	}
	// Many outputs on one asset: one records.
	var all sync.WaitGroup
	var mu sync.Mutex
	won := 0
	for i := range 30 {
		all.Go(func() {
			if _, err := p.CreateLiveOutput(ctx, "one", fmt.Sprint("o", i), outputOn("a")); err == nil {
				mu.Lock()
				won++
				mu.Unlock()
			}
		})
	}
	all.Wait()
	if won != 1 || len(p.runtime.desired().Outputs) != 1 {
		t.Errorf("%d outputs on one asset, %d run", won, len(p.runtime.desired().Outputs))
	}
}

// TestKilled: a copy of the state file, as a kill -9 leaves it, brings everything back.
func TestKilled(t *testing.T) {
	path := filepath.Join(t.TempDir(), boltstate.FileName)
	store, err := boltstate.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	p := start(t, store, control.Quotas{})
	ctx := t.Context()
	must[*api.LiveEvent](t)(p.CreateLiveEvent(ctx, "e", rtmp(), api.WriteOptions{AutoStart: true}))
	must[*api.Asset](t)(p.PutAsset(ctx, "a", &api.Asset{}))
	must[*api.LiveOutput](t)(p.CreateLiveOutput(ctx, "e", "o", outputOn("a")))
	release := p.runtime.hold()
	defer release()
	first := p.raw(t, "DELETE", "~/liveEvents/e/liveOutputs/o", "") // under way at the crash
	before := p.runtime.desired()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	killed := filepath.Join(t.TempDir(), boltstate.FileName)
	if err := os.WriteFile(killed, b, 0o600); err != nil {
		t.Fatal(err)
	}
	store2, err := boltstate.Open(killed)
	if err != nil {
		t.Fatal(err)
	}
	defer store2.Close()
	again := start(t, store2, control.Quotas{})
	first.header.Set("Azure-AsyncOperation", strings.Replace(first.header.Get("Azure-AsyncOperation"), p.url, again.url, 1))
	first.header.Set("Location", strings.Replace(first.header.Get("Location"), p.url, again.url, 1))
	if status, location := again.follow(t, first); status != "Succeeded" || location.status != 204 {
		t.Errorf("the operation under way ended as %s, %d", status, location.status)
	}
	d := again.runtime.desired()
	if len(d.Events) != 1 || !reflect.DeepEqual(d.Events, before.Events) || len(d.Outputs) != 0 || len(d.Assets) != 1 || d.Assets[0].ManifestName != "o" || !d.EndpointRunning {
		t.Errorf("after the kill the runtime was brought to %+v", d)
	}
}

// TestKilledDelete: an asset whose deletion was acknowledged, or under way, at the crash has its files removed after it; its
// name and container are not free before.
func TestKilledDelete(t *testing.T) {
	disk := memstate.New()
	svc, err := control.New(disk, &memRuntime{}, quiet())
	check(t, err)
	gone, cancel := context.WithCancel(t.Context())
	cancel() // nobody waits for the loop, which does not run
	a := &api.Asset{Properties: api.AssetProperties{Container: "shelf"}}
	must[*api.Asset](t)(first3(svc.PutAsset(gone, "a", a, api.WriteOptions{})))
	must[bool](t)(svc.DeleteAsset(gone, "a", api.WriteOptions{}))
	for _, name := range []string{"a", "b"} {
		if _, _, err := svc.PutAsset(gone, name, a, api.WriteOptions{}); api.StatusOf(err) != 409 {
			t.Errorf("%s before the files are gone: %v", name, err)
		}
	}
	if _, err := svc.GetAsset(gone, "a"); api.StatusOf(err) != 404 {
		t.Errorf("a deleted asset: %v", err)
	}
	p := start(t, disk, control.Quotas{})
	must[*api.LiveEvent](t)(p.CreateLiveEvent(t.Context(), "e", rtmp(), api.WriteOptions{})) // after the first pass
	p.runtime.mu.Lock()
	removed := p.runtime.removed
	p.runtime.mu.Unlock()
	if len(removed) == 0 || removed[0].Container != "shelf" {
		t.Errorf("after the restart the runtime was told to remove %+v", removed)
	}
	must[*api.Asset](t)(p.PutAsset(t.Context(), "b", a))
}

func first3[A, B any](a A, _ B, err error) (A, error) { return a, err }

// TestNewerRecords: records of a version to come are refused, not read.
func TestNewerRecords(t *testing.T) {
	disk := memstate.New()
	if _, err := disk.Commit(t.Context(), state.Change{Kind: "meta", Key: "format", Body: []byte(`{"format":2}`)}); err != nil {
		t.Fatal(err)
	}
	if _, err := control.New(disk, &memRuntime{}, quiet()); err == nil || !strings.Contains(err.Error(), "has format 2 and this version reads 1") {
		t.Errorf("records of format 2: %v", err)
	}
}

// TestFilterInForce: a filter is in force when the answer is out, and out of force when it was deleted.
func TestFilterInForce(t *testing.T) {
	p := startMem(t)
	for i := range 20 {
		release := p.runtime.hold()
		time.AfterFunc(5*time.Millisecond, release)
		must[*api.Filter](t)(p.PutFilter(t.Context(), "", "f", &api.Filter{}))
		if n := len(p.runtime.desired().Filters); n != 1 {
			t.Fatalf("try %d: %d filters in force", i, n)
		}
		must[bool](t)(p.DeleteFilter(t.Context(), "", "f"))
		if n := len(p.runtime.desired().Filters); n != 0 {
			t.Fatalf("try %d: %d filters still in force", i, n)
		}
	}
}
