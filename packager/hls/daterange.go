package hls

import (
	"math"
	"time"

	"headwater.stream/internal/media"
)

// maxListedData is the largest message that a date range of other than SCTE 35 carries; larger ones are in the media only.
const maxListedData = 512

// ranges keeps the text of the date ranges. It is the same in all renditions (8216bis 6.2.4) and changes only when an event
// comes or leaves.
type ranges struct {
	events []media.Event
	ends   []time.Duration
	anchor time.Time
	listed int // how many events of them the text has: which ones follows, because they leave in the order of their ends
	ended  bool
	text   []byte
}

// update brings the text to the View.
func (x *ranges) update(v *media.View) {
	if !media.SameEvents(x.events, v.Events) {
		*x = ranges{events: v.Events, ends: media.EventEnds(v.Events), listed: -1}
	}
	from, to := window(v)
	listed := 0
	for i := range x.events {
		if x.lists(i, from, to) {
			listed++
		}
	}
	if listed == x.listed && v.Ended == x.ended && v.Anchor.Equal(x.anchor) {
		return
	}
	x.listed, x.ended, x.anchor, x.text = listed, v.Ended, v.Anchor, nil
	for i := range x.events {
		if x.lists(i, from, to) {
			x.text = appendRange(x.text, v.Anchor, &x.events[i])
		}
	}
}

// lists says whether event i is listed: as long as any of it "maps to a segment in the playlist" (8216bis 6.2.1), and
// before its time comes as well, but for what lies behind the end.
func (x *ranges) lists(i int, from, to time.Duration) bool {
	return x.ends[i] >= from && x.events[i].Start < to
}

// window returns the media time of the first listed segment and, of a presentation that has ended, where it ends. All
// renditions list from the same number on.
func window(v *media.View) (from, to time.Duration) {
	from, to = math.MaxInt64, math.MaxInt64
	if v.Ended {
		to = 0
	}
	for i := range v.Renditions {
		r := &v.Renditions[i]
		n := len(r.Segments)
		switch {
		case n > 0:
			from = min(from, r.Time(r.Segments[0].Start))
		case r.Open != nil:
			from = min(from, r.Time(r.Open.Start))
		}
		if v.Ended && n > 0 {
			to = max(to, r.Time(r.Segments[n-1].End()))
		}
	}
	return from, to
}

// delta returns what a delta update that skips date ranges needs: the names of those that have left the playlist lately, and
// the text of those that are not so old that a client has them (8216bis 6.2.5.1).
func (x *ranges) delta(v *media.View, r *media.Rendition) (removed, text []byte) {
	from, to := window(v)
	skip := time.Duration(skipTargets*targetDuration(v)) * time.Second
	boundary := r.Time(r.Segments[len(r.Segments)-1].End()) - skip
	for i := range x.events {
		e := &x.events[i]
		switch {
		case x.lists(i, from, to):
			if e.Seen >= boundary || e.Start >= boundary {
				text = appendRange(text, v.Anchor, e)
			}
		case e.Closes == "" && x.ends[i] >= from-skip && x.ends[i] < from: // an In goes with its Out
			if len(removed) > 0 {
				removed = append(removed, '\t')
			}
			removed = appendText(removed, e.ID)
		}
	}
	return removed, text
}

// appendRange appends the EXT-X-DATERANGE of an event. Nothing it says changes later: an In is a tag of its own with the ID
// and the start of its Out, and adds the duration that the Out could only plan (8216bis 4.4.5.1).
func appendRange(dst []byte, anchor time.Time, e *media.Event) []byte {
	id, start := e.ID, e.Start
	if e.Closes != "" {
		id, start = e.Closes, e.Opened
	}
	dst = append(dst, "#EXT-X-DATERANGE:"...)
	dst = appendQuoted(dst, `ID=`, id)
	dst = appendQuoted(dst, `,CLASS=`, e.Scheme)
	dst = append(dst, `,START-DATE="`...)
	dst = append(appendDate(dst, anchor.Add(start)), '"')
	switch {
	case e.Closes != "":
		dst = appendSeconds(dst, ",DURATION=", e.Start-e.Opened)
	case e.Duration > 0 && e.Splice == media.SpliceOut:
		dst = appendSeconds(dst, ",PLANNED-DURATION=", e.Duration)
	case e.Duration > 0:
		dst = appendSeconds(dst, ",DURATION=", e.Duration)
	}
	switch e.Splice {
	case media.SpliceOut:
		dst = appendHex(dst, ",SCTE35-OUT=0x", e.Data)
	case media.SpliceIn:
		dst = appendHex(dst, ",SCTE35-IN=0x", e.Data)
	case media.SpliceCommand:
		dst = appendHex(dst, ",SCTE35-CMD=0x", e.Data)
	default:
		// "Client-defined attributes SHOULD use a reverse-DNS syntax" (8216bis 4.4.5.1).
		if e.Value != "" {
			dst = appendQuoted(dst, ",X-STREAM-HEADWATER-VALUE=", e.Value)
		}
		if e.Cue != "" {
			dst = appendQuoted(dst, ",X-STREAM-HEADWATER-CUE=", e.Cue)
		}
		if n := len(e.Data); n > 0 && n <= maxListedData {
			dst = appendHex(dst, ",X-STREAM-HEADWATER-DATA=0x", e.Data)
		}
	}
	return append(dst, '\n')
}

func appendSeconds(dst []byte, name string, d time.Duration) []byte {
	return appendUnits(append(dst, name...), int64((d+5*time.Microsecond)/(time.Second/unitsPerSecond)))
}

func appendQuoted(dst []byte, name, value string) []byte {
	dst = append(append(dst, name...), '"')
	return append(appendText(dst, value), '"')
}

// appendText appends what may be in a quoted-string: no line feed, carriage return or double quote (8216bis 4.2).
func appendText(dst []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' {
			dst = append(dst, '_')
		} else {
			dst = append(dst, c)
		}
	}
	return dst
}

func appendHex(dst []byte, name string, data []byte) []byte {
	const digits = "0123456789ABCDEF"
	dst = append(dst, name...)
	for _, b := range data {
		dst = append(dst, digits[b>>4], digits[b&15])
	}
	return dst
}
