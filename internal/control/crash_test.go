package control_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"headwater.stream/api"
	"headwater.stream/internal/control"
	"headwater.stream/internal/state"
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

func (s *crashStore) crashed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dead
}

// model is what a client knows from answers: of each resource the state it was last seen in, "" for none. Keys are paths as
// clients see them: "event e0", "output e0/o".
type model struct {
	state      map[string]string
	unsure     map[string]bool   // the last call on it was not answered
	operations map[string]string // every one that was acknowledged: ID -> collection
}

func newModel() *model {
	return &model{map[string]string{}, map[string]bool{}, map[string]string{}}
}

// verb is one call: which, on what, and a switch for what it can do in two ways.
type verb struct {
	name string
	n    int // number of the event, asset, locator, … it is about
	more int // another number, for an output's asset
	flag bool
}

func (v verb) String() string { return fmt.Sprintf("%s %d %d %v", v.name, v.n, v.more, v.flag) }

var verbs = []string{"createEvent", "start", "stop", "stop", "reset", "allocate", "deleteEvent", "updateEvent", "createOutput", "createOutput", "deleteOutput",
	"putAsset", "deleteAsset", "createLocator", "deleteLocator", "putFilter", "deleteFilter", "createEndpoint", "startEndpoint", "stopEndpoint", "deleteEndpoint"}

func randomVerb(r *rand.Rand) verb {
	return verb{verbs[r.IntN(len(verbs))], r.IntN(2), r.IntN(3), r.IntN(2) == 0}
}

// TestRandomVerbs throws random verbs at a control plane whose process dies at a random write, over and over, and whose
// runtime fails now and then; after each restart everything acknowledged holds, everything else is wholly there or not,
// and the loop brings it to rest.
func TestRandomVerbs(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(seed, 1))
			disk, m := memstate.New(), newModel()
			for range 8 {
				store := &crashStore{Store: disk, left: 1 + r.IntN(60), after: r.IntN(2) == 0}
				var all []verb
				for range 400 {
					all = append(all, randomVerb(r))
				}
				life(t, store, m, all, seed%3 == 0)
				rest(t, disk, m)
			}
		})
	}
}

// TestEveryWrite is case 65 of the acceptance list: a broadcast, from its creation to its end, on a control plane whose
// process dies at the n-th write, just before it or just after, for every n.
func TestEveryWrite(t *testing.T) {
	script := []verb{{name: "createEvent"}, {name: "putAsset"}, {name: "putFilter"}, {name: "start"}, {name: "createOutput"}, {name: "createLocator", flag: true}, {name: "updateEvent"},
		{name: "deleteOutput"}, {name: "putAsset", n: 1}, {name: "createOutput", more: 1}, {name: "reset"}, {name: "putAsset", n: 2}, {name: "createOutput", more: 2}, {name: "stop", flag: true}, {name: "allocate"}, {name: "stop"},
		{name: "deleteEvent"}, {name: "deleteLocator"}, {name: "putFilter", n: 1}, {name: "deleteFilter", n: 1}, {name: "deleteAsset"}, {name: "createEndpoint"}, {name: "startEndpoint"}, {name: "stopEndpoint"}, {name: "deleteEndpoint"},
		{name: "createEvent", flag: true}, {name: "stop"}, {name: "deleteEvent"}}
	for _, after := range []bool{false, true} {
		n := 0
		for ; ; n++ {
			disk, m := memstate.New(), newModel()
			store := &crashStore{Store: disk, left: n, after: after}
			life(t, store, m, script, false)
			alive := !store.crashed()
			rest(t, disk, m)
			if t.Failed() {
				t.Fatalf("at write %d, after it: %v", n, after)
			}
			if alive {
				break
			}
		}
		// 27 calls, most of them operations with a write to begin and one to end.
		if n < 40 {
			t.Errorf("only %d writes", n)
		}
	}
}

// life runs verbs until they, or the store, are at their end.
func life(t *testing.T, store *crashStore, m *model, all []verb, failing bool) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	store.died = cancel
	rt := &memRuntime{fail: map[string]int{}}
	svc, err := control.New(store, rt, quiet())
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
	for i, v := range all {
		if store.crashed() {
			return
		}
		if failing && i%10 == 0 {
			rt.stumble()
		}
		m.do(ctx, svc, store.crashed, v)
	}
}

// stumble makes the runtime fail once at everything it has.
func (r *memRuntime) stumble() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.at.Events {
		r.fail[e.ID] = 1
	}
	for _, o := range r.at.Outputs {
		r.fail[o.ID] = 1
	}
}

// do makes one call. Whether it was refused shows in what is there after.
func (m *model) do(ctx context.Context, svc *control.Service, dead func() bool, v verb) {
	name := func(kind string) string { return fmt.Sprint(kind, v.n) }
	e, a, l := name("e"), name("a"), name("l")
	look := []string{"event " + e, "output " + e + "/o"}
	var op *api.Operation
	switch v.name {
	case "createEvent":
		_, op, _ = svc.CreateLiveEvent(ctx, e, rtmp(), api.WriteOptions{AutoStart: v.flag})
	case "start":
		op, _ = svc.StartLiveEvent(ctx, e)
	case "stop":
		op, _ = svc.StopLiveEvent(ctx, e, api.StopOptions{RemoveOutputsOnStop: v.flag})
	case "reset":
		op, _ = svc.ResetLiveEvent(ctx, e)
	case "allocate":
		op, _ = svc.AllocateLiveEvent(ctx, e)
	case "deleteEvent":
		op, _ = svc.DeleteLiveEvent(ctx, e, api.WriteOptions{})
	case "updateEvent":
		_, _ = svc.UpdateLiveEvent(ctx, e, api.Patch(fmt.Sprintf(`{"properties":{"description":"%d"}}`, v.more)), api.WriteOptions{})
	case "createOutput":
		_, op, _ = svc.CreateLiveOutput(ctx, e, "o", outputOn(fmt.Sprint("a", v.more)), api.WriteOptions{})
	case "deleteOutput":
		op, _ = svc.DeleteLiveOutput(ctx, e, "o", api.WriteOptions{})
	case "putAsset":
		_, _, _ = svc.PutAsset(ctx, a, &api.Asset{}, api.WriteOptions{})
		look = []string{"asset " + a}
	case "deleteAsset":
		_, _ = svc.DeleteAsset(ctx, a, api.WriteOptions{})
		look = []string{"asset " + a, "filter " + a}
	case "createLocator":
		p := api.StreamingLocatorProperties{AssetName: a, StreamingPolicyName: "Predefined_ClearStreamingOnly"}
		if v.flag {
			p.Filters = []string{"f"}
		}
		_, _ = svc.CreateStreamingLocator(ctx, l, &api.StreamingLocator{Properties: p}, api.WriteOptions{})
		look = []string{"locator " + l}
	case "deleteLocator":
		_, _ = svc.DeleteStreamingLocator(ctx, l, api.WriteOptions{})
		look = []string{"locator " + l}
	case "putFilter":
		_, _, _ = svc.PutFilter(ctx, a, "f", &api.Filter{}, api.WriteOptions{})
		look = []string{"filter " + a}
	case "deleteFilter":
		_, _ = svc.DeleteFilter(ctx, a, "f", api.WriteOptions{})
		look = []string{"filter " + a}
	default:
		look = []string{"endpoint s"}
		switch v.name {
		case "createEndpoint":
			units := int32(0)
			_, op, _ = svc.CreateStreamingEndpoint(ctx, "s", &api.StreamingEndpoint{Tracked: api.Tracked{Location: "local"}, Properties: api.StreamingEndpointProperties{ScaleUnits: &units}}, api.WriteOptions{AutoStart: v.flag})
		case "startEndpoint":
			op, _ = svc.StartStreamingEndpoint(ctx, "s")
		case "stopEndpoint":
			op, _ = svc.StopStreamingEndpoint(ctx, "s")
		case "deleteEndpoint":
			op, _ = svc.DeleteStreamingEndpoint(ctx, "s", api.WriteOptions{})
		}
	}
	if op != nil {
		m.operations[op.Name] = op.Collection
	}
	wait(ctx, svc, dead, op)
	for _, what := range look {
		if got := see(svc, what); dead() {
			m.unsure[what] = true
		} else {
			m.state[what], m.unsure[what] = got, false
		}
	}
}

// see returns the state a resource is in, "" when it is not there. Those without states are "there".
func see(svc *control.Service, what string) string {
	ctx := context.Background()
	kind, name, _ := strings.Cut(what, " ")
	var err error
	switch kind {
	case "event":
		e, err := svc.GetLiveEvent(ctx, name)
		if err != nil {
			return ""
		}
		return e.Properties.ResourceState + " " + e.Properties.Description
	case "endpoint":
		e, err := svc.GetStreamingEndpoint(ctx, name)
		if err != nil {
			return ""
		}
		return e.Properties.ResourceState
	case "output":
		event, output, _ := strings.Cut(name, "/")
		_, err = svc.GetLiveOutput(ctx, event, output)
	case "asset":
		_, err = svc.GetAsset(ctx, name)
	case "locator":
		_, err = svc.GetStreamingLocator(ctx, name)
	case "filter":
		_, err = svc.GetFilter(ctx, name, "f")
	}
	if err != nil {
		return ""
	}
	return "there"
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
	for what, want := range m.state {
		got := see(svc, what)
		if !m.unsure[what] && got != want {
			t.Errorf("%s is %q after the crash, acknowledged was %q", what, got, want)
		}
	}
	for what := range m.unsure {
		m.state[what] = see(svc, what) // known from now on, whichever it became
	}
	clear(m.unsure)
	for id, collection := range m.operations {
		if op, err := svc.GetOperation(ctx, collection, id); err != nil || !op.Done() {
			t.Errorf("the operation %s of %s after the crash: %+v, %v", id, collection, op, err)
		}
	}
	runsWhatIsStored(t, rt.desired(), events)
	references(t, disk)
}

// runsWhatIsStored: no running event without state, no output without event, no published locator to nothing.
func runsWhatIsStored(t *testing.T, d control.Desired, events map[string]*api.LiveEvent) {
	t.Helper()
	if len(d.Events) != len(events) {
		t.Errorf("the runtime has %d events of %d", len(d.Events), len(events))
	}
	ids, assets, recorded := map[string]bool{}, map[string]string{}, map[string]bool{}
	for _, e := range d.Events {
		ids[e.ID] = true
		if events[e.Name] == nil || e.Running != (events[e.Name].Properties.ResourceState == api.Running) {
			t.Errorf("the runtime has %+v, stored is %v", e, events[e.Name])
		}
	}
	for _, a := range d.Assets {
		assets[a.ID] = a.Name
	}
	for _, o := range d.Outputs {
		if !ids[o.EventID] || assets[o.AssetID] == "" || recorded[o.AssetID] {
			t.Errorf("an output without event or asset, or two on one: %+v", o)
		}
		recorded[o.AssetID] = true
	}
	for _, l := range d.Locators {
		if assets[l.AssetID] == "" {
			t.Errorf("a published locator to nothing: %+v", l)
		}
	}
}

// references: what is stored refers to what is stored, and nothing waits for what has ended.
func references(t *testing.T, disk state.Store) {
	t.Helper()
	type record struct {
		ID, Name, State, Operation, Status, Output, EventID, AssetID, Asset string
		Deleting                                                            bool
	}
	byKind := map[string]map[string]record{}
	for _, kind := range []string{"liveEvent", "liveOutput", "streamingEndpoint", "asset", "streamingLocator", "filter", "operation"} {
		records, err := disk.List(t.Context(), kind)
		check(t, err)
		byKind[kind] = map[string]record{}
		for _, r := range records {
			var v record
			check(t, json.Unmarshal(r.Body, &v))
			byKind[kind][v.ID] = v
		}
	}
	rested := []string{api.Stopped, api.StandBy, api.Running}
	for _, kind := range []string{"liveEvent", "liveOutput", "streamingEndpoint"} {
		for _, r := range byKind[kind] {
			if r.Operation != "" || !slices.Contains(rested, r.State) {
				t.Errorf("the %s %s is %s with operation %q", kind, r.Name, r.State, r.Operation)
			}
		}
	}
	for _, o := range byKind["operation"] {
		if o.Status == api.InProgress {
			t.Errorf("the operation %s never ends", o.ID)
		}
	}
	for _, o := range byKind["liveOutput"] {
		if byKind["liveEvent"][o.EventID].ID == "" || byKind["asset"][o.AssetID].Output != o.ID {
			t.Errorf("the output %s has no event, or not its asset: %+v", o.Name, byKind["asset"][o.AssetID])
		}
	}
	assets := map[string]bool{}
	for _, a := range byKind["asset"] {
		assets[strings.ToLower(a.Name)] = true
		if a.Deleting {
			t.Errorf("the asset %s is still being deleted", a.Name)
		}
	}
	for _, l := range byKind["streamingLocator"] {
		if byKind["asset"][l.AssetID].ID == "" {
			t.Errorf("the locator %s has no asset", l.Name)
		}
	}
	for _, f := range byKind["filter"] {
		if !assets[strings.ToLower(f.Asset)] {
			t.Errorf("the filter %s has no asset, of %v", f.Name, slices.Sorted(maps.Keys(assets)))
		}
	}
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
			busy = busy || e.Properties.ProvisioningState != api.Succeeded
			outputs, err := svc.ListLiveOutputs(t.Context(), e.Name, api.ListOptions{})
			if err != nil {
				busy = true
				continue
			}
			for _, o := range outputs.Value {
				busy = busy || o.Properties.ResourceState != api.Running
			}
		}
		endpoint := see(svc, "endpoint s")
		if busy = busy || endpoint != "" && endpoint != api.Running && endpoint != api.Stopped; !busy {
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
