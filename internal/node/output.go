package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"headwater.stream/archive"
	"headwater.stream/internal/control"
	"headwater.stream/internal/media"
)

// output is a live output: a recorder with its loop, once the recording has begun.
type output struct {
	log     *slog.Logger
	metrics *metrics
	spec    control.OutputSpec
	rec     *archive.Recorder // nil before the outputSnapTime; guarded by asset.mu
	dir     archive.Dir
	asset   *asset
	event   *event
	budget  *budget
	cancel  context.CancelFunc
	done    chan struct{} // closed when nothing is written any more
	paused  bool          // it is to go on at the next start; guarded by asset.mu
	closed  chan error    // gets what close returns; nil before finish and pause, the runtime's
}

// startOutput starts, or after a restart resumes, recording e into a.
func startOutput(ctx context.Context, spec control.OutputSpec, e *event, a *asset, b *budget, m *metrics, log *slog.Logger) (*output, error) {
	if err := a.take(ctx); err != nil {
		return nil, err
	}
	defer a.release()
	if a.recorded() {
		return nil, errors.New("the asset is recorded by another output already")
	}
	dir, err := a.store.Open(a.spec.Load().Container)
	if err != nil {
		return nil, err
	}
	o := &output{log: log.With("output", spec.Name), metrics: m, spec: spec, dir: dir, asset: a, event: e, budget: b, done: make(chan struct{})}
	waits := false
	if spec.SnapTime > 0 {
		_, begun, err := dir.Load()
		if err != nil {
			return nil, errors.Join(err, dir.Close())
		}
		waits = !begun
	}
	first := uint64(0)
	if waits {
		n, reached := e.reached(spec.SnapTime, e.tl.View())
		first, waits = n, !reached
	}
	ctx, o.cancel = context.WithCancel(ctx)
	if !waits {
		if err := o.begin(ctx, e, first); err != nil {
			o.cancel()
			return nil, errors.Join(err, dir.Close())
		}
	}
	a.mu.Lock()
	a.output = o
	a.mu.Unlock()
	go o.run(ctx, e, waits)
	return o, nil
}

// run records, after waiting for the outputSnapTime when that has to be.
func (o *output) run(ctx context.Context, e *event, waits bool) {
	defer close(o.done)
	if waits {
		first, err := e.reach(ctx, o.spec.SnapTime)
		if err != nil {
			return // ended before it began
		}
		if err := o.asset.take(ctx); err != nil {
			return
		}
		err = o.begin(ctx, e, first)
		o.asset.release()
		if err != nil {
			o.metrics.recordErrors.Inc()
			o.log.Error("starting the recording", "err", err)
			return
		}
		o.log.Info("recording begins", "outputSnapTime", o.spec.SnapTime, "segment", first)
	}
	if o.rec != nil { // nobody else writes it
		// What failed was reported by Failed.
		_ = o.rec.Run(ctx)
	}
}

// begin makes the recorder; first is the first segment's number, 0 for the one that is open now. The files are the caller's.
func (o *output) begin(ctx context.Context, e *event, first uint64) error {
	rec, err := archive.NewRecorder(e.tl, e.dir, o.dir, archive.RecorderOptions{
		ManifestName: o.spec.ManifestName, First: first, Window: o.spec.ArchiveWindow, Rewind: o.spec.RewindWindow, Manifests: manifests,
		Admit: func(has, more int64) error {
			return o.budget.admit(o.asset.spec.Load().Container, has, more, e.clock.now())
		},
		Failed: func(err error) {
			if err != nil {
				o.metrics.recordErrors.Inc()
			}
			e.alarm(o.alarmName(), e.clock.now(), err)
		},
		Lost: func(rendition string, s media.Segment) {
			o.metrics.recordGaps.WithLabelValues(s.Reason.String()).Inc()
			o.log.Error("a gap is recorded", "rendition", rendition, "segment", s.Number, "reason", s.Reason.String())
		},
		Damaged: o.asset.damaged,
	})
	if err != nil {
		return err
	}
	e.recovered(o.alarmName(), o.dir.Repairs())
	s := show(rec, cmp.Or(o.spec.RewindWindow, o.spec.ArchiveWindow), nil, o.asset.known)
	s.delay = e.delay
	o.asset.mu.Lock()
	defer o.asset.mu.Unlock()
	if ctx.Err() == nil { // not ended before it began
		o.rec = rec
		o.asset.shown.Store(s)
	}
	return nil
}

// alarmName names the recording in alarms.
func (o *output) alarmName() string {
	return fmt.Sprintf("the recording of live output %q", o.spec.Name)
}

// finish ends the recording; the asset replays then. It returns false when the disk does not take the rest in time: the
// recording has ended for viewers, who are served from memory, and the rest is written, and closed gets its error, when the
// disk answers.
func (o *output) finish(ctx context.Context, wait time.Duration) (done bool, err error) {
	o.asset.mu.Lock()
	if o.rec != nil {
		o.rec.Finish()
	} else {
		o.cancel()
	}
	o.asset.mu.Unlock()
	o.closing()
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case err := <-o.closed:
		return true, err
	case <-t.C:
		return false, nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// closing closes the recording when nothing is written any more, which closed tells.
func (o *output) closing() {
	if o.closed != nil {
		return
	}
	o.closed = make(chan error, 1)
	go func() {
		<-o.done
		o.closed <- o.close()
	}()
}

// close lets go of the directory, and has the asset replay unless the recording is to go on.
func (o *output) close() error {
	a := o.asset
	if err := a.take(context.Background()); err != nil {
		return err
	}
	defer a.release()
	o.cancel()
	closed := o.dir.Close()
	a.mu.Lock()
	stays := !a.gone && !o.paused
	a.mu.Unlock()
	var err error
	if stays {
		o.event.alarm(o.alarmName(), o.event.clock.now(), nil)
		if closed != nil {
			o.log.Error("closing the recording", "err", closed)
		}
		// Viewers go over to the replay of the same bytes; those inside the recorder's last View have it to the end.
		if _, err = a.openReplay(a.shown.Load()); err != nil {
			a.shown.Store(nil)
			if errors.Is(err, errNoMedia) {
				err = nil
			}
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.output = nil
	if o.paused {
		a.shown.Store(nil)
		return closed
	}
	return err
}

// pauseBound is how long a recording may take to pause.
const pauseBound = time.Second

// pause stops recording without ending it: the process ends and will resume it.
func (o *output) pause() error {
	o.asset.mu.Lock()
	o.paused = true
	o.asset.mu.Unlock()
	o.cancel()
	o.closing()
	t := time.NewTimer(pauseBound)
	defer t.Stop()
	select {
	case err := <-o.closed:
		return err
	case <-t.C:
		return fmt.Errorf("the recording of live output %q did not pause: the disk does not answer", o.spec.Name)
	}
}

// snapUnit is the unit of outputSnapTime.
const snapUnit = 100 * time.Nanosecond

// snapTolerance is the precision of the encoder's clock under RTMP, twice: the frame grid may be as far from it.
const snapTolerance = 2 * time.Millisecond

// reach waits until the encoder's clock has come to snap and returns the number of the first segment with nothing earlier.
func (e *event) reach(ctx context.Context, snap int64) (first uint64, err error) {
	v := e.tl.View()
	for {
		if first, ok := e.reached(snap, v); ok {
			return first, nil
		}
		if v, err = e.tl.Next(ctx, v.Revision); err != nil {
			return 0, err
		}
	}
}

// reached reports whether the segment that is open in v has nothing earlier, and its number.
func (e *event) reached(snap int64, v *media.View) (first uint64, ok bool) {
	source, start, ok := e.encoderClock()
	if !ok {
		return 0, false
	}
	from := start - snapTolerance
	if wait := time.Duration(min(snap, int64(1<<62/snapUnit)))*snapUnit - source; wait > 0 {
		from += wait
	}
	for i := range v.Renditions {
		if r := &v.Renditions[i]; r.Open != nil { // the first leads: video before audio
			return r.Open.Number, r.Time(r.Open.Start) >= from
		}
	}
	return 0, false
}

// encoderClock returns a time of the present encoder and its media time.
func (e *event) encoderClock() (source, at time.Duration, ok bool) {
	e.mu.Lock()
	s := e.cur
	e.mu.Unlock()
	if s == nil {
		return 0, 0, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended != nil || s.pack == nil {
		return 0, 0, false
	}
	return s.pack.Clock()
}
