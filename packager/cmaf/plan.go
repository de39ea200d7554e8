package cmaf

import (
	"time"

	"headwater.stream/internal/media"
)

// Limits are the durations an event freezes when its first timeline starts (invariant I4).
type Limits struct {
	SegmentTarget time.Duration // TARGETDURATION: whole seconds, no segment is longer
	PartTarget    time.Duration // no part is longer
}

// Plan chooses the limits for an event that aims at segments of the given length and parts of about the given length.
//
// TARGETDURATION is half as long again as the aim: key frames at an uneven distance up to the aim then never force a cut
// between key frames. PART-TARGET is 5 % above the part length, where whole frames of every usual rate (23.976 to 60 frames
// per second, AAC at 44.1 and 48 kHz) fill 85 to 100 % of it (RFC 8216bis 4.4.4.9), so that an encoder that comes back with
// another rate still fits; where a track given here does not, the nearest length at which all tracks do.
func Plan(tracks []media.Track, aim, part time.Duration) Limits {
	l := Limits{SegmentTarget: (aim*3/2 + time.Second - 1).Truncate(time.Second)}
	best := part * 105 / 100
	if !fits(tracks, best) {
		for d := time.Duration(0); d <= part; d += time.Millisecond {
			if fits(tracks, best+d) {
				best += d
				break
			}
			if best-d >= part/2 && fits(tracks, best-d) {
				best -= d
				break
			}
		}
	}
	l.PartTarget = best
	return l
}

// fits says whether parts of whole frames of each track last 85 to 100 % of target.
func fits(tracks []media.Track, target time.Duration) bool {
	for _, t := range tracks {
		frame := frameDuration(t)
		if frame == 0 {
			continue
		}
		n := target / frame
		if n < 1 || n*frame*100 < target*85 {
			return false
		}
	}
	return true
}

func frameDuration(t media.Track) time.Duration {
	switch {
	case t.Kind == media.Audio && t.SampleRate > 0:
		return media.Duration(int64(t.FrameSamples), uint32(t.SampleRate))
	case t.Kind == media.Video && t.FrameRate.Num > 0:
		return time.Duration(int64(time.Second) * int64(t.FrameRate.Den) / int64(t.FrameRate.Num))
	}
	return 0
}
