package cmaf

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/Eyevinn/mp4ff/mp4"

	"headwater.stream/internal/media"
)

// nals puts lengths before NAL units.
func nals(units ...[]byte) []byte {
	var b []byte
	for _, n := range units {
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(n))), n...)
	}
	return b
}

func TestFormats(t *testing.T) {
	slice, idr, sei := []byte{0x41, 1, 2}, []byte{0x65, 3}, []byte{0x06, 5}
	hevc := func(typ byte) []byte { return []byte{typ << 1, 1, 0x80, typ} }
	td, header, key := []byte{0x12, 0}, []byte{0x0a, 1, 7}, []byte{0x32, 2, 0x10, 9}
	for name, c := range map[string]struct {
		codec    string
		in, want []byte
		sync     bool
	}{
		"H.264 IDR":              {"avc1.64001f", nals([]byte{0x09, 0xf0}, []byte{0x67, 1}, []byte{0x68, 2}, sei, idr, []byte{0x0c, 0xff}), nals(sei, idr), true},
		"H.264 slice":            {"avc1.64001f", nals(slice), nals(slice), false},
		"H.264 that lies":        {"avc1.64001f", append(nals(slice, nil, idr), 0, 0, 1, 0, 0x65), nals(slice, idr), true},
		"HEVC IDR":               {"hvc1.1.6.L60", nals(hevc(35), hevc(32), hevc(33), hevc(34), hevc(39), hevc(19), hevc(38)), nals(hevc(39), hevc(19)), true},
		"HEVC BLA":               {"hvc1.1.6.L60", nals(hevc(16)), nals(hevc(16)), true},
		"HEVC CRA":               {"hvc1.1.6.L60", nals(hevc(21), hevc(36)), nals(hevc(21), hevc(36)), true},
		"HEVC leading picture":   {"hvc1.1.6.L60", nals(hevc(9)), nals(hevc(9)), false},
		"AV1 key frame":          {"av01.0.00M.08", bytes.Join([][]byte{td, header, key, {0x7a, 1, 0x80}}, nil), bytes.Join([][]byte{header, key}, nil), true},
		"AV1 hidden key frame":   {"av01.0.00M.08", []byte{0x32, 2, 0x00, 9}, []byte{0x32, 2, 0x00, 9}, false},
		"AV1 inter frame":        {"av01.0.00M.08", []byte{0x12, 0, 0x30, 0x30, 9}, []byte{0x30, 0x30, 9}, false},
		"AV1 that lies":          {"av01.0.00M.08", []byte{0x12, 0, 0x32, 0xff, 0xff, 0xff, 0xff, 0xff, 1}, nil, false},
		"AV1 header without end": {"av01.0.00M.08", []byte{0x34}, nil, false},
		"VP9":                    {"vp09.00.10.08", []byte{1, 2}, []byte{1, 2}, true},
	} {
		f := formatOf(c.codec)
		if got := f.append(nil, c.in); !bytes.Equal(got, c.want) {
			t.Errorf("%s: %x, want %x", name, got, c.want)
		}
		if got := f.sync(c.in); got != c.sync {
			t.Errorf("%s: sync %v", name, got)
		}
	}
}

func opusTrack(samples int) media.Track {
	return media.Track{Kind: media.Audio, Codec: "opus", Timescale: 48000, Config: []byte{0, 2, 1, 0x38, 0, 0, 0xbb, 0x80, 0, 0, 0}, SampleRate: 48000, Channels: 2, FrameSamples: samples}
}

func TestInitOfAudio(t *testing.T) {
	for name, c := range map[string]struct {
		track media.Track
		entry string
		rate  uint16
		check func(a *mp4.AudioSampleEntryBox) bool
	}{
		"HE-AAC, explicit": {media.Track{Codec: "mp4a.40.5", Timescale: 48000, Config: []byte{0x2b, 0x11, 0x88, 0}, SampleRate: 48000, Channels: 2, FrameSamples: 2048}, "mp4a", 48000,
			func(a *mp4.AudioSampleEntryBox) bool {
				return bytes.Equal(a.Esds.DecConfigDescriptor.DecSpecificInfo.DecConfig, []byte{0x2b, 0x11, 0x88, 0})
			}},
		"AAC 5.1":    {media.Track{Codec: "mp4a.40.2", Timescale: 48000, Config: []byte{0x11, 0xb0}, SampleRate: 48000, Channels: 6, FrameSamples: 1024}, "mp4a", 48000, nil},
		"AAC 96 kHz": {media.Track{Codec: "mp4a.40.2", Timescale: 96000, Config: []byte{0x10, 0x10}, SampleRate: 96000, Channels: 2, FrameSamples: 1024}, "mp4a", 0, nil},
		"Opus": {opusTrack(960), "Opus", 48000, func(a *mp4.AudioSampleEntryBox) bool {
			d := a.Children[0].(*mp4.DopsBox)
			return d.PreSkip == 312 && d.OutputChannelCount == 2 && d.InputSampleRate == 48000
		}},
		"AC-3": {media.Track{Codec: "ac-3", Timescale: 48000, Config: []byte{0x10, 0x3d, 0xe0}, SampleRate: 48000, Channels: 6, FrameSamples: 1536}, "ac-3", 48000,
			func(a *mp4.AudioSampleEntryBox) bool { return a.Children[0].Type() == "dac3" }},
		"E-AC-3": {media.Track{Codec: "ec-3", Timescale: 48000, Config: []byte{0x0c, 0, 0x20, 0x0f, 0}, SampleRate: 48000, Channels: 6, FrameSamples: 1536}, "ec-3", 48000,
			func(a *mp4.AudioSampleEntryBox) bool { return a.Children[0].(*mp4.Dec3Box).DataRate == 384 }},
		"FLAC": {media.Track{Codec: "fLaC", Timescale: 44100, Config: append([]byte{0, 0, 0, 0, 0x80, 0, 0, 34}, make([]byte, 34)...), SampleRate: 44100, Channels: 2, FrameSamples: 4096}, "fLaC", 44100,
			func(a *mp4.AudioSampleEntryBox) bool { return len(a.Children[0].(*mp4.DfLaBox).MetadataBlocks) == 1 }},
	} {
		c.track.Kind = media.Audio
		b, err := BuildInit(c.track)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		f, err := mp4.DecodeFile(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		a, ok := f.Init.Moov.Trak.Mdia.Minf.Stbl.Stsd.Children[0].(*mp4.AudioSampleEntryBox)
		if !ok || a.Type() != c.entry || a.SampleRate != c.rate || int(a.ChannelCount) != c.track.Channels || c.check != nil && !c.check(a) {
			t.Errorf("%s: %+v", name, a)
		}
	}
}

func TestWhatCannotBeCarried(t *testing.T) {
	for name, tr := range map[string]media.Track{
		"unknown codec":    {Kind: media.Video, Codec: "vvc1.1", Timescale: 120000, Width: 2, Height: 2},
		"cut hvcC":         {Kind: media.Video, Codec: "hvc1.1.6.L60", Timescale: 120000, Config: []byte{1, 2, 3}, Width: 2, Height: 2},
		"no av1C":          {Kind: media.Video, Codec: "av01.0.00M.08", Timescale: 120000, Width: 2, Height: 2},
		"cut vpcC":         {Kind: media.Video, Codec: "vp09.00.10.08", Timescale: 120000, Config: []byte{1, 0, 0, 0}, Width: 2, Height: 2},
		"no picture":       {Kind: media.Video, Codec: "av01.0.00M.08", Timescale: 120000, Config: []byte{0x81, 0, 12, 0}},
		"cut dOps":         {Kind: media.Audio, Codec: "opus", Timescale: 48000, Config: []byte{0, 2}},
		"dOps with a tail": {Kind: media.Audio, Codec: "opus", Timescale: 48000, Config: make([]byte, 20)},
		"dfLa that lies":   {Kind: media.Audio, Codec: "fLaC", Timescale: 48000, Config: []byte{0, 0, 0, 0, 0x80, 0xff, 0xff, 0xff}},
	} {
		if _, err := BuildInit(tr); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

// Packets of different lengths keep their own, and the times that go with them.
func TestOpusOfDifferentLengths(t *testing.T) {
	lengths := []uint32{960, 960, 480, 2880, 120, 960, 1920}
	for _, lead := range []bool{true, false} {
		var a []event
		at := uint32(0)
		for i := 0; at < 10*48000; i++ {
			n := lengths[i%len(lengths)]
			ms := float64(at) / 48
			a = append(a, event{ms, media.Sample{DTS: int64(ms) * 48, Duration: n, Sync: true, Data: fmt.Appendf(nil, "a%08d", i)}})
			at += n
		}
		tracks, events := []media.Track{opusTrack(960)}, a
		if !lead {
			tracks = []media.Track{videoTrack(t, media.Rational{Num: 30, Den: 1}), opusTrack(960)}
			events = nil
			for _, v := range (generator{fps: 30, gop: 30}).run(10) {
				for len(a) > 0 && a[0].ms < v.ms {
					a[0].sample.Track = 1
					events, a = append(events, a[0]), a[1:]
				}
				events = append(events, v)
			}
		}
		rec := pack(t, tracks, events)
		var out []sample
		for _, seg := range rec.cur().segs[len(tracks)-1] {
			for _, p := range seg.parts {
				if d := media.Duration(p.Duration, 48000); d > rec.limits.PartTarget {
					t.Errorf("a part lasts %v", d)
				}
				out = append(out, decodePart(t, p)...)
			}
		}
		if len(out) < 395 {
			t.Fatalf("%d packets", len(out))
		}
		next := out[0].dts
		for i, s := range out {
			if s.dur != lengths[i%len(lengths)] || s.dts != next || s.data != fmt.Sprintf("a%08d", i) {
				t.Fatalf("packet %d: %+v at %d", i, s, next)
			}
			next += int64(s.dur)
		}
	}
}

// What encoders do to timestamps is repaired without a break: the output is contiguous and has every frame.
func TestOddTimestamps(t *testing.T) {
	for name, c := range map[string]struct {
		bend  func(i int, s *media.Sample)
		audio media.Track
	}{
		"each twice": {bend: func(i int, s *media.Sample) {
			if s.Track == 0 && i%2 == 1 {
				s.DTS -= 33 * 120
			}
		}},
		"one tick back": {bend: func(i int, s *media.Sample) {
			if s.Track == 0 && i%10 == 5 {
				s.DTS -= 34 * 120
			}
		}},
		"DTS behind PTS": {bend: func(i int, s *media.Sample) {
			if s.Track == 0 && i%3 == 1 {
				s.Offset = -40 * 120
			}
		}},
		"negative at first": {bend: func(_ int, s *media.Sample) { s.DTS -= map[int]int64{0: 500 * 120, 1: 500 * 48}[s.Track] }},
	} {
		t.Run(name, func(t *testing.T) {
			events := generator{fps: 30, gop: 30, audioRate: 48000}.run(20)
			n, frames := [2]int{}, 0
			for i := range events {
				s := &events[i].sample
				c.bend(n[s.Track], s)
				n[s.Track]++
			}
			frames = n[0]
			rec := pack(t, []media.Track{videoTrack(t, media.Rational{Num: 30, Den: 1}), audioTrack(48000)}, events)
			out := rec.check()
			if len(rec.ranges) != 1 || len(out["v1"]) != frames {
				t.Errorf("%d ranges, %d frames of %d", len(rec.ranges), len(out["v1"]), frames)
			}
			c := rec.cur()
			v, a := c.segs[0][len(c.segs[0])-1], c.segs[1][len(c.segs[1])-1]
			if d := media.Duration(v.start()+v.dur(), 120000) - media.Duration(a.start()+a.dur(), 48000); d.Abs() > 200*time.Millisecond {
				t.Errorf("video ends %v after audio", d)
			}
		})
	}
}

// All media at one and the same time: nothing breaks, nothing grows without bound, and the next sane time goes on.
func TestConstantTimestamps(t *testing.T) {
	events := generator{fps: 30, gop: 30, audioRate: 48000}.run(20)
	for i := range events {
		if events[i].ms < 10_000 {
			events[i].sample.DTS = 0
		}
	}
	rec := pack(t, []media.Track{videoTrack(t, media.Rational{Num: 30, Den: 1}), audioTrack(48000)}, events)
	out := rec.check()
	if len(out["v1"]) < 290 {
		t.Errorf("%d frames after the clock runs", len(out["v1"]))
	}
}

// AAC of 960 samples and of 2048 keep their grid.
func TestFrameLengthsOfAAC(t *testing.T) {
	for _, samples := range []int{960, 1024, 2048} {
		tr := audioTrack(48000)
		tr.FrameSamples = samples
		if samples == 960 {
			tr.Config = []byte{0x11, 0x94}
		}
		var events []event
		for i := 0; i*samples < 20*48000; i++ {
			ms := float64(i*samples) / 48
			events = append(events, event{ms, media.Sample{DTS: int64(ms) * 48, Sync: true, Data: fmt.Appendf(nil, "a%08d", i)}})
		}
		rec := pack(t, []media.Track{tr}, events)
		out := rec.check()["a1"]
		if len(out) != len(events) {
			t.Errorf("%d of %d access units", len(out), len(events))
		}
		for i, s := range out {
			if int(s.dur) != samples {
				t.Fatalf("access unit %d lasts %d", i, s.dur)
			}
		}
	}
}

// Audio that comes late, or goes on with another configuration, costs no picture: the range goes on to the next key frame.
func TestAudioChangesInMidStream(t *testing.T) {
	rate := media.Rational{Num: 30, Den: 1}
	other := audioTrack(48000)
	other.Config, other.Channels = []byte{0x11, 0x88}, 1
	for name, before := range map[string][]media.Track{
		"late":    {videoTrack(t, rate)},
		"another": {videoTrack(t, rate), audioTrack(48000)},
	} {
		rec := &record{t: t, limits: Plan(nil, 2*time.Second, 200*time.Millisecond)}
		p := New(Config{Aim: 2 * time.Second, Limit: rec.limits.SegmentTarget, Part: rec.limits.PartTarget}, rec)
		if err := p.SetTracks(before); err != nil {
			t.Fatal(err)
		}
		changed, frames := false, 0
		for _, e := range (generator{fps: 30, gop: 60, audioRate: 48000}).run(12) {
			if !changed && e.ms > 5300 {
				changed = true
				if err := p.SetTracks([]media.Track{videoTrack(t, rate), other}); err != nil {
					t.Fatal(err)
				}
			}
			if e.sample.Track == 0 {
				frames++
			}
			if e.sample.Track >= len(before) && !changed {
				continue
			}
			if err := p.Write(e.sample, time.Duration(e.ms*1e6)); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		rec.check()
		if len(rec.ranges) != 2 || len(rec.cur().tracks) != 2 || rec.cur().tracks[1].Channels != 1 {
			t.Fatalf("%s: %d ranges", name, len(rec.ranges))
		}
		got := 0
		for _, r := range rec.ranges {
			for _, seg := range r.segs[0] {
				for _, part := range seg.parts {
					got += len(decodePart(t, part))
				}
			}
		}
		if got != frames {
			t.Errorf("%s: %d of %d frames", name, got, frames)
		}
		if s := rec.cur().start; s != 6*time.Second {
			t.Errorf("%s: the second range begins at %v", name, s)
		}
	}
}
