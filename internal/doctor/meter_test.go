package doctor

import (
	"testing"
	"time"

	"headwater.stream/internal/media"
)

// encoder returns a meter of a stream of 30 frames a second with sound, and what gives it the next second of media.
func encoder() (*Meter, func()) {
	m := NewMeter(Config{Parts: true, SegmentAim: 2 * time.Second, SegmentLimit: 3 * time.Second, PartTarget: 210 * time.Millisecond})
	m.Start(0, []media.Track{
		{Kind: media.Video, Codec: "avc1.640028", Timescale: media.VideoTimescale, Width: 1920, Height: 1080},
		{Kind: media.Audio, Codec: "mp4a.40.2", Timescale: 48000, SampleRate: 48000, Channels: 2},
	})
	key := append([]byte{0, 0, 0, 27, 6, 5}, make([]byte, 25)...) // x264's SEI, then a slice
	key = append(key, 0, 0, 1, 0, 0x65)
	key = append(key, make([]byte, 255)...)
	delta := append([]byte{0, 0, 0x10, 0, 0x41}, make([]byte, 0xfff)...)
	sound := make([]byte, 340)
	video, audio := int64(0), int64(0)
	return m, func() {
		for range 30 {
			at := time.Duration(video) * time.Second / 30
			for ; audio*1024*30 <= video*48000; audio++ {
				m.Sample(at, &media.Sample{Track: 1, DTS: audio * 1024, Sync: true, Data: sound})
			}
			s := media.Sample{DTS: video * 4000, Offset: 4000, Data: delta}
			if video%60 == 0 {
				s.Sync, s.Data = true, key
			}
			m.Sample(at, &s)
			if video%6 == 5 {
				m.Part(at)
			}
			video++
		}
	}
}

// TestMeterAllocatesNothing: measuring costs the collector nothing.
func TestMeterAllocatesNothing(t *testing.T) {
	m, second := encoder()
	second()
	if n := testing.AllocsPerRun(10, second); n != 0 {
		t.Errorf("%v allocations in a second of media", n)
	}
	if v := m.Measure(12 * time.Second); v.Video.FPS < 29.9 || v.Video.FPS > 30.1 || v.Audio == nil || v.PartWait.N == 0 {
		t.Errorf("measured %+v", v)
	}
}

// BenchmarkMeter measures a second of media: 30 pictures and 47 access units of sound. BenchmarkIngest and BenchmarkPackager say
// what the rest costs.
func BenchmarkMeter(b *testing.B) {
	_, second := encoder()
	b.ReportAllocs()
	for b.Loop() {
		second()
	}
}

// TestOpenHEVC: pictures that lead over to a group and refer to the one before show that it is open.
func TestOpenHEVC(t *testing.T) {
	scan := scanner("hvc1.1.6.L93.90")
	unit := func(kind byte) []byte { return []byte{0, 0, 0, 3, kind << 1, 1, 0} }
	for name, c := range map[string]struct {
		au   []byte
		open bool
	}{
		"IDR": {unit(19), false}, "CRA": {unit(21), false}, "RASL": {unit(8), true}, "RASL behind a delimiter": {append(unit(35), unit(9)...), true},
		"RADL": {unit(6), false}, "cut": {unit(8)[:5], false}, "a length that lies": {[]byte{0xff, 0xff, 0xff, 0xff, 16, 1, 0}, false}, "nothing": {nil, false},
	} {
		if got := scan(c.au); got != c.open {
			t.Errorf("%s: %v", name, got)
		}
	}
	if scanner("vp09.00.10.08") != nil {
		t.Error("VP9 is scanned")
	}
}

// TestProfile: what phones and hardware decode is told from what they do not.
func TestProfile(t *testing.T) {
	for codec, limited := range map[string]bool{
		"avc1.42c01e": false, "avc1.4d401f": false, "avc1.640028": false, "avc1.6e0028": true, "avc1.7a0028": true, "avc1.f4001f": true,
		"hvc1.1.6.L93.90": false, "hvc1.2.4.L93.90": false, "hvc1.4.10.L60.9E.8": true, "av01.0.05M.08": false, "av01.1.05M.08": true, "vp09.00.31.08": false, "vp09.01.31.08": true,
	} {
		if name, got := profile(codec); got != limited || name == "" {
			t.Errorf("%s: %q, limited %v", codec, name, got)
		}
	}
}
