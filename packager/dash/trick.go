package dash

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/Eyevinn/dash-mpd/mpd"

	"headwater.stream/internal/media"
)

// schemeTrick marks an AdaptationSet of pictures to move through the presentation by (DASH-IF IOP 3.2.9); its value is the @id of the set
// that it belongs to.
const schemeTrick = "http://dashif.org/guidelines/trickmode"

// trickID is the @id of trick-mode AdaptationSets: far from those of setID.
const trickID = 1000

// picturesPerSecond is how many key frames a player has to get and show in a second at @maxPlayoutRate.
const picturesPerSecond = 8

// withKeys adds, behind the video, the key frames of the first video rendition of which every segment that is complete begins
// with one.
func withKeys(spans []span) []span {
	for i, s := range spans {
		s.keys, s.open = true, nil
		lacks := func(m media.Segment) bool { return m.KeySize == 0 && !m.Gap }
		if s.rendition.Kind != media.Video || len(s.segments) == 0 || slices.ContainsFunc(s.segments, lacks) {
			continue
		}
		behind := i + 1
		for behind < len(spans) && spans[behind].rendition.Kind == media.Video {
			behind++
		}
		return slices.Insert(slices.Clone(spans), behind, s)
	}
	return spans
}

// every is the frame rate of one picture in so many ticks.
func every(ticks int64, timescale uint32) mpd.FrameRateType {
	a, b := ticks, int64(timescale)
	for b != 0 {
		a, b = b, a%b
	}
	return mpd.FrameRateType(fmt.Sprintf("%d/%d", int64(timescale)/a, ticks/a))
}

// trickSet describes key frames: each a segment of its own that lasts as long as the one it is from.
func trickSet(v *media.View, p period, s span, track media.Track) *mpd.AdaptationSetType {
	r := s.rendition
	bytes, longest := int64(0), int64(1)
	for _, m := range s.segments {
		bytes, longest = bytes+int64(m.KeySize), max(longest, m.Duration)
	}
	seconds := max(r.Time(s.segments[len(s.segments)-1].End()-s.segments[0].Start), time.Second).Seconds()
	rep := representation(p, s, track)
	rep.Id, rep.Bandwidth, rep.FrameRate = r.Name+"-keys", uint32(max(1, float64(8*bytes)/seconds)), every(longest, r.Timescale)
	rep.CodingDependency = mpd.Ptr(false)
	rep.MaxPlayoutRate = max(1, math.Round(r.Time(longest).Seconds()*picturesPerSecond))
	t := rep.SegmentTemplate
	t.Media = fmt.Sprintf("%s/key-%d-$Number$.m4s", r.Name, p.epoch)
	set := &mpd.AdaptationSetType{Id: mpd.Ptr(uint32(trickID)), ContentType: "video", SegmentAlignment: true, Representations: []*mpd.RepresentationType{rep}}
	set.MimeType, set.StartWithSAP = "video/mp4", 1
	describeChunks(set, v, s.timescale)
	set.Resyncs = nil // there is nothing smaller in them
	set.EssentialProperties = []*mpd.DescriptorType{{SchemeIdUri: schemeTrick, Value: "1"}}
	return set
}
