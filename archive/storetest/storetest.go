// Package storetest is the conformance suite of archive.Store, and makes the media that tests store.
package storetest

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"testing"
	"time"

	"github.com/Eyevinn/mp4ff/bits"
	"github.com/Eyevinn/mp4ff/mp4"

	"headwater.stream/archive"
	"headwater.stream/internal/media"
	"headwater.stream/internal/timeline"
)

// Scale is the timescale of everything made here.
const Scale = 1000

// Part makes a part of samples of 100 ms that starts at start, with payload to tell it from others.
func Part(t testing.TB, start int64, samples int, payload string) media.Part {
	t.Helper()
	frag, err := mp4.CreateFragment(uint32(start/100)+1, 1)
	if err != nil {
		t.Fatal(err)
	}
	frag.Moof.Traf.Tfdt.SetBaseMediaDecodeTime(uint64(start))
	for i := range samples {
		flags := uint32(0x01010000)
		if i == 0 {
			flags = 0x02000000
		}
		frag.Moof.Traf.Trun.AddSample(mp4.Sample{Flags: flags, Dur: 100, Size: uint32(len(payload))})
		frag.Mdat.AddSampleDataPart([]byte(payload))
	}
	sw := bits.NewFixedSliceWriter(int(frag.Size()))
	if err := frag.EncodeSW(sw); err != nil {
		t.Fatal(err)
	}
	return media.Part{Start: start, Duration: int64(samples) * 100, Size: uint32(sw.Offset()), KeySize: uint32(sw.Offset() - (samples-1)*len(payload)), Independent: true, Body: sw.Bytes()}
}

// Header is a header with a video and an audio rendition.
func Header() timeline.Header {
	track := func(k media.Kind, codec string) media.Track {
		return media.Track{Kind: k, Codec: codec, Timescale: Scale}
	}
	return timeline.Header{
		Anchor: time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC), SegmentTarget: 3 * time.Second, PartTarget: 210 * time.Millisecond, Parts: true,
		Epoch: 100, Number: 1,
		Renditions: []timeline.HeaderRendition{
			{Name: "v1", Kind: media.Video, Timescale: Scale, Inits: []media.Init{{ID: 100, Track: track(media.Video, "avc1.64001f"), Body: []byte("init v")}}},
			{Name: "a1", Kind: media.Audio, Timescale: Scale, Inits: []media.Init{{ID: 100, Track: track(media.Audio, "mp4a.40.2"), Body: []byte("init a")}}},
		},
	}
}

// Run tests a Store. reopen returns a store on the bytes of the one before, as after a restart of the process.
func Run(t *testing.T, reopen func() archive.Store) {
	open := func(t *testing.T, name string) archive.Dir {
		t.Helper()
		d, err := reopen().Open(name)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	t.Run("names", func(t *testing.T) {
		for _, bad := range []string{"", ".", "..", "../x", "a/b", "A", "a\x00b", "-a"} {
			if _, err := reopen().Open(bad); err == nil {
				t.Errorf("name %q is taken", bad)
			}
			if err := reopen().Remove(bad); err == nil {
				t.Errorf("name %q is removed", bad)
			}
		}
	})
	t.Run("empty", func(t *testing.T) {
		d := open(t, "empty")
		if _, ok, err := d.Load(); ok || err != nil {
			t.Errorf("Load of a new directory: %v, %v", ok, err)
		}
		check(t, d.Close())
	})
	t.Run("segments", func(t *testing.T) { testSegments(t, open) })
	t.Run("crash", func(t *testing.T) { testCrash(t, open) })
	t.Run("drop", func(t *testing.T) { testDrop(t, open) })
	t.Run("inits", func(t *testing.T) { testInits(t, open) })
	t.Run("events", func(t *testing.T) { testEvents(t, open) })
	t.Run("link", func(t *testing.T) { testLink(t, open) })
	t.Run("remove", func(t *testing.T) {
		d := open(t, "gone")
		check(t, d.SaveHeader(Header()))
		check(t, d.Close())
		check(t, reopen().Remove("gone"))
		check(t, reopen().Remove("gone"))
		d = open(t, "gone")
		if _, ok, err := d.Load(); ok || err != nil {
			t.Errorf("Load after Remove: %v, %v", ok, err)
		}
		check(t, d.Close())
	})
}

type opener func(t *testing.T, name string) archive.Dir

// write appends parts as segment number of v1 and returns it, unsealed.
func write(t *testing.T, d archive.Dir, number uint64, parts ...media.Part) media.Segment {
	t.Helper()
	s := media.Segment{Number: number, Epoch: 100, Init: 100, Start: parts[0].Start, First: number == 1, KeySize: parts[0].KeySize}
	for _, p := range parts {
		check(t, d.Append("v1", s, s.Size, p.Body))
		s.Size += p.Size
		s.Duration += p.Duration
	}
	return s
}

func testSegments(t *testing.T, open opener) {
	d := open(t, "segments")
	check(t, d.SaveHeader(Header()))
	check(t, d.SaveInfo(archive.Info{ManifestName: "show", First: 1}))
	var want []media.Segment
	for n := range uint64(5) {
		s := write(t, d, n+1, Part(t, int64(n)*200, 2, "abc"))
		check(t, d.Seal("v1", s))
		want = append(want, s)
	}
	gap := media.Segment{Number: 6, Epoch: 100, Init: 100, Start: 1000, Duration: 200, Gap: true}
	check(t, d.Seal("v1", gap))
	want = append(want, gap)
	if err := d.Seal("v1", media.Segment{Number: 9, Gap: true}); err == nil {
		t.Error("a segment number was left out")
	}
	check(t, d.Close())
	d = open(t, "segments")
	st, ok, err := d.Load()
	if !ok || err != nil {
		t.Fatalf("Load: %v, %v", ok, err)
	}
	equal(t, "header", st.Header, Header())
	equal(t, "segments", st.Segments["v1"], want)
	equal(t, "info", d.Info(), archive.Info{ManifestName: "show", First: 1})
	equal(t, "bytes", read(t, d, want[2]), Part(t, 400, 2, "abc").Body)
	if _, err := d.Open("v1", media.Segment{Number: 99, Epoch: 100}); !errors.Is(err, media.ErrNotFound) {
		t.Errorf("Open of no segment: %v", err)
	}
	parts, err := d.Recover("v1", want[1], true)
	check(t, err)
	p := Part(t, 200, 2, "abc")
	p.PartID, p.Body = media.PartID{Epoch: 100, Number: 2}, nil
	equal(t, "parts", parts, []media.Part{p})
	check(t, d.Close())
}

// testCrash leaves a segment unsealed, with a torn part at its end.
func testCrash(t *testing.T, open opener) {
	d := open(t, "crash")
	check(t, d.SaveHeader(Header()))
	s := write(t, d, 1, Part(t, 0, 2, "first"), Part(t, 200, 2, "second"))
	torn := Part(t, 400, 2, "third").Body
	check(t, d.Append("v1", s, s.Size, torn[:len(torn)-3]))
	check(t, d.Close())
	d = open(t, "crash")
	st, ok, err := d.Load()
	if !ok || err != nil {
		t.Fatalf("Load: %v, %v", ok, err)
	}
	equal(t, "unsealed", st.Unsealed["v1"], []media.Segment{{Number: 1, Epoch: 100}})
	parts, err := d.Recover("v1", st.Unsealed["v1"][0], false)
	check(t, err)
	if len(parts) != 2 || parts[1].Start != 200 || parts[1].Offset != parts[0].Size || !parts[1].Independent {
		t.Errorf("recovered %+v", parts)
	}
	check(t, d.Seal("v1", s))
	equal(t, "bytes", read(t, d, s), append(bytes.Clone(Part(t, 0, 2, "first").Body), Part(t, 200, 2, "second").Body...))
	check(t, d.Close())
}

func testDrop(t *testing.T, open opener) {
	d := open(t, "drop")
	check(t, d.SaveHeader(Header()))
	var all []media.Segment
	for n := range uint64(4000) { // enough for the index to be written again
		s := media.Segment{Number: n + 1, Epoch: 100, Init: 100, Start: int64(n) * 200, Duration: 200, Gap: n%50 != 0}
		if !s.Gap {
			s = write(t, d, n+1, Part(t, int64(n)*200, 2, "x"))
		}
		check(t, d.Seal("v1", s))
		all = append(all, s)
		if n > 100 && n%100 == 0 {
			check(t, d.Drop("v1", n-100))
		}
	}
	check(t, d.Close())
	d = open(t, "drop")
	st, _, err := d.Load()
	check(t, err)
	kept := st.Segments["v1"]
	equal(t, "kept", kept, all[len(all)-len(kept):])
	if kept[0].Number != 3800 {
		t.Errorf("first kept is %d", kept[0].Number)
	}
	if _, err := d.Open("v1", all[0]); !errors.Is(err, media.ErrNotFound) {
		t.Errorf("a dropped segment opens: %v", err)
	}
	check(t, d.Close())
}

// testInits saves a header that needs an initialization section no more: its file goes.
func testInits(t *testing.T, open opener) {
	d := open(t, "inits")
	h := Header()
	check(t, d.SaveHeader(h))
	track := h.Renditions[0].Inits[0].Track
	h.Renditions[0].Inits = append(h.Renditions[0].Inits, media.Init{ID: 200, Track: track, Body: []byte("second")})
	check(t, d.SaveHeader(h))
	h.Renditions[0].Inits = h.Renditions[0].Inits[1:]
	check(t, d.SaveHeader(h))
	check(t, d.Close())
	d = open(t, "inits")
	st, _, err := d.Load()
	check(t, err)
	equal(t, "header", st.Header, h)
	check(t, d.Close())
}

func testLink(t *testing.T, open opener) {
	src, dst := open(t, "link-src"), open(t, "link-dst")
	check(t, src.SaveHeader(Header()))
	check(t, dst.SaveHeader(Header()))
	a, b := Part(t, 0, 2, "first"), Part(t, 200, 2, "second")
	s := write(t, src, 1, a)
	early := s
	early.Size = 0
	check(t, dst.Link(src, "v1", early)) // while it grows
	check(t, src.Append("v1", s, s.Size, b.Body))
	s.Size += b.Size
	s.Duration += b.Duration
	check(t, src.Seal("v1", s))
	check(t, dst.Link(src, "v1", s))
	check(t, dst.Seal("v1", s))
	equal(t, "linked bytes", read(t, dst, s), append(bytes.Clone(a.Body), b.Body...))
	if err := dst.Link(src, "v1", media.Segment{Number: 7, Epoch: 100, Size: 1}); !errors.Is(err, media.ErrNotFound) {
		t.Errorf("Link of no segment: %v", err)
	}
	check(t, dst.Replace("v1", s, bytes.NewReader(a.Body)))
	cut := s
	cut.Size = a.Size
	equal(t, "replaced bytes", read(t, dst, cut), a.Body)
	equal(t, "source after Replace", read(t, src, s), append(bytes.Clone(a.Body), b.Body...))
	check(t, src.Drop("v1", 2))
	equal(t, "bytes after the source dropped them", read(t, dst, cut), a.Body)
	check(t, src.Close())
	check(t, dst.Close())
}

func read(t *testing.T, d archive.Dir, s media.Segment) []byte {
	t.Helper()
	f, err := d.Open("v1", s)
	check(t, err)
	defer f.Close()
	b, err := io.ReadAll(f)
	check(t, err)
	return b
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func equal[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%s:\ngot  %+v\nwant %+v", what, got, want)
	}
}

// Gap is a segment without media of 200 ms.
func Gap(number uint64) media.Segment {
	return media.Segment{Number: number, Epoch: 100, Init: 100, Start: int64(number) * 200, Duration: 200, Gap: true}
}
