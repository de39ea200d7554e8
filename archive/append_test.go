package archive_test

import (
	"runtime"
	"testing"
	"time"

	"headwater.stream/archive"
	"headwater.stream/archive/fsstore"
	"headwater.stream/archive/storetest"
	"headwater.stream/internal/media"
)

// BenchmarkAppend is what a segment of 2 s costs: its bytes and its record in the spool (ten parts of 150 kB, 6 Mbit/s), and
// in a recording, to which they are linked. B/segment is the memory that is kept for each.
func BenchmarkAppend(b *testing.B) {
	store, err := fsstore.New(b.TempDir(), fsstore.Options{Sync: time.Second})
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	open := func(name string) archive.Dir {
		d, err := store.Open(name)
		if err != nil {
			b.Fatal(err)
		}
		h := storetest.Header()
		h.Renditions = h.Renditions[:1]
		if err := d.SaveHeader(h); err != nil {
			b.Fatal(err)
		}
		return d
	}
	spool, recording := open("spool"), open("recording")
	defer spool.Close()
	defer recording.Close()
	part := make([]byte, 150_000)
	segment := func(n int) media.Segment {
		return media.Segment{Number: uint64(n) + 1, Epoch: 100, Init: 100, Start: int64(n) * 2000, Duration: 2000}
	}
	written := 0
	write := func() {
		s := segment(written)
		for range 10 {
			if err := spool.Append("v1", s, s.Size, part); err != nil {
				b.Fatal(err)
			}
			s.Size += uint32(len(part))
		}
		if err := spool.Seal("v1", s); err != nil {
			b.Fatal(err)
		}
		written++
	}
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	b.Run("spool", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(10 * int64(len(part)))
		for b.Loop() {
			write()
			if written%32 == 0 { // a spool has a window
				if err := spool.Drop("v1", uint64(written)-16); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
	b.Run("recording", func(b *testing.B) {
		b.ReportAllocs()
		write()
		last := segment(written - 1)
		last.Size = 10 * uint32(len(part))
		source := media.Ref{Rendition: "v1", Kind: media.ObjectSegment, Epoch: last.Epoch, Number: last.Number}.Name()
		before, n := heap(), 0
		for b.Loop() {
			s := segment(n)
			s.Size = last.Size
			if err := recording.Link(as{spool.(*fsstore.Dir), source}, "v1", s); err != nil {
				b.Fatal(err)
			}
			if err := recording.Seal("v1", s); err != nil {
				b.Fatal(err)
			}
			n++
		}
		b.ReportMetric(float64(int64(heap())-int64(before))/float64(n), "B/segment")
	})
}

// as is a spool all of whose segments are one file.
type as struct {
	*fsstore.Dir
	file string
}

// Path returns the path of that file.
func (a as) Path(string) string { return a.Dir.Path(a.file) }
