package hls_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"headwater.stream/internal/media"
	"headwater.stream/packager/hls"
)

// announce adds an event to the presentation.
func (s *sim) announce(e media.Event) {
	e.SetID()
	e.Seen = s.edge()
	s.v.Events = append(slices.Clone(s.v.Events), e)
}

// edge returns the media time at the end of the last part.
func (s *sim) edge() time.Duration { return time.Duration(s.clock) * 200 * time.Millisecond }

func TestDateRangeGolden(t *testing.T) {
	s := newSim(true, 20)
	s.announce(media.Event{Scheme: media.SchemeSimple, Value: media.SimpleValue, Cue: "of the beginning", Start: time.Second, Duration: 3 * time.Second})
	for range 13 {
		s.segment()
	}
	out := media.Event{Scheme: media.SchemeSCTE35, Cue: "a", Start: 24 * time.Second, Duration: 6 * time.Second, Data: []byte{0xfc, 0x30, 0x11}, Splice: media.SpliceOut, SpliceID: 9}
	s.announce(out)
	out.SetID()
	s.announce(media.Event{Scheme: "urn:x", Value: "v", Cue: "b", Start: 25*time.Second + 500*time.Microsecond, Duration: 1500 * time.Millisecond, Data: []byte("data")})
	for range 4 {
		s.segment()
	}
	s.announce(media.Event{Scheme: media.SchemeSCTE35, Cue: "c", Start: 29 * time.Second, Data: []byte{0xfc, 0xff}, Splice: media.SpliceIn, SpliceID: 9, Closes: out.ID, Opened: out.Start})
	s.announce(media.Event{Scheme: media.SchemeSCTE35, Cue: "d", Start: 30 * time.Second, Data: []byte{0xfc, 0xee}, Splice: media.SpliceCommand})
	s.announce(media.Event{Scheme: "urn:large", Start: 31 * time.Second, Data: make([]byte, 513)})
	s.announce(media.Event{Scheme: "urn:to-come", Start: 50 * time.Second})
	for range 5 {
		s.segment()
	}
	s.step()
	p := hls.NewPlaylist("v1")
	full, delta := p.Render(s.view())
	golden(t, "events.v1.m3u8", join(full))
	golden(t, "events.v1.delta.m3u8", join(delta))
	golden(t, "events.v1.compact.m3u8", join(p.Compact()))
	recorded, _ := render(s.end(), "v1")
	golden(t, "events.recorded.v1.m3u8", recorded)
}

// dateRanges returns the EXT-X-DATERANGE lines of a playlist, sorted.
func dateRanges(playlist []byte) (lines []string) {
	for line := range strings.Lines(string(playlist)) {
		if strings.HasPrefix(line, "#EXT-X-DATERANGE:") {
			lines = append(lines, line)
		}
	}
	slices.Sort(lines)
	return lines
}

func rangeID(line string) string {
	_, id, _ := strings.Cut(line, `ID="`)
	id, _, _ = strings.Cut(id, `"`)
	return id
}

// TestDateRanges follows a live playlist with events of all kinds: a line never changes, what has left does not come back,
// all renditions have the same, and a client who only takes delta updates, of either kind, knows what the full playlist has.
func TestDateRanges(t *testing.T) {
	s := newSim(true, 12)
	rnd := rand.New(rand.NewPCG(3, 5))
	lists := map[string]*hls.Playlist{"v1": hls.NewPlaylist("v1"), "a1": hls.NewPlaylist("a1")}
	known, gone := map[string]string{}, map[string]bool{}
	var client, before []string
	var out *media.Event
	updates, removals := 0, 0
	for i := range 3000 {
		if i == 1500 {
			s.outage(1)
		}
		s.step()
		switch now := s.edge(); {
		case i%37 == 0:
			s.announce(media.Event{Scheme: "urn:x", Cue: fmt.Sprint(i), Start: now + time.Duration(rnd.IntN(20)-5)*time.Second, Duration: time.Duration(rnd.IntN(10)) * time.Second, Data: []byte("x")})
		case i%101 == 0 && out == nil:
			e := media.Event{Scheme: media.SchemeSCTE35, Cue: fmt.Sprint(i), Start: now + 4*time.Second, Splice: media.SpliceOut, Data: []byte{0xfc}}
			s.announce(e)
			out = &s.v.Events[len(s.v.Events)-1]
		case i%101 == 100 && out != nil:
			s.announce(media.Event{Scheme: media.SchemeSCTE35, Cue: fmt.Sprint(i), Start: now + 2*time.Second, Splice: media.SpliceIn, Data: []byte{0xfd}, Closes: out.ID, Opened: out.Start})
			out = nil
		}
		first := s.v.Renditions[0].Segments
		if len(first) > 0 {
			s.v.Events = media.PruneEvents(s.v.Events, s.v.Renditions[0].Time(first[0].Start)-12*s.v.SegmentTarget)
		}
		if i%3 != 0 {
			continue
		}
		v := s.view()
		full, delta := lists["v1"].Render(v)
		compact := join(lists["v1"].Compact())
		if full == nil {
			continue
		}
		is := dateRanges(join(full))
		audio, _ := lists["a1"].Render(v)
		if got := dateRanges(join(audio)); !slices.Equal(got, is) {
			t.Fatalf("step %d: audio has\n%s\nvideo\n%s", i, got, is)
		}
		for _, line := range is {
			key := rangeID(line) + fmt.Sprint(strings.Contains(line, "SCTE35-IN"))
			if was, ok := known[key]; ok && was != line {
				t.Fatalf("step %d: was\n%s\nis\n%s", i, was, line)
			}
			known[key] = line
			if gone[rangeID(line)] {
				t.Fatalf("step %d: comes back: %s", i, line)
			}
		}
		for _, line := range before {
			if !slices.ContainsFunc(is, func(l string) bool { return rangeID(l) == rangeID(line) }) {
				gone[rangeID(line)] = true
				removals++
			}
		}
		before = is
		if delta != nil {
			if got := dateRanges(join(delta)); !slices.Equal(got, is) {
				t.Fatalf("step %d: the update that skips no date ranges has\n%s\nin full\n%s", i, got, is)
			}
			if bytes.Contains(join(delta), []byte("RECENTLY-REMOVED")) || !bytes.HasPrefix(join(delta), []byte("#EXTM3U\n#EXT-X-VERSION:9\n")) {
				t.Fatalf("step %d: %.200s", i, join(delta))
			}
		}
		if i%21 != 0 { // the client looks every 4.2 s; half a skip boundary is 6 s
			continue
		}
		if compact == nil || client == nil {
			client = is
			continue
		}
		updates++
		_, removed, _ := strings.Cut(string(compact), `RECENTLY-REMOVED-DATERANGES="`)
		removed, _, _ = strings.Cut(removed, `"`)
		ids := strings.Split(removed, "\t")
		client = slices.DeleteFunc(client, func(l string) bool { return slices.Contains(ids, rangeID(l)) })
		client = append(client, dateRanges(compact)...)
		slices.Sort(client)
		client = slices.Compact(client)
		if !slices.Equal(client, is) {
			t.Fatalf("step %d: by updates the client has\n%s\nin full\n%s\nafter\n%.700s", i, client, is, compact)
		}
		if len(dateRanges(compact)) >= len(is) && len(is) > 8 {
			t.Fatalf("step %d: the update skips none of %d", i, len(is))
		}
	}
	if updates < 100 || removals < 50 {
		t.Errorf("%d updates, %d removals", updates, removals)
	}
}

// TestDateRangesCost: the text of many events is made once, and is the same memory in the renders that follow.
func TestDateRangesCost(t *testing.T) {
	s := newSim(true, 20)
	s.segment()
	for i := range media.MaxEvents {
		s.v.Events = append(s.v.Events, media.Event{ID: fmt.Sprint(i), Scheme: "urn:x", Start: time.Hour, Data: make([]byte, 200)})
	}
	p := hls.NewPlaylist("v1")
	a, _ := p.Render(s.view())
	b, _ := p.Render(s.step())
	if len(a[1]) < media.MaxEvents*400 || &a[1][0] != &b[1][0] {
		t.Errorf("%d bytes of date ranges, made again", len(a[1]))
	}
}
