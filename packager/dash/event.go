package dash

import (
	"encoding/base64"

	"math"
	"slices"
	"strings"
	"time"

	"github.com/Eyevinn/dash-mpd/mpd"
	"github.com/Eyevinn/dash-mpd/xml"

	"headwater.stream/internal/media"
)

// spliceNamespace is the XML namespace of SCTE 35 signals in MPDs (SCTE 214-1).
const spliceNamespace = "http://www.scte.org/schemas/35/2016"

// reach is how far from where it belongs an event may be in the media: a part and a frame at most.
const reach = 2 * time.Second

// timed is an event with where it is over.
type timed struct {
	*media.Event
	end time.Duration
}

// timedEvents returns a View's events that are not over before its first Period's media begins.
func timedEvents(v *media.View, periods []period) (list []timed) {
	from := periods[0].spans[0].start()
	ends := media.EventEnds(v.Events)
	for i := range v.Events {
		if ends[i] >= from {
			list = append(list, timed{&v.Events[i], ends[i]})
		}
	}
	return list
}

// describeEvents adds the events of a Period: cues as EventStreams (ams-v3 §12: other metadata is only declared), and of
// all the streams that the media carries.
func describeEvents(x *mpd.Period, v *media.View, periods []period, i int, events []timed) {
	if len(events) == 0 {
		return
	}
	p := periods[i]
	from, end := p.origin, time.Duration(math.MaxInt64)
	if i+1 < len(periods) || v.Ended {
		end = p.origin + p.length
	}
	if i == 0 {
		from = 0
	}
	var inband []*mpd.EventStreamType
	streams := map[string]*mpd.EventStreamType{}
	for _, e := range events {
		if carried := max(e.Start, e.Seen); carried >= from-reach && carried-reach < end {
			inband = append(inband, &mpd.EventStreamType{SchemeIdUri: mpd.AnyURI(e.Scheme), Value: e.Value})
		}
		scheme := mpd.AnyURI(e.Scheme)
		switch {
		case e.Start < p.origin || e.Start >= end:
			continue
		case e.Scheme == media.SchemeSCTE35:
			scheme = media.SchemeSCTE35XML
		case e.Scheme != media.SchemeSimple:
			continue
		}
		s := streams[string(scheme)]
		if s == nil {
			s = &mpd.EventStreamType{SchemeIdUri: scheme, Value: e.Value, Timescale: mpd.Ptr(p.spans[0].timescale),
				PresentationTimeOffset: uint64(media.Ticks(p.origin, p.spans[0].timescale))}
			streams[string(scheme)] = s
			x.EventStreams = append(x.EventStreams, s)
		}
		s.Events = append(s.Events, mpdEvent(e, p.spans[0].timescale))
	}
	slices.SortStableFunc(inband, compareStreams)
	inband = slices.CompactFunc(inband, func(a, b *mpd.EventStreamType) bool { return compareStreams(a, b) == 0 })
	for n, set := range x.AdaptationSets {
		if p.spans[0].rendition.Kind.String() == string(set.ContentType) { // the packager puts them where the pictures are
			x.AdaptationSets[n].InbandEventStreams = inband
		}
	}
}

func compareStreams(a, b *mpd.EventStreamType) int {
	if c := strings.Compare(string(a.SchemeIdUri), string(b.SchemeIdUri)); c != 0 {
		return c
	}
	return strings.Compare(a.Value, b.Value)
}

// mpdEvent lists one cue. Its presentationTime is media time: the presentationTimeOffset of the stream is where its Period
// begins, as that of the SegmentTemplates.
func mpdEvent(e timed, timescale uint32) *mpd.EventType {
	x := &mpd.EventType{
		PresentationTime: uint64(media.Ticks(e.Start, timescale)), Duration: uint64(media.Ticks(e.Duration, timescale)), Id: mpd.Ptr(uint64(e.Number())),
	}
	if e.Scheme == media.SchemeSCTE35 {
		name := func(local string) xml.Name { return xml.Name{Space: spliceNamespace, Local: local} }
		x.Signal = &mpd.SignalType{XMLName: name("Signal"), Binary: &mpd.BinaryType{XMLName: name("Binary"), Value: base64.StdEncoding.EncodeToString(e.Data)}}
	}
	return x
}
