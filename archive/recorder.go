package archive

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"headwater.stream/internal/media"
	"headwater.stream/internal/timeline"
)

// Source is the timeline that a Recorder records, and its spool.
type Source interface {
	View() *media.View
	Next(ctx context.Context, after uint64) (*media.View, error)
	Open(ctx context.Context, ref media.Ref) (media.Object, error)
	// Fate tells what has become of a sealed segment in the spool, and why if it is lost.
	Fate(rendition string, s media.Segment) (timeline.Fate, media.GapReason)
	// Touch publishes the present View again under a new revision, so that everybody who waits looks again.
	Touch()
}

// RecorderOptions are a recorder's settings.
type RecorderOptions struct {
	ManifestName string
	First        uint64        // number of the first segment; 0: of the one that is open now
	Window       time.Duration // archiveWindowLength: what is older is deleted
	Rewind       time.Duration // rewindWindowLength: what live manifests list; 0: as Window
	// Manifests makes the files that let the ended asset play from any file server, by name.
	Manifests func(*media.View) (map[string][]byte, error)
	// Admit says whether the asset, which holds so many bytes, may take so many more; nil: it may.
	Admit func(has, more int64) error
	// Failed is called, on the recorder's goroutine, when the asset could not be written to, with nil when it could again;
	// nil: not. Lost is called for each segment that is recorded as a gap because of that.
	Failed func(error)
	Lost   func(rendition string, s media.Segment)
	// Damaged is told of each recorded segment that is asked for and whose file is not what was recorded; nil: nobody.
	Damaged func(error)
}

// Recorder is a live output: a Presentation made of a timeline's segments from a given number on, and the asset directory
// they are linked into. What viewers see never waits for the directory: readers make the View from the timeline's, the
// Run loop follows with the files.
type Recorder struct {
	opt   RecorderOptions
	src   Source
	spool timeline.Spool
	dir   Dir

	now      atomic.Pointer[recorded]
	verifier *verifier

	mu      sync.Mutex // of what follows; held for microseconds, never over I/O
	rends   []*recording
	first   uint64
	ranges  []media.Range
	events  []media.Event // shared with Views: only appended to and cut from the front
	archive slider
	rewind  slider
	final   *media.View             // set by Finish
	tail    map[string][]media.Part // with it: the parts of segments that were open then
	why     media.GapReason         // of the last failure to write

	saved   savedHeader // these are the Run loop's
	failing bool
}

// recorded is the View made from one View of the source.
type recorded struct {
	from, view *media.View
}

// recording is one rendition of the recording.
type recording struct {
	name  string
	kind  media.Kind
	scale uint32
	inits []media.Init
	// segments kept by the window, as the View has them; shared with Views: only appended to and cut from the front.
	segments []media.Segment

	lost int // of segments, those that became gaps after they were listed

	// The Run loop's: the next number to write, and why it could not be written when that was tried last (both changed with
	// the mutex), the next to link while it is open, the floor told to the directory. What is below confirmed was looked at
	// again.
	next, linked, floor, confirmed uint64
	why                            media.GapReason
}

// NewRecorder starts, or after a restart resumes, a recording of src into dir. spool is where src's files are.
func NewRecorder(src Source, spool timeline.Spool, dir Dir, opt RecorderOptions) (*Recorder, error) {
	if opt.Rewind == 0 || opt.Rewind > opt.Window {
		opt.Rewind = opt.Window
	}
	r := &Recorder{opt: opt, src: src, spool: spool, dir: dir, verifier: newVerifier()}
	if opt.Damaged != nil {
		r.verifier.damaged = opt.Damaged
	}
	st, ok, err := dir.Resume()
	if err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	if ok {
		r.first = dir.Info().First
		r.resume(st)
		return r, nil
	}
	if r.first = opt.First; r.first == 0 {
		r.first = firstNumber(src.View())
	}
	if err := dir.SaveHeader(headerOf(src.View())); err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	if err := dir.SaveInfo(Info{ManifestName: opt.ManifestName, First: r.first}); err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	return r, nil
}

// firstNumber is the number of the segment that is open now in all renditions, or comes next.
func firstNumber(v *media.View) uint64 {
	n := uint64(0)
	for i := range v.Renditions {
		r := &v.Renditions[i]
		if r.Open != nil {
			n = max(n, r.Open.Number)
		} else if last, ok := r.LastNumber(); ok {
			n = max(n, last+1)
		}
	}
	return n
}

func (r *Recorder) resume(st timeline.State) {
	r.ranges, r.events = st.Header.Ranges, st.Events
	for _, h := range st.Header.Renditions {
		rec := &recording{name: h.Name, kind: h.Kind, scale: h.Timescale, inits: h.Inits, segments: st.Segments[h.Name], next: r.first}
		if n := len(rec.segments); n > 0 {
			rec.next, rec.floor = rec.segments[n-1].Number+1, rec.segments[0].Number
			rec.confirmed = rec.next
			r.verifier.know(h.Name, rec.floor, st.Sums[h.Name], n)
		}
		r.rends = append(r.rends, rec)
	}
}

// View returns the recording as it is now. It never blocks on I/O.
func (r *Recorder) View() *media.View {
	from := r.src.View()
	if c := r.now.Load(); c != nil && (c.from == from || c.view.Ended) {
		return c.view
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.final != nil {
		return r.final
	}
	if c := r.now.Load(); c != nil && c.from.Revision >= from.Revision {
		return c.view
	}
	v := r.derive(from)
	r.now.Store(&recorded{from, v})
	return v
}

// Next returns the first View with a revision above after.
func (r *Recorder) Next(ctx context.Context, after uint64) (*media.View, error) {
	for {
		v := r.View()
		if v.Revision > after {
			return v, nil
		}
		if v.Ended {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		// The recording's revisions are the source's.
		if _, err := r.src.Next(ctx, v.Revision); err != nil {
			return nil, err
		}
	}
}

// Open opens an object: memory has the newest, the asset directory what is recorded, the source's files the rest.
func (r *Recorder) Open(ctx context.Context, ref media.Ref) (media.Object, error) {
	v := r.View()
	m := v.Find(ref.Rendition)
	if m == nil || ref.Kind != media.ObjectInit && ref.Number < r.first {
		return media.Object{}, media.ErrNotFound
	}
	kept, next := r.kept(ref.Rendition)
	if v.Ended {
		if o, ok := r.openTail(ref); ok {
			return o, nil
		}
		if ref.Kind == media.ObjectSegment && ref.Number >= next && len(kept) > 0 && ref.Number <= kept[len(kept)-1].Number {
			return r.src.Open(ctx, ref) // not recorded yet: its file may be linked, and grow
		}
		return r.recorded(kept, m, ref)
	}
	o, err := r.src.Open(ctx, ref)
	switch {
	case errors.Is(err, media.ErrNotFound):
		return r.recorded(kept, m, ref)
	case err == nil && o.File != nil && ref.Kind == media.ObjectSegment && ref.Number < next:
		mine, err := r.recorded(kept, m, ref) // the same file, and its checksum is known
		if is, _ := r.verifier.verdict(ref); err == nil || is == broken {
			return mine, errors.Join(err, o.Close())
		}
	}
	return o, err
}

// recorded opens an object in the asset directory.
func (r *Recorder) recorded(kept []media.Segment, m *media.Rendition, ref media.Ref) (media.Object, error) {
	o, err := openFrom(r.dir, kept, m, ref)
	return r.verifier.verified(ref, o, err)
}

// kept returns the segments of a rendition that are in the archive window, and the number of the next one to record.
func (r *Recorder) kept(name string) (segments []media.Segment, next uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if rec := r.find(name); rec != nil {
		return rec.segments, rec.next
	}
	return nil, 0
}

func (r *Recorder) find(name string) *recording {
	for _, rec := range r.rends {
		if rec.name == name {
			return rec
		}
	}
	return nil
}

// derive makes the View of the recording from one of the source. r.mu is held.
func (r *Recorder) derive(from *media.View) *media.View {
	v := &media.View{Revision: from.Revision, Published: from.Published, Anchor: from.Anchor, SegmentTarget: from.SegmentTarget, PartTarget: from.PartTarget}
	for i := range from.Renditions {
		s := &from.Renditions[i]
		rec := r.find(s.Name)
		if rec == nil {
			rec = &recording{name: s.Name, kind: s.Kind, scale: s.Timescale, next: r.first}
			r.rends = append(r.rends, rec)
		}
		rec.follow(s, r.first)
	}
	for _, g := range from.Ranges {
		if n := len(r.ranges); n == 0 || r.ranges[n-1].Epoch < g.Epoch {
			r.ranges = append(r.ranges[:n:n], g)
		}
	}
	r.followEvents(from)
	r.trim(from.SegmentTarget)
	v.Ranges, v.Events = r.ranges, r.events
	for _, rec := range r.rends {
		v.Renditions = append(v.Renditions, r.list(rec, from.Find(rec.name)))
	}
	if len(v.Renditions) > 0 && len(v.Renditions[0].Segments) > 0 {
		v.Trimmed = v.Renditions[0].Segments[0].Number > r.first
	}
	return v
}

// follow takes over what the source sealed since.
func (rec *recording) follow(s *media.Rendition, first uint64) {
	for _, in := range s.Inits {
		if n := len(rec.inits); n == 0 || rec.inits[n-1].ID < in.ID {
			rec.inits = append(rec.inits[:n:n], in)
		}
	}
	next := first
	if n := len(rec.segments); n > 0 {
		next = rec.segments[n-1].Number + 1
	}
	for _, seg := range s.Segments {
		if seg.Number < next {
			continue
		}
		for ; len(rec.segments) > 0 && next < seg.Number; next++ { // the source went on without us: after a long standstill
			gap := rec.segments[len(rec.segments)-1]
			gap.Number, gap.Start, gap.Size, gap.Gap, gap.First = next, gap.End(), 0, true, false
			rec.segments = append(rec.segments, gap)
		}
		rec.segments = append(rec.segments, seg)
		next = seg.Number + 1
	}
}

// trim cuts what has left the archive window, by number, alike in all renditions.
func (r *Recorder) trim(target time.Duration) {
	if len(r.rends) == 0 || len(r.rends[0].segments) == 0 {
		return
	}
	lead := r.rends[0]
	floor := r.archive.first(lead, media.Ticks(r.opt.Window, lead.scale))
	r.rewind.first(lead, media.Ticks(r.opt.Rewind, lead.scale))
	for len(r.ranges) > 1 && r.ranges[1].Epoch <= lead.segments[0].Epoch {
		r.ranges = r.ranges[1:]
	}
	r.trimEvents(lead, target)
	for _, rec := range r.rends {
		for len(rec.segments) > 1 && rec.segments[0].Number < floor {
			rec.segments = rec.segments[1:]
		}
		for len(rec.inits) > 1 && len(rec.segments) > 0 && rec.inits[1].ID <= rec.segments[0].Init {
			rec.inits = rec.inits[1:]
		}
	}
}

// slider keeps the start of a window of a given length of media, looking at each segment twice at most. What an outage
// left out does not count: a window always has its length of media to show.
type slider struct {
	from, next uint64 // the window is [from, next)
	total      int64  // its ticks
}

// first returns the number of the first segment that is at least partly in the window.
func (w *slider) first(rec *recording, length int64) uint64 {
	segs := rec.segments
	if w.next < segs[0].Number || w.from < segs[0].Number {
		w.from, w.next, w.total = segs[0].Number, segs[0].Number, 0
	}
	for ; w.next <= segs[len(segs)-1].Number; w.next++ {
		w.total += segs[w.next-segs[0].Number].Duration
	}
	for w.next-w.from > 1 {
		d := segs[w.from-segs[0].Number].Duration
		if w.total-d < length {
			break
		}
		w.total -= d
		w.from++
	}
	return w.from
}

// list makes the View's rendition. src is nil when the source lost it.
func (r *Recorder) list(rec *recording, src *media.Rendition) media.Rendition {
	segs := rec.segments
	if len(segs) > 0 && r.rewind.from > segs[0].Number {
		segs = segs[min(r.rewind.from-segs[0].Number, uint64(len(segs))):]
	}
	m := media.Rendition{Name: rec.name, Kind: rec.kind, Timescale: rec.scale, Inits: rec.inits, Segments: segs[:len(segs):len(segs)], Lost: rec.lost}
	if src == nil {
		return m
	}
	m.Hint, m.Bandwidth, m.AverageBandwidth = src.Hint, src.Bandwidth, src.AverageBandwidth
	if src.Open != nil && src.Open.Number >= r.first {
		m.Open = src.Open
	}
	parts := src.Parts
	for len(parts) > 0 && parts[0].Number < r.first {
		parts = parts[1:]
	}
	m.Parts = parts
	if m.Hint.Number < r.first {
		m.Hint = media.PartID{}
	}
	return m
}

// openFrom opens an object of an asset directory.
func openFrom(dir Files, kept []media.Segment, m *media.Rendition, ref media.Ref) (media.Object, error) {
	if ref.Kind == media.ObjectInit {
		if in := m.Init(ref.Epoch); in != nil {
			return media.Object{Size: int64(len(in.Body)), Data: [][]byte{in.Body}}, nil
		}
		return media.Object{}, media.ErrNotFound
	}
	if ref.Kind != media.ObjectSegment || len(kept) == 0 || ref.Number < kept[0].Number || ref.Number-kept[0].Number >= uint64(len(kept)) {
		return media.Object{}, media.ErrNotFound
	}
	s := kept[ref.Number-kept[0].Number]
	if s.Gap || s.Epoch != ref.Epoch {
		return media.Object{}, media.ErrNotFound
	}
	f, err := dir.Open(ref.Rendition, s)
	if err != nil {
		return media.Object{}, err
	}
	return media.Object{Size: int64(s.Size), File: f}, nil
}
