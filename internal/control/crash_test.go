package control_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	"headwater.stream/api"
	"headwater.stream/internal/control"
	"headwater.stream/internal/state"
	"headwater.stream/internal/state/boltstate"
	"headwater.stream/internal/state/memstate"
)

// crashStore fails at one commit, before or after the write, and at all that follow: the process is dead to it.
type crashStore struct {
	state.Store
	mu    sync.Mutex
	left  int // commits until the crash
	after bool
	dead  bool
	died  func() // ends what waits
}

var errCrash = errors.New("the process is gone")

func (s *crashStore) Commit(ctx context.Context, changes ...state.Change) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left--
	if s.dead || s.left < 0 {
		if !s.dead && s.after {
			if _, err := s.Store.Commit(ctx, changes...); err != nil {
				return 0, err
			}
		}
		s.dead = true
		if s.died != nil {
			s.died()
		}
		return 0, errCrash
	}
	return s.Store.Commit(ctx, changes...)
}

// model is what a client knows from answers: the states that acknowledged operations ended in.
type model struct {
	event  map[string]string // name -> resourceState after the last operation that ended
	output map[string]bool
	asset  map[string]bool
	loc    map[string]bool
	unsure map[string]bool // the last call on it was not answered
}

// TestRandomVerbs throws random verbs at a control plane whose process dies at a random write, over and over; after each
// restart everything acknowledged holds, everything else is wholly there or not, and the loop brings it to rest.
func TestRandomVerbs(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			disk := memstate.New()
			m := model{map[string]string{}, map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]bool{}}
			for range 6 {
				store := &crashStore{Store: disk, left: 1 + r.IntN(40), after: r.IntN(2) == 0}
				life(t, r, store, &m)
				rest(t, disk, &m)
			}
		})
	}
}

// life runs random verbs until the store dies.
func life(t *testing.T, r *rand.Rand, store *crashStore, m *model) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	store.died = cancel
	svc, err := control.New(store, &memRuntime{fail: map[string]int{}}, quiet())
	if err != nil {
		if errors.Is(err, errCrash) {
			return
		}
		t.Fatal(err)
	}
	var loop sync.WaitGroup
	loop.Go(func() { _ = svc.Run(ctx) })
	defer loop.Wait()
	defer cancel()
	dead := func() bool {
		store.mu.Lock()
		defer store.mu.Unlock()
		return store.dead
	}
	for step := 0; step < 300 && !dead(); step++ {
		e, a, l := fmt.Sprint("e", r.IntN(2)), fmt.Sprint("a", r.IntN(3)), fmt.Sprint("l", r.IntN(2))
		out := e + "/o"
		var op *api.Operation // what the verb began; whether it was refused shows in what is there after
		switch r.IntN(10) {
		case 0:
			_, op, _ = svc.CreateLiveEvent(ctx, e, rtmp(), api.WriteOptions{AutoStart: r.IntN(2) == 0})
			m.event[e] = m.settleEvent(ctx, svc, dead, e, op)
		case 1:
			op, _ = svc.StartLiveEvent(ctx, e)
			m.event[e] = m.settleEvent(ctx, svc, dead, e, op)
		case 2, 3:
			op, _ = svc.StopLiveEvent(ctx, e, api.StopOptions{RemoveOutputsOnStop: r.IntN(2) == 0})
			m.event[e] = m.settleEvent(ctx, svc, dead, e, op)
			m.look(ctx, svc, dead, e, out)
		case 4:
			op, _ = svc.DeleteLiveEvent(ctx, e, api.WriteOptions{})
			m.event[e] = m.settleEvent(ctx, svc, dead, e, op)
		case 5:
			op, _ = svc.ResetLiveEvent(ctx, e)
			m.event[e] = m.settleEvent(ctx, svc, dead, e, op)
			m.look(ctx, svc, dead, e, out)
		case 6:
			_, op, _ = svc.CreateLiveOutput(ctx, e, "o", outputOn(a), api.WriteOptions{})
			wait(ctx, svc, dead, op)
			m.look(ctx, svc, dead, e, out)
		case 7:
			op, _ = svc.DeleteLiveOutput(ctx, e, "o", api.WriteOptions{})
			wait(ctx, svc, dead, op)
			m.look(ctx, svc, dead, e, out)
		case 8:
			if r.IntN(2) == 0 {
				_, _, _ = svc.PutAsset(ctx, a, &api.Asset{}, api.WriteOptions{})
			} else {
				_, _ = svc.DeleteAsset(ctx, a, api.WriteOptions{})
			}
			if _, err := svc.GetAsset(ctx, a); !dead() {
				m.asset[a], m.unsure[a] = err == nil, false
			} else {
				m.unsure[a] = true
			}
		case 9:
			if r.IntN(2) == 0 {
				_, _ = svc.CreateStreamingLocator(ctx, l, &api.StreamingLocator{Properties: api.StreamingLocatorProperties{AssetName: a, StreamingPolicyName: "Predefined_ClearStreamingOnly"}}, api.WriteOptions{})
			} else {
				_, _ = svc.DeleteStreamingLocator(ctx, l, api.WriteOptions{})
			}
			if _, err := svc.GetStreamingLocator(ctx, l); !dead() {
				m.loc[l], m.unsure[l] = err == nil, false
			} else {
				m.unsure[l] = true
			}
		}
	}
}

func quiet() control.Options {
	o := options(control.Quotas{})
	o.Log = slog.New(slog.DiscardHandler)
	return o
}

// wait follows an operation until it ends or the process is dead.
func wait(ctx context.Context, svc *control.Service, dead func() bool, op *api.Operation) {
	for op != nil && !dead() {
		got, err := svc.GetOperation(ctx, op.Collection, op.Name)
		if err != nil || got.Done() {
			return
		}
	}
}

// settleEvent returns the state an event has when the operation is over.
func (m *model) settleEvent(ctx context.Context, svc *control.Service, dead func() bool, name string, op *api.Operation) string {
	wait(ctx, svc, dead, op)
	e, err := svc.GetLiveEvent(ctx, name)
	if dead() {
		m.unsure[name] = true
		return m.event[name]
	}
	m.unsure[name] = false
	if err != nil {
		return ""
	}
	return e.Properties.ResourceState
}

func (m *model) look(ctx context.Context, svc *control.Service, dead func() bool, event, out string) {
	_, err := svc.GetLiveOutput(ctx, event, strings.TrimPrefix(out, event+"/"))
	if dead() {
		m.unsure[out] = true
		return
	}
	m.output[out], m.unsure[out] = err == nil, false
}

// rest restarts on what the disk holds and checks the invariants when the loop is at rest.
func rest(t *testing.T, disk state.Store, m *model) {
	t.Helper()
	rt := &memRuntime{fail: map[string]int{}}
	svc, err := control.New(disk, rt, quiet())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var loop sync.WaitGroup
	loop.Go(func() { _ = svc.Run(ctx) })
	defer loop.Wait()
	defer cancel()
	events := atRest(t, svc)
	d := rt.desired()
	running := map[string]bool{}
	for name, want := range m.event {
		got := ""
		if e := events[name]; e != nil {
			got = e.Properties.ResourceState
		}
		if !m.unsure[name] && got != want {
			t.Errorf("event %s is %q after the crash, acknowledged was %q", name, got, want)
		}
		m.event[name], m.unsure[name] = got, false
		running[name] = got == api.Running
	}
	for _, e := range d.Events {
		if events[e.Name] == nil || e.Running != running[e.Name] {
			t.Errorf("the runtime has %+v, stored is %v", e, events[e.Name])
		}
	}
	assets := map[string]string{}
	for _, a := range d.Assets {
		assets[a.ID] = a.Name
	}
	ids := map[string]bool{}
	for _, e := range d.Events {
		ids[e.ID] = true
	}
	for _, o := range d.Outputs {
		if !ids[o.EventID] || assets[o.AssetID] == "" {
			t.Errorf("an output without event or asset: %+v", o)
		}
	}
	for _, l := range d.Locators {
		if assets[l.AssetID] == "" {
			t.Errorf("a published locator to nothing: %+v", l)
		}
	}
	known := func(what string, of map[string]bool, get func(name string) error) {
		for name, want := range of {
			got := get(name) == nil
			if !m.unsure[name] && got != want {
				t.Errorf("%s %s there: %v, acknowledged: %v", what, name, got, want)
			}
			of[name], m.unsure[name] = got, false
		}
	}
	known("asset", m.asset, func(name string) error { _, err := svc.GetAsset(ctx, name); return err })
	known("locator", m.loc, func(name string) error { _, err := svc.GetStreamingLocator(ctx, name); return err })
	known("output", m.output, func(name string) error {
		event, out, _ := strings.Cut(name, "/")
		_, err := svc.GetLiveOutput(ctx, event, out)
		return err
	})
}

// atRest returns the events when no operation is under way any more.
func atRest(t *testing.T, svc *control.Service) map[string]*api.LiveEvent {
	t.Helper()
	for range 1000 {
		page, err := svc.ListLiveEvents(t.Context(), api.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		events := map[string]*api.LiveEvent{}
		busy := svc.Ready() != nil
		for _, e := range page.Value {
			events[e.Name] = e
			switch e.Properties.ResourceState {
			case api.Starting, api.Stopping, api.Deleting, api.Allocating:
				busy = true
			}
			outputs, err := svc.ListLiveOutputs(t.Context(), e.Name, api.ListOptions{})
			if err != nil {
				busy = true
				continue
			}
			for _, o := range outputs.Value {
				busy = busy || o.Properties.ResourceState != api.Running
			}
		}
		if !busy {
			return events
		}
		// Waits for a pass of the loop, at most.
		if _, _, err := svc.PutAsset(t.Context(), "probe", &api.Asset{}, api.WriteOptions{}); err != nil {
			t.Fatal(err)
		}
		if _, err := svc.DeleteAsset(t.Context(), "probe", api.WriteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	t.Fatal("the loop does not come to rest")
	return nil
}

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
