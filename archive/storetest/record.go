package storetest

import (
	"fmt"
	"testing"
	"time"

	"headwater.stream/archive"
	"headwater.stream/internal/media"
)

// Record writes a recording that has not ended: so many segments of 400 ms in both renditions, the fourth a gap.
func Record(t testing.TB, d archive.Dir, segments int) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(d.SaveHeader(Header()))
	must(d.SaveInfo(archive.Info{ManifestName: "show", First: 1}))
	for n := range segments {
		for _, r := range []string{"v1", "a1"} {
			s := media.Segment{Number: uint64(n) + 1, Epoch: 100, Init: 100, Start: int64(n) * 400, First: n == 0}
			if n == 3 {
				s.Gap, s.Duration = true, 400
				must(d.Seal(r, s))
				continue
			}
			for k := range int64(2) {
				p := Part(t, s.Start+k*200, 2, fmt.Sprintf("%s %d %d", r, n, k))
				must(d.Append(r, s, s.Size, p.Body))
				s.Size, s.Duration = s.Size+p.Size, s.Duration+p.Duration
			}
			must(d.Seal(r, s))
		}
	}
	e := media.Event{Scheme: "urn:x", Start: 500 * time.Millisecond, Data: []byte("message")}
	e.SetID()
	must(d.SaveEvents([]media.Event{e}))
}
