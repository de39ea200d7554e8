package node

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Eyevinn/mp4ff/mp4"

	"headwater.stream/ingest"
	"headwater.stream/internal/media"
)

// TestEvents: what an encoder announces is in the playlists, the MPD and the media, live, after the encoder came back, in the
// replay and in the directory that any file server can serve; more than the rate is dropped and counted.
func TestEvents(t *testing.T) {
	faults(t, func(r *faultRig) {
		flood := 0
		at := map[float64][]media.Event{
			3000: {{Scheme: media.SchemeSCTE35, Cue: "out", Start: 7 * time.Second, Duration: 6 * time.Second, Data: []byte{0xfc, 1}, Splice: media.SpliceOut, SpliceID: 5}},
			8000: {{Scheme: media.SchemeID3, Cue: "id3", Start: 8 * time.Second, Data: []byte("ID3 tag")}},
			9000: {{Scheme: media.SchemeSCTE35, Cue: "in", Start: 13 * time.Second, Data: []byte{0xfc, 2}, Splice: media.SpliceIn, SpliceID: 5}},
		}
		for i := range 100 {
			at[20_000] = append(at[20_000], media.Event{Scheme: "urn:flood", Cue: fmt.Sprint(i), Start: 20 * time.Second})
		}
		p := publisher{audio: 48000, gop: 30, beforeSend: func(s ingest.Session, ms float64) {
			for when, list := range at {
				if ms >= when {
					delete(at, when)
					for _, e := range list {
						if err := s.WriteEvent(e); err != nil {
							t.Error(err)
						}
					}
				}
			}
		}}
		s := r.send(p, 24*time.Second)
		live := dateRangeLines(r, "v1")
		for _, l := range live {
			if strings.Contains(l, "urn:flood") {
				flood++
			}
		}
		if flood != cueBurst || len(live) != flood+3 {
			t.Errorf("%d of 100 events at once are taken, want %d; in all %d", flood, cueBurst, len(live))
		}
		if got := dropsOf(t, r, dropCueRate); got != 100-cueBurst {
			t.Errorf("%v events counted as too many", got)
		}
		if audio := dateRangeLines(r, "a1"); !slices.Equal(audio, live) {
			t.Errorf("the audio playlist has other date ranges: %v", audio)
		}
		out, in := live[0], live[2]
		if !strings.Contains(out, "PLANNED-DURATION=6.00000,SCTE35-OUT=0xFC01") || !strings.Contains(in, "DURATION=6.00000,SCTE35-IN=0xFC02") ||
			strings.Split(out, ",")[0] != strings.Split(in, ",")[0] {
			t.Errorf("the break is\n%s%s", out, in)
		}
		checkEmsgs(r)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		r.until(time.Now().Add(5 * time.Second))
		s = r.send(publisher{audio: 48000}, 12*time.Second)
		if got := dateRangeLines(r, "v1"); !slices.Equal(got, live) {
			t.Errorf("after the encoder came back: %v", got)
		}
		_, mpd := r.get("manifest.mpd")
		for _, want := range []string{
			`<InbandEventStream schemeIdUri="urn:scte:scte35:2013:bin"`, `<InbandEventStream schemeIdUri="https://aomedia.org/emsg/ID3"`,
			`<EventStream schemeIdUri="urn:scte:scte35:2014:xml+bin" timescale="120000"`, `<Binary>/AE=</Binary>`,
		} {
			if !strings.Contains(mpd, want) {
				t.Errorf("the MPD lacks %s", want)
			}
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		r.desired.Outputs = nil
		r.apply()
		if got := dateRangeLines(r, "v1"); !slices.Equal(got, live) {
			t.Errorf("the replay: %v", got)
		}
		checkEmsgs(r)
		file, err := os.ReadFile(r.dir + "/assets/asset/v1/media.m3u8")
		if err != nil || strings.Count(string(file), "#EXT-X-DATERANGE:") != len(live) {
			t.Errorf("the directory's playlist: %v\n%s", err, file)
		}
	})
}

// TestEventsOfTheWire: the same from the socket on: an RTMP data message becomes a date range.
func TestEventsOfTheWire(t *testing.T) {
	faults(t, func(r *faultRig) {
		w := r.dial("live/token", "key")
		sent := false
		r.feed(w, &publisher{audio: 48000, beforeSend: func(s ingest.Session, ms float64) {
			if ms >= 4000 && !sent {
				sent = true
				if err := s.WriteEvent(media.Event{Cue: "wire", Start: 8500 * time.Millisecond, Duration: 2 * time.Second}); err != nil {
					t.Error(err)
				}
			}
		}}, 14*time.Second)
		lines := dateRangeLines(r, "v1")
		if len(lines) != 1 || !strings.Contains(lines[0], `CLASS="urn:com:adobe:dpi:simple:2015"`) || !strings.Contains(lines[0], "DURATION=2.00000") || !strings.Contains(lines[0], `CUE="wire"`) {
			t.Errorf("date ranges: %v", lines)
		}
		checkEmsgs(r)
		_ = w.Close()
	})
}

func dateRangeLines(r *faultRig, rendition string) (lines []string) {
	r.t.Helper()
	status, body := r.get(rendition + "/media.m3u8")
	if status != http.StatusOK {
		r.t.Errorf("%s: status %d", rendition, status)
	}
	for line := range strings.Lines(body) {
		if strings.HasPrefix(line, "#EXT-X-DATERANGE:") {
			lines = append(lines, line)
		}
	}
	return lines
}

// checkEmsgs holds the media to the playlist: what has a date range has its box, once, in the segment of its moment (or, a
// flood that came late, soon after).
func checkEmsgs(r *faultRig) {
	r.t.Helper()
	_, body := r.get("v1/media.m3u8")
	seen := map[string]int{}
	for _, file := range regexp.MustCompile(`(?m)^seg-.*$`).FindAllString(body, -1) {
		_, text := r.get("v1/" + file)
		f, err := mp4.DecodeFile(bytes.NewReader([]byte(text)))
		if err != nil {
			r.t.Errorf("%s: %v", file, err)
			continue
		}
		var start, end uint64
		var times []uint64
		for _, b := range f.Children {
			switch b := b.(type) {
			case *mp4.EmsgBox:
				seen[b.SchemeIDURI]++
				times = append(times, b.PresentationTime)
				if b.TimeScale != media.VideoTimescale || b.Version != 1 {
					r.t.Errorf("%s: %+v", file, b)
				}
			case *mp4.MoofBox:
				if t := b.Traf.Tfdt.BaseMediaDecodeTime(); end == 0 {
					start, end = t, t
				}
				for _, s := range b.Traf.Trun.Samples {
					end += uint64(s.Dur)
				}
			}
		}
		for _, at := range times {
			if at+media.VideoTimescale/2 < start || at > end {
				r.t.Errorf("%s: from %d to %d has an event for %d", file, start, end, at)
			}
		}
	}
	want := map[string]int{}
	for _, line := range dateRangeLines(r, "v1") {
		_, class, _ := strings.Cut(line, `CLASS="`)
		class, _, _ = strings.Cut(class, `"`)
		want[class]++
	}
	if fmt.Sprint(seen) != fmt.Sprint(want) {
		r.t.Errorf("the media has %v, the playlist %v", seen, want)
	}
}

func dropsOf(t *testing.T, r *faultRig, reason string) float64 {
	t.Helper()
	families, err := r.rt.metrics.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "headwater_input_dropped_total" && m.GetLabel()[0].GetValue() == reason {
				return m.GetCounter().GetValue()
			}
		}
	}
	return 0
}
