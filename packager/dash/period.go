package dash

import (
	"fmt"
	"strconv"
	"time"

	"github.com/Eyevinn/dash-mpd/mpd"

	"headwater.stream/internal/media"
)

// period is one discontinuity range as the MPD shows it.
type period struct {
	epoch  uint32
	start  time.Duration // Period@start
	origin time.Duration // media time at start: in a live MPD the same as start
	length time.Duration // from start to the end of the first span's newest segment
	early  time.Duration // by how much its segments are available before their ends, from their first chunks on
	spans  []span        // renditions that have media in it, in the order of the document
}

// span is the segments of one rendition in one period, without gaps at its ends.
type span struct {
	rendition *media.Rendition
	segments  []media.Segment
	open      *media.Segment // the one being made, with its planned duration; nil when it is not listed
	timescale uint32         // of the media, which is the SegmentTemplate's
	keys      bool           // their key frames alone, as a trick-mode AdaptationSet
}

// len returns how many segments are listed.
func (s *span) len() int {
	if s.open != nil {
		return len(s.segments) + 1
	}
	return len(s.segments)
}

// at returns listed segment i.
func (s *span) at(i int) *media.Segment {
	if i == len(s.segments) {
		return s.open
	}
	return &s.segments[i]
}

func (s span) start() time.Duration { return s.rendition.Time(s.at(0).Start) }

// end returns where what is complete ends.
func (s span) end() time.Duration {
	n := len(s.segments)
	if n == 0 {
		return s.start().Round(time.Millisecond)
	}
	return s.rendition.Time(s.segments[n-1].End()).Round(time.Millisecond)
}

// periods groups the listed segments by range. Times are whole milliseconds, the resolution that xs:duration is written in;
// presentationTimeOffset is computed from the rounded time, so tracks stay in step to the tick.
func (w *Writer) periods(v *media.View) []period {
	lead := leading(v)
	if lead == nil {
		return nil
	}
	recorded := v.Ended && !w.live
	var list []period
	all := runs(lead)
	for i, run := range all {
		p := period{epoch: run[0].Epoch, origin: lead.Time(max(0, run[0].Start)).Truncate(time.Millisecond)}
		if newest := i == len(all)-1; newest && !v.Ended && len(run) == 1 && !complete(v, run[0]) {
			break // its AdaptationSets must not change later: wait for the other renditions
		}
		if !recorded {
			p.origin = start(v, p)
		}
		p.start = p.origin
		if p.spans = spans(v, lead, run); len(p.spans) == 0 {
			continue
		}
		p.early = early(v, p.spans)
		p.length = p.spans[0].end() - p.origin
		if w.trick {
			p.spans = withKeys(p.spans)
		}
		if recorded {
			p.start = 0
			if n := len(list); n > 0 {
				p.start = list[n-1].start + list[n-1].length
			}
		}
		list = append(list, p)
	}
	return list
}

// start returns the Period@start of a range in a live MPD. It must never change, also when the range's first segment has
// left the window: the View says where the range began.
func start(v *media.View, p period) time.Duration {
	for _, r := range v.Ranges {
		if r.Epoch == p.epoch {
			return r.Start.Truncate(time.Millisecond)
		}
	}
	return p.origin
}

// leading returns the rendition whose borders are the Periods': the first with segments, video before audio.
func leading(v *media.View) *media.Rendition {
	for i := range v.Renditions {
		if len(v.Renditions[i].Segments) > 0 {
			return &v.Renditions[i]
		}
	}
	return nil
}

// runs splits the segments of a rendition where the epoch changes. A range whose first segment is being made counts.
func runs(r *media.Rendition) [][]media.Segment {
	var list [][]media.Segment
	segments := r.Segments
	if n := len(segments); r.Open != nil && n > 0 && segments[n-1].Epoch < r.Open.Epoch {
		segments = append(segments[:n:n], *r.Open)
	}
	for i := 0; i < len(segments); {
		j := i + 1
		for j < len(segments) && segments[j].Epoch == segments[i].Epoch {
			j++
		}
		list = append(list, segments[i:j:j])
		i = j
	}
	return list
}

// complete reports whether every rendition has the segment with seg's number, sealed or listed while it is made, or has none in
// its range: one that is in a later range already adds nothing to this one.
func complete(v *media.View, seg media.Segment) bool {
	lead := leading(v)
	for i := range v.Renditions {
		r := &v.Renditions[i]
		last, ok := r.LastNumber()
		open := plan(v, lead, r)
		switch n := len(r.Inits); {
		case ok && last >= seg.Number, open != nil && open.Number == seg.Number:
		case r.Open != nil && r.Open.Epoch > seg.Epoch:
		case ok || r.Open != nil || n > 0 && r.Inits[n-1].ID == seg.Epoch: // the last: it is new in this range
			return false
		}
	}
	return true
}

// spans returns the media of every rendition in the lead's run, video first.
func spans(v *media.View, lead *media.Rendition, run []media.Segment) (list []span) {
	for _, kind := range []media.Kind{media.Video, media.Audio} {
		for i := range v.Renditions {
			r := &v.Renditions[i]
			if r.Kind != kind {
				continue
			}
			s := span{rendition: r, segments: withMedia(r, run[0].Epoch, run[0].Number)}
			if open := plan(v, lead, r); open != nil && open.Epoch == run[0].Epoch {
				s.open = open
			}
			if s.len() == 0 {
				continue
			}
			if in := r.Init(s.at(0).Init); in != nil {
				s.timescale = in.Track.Timescale
				list = append(list, s)
			}
		}
	}
	return list
}

// withMedia returns a rendition's segments of an epoch, from number first on, without the gaps before and after its media. A gap in
// between stays listed, because $Number$ counts it; it answers 404.
func withMedia(r *media.Rendition, epoch uint32, first uint64) []media.Segment {
	from := 0
	for from < len(r.Segments) && (r.Segments[from].Number < first || r.Segments[from].Epoch != epoch || r.Segments[from].Gap) {
		if r.Segments[from].Epoch > epoch {
			return nil
		}
		from++
	}
	to := from
	for to < len(r.Segments) && r.Segments[to].Epoch == epoch {
		to++
	}
	for to > from && r.Segments[to-1].Gap {
		to--
	}
	return r.Segments[from:to:to]
}

// mpdPeriod describes a period: one AdaptationSet for all video renditions, one for each audio rendition. The ids are the
// same in all Periods, so that players go on with the same choice.
func mpdPeriod(v *media.View, p period) *mpd.Period {
	x := &mpd.Period{Id: strconv.FormatUint(uint64(p.epoch), 10), Start: duration(p.start)}
	var video *mpd.AdaptationSetType
	for _, s := range p.spans {
		r := s.rendition
		track := r.Init(s.at(0).Init).Track
		if s.keys {
			x.AdaptationSets = append(x.AdaptationSets, trickSet(v, p, s, track))
			continue
		}
		rep := representation(p, s, track)
		if r.Kind == media.Video && video != nil {
			video.Representations = append(video.Representations, rep)
			continue
		}
		set := &mpd.AdaptationSetType{
			Id: mpd.Ptr(setID(v, r)), ContentType: mpd.RFC6838ContentTypeType(r.Kind.String()), SegmentAlignment: true,
			Roles:           []*mpd.DescriptorType{{SchemeIdUri: "urn:mpeg:dash:role:2011", Value: "main"}},
			Representations: []*mpd.RepresentationType{rep},
		}
		set.MimeType, set.StartWithSAP = r.Kind.String()+"/mp4", 1
		if r.Kind == media.Video {
			video = set
		} else {
			set.Lang = language(track.Language)
		}
		describeChunks(set, v, s.timescale)
		x.AdaptationSets = append(x.AdaptationSets, set)
	}
	return x
}

// setID returns 1 for video and 2, 3, … for the audio renditions in the order of the View.
func setID(v *media.View, r *media.Rendition) uint32 {
	id := uint32(1)
	if r.Kind == media.Video {
		return id
	}
	for i := range v.Renditions {
		if v.Renditions[i].Kind == media.Audio {
			id++
		}
		if &v.Renditions[i] == r {
			break
		}
	}
	return id
}

func representation(p period, s span, track media.Track) *mpd.RepresentationType {
	r := s.rendition
	rep := &mpd.RepresentationType{Id: r.Name, Bandwidth: uint32(max(1, r.Bandwidth, r.AverageBandwidth))}
	rep.Codecs = track.Codec
	if r.Kind == media.Video {
		rep.Width, rep.Height = uint32(track.Width), uint32(track.Height)
		rep.FrameRate = frameRate(track.FrameRate)
	} else {
		rep.AudioSamplingRate = mpd.Ptr(mpd.UIntVectorType(strconv.Itoa(track.SampleRate)))
		rep.AudioChannelConfigurations = []*mpd.DescriptorType{{
			SchemeIdUri: mpd.AUDIO_CHANNEL_CONFIGURATION_CICP, Value: strconv.Itoa(channelConfiguration(track.Channels)),
		}}
	}
	rep.SegmentTemplate = segmentTemplate(p, s)
	return rep
}

// segmentTemplate addresses the segments of a span.
func segmentTemplate(p period, s span) *mpd.SegmentTemplateType {
	r, first := s.rendition, s.at(0)
	t := &mpd.SegmentTemplateType{
		Media:          fmt.Sprintf("$RepresentationID$/seg-%d-$Number$.m4s", p.epoch),
		Initialization: media.Ref{Rendition: r.Name, Kind: media.ObjectInit, Epoch: first.Init}.Name(),
	}
	t.Timescale = mpd.Ptr(s.timescale)
	t.StartNumber = mpd.Ptr(uint32(first.Number))
	if offset := media.Ticks(p.origin, s.timescale); offset > 0 {
		t.PresentationTimeOffset = mpd.Ptr(uint64(offset))
	}
	if p.early > 0 {
		t.AvailabilityTimeOffset, t.AvailabilityTimeComplete = mpd.FloatInf64(p.early.Seconds()), mpd.Ptr(false)
	}
	t.SegmentTimeline = &mpd.SegmentTimelineType{}
	return t
}
