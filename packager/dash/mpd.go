package dash

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"github.com/Eyevinn/dash-mpd/mpd"

	"headwater.stream/internal/media"
)

// timePath is the origin's clock, relative to any host: the value of UTCTiming.
const timePath = "/time"

// audioSlack is how much longer than the video target an audio segment can be: half an access unit at each border.
const audioSlack = 100 * time.Millisecond

// Writer renders the MPD of one presentation, View after View. One goroutine at a time may use it.
//
// A live MPD has availabilityStartTime = View.Anchor, so a Period's start is its media time. When the presentation ends
// under a Writer that has written it live, the MPD becomes static and keeps all Period starts, so that players keep their
// position (rule G8). A Writer whose first View has ended writes a recording: its first Period starts at 0 and no hole lies
// between Periods (rules I1, I2).
type Writer struct {
	trick     bool      // it has a trick-mode AdaptationSet too
	live      bool      // a dynamic MPD was written
	published time.Time // the last publishTime
	of        []listed  // what the last MPD listed
	events    []media.Event
	text      []byte
}

// listed says which segments of a rendition an MPD lists; an MPD changes when one of these does.
type listed struct {
	name        string
	first, next uint64
	last        int64 // duration of segment next-1, which may be a planned one
	inits       int
	ended       bool
}

// NewWriter returns a Writer for one presentation.
func NewWriter() *Writer { return &Writer{} }

// NewTrickWriter returns a Writer of MPDs that have a trick-mode AdaptationSet too: the key frames that segments begin with.
func NewTrickWriter() *Writer { return &Writer{trick: true} }

// MPD returns the MPD of one View: of a recording, when it has ended.
func MPD(v *media.View) ([]byte, error) { return NewWriter().Render(v) }

// Clone returns a Writer that goes on from where w is, for a presentation that takes over its URL.
func (w *Writer) Clone() *Writer {
	c := *w
	return &c
}

// Render returns the MPD of a View, nil while there is no complete segment to list. The result is never written again, and
// the same as before when the View adds nothing to it. Views must come in the order of their revisions.
func (w *Writer) Render(v *media.View) ([]byte, error) {
	of, lead := make([]listed, 0, len(v.Renditions)), leading(v)
	for i := range v.Renditions {
		r := &v.Renditions[i]
		l := listed{name: r.Name, inits: len(r.Inits), ended: v.Ended}
		if len(r.Segments) > 0 {
			l.first = r.Segments[0].Number
			l.next = l.first + uint64(len(r.Segments))
			l.last = r.Segments[len(r.Segments)-1].Duration
			if open := plan(v, lead, r); open != nil {
				l.next, l.last = open.Number+1, open.Duration
			}
		}
		of = append(of, l)
	}
	if w.text != nil && slices.Equal(of, w.of) && media.SameEvents(v.Events, w.events) {
		return w.text, nil
	}
	periods := w.periods(v)
	if len(periods) == 0 && !v.Ended {
		return w.text, nil // what it said before holds until the new range can be described (invariant I3)
	}
	if len(periods) == 0 {
		return nil, nil
	}
	text, err := encode(w.document(v, periods), periods)
	if err != nil {
		return nil, fmt.Errorf("encoding MPD: %w", err)
	}
	w.text, w.of, w.events, w.live = text, of, v.Events, w.live || !v.Ended
	return text, nil
}

// underrun is how much earlier than its media a live Period before a hole ends. A player that has stood through the outage stands
// up to 0.17 s before the end of what it has, and dash.js enters the next Period by itself only from behind the end of this one
// (docs/adr/0004).
const underrun = 250 * time.Millisecond

// outage is the shortest hole in which viewers stand.
const outage = time.Second

// document builds the MPD but for the S elements.
func (w *Writer) document(v *media.View, periods []period) *mpd.MPD {
	longest := max(v.SegmentTarget, time.Second)
	m := &mpd.MPD{
		XMLNs:              mpd.DASH_NAMESPACE,
		Profiles:           mpd.PROFILE_LIVE + "," + mpd.PROFILE_CMAF,
		MinBufferTime:      duration(longest),
		MaxSegmentDuration: duration(longest + audioSlack),
	}
	first, last := periods[0], periods[len(periods)-1]
	if v.Ended {
		m.Type = mpd.Ptr(mpd.STATIC_TYPE)
		m.MediaPresentationDuration = duration(last.start + last.length)
	} else {
		m.Type = mpd.Ptr(mpd.DYNAMIC_TYPE)
		m.AvailabilityStartTime = date(v.Anchor)
		m.PublishTime = date(w.publish(v.Anchor.Add(last.start + last.length)))
		m.MinimumUpdatePeriod = duration(longest / 2)
		m.TimeShiftBufferDepth = duration(depth(first, last, longest))
		m.SuggestedPresentationDelay = duration(3 * longest)
		m.UTCTimings = []*mpd.DescriptorType{clock()}
	}
	events := timedEvents(v, periods)
	for i, p := range periods {
		x := mpdPeriod(v, p)
		describeEvents(x, v, periods, i, events)
		var hole time.Duration
		if i+1 < len(periods) {
			hole = periods[i+1].start - p.start - p.length
		}
		switch {
		case !v.Ended && hole >= outage:
			x.Duration = duration(max(p.length-underrun, p.length/2))
		case v.Ended || hole > 0: // said, so that players do not wait for media in the hole
			x.Duration = duration(p.length)
		}
		m.Periods = append(m.Periods, x)
	}
	if lowLatency(v) {
		describeLatency(m, v)
	}
	return m
}

// youngDepth is timeShiftBufferDepth as long as nothing has left the window.
const youngDepth = time.Hour

// depth returns timeShiftBufferDepth: what is listed. While everything since the start of the first Period is listed it may as
// well be more; then an outage that is longer than what there was before does not leave the whole timeline out of the buffer,
// whereupon dash.js takes its own clock for wrong by as long as the outage lasted (docs/adr/0004).
func depth(first, last period, longest time.Duration) time.Duration {
	// The newest segment is up to a segment and its delivery old when a client computes its window from its clock.
	window := max(last.start+last.length-first.spans[0].start()+2*longest, 4*longest)
	if first.spans[0].at(0).First {
		window = max(window, youngDepth)
	}
	return window.Round(time.Second)
}

// publish returns the publishTime of a changed MPD: the wall-clock time of its newest media, but always later than that of
// the MPD before (rule G1).
func (w *Writer) publish(t time.Time) time.Time {
	t = t.Truncate(time.Millisecond)
	if !t.After(w.published) {
		t = w.published.Add(time.Millisecond)
	}
	w.published = t
	return t
}

// emptyTimeline is what the library writes where the S elements belong.
const emptyTimeline = "<SegmentTimeline></SegmentTimeline>"

// encode writes the document and puts the S elements in their places, in document order.
func encode(m *mpd.MPD, periods []period) ([]byte, error) {
	var b bytes.Buffer
	if _, err := m.Write(&b, "  ", true); err != nil {
		return nil, err
	}
	pieces := bytes.Split(b.Bytes(), []byte(emptyTimeline))
	out := make([]byte, 0, b.Len()+4096)
	n := 0
	for _, p := range periods {
		for _, s := range p.spans {
			if n+1 >= len(pieces) {
				return nil, fmt.Errorf("the document has %d timelines, more are needed", len(pieces)-1)
			}
			out = append(out, pieces[n]...)
			out = append(out, "<SegmentTimeline>"...)
			out = appendTimeline(out, s)
			out = append(out, "</SegmentTimeline>"...)
			n++
		}
	}
	return append(out, bytes.Join(pieces[n:], nil)...), nil
}

func duration(d time.Duration) *mpd.Duration { return mpd.Ptr(mpd.Duration(d)) }

func date(t time.Time) mpd.DateTime {
	return mpd.DateTime(t.UTC().Format("2006-01-02T15:04:05.000Z"))
}
