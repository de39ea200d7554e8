package cmaf

import "headwater.stream/internal/media"

// pace notices that frames come further apart than a part may be long, or no more. The frame clock cannot follow such a rate
// inside a range: no frame may last longer than its part.
type pace struct {
	n, sum int64 // frames in a row at another pace than the range's, and their time
}

// Frames in a row that make a pace.
const (
	slowFrames  = 3
	quickFrames = 8
)

// keepPace takes the time between two frames. When the pace has changed the next key frame begins a range at the new one.
func (t *track) keepPace(d int64) {
	part := media.Ticks(t.p.cfg.Part, uint32(t.ts))
	slow := t.video.period() > part // the range has no parts
	need := int64(slowFrames)
	changed := d > part && d <= maxForward*t.ts
	if slow {
		need, changed = quickFrames, d > 0 && d <= part
	}
	if !changed {
		t.pace = pace{}
		return
	}
	t.pace.n++
	if t.pace.sum += d; t.pace.n < need {
		return
	}
	t.rate = nearestRate(t.pace.sum, t.pace.n, 0.02)
	if t.rate.Num == 0 {
		t.rate = media.Rational{Num: uint32(t.pace.n * media.VideoTimescale), Den: uint32(t.pace.sum)}
	}
	t.pace = pace{}
	t.p.restart = true
	t.p.repair(RepairFrameRate, t, 0)
}
