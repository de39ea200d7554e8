package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"headwater.stream/archive"
	"headwater.stream/internal/access"
	"headwater.stream/internal/control"
)

// runtime is what runs: it makes Desired true. Apply is called by the reconcile loop alone; readers load routes.
type runtime struct {
	admission Admission
	admitting sync.Mutex // held while it is decided about one encoder

	log     *slog.Logger
	cfg     Config
	clock   clock
	metrics *metrics
	spools  spoolStore    // of live events, by EventSpec.ID
	assets  archive.Store // by AssetSpec.Container
	tokens  *access.Checker
	routes  atomic.Pointer[routes]

	ctx     context.Context // ends the outputs' loops
	mu      sync.Mutex      // of the maps; Apply writes, shutdown reads
	events  map[string]*event
	outputs map[string]*output
	byAsset map[string]*asset
}

// spoolStore is a store whose directories are all ours: what no event owns is removed.
type spoolStore interface {
	archive.Store
	List() ([]string, error)
}

var _ control.Runtime = (*runtime)(nil)

func newRuntime(ctx context.Context, c clock, spools spoolStore, assets archive.Store, m *metrics, cfg Config) *runtime {
	r := &runtime{log: cfg.Log, admission: cfg.Admission, cfg: cfg, clock: c, metrics: m, spools: spools, assets: assets, ctx: ctx, tokens: access.NewChecker(),
		events: map[string]*event{}, outputs: map[string]*output{}, byAsset: map[string]*asset{}}
	r.routes.Store(&routes{})
	return r
}

// Apply implements control.Runtime. The order is that of a life backwards, then forwards: routes that are gone, outputs
// that ended, events that stopped; assets, events, outputs, routes that are new; what is removed for good comes last.
func (r *runtime) Apply(ctx context.Context, d control.Desired) map[string]error {
	r.mu.Lock()
	defer r.mu.Unlock()
	failed := map[string]error{}
	fail := func(id string, err error) {
		if err != nil {
			failed[id] = err
		}
	}
	r.routes.Store(r.makeRoutes(d)) // withdraws first; what is new is added below
	r.stopEvents(d)
	r.endOutputs(ctx, d, fail)
	r.openAssets(d)
	r.openEvents(d, fail)
	r.finishOutputs(ctx, d, fail)
	r.startOutputs(d, fail)
	r.routes.Store(r.makeRoutes(d))
	r.closeEvents(d, fail)
	r.removeAssets(d, fail)
	return failed
}

func (r *runtime) stopEvents(d control.Desired) {
	running := map[string]bool{}
	for _, s := range d.Events {
		running[s.ID] = s.Running
	}
	for id, e := range r.events {
		if e.running.Load() && !running[id] {
			e.stop()
			e.log.Info("live event stopped")
		}
	}
}

func (r *runtime) endOutputs(ctx context.Context, d control.Desired, fail func(string, error)) {
	wanted := map[string]bool{}
	for _, s := range d.Outputs {
		wanted[s.ID] = true
	}
	for id, o := range r.outputs {
		if wanted[id] {
			continue
		}
		if err := o.finish(ctx); err != nil {
			fail(id, err)
			continue
		}
		delete(r.outputs, id)
		o.log.Info("live output ended; its asset replays")
	}
}

func (r *runtime) openAssets(d control.Desired) {
	for _, s := range d.Assets {
		a := r.byAsset[s.ID]
		if a == nil {
			a = &asset{store: r.assets, log: r.log.With("asset", s.Name)}
			r.byAsset[s.ID] = a
		}
		a.spec.Store(&s)
	}
}

// openEvents opens the timelines of events that run or are recorded, and starts those that run.
func (r *runtime) openEvents(d control.Desired, fail func(string, error)) {
	recorded := map[string]bool{}
	for _, o := range append(slices.Clip(d.Outputs), d.Ended...) {
		recorded[o.EventID] = true
	}
	for _, s := range d.Events {
		e := r.events[s.ID]
		if e == nil && (s.Running || recorded[s.ID]) {
			dir, err := r.spools.Open(s.ID)
			if err == nil {
				e, err = openEvent(s, dir, r.cfg, r.clock, r.metrics, r.log)
			}
			if err != nil {
				fail(s.ID, fmt.Errorf("opening the timeline: %w", err))
				continue
			}
			r.events[s.ID] = e
		}
		if e == nil {
			continue
		}
		e.spec.Store(&s)
		e.enforce()
		if s.Running && !e.running.Swap(true) {
			e.log.Info("live event runs")
		}
	}
}

// finishOutputs ends recordings that a crash kept from being ended: what was announced is in the spool, and perhaps not yet
// in the asset.
func (r *runtime) finishOutputs(ctx context.Context, d control.Desired, fail func(string, error)) {
	for _, s := range d.Ended {
		e, a := r.events[s.EventID], r.byAsset[s.AssetID]
		if r.outputs[s.ID] != nil || e == nil || a == nil {
			continue
		}
		unfinished, err := a.unfinished()
		if err == nil && unfinished {
			var o *output
			if o, err = startOutput(r.ctx, s, e, a, r.metrics, r.log); err == nil {
				r.outputs[s.ID] = o
				if err := o.finish(ctx); err != nil {
					fail(s.ID, err) // endOutputs tries again
					continue
				}
				delete(r.outputs, s.ID)
				o.log.Info("live output ended, which was being deleted before; its asset replays")
			}
		}
		if err != nil { // the asset keeps what it has
			r.log.Error("a recording could not be resumed to be ended", "output", s.Name, "err", err)
		}
	}
}

func (r *runtime) startOutputs(d control.Desired, fail func(string, error)) {
	for _, s := range d.Outputs {
		if r.outputs[s.ID] != nil {
			continue
		}
		e, a := r.events[s.EventID], r.byAsset[s.AssetID]
		if e == nil || a == nil {
			fail(s.ID, errors.New("the live event or the asset of this output could not be opened"))
			continue
		}
		o, err := startOutput(r.ctx, s, e, a, r.metrics, r.log)
		if err != nil {
			fail(s.ID, fmt.Errorf("starting the recording: %w", err))
			continue
		}
		r.outputs[s.ID] = o
		o.log.Info("live output records")
	}
}

// closeEvents lets go of timelines nobody needs and removes the spools of events that exist no more.
func (r *runtime) closeEvents(d control.Desired, fail func(string, error)) {
	exists := map[string]bool{}
	for _, s := range d.Events {
		exists[s.ID] = true
	}
	used := map[string]bool{}
	for _, o := range r.outputs {
		used[o.spec.EventID] = true
	}
	for id, e := range r.events {
		if e.running.Load() || used[id] {
			continue
		}
		if err := e.close(); err != nil {
			e.log.Error("closing the timeline", "err", err)
		}
		delete(r.events, id)
	}
	names, err := r.spools.List()
	if err != nil {
		r.log.Error("listing the spools", "err", err)
	}
	for _, name := range names {
		if !exists[name] && r.events[name] == nil {
			fail(name, r.spools.Remove(name))
		}
	}
}

func (r *runtime) removeAssets(d control.Desired, fail func(string, error)) {
	exists := map[string]bool{}
	for _, s := range d.Assets {
		exists[s.ID] = true
	}
	for _, s := range d.Removed {
		if r.byAsset[s.ID] == nil { // deleted before a restart
			fail(s.ID, r.assets.Remove(s.Container))
		}
	}
	for id, a := range r.byAsset {
		if exists[id] {
			continue
		}
		if err := a.close(); err != nil {
			a.log.Error("closing the asset", "err", err)
		}
		if err := r.assets.Remove(a.spec.Load().Container); err != nil {
			fail(id, err)
			continue
		}
		delete(r.byAsset, id)
	}
}

// rest closes idle replays from time to time, until ctx ends.
func (r *runtime) rest(ctx context.Context) {
	t := time.NewTicker(idle / 5)
	defer t.Stop()
	for {
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
		r.mu.Lock()
		all := make([]*asset, 0, len(r.byAsset))
		for _, a := range r.byAsset {
			all = append(all, a)
		}
		r.mu.Unlock()
		for _, a := range all {
			a.rest(time.Now())
		}
	}
}

// EventStatus implements control.Runtime.
func (r *runtime) EventStatus(id string) (control.EventStatus, bool) {
	e := r.routes.Load().events[id]
	if e == nil {
		return control.EventStatus{}, false
	}
	st := e.status()
	e.trail.read(&st)
	return st, true
}

// close ends what runs, in order: publishers, open segments, recordings (which resume at the next start), replays.
func (r *runtime) close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.routes.Store(&routes{})
	var errs []error
	for _, e := range r.events {
		e.stop()
	}
	for _, o := range r.outputs {
		errs = append(errs, o.pause())
	}
	for _, e := range r.events {
		errs = append(errs, e.close())
	}
	for _, a := range r.byAsset {
		errs = append(errs, a.close())
	}
	return errors.Join(errs...)
}
