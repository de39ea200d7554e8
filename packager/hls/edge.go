package hls

import (
	"math"

	"headwater.stream/internal/media"
)

// Edge returns the newest thing that a rendition's media playlist lists: part index part of segment msn, or, when that
// segment's parts are not listed, the whole segment with part -1. ok is false while it lists nothing.
func Edge(v *media.View, r *media.Rendition) (msn uint64, part int, ok bool) {
	if open := openParts(v, r); len(open) > 0 {
		return r.Open.Number, len(open) - 1, true
	}
	msn, ok = r.LastNumber()
	if !ok {
		return 0, -1, false
	}
	return msn, len(Parts(v, r, msn)) - 1, true
}

// Parts returns the parts that the playlist lists for a segment: all of them, or none when the first is forgotten or one is
// longer than PART-TARGET, because frames are further apart than that.
func Parts(v *media.View, r *media.Rendition, number uint64) []media.Part {
	if v.Ended || v.PartTarget == 0 {
		return nil
	}
	parts := r.PartsOf(number)
	if len(parts) == 0 || parts[0].Part != 0 {
		return nil
	}
	for i := range parts {
		if r.Time(parts[i].Duration) > v.PartTarget {
			return nil
		}
	}
	return parts
}

// partTargets is how far from the live edge parts stay listed, in target durations; minPartSegments is how many complete
// segments keep them in any case, for players that join (8216bis 6.2.2).
const (
	partTargets     = 3
	minPartSegments = 2
)

// partsFrom returns the number of the oldest segment whose parts are listed.
func partsFrom(v *media.View, r *media.Rendition) uint64 {
	after := int64(0) // from the end of the segment to the live edge
	if r.Open != nil {
		after = r.Open.Duration
	}
	limit := media.Ticks(partTargets*v.SegmentTarget, r.Timescale)
	oldest := uint64(math.MaxUint64)
	for i := len(r.Segments) - 1; i >= 0 && (after < limit || len(r.Segments)-1-i < minPartSegments); i-- {
		if seg := r.Segments[i]; len(Parts(v, r, seg.Number)) > 0 { // a gap between has none
			oldest = seg.Number
		}
		after += r.Segments[i].Duration
	}
	return oldest
}

func openParts(v *media.View, r *media.Rendition) []media.Part {
	if r.Open == nil {
		return nil
	}
	return Parts(v, r, r.Open.Number)
}
