package cmaf

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/Eyevinn/mp4ff/mp4"

	"headwater.stream/internal/media"
)

// carried is an emsg box found in the output, with the part that begins with it.
type carried struct {
	box  *mp4.EmsgBox
	part media.Part
	seg  int
	at   int // index of the part in its segment
}

// emsgs returns the boxes in a rendition's parts of the last range, which must stand before the moof.
func (r *record) emsgs(name string) (list []carried) {
	r.t.Helper()
	c := r.cur()
	for i, s := range c.segs[slices.Index(c.names, name)] {
		for k, p := range s.parts {
			f, err := mp4.DecodeFile(bytes.NewReader(p.Body))
			if err != nil {
				r.t.Fatal(err)
			}
			moof := false
			for _, b := range f.Children {
				switch b := b.(type) {
				case *mp4.MoofBox:
					moof = true
				case *mp4.EmsgBox:
					if moof {
						r.t.Errorf("emsg %d behind the moof", b.ID)
					}
					list = append(list, carried{b, p, i, k})
				}
			}
		}
	}
	return list
}

// TestEvents: what an encoder announces is in the chunk of its moment, or if late in the next, once in each rendition of
// the leading kind, with the exact bytes.
func TestEvents(t *testing.T) {
	r := &record{t: t, limits: Limits{SegmentTarget: 3 * time.Second, PartTarget: 210 * time.Millisecond}}
	p := New(Config{Aim: 2 * time.Second, Limit: 3 * time.Second, Part: 210 * time.Millisecond}, r)
	if err := p.SetTracks([]media.Track{videoTrack(t, media.Rational{Num: 30, Den: 1}), audioTrack(48000)}); err != nil {
		t.Fatal(err)
	}
	send := map[int64]media.Event{
		-1:   {Scheme: "urn:early", Cue: "before the first picture", Start: 1500 * time.Millisecond, Data: []byte("early")},
		2000: {Scheme: media.SchemeSCTE35, Cue: "splice", Start: 5066 * time.Millisecond, Splice: media.SpliceOut, Data: []byte{0xfc, 1, 2}},
		3000: {Scheme: "urn:late", Value: "v", Cue: "late", Start: 2900 * time.Millisecond, Duration: 1500 * time.Millisecond, Data: []byte("late")},
		3500: {Scheme: "urn:far", Start: time.Hour},
		4000: {Scheme: "urn:old", Start: -31 * time.Second},
		4500: {Scheme: media.SchemeSCTE35, Cue: "splice", Start: 5066 * time.Millisecond, Splice: media.SpliceOut, Data: []byte{0xfc, 9}}, // again
	}
	want := map[int64]bool{-1: true, 2000: true, 3000: true, 3500: false, 4000: false, 4500: false}
	give := func(at int64) {
		if e, ok := send[at]; ok {
			delete(send, at)
			taken, err := p.Event(e)
			if err != nil || taken != want[at] {
				t.Errorf("event at %d: taken %v, %v, want %v", at, taken, err, want[at])
			}
		}
	}
	give(-1)
	const anchor = 10 * time.Second
	for _, e := range (generator{fps: 30, gop: 30, bframes: true, audioRate: 48000}).run(9) {
		for at := range want {
			if at >= 0 && int64(e.ms) >= at {
				give(at)
			}
		}
		if err := p.Write(e.sample, anchor); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	r.check()
	// The first picture is shown at 66 ms of the encoder's clock, which is the range's start.
	media0 := anchor - 66*time.Millisecond
	list := r.emsgs("v1")
	if got := r.emsgs("a1"); len(got) != 0 {
		t.Errorf("%d events in the audio", len(got))
	}
	if len(list) != 3 || len(r.events) != 3 {
		t.Fatalf("%d events carried, %d announced, want 3", len(list), len(r.events))
	}
	for i, w := range []struct {
		scheme, value, data string
		start, duration     time.Duration
		unknown             bool
	}{
		{"urn:early", "", "early", 1500 * time.Millisecond, 0, false},
		{"urn:late", "v", "late", 2900 * time.Millisecond, 1500 * time.Millisecond, false},
		{media.SchemeSCTE35, "", "\xfc\x01\x02", 5066 * time.Millisecond, 0, true},
	} {
		b, p := list[i].box, list[i].part
		if b.Version != 1 || b.TimeScale != media.VideoTimescale || b.SchemeIDURI != w.scheme || b.Value != w.value || string(b.MessageData) != w.data {
			t.Errorf("box %d: %+v", i, b)
		}
		if at := media.Duration(int64(b.PresentationTime), b.TimeScale); at != media0+w.start {
			t.Errorf("%s at %v, want %v", w.scheme, at, media0+w.start)
		}
		if want := uint32(media.Ticks(w.duration, b.TimeScale)); b.EventDuration != want && !(w.unknown && b.EventDuration == unknownDuration) {
			t.Errorf("%s lasts %d, want %d", w.scheme, b.EventDuration, want)
		}
		if n := slices.IndexFunc(r.events, func(e media.Event) bool { return e.Number() == b.ID }); n < 0 {
			t.Errorf("%s has an id that was not announced", w.scheme)
		}
		end, at := p.Start+p.Duration, int64(b.PresentationTime)
		if late := w.scheme == "urn:late"; !late && (at < p.Start-2000 || at > end) || late && (p.Start < at || p.Start > at+2*26_000) {
			t.Errorf("%s at %d is in the part from %d to %d", w.scheme, at, p.Start, end)
		}
	}
	// The key frame at 5 s, an odd one, begins a segment because of the splice.
	if splice := list[2]; splice.at != 0 {
		t.Errorf("the splice is in part %d of its segment", splice.at)
	}
}

// TestEventBounds: an encoder that sends events without end does not make the packager grow.
func TestEventBounds(t *testing.T) {
	r := &record{t: t}
	p := New(Config{Aim: 2 * time.Second, Limit: 3 * time.Second, Part: 210 * time.Millisecond}, r)
	if err := p.SetTracks([]media.Track{audioTrack(48000)}); err != nil {
		t.Fatal(err)
	}
	for i := range 1000 {
		taken, err := p.Event(media.Event{Scheme: "urn:x", Start: time.Duration(i) * time.Millisecond, Data: make([]byte, 100)})
		if err != nil || taken != (i < maxEarly) {
			t.Fatalf("event %d before the media: %v, %v", i, taken, err)
		}
	}
	for i := range 100 {
		if err := p.Write(media.Sample{DTS: int64(i) * 1024, Data: []byte("audio")}, 0); err != nil {
			t.Fatal(err)
		}
		for k := range 100 {
			if _, err := p.Event(media.Event{Scheme: "urn:x", Start: time.Minute + time.Duration(100*i+k)*time.Millisecond}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(p.pending) > maxPending || len(p.early) > 0 {
		t.Errorf("%d events wait, %d early", len(p.pending), len(p.early))
	}
	if got := r.emsgs("a1"); len(got) != maxEarly {
		t.Errorf("%d of the early events are in the media, which has no pictures; want %d", len(got), maxEarly)
	}
}
