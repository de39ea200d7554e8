package dash

import (
	"math"
	"slices"
	"time"

	"github.com/Eyevinn/dash-mpd/mpd"

	"headwater.stream/internal/media"
)

// Low-latency DASH (DASH-IF Low-Latency Modes): a live presentation that has parts lists the segment being made, which the
// origin streams while it grows. How long it will be is planned; what a wrong plan does is in docs/adr/0009.

// profileLowLatency is the profile of DASH-IF IOP v5 part 4.
const profileLowLatency = "http://www.dashif.org/guidelines/low-latency-live-v5"

// leapSeconds is TAI-UTC since 2017: no leap second is announced, and none will be after 2035 (CGPM 2022, resolution 4).
const leapSeconds = 37

const (
	// targetParts and minTarget make the latency aimed at: a viewer learns of a segment up to lowLatencyUpdate after its
	// first part, and keeps some parts to bridge what his network does.
	targetParts = 10
	minTarget   = 2 * time.Second
	// lowLatencyUpdate is minimumUpdatePeriod: how long a new segment may stay unknown.
	lowLatencyUpdate = 500 * time.Millisecond
	// lowLatencyBuffer is minBufferTime: at the rate of @bandwidth, it covers the key frame that a segment begins with.
	lowLatencyBuffer = time.Second
)

// seekFrom is Latency@max, from which on dash.js seeks towards the live edge instead of playing faster, in targets. It is more
// than an encoder's absence of five seconds, in which there is nothing to seek to (docs/adr/0004).
const seekFrom = 4

// Playback rates that nobody notices (DASH-IF Low-Latency Modes).
const slowest, fastest = 0.96, 1.04

// lowLatency reports whether the MPD of a View is a low-latency one.
func lowLatency(v *media.View) bool { return v.PartTarget > 0 && !v.Ended }

// target returns the latency that players shall aim at.
func target(v *media.View) time.Duration {
	return max(minTarget, (targetParts * v.PartTarget).Truncate(100*time.Millisecond))
}

// plan returns the segment that a rendition is making with the duration it is going to have, nil when there is none or
// nothing says how long it will be. The leading rendition's is as long as those before it; the others end at its border, as
// the packager cuts them.
func plan(v *media.View, lead, r *media.Rendition) *media.Segment {
	if !lowLatency(v) || r.Open == nil || len(r.Segments) == 0 {
		return nil
	}
	before, open := &r.Segments[len(r.Segments)-1], *r.Open
	switch {
	case before.Epoch < open.Epoch && open.First: // nothing is known of the new range
		open.Duration = longest(r.Segments)
	case before.Epoch != open.Epoch || before.Gap || before.Number+1 != open.Number:
		return nil
	default:
		open.Duration = usual(r.Segments)
	}
	if r != lead {
		border, ok := end(v, lead, open.Number)
		if !ok {
			return nil
		}
		open.Duration = cut(r, open, media.Rescale(border, lead.Timescale, r.Timescale))
	}
	return &open
}

// usual returns how long the next segment is likely to be: as long as the middle one of the three before it in its range, so
// that one odd segment does not make the plan of the next one wrong as well.
func usual(segments []media.Segment) int64 {
	last := segments[len(segments)-1]
	durations := make([]int64, 0, 3)
	for i := len(segments) - 1; i >= 0 && len(durations) < 3 && segments[i].Epoch == last.Epoch && !segments[i].Gap; i-- {
		durations = append(durations, segments[i].Duration)
	}
	if len(durations) < 3 {
		return last.Duration
	}
	slices.Sort(durations)
	return durations[1]
}

// longest returns how long the first segment of a range is taken to be: as the longest of the three before it, of which the
// last may have been cut short. Players take a segment that is shorter than planned better than one that is longer.
func longest(segments []media.Segment) (d int64) {
	for _, s := range segments[max(0, len(segments)-3):] {
		d = max(d, s.Duration)
	}
	return d
}

// end returns where the leading rendition's segment ends or is going to end, in its ticks.
func end(v *media.View, lead *media.Rendition, number uint64) (int64, bool) {
	if s := lead.Segment(number); s != nil {
		return s.End(), true
	}
	if s := plan(v, lead, lead); s != nil && s.Number == number {
		return s.End(), true
	}
	return 0, false
}

// cut returns the duration of a segment that ends at the border, or for audio at the access unit that is nearest to it.
func cut(r *media.Rendition, open media.Segment, border int64) int64 {
	in := r.Init(open.Init)
	if r.Kind != media.Audio || in == nil || in.Track.FrameSamples <= 0 {
		return max(1, border-open.Start)
	}
	// In the timescale of the media, where access units are whole.
	scaled := func(ticks int64) int64 { return media.Rescale(ticks, r.Timescale, in.Track.Timescale) }
	frame := int64(in.Track.FrameSamples)
	length := scaled(border) - scaled(open.Start)
	units := max(1, (length-frame/2+frame-1)/frame)
	return media.Rescale(units*frame, in.Track.Timescale, r.Timescale)
}

// early returns @availabilityTimeOffset of a period: by how much the newest segment of every rendition is available before
// its end, from its first chunk on (rule H2). The longest chunk is PART-TARGET.
func early(v *media.View, spans []span) time.Duration {
	if !lowLatency(v) {
		return 0
	}
	shortest := time.Duration(math.MaxInt64)
	for _, s := range spans {
		shortest = min(shortest, s.rendition.Time(s.at(s.len()-1).Duration))
	}
	return max(0, shortest-v.PartTarget).Truncate(time.Millisecond)
}

// describeLatency adds what a low-latency MPD says of itself as a whole.
func describeLatency(m *mpd.MPD, v *media.View) {
	t := target(v)
	m.Profiles = m.Profiles.AddProfile(profileLowLatency)
	m.MinBufferTime = duration(min(lowLatencyBuffer, t/2))
	m.MinimumUpdatePeriod = duration(lowLatencyUpdate)
	m.SuggestedPresentationDelay = duration(t)
	ms := func(d time.Duration) *uint32 { return mpd.Ptr(uint32(d / time.Millisecond)) }
	m.ServiceDescription = []*mpd.ServiceDescriptionType{{
		Latencies: []*mpd.LatencyType{{
			ReferenceId: *m.Periods[len(m.Periods)-1].AdaptationSets[0].Id, Target: ms(t), Min: ms(t * 3 / 4), Max: ms(seekFrom * t),
		}},
		PlaybackRates: []*mpd.PlaybackRateType{{Min: slowest, Max: fastest}},
	}}
	m.LeapSecondInformation = &mpd.LeapSecondInformationType{AvailabilityStartLeapOffset: leapSeconds}
}

// describeChunks adds what a low-latency MPD says of a rendition: the wall-clock time of its media, whose zero is the
// anchor, and how often a decoder finds a chunk.
func describeChunks(set *mpd.AdaptationSetType, v *media.View, timescale uint32) {
	if !lowLatency(v) {
		return
	}
	set.ProducerReferenceTimes = []*mpd.ProducerReferenceTimeType{{
		Id: *set.Id, Type: "encoder", WallClockTime: string(date(v.Anchor)), UTCTiming: clock(),
	}}
	set.Resyncs = []*mpd.ResyncType{{DT: mpd.Ptr(uint32(media.Ticks(v.PartTarget, timescale)))}}
}

func clock() *mpd.DescriptorType {
	return &mpd.DescriptorType{SchemeIdUri: "urn:mpeg:dash:utc:http-iso:2014", Value: timePath}
}
