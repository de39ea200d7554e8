package timeline_test

import (
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"headwater.stream/internal/media"
	"headwater.stream/internal/timeline"
)

func event(start time.Duration, cue string, splice media.Splice) media.Event {
	e := media.Event{Scheme: media.SchemeSCTE35, Start: start, Cue: cue, Data: []byte(cue), Splice: splice, SpliceID: 7}
	e.SetID()
	return e
}

// TestEvents: an event is in the View at once, known again when it comes again, still there after a crash, and gone long
// after what it concerns.
func TestEvents(t *testing.T) {
	spool := store(t)
	tl := open(t, spool(), timeline.Options{Window: 20 * time.Second})
	start := begin(t, tl, "x", 0)
	at := feed(t, tl, start, 2, true)
	give := func(e media.Event, want bool) {
		t.Helper()
		if taken, err := tl.Event(e); taken != want || err != nil {
			t.Fatalf("event at %v: %v, %v, want %v", e.Start, taken, err, want)
		}
	}
	before := tl.View()
	give(event(6*time.Second, "out", media.SpliceOut), true)
	give(event(6*time.Second, "out", media.SpliceOut), false)
	give(event(7*time.Second, "cmd", media.SpliceCommand), true)
	give(event(9*time.Second, "in", media.SpliceIn), true)
	give(event(10*time.Second, "in again", media.SpliceIn), true)
	v := tl.View()
	if len(before.Events) != 0 || len(v.Events) != 4 || v.Revision <= before.Revision {
		t.Fatalf("%d events, were %d", len(v.Events), len(before.Events))
	}
	out, in, again := v.Events[0], v.Events[2], v.Events[3]
	if out.Seen != at || in.Closes != out.ID || in.Opened != out.Start || again.Closes != "" {
		t.Errorf("out %+v\nin %+v\nagain %+v", out, in, again)
	}
	// No Close: what was announced was in the spool before.
	after := open(t, spool(), timeline.Options{Window: 20 * time.Second})
	if got := after.View().Events; !reflect.DeepEqual(got, v.Events) {
		t.Errorf("after a crash: %+v", got)
	}
	if taken, err := after.Event(event(6*time.Second, "out", media.SpliceOut)); taken || err != nil {
		t.Errorf("after a crash it is taken again: %v", err)
	}
	check(t, after.Close())
	feed(t, tl, at, 80, true)
	if got := tl.View().Events; len(got) != 0 {
		t.Errorf("%d events of minutes ago", len(got))
	}
	check(t, tl.Close())
	if _, err := tl.Event(out); err == nil {
		t.Error("a closed timeline takes events")
	}
}

// TestEventsAreBounded: neither their number nor their size grows beyond the bounds.
func TestEventsAreBounded(t *testing.T) {
	for name, size := range map[string]int{"many": 1, "large": media.MaxEventMessage} {
		tl := open(t, store(t)(), timeline.Options{})
		begin(t, tl, "x", 0)
		taken := 0
		for i := range media.MaxEvents + 10 {
			e := event(time.Duration(i)*time.Second, fmt.Sprint(i), media.SpliceCommand)
			e.Data = make([]byte, size)
			ok, err := tl.Event(e)
			check(t, err)
			if ok {
				taken++
			}
		}
		if want := min(media.MaxEvents, media.MaxEventBytes/size); taken != want || len(tl.View().Events) != want {
			t.Errorf("%s: %d events taken, %d listed, want %d", name, taken, len(tl.View().Events), want)
		}
		check(t, tl.Close())
	}
}

// TestEventEnds: a break lasts until what ends it, and one without a known end does not end by itself soon.
func TestEventEnds(t *testing.T) {
	const s = time.Second
	list := []media.Event{
		{ID: "open", Splice: media.SpliceOut, Start: 10 * s},
		{ID: "planned", Splice: media.SpliceOut, Start: 20 * s, Duration: 30 * s},
		{ID: "plain", Start: 25 * s, Duration: 2 * s},
		{ID: "in", Splice: media.SpliceIn, Start: 40 * s, Closes: "open"},
		{ID: "late", Splice: media.SpliceIn, Start: 55 * s, Closes: "planned"},
		{ID: "never", Splice: media.SpliceOut, Start: 60 * s},
	}
	want := []time.Duration{40 * s, 55 * s, 27 * s, 40 * s, 55 * s, 60*s + time.Hour}
	if got := media.EventEnds(list); !reflect.DeepEqual(got, want) {
		t.Errorf("ends %v, want %v", got, want)
	}
	for floor, n := range map[time.Duration]int{0: 6, 41 * s: 5, 56 * s: 1, 3000 * s: 1, 4000 * s: 0} {
		if got := media.PruneEvents(list, floor); len(got) != n {
			t.Errorf("from %v on %d events are kept, want %d", floor, len(got), n)
		}
	}
}

// TestEventsAfterADiskFailure: an event that the disk refused is stored once it takes it, though no other comes.
func TestEventsAfterADiskFailure(t *testing.T) {
	again := store(t)
	spool := &slowSpool{Dir: again()}
	tl := open(t, spool, timeline.Options{})
	at := feed(t, tl, begin(t, tl, "1", 0), 1, true)
	spool.set(nil, errors.New("no space left on device"))
	e := event(at, "cue", media.SpliceCommand)
	if taken, err := tl.Event(e); !taken || err != nil || !tl.Health().Degraded {
		t.Fatalf("taken %v, %v, %+v", taken, err, tl.Health())
	}
	spool.set(nil, nil)
	feed(t, tl, at, 1, true)
	check(t, tl.Close())
	tl = open(t, again(), timeline.Options{})
	if got := tl.View().Events; len(got) != 1 || got[0].ID != e.ID {
		t.Errorf("after a restart: %+v", got)
	}
	check(t, tl.Close())
}
