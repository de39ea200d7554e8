package progressive_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/Eyevinn/mp4ff/bits"
	"github.com/Eyevinn/mp4ff/mp4"

	"headwater.stream/internal/media"
	"headwater.stream/packager/cmaf"
	"headwater.stream/packager/progressive"
)

// frame is a sample as it went in, or came out.
type frame struct {
	pts  int64 // in the timescale of the track, from the beginning of the file
	body string
	desc uint32
}

// recording is a presentation that has ended, in memory.
type recording struct {
	view    media.View
	objects map[media.Ref][]byte
}

func (r *recording) Open(_ context.Context, ref media.Ref) (media.Object, error) {
	b, ok := r.objects[ref]
	if !ok {
		return media.Object{}, media.ErrNotFound
	}
	half := len(b) / 2
	return media.Object{Size: int64(len(b)), Data: [][]byte{b[:half], b[half:]}}, nil
}

func aac(rate int) media.Track {
	config := []byte{0x11, 0x90}
	if rate == 44100 {
		config = []byte{0x12, 0x10}
	}
	return media.Track{Kind: media.Audio, Codec: "mp4a.40.2", Timescale: uint32(rate), Config: config, SampleRate: rate, Channels: 2, FrameSamples: 1024}
}

// rendition adds a rendition with these initialization sections.
func (r *recording) rendition(t testing.TB, name string, tracks ...media.Track) {
	t.Helper()
	m := media.Rendition{Name: name, Kind: media.Audio, Timescale: media.AudioTimescale}
	for i, k := range tracks {
		body, err := cmaf.BuildInit(k)
		if err != nil {
			t.Fatal(err)
		}
		m.Inits = append(m.Inits, media.Init{ID: uint32(i) + 1, Track: k, Body: body})
	}
	r.view.Renditions = append(r.view.Renditions, m)
}

// chunks makes two chunks of four samples of 1000 ticks each, the first with timed metadata before it. The composition offsets
// are those of a B-frame pattern.
func chunks(t testing.TB, name string, number uint64, start int64) (body []byte) {
	t.Helper()
	for c := range int64(2) {
		frag, err := mp4.CreateFragment(1, 1)
		if err != nil {
			t.Fatal(err)
		}
		frag.Moof.Traf.Tfdt.SetBaseMediaDecodeTime(uint64(start + c*4000))
		for i := range int64(4) {
			data := fmt.Appendf(nil, "%s/%d/%d.%d", name, number, c, i)
			s := mp4.Sample{Dur: 1000, Size: uint32(len(data)), CompositionTimeOffset: []int32{0, 2000, -1000, -1000}[i], Flags: 0x01010000}
			if c == 0 && i == 0 {
				s.Flags = 0x02000000
			}
			frag.Moof.Traf.Trun.AddSample(s)
			frag.Mdat.AddSampleDataPart(data)
		}
		sw := bits.NewFixedSliceWriter(int(frag.Size()))
		if err := frag.EncodeSW(sw); err != nil {
			t.Fatal(err)
		}
		if c == 0 {
			body = append(body, "\x00\x00\x00\x10emsg--event-"...)
		}
		body = append(body, sw.Bytes()...)
	}
	return body
}

// segment adds a segment that begins at a time in the track's timescale.
func (r *recording) segment(t *testing.T, rendition int, number uint64, init uint32, start int64) {
	t.Helper()
	m := &r.view.Renditions[rendition]
	body := chunks(t, m.Name, number, start)
	scale := m.Init(init).Track.Timescale
	m.Segments = append(m.Segments, media.Segment{Number: number, Epoch: init, Init: init, Size: uint32(len(body)),
		Start: media.Rescale(start, scale, m.Timescale), Duration: media.Rescale(8000, scale, m.Timescale)})
	r.objects[media.Ref{Rendition: m.Name, Kind: media.ObjectSegment, Epoch: init, Number: number}] = body
}

// want is what a segment gives, with the beginning of the file at zero.
func want(name string, number uint64, desc uint32, start int64) (list []frame) {
	for c := range int64(2) {
		for i := range int64(4) {
			pts := start + c*4000 + i*1000 + []int64{0, 2000, -1000, -1000}[i]
			list = append(list, frame{pts, fmt.Sprintf("%s/%d/%d.%d", name, number, c, i), desc})
		}
	}
	return list
}

// whole returns the file and what a player finds in its tracks.
func whole(t *testing.T, r *recording) ([]byte, *progressive.File, [][]frame) {
	t.Helper()
	f, err := progressive.New(t.Context(), &r.view, r, nil)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := f.Copy(t.Context(), &b, r, 0, f.Size()); err != nil {
		t.Fatal(err)
	}
	if int64(b.Len()) != f.Size() {
		t.Fatalf("%d bytes, %d were promised", b.Len(), f.Size())
	}
	parsed, err := mp4.DecodeFile(bytes.NewReader(b.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if kinds := []string{parsed.Children[0].Type(), parsed.Children[1].Type(), parsed.Children[2].Type()}; kinds[1] != "moov" || kinds[2] != "mdat" {
		t.Errorf("the boxes are %v", kinds)
	}
	var tracks [][]frame
	for _, trak := range parsed.Moov.Traks {
		tracks = append(tracks, frames(t, b.Bytes(), parsed.Moov, trak))
	}
	return b.Bytes(), f, tracks
}

func frames(t *testing.T, file []byte, moov *mp4.MoovBox, trak *mp4.TrakBox) (list []frame) {
	t.Helper()
	stbl := trak.Mdia.Minf.Stbl
	delay := int64(0)
	if trak.Edts != nil && trak.Edts.Elst[0].Entries[0].MediaTime == -1 {
		delay = int64(trak.Edts.Elst[0].Entries[0].SegmentDuration) * int64(trak.Mdia.Mdhd.Timescale) / int64(moov.Mvhd.Timescale)
	}
	for n := uint32(1); n <= stbl.Stsz.SampleNumber; n++ {
		dts, _ := stbl.Stts.GetDecodeTime(n)
		pts := int64(dts) + delay
		if stbl.Ctts != nil {
			pts += int64(stbl.Ctts.GetCompositionTimeOffset(n))
		}
		chunk, first, err := stbl.Stsc.ChunkNrFromSampleNr(int(n))
		if err != nil {
			t.Fatal(err)
		}
		at, err := stbl.Stco.GetOffset(chunk)
		if err != nil {
			t.Fatal(err)
		}
		for k := uint32(first); k < n; k++ {
			at += uint64(stbl.Stsz.GetSampleSize(int(k)))
		}
		list = append(list, frame{pts, string(file[at:][:stbl.Stsz.GetSampleSize(int(n))]), description(stbl.Stsc, uint32(chunk))})
	}
	return list
}

// description returns the sample description of a chunk; that of mp4ff takes the number of an entry for that of a chunk.
func description(stsc *mp4.StscBox, chunk uint32) (id uint32) {
	for i, e := range stsc.Entries {
		if e.FirstChunk <= chunk {
			id = stsc.GetSampleDescriptionID(i + 1)
		}
	}
	return id
}

func same(t *testing.T, what string, got, want []frame) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			t.Errorf("%s: frame %d of %d, want %d:\n got %v\nwant %v", what, i, len(got), len(want), got[min(i, len(got)):], want[min(i, len(want)):])
			return
		}
	}
}

// TestFile: the frames of two renditions, one of which begins later, with a hole, a gap, a lost segment and a change of
// parameters, come out with their bytes, times and descriptions.
func TestFile(t *testing.T) {
	r := &recording{view: media.View{Ended: true}, objects: map[media.Ref][]byte{}}
	r.rendition(t, "a1", aac(48000), aac(44100), aac(48000))
	r.rendition(t, "a2", aac(48000))
	r.segment(t, 0, 7, 1, 96000)
	r.segment(t, 0, 8, 1, 104000)
	r.view.Renditions[0].Segments = append(r.view.Renditions[0].Segments, media.Segment{Number: 9, Gap: true})
	r.segment(t, 0, 10, 2, 110250) // 2.5 s: 120000 at 48 kHz
	r.segment(t, 0, 11, 3, 144000)
	r.segment(t, 0, 12, 3, 152000)
	r.segment(t, 1, 7, 1, 96480) // 10 ms later
	r.segment(t, 1, 8, 1, 104480)
	r.segment(t, 1, 9, 1, 112480)
	delete(r.objects, media.Ref{Rendition: "a2", Kind: media.ObjectSegment, Epoch: 1, Number: 8})
	file, f, tracks := whole(t, r)
	changed := want("a1", 10, 2, 0)
	for i := range changed { // 1000 ticks of 44.1 kHz each; rounded
		n := int64(i) * 1000
		dts := (n*48000 + 22050) / 44100
		changed[i].pts = 24000 + dts + []int64{0, 2177, -1088, -1088}[i%4]
	}
	expect := append(want("a1", 7, 1, 0), want("a1", 8, 1, 8000)...)
	expect = append(append(append(expect, changed...), want("a1", 11, 1, 48000)...), want("a1", 12, 1, 56000)...)
	same(t, "a1", tracks[0], expect)
	same(t, "a2", tracks[1], append(want("a2", 7, 1, 480), want("a2", 9, 1, 16480)...))

	again, g, _ := whole(t, r)
	if !bytes.Equal(again, file) || g.Tag() != f.Tag() {
		t.Error("made again it has other bytes")
	}
	for range 500 {
		from := rand.Int64N(f.Size())
		size := rand.Int64N(f.Size()-from) + 1
		var b bytes.Buffer
		if err := f.Copy(t.Context(), &b, r, from, size); err != nil || !bytes.Equal(b.Bytes(), file[from:from+size]) {
			t.Fatalf("bytes %d to %d: %v", from, from+size, err)
		}
	}
	r.objects[media.Ref{Rendition: "a1", Kind: media.ObjectSegment, Epoch: 1, Number: 8}] = []byte("something else")
	if err := f.Copy(t.Context(), new(bytes.Buffer), r, 0, f.Size()); err == nil {
		t.Error("a segment that has changed was taken")
	}
}

func TestRefused(t *testing.T) {
	opus := media.Track{Kind: media.Audio, Codec: "opus", Timescale: 48000, Config: []byte{0, 2, 0x01, 0x38, 0, 0, 0xbb, 0x80, 0, 0, 0}, SampleRate: 48000, Channels: 2}
	for name, c := range map[string]struct {
		make func(r *recording)
		err  error
	}{
		"live": {func(r *recording) { r.view.Ended = false }, progressive.ErrLive},
		"codecs": {func(r *recording) {
			r.rendition(t, "a1", aac(48000), opus)
			r.segment(t, 0, 1, 1, 0)
			r.segment(t, 0, 2, 2, 8000)
		}, progressive.ErrCodecs},
		"a hole of a month": {func(r *recording) {
			r.rendition(t, "a1", aac(48000))
			r.segment(t, 0, 1, 1, 0)
			r.segment(t, 0, 2, 1, 48000*86400*30)
		}, progressive.ErrTooLong},
		"nothing": {func(r *recording) {
			r.rendition(t, "a1", aac(48000))
			r.segment(t, 0, 1, 1, 0)
			clear(r.objects)
		}, progressive.ErrEmpty},
		"gaps": {func(r *recording) {
			r.rendition(t, "a1", aac(48000))
			r.view.Renditions[0].Segments = []media.Segment{{Number: 1, Gap: true, Init: 1}}
		}, progressive.ErrEmpty},
	} {
		r := &recording{view: media.View{Ended: true}, objects: map[media.Ref][]byte{}}
		c.make(r)
		if _, err := progressive.New(t.Context(), &r.view, r, nil); !errors.Is(err, c.err) {
			t.Errorf("%s: %v, want %v", name, err, c.err)
		}
	}
}
