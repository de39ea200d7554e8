package timeline

import (
	"maps"
	"math"
	"time"

	"headwater.stream/internal/media"
)

// slide moves the window of all renditions by what the first one says: by number, so that their playlists begin alike.
func (t *Timeline) slide() {
	lead := t.rends[0]
	window := max(t.opt.Window, 3*t.header.SegmentTarget)
	first, keep := lead.sealed[0].Number, lead.sealed[0].Number
	var sum time.Duration
	for i := len(lead.sealed) - 1; i >= 0; i-- {
		sum += media.Duration(lead.sealed[i].Duration, lead.scale)
		if sum >= window && len(lead.sealed)-i >= minListed && first == lead.sealed[0].Number {
			first = lead.sealed[i].Number
		}
		// What left the playlist stays for as long again (RFC 8216bis 6.2.2: its duration plus the longest playlist's).
		if sum >= 2*window+t.header.SegmentTarget {
			keep = lead.sealed[i].Number
			break
		}
	}
	t.pruneEvents()
	for _, r := range t.rends {
		if len(r.sealed) == 0 {
			continue
		}
		if drop := int(keep) - int(r.sealed[0].Number); drop > 0 && drop < len(r.sealed) {
			r.sealed, r.parts = r.sealed[drop:], r.parts[drop:]
			r.pruneInits()
			t.pruneRanges(r.sealed[0].Epoch)
			t.spooler.submit(op{kind: opDrop, rendition: r.name, below: keep}, 0)
		}
		r.listed = max(0, min(int(max(first, t.servable))-int(r.sealed[0].Number), len(r.sealed)))
	}
}

// pruneInits forgets initialization sections that no kept segment needs; the newest always stays.
func (r *rendition) pruneInits() {
	i := 0
	for i < len(r.inits)-1 && r.inits[i+1].ID <= r.sealed[0].Init {
		i++
	}
	r.inits = r.inits[i:]
}

// pruneRanges forgets ranges before the oldest one a segment is kept of.
func (t *Timeline) pruneRanges(oldest uint32) {
	for len(t.header.Ranges) > 1 && t.header.Ranges[0].Epoch < oldest {
		t.header.Ranges = t.header.Ranges[1:]
	}
}

// forget drops parts that are listed no more, and bodies that the spool has and the live edge does not need.
func (t *Timeline) forget(r *rendition) {
	if len(r.sealed) == 0 {
		return
	}
	newest := r.next - 1 // sealed last
	oldest := newest     // the first whose parts stay listed: three target durations, and two segments at least (8216bis 6.2.2)
	var sum time.Duration
	for i := len(r.sealed) - 1; i >= 0; i-- {
		oldest = r.sealed[i].Number
		sum += media.Duration(r.sealed[i].Duration, r.scale)
		if sum >= 3*t.header.SegmentTarget && len(r.sealed)-i >= 2 {
			break
		}
	}
	live := make([]media.Part, 0, len(r.live)+16)
	held, changed := r.held, false
	change := func() {
		if !changed {
			held, changed = maps.Clone(held), true
			if held == nil {
				held = map[uint64][][]byte{}
			}
		}
	}
	// Asked once per segment, so that of each all bodies go or none: what is held of one is all of it.
	safe, asked := false, uint64(math.MaxUint64)
	for _, p := range r.live {
		if p.Number != asked && p.Number < newest && p.Body != nil {
			safe, asked = t.fate(r, p.Number) == FateKept, p.Number
		}
		kept := p.Number == asked && p.Body != nil && safe
		if p.Number < oldest {
			if p.Body != nil && !kept {
				change()
				held[p.Number] = append(held[p.Number], p.Body)
			}
			continue
		}
		if kept && p.Number+uint64(t.opt.Memory) <= newest {
			p.Body = nil
		}
		live = append(live, p)
	}
	r.live = live
	for number := range held {
		if t.fate(r, number) == FateKept {
			change()
			delete(held, number)
		}
	}
	r.held = held
	t.bound()
}

// bound lets go of the oldest held segments that are lost to the spool when they take too much memory, and of everything
// older in the list. Those that wait for the spool are bounded by its queue.
func (t *Timeline) bound() {
	for {
		total, oldest := 0, uint64(math.MaxUint64)
		for _, r := range t.rends {
			for number, bodies := range r.held {
				if t.fate(r, number) == FateLost {
					total, oldest = total+size(bodies), min(oldest, number)
				}
			}
		}
		if total <= heldBytes {
			return
		}
		for _, r := range t.rends {
			if r.held[oldest] != nil {
				r.held = maps.Clone(r.held)
				delete(r.held, oldest)
			}
			if n := len(r.sealed); n > 0 {
				r.listed = max(r.listed, min(int(oldest+1)-int(r.sealed[0].Number), n))
			}
		}
		t.servable = max(t.servable, oldest+1)
	}
}

func size(bodies [][]byte) (n int) {
	for _, b := range bodies {
		n += len(b)
	}
	return n
}

// fate tells what has become of a sealed segment; of one that is not kept any more nothing is wanted.
func (t *Timeline) fate(r *rendition, number uint64) Fate {
	if len(r.sealed) == 0 || number < r.sealed[0].Number || number-r.sealed[0].Number >= uint64(len(r.sealed)) {
		return FateKept
	}
	f, _ := t.spooler.fate(r.name, r.sealed[number-r.sealed[0].Number])
	return f
}

// rate measures the bit rates over the kept segments; segments shorter than half a second say nothing about peaks.
func (r *rendition) rate() {
	var bits, ticks int64
	peak := 0
	for _, s := range r.sealed {
		if s.Gap || s.Duration <= 0 {
			continue
		}
		bits += 8 * int64(s.Size)
		ticks += s.Duration
		if 2*s.Duration >= int64(r.scale) {
			peak = max(peak, int(8*int64(s.Size)*int64(r.scale)/s.Duration))
		}
	}
	if ticks > 0 {
		r.average = int(bits * int64(r.scale) / ticks)
		r.peak = max(peak, r.average)
	}
}

// bandwidth returns peak and average bit rate: measured, or for an event without a segment yet what the encoder declared,
// or the rate of the parts so far.
func (r *rendition) bandwidth() (peak, average int) {
	declared := 0
	if n := len(r.inits); n > 0 {
		declared = r.inits[n-1].Track.Bitrate
	}
	if r.average == 0 {
		average = declared
		if r.open != nil && r.open.Duration > 0 && average == 0 {
			average = int(8 * int64(r.open.Size) * int64(r.scale) / r.open.Duration)
		}
		return max(declared*5/4, average), average
	}
	return max(r.peak, declared), r.average
}

// publish makes the current state a View and hands the gate of the one before to the waker.
func (t *Timeline) publish() {
	now := t.opt.Now()
	t.rev = max(t.rev+1, uint64(now.UnixMicro()))
	v := &media.View{
		Revision: t.rev, Published: now, Anchor: t.header.Anchor, SegmentTarget: t.header.SegmentTarget, PartTarget: t.header.PartTarget,
		Renditions: make([]media.Rendition, len(t.rends)), Ranges: t.header.Ranges, Events: t.events[:len(t.events):len(t.events)],
	}
	if !t.header.Parts {
		v.PartTarget = 0
	}
	s := &state{view: v, kept: make([]kept, len(t.rends)), gate: newGate(), over: t.closed}
	for i, r := range t.rends {
		m := &v.Renditions[i]
		*m = media.Rendition{
			Name: r.name, Kind: r.kind, Timescale: r.scale, Inits: r.inits,
			Segments: r.sealed[r.listed:len(r.sealed):len(r.sealed)], Open: r.open, Parts: r.live[:len(r.live):len(r.live)], Hint: r.hint,
		}
		m.Bandwidth, m.AverageBandwidth = r.bandwidth()
		if !t.header.Parts || r.whole {
			m.Hint = media.PartID{}
		}
		s.kept[i] = kept{segments: r.sealed[:len(r.sealed):len(r.sealed)], parts: r.parts[:len(r.parts):len(r.parts)], held: r.held}
	}
	if len(v.Renditions) > 0 && len(v.Renditions[0].Segments) > 0 {
		v.Trimmed = v.Renditions[0].Segments[0].Number > 0 // numbers begin at 0
	}
	old := t.now.Swap(s)
	if old == nil {
		return
	}
	if t.closed || old.gate.empty() {
		old.gate.open(false)
		return
	}
	select {
	case t.wake <- old.gate:
	default:
		old.gate.open(false)
	}
}

// Touch publishes the present View again under a new revision, so that everybody who waits looks again.
func (t *Timeline) Touch() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.publish()
}
