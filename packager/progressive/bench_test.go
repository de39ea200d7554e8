package progressive_test

import (
	"testing"

	"headwater.stream/internal/media"
	"headwater.stream/packager/progressive"
)

// BenchmarkNew lays out an hour: 1800 segments of ten chunks in two renditions, 18000 moof boxes each.
func BenchmarkNew(b *testing.B) {
	r := &recording{view: media.View{Ended: true}, objects: map[media.Ref][]byte{}}
	var segment []byte
	for range 5 { // two chunks each
		segment = append(segment, chunks(b, "a1", 0, 0)...)
	}
	for i, name := range []string{"a1", "a2"} {
		r.rendition(b, name, aac(48000))
		m := &r.view.Renditions[i]
		for n := range uint64(1800) {
			m.Segments = append(m.Segments, media.Segment{Number: n, Epoch: 1, Init: 1, Size: uint32(len(segment))})
			r.objects[media.Ref{Rendition: name, Kind: media.ObjectSegment, Epoch: 1, Number: n}] = segment
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		f, err := progressive.New(b.Context(), &r.view, r, nil)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(f.Memory()), "bytes/file")
	}
}
