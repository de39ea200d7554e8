package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"headwater.stream/archive"
	"headwater.stream/internal/access"
	"headwater.stream/internal/control"
	"headwater.stream/origin"
)

// runtime is what runs: it makes Desired true. Apply is called by the reconcile loop alone; readers load routes.
type runtime struct {
	admission Admission
	admitting sync.Mutex // held while it is decided about one encoder

	log     *slog.Logger
	cfg     Config
	clock   clock
	metrics *metrics
	spools  spoolStore // of live events, by EventSpec.ID
	assets  assetStore // by AssetSpec.Container
	tokens  *access.Checker
	crowd   *origin.Crowd
	journal control.Journal // nil: nobody is told
	hooks   *webhooks       // nil: none
	ingest  string          // URL that encoders publish to, without the token
	routes  atomic.Pointer[routes]

	ctx       context.Context // ends the outputs' loops
	mu        sync.Mutex      // of the maps; Apply writes, shutdown reads
	events    map[string]*event
	outputs   map[string]*output
	ending    map[string]*output // ended for viewers; the disk has not taken all of it yet
	byAsset   map[string]*asset
	audiences map[string]*origin.Audience // by LocatorSpec.ID

	attempts attempts
	budget   *budget
	gallery  *gallery
	filtered *filteredChannels
	staging  *staging // nil: nothing is staged
	placed   bool     // all that was staged is where it belongs
}

// spoolStore is a store whose directories are all ours: what no event owns is removed.
type spoolStore interface {
	archive.Store
	List() ([]string, error)
}

// assetStore is a store whose room is watched.
type assetStore interface {
	archive.Store
	sizer
	pictureStore
}

var _ control.Runtime = (*runtime)(nil)

func newRuntime(ctx context.Context, c clock, spools spoolStore, assets assetStore, m *metrics, cfg Config) *runtime {
	r := &runtime{log: cfg.Log, admission: cfg.Admission, cfg: cfg, clock: c, metrics: m, spools: spools, assets: assets, ctx: ctx, tokens: access.NewChecker(), crowd: origin.NewCrowd(c.now), audiences: map[string]*origin.Audience{},
		events: map[string]*event{}, outputs: map[string]*output{}, ending: map[string]*output{}, byAsset: map[string]*asset{},
		filtered: &filteredChannels{most: maxFilteredInAll},
		budget:   &budget{store: assets, minFree: cfg.ArchiveMinFree, perAsset: cfg.AssetQuota, total: cfg.ArchiveQuota}}
	r.gallery = newGallery(cfg.Storyboard, assets, r.budget, c, cfg.Log)
	r.routes.Store(&routes{})
	return r
}

// Apply implements control.Runtime. The order is that of a life backwards, then forwards: routes that are gone, outputs
// that ended, events that stopped; assets, events, outputs, routes that are new; what is removed for good comes last.
func (r *runtime) Apply(ctx context.Context, d control.Desired) map[string]error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.attempts.renew()
	failed := map[string]error{}
	fail := func(id string, err error) {
		if err != nil {
			failed[id] = err
		}
	}
	r.routes.Store(r.makeRoutes(d)) // withdraws first; what is new is added below
	r.stopEvents(d)
	r.endOutputs(ctx, d, fail)
	r.placeStaged(ctx, d, fail)
	r.openAssets(d)
	r.openEvents(ctx, d, fail)
	r.finishOutputs(ctx, d, fail)
	r.startOutputs(ctx, d, fail)
	r.routes.Store(r.makeRoutes(d))
	if r.hooks != nil {
		if err := r.hooks.apply(d.Webhooks); err != nil {
			r.log.Error("webhooks", "err", err)
		}
	}
	r.disperse(d)
	r.closeEvents(ctx, d, fail)
	r.removeAssets(ctx, d, fail)
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
	r.endLate()
	wanted := map[string]bool{}
	for _, s := range d.Outputs {
		wanted[s.ID] = true
	}
	for id, o := range r.outputs {
		if wanted[id] {
			continue
		}
		fail(id, r.endOutput(ctx, id, o))
	}
}

func (r *runtime) endOutput(ctx context.Context, id string, o *output) error {
	done, err := o.finish(ctx, r.attempts.patience())
	if err != nil && !done {
		return err
	}
	delete(r.outputs, id)
	if !done {
		r.attempts.late()
		r.ending[id] = o
		o.log.Error("live output ended; the disk does not take the rest of its recording yet")
		return nil
	}
	o.log.Info("live output ended; its asset replays")
	return err
}

// endLate closes the recordings whose rest was written since they ended. r.mu is held.
func (r *runtime) endLate() {
	for id, o := range r.ending {
		select {
		case err := <-o.closed:
			delete(r.ending, id)
			if err != nil {
				o.log.Error("closing the recording", "err", err)
			}
		default:
		}
	}
}

func (r *runtime) openAssets(d control.Desired) {
	for _, s := range d.Assets {
		a := r.byAsset[s.ID]
		if a == nil {
			a = newAsset(r.assets, r.filtered, r.log.With("asset", s.Name))
			r.byAsset[s.ID] = a
		}
		a.spec.Store(&s)
	}
}

// openEvents opens the timelines of events that run or are recorded, and starts those that run.
func (r *runtime) openEvents(ctx context.Context, d control.Desired, fail func(string, error)) {
	recorded := map[string]bool{}
	for _, o := range append(slices.Clip(d.Outputs), d.Ended...) {
		recorded[o.EventID] = true
	}
	for _, s := range d.Events {
		e := r.events[s.ID]
		if e == nil && (s.Running || recorded[s.ID]) {
			var err error
			if e, err = r.openEvent(ctx, s); err != nil {
				fail(s.ID, err)
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
		if r.outputs[s.ID] != nil || r.ending[s.ID] != nil || e == nil || a == nil {
			continue
		}
		unfinished, err := attempt(ctx, &r.attempts, s.ID, "looking at the recording", func() (bool, error) { return a.unfinished(r.ctx) }, nil)
		if err == nil && unfinished {
			var o *output
			if o, err = r.startOutput(ctx, s, e, a); err == nil {
				r.outputs[s.ID] = o
				fail(s.ID, r.endOutput(ctx, s.ID, o)) // endOutputs tries again
			}
		}
		if err != nil { // the asset keeps what it has
			r.log.Error("a recording could not be resumed to be ended", "output", s.Name, "err", err)
		}
	}
}

func (r *runtime) openEvent(ctx context.Context, s control.EventSpec) (*event, error) {
	return attempt(ctx, &r.attempts, s.ID, "opening the timeline", func() (*event, error) {
		dir, err := r.spools.Open(s.ID)
		if err != nil {
			return nil, fmt.Errorf("opening the timeline: %w", err)
		}
		e, err := openEvent(s, dir, r.cfg, r.clock, r.metrics, r.filtered, r.log, voice{r.journal, s.Name, r.ingest})
		if err != nil {
			return nil, fmt.Errorf("opening the timeline: %w", err)
		}
		return e, nil
	}, func(e *event) { r.closeEvent(e) })
}

func (r *runtime) closeEvent(e *event) {
	if err := e.close(); err != nil {
		e.log.Error("closing the timeline", "err", err)
	}
}

func (r *runtime) startOutputs(ctx context.Context, d control.Desired, fail func(string, error)) {
	for _, s := range d.Outputs {
		if r.outputs[s.ID] != nil {
			continue
		}
		e, a := r.events[s.EventID], r.byAsset[s.AssetID]
		if e == nil || a == nil {
			fail(s.ID, errors.New("the live event or the asset of this output could not be opened"))
			continue
		}
		o, err := r.startOutput(ctx, s, e, a)
		if err != nil {
			fail(s.ID, fmt.Errorf("starting the recording: %w", err))
			continue
		}
		r.outputs[s.ID] = o
		o.log.Info("live output records")
	}
}

func (r *runtime) startOutput(ctx context.Context, s control.OutputSpec, e *event, a *asset) (*output, error) {
	return attempt(ctx, &r.attempts, s.ID, "starting the recording", func() (*output, error) {
		return startOutput(r.ctx, s, e, a, r.budget, r.metrics, r.log)
	}, func(o *output) {
		if err := o.pause(); err != nil {
			o.log.Error("closing the recording", "err", err)
		}
	})
}

// closeEvents lets go of timelines nobody needs and removes the spools of events that exist no more.
func (r *runtime) closeEvents(ctx context.Context, d control.Desired, fail func(string, error)) {
	exists := map[string]bool{}
	for _, s := range d.Events {
		exists[s.ID] = true
	}
	used := map[string]bool{}
	for _, o := range r.outputs {
		used[o.spec.EventID] = true
	}
	for _, o := range r.ending {
		used[o.spec.EventID] = true
	}
	for id, e := range r.events {
		if e.running.Load() || used[id] {
			continue
		}
		delete(r.events, id)
		if _, err := attempt(ctx, &r.attempts, id, "closing the timeline", func() (bool, error) { r.closeEvent(e); return true, nil }, nil); err != nil {
			e.log.Error("closing the timeline", "err", err)
		}
	}
	names, err := attempt(ctx, &r.attempts, "spools", "listing the spools", r.spools.List, nil)
	if err != nil {
		r.log.Error("listing the spools", "err", err)
	}
	for _, name := range names {
		if !exists[name] && r.events[name] == nil {
			fail(name, r.remove(ctx, r.spools, name, name))
		}
	}
}

func (r *runtime) removeAssets(ctx context.Context, d control.Desired, fail func(string, error)) {
	exists := map[string]bool{}
	for _, s := range d.Assets {
		exists[s.ID] = true
	}
	for _, s := range d.Removed {
		if r.byAsset[s.ID] == nil { // deleted before a restart
			fail(s.ID, r.remove(ctx, r.assets, s.ID, s.Container))
		}
	}
	for id, a := range r.byAsset {
		if exists[id] {
			continue
		}
		a.abandon()
		if _, err := attempt(ctx, &r.attempts, id, "removing files", func() (bool, error) { return true, a.remove(r.ctx) }, nil); err != nil {
			fail(id, err)
			continue
		}
		delete(r.byAsset, id)
	}
}

// remove removes a directory for the resource with that ID.
func (r *runtime) remove(ctx context.Context, s archive.Store, id, name string) error {
	_, err := attempt(ctx, &r.attempts, id, "removing files", func() (bool, error) { return true, s.Remove(name) }, nil)
	return err
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
		r.endLate()
		all := maps.Clone(r.byAsset)
		r.mu.Unlock()
		for id, a := range all {
			if !a.rested(time.Now()) {
				continue
			}
			if _, err := attempt(ctx, &r.attempts, id, "closing an idle replay", func() (bool, error) { return true, a.close(ctx) }, nil); err != nil {
				a.log.Error("closing an idle replay", "err", err)
			}
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
	st.Alarms = e.alarms.read()
	return st, true
}

// halt ends what encoders send. Who waits for media gets an answer then, within half a target duration, and what is there is served
// on until close.
func (r *runtime) halt() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		e.stop()
	}
}

// close ends what runs, in order: publishers, open segments, recordings (which resume at the next start), replays. Each
// step goes at all of its kind at once, and is bounded: a disk that hangs does not add up.
func (r *runtime) close() error {
	r.halt()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.routes.Store(&routes{})
	errs := together(map[string]*gallery{"": r.gallery}, func(g *gallery) error { g.close(); return nil })
	errs = append(errs, together(r.outputs, (*output).pause)...)
	errs = append(errs, together(r.ending, (*output).pause)...)
	errs = append(errs, together(r.events, (*event).close)...)
	bound, cancel := context.WithTimeout(context.Background(), closeBound)
	defer cancel()
	errs = append(errs, together(r.byAsset, func(a *asset) error { return a.close(bound) })...)
	return errors.Join(errs...)
}

// closeBound is how long one kind of thing may take to close.
const closeBound = 4 * time.Second

// together closes all of a kind at the same time.
func together[T any](all map[string]T, f func(T) error) (errs []error) {
	done := make(chan error, len(all))
	for _, x := range all {
		go func() { done <- f(x) }()
	}
	t := time.NewTimer(closeBound)
	defer t.Stop()
	for range all {
		select {
		case err := <-done:
			errs = append(errs, err)
		case <-t.C:
			return append(errs, fmt.Errorf("not everything could be closed within %v: the disk does not answer", closeBound))
		}
	}
	return errs
}
