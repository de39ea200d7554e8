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

// TestTornEvents: what a crash left half written at the end is no event, and what is damaged hides nothing else.
func TestTornEvents(t *testing.T) {
	b := []byte(archive.EventsHeader)
	ends := []int{len(b)}
	for i := range 3 {
		var err error
		if b, err = archive.AppendEvent(b, media.Event{ID: fmt.Sprint(i), Data: []byte("data")}); err != nil {
			t.Fatal(err)
		}
		ends = append(ends, len(b))
	}
	for n := range len(b) + 1 {
		lines := 0
		for lines < 4 && ends[lines] <= n {
			lines++
		}
		list, size, damaged := archive.ParseEvents(b[:n])
		if len(list) != max(0, lines-1) || damaged != 0 || lines > 0 && size != int64(ends[lines-1]) || lines == 0 && size != 0 {
			t.Fatalf("%d bytes: %d events, size %d, %d damaged", n, len(list), size, damaged)
		}
	}
	for i := range ends {
		bad := append([]byte(nil), b...)
		bad[ends[i]-5] ^= 1
		want := 2
		if i == 0 { // the header
			want = 3
		}
		if list, size, damaged := archive.ParseEvents(bad); len(list) != want || size != int64(len(b)) || damaged != 1 {
			t.Errorf("line %d damaged: %d events, size %d, %d damaged", i, len(list), size, damaged)
		}
	}
}
