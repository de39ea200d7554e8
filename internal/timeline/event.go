package timeline

import (
	"time"

	"headwater.stream/internal/media"
)

// eventTargets is how many target durations events are kept behind the segments: as long a delta update has to name what
// has left the playlist (8216bis 4.4.5.2), and longer.
const eventTargets = 12

// Event announces a timed metadata event: it is in the spool before the View that lists it. taken is false when it is known
// already, or there is no room for it.
func (t *Timeline) Event(e media.Event) (taken bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return false, ErrClosed
	}
	size := len(e.Data)
	for i := range t.events {
		if t.events[i].ID == e.ID {
			return false, nil
		}
		size += len(t.events[i].Data)
	}
	if len(t.events) >= media.MaxEvents || size > media.MaxEventBytes {
		return false, nil
	}
	e.Seen = t.edge()
	t.pair(&e)
	t.events = append(t.events, e) // behind what Views have
	t.spooler.submit(op{kind: opEvents, events: t.events[:len(t.events):len(t.events)]}, spoolBound)
	t.publish()
	return true, nil
}

// edge returns the media time up to which anything is announced.
func (t *Timeline) edge() (d time.Duration) {
	for _, r := range t.rends {
		if r.open != nil {
			d = max(d, media.Duration(r.open.End(), r.scale))
		} else if n := len(r.sealed); n > 0 {
			d = max(d, media.Duration(r.sealed[n-1].End(), r.scale))
		}
	}
	return d
}

// pair finds the Out that an In ends: the newest of its number that nothing has ended and that no playlist has dropped,
// because a date range that was removed does not come back (8216bis 6.2.1).
func (t *Timeline) pair(e *media.Event) {
	if e.Splice != media.SpliceIn || e.SpliceID == 0 {
		return
	}
	closed := map[string]bool{}
	for i := len(t.events) - 1; i >= 0; i-- {
		switch o := &t.events[i]; {
		case o.Closes != "":
			closed[o.Closes] = true
		case o.Splice == media.SpliceOut && o.SpliceID == e.SpliceID:
			if !closed[o.ID] && o.Start <= e.Start && e.Seen <= o.End()+2*t.header.SegmentTarget {
				e.Closes, e.Opened = o.ID, o.Start
			}
			return
		}
	}
}

// pruneEvents forgets events that were over long before the oldest segment kept.
func (t *Timeline) pruneEvents() {
	if lead := t.rends[0]; len(t.events) > 0 && len(lead.sealed) > 0 {
		t.events = media.PruneEvents(t.events, media.Duration(lead.sealed[0].Start, lead.scale)-eventTargets*t.header.SegmentTarget)
	}
}
