package archive

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"headwater.stream/internal/media"
	"headwater.stream/internal/timeline"
)

// How long a recording waits, when nothing new comes, before it tries again.
const (
	retryPause   = time.Second           // what the directory refused
	pendingPause = 50 * time.Millisecond // what the spool had not got to
)

// Run links and indexes what is recorded until Finish has been called and everything is in the directory, or ctx ends. What
// the directory refuses is tried again as long as the source has it; then it is recorded as a gap.
func (r *Recorder) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	wg.Go(func() { r.follow(ctx) })
	for swept := false; ; {
		v := r.View()
		err := r.write(v)
		r.report(err)
		if v.Ended && err == nil {
			return nil
		}
		if again := r.wait(ctx, v, err); !again {
			if v.Ended {
				return err
			}
			return nil // not an error: the recording goes on when the process is back
		}
		if !swept { // not before media come: many recordings resume together
			swept = true
			if err := r.dir.Sweep(); err != nil {
				r.report(err)
			}
		}
	}
}

// wait waits for the next View, or after a failure until it is time to try again; false: neither will be.
func (r *Recorder) wait(ctx context.Context, v *media.View, failed error) bool {
	if failed == nil {
		_, err := r.Next(ctx, v.Revision)
		return err == nil
	}
	pause := retryPause
	if errors.Is(failed, errPending) {
		pause = pendingPause
	}
	wait, cancel := context.WithTimeout(ctx, pause)
	defer cancel()
	_, err := r.Next(wait, v.Revision)
	return err == nil || ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded)
}

// errPending says that the spool has not got to a segment yet; nothing failed.
var errPending = errors.New("the spool is behind")

// report tells when writing fails, and when it does not any more.
func (r *Recorder) report(err error) {
	if errors.Is(err, errPending) || err == nil && !r.failing {
		return
	}
	r.failing = err != nil
	if r.opt.Failed != nil {
		r.opt.Failed(err)
	}
}

// follow takes over every View in time, even when nobody watches and the directory does not answer.
func (r *Recorder) follow(ctx context.Context) {
	swept := uint64(0)
	for v := r.View(); !v.Ended; {
		if len(v.Renditions) > 0 {
			if n, _ := v.Renditions[0].LastNumber(); n > swept { // a segment was sealed, so others may have gone
				r.sweep()
				swept = n
			}
		}
		var err error
		if v, err = r.Next(ctx, v.Revision); err != nil {
			return
		}
	}
}

// sweep makes gaps of segments that are listed, not written, and nowhere any more: the directory has not taken them in time.
func (r *Recorder) sweep() {
	type waiting struct {
		rec  *recording
		segs []media.Segment
		why  media.GapReason
	}
	var list []waiting
	r.mu.Lock()
	for _, rec := range r.rends {
		if n := len(rec.segments); n > 0 && rec.next <= rec.segments[n-1].Number {
			list = append(list, waiting{rec, rec.segments[max(rec.next, rec.segments[0].Number)-rec.segments[0].Number:], rec.why})
		}
	}
	last := firstReason(r.why, media.GapDiskSlow)
	r.mu.Unlock()
	for _, w := range list {
		for _, s := range w.segs {
			if !s.Gap && !r.has(w.rec.name, s, nil) {
				_, why := r.src.Fate(w.rec.name, s)
				r.lose(w.rec, s, firstReason(firstReason(w.why, why), last))
			}
		}
	}
}

func (r *Recorder) blame(rec *recording, why media.GapReason) {
	r.mu.Lock()
	defer r.mu.Unlock()
	rec.why = why
	if why != media.GapUnknown {
		r.why = why
	}
}

func (r *Recorder) advance(rec *recording, next uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	rec.next = next
}

// write brings the directory up to v.
func (r *Recorder) write(v *media.View) error {
	if err := r.saveHeader(v); err != nil {
		return err
	}
	if err := r.writeEvents(v); err != nil {
		return err
	}
	var errs []error
	for i := range v.Renditions {
		m := &v.Renditions[i]
		if err := r.writeRendition(m, v.Ended); err != nil {
			errs = append(errs, fmt.Errorf("recording %s: %w", m.Name, err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if !v.Ended {
		return nil
	}
	if r.opt.Manifests != nil {
		files, err := r.opt.Manifests(r.View()) // without what turned out to be lost
		if err != nil {
			return fmt.Errorf("static manifests: %w", err)
		}
		for name, body := range files {
			if err := r.dir.WriteFile(name, body); err != nil {
				return err
			}
		}
	}
	info := r.dir.Info()
	info.Ended = true
	if err := r.dir.SaveInfo(info); err != nil {
		for _, rec := range r.rends { // it may be that a sync failed: all are looked at again
			rec.confirmed = 0
		}
		return err
	}
	return nil
}

// savedHeader tells which header the directory has.
type savedHeader struct {
	inits int // sum over the renditions
	epoch uint32
}

// saveHeader stores the header when a range began, or a rendition or an initialization section came.
func (r *Recorder) saveHeader(v *media.View) error {
	var is savedHeader
	for i := range v.Renditions {
		m := &v.Renditions[i]
		is.inits += 1 + len(m.Inits)
		if n := len(m.Segments); n > 0 {
			is.epoch = max(is.epoch, m.Segments[n-1].Epoch)
		}
		if m.Open != nil {
			is.epoch = max(is.epoch, m.Open.Epoch)
		}
	}
	if is == r.saved {
		return nil
	}
	if err := r.dir.SaveHeader(headerOf(v)); err != nil {
		return err
	}
	r.saved = is
	return nil
}

func (r *Recorder) writeRendition(m *media.Rendition, ended bool) error {
	r.mu.Lock()
	rec := r.find(m.Name)
	kept := rec.segments
	tail := r.tail[m.Name]
	r.mu.Unlock()
	if len(kept) > 0 {
		first := kept[0].Number
		r.advance(rec, max(rec.next, first))
		for rec.next <= kept[len(kept)-1].Number {
			if err := r.writeSegment(rec, kept[rec.next-first], tail, kept[:rec.next-first]); err != nil {
				return err
			}
			r.advance(rec, rec.next+1)
		}
		if err := r.confirm(rec, kept, ended); err != nil {
			return err
		}
		if first > rec.floor {
			if err := r.dir.Drop(m.Name, first); err != nil {
				return err
			}
			rec.floor = first
			r.verifier.drop(m.Name, first)
		}
	}
	if m.Open != nil && m.Open.Number >= rec.linked && rec.why == media.GapUnknown {
		open := *m.Open
		open.Size = 0
		if err := r.dir.Link(r.spool, m.Name, open); err != nil && !errors.Is(err, media.ErrNotFound) {
			return err
		}
		rec.linked = open.Number + 1
	}
	return nil
}

// writeSegment puts one sealed segment into the directory and its index. before are those of its rendition before it.
func (r *Recorder) writeSegment(rec *recording, s media.Segment, tail []media.Part, before []media.Segment) error {
	if !s.Gap {
		err := r.admit(s, before)
		if err == nil {
			err = r.bring(rec, s, tail)
		}
		switch {
		case errors.Is(err, errPending):
			return err
		case errors.Is(err, media.ErrNotFound) || err != nil && !r.has(rec.name, s, tail): // a gap is what is left of it
			s = r.lose(rec, s, firstReason(rec.why, timeline.ReasonOf(err)))
		case err != nil:
			r.blame(rec, timeline.ReasonOf(err))
			return err
		}
	}
	if err := r.dir.Seal(rec.name, s); err != nil {
		r.blame(rec, firstReason(rec.why, timeline.ReasonOf(err)))
		return err
	}
	r.verifier.add(rec.name, s.Number, r.dir.Checksum(rec.name, s))
	if !s.Gap {
		r.blame(rec, media.GapUnknown)
	}
	return nil
}

// Finish ends the recording with the last part that was announced and releases everybody who waits. Run returns when the
// directory is complete.
func (r *Recorder) Finish() {
	r.mu.Lock()
	if r.final != nil {
		r.mu.Unlock()
		return
	}
	from := r.src.View()
	r.derive(from)
	r.tail = map[string][]media.Part{}
	top := uint64(0)
	for _, rec := range r.rends {
		if m := from.Find(rec.name); m != nil && m.Open != nil && m.Open.Number >= r.first {
			rec.segments = append(rec.segments, *m.Open)
			r.tail[rec.name] = m.PartsOf(m.Open.Number)
		}
		if n := len(rec.segments); n > 0 {
			top = max(top, rec.segments[n-1].Number)
		}
	}
	v := &media.View{Revision: from.Revision + 1, Anchor: from.Anchor, SegmentTarget: from.SegmentTarget, PartTarget: from.PartTarget, Ranges: r.ranges, Events: r.events, Ended: true}
	for _, rec := range r.rends {
		r.level(rec, top)
		v.Renditions = append(v.Renditions, ended(media.Rendition{Name: rec.name, Kind: rec.kind, Timescale: rec.scale, Inits: rec.inits, Segments: rec.segments[:len(rec.segments):len(rec.segments)]}))
	}
	r.final = v
	r.now.Store(&recorded{from, v})
	r.mu.Unlock()
	r.src.Touch()
}

// level gives a rendition gaps up to number top: all renditions end with the same number.
func (r *Recorder) level(rec *recording, top uint64) {
	for n := len(rec.segments); n > 0 && rec.segments[n-1].Number < top; n++ {
		next := rec.segments[n-1].Number + 1
		for _, o := range r.rends {
			if k := len(o.segments); o != rec && k > 0 && o.segments[0].Number <= next && o.segments[k-1].Number >= next {
				s := o.segments[next-o.segments[0].Number]
				s.Start, s.Duration = rec.segments[n-1].End(), s.Duration*int64(rec.scale)/int64(o.scale)
				s.Size, s.Gap, s.Init = 0, true, rec.segments[n-1].Init
				rec.segments = append(rec.segments, s)
				break
			}
		}
		if len(rec.segments) == n {
			return
		}
	}
}

// openTail opens a segment that was open when the recording ended, until its file is in place.
func (r *Recorder) openTail(ref media.Ref) (media.Object, bool) {
	r.mu.Lock()
	tail := r.tail[ref.Rendition]
	r.mu.Unlock()
	if ref.Kind != media.ObjectSegment || len(tail) == 0 || tail[0].Number != ref.Number || tail[0].Epoch != ref.Epoch {
		return media.Object{}, false
	}
	var o media.Object
	for _, p := range tail {
		if p.Body == nil {
			return media.Object{}, false
		}
		o.Data = append(o.Data, p.Body)
		o.Size += int64(len(p.Body))
	}
	return o, true
}

// ended fills in what a rendition that gets nothing more has measured over all of it.
func ended(m media.Rendition) media.Rendition {
	var bits, ticks int64
	for _, s := range m.Segments {
		if s.Gap || s.Duration <= 0 {
			continue
		}
		bits, ticks = bits+8*int64(s.Size), ticks+s.Duration
		if 2*s.Duration >= int64(m.Timescale) {
			m.Bandwidth = max(m.Bandwidth, int(8*int64(s.Size)*int64(m.Timescale)/s.Duration))
		}
	}
	if ticks > 0 {
		m.AverageBandwidth = int(bits * int64(m.Timescale) / ticks)
	}
	m.Bandwidth = max(m.Bandwidth, m.AverageBandwidth)
	return m
}

// headerOf makes an asset's header from a View.
func headerOf(v *media.View) timeline.Header {
	h := headerMaker{timeline.Header{Anchor: v.Anchor, SegmentTarget: v.SegmentTarget, PartTarget: v.PartTarget, Parts: v.PartTarget > 0, Ranges: v.Ranges}}
	for i := range v.Renditions {
		r := &v.Renditions[i]
		h.Renditions = append(h.Renditions, timeline.HeaderRendition{Name: r.Name, Kind: r.Kind, Timescale: r.Timescale, Inits: r.Inits})
		for i := len(r.Segments) - 1; i >= 0; i-- {
			if s := r.Segments[i]; h.newest(s) {
				break
			}
		}
		if r.Open != nil {
			h.newest(*r.Open)
		}
	}
	return h.Header
}

// headerMaker finds the newest range.
type headerMaker struct{ timeline.Header }

// newest takes a segment into account; it returns true when those before it cannot matter.
func (h *headerMaker) newest(s media.Segment) bool {
	if s.Epoch < h.Epoch {
		return true
	}
	h.Epoch, h.Disc = s.Epoch, s.Disc
	if s.First {
		h.Number = s.Number
	}
	return s.First
}
