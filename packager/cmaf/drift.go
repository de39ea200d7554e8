package cmaf

import "headwater.stream/internal/media"

// Bounds of what counts as two clocks of one encoder drifting apart.
const (
	driftWindow = 60   // seconds over which the distance of two tracks' timestamps is averaged
	driftRate   = 1000 // ppm: a faster change is no drift, but how the encoder wants its tracks
	driftStep   = 20   // ms of drift that are made good at a time
)

// drift notices that a track's timestamps and the lead's come from clocks that do not run alike. Samples that arrive together
// belong together: the distance of their timestamps is averaged from window to window, and where it changes as slowly as clocks
// drift the track is moved back, so that audio never leaves its picture however long the stream is.
type drift struct {
	n, sum int64 // of this window: measurements of the distance in ticks
	until  int64 // the lead's time at which it ends
	mean   int64 // of the window before
	known  bool
	off    int64 // ticks that the track has drifted and was not moved yet
}

// follow measures each follower against the lead, whose sample has just come.
func (p *Packager) follow(lead *track) {
	for _, t := range p.active {
		if t == lead || !t.arrived || t.kind != media.Audio {
			continue
		}
		t.drift.measure(t, lead)
	}
}

func (d *drift) measure(t, lead *track) {
	at := convert(lead.lastX, lead.ts, t.ts)
	if d.until == 0 {
		d.until = at + driftWindow*t.ts
	}
	d.n++
	d.sum += t.lastX - t.delay - at // without what was made good before
	if at < d.until {
		return
	}
	mean := d.sum / d.n
	change := mean - d.mean
	if d.known && abs(change) <= driftWindow*t.ts*driftRate/1_000_000 {
		d.off += change
	}
	d.n, d.sum, d.until, d.mean, d.known = 0, 0, at+driftWindow*t.ts, mean, true
	if abs(d.off) >= driftStep*t.ts/1000 {
		t.p.repair(RepairDrift, t, media.Duration(d.off, uint32(t.ts)))
		t.delay -= d.off
		t.lastX -= d.off // no jump
		d.off = 0
	}
}
