package timeline_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"headwater.stream/archive"
	"headwater.stream/archive/fsstore"
	"headwater.stream/archive/storetest"
	"headwater.stream/internal/media"
	"headwater.stream/internal/timeline"
)

// TestPowerLoss goes on from what was on the disk at the last sync, after another start of the machine: no number that
// was announced comes again, and what had been synced is served.
func TestPowerLoss(t *testing.T) {
	base := t.TempDir()
	on := func(path, boot string) archive.Dir {
		t.Helper()
		s, err := fsstore.New(path, fsstore.Options{Sync: time.Hour, Boot: boot})
		check(t, err)
		d, err := s.Open("spool")
		check(t, err)
		t.Cleanup(func() { d.Close(); s.Close() })
		return d
	}
	tl := open(t, on(filepath.Join(base, "a"), "first"), timeline.Options{})
	at := feed(t, tl, begin(t, tl, "1", 0), 3, true)
	before := everything(t, tl, tl.View())
	check(t, os.CopyFS(filepath.Join(base, "b"), os.DirFS(filepath.Join(base, "a")))) // all that will be left
	feed(t, tl, at, 3, false)
	announced := tl.View().Renditions[0].Open.Number
	tl.Abandon()
	tl = open(t, on(filepath.Join(base, "b"), "second"), timeline.Options{})
	same(t, before, tl)
	begin(t, tl, "1", 0)
	check(t, tl.Part(0, storetest.Part(t, 100_000, 2, "after"), false))
	if n := tl.View().Renditions[0].Open.Number; n <= announced {
		t.Errorf("goes on with segment %d after %d was announced", n, announced)
	}
	for _, r := range tl.View().Renditions {
		for i, s := range r.Segments {
			if s.Number != r.Segments[0].Number+uint64(i) {
				t.Fatalf("%s: segment %d is number %d", r.Name, i, s.Number)
			}
		}
	}
	check(t, tl.Close())
}

// TestPowerLossCuts: the power is lost in the middle of the third segment, and the disk has of the last two not what was
// announced. What it has is served under names that were never used; a name that is served stands for the bytes it stood for.
func TestPowerLossCuts(t *testing.T) {
	v2, v3, a3 := "v1/seg-1795608000-1.m4s", "v1/seg-1795608000-2.m4s", "a1/seg-1795608000-2.m4s"
	part := len(storetest.Part(t, 0, 2, "payload").Body)
	record := archive.RecordSize
	for _, c := range []struct {
		name string
		cut  map[string]int // how many bytes of each file are lost; more than it has: the file
		zero string         // a file whose last page is empty
		kept [2]int         // parts of each rendition that are served, of 25
		same int            // segments that keep their names
	}{
		{"nothing is lost", nil, "", [2]int{25, 25}, 2},
		{"the open segment is cut", map[string]int{v3: part, a3: 2*part + 5}, "", [2]int{24, 22}, 2},
		{"the open segment is gone", map[string]int{v3: 1 << 20, a3: 1 << 20}, "", [2]int{20, 20}, 2},
		{"of one rendition only", map[string]int{v3: 1 << 20}, "", [2]int{20, 25}, 2},
		{"records are lost", map[string]int{"v1/index.hwx": record, "a1/index.hwx": record}, "", [2]int{25, 25}, 1},
		{"records are lost and bytes", map[string]int{"v1/index.hwx": record, "a1/index.hwx": record, v2: part, v3: 3 * part}, "", [2]int{21, 25}, 1},
		{"a record is there and not its bytes", map[string]int{v2: 3 * part, v3: 1 << 20, a3: 1 << 20}, "", [2]int{17, 20}, 1},
		{"the record of one rendition is lost", map[string]int{"a1/index.hwx": record}, "", [2]int{25, 25}, 1},
		{"all records are lost", map[string]int{"v1/index.hwx": 2 * record, "a1/index.hwx": 2 * record}, "", [2]int{25, 25}, 0},
		{"a page is empty", nil, v3, [2]int{21, 25}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			base := t.TempDir()
			on := func(boot string) archive.Dir {
				t.Helper()
				s, err := fsstore.New(base, fsstore.Options{Sync: time.Hour, Boot: boot})
				check(t, err)
				d, err := s.Open("spool")
				check(t, err)
				t.Cleanup(func() { d.Close(); s.Close() })
				return d
			}
			now := timeline.Options{Now: func() time.Time { return anchor.Add(20 * time.Second) }}
			tl := open(t, on("first"), now)
			feed(t, tl, begin(t, tl, "1", 0), 2, true)
			at := int64(4000)
			for i := range 5 {
				for r := range 2 {
					p := storetest.Part(t, at, 2, "payload")
					if i == 1 && r == 0 && c.zero != "" {
						p = storetest.Part(t, at, 2, string(make([]byte, 10_000)))
					}
					check(t, tl.Part(r, p, false))
				}
				at += 200
			}
			before := everything(t, tl, tl.View())
			announced := tl.View().Renditions[0].Open.Number
			tl.Abandon()
			for file, n := range c.cut {
				name := filepath.Join(base, "spool", file)
				st, err := os.Stat(name)
				check(t, err)
				if int64(n) > st.Size() {
					check(t, os.Remove(name))
				} else {
					check(t, os.Truncate(name, st.Size()-int64(n)))
				}
			}
			for again, boot := range []string{"second", "third"} { // the power is lost again before anything comes
				tl = open(t, on(boot), now)
				v := tl.View()
				for name, b := range everything(t, tl, v) {
					if was, ok := before[name]; ok && !bytes.Equal(b, was) {
						t.Errorf("%s has %d bytes now, %d before", name, len(b), len(was))
					}
				}
				for i, r := range v.Renditions {
					parts, same := 0, 0
					for k, s := range r.Segments {
						if s.Number != uint64(k) || k > 0 && !s.Gap && s.Start < r.Segments[k-1].End() {
							t.Errorf("%s: segment %d is %+v", r.Name, k, s)
						}
						if s.Gap {
							continue
						}
						parts += int(media.Duration(s.Duration, r.Timescale) / (200 * time.Millisecond))
						if _, ok := before[media.Ref{Rendition: r.Name, Kind: media.ObjectSegment, Epoch: s.Epoch, Number: s.Number}.Name()]; ok {
							same++
						}
					}
					if parts != c.kept[i] || again == 0 && same != c.same {
						t.Errorf("%s: %d parts and %d names are left, want %d and %d", r.Name, parts, same, c.kept[i], c.same)
					}
					if s := r.Segments[len(r.Segments)-1]; r.Time(s.End()) > 20*time.Second+time.Second {
						t.Errorf("%s: gaps go to %v", r.Name, r.Time(s.End()))
					}
				}
				tl.Abandon()
			}
			tl = open(t, on("third"), now)
			begin(t, tl, "1", 0)
			check(t, tl.Part(0, storetest.Part(t, 100_000, 2, "after"), false))
			if n := tl.View().Renditions[0].Open.Number; n <= announced {
				t.Errorf("goes on with segment %d after %d was announced", n, announced)
			}
			check(t, tl.Close())
		})
	}
}
