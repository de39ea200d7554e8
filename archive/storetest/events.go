package storetest

import (
	"fmt"
	"testing"
	"time"

	"headwater.stream/internal/media"
)

// testEvents appends events, forgets old ones and finds the rest after a restart.
func testEvents(t *testing.T, open opener) {
	d := open(t, "events")
	check(t, d.SaveHeader(Header()))
	var list []media.Event
	kept := func() []media.Event { return list[max(0, len(list)-100):] }
	for n := range 3000 { // enough for the file to be written again
		e := media.Event{ID: fmt.Sprint(n), Scheme: "urn:x", Start: time.Duration(n) * time.Second, Data: []byte{byte(n)}, Seen: time.Duration(n)}
		switch n % 3 {
		case 1:
			e.Splice, e.SpliceID, e.Cue, e.Value = media.SpliceOut, 7, "cue\n\"x\"", "v"
		case 2:
			e.Splice, e.Closes, e.Opened, e.Data = media.SpliceIn, fmt.Sprint(n-1), time.Duration(n-1)*time.Second, nil
		}
		list = append(list, e)
		if n%500 != 7 { // the next call brings this one too
			check(t, d.SaveEvents(kept()))
		}
		if n%997 == 500 {
			check(t, d.Close())
			d = open(t, "events")
			st, ok, err := d.Load()
			if !ok || err != nil {
				t.Fatalf("Load: %v, %v", ok, err)
			}
			if got := len(st.Events); got < min(100, n) || got > 100+2000 {
				t.Fatalf("%d events after %d", got, n)
			}
			equal(t, "events", st.Events, list[len(list)-len(st.Events):])
		}
	}
	check(t, d.Close())
}
