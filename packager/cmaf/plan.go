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
// between key frames. PART-TARGET is 7 % above the part length, where whole frames of every usual rate (23.976 to 60 frames
// per second, AAC at 44.1 and 48 kHz) fill 85 to 100 % of it (RFC 8216bis 4.4.4.9), so that an encoder that comes back with
// another rate still fits, and where audio has room for a frame more than fits into the video's parts. Where it does not suit
// a track given here, or would leave its segments a short last part, another length within a quarter of the part length
// does if there is one, a shorter one first.
func Plan(tracks []media.Track, aim, part time.Duration) Limits {
	l := Limits{SegmentTarget: (aim*3/2 + time.Second - 1).Truncate(time.Second), PartTarget: part * 107 / 100}
	usual, best := l.PartTarget, -1
	try := func(target time.Duration) {
		if n := suits(tracks, aim, target); n > best {
			l.PartTarget, best = target, n
		}
	}
	for target := usual; target >= part*3/4; target -= time.Millisecond {
		try(target)
	}
	for target := usual; target <= part*5/4; target += time.Millisecond {
		try(target)
	}
	return l
}

// suits rates target for the tracks: that their frames fill its parts weighs most, then that those of every usual rate do,
// then of how many tracks the segments come out in full parts.
func suits(tracks []media.Track, aim, target time.Duration) (rating int) {
	fit, usual, length := true, true, aim
	for _, t := range tracks {
		frame := frameDuration(t)
		if frame <= 0 {
			continue
		}
		if fit = fit && fills(frame, target); t.Kind == media.Video {
			length = (aim + frame/2) / frame * frame // of a group of pictures
		}
	}
	for _, t := range tracks {
		if frame := frameDuration(t); frame > 0 && divides(length, frame, target) {
			rating++
		}
	}
	for _, t := range usualTracks() {
		usual = usual && fills(frameDuration(t), target)
	}
	if usual {
		rating += len(tracks) + 1
	}
	if fit {
		rating += 2*len(tracks) + 2
	}
	return rating
}

// usualTracks are of the rates that an encoder may come back with.
func usualTracks() (list []media.Track) {
	for _, rate := range frameRates {
		if fps := rate.Float(); fps > 23 && fps < 61 && fps != 48 {
			list = append(list, media.Track{Kind: media.Video, FrameRate: rate})
		}
	}
	for _, rate := range []int{44100, 48000} {
		list = append(list, media.Track{Kind: media.Audio, SampleRate: rate, FrameSamples: 1024})
	}
	return list
}

// fills says whether as many whole frames as fit into a part of target fill it.
func fills(frame, target time.Duration) bool {
	n := target / frame
	return n >= 1 && int64(n) >= leastFrames(int64(frame), int64(target))
}

// divides says whether segments of the given length come out in full parts of whole frames, be they one more or less.
func divides(length, frame, target time.Duration) bool {
	most, least := target/frame, leastFrames(int64(frame), int64(target))
	for n := length / frame; most > 0 && n <= (length+frame-1)/frame; n++ {
		if parts := (n + most - 1) / most; parts < 1 || int64(n/parts) < least {
			return false
		}
	}
	return most > 0
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
