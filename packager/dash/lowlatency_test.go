package dash_test

import (
	"strings"
	"testing"
	"time"

	"headwater.stream/internal/media"
	"headwater.stream/packager/dash"
)

const partTarget = 210 * time.Millisecond

// making is life after n segments with the next one made up to so far of its two seconds, in parts.
func making(n int, so time.Duration) *media.View {
	v := life(n, 100)
	v.PartTarget = partTarget
	v.Revision += uint64(so / time.Millisecond)
	for i := range v.Renditions {
		r := &v.Renditions[i]
		r.Inits[len(r.Inits)-1].Track.FrameSamples = audioFrame
		last := r.Segments[len(r.Segments)-1]
		if last.Gap || so == 0 {
			continue
		}
		r.Open = &media.Segment{Number: last.Number + 1, Start: last.End(), Duration: media.Ticks(so, r.Timescale), Size: 1, Epoch: last.Epoch, Init: last.Init, Disc: last.Disc}
	}
	return v
}

// TestPlan: the segment being made is listed with the duration that it is going to have, to the tick, in all tracks.
func TestPlan(t *testing.T) {
	w := dash.NewWriter()
	for n := 1; n < 40; n++ {
		v := making(n, 0)
		sealed := string(render(t, w, v))
		v = making(n, 400*time.Millisecond)
		if v.Renditions[0].Open == nil {
			continue
		}
		open := render(t, w, v)
		if again := render(t, w, making(n, 800*time.Millisecond)); &again[0] != &open[0] {
			t.Fatalf("%d segments: the next part changes the MPD", n)
		}
		if sealed == string(open) {
			t.Fatalf("%d segments: the open one is not listed", n)
		}
		if n%perRange == perRange-1 {
			continue // life makes a gap of it
		}
		next := making(n+1, 0)
		checkObjects(t, next, parse(t, open).Periods[n/perRange].AdaptationSets[0].Representations[0])
		checkObjects(t, next, parse(t, open).Periods[n/perRange].AdaptationSets[1].Representations[0])
		if same := render(t, w, next); &same[0] != &open[0] {
			t.Fatalf("%d segments: what came as planned changes the MPD from\n%s\nto\n%s", n, open, same)
		}
	}
}

// TestPlanWrong: a segment that gets another duration than planned is listed with the true one; the next is planned as long
// as most are.
func TestPlanWrong(t *testing.T) {
	w := dash.NewWriter()
	if text := string(render(t, w, making(3, time.Second))); !strings.Contains(text, `<S t="0" d="240000" r="3"/>`) {
		t.Fatalf("planned:\n%s", text)
	}
	v := making(4, 0)
	for i := range v.Renditions {
		r := &v.Renditions[i]
		r.Segments[3].Duration /= 2
		r.Open = &media.Segment{Number: 4, Start: r.Segments[3].End(), Duration: 1, Size: 1, Epoch: epoch0, Init: epoch0}
	}
	if text := string(render(t, w, v)); !strings.Contains(text, `<S t="0" d="240000" r="2"/><S d="120000"/><S d="240000"/>`) {
		t.Errorf("after a short one:\n%s", text)
	}
}

// TestNoPlan: what nothing is known of is not listed.
func TestNoPlan(t *testing.T) {
	for name, change := range map[string]func(*media.View){
		"no parts":        func(v *media.View) { v.PartTarget = 0 },
		"the end":         func(v *media.View) { v.Ended = true },
		"the first range": func(v *media.View) { v.Renditions[0].Open.Epoch++ },
		"after a gap":     func(v *media.View) { v.Renditions[0].Segments[2].Gap = true },
		"a hole":          func(v *media.View) { v.Renditions[0].Open.Number++ },
	} {
		v := making(3, time.Second)
		change(v)
		m := parse(t, render(t, dash.NewWriter(), v))
		for _, set := range m.Periods[0].AdaptationSets {
			n := 0
			for _, s := range set.Representations[0].SegmentTemplate.SegmentTimeline.S {
				n += int(s.R) + 1
			}
			if n > 3 {
				t.Errorf("%s: %d segments of %s listed", name, n, set.ContentType)
			}
		}
	}
}

// TestLowLatency checks what only a low-latency MPD says, and that others do not say it.
func TestLowLatency(t *testing.T) {
	m := parse(t, render(t, dash.NewWriter(), making(8, time.Second)))
	latency := m.ServiceDescription[0].Latencies[0]
	if d := time.Duration(*m.SuggestedPresentationDelay); d != time.Duration(*latency.Target)*time.Millisecond || *latency.Min > *latency.Target || *latency.Max < *latency.Target {
		t.Errorf("suggestedPresentationDelay %v, Latency %+v", d, latency)
	}
	offset := -1.0
	for _, p := range m.Periods {
		for _, set := range p.AdaptationSets {
			prt, resync := set.ProducerReferenceTimes[0], set.Resyncs[0]
			if prt.Id != *set.Id || prt.WallClockTime != string(m.AvailabilityStartTime) || prt.PresentationTime != 0 || prt.UTCTiming == nil {
				t.Errorf("Period %s, %s: %+v", p.Id, set.ContentType, prt)
			}
			template := set.Representations[0].SegmentTemplate
			if d := time.Duration(*resync.DT) * time.Second / time.Duration(*template.Timescale); d != partTarget {
				t.Errorf("Period %s, %s: Resync %v", p.Id, set.ContentType, d)
			}
			got := float64(template.AvailabilityTimeOffset)
			if template.AvailabilityTimeComplete == nil || *template.AvailabilityTimeComplete || got <= 0 || got >= 2 {
				t.Errorf("Period %s, %s: availabilityTimeOffset %v", p.Id, set.ContentType, got)
			}
			if p == m.Periods[len(m.Periods)-1] {
				if offset >= 0 && got != offset {
					t.Errorf("availabilityTimeOffset %v and %v", offset, got)
				}
				offset = got
			}
		}
	}
	if latency.ReferenceId != m.Periods[0].AdaptationSets[0].ProducerReferenceTimes[0].Id {
		t.Errorf("Latency refers to %d", latency.ReferenceId)
	}
	ended := making(8, 0)
	ended.Ended = true
	for _, v := range []*media.View{life(8, 100), ended} {
		text := string(render(t, dash.NewWriter(), v))
		for _, word := range []string{"ServiceDescription", "ProducerReferenceTime", "Resync", "availabilityTime", "Leap", "low-latency"} {
			if strings.Contains(strings.ReplaceAll(text, "availabilityTimeStart", ""), word) {
				t.Errorf("%s in\n%s", word, text)
			}
		}
	}
}

// TestBeginning: the first segment of a new range is listed as soon as all tracks have begun it, as long as most before it, so
// that viewers who stood through an outage learn of the range at once. Its Period and AdaptationSets do not change any more.
func TestBeginning(t *testing.T) {
	begin := func(tracks int) *media.View {
		v, next := making(perRange, 0), life(perRange+1, 100)
		for i := range tracks {
			r, first := &v.Renditions[i], next.Renditions[i].Segments[perRange]
			r.Inits = next.Renditions[i].Inits
			for k := range r.Inits {
				r.Inits[k].Track.FrameSamples = audioFrame
			}
			r.Segments[perRange-2].Duration /= 3 // cut short when the encoder left
			first.Duration = media.Ticks(partTarget, r.Timescale)
			r.Open = &first
		}
		v.Revision, v.Ranges = v.Revision+uint64(tracks), next.Ranges
		return v
	}
	w := dash.NewWriter()
	if n := len(parse(t, render(t, w, begin(1))).Periods); n != 1 {
		t.Fatalf("%d Periods before the sound is there", n)
	}
	m := parse(t, render(t, w, begin(2)))
	if len(m.Periods) != 2 {
		t.Fatalf("%d Periods after a range began", len(m.Periods))
	}
	checkObjects(t, life(perRange+1, 100), m.Periods[1].AdaptationSets[0].Representations[0])
	checkObjects(t, life(perRange+1, 100), m.Periods[1].AdaptationSets[1].Representations[0])
	later := parse(t, render(t, w, making(perRange+1, time.Second))).Periods[1]
	if *later.Start != *m.Periods[1].Start || len(later.AdaptationSets) != 2 || later.Id != m.Periods[1].Id {
		t.Errorf("Period %s at %v became %s at %v", m.Periods[1].Id, *m.Periods[1].Start, later.Id, *later.Start)
	}
}
