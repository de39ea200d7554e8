package archive_test

import (
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"headwater.stream/archive"
	"headwater.stream/internal/media"
)

// TestEventsAreRecorded: a recording has the events of its time, through a restart, and its replay too.
func TestEventsAreRecorded(t *testing.T) {
	var static *media.View
	r := newRig(t, archive.RecorderOptions{Manifests: func(v *media.View) (map[string][]byte, error) {
		static = v
		return nil, nil
	}})
	defer r.close()
	r.begin()
	give := func(cue string) {
		e := media.Event{Scheme: media.SchemeSimple, Start: time.Duration(r.at) * time.Millisecond, Cue: cue}
		e.SetID()
		if taken, err := r.tl.Event(e); !taken || err != nil {
			t.Fatalf("event %s: %v, %v", cue, taken, err)
		}
	}
	give("long before")
	r.feed(1000)
	r.record()
	give("one")
	r.feed(30)
	give("two")
	r.feed(30)
	r.written(r.tl.View().Renditions[0].Segments[0].Number)
	r.stop()
	if err := errors.Join(<-r.done, r.dir.Close()); err != nil {
		t.Fatal(err)
	}
	r.close()
	r.openTimeline()
	r.record()
	give("three")
	r.begin()
	r.feed(30)
	if got := cues(r.rec.View()); !reflect.DeepEqual(got, []string{"one", "two", "three"}) {
		t.Errorf("live %v", got)
	}
	a := r.finish()
	for name, v := range map[string]*media.View{"replay": a.View(), "static": static} {
		if got := cues(v); !reflect.DeepEqual(got, []string{"one", "two", "three"}) {
			t.Errorf("%s %v", name, got)
		}
	}
}

func cues(v *media.View) (list []string) {
	for _, e := range v.Events {
		list = append(list, e.Cue)
	}
	return list
}

// TestTornEvents: what a crash left half written at the end is no event, and what is damaged hides nothing before it.
func TestTornEvents(t *testing.T) {
	b := []byte(archive.EventsHeader)
	var ends []int
	for i := range 3 {
		var err error
		if b, err = archive.AppendEvent(b, media.Event{ID: fmt.Sprint(i), Data: []byte("data")}); err != nil {
			t.Fatal(err)
		}
		ends = append(ends, len(b))
	}
	for n := range len(b) + 1 {
		want := 0
		for want < 3 && ends[want] <= n {
			want++
		}
		list, size, err := archive.ParseEvents(b[:n])
		if err != nil || len(list) != want || want > 0 && size != int64(ends[want-1]) {
			t.Fatalf("%d bytes: %d events, size %d, %v; want %d", n, len(list), size, err, want)
		}
	}
	bad := append([]byte(nil), b...)
	bad[ends[1]-5] ^= 1
	if list, size, err := archive.ParseEvents(bad); err != nil || len(list) != 1 || size != int64(ends[0]) {
		t.Errorf("damaged: %d events, size %d, %v", len(list), size, err)
	}
	if _, _, err := archive.ParseEvents([]byte("headwater events 2\n")); err == nil {
		t.Error("version 2 is read")
	}
}
