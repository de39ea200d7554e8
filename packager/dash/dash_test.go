package dash_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/Eyevinn/dash-mpd/mpd"

	"headwater.stream/internal/media"
	"headwater.stream/packager/dash"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const (
	epoch0     = 1_764_077_000
	perRange   = 6 // segments from one encoder connection
	outage     = 30 * time.Second
	audioFrame = 1024
)

// life returns the View of a presentation after n segments of two seconds, of which at most window are listed. Each
// perRange segments the encoder goes away for half a minute and comes back; one gap marks where it left.
func life(n, window int) *media.View {
	v := &media.View{
		Revision: uint64(n + 1), Anchor: time.Date(2026, 11, 25, 13, 0, 0, 123_000_000, time.UTC), SegmentTarget: 2 * time.Second,
		Renditions: []media.Rendition{
			{Name: "v1", Kind: media.Video, Timescale: media.VideoTimescale, Bandwidth: 6_000_000, AverageBandwidth: 5_500_000},
			{Name: "a1", Kind: media.Audio, Timescale: 48_000, Bandwidth: 130_000, AverageBandwidth: 128_000},
		},
	}
	tracks := []media.Track{
		{Kind: media.Video, Codec: "avc1.640028", Timescale: media.VideoTimescale, Width: 1920, Height: 1080, FrameRate: media.Rational{Num: 30000, Den: 1001}},
		{Kind: media.Audio, Codec: "mp4a.40.2", Timescale: 48_000, SampleRate: 48_000, Channels: 2},
	}
	for i := range v.Renditions {
		r := &v.Renditions[i]
		at := func(d time.Duration) int64 {
			t := media.Ticks(d, r.Timescale)
			if r.Kind == media.Audio {
				t = (t + audioFrame/2 - 1) / audioFrame * audioFrame // the packager ends early where two are as near
			}
			return t
		}
		for k := range n {
			disc := k / perRange
			start := time.Duration(k)*2*time.Second + time.Duration(disc)*outage
			epoch := uint32(epoch0 + 42*disc)
			if k%perRange == 0 {
				if i == 0 {
					v.Ranges = append(v.Ranges, media.Range{Epoch: epoch, Start: start})
				}
				r.Inits = append(r.Inits, media.Init{ID: epoch, Track: tracks[i]})
			}
			r.Segments = append(r.Segments, media.Segment{
				Number: uint64(k), Start: at(start), Duration: at(start+2*time.Second) - at(start), Size: 1, Epoch: epoch, Init: epoch,
				Disc: uint32(disc), First: k%perRange == 0, Gap: k%perRange == perRange-1,
			})
		}
		r.Segments = r.Segments[max(0, len(r.Segments)-window):]
	}
	return v
}

func render(t *testing.T, w *dash.Writer, v *media.View) []byte {
	t.Helper()
	b, err := w.Render(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func parse(t *testing.T, b []byte) *mpd.MPD {
	t.Helper()
	m, err := mpd.MPDFromBytes(b)
	if err != nil {
		t.Fatalf("%v in\n%s", err, b)
	}
	return m
}

func TestGolden(t *testing.T) {
	kept := dash.NewWriter()
	recorded := life(15, 100)
	recorded.Ended = true
	views := map[string][]byte{
		"live.mpd":     render(t, kept, life(15, 100)),
		"ended.mpd":    render(t, kept, recorded),
		"recorded.mpd": render(t, dash.NewWriter(), recorded),
		"sliding.mpd":  render(t, dash.NewWriter(), life(15, 6)),
		"making.mpd":   render(t, dash.NewWriter(), making(8, time.Second)),
		"trick.mpd":    render(t, dash.NewTrickWriter(), keyed(making(8, time.Second))),
	}
	for name, got := range views {
		golden(t, name, got)
	}
}

// keyed is a View with key frames, but for the segments of its first range, of which one does not begin with one.
func keyed(v *media.View) *media.View {
	list := slices.Clone(v.Renditions[0].Segments)
	for i := range list {
		if !list[i].Gap && i != 1 {
			list[i].KeySize = 50_000
		}
	}
	v.Renditions[0].Segments = list
	return v
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; got:\n%s", name, got)
	}
}

func TestNothingToList(t *testing.T) {
	if got := render(t, dash.NewWriter(), life(0, 5)); got != nil {
		t.Errorf("an empty View gives\n%s", got)
	}
	// A Period whose AdaptationSets are not complete is not shown: they must not change later.
	for _, open := range []*media.Segment{nil, {}} {
		v := life(1, 5)
		v.Renditions[1].Open, v.Renditions[1].Segments = open, nil
		if got := render(t, dash.NewWriter(), v); got != nil {
			t.Errorf("the audio is not there yet:\n%s", got)
		}
	}
}

// TestRenditionComesLater: an encoder without audio leaves a range of one segment, and the next one has audio. What was listed
// stays while the first segment of that is made (invariant I3).
func TestRenditionComesLater(t *testing.T) {
	for _, n := range []int{1, perRange + 1} {
		v := life(n, 100)
		last := v.Renditions[0].Segments[n-1]
		v.Renditions[1].Segments, v.Renditions[1].Inits = nil, nil
		w := dash.NewWriter()
		was := parse(t, render(t, w, v))
		v.Renditions[1].Inits = []media.Init{{ID: last.Epoch + 9, Track: life(1, 1).Renditions[1].Inits[0].Track}}
		v.Renditions[1].Open = &media.Segment{Number: last.Number + 1, Epoch: last.Epoch + 9, Init: last.Epoch + 9, First: true}
		for _, w := range []*dash.Writer{w, dash.NewWriter()} {
			text := render(t, w, v)
			if text == nil {
				t.Fatalf("%d segments: there is no MPD any more", n)
			}
			if is := parse(t, text); len(is.Periods) != len(was.Periods) {
				t.Errorf("%d segments: %d Periods, then %d", n, len(was.Periods), len(is.Periods))
			}
		}
	}
}

// TestShortWindow: where all that is left in the window is a range whose audio is not there yet, the MPD stays as it was.
func TestShortWindow(t *testing.T) {
	w := dash.NewWriter()
	was := render(t, w, life(perRange, 1+perRange))
	v := life(perRange+1, 1)
	v.Renditions[1].Segments = life(perRange, 1).Renditions[1].Segments
	if is := render(t, w, v); !bytes.Equal(is, was) {
		t.Errorf("the MPD becomes\n%s", is)
	}
	if is := render(t, w, life(perRange+1, 1)); len(is) == 0 || bytes.Equal(is, was) {
		t.Error("the MPD does not go on")
	}
}

// TestLife follows a live MPD over reconnects and a sliding window.
func TestLife(t *testing.T) {
	w := dash.NewWriter()
	starts := map[string]string{}
	published := ""
	for n := 1; n < 60; n++ {
		v := life(n, 9)
		text := render(t, w, v)
		if again := render(t, w, v); &again[0] != &text[0] {
			t.Fatalf("%d segments: the same View was rendered twice", n)
		}
		m := parse(t, text)
		if p := string(m.PublishTime); p <= published {
			t.Fatalf("%d segments: publishTime %s after %s", n, p, published)
		}
		published = string(m.PublishTime)
		for _, p := range m.Periods {
			start := p.Start.String()
			if was, ok := starts[p.Id]; ok && was != start {
				t.Fatalf("%d segments: Period %s starts at %s, did at %s", n, p.Id, start, was)
			}
			starts[p.Id] = start
			if len(p.AdaptationSets) != 2 {
				t.Fatalf("%d segments: Period %s has %d AdaptationSets", n, p.Id, len(p.AdaptationSets))
			}
			for _, set := range p.AdaptationSets {
				checkObjects(t, v, set.Representations[0])
			}
		}
	}
	if len(starts) < 9 {
		t.Errorf("%d Periods in 59 segments of %d each", len(starts), perRange)
	}
}

// TestYoungDepth: as long as everything is listed, an outage longer than what there was does not leave the timeline out of
// the time-shift buffer.
func TestYoungDepth(t *testing.T) {
	depth := func(v *media.View) time.Duration {
		return time.Duration(*parse(t, render(t, dash.NewWriter(), v)).TimeShiftBufferDepth)
	}
	if d := depth(life(8, 100)); d < time.Hour {
		t.Errorf("timeShiftBufferDepth %v with everything listed", d)
	}
	if d := depth(life(15, 6)); d > 2*time.Minute {
		t.Errorf("timeShiftBufferDepth %v with six segments listed", d)
	}
}

// checkObjects expands a timeline as a player does and compares it with the View.
func checkObjects(t *testing.T, v *media.View, rep *mpd.RepresentationType) {
	t.Helper()
	r := v.Find(rep.Id)
	template := rep.SegmentTemplate
	number, at := uint64(*template.StartNumber), uint64(0)
	for _, s := range template.SegmentTimeline.S {
		if s.T != nil {
			at = *s.T
		}
		for range s.R + 1 {
			seg := r.Segment(number)
			name := strings.NewReplacer("$RepresentationID$", rep.Id, "$Number$", strconv.FormatUint(number, 10)).Replace(template.Media)
			if seg == nil || seg.Gap || seg.Start != int64(at) || seg.Duration != int64(s.D) {
				t.Fatalf("%s at %d for %d, the View has %+v", name, at, s.D, seg)
			}
			if ref, ok := media.ParseName(name); !ok || ref.Number != number || ref.Epoch != seg.Epoch || ref.Kind != media.ObjectSegment {
				t.Fatalf("%s names %+v, %v", name, ref, ok)
			}
			at += s.D
			number++
		}
	}
	if ref, ok := media.ParseName(template.Initialization); !ok || r.Init(ref.Epoch) == nil {
		t.Fatalf("initialization %s is not in the View", template.Initialization)
	}
}

// TestInStep checks that one presentation time means the same in all tracks: presentationTimeOffset is Period@start.
func TestInStep(t *testing.T) {
	recorded := life(15, 13)
	recorded.Ended = true
	for name, text := range map[string][]byte{"live": render(t, dash.NewWriter(), life(15, 13)), "recorded": render(t, dash.NewWriter(), recorded)} {
		for _, p := range parse(t, text).Periods {
			var offsets []float64
			for _, set := range p.AdaptationSets {
				x := set.Representations[0].SegmentTemplate
				var pto uint64
				if x.PresentationTimeOffset != nil {
					pto = *x.PresentationTimeOffset
				}
				offsets = append(offsets, float64(pto)/float64(*x.Timescale))
				if early := float64(pto)/float64(*x.Timescale) - float64(*x.SegmentTimeline.S[0].T)/float64(*x.Timescale); name == "recorded" && early > 0.022 {
					t.Errorf("%s, Period %s: %s begins %.3f s before the Period", name, p.Id, set.ContentType, early)
				}
			}
			if d := offsets[0] - offsets[1]; d > 0.0001 || d < -0.0001 {
				t.Errorf("%s, Period %s: offsets are %v", name, p.Id, offsets)
			}
		}
	}
}

// TestEnd checks what happens to a live MPD when its presentation ends, and to the recording of it.
func TestEnd(t *testing.T) {
	w := dash.NewWriter()
	before := parse(t, render(t, w, life(15, 100)))
	v := life(15, 100)
	v.Ended = true
	after := parse(t, render(t, w, v))
	if after.GetType() != "static" || after.MinimumUpdatePeriod != nil || after.MediaPresentationDuration == nil {
		t.Errorf("ended as %s, update period %v, duration %v", after.GetType(), after.MinimumUpdatePeriod, after.MediaPresentationDuration)
	}
	for i, p := range after.Periods {
		if *p.Start != *before.Periods[i].Start {
			t.Errorf("Period %s moved from %v to %v", p.Id, before.Periods[i].Start, p.Start)
		}
	}
	recorded := parse(t, render(t, dash.NewWriter(), v))
	var end time.Duration
	for _, p := range recorded.Periods {
		if time.Duration(*p.Start) != end {
			t.Errorf("Period %s of the recording starts at %v, the one before ends at %v", p.Id, p.Start, end)
		}
		end += time.Duration(*p.Duration)
	}
	if time.Duration(*recorded.MediaPresentationDuration) != end {
		t.Errorf("the recording lasts %v, its Periods %v", recorded.MediaPresentationDuration, end)
	}
}

// BenchmarkDay renders a day of two-second segments after each new one.
func BenchmarkDay(b *testing.B) {
	v := life(1, 1)
	for i := range v.Renditions {
		r := &v.Renditions[i]
		one := r.Segments[0]
		r.Segments = nil
		at := int64(0)
		for n := range uint64(43_200) {
			one.Number, one.Start, one.First = n, at, n == 0
			if r.Kind == media.Audio {
				one.Duration = 94 * audioFrame
				if n%4 == 3 {
					one.Duration = 93 * audioFrame
				}
			}
			at += one.Duration
			r.Segments = append(r.Segments, one)
		}
	}
	w := dash.NewWriter()
	for n := 0; b.Loop(); n++ {
		r := &v.Renditions[0]
		r.Segments = r.Segments[:43_000+n%200]
		if _, err := w.Render(v); err != nil {
			b.Fatal(err)
		}
	}
}

// TestPeriodBeforeOutage: a live Period ends a little before its media when an outage follows, so that players who have stood
// through it are behind its end; not where they play on without noticing, nor once the presentation has ended.
func TestPeriodBeforeOutage(t *testing.T) {
	const length = (perRange - 1) * 2 * time.Second
	for _, c := range []struct {
		hole  time.Duration
		ended bool
		want  time.Duration
	}{
		{0, false, -1}, {100 * time.Millisecond, false, length}, {5 * time.Second, false, length - 250*time.Millisecond}, {5 * time.Second, true, length},
	} {
		v := life(perRange+2, 100)
		earlier := outage + 2*time.Second - c.hole // life has a gap of two seconds as well
		v.Ranges[1].Start -= earlier
		for i := range v.Renditions {
			r := &v.Renditions[i]
			for k := perRange; k < len(r.Segments); k++ {
				r.Segments[k].Start -= media.Ticks(earlier, r.Timescale)
			}
		}
		w := dash.NewWriter()
		m := parse(t, render(t, w, v))
		if v.Ended = c.ended; c.ended {
			v.Revision++
			m = parse(t, render(t, w, v))
		}
		got := time.Duration(-1)
		if d := m.Periods[0].Duration; d != nil {
			got = time.Duration(*d)
		}
		if got != c.want {
			t.Errorf("before a hole of %v, ended %v: Period@duration %v, want %v", c.hole, c.ended, got, c.want)
		}
	}
}
