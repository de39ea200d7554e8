package dash_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/Eyevinn/dash-mpd/mpd"

	"headwater.stream/internal/media"
	"headwater.stream/packager/dash"
)

// cues are events in the life of a presentation: two ranges, from 0 to 12 s and from 42 s.
func cues() (list []media.Event) {
	add := func(seen time.Duration, e media.Event) {
		e.Seen = seen
		e.SetID()
		list = append(list, e)
	}
	const s = time.Second
	add(0, media.Event{Scheme: media.SchemeSCTE35, Cue: "out", Start: 4 * s, Duration: 4 * s, Data: []byte{0xfc, 1}, Splice: media.SpliceOut, SpliceID: 1})
	add(1*s, media.Event{Scheme: media.SchemeID3, Start: 5 * s, Data: []byte("ID3")})
	add(2*s, media.Event{Scheme: media.SchemeSCTE35, Cue: "in", Start: 8500 * time.Millisecond, Data: []byte{0xfc, 2}, Splice: media.SpliceIn, Closes: list[0].ID, Opened: 4 * s})
	add(9*s, media.Event{Scheme: media.SchemeSimple, Value: media.SimpleValue, Cue: "simple", Start: 30 * s}) // when nothing was sent
	add(43*s, media.Event{Scheme: media.SchemeSimple, Value: media.SimpleValue, Cue: "simple", Start: 47*s + 33*time.Millisecond, Duration: 10 * s})
	add(45*s, media.Event{Scheme: `urn:a&b"`, Value: "<v>", Start: 44 * s, Data: []byte("late")})
	add(46*s, media.Event{Scheme: media.SchemeSCTE35, Cue: "to come", Start: 200 * s, Data: []byte{0xfc, 3}, Splice: media.SpliceCommand})
	return list
}

// TestEvents: cues are listed at their media time in the Period they are in, the rest only declared; what the media carries
// is declared where it is, and nothing else.
func TestEvents(t *testing.T) {
	live := life(9, 100)
	live.Events = cues()
	ended := life(9, 100)
	ended.Events, ended.Ended = live.Events, true
	sliding := life(9, 3)
	sliding.Events = live.Events
	for name, c := range map[string]struct {
		view *media.View
		want []string // by Period: inband of video; listed
	}{
		"live": {live, []string{
			`https://aomedia.org/emsg/ID3"",urn:scte:scte35:2013:bin""; urn:scte:scte35:2014:xml+bin"" 4s+4s /AE= 8.5s+0s /AI=`,
			`urn:a&b""<v>",urn:com:adobe:dpi:simple:2015"scte35",urn:scte:scte35:2013:bin""; urn:com:adobe:dpi:simple:2015"scte35" 47.033s+10s ; urn:scte:scte35:2014:xml+bin"" 200s+0s /AM=`,
		}},
		"ended": {ended, []string{
			`https://aomedia.org/emsg/ID3"",urn:scte:scte35:2013:bin""; urn:scte:scte35:2014:xml+bin"" 4s+4s /AE= 8.5s+0s /AI=`,
			`urn:a&b""<v>",urn:com:adobe:dpi:simple:2015"scte35"; urn:com:adobe:dpi:simple:2015"scte35" 47.033s+10s `,
		}},
		"sliding": {sliding, []string{
			`urn:a&b""<v>",urn:com:adobe:dpi:simple:2015"scte35",urn:scte:scte35:2013:bin""; urn:com:adobe:dpi:simple:2015"scte35" 47.033s+10s ; urn:scte:scte35:2014:xml+bin"" 200s+0s /AM=`,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			text := render(t, dash.NewWriter(), c.view)
			m := parse(t, text)
			if len(m.Periods) != len(c.want) {
				t.Fatalf("%d Periods", len(m.Periods))
			}
			for i, p := range m.Periods {
				if got := describeEvents(t, p); got != c.want[i] {
					t.Errorf("Period %d\n got %s\nwant %s", i, got, c.want[i])
				}
				for _, set := range p.AdaptationSets {
					if set.ContentType == "audio" && len(set.InbandEventStreams) > 0 {
						t.Error("audio declares events")
					}
				}
			}
		})
	}
}

// describeEvents puts a Period's events in a line.
func describeEvents(t *testing.T, p *mpd.Period) string {
	var inband, streams []string
	for _, s := range p.AdaptationSets[0].InbandEventStreams {
		inband = append(inband, fmt.Sprintf(`%s"%s"`, s.SchemeIdUri, s.Value))
	}
	for _, s := range p.EventStreams {
		if *s.Timescale != media.VideoTimescale {
			t.Errorf("timescale %d", *s.Timescale)
		}
		if want := *p.AdaptationSets[0].Representations[0].SegmentTemplate; want.PresentationTimeOffset != nil && *want.PresentationTimeOffset != s.PresentationTimeOffset {
			t.Errorf("offset %d, of the segments %d", s.PresentationTimeOffset, *want.PresentationTimeOffset)
		}
		line := fmt.Sprintf(` %s"%s"`, s.SchemeIdUri, s.Value)
		for _, e := range s.Events {
			at := func(ticks uint64) string {
				return strings.TrimSuffix(fmt.Sprintf("%g", media.Duration(int64(ticks), media.VideoTimescale).Seconds()), "0s") + "s"
			}
			data := ""
			if e.Signal != nil {
				data = e.Signal.Binary.Value
				if _, err := base64.StdEncoding.DecodeString(data); err != nil {
					t.Error(err)
				}
			}
			line += fmt.Sprintf(" %s+%s %s", at(e.PresentationTime), at(e.Duration), data)
		}
		streams = append(streams, line)
	}
	return strings.Join(inband, ",") + ";" + strings.Join(streams, ";")
}

// TestEventsGolden: the elements as they are written, with the namespace of the signals.
func TestEventsGolden(t *testing.T) {
	v := life(9, 100)
	v.Events = cues()
	w := dash.NewWriter()
	got := render(t, w, v)
	golden(t, "events.mpd", got)
	// A View that only adds an event makes another MPD, one that adds nothing the same.
	v.Events = v.Events[:len(v.Events):len(v.Events)]
	if again := render(t, w, v); &again[0] != &got[0] {
		t.Error("written again for nothing")
	}
	v.Events = append(v.Events, media.Event{ID: "x", Scheme: "urn:new", Start: 50 * time.Second, Seen: 50 * time.Second})
	if again := render(t, w, v); !bytes.Contains(again, []byte("urn:new")) {
		t.Error("a new event is not declared")
	}
}
