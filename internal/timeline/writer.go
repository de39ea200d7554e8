package timeline

import (
	"bytes"
	"fmt"
	"reflect"
	"time"

	"headwater.stream/internal/media"
)

// rendition is the writer's side of a rendition.
type rendition struct {
	name  string
	kind  media.Kind
	scale uint32
	inits []media.Init

	sealed []media.Segment // kept ones; the View lists the end of it
	parts  [][]media.Part  // of each of sealed, without bodies
	listed int             // index in sealed of the first one listed
	next   uint64          // number of the segment that comes next, or is open
	open   *media.Segment
	live   []media.Part        // of the newest segments, as the View lists them
	held   map[uint64][][]byte // bodies of listed segments that the spool does not have; replaced, never changed
	hint   media.PartID

	peak, average int
	joined        bool // is in the open range
	whole         bool // its parts are longer than PART-TARGET, and not listed
}

// Begin opens a range: see the packager's Sink.
func (t *Timeline) Begin(names []string, inits []media.Init, at time.Duration) (time.Duration, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return 0, ErrClosed
	}
	if t.header.Anchor.IsZero() {
		return 0, fmt.Errorf("timeline: Begin before Freeze")
	}
	if err := t.end(); err != nil { // a writer that did not end its range
		return 0, err
	}
	start := max(at, 0)
	for _, r := range t.rends {
		if n := len(r.sealed); n > 0 {
			start = max(start, media.Duration(r.sealed[n-1].End(), r.scale))
		}
	}
	// Whole milliseconds, so that a DASH Period starts exactly where its media does: players have stood still over less.
	start = (start + time.Millisecond - 1).Truncate(time.Millisecond)
	if err := t.begin(names, inits, start); err != nil {
		return 0, err
	}
	t.publish()
	return start, nil
}

// begin opens a range at a media time. t.mu is held.
func (t *Timeline) begin(names []string, inits []media.Init, start time.Duration) error {
	first, used := t.header.Number, false
	for _, r := range t.rends {
		if n := len(r.sealed); n > 0 {
			used = used || r.sealed[n-1].Disc == t.header.Disc // a range that got no segment does not count
		}
		first = max(first, r.next)
	}
	// An epoch is the Unix time at which the range begins, and above every one before it.
	t.header.Epoch = max(t.header.Epoch+1, uint32(t.header.Anchor.Add(start).Unix()))
	t.header.Number = first
	t.header.Reserved = max(t.header.Reserved, first+reserve)
	if used {
		t.header.Disc++
	}
	t.header.Ranges = append(t.header.Ranges[:len(t.header.Ranges):len(t.header.Ranges)], media.Range{Epoch: t.header.Epoch, Start: start})
	for _, r := range t.rends {
		r.joined = false
	}
	t.slots = t.slots[:0]
	for i, name := range names {
		r := t.rendition(name, inits[i].Track.Kind, first)
		if r.kind != inits[i].Track.Kind {
			return fmt.Errorf("timeline: rendition %s cannot change from %v to %v", name, r.kind, inits[i].Track.Kind)
		}
		r.addInit(inits[i], t.header.Epoch)
		r.joined, r.hint = true, media.PartID{Epoch: t.header.Epoch, Number: first}
		t.slots = append(t.slots, r)
	}
	t.spooler.submit(op{kind: opHeader, header: t.snapshotHeader()}, headerBound)
	return nil
}

// rendition returns the one with that name, making it if it is new: its first segment is number first then.
func (t *Timeline) rendition(name string, kind media.Kind, first uint64) *rendition {
	for _, r := range t.rends {
		if r.name == name {
			return r
		}
	}
	r := &rendition{name: name, kind: kind, scale: media.RenditionTimescale(kind), next: first}
	t.rends = append(t.rends, r)
	return r
}

// addInit makes in the rendition's present initialization section, under a new name unless nothing changed.
func (r *rendition) addInit(in media.Init, epoch uint32) {
	if n := len(r.inits); n > 0 && bytes.Equal(r.inits[n-1].Body, in.Body) && reflect.DeepEqual(r.inits[n-1].Track, in.Track) {
		return
	}
	in.ID = epoch
	r.inits = append(r.inits[:len(r.inits):len(r.inits)], in) // Views share the old ones
}

func (t *Timeline) snapshotHeader() *Header {
	h := t.header
	h.Renditions = nil
	for _, r := range t.rends {
		h.Renditions = append(h.Renditions, HeaderRendition{Name: r.name, Kind: r.kind, Timescale: r.scale, Inits: r.inits})
	}
	return &h
}

// Part appends a chunk, whose times are in its track's timescale: its bytes go to the spool before the View that announces it.
func (t *Timeline) Part(i int, p media.Part, last bool) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return ErrClosed
	}
	t.part(t.slots[i], p, last)
	t.publish()
	return nil
}

// part is Part without a View. t.mu is held.
func (t *Timeline) part(r *rendition, p media.Part, last bool) {
	in := &r.inits[len(r.inits)-1]
	p = rescalePart(p, in.Track.Timescale, r.scale)
	seg := media.Segment{Number: r.next, Start: p.Start, Epoch: t.header.Epoch, Init: in.ID, Disc: t.header.Disc, First: r.next == t.header.Number, KeySize: p.KeySize}
	index := 0
	if r.open != nil {
		seg = *r.open
		index = r.live[len(r.live)-1].Part + 1
	} else if r.next+reserve/2 >= t.header.Reserved {
		t.header.Reserved = r.next + reserve
		t.spooler.submit(op{kind: opHeader, header: t.snapshotHeader()}, 0)
	}
	p.PartID = media.PartID{Epoch: seg.Epoch, Number: seg.Number, Part: index}
	p.Offset, p.Size = seg.Size, uint32(len(p.Body))
	t.spooler.submit(op{kind: opAppend, rendition: r.name, seg: seg, offset: seg.Size, body: p.Body}, spoolBound)
	seg.Size += p.Size
	seg.Duration += p.Duration
	r.open = &seg // a new value: Views have the old one
	r.live = append(r.live[:len(r.live):len(r.live)], p)
	r.whole = media.Duration(p.Duration, r.scale) > t.header.PartTarget
	r.hint = media.PartID{Epoch: seg.Epoch, Number: seg.Number, Part: index + 1}
	if last {
		r.hint = media.PartID{Epoch: seg.Epoch, Number: seg.Number + 1}
	}
}

// Cut seals the open segment. Renditions that have nothing for its number get a gap.
func (t *Timeline) Cut(i int) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return ErrClosed
	}
	r := t.slots[i]
	if r.open == nil {
		t.gap(r)
	} else {
		t.seal(r)
	}
	for _, o := range t.rends {
		for !o.joined && o.next < r.next {
			t.gap(o)
		}
	}
	if r.hint.Number != r.next || r.hint.Part != 0 {
		r.hint = media.PartID{Epoch: t.header.Epoch, Number: r.next}
	}
	t.publish()
	return nil
}

// End ends the range: what is open is sealed, and every rendition gets to the same number.
func (t *Timeline) End() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return ErrClosed
	}
	return t.end()
}

func (t *Timeline) end() error {
	if len(t.slots) == 0 {
		return nil
	}
	t.settle()
	for _, r := range t.rends {
		r.joined, r.hint = false, media.PartID{}
	}
	t.slots = t.slots[:0]
	t.publish()
	return nil
}

// settle seals what is open and brings every rendition to the same number.
func (t *Timeline) settle() {
	for _, r := range t.rends {
		if r.open != nil {
			t.seal(r)
		}
	}
	t.level()
}

// seal moves the open segment among the sealed ones.
func (t *Timeline) seal(r *rendition) {
	seg := *r.open
	r.open = nil
	parts := make([]media.Part, 0, 16)
	for _, p := range r.live {
		if p.Number == seg.Number {
			p.Body = nil
			parts = append(parts, p)
		}
	}
	t.spooler.submit(op{kind: opSeal, rendition: r.name, seg: seg}, spoolBound)
	t.add(r, seg, parts)
}

// gap adds a segment without media for the next number: as long as the one another rendition has there, or as the one
// before it.
func (t *Timeline) gap(r *rendition) { t.gapWithin(r, time.Hour) } // longer than any segment

// gapWithin is gap with a limit to what is as long as the segment before it.
func (t *Timeline) gapWithin(r *rendition, limit time.Duration) {
	seg := media.Segment{Number: r.next, Epoch: t.header.Epoch, Disc: t.header.Disc, First: r.next == t.header.Number, Gap: true}
	if n := len(r.inits); n > 0 {
		seg.Init = r.inits[n-1].ID
	}
	if n := len(r.sealed); n > 0 {
		before := r.sealed[n-1]
		seg.Start, seg.Duration = before.End(), min(before.Duration, media.Ticks(limit, r.scale))
	}
	for _, o := range t.rends {
		if o == r || len(o.sealed) == 0 || o.sealed[0].Number > r.next || o.sealed[len(o.sealed)-1].Number < r.next {
			continue
		}
		like := o.sealed[r.next-o.sealed[0].Number]
		seg.Start = media.Rescale(like.Start, o.scale, r.scale)
		seg.Duration = media.Rescale(like.End(), o.scale, r.scale) - seg.Start
		seg.Epoch, seg.Disc, seg.First = like.Epoch, like.Disc, like.First
		break
	}
	t.spooler.submit(op{kind: opSeal, rendition: r.name, seg: seg}, spoolBound)
	t.add(r, seg, nil)
}

func (t *Timeline) add(r *rendition, seg media.Segment, parts []media.Part) {
	r.sealed = append(r.sealed, seg)
	r.parts = append(r.parts, parts)
	r.next = seg.Number + 1
	if r == t.rends[0] {
		t.slide()
	}
	r.rate()
	t.forget(r)
}

func rescalePart(p media.Part, from, to uint32) media.Part {
	p.Start, p.Duration = media.Rescale(p.Start, from, to), media.Rescale(p.Duration, from, to)
	return p
}
