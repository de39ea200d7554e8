package cmaf

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/Eyevinn/mp4ff/mp4"

	"headwater.stream/internal/media"
)

// sps and pps are x264's for 320x180 at 30 frames per second.
const (
	spsHex = "6764000dacd941419f9f0110000003001000000303c0f1429960"
	ppsHex = "68ebe3cb22c0"
)

func testAVCC(t testing.TB) []byte {
	t.Helper()
	sps, _ := hex.DecodeString(spsHex)
	pps, _ := hex.DecodeString(ppsHex)
	b := []byte{1, sps[1], sps[2], sps[3], 0xff, 0xe1}
	b = binary.BigEndian.AppendUint16(b, uint16(len(sps)))
	b = append(b, sps...)
	b = append(b, 1)
	b = binary.BigEndian.AppendUint16(b, uint16(len(pps)))
	return append(b, pps...)
}

func videoTrack(t testing.TB, rate media.Rational) media.Track {
	return media.Track{Kind: media.Video, Codec: "avc1.64000d", Timescale: media.VideoTimescale, Config: testAVCC(t), Width: 320, Height: 180, FrameRate: rate}
}

func audioTrack(rate int) media.Track {
	asc := map[int][]byte{48000: {0x11, 0x90}, 44100: {0x12, 0x10}}[rate]
	return media.Track{Kind: media.Audio, Codec: "mp4a.40.2", Timescale: uint32(rate), Config: asc, SampleRate: rate, Channels: 2, FrameSamples: 1024}
}

// event is one sample of a generated publisher, in the order it is sent.
type event struct {
	ms     float64 // decoding time, exact
	sample media.Sample
}

// generator makes what an encoder sends over RTMP: both tracks in order of time, times cut to milliseconds.
type generator struct {
	fps       float64
	gop       int
	bframes   bool
	audioRate int
	jitter    float64 // ms
	skip      func(frame int) bool
}

func (g generator) run(seconds float64) []event {
	rnd := rand.New(rand.NewPCG(1, 2))
	var v, a []event
	period := 1000 / g.fps
	for i := 0; float64(i)*period < seconds*1000; i++ {
		if g.skip != nil && g.skip(i) {
			continue
		}
		ms := float64(i) * period
		sent := int64(ms + g.jitter*(rnd.Float64()*2-1))
		idr := i%g.gop == 0
		cts := 0.0
		if g.bframes { // I B B P: the first picture of each group of three is shown two frames later, the others one earlier
			cts = 2 * period
			switch i % g.gop % 3 {
			case 1:
				cts = 4 * period
			case 2:
				cts = 1 * period
			case 0:
				if !idr {
					cts = 1 * period
				}
			}
		}
		v = append(v, event{ms, media.Sample{Track: 0, DTS: sent * 120, Offset: int32(int64(cts) * 120), Sync: idr, Data: accessUnit(i, idr)}})
	}
	if g.audioRate > 0 {
		frame := 1024000 / float64(g.audioRate)
		for i := 0; float64(i)*frame < seconds*1000; i++ {
			ms := float64(i) * frame
			a = append(a, event{ms, media.Sample{Track: 1, DTS: (int64(ms)*int64(g.audioRate) + 500) / 1000, Sync: true, Data: fmt.Appendf(nil, "a%08d", i)}})
		}
	}
	var all []event
	for len(v)+len(a) > 0 {
		if len(a) == 0 || len(v) > 0 && v[0].ms <= a[0].ms {
			all, v = append(all, v[0]), v[1:]
		} else {
			all, a = append(all, a[0]), a[1:]
		}
	}
	return all
}

// accessUnit has a delimiter and, on key frames, parameter sets that must not reach the sample.
func accessUnit(i int, idr bool) []byte {
	nal := func(b ...byte) []byte { return append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...) }
	au := nal(0x09, 0xf0)
	if idr {
		sps, _ := hex.DecodeString(spsHex)
		au = append(au, nal(sps...)...)
		return append(au, nal(append([]byte{0x65}, fmt.Appendf(nil, "v%08d", i)...)...)...)
	}
	return append(au, nal(append([]byte{0x41}, fmt.Appendf(nil, "v%08d", i)...)...)...)
}

// record is a Sink that keeps everything and checks what must hold for every stream.
type record struct {
	t      testing.TB
	limits Limits
	ranges []*rangeRecord
	events []media.Event
}

type rangeRecord struct {
	names  []string
	tracks []media.Track
	start  time.Duration
	segs   [][]segRecord // per rendition
	open   []bool
	ended  bool
}

type segRecord struct {
	parts []media.Part
	last  []bool
}

func (s segRecord) start() int64 { return s.parts[0].Start }
func (s segRecord) dur() (d int64) {
	for _, p := range s.parts {
		d += p.Duration
	}
	return d
}

func (r *record) cur() *rangeRecord { return r.ranges[len(r.ranges)-1] }

func (r *record) Begin(names []string, inits []media.Init, at time.Duration) (time.Duration, error) {
	start := at
	if len(r.ranges) > 0 {
		if !r.cur().ended {
			r.t.Error("Begin before End")
		}
		for i := range r.cur().segs {
			for _, s := range r.cur().segs[i] {
				start = max(start, media.Duration(s.start()+s.dur(), r.cur().tracks[i].Timescale))
			}
		}
	}
	rr := &rangeRecord{names: names, start: start, segs: make([][]segRecord, len(names)), open: make([]bool, len(names))}
	for _, in := range inits {
		if _, err := mp4.DecodeFile(bytes.NewReader(in.Body)); err != nil {
			r.t.Errorf("init: %v", err)
		}
		rr.tracks = append(rr.tracks, in.Track)
	}
	r.ranges = append(r.ranges, rr)
	return start, nil
}

func (r *record) Part(i int, p media.Part, last bool) error {
	c := r.cur()
	if !c.open[i] {
		c.segs[i] = append(c.segs[i], segRecord{})
		c.open[i] = true
	}
	s := &c.segs[i][len(c.segs[i])-1]
	s.parts = append(s.parts, p)
	s.last = append(s.last, last)
	return nil
}

func (r *record) Cut(i int) error { r.cur().open[i] = false; return nil }
func (r *record) End() error      { r.cur().ended = true; return nil }

func (r *record) Event(e media.Event) (bool, error) {
	if slices.ContainsFunc(r.events, func(o media.Event) bool { return o.ID == e.ID }) {
		return false, nil
	}
	r.events = append(r.events, e)
	return true, nil
}

// sample is one decoded sample of the output.
type sample struct {
	dts, cts int64
	dur      uint32
	sync     bool
	data     string
}

// check verifies every rule that holds whatever was sent, and returns each rendition's samples of the last range.
func (r *record) check() (out map[string][]sample) {
	r.t.Helper()
	for _, rr := range r.ranges {
		out = map[string][]sample{}
		for i, name := range rr.names {
			ts := rr.tracks[i].Timescale
			next := int64(-1)
			target := int64(r.limits.PartTarget)
			for n, seg := range rr.segs[i] {
				if d := media.Duration(seg.dur(), ts); (d + time.Second/2).Truncate(time.Second) > r.limits.SegmentTarget {
					r.t.Errorf("%s segment %d lasts %v", name, n, d)
				}
				for k, p := range seg.parts {
					if next >= 0 && p.Start != next {
						r.t.Fatalf("%s segment %d part %d starts at %d, want %d", name, n, k, p.Start, next)
					}
					next = p.Start + p.Duration
					d := int64(media.Duration(p.Duration, ts))
					if d > target {
						r.t.Errorf("%s segment %d part %d lasts %d ns > PART-TARGET %d", name, n, k, d, target)
					}
					if k < len(seg.parts)-1 && d*100 < target*85 {
						r.t.Errorf("%s segment %d part %d of %d lasts %d ns < 85 %% of %d", name, n, k, len(seg.parts), d, target)
					}
					ss := decodePart(r.t, p)
					if p.Independent != ss[0].sync {
						r.t.Errorf("%s segment %d part %d: INDEPENDENT=%v", name, n, k, p.Independent)
					}
					checkKeySize(r.t, p, ss[0])
					out[name] = append(out[name], ss...)
				}
			}
		}
	}
	return out
}

// checkKeySize: what begins the part and ends with KeySize is all that a decoder needs for the first sample.
func checkKeySize(t testing.TB, p media.Part, first sample) {
	t.Helper()
	if want := first.sync && first.data != ""; (p.KeySize > 0) != want || !bytes.HasSuffix(p.Body[:p.KeySize], []byte(first.data)) && want {
		t.Errorf("KeySize %d of %d bytes; first sample %+v", p.KeySize, len(p.Body), first)
	}
	if mdat := bytes.Index(p.Body, []byte("mdat")); p.KeySize > 0 && int(p.KeySize) != mdat+4+len(first.data) {
		t.Errorf("KeySize %d, the samples begin at %d, the first has %d bytes", p.KeySize, mdat+4, len(first.data))
	}
}

func decodePart(t testing.TB, p media.Part) (out []sample) {
	t.Helper()
	f, err := mp4.DecodeFile(bytes.NewReader(p.Body))
	if err != nil {
		t.Fatal(err)
	}
	frag := f.Segments[0].Fragments[0]
	if got := int64(frag.Moof.Traf.Tfdt.BaseMediaDecodeTime()); got != p.Start {
		t.Fatalf("tfdt %d, part starts at %d", got, p.Start)
	}
	full, err := frag.GetFullSamples(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range full {
		out = append(out, sample{int64(s.DecodeTime), int64(s.CompositionTimeOffset), s.Dur, s.Flags == flagsSync, string(s.Data)})
	}
	return out
}

// pack runs the events through a packager and returns what came out.
func pack(t testing.TB, tracks []media.Track, events []event) *record {
	t.Helper()
	rec := &record{t: t, limits: Plan(tracks, 2*time.Second, 200*time.Millisecond)}
	p := New(Config{Aim: 2 * time.Second, Limit: rec.limits.SegmentTarget, Part: rec.limits.PartTarget}, rec)
	if err := p.SetTracks(tracks); err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		if err := p.Write(e.sample, time.Duration(e.ms*float64(time.Millisecond))+time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	return rec
}

func TestGrids(t *testing.T) {
	rates := map[string]media.Rational{"23.976": {Num: 24000, Den: 1001}, "24": {Num: 24, Den: 1}, "25": {Num: 25, Den: 1}, "29.97": {Num: 30000, Den: 1001},
		"30": {Num: 30, Den: 1}, "50": {Num: 50, Den: 1}, "59.94": {Num: 60000, Den: 1001}, "60": {Num: 60, Den: 1}}
	for name, rate := range rates {
		for _, audio := range []int{44100, 48000} {
			for _, declared := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s/%d/declared=%v", name, audio, declared), func(t *testing.T) {
					fps := rate.Float()
					told := rate
					if !declared {
						told = media.Rational{}
					}
					g := generator{fps: fps, gop: int(fps + 0.5), bframes: true, audioRate: audio}
					events := g.run(61)
					rec := pack(t, []media.Track{videoTrack(t, told), audioTrack(audio)}, events)
					out := rec.check()
					if len(rec.ranges) != 1 {
						t.Fatalf("%d ranges", len(rec.ranges))
					}
					frames := 0
					for _, e := range events {
						if e.sample.Track == 0 {
							frames++
						}
					}
					if len(out["v1"]) != frames {
						t.Errorf("%d video samples out of %d", len(out["v1"]), frames)
					}
					checkGrid(t, out["v1"], rate, declared)
					for i, s := range out["a1"] {
						if s.dur != 1024 {
							t.Fatalf("audio sample %d lasts %d", i, s.dur)
						}
					}
					checkAligned(t, rec)
				})
			}
		}
	}
}

func checkGrid(t *testing.T, v []sample, rate media.Rational, exact bool) {
	t.Helper()
	period := int64(media.VideoTimescale) * int64(rate.Den) / int64(rate.Num)
	off := 0
	for i, s := range v {
		if int64(s.dur) != period && (exact || i > 500) { // 30 and 29.97 cannot be told apart sooner at 1 ms
			off++
		}
		if want := fmt.Sprintf("v%08d", i); s.data[len(s.data)-len(want):] != want {
			t.Fatalf("sample %d is %q", i, s.data)
		}
		if bytes.Contains([]byte(s.data), []byte{0x09, 0xf0}) {
			t.Fatalf("sample %d has an access unit delimiter", i)
		}
		if s.sync && s.cts != 0 {
			t.Errorf("IDR %d is shown %d ticks after it is decoded", i, s.cts)
		}
	}
	if exact && off > 0 || off > len(v)/100 {
		t.Errorf("%d of %d frames do not last %d ticks", off, len(v), period)
	}
}

// checkAligned verifies that both renditions have the same number of segments, cut within one audio frame of each other,
// the video at an IDR.
func checkAligned(t *testing.T, rec *record) {
	t.Helper()
	c := rec.cur()
	v, a := c.segs[0], c.segs[1]
	if d := len(v) - len(a); d < 0 || d > 1 {
		t.Fatalf("%d video and %d audio segments", len(v), len(a))
	}
	for i := range a {
		if !v[i].parts[0].Independent {
			t.Errorf("segment %d does not begin with an IDR", i)
		}
		d := media.Duration(v[i].start(), c.tracks[0].Timescale) - media.Duration(a[i].start(), c.tracks[1].Timescale)
		if frame := media.Duration(1024, c.tracks[1].Timescale); abs(int64(d)) > int64(frame) {
			t.Errorf("segment %d: video starts %v after audio", i, d)
		}
	}
}

func TestSegmentEndsArePredicted(t *testing.T) {
	rec := pack(t, []media.Track{videoTrack(t, media.Rational{Num: 30, Den: 1}), audioTrack(48000)}, generator{fps: 30, gop: 60, audioRate: 48000}.run(21))
	rec.check()
	for i, name := range rec.cur().names {
		for n, seg := range rec.cur().segs[i] {
			if n == 0 || n >= len(rec.cur().segs[i])-1 {
				continue
			}
			for k, last := range seg.last {
				if last != (k == len(seg.last)-1) {
					t.Errorf("%s segment %d part %d of %d: last=%v", name, n, k, len(seg.last), last)
				}
			}
		}
	}
}

func TestJitterAndDroppedFrames(t *testing.T) {
	g := generator{fps: 30, gop: 60, bframes: false, audioRate: 48000, jitter: 8, skip: func(i int) bool { return i%97 == 50 || i > 300 && i < 320 }}
	rec := pack(t, []media.Track{videoTrack(t, media.Rational{Num: 30, Den: 1}), audioTrack(48000)}, g.run(30))
	rec.check()
	if len(rec.ranges) != 1 {
		t.Fatalf("%d ranges", len(rec.ranges))
	}
	// In the end video and audio are where the encoder's clock has them, within a frame.
	c := rec.cur()
	v, a := c.segs[0][len(c.segs[0])-1], c.segs[1][len(c.segs[1])-1]
	d := media.Duration(v.start()+v.dur(), c.tracks[0].Timescale) - media.Duration(a.start()+a.dur(), c.tracks[1].Timescale)
	if abs(int64(d)) > int64(100*time.Millisecond) {
		t.Errorf("video ends %v after audio", d)
	}
}

func TestWrongDeclaredRate(t *testing.T) {
	for _, declared := range []media.Rational{{Num: 60, Den: 1}, {Num: 25, Den: 1}, {Num: 30000, Den: 1001}} {
		rec := pack(t, []media.Track{videoTrack(t, declared), audioTrack(48000)}, generator{fps: 30, gop: 60, audioRate: 48000}.run(60))
		if len(rec.ranges) != 1 {
			t.Fatalf("declared %v: %d ranges", declared, len(rec.ranges))
		}
		var on, n int
		for _, seg := range rec.cur().segs[0][5:] {
			for _, p := range seg.parts {
				for _, s := range decodePart(t, p) {
					n++
					if s.dur == 4000 {
						on++
					}
				}
			}
		}
		if on*100 < n*93 {
			t.Errorf("declared %v: %d of %d frames last 1/30 s", declared, on, n)
		}
	}
}

func TestLongGOP(t *testing.T) {
	rec := pack(t, []media.Track{videoTrack(t, media.Rational{Num: 30, Den: 1}), audioTrack(44100)}, generator{fps: 30, gop: 250, audioRate: 44100}.run(40))
	rec.check() // no segment above TARGETDURATION
	if n := len(rec.cur().segs[0]); n < 13 {
		t.Errorf("only %d segments in 40 s", n)
	}
}

func TestTimestampJump(t *testing.T) {
	for _, jump := range []int64{3_600_000, -10_000, -600_000} {
		var ev []event
		for _, e := range (generator{fps: 30, gop: 30, audioRate: 48000}).run(20) {
			if e.ms >= 9500 {
				e.sample.DTS += jump * map[int]int64{0: 120, 1: 48}[e.sample.Track]
			}
			ev = append(ev, e)
		}
		rec := pack(t, []media.Track{videoTrack(t, media.Rational{Num: 30, Den: 1}), audioTrack(48000)}, ev)
		rec.check()
		if len(rec.ranges) != 2 {
			t.Fatalf("jump of %d ms: %d ranges", jump, len(rec.ranges))
		}
		if d := rec.cur().start - time.Hour; d < 9*time.Second || d > 11*time.Second {
			t.Errorf("jump of %d ms: second range starts at %v", jump, d)
		}
		checkAligned(t, rec)
	}
}

func TestTrackStopsAndReturns(t *testing.T) {
	for _, track := range []int{0, 1} {
		var ev []event
		for _, e := range (generator{fps: 30, gop: 30, audioRate: 48000}).run(40) {
			if e.sample.Track == track && e.ms > 10_000 && e.ms < 25_000 {
				continue
			}
			ev = append(ev, e)
		}
		rec := pack(t, []media.Track{videoTrack(t, media.Rational{Num: 30, Den: 1}), audioTrack(48000)}, ev)
		rec.check()
		var names []string
		for _, r := range rec.ranges {
			names = append(names, fmt.Sprint(r.names))
		}
		other := []string{"[a1]", "[v1]"}[track]
		if want := fmt.Sprint([]string{"[v1 a1]", other, "[v1 a1]"}); fmt.Sprint(names) != want {
			t.Errorf("track %d stops: ranges %v, want %v", track, names, want)
		}
	}
}

func TestSingleTracks(t *testing.T) {
	var v, a []event
	for _, e := range (generator{fps: 25, gop: 50, audioRate: 44100}).run(20) {
		if e.sample.Track == 0 {
			v = append(v, e)
		} else {
			e.sample.Track = 0
			a = append(a, e)
		}
	}
	pack(t, []media.Track{videoTrack(t, media.Rational{Num: 25, Den: 1})}, v).check()
	rec := pack(t, []media.Track{audioTrack(44100)}, a)
	rec.check()
	if n := len(rec.cur().segs[0]); n < 9 || n > 11 {
		t.Errorf("audio only: %d segments in 20 s", n)
	}
}

func TestSetTracksAgain(t *testing.T) {
	rec := &record{t: t, limits: Plan(nil, 2*time.Second, 200*time.Millisecond)}
	p := New(Config{Aim: 2 * time.Second, Limit: rec.limits.SegmentTarget, Part: rec.limits.PartTarget}, rec)
	ev := generator{fps: 30, gop: 30, audioRate: 48000}.run(10)
	tracks := []media.Track{videoTrack(t, media.Rational{Num: 30, Den: 1}), audioTrack(48000)}
	for i, e := range ev {
		if i == 0 || i == len(ev)/2 {
			if err := p.SetTracks(tracks); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.Write(e.sample, time.Duration(e.ms*1e6)); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	rec.check()
	if len(rec.ranges) != 2 {
		t.Fatalf("%d ranges", len(rec.ranges))
	}
}

func TestHostileSamples(t *testing.T) {
	rec := &record{t: t, limits: Plan(nil, 2*time.Second, 200*time.Millisecond)}
	p := New(Config{Aim: 2 * time.Second, Limit: rec.limits.SegmentTarget, Part: rec.limits.PartTarget}, rec)
	if err := p.Write(media.Sample{}, 0); err != ErrNoTracks {
		t.Errorf("sample before tracks: %v", err)
	}
	if err := p.SetTracks([]media.Track{{Kind: media.Video, Codec: "avc1.64000d", Timescale: 120000, Config: []byte{1, 2, 3}}}); err == nil {
		t.Error("a broken avcC is accepted")
	}
	if err := p.SetTracks([]media.Track{videoTrack(t, media.Rational{Num: 30, Den: 1}), audioTrack(48000)}); err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(3, 4))
	for i := range 20000 {
		s := media.Sample{Track: rnd.IntN(2), DTS: int64(i)*2000 + rnd.Int64N(4000), Offset: rnd.Int32() >> rnd.IntN(32), Sync: rnd.IntN(20) == 0}
		switch rnd.IntN(400) {
		case 0:
			s.DTS = rnd.Int64() >> rnd.IntN(40)
		case 1:
			s.DTS = -s.DTS
		}
		if s.Track == 1 {
			s.DTS = s.DTS * 48 / 120
		}
		s.Data = accessUnit(i, s.Sync)[:rnd.IntN(12)+4]
		if err := p.Write(s, time.Duration(i)*16*time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
}

func BenchmarkPackager(b *testing.B) {
	events := generator{fps: 30, gop: 60, bframes: true, audioRate: 48000}.run(60)
	payload := make([]byte, 25_000)
	for i := range events {
		if events[i].sample.Track == 0 {
			binary.BigEndian.PutUint32(payload, uint32(len(payload)-4))
			payload[4] = 0x41
			if events[i].sample.Sync {
				payload[4] = 0x65
			}
			events[i].sample.Data = bytes.Clone(payload)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		p := New(Config{Aim: 2 * time.Second, Limit: 3 * time.Second, Part: 210 * time.Millisecond}, discard{})
		if err := p.SetTracks([]media.Track{videoTrack(b, media.Rational{Num: 30, Den: 1}), audioTrack(48000)}); err != nil {
			b.Fatal(err)
		}
		for i := range events {
			if err := p.Write(events[i].sample, 0); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/60, "µs/media-s")
}

type discard struct{ io.Writer }

func (discard) Begin([]string, []media.Init, time.Duration) (time.Duration, error) { return 0, nil }
func (discard) Part(int, media.Part, bool) error                                   { return nil }
func (discard) Cut(int) error                                                      { return nil }
func (discard) End() error                                                         { return nil }
func (discard) Event(media.Event) (bool, error)                                    { return true, nil }
