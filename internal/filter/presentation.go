package filter

import (
	"context"
	"math"
	"slices"
	"sort"
	"sync/atomic"
	"time"

	"headwater.stream/internal/media"
)

// Source is the presentation that is filtered.
type Source interface {
	View() *media.View
	Next(ctx context.Context, after uint64) (*media.View, error)
	Open(ctx context.Context, ref media.Ref) (media.Object, error)
}

// Presentation is a filtered Source. It has the Source's methods, and its revisions.
type Presentation struct {
	src Source
	f   Filter
	o   Options
	now atomic.Pointer[derived]
}

// Options say how a filtered presentation is shown.
type Options struct {
	// Delay makes the anchor of a live presentation as much later as the filter holds it back: who takes the live edge from
	// his clock, as DASH players do, then looks for it where it is. Wall-clock times of media, as HLS has them, are right
	// without.
	Delay bool
	// PlaylistFile is that of its Views.
	PlaylistFile string
}

// derived is what was made of one View of the source.
type derived struct {
	from, view *media.View
	low, end   uint64 // numbers of the segments that may be fetched
	err        error
}

// New returns src as the filter shows it.
func New(src Source, f Filter, o Options) *Presentation { return &Presentation{src: src, f: f, o: o} }

// Err says why there is nothing to play, nil when there is or may yet be.
func (p *Presentation) Err() error { return p.at(p.src.View()).err }

// View returns what the filter leaves of the newest View.
func (p *Presentation) View() *media.View { return p.at(p.src.View()).view }

// Next returns the first View with a revision above after.
func (p *Presentation) Next(ctx context.Context, after uint64) (*media.View, error) {
	v, err := p.src.Next(ctx, after)
	if err != nil {
		return nil, err
	}
	return p.at(v).view, nil
}

// Open opens an object, if the filter does not hide it.
func (p *Presentation) Open(ctx context.Context, ref media.Ref) (media.Object, error) {
	d := p.at(p.src.View())
	if d.view.Find(ref.Rendition) == nil || ref.Kind != media.ObjectInit && (ref.Number < d.low || ref.Number >= d.end) {
		return media.Object{}, media.ErrNotFound
	}
	return p.src.Open(ctx, ref)
}

// OpenBoxes is Open for who only looks at boxes: where the source can, it does not read the whole to hold it to its checksum.
func (p *Presentation) OpenBoxes(ctx context.Context, ref media.Ref) (media.Object, error) {
	s, ok := p.src.(interface {
		OpenBoxes(ctx context.Context, ref media.Ref) (media.Object, error)
	})
	if !ok || ref.Kind != media.ObjectSegment {
		return p.Open(ctx, ref)
	}
	d := p.at(p.src.View())
	if d.view.Find(ref.Rendition) == nil || ref.Number < d.low || ref.Number >= d.end {
		return media.Object{}, media.ErrNotFound
	}
	return s.OpenBoxes(ctx, ref)
}

// at returns what is made of v. Several readers may make it at the same time, which does no harm.
func (p *Presentation) at(v *media.View) *derived {
	if d := p.now.Load(); d != nil && d.from == v {
		return d
	}
	d := p.derive(v)
	p.now.Store(d)
	return d
}

func (p *Presentation) derive(from *media.View) *derived {
	f, v := &p.f, *from
	d := &derived{from: from, view: &v}
	v.PlaylistFile = p.o.PlaylistFile
	c := f.cut(from)
	d.low, d.end = c.start, c.end
	v.Renditions = make([]media.Rendition, 0, len(from.Renditions))
	for i := range from.Renditions {
		if f.shows(&from.Renditions[i]) {
			v.Renditions = append(v.Renditions, c.apply(&from.Renditions[i]))
		}
	}
	f.order(v.Renditions)
	if f.Backoff > 0 && !from.Ended {
		v.PartTarget = 0
		if p.o.Delay {
			v.Anchor = v.Anchor.Add(f.Backoff)
		}
	}
	v.Ended = from.Ended || c.over
	switch {
	case len(from.Renditions) == 0:
	case len(v.Renditions) == 0:
		d.err = ErrEmpty
	case c.crossed:
		d.err = ErrGone
	case v.Ended && !slices.ContainsFunc(v.Renditions, func(r media.Rendition) bool { return len(r.Segments) > 0 }):
		d.err = ErrEmpty
	}
	return d
}

// cut is what a filter makes of time: a range of segment numbers, the same in all renditions.
type cut struct {
	start uint64 // the first that startTimestamp lets through
	low   uint64 // the first listed: start, or the window's
	end   uint64 // behind the last
	edge  bool   // the live edge is shown: parts, the open segment and the hint
	over  bool   // a live presentation has reached the filter's end

	crossed bool // what should be shown up to a fixed end has left the window of a live presentation, or begun to
}

// tolerance is how far a timestamp may be from the border it means: players and manifests show milliseconds.
const tolerance = time.Millisecond

// cut computes the range. Numbers stand for the same time in all renditions; those of the leading one decide.
func (f *Filter) cut(v *media.View) cut {
	c := cut{end: math.MaxUint64, edge: v.Ended || f.Backoff == 0}
	r := leading(v)
	if r == nil {
		return c
	}
	segs, base := r.Segments, uint64(0)
	var next, edge int64 // where the first unsealed segment starts, where the media ends
	if n := len(segs); n > 0 {
		base, next = segs[0].Number, segs[n-1].End()
		edge = next
	}
	if r.Open != nil {
		if next, edge = r.Open.Start, r.Open.End(); len(segs) == 0 {
			base = r.Open.Number
		}
	}
	hi := len(segs)
	if before := f.before(r.Timescale); before != nil {
		lo := sort.Search(hi, func(i int) bool { return !before(segs[i].Start, segs[i].End()) })
		if lo > 0 {
			c.start = base + uint64(lo)
		}
		if lo == hi && r.Open != nil && before(next, edge) {
			c.start = r.Open.Number + 1
		}
	}
	c.low = c.start
	reached := false
	if last := f.last(v.Ended); last > 0 {
		end := media.Ticks(last-tolerance, r.Timescale)
		hi = sort.Search(hi, func(i int) bool { return segs[i].Start >= end }) // a segment across the end is shown whole
		if reached = next >= end; reached {
			c.end = base + uint64(hi)
		}
	}
	if f.Backoff > 0 && !v.Ended {
		last := hi
		for hi > 0 && segs[hi-1].End() > edge-media.Ticks(f.Backoff, r.Timescale) {
			hi--
		}
		c.end = base + uint64(hi)
		reached = reached && hi == last
	}
	if f.Window > 0 && !v.Ended {
		first, window := hi, media.Ticks(f.Window, r.Timescale)
		for total := int64(0); first > 0 && total < window; first-- {
			total += segs[first-1].Duration
		}
		if first > 0 {
			c.low = max(c.start, base+uint64(first))
		}
	}
	c.over = reached && !v.Ended && sealed(v, c.end)
	if len(segs) > 0 && v.Trimmed && !v.Ended {
		c.crossed = f.crossed(r.Time(segs[0].Start), reached && hi == 0, c.over)
	}
	return c
}

// before returns what says whether a segment from start to end is too early to be shown, nil when none is.
func (f *Filter) before(timescale uint32) func(start, end int64) bool {
	if f.Start == 0 && f.From == 0 {
		return nil
	}
	first, within := media.Ticks(f.Start-tolerance, timescale), media.Ticks(min(f.From, math.MaxInt64-tolerance)+tolerance, timescale)
	return func(start, end int64) bool {
		return f.Start > 0 && start < first || // "rounded to the next GOP start" (ams-v3 §9)
			f.From > 0 && end <= within
	}
}

// last returns the time at which the presentation ends, 0 when that does not depend on the filter.
func (f *Filter) last(ended bool) time.Duration {
	if f.End > 0 && (ended || f.Force) && (f.To == 0 || f.End < f.To) {
		return f.End
	}
	return f.To
}

// crossed says what is gone of a live presentation that has lost what was before left. "Start or end timestamp is outside of
// the current DVR window" makes a forced end an error (ams-v3 §9); a span that is still being made only slides.
func (f *Filter) crossed(left time.Duration, empty, over bool) bool {
	return empty || f.Force && f.Start > 0 && f.Start < left-tolerance || over && f.To > 0 && f.From < left-tolerance
}

// sealed reports whether no rendition is still making a segment before number end.
func sealed(v *media.View, end uint64) bool {
	return !slices.ContainsFunc(v.Renditions, func(r media.Rendition) bool { return r.Open != nil && r.Open.Number < end })
}

// leading returns the rendition whose segments decide: the first that has any, video before audio.
func leading(v *media.View) *media.Rendition {
	var lead *media.Rendition
	for i := range v.Renditions {
		r := &v.Renditions[i]
		if (len(r.Segments) > 0 || r.Open != nil) && (lead == nil || lead.Kind == media.Audio && r.Kind == media.Video) {
			lead = r
		}
	}
	return lead
}

// shows reports whether a segment of that number is listed.
func (c *cut) shows(number uint64) bool { return c.low <= number && number < c.end }

// apply returns what is left of a rendition.
func (c *cut) apply(r *media.Rendition) media.Rendition {
	m := *r
	lo := sort.Search(len(r.Segments), func(i int) bool { return r.Segments[i].Number >= c.low })
	hi := max(lo, sort.Search(len(r.Segments), func(i int) bool { return r.Segments[i].Number >= c.end }))
	m.Segments = r.Segments[lo:hi:hi]
	for len(m.Parts) > 0 && !c.shows(m.Parts[0].Number) {
		m.Parts = m.Parts[1:]
	}
	for n := len(m.Parts); n > 0 && !c.shows(m.Parts[n-1].Number); n-- {
		m.Parts = m.Parts[: n-1 : n-1]
	}
	if m.Open != nil && (!c.edge || !c.shows(m.Open.Number)) {
		m.Open = nil
	}
	if !c.edge || !c.shows(m.Hint.Number) {
		m.Hint = media.PartID{}
	}
	if !c.edge {
		m.Parts = nil
	}
	m.Inits = needed(&m)
	return m
}

// needed returns the initialization sections between those of the first and the last segment; all, when nothing is listed.
func needed(r *media.Rendition) []media.Init {
	first, last := uint32(0), uint32(math.MaxUint32)
	for _, s := range r.Segments {
		if s.Init != 0 {
			first = s.Init
			break
		}
	}
	if r.Open == nil {
		for i := len(r.Segments) - 1; i >= 0; i-- {
			if r.Segments[i].Init != 0 {
				last = r.Segments[i].Init
				break
			}
		}
	}
	inits := r.Inits
	for len(inits) > 1 && inits[0].ID < first {
		inits = inits[1:]
	}
	for len(inits) > 1 && inits[len(inits)-1].ID > last {
		inits = inits[:len(inits)-1]
	}
	return inits[:len(inits):len(inits)]
}

// order puts the video rendition whose bit rate is nearest to firstQuality in front.
func (f *Filter) order(list []media.Rendition) {
	if f.FirstBitrate == 0 {
		return
	}
	best, off := -1, 0
	for i := range list {
		if d := max(bitrate(&list[i])-f.FirstBitrate, f.FirstBitrate-bitrate(&list[i])); list[i].Kind == media.Video && (best < 0 || d < off) {
			best, off = i, d
		}
	}
	if best > 0 {
		first := list[best]
		copy(list[1:best+1], list[:best])
		list[0] = first
	}
}
