package timeline

import (
	"time"

	"headwater.stream/internal/media"
)

// loadBound is how long load waits for the spooler; nothing is live yet.
const loadBound = 30 * time.Second

// load restores what the spool holds. It runs before anything else uses the timeline and calls the spool directly, always
// after the spooler has answered. What the disk cannot give or take is a gap, or is owed: the event goes on in any case.
func (t *Timeline) load(spool Spool) error {
	st, ok, err := spool.Load()
	if err != nil || !ok {
		return err
	}
	t.header = st.Header
	t.header.Renditions = nil
	t.events = st.Events
	for _, h := range st.Header.Renditions {
		r := &rendition{name: h.Name, kind: h.Kind, scale: h.Timescale, inits: h.Inits, next: st.Header.Number}
		r.sealed = append(r.sealed, st.Segments[h.Name]...)
		r.parts = make([][]media.Part, len(r.sealed))
		if n := len(r.sealed); n > 0 {
			r.next = r.sealed[n-1].Number + 1
		}
		t.rends = append(t.rends, r)
	}
	if len(t.rends) == 0 {
		return nil
	}
	for _, r := range t.rends {
		for _, seg := range st.Unsealed[r.name] {
			if !st.Lost {
				t.recover(spool, r, seg)
			}
		}
		t.spooler.settle(r.name, r.next)
	}
	if st.Lost {
		t.rescue(spool, st.Unsealed)
	}
	// The renditions may have been interrupted at different numbers; the gaps go to the spool once it runs.
	t.level()
	none := true
	for _, r := range t.rends {
		none = none && len(r.sealed) == 0
	}
	if st.Lost && none { // all that was announced is lost, and there is nothing for gaps to follow
		for _, r := range t.rends {
			r.next = max(r.next, st.Header.Reserved)
		}
	} else if st.Lost { // numbers that may have been announced are not given out again (invariant I1, I3)
		t.bridge(st.Header.Reserved)
	}
	for _, r := range t.rends {
		t.restoreParts(spool, r)
		r.rate()
	}
	if len(t.rends[0].sealed) > 0 {
		t.slide()
	}
	for _, r := range t.rends {
		t.forget(r)
	}
	return nil
}

// recover seals a segment that was being written when the process ended: all its whole parts were announced.
func (t *Timeline) recover(spool Spool, r *rendition, seg media.Segment) {
	parts, err := spool.Recover(r.name, seg, false)
	if err != nil {
		t.spooler.fail(err)
		return
	}
	if len(parts) == 0 || seg.Number < r.next || len(r.inits) == 0 {
		return // nothing of it was announced
	}
	for r.next < seg.Number { // its file is lost
		t.gap(r)
	}
	in := &r.inits[len(r.inits)-1]
	seg.Start, seg.Init, seg.Disc, seg.First = media.Rescale(parts[0].Start, in.Track.Timescale, r.scale), in.ID, t.header.Disc, seg.Number == t.header.Number
	seg.KeySize = parts[0].KeySize
	for _, p := range parts {
		seg.Duration += media.Rescale(p.Duration, in.Track.Timescale, r.scale)
		seg.Size += p.Size
	}
	t.spooler.submit(op{kind: opSeal, rendition: r.name, seg: seg}, loadBound)
	r.sealed = append(r.sealed, seg)
	r.parts = append(r.parts, nil)
	r.next = seg.Number + 1
}

// level brings every rendition to the same number.
func (t *Timeline) level() {
	top := uint64(0)
	for _, r := range t.rends {
		top = max(top, r.next)
	}
	for _, r := range t.rends {
		for r.next < top {
			t.gap(r)
		}
	}
}

// bridge makes gaps up to a number. They last as long as the machine was away, but leave room in the list for what was before,
// which recordings are to find there.
func (t *Timeline) bridge(number uint64) {
	lead := t.rends[0]
	if len(lead.sealed) == 0 || lead.next >= number {
		return
	}
	away := t.opt.Now().Sub(t.header.Anchor) - media.Duration(lead.sealed[len(lead.sealed)-1].End(), lead.scale)
	length := min(t.opt.Window/2, max(away, 0)) / time.Duration(number-lead.next)
	for _, r := range t.rends {
		for r.next < number {
			t.gapWithin(r, max(length.Truncate(time.Millisecond), time.Millisecond))
		}
	}
}

// restoreParts reads the parts of the newest segments again: they were announced and are to be served.
func (t *Timeline) restoreParts(spool Spool, r *rendition) {
	if !t.header.Parts {
		return
	}
	keep := 6 * t.header.SegmentTarget // listed for three target durations, kept for three more (8216bis 6.2.2)
	for i := len(r.sealed) - 1; i >= 0 && keep > 0; i-- {
		seg := r.sealed[i]
		if seg.Gap {
			continue
		}
		keep -= media.Duration(seg.Duration, r.scale)
		if r.parts[i] != nil {
			continue // it was rescued
		}
		parts, err := spool.Recover(r.name, seg, true)
		if err != nil {
			r.sealed[i].Gap, r.sealed[i].Size, r.sealed[i].Reason = true, 0, ReasonOf(err)
			t.spooler.fail(err)
			continue
		}
		for k := range parts {
			for _, in := range r.inits {
				if in.ID == seg.Init {
					parts[k] = rescalePart(parts[k], in.Track.Timescale, r.scale)
				}
			}
		}
		r.parts[i] = parts
		r.live = append(parts[:len(parts):len(parts)], r.live...)
	}
}
