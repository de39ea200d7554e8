package archive_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"headwater.stream/archive"
	"headwater.stream/archive/fsstore"
	"headwater.stream/archive/storetest"
	"headwater.stream/internal/media"
)

// daySegments is a day of segments of two seconds.
const daySegments = 43200

// day makes the index of a day in two renditions and returns its store.
func day(tb testing.TB) *fsstore.Store {
	tb.Helper()
	base := tb.TempDir()
	s, err := fsstore.New(base, fsstore.Options{Sync: time.Hour})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { s.Close() })
	d, err := s.Open("day")
	if err != nil {
		tb.Fatal(err)
	}
	h := storetest.Header()
	if err := d.SaveHeader(h); err != nil {
		tb.Fatal(err)
	}
	index := archive.IndexHeader(storetest.Scale)
	for n := range uint64(daySegments) {
		index = append(index, archive.SegmentRecord(media.Segment{Number: n + 1, Start: int64(n) * 2000, Duration: 2000, Size: 1 << 20, Epoch: 100, Init: 100}, h.Anchor, 0)...)
	}
	for _, r := range h.Renditions {
		if err := os.WriteFile(filepath.Join(base, "day", r.Name, "index.hwx"), index, 0o644); err != nil {
			tb.Fatal(err)
		}
	}
	if err := errors.Join(d.SaveInfo(archive.Info{First: 1, Ended: true}), d.Close()); err != nil {
		tb.Fatal(err)
	}
	return s
}

func openDay(tb testing.TB, s *fsstore.Store) *archive.Asset {
	tb.Helper()
	d, err := s.Open("day")
	if err != nil {
		tb.Fatal(err)
	}
	a, err := archive.OpenAsset(d, nil)
	if err != nil {
		tb.Fatal(err)
	}
	if n := len(a.View().Renditions[0].Segments); n != daySegments {
		tb.Fatal(n)
	}
	return a
}

// openBound is ten times what opening takes, for the race detector: BenchmarkOpen24h says what it is.
const openBound = 500 * time.Millisecond

// TestOpenDay: a day opens in no time and keeps less than 64 bytes per segment.
func TestOpenDay(t *testing.T) {
	s := day(t)
	best := time.Hour
	for range 10 {
		begun := processorTime(t)
		a := openDay(t, s)
		best = min(best, processorTime(t)-begun)
		a.Close()
	}
	if best >= openBound {
		t.Errorf("opening took %v", best)
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	a := openDay(t, s)
	runtime.GC()
	runtime.ReadMemStats(&after)
	if kept := int64(after.HeapAlloc) - int64(before.HeapAlloc); kept >= 64*2*daySegments {
		t.Errorf("%d bytes are kept, %d per segment", kept, kept/(2*daySegments))
	} else {
		t.Logf("%v, %.1f bytes per segment", best, float64(kept)/(2*daySegments))
	}
	a.Close()
}

// processorTime is what this process has used: others may have the processor now.
func processorTime(t *testing.T) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkOpen24h(b *testing.B) {
	s := day(b)
	b.ReportAllocs()
	for b.Loop() {
		openDay(b, s).Close()
	}
}
