package ingest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"headwater.stream/internal/media"
)

// exVideo and exAudio make enhanced RTMP bodies.
func exVideo(packet byte, fourCC string, body ...byte) []byte {
	return append(append([]byte{0x90 | packet}, fourCC...), body...)
}

func exAudio(packet byte, fourCC string, body ...byte) []byte {
	return append(append([]byte{0x90 | packet}, fourCC...), body...)
}

// modEx puts a ModEx of a type before the packet type of a body.
func modEx(typ byte, data []byte, body []byte) []byte {
	b := []byte{body[0]&0xf0 | exModEx}
	if n := len(data) - 1; n < 255 {
		b = append(b, byte(n))
	} else {
		b = binary.BigEndian.AppendUint16(append(b, 255), uint16(n))
	}
	b = append(append(b, data...), typ<<4|body[0]&0x0f)
	return append(b, body[1:]...)
}

// withLengths puts lengths before NAL units.
func withLengths(nals ...[]byte) []byte { return videoFrame(false, 0, nals...)[5:] }

// Some HEVC that parses, of 320x180, and AV1 of 320x240.
func testHVCC() []byte {
	vps := []byte{0x40, 0x01, 0x0c, 0x01, 0xff, 0xff, 0x01, 0x60, 0x00, 0x00, 0x03, 0x00, 0x90, 0x00, 0x00, 0x03, 0x00, 0x00, 0x03, 0x00, 0x3c, 0x95, 0x98, 0x09}
	pps := []byte{0x44, 0x01, 0xc1, 0x72, 0xb4, 0x62, 0x40}
	b := []byte{1, 0x01, 0x60, 0, 0, 0, 0x90, 0, 0, 0, 0, 0, 0x3c, 0xf0, 0, 0xfc, 0xfd, 0xf8, 0xf8, 0, 0, 0x0f, 3}
	for i, n := range [][]byte{vps, testHEVCSPS(), pps} {
		b = append(b, byte(hevcVPS+i), 0, 1, 0, byte(len(n)))
		b = append(b, n...)
	}
	return b
}

func testHEVCSPS() []byte {
	return []byte{0x42, 0x01, 0x01, 0x01, 0x60, 0x00, 0x00, 0x03, 0x00, 0x90, 0x00, 0x00, 0x03, 0x00, 0x00, 0x03, 0x00, 0x3c, 0xa0, 0x0a, 0x08, 0x0b, 0x9f,
		0x79, 0x65, 0x66, 0x92, 0x4c, 0xae, 0x6a, 0x02, 0x02, 0x02, 0x02, 0x08, 0x00, 0x00, 0x03, 0x00, 0x08, 0x00, 0x00, 0x03, 0x00, 0xf0, 0x40}
}

var (
	hevcIDR   = []byte{0x26, 0x01, 0xaf, 0x08}
	hevcCRA   = []byte{0x2a, 0x01, 0xaf, 0x08}
	hevcSlice = []byte{0x02, 0x01, 0xd0, 0x09}

	av1Header = []byte{0x0a, 0x0b, 0x00, 0x00, 0x00, 0x04, 0x3c, 0xff, 0xbc, 0xff, 0xe8, 0x01, 0x90} // an OBU
	av1Key    = []byte{0x32, 0x03, 0x10, 0x00, 0x88}
	av1Inter  = []byte{0x32, 0x03, 0x30, 0x00, 0x88}
	av1Hidden = []byte{0x32, 0x03, 0x00, 0x00, 0x88}
	av1TD     = []byte{0x12, 0x00}
)

func join(b ...[]byte) []byte { return bytes.Join(b, nil) }

func TestEnhancedVideo(t *testing.T) {
	key := withLengths(hevcIDR)
	for name, c := range map[string]struct {
		do     func(s *script)
		codec  string
		dts    []int64 // of the samples, 1/120000 s
		cts    []int32
		drops  map[Drop]uint64
		frames [][]byte
	}{
		"HEVC": {do: func(s *script) {
			s.video(0, exVideo(0, "hvc1", testHVCC()...))
			s.video(40, exVideo(1, "hvc1", append([]byte{0, 0, 80}, key...)...))
			s.video(80, exVideo(1, "hvc1", append([]byte{0xff, 0xff, 0xd8}, key...)...))
			s.video(120, exVideo(3, "hvc1", key...)) // CodedFramesX: no composition time
		}, codec: "hvc1.1.6.L60.90", dts: []int64{4800, 9600, 14400}, cts: []int32{9600, -4800, 0}, frames: [][]byte{key, key, key}},
		"HEVC as codec 12": {do: func(s *script) {
			s.video(0, append([]byte{0x1c, 0, 0, 0, 0}, testHVCC()...))
			s.video(40, append([]byte{0x1c, 1, 0, 0, 80}, key...))
		}, codec: "hvc1.1.6.L60.90", dts: []int64{4800}, cts: []int32{9600}},
		"H.264 with a FourCC": {do: func(s *script) {
			s.video(0, exVideo(0, "avc1", testAVCC()...))
			s.video(40, exVideo(1, "avc1", append([]byte{0, 0, 80}, withLengths(idr)...)...))
			s.video(80, exVideo(3, "avc1", withLengths(slice)...))
		}, codec: "avc1.64000d", dts: []int64{4800, 9600}, cts: []int32{9600, 0}},
		"the rest is ignored": {do: func(s *script) {
			s.video(0, exVideo(4, "hvc1", appendAMFString(nil, "colorInfo")...))
			s.video(0, exVideo(0, "hvc1", testHVCC()...))
			s.video(40, exVideo(3, "hvc1", key...))
			s.video(80, exVideo(4, "hvc1", appendAMFString(nil, "colorInfo")...))
			s.video(80, []byte{0xd1, 0})                    // a command: seek begins
			s.video(80, exVideo(9, "hvc1", 1, 2, 3))        // reserved
			s.video(80, exVideo(1, "vvc1", 1, 2, 3))        // another codec
			s.video(80, exVideo(1, "\xff\xff\xff\x57", 1))  // a mistake of drones
			s.video(80, exVideo(5, "av01", 1, 2))           // MPEG-2 TS
			s.video(80, exVideo(2, "hvc1"))                 // end of sequence
			s.video(120, exVideo(3, "hvc1", key...))        // goes on
			s.video(160, exVideo(1, "hvc1", 0, 0))          // cut short
			s.video(160, exVideo(3, "hvc1", 0, 0, 0, 9, 1)) // lies
		}, codec: "hvc1.1.6.L60.90", dts: []int64{4800, 14400}, drops: map[Drop]uint64{DropUnknown: 5, DropCodec: 2, DropMalformed: 3}},
		"nanoseconds": {do: func(s *script) {
			s.video(0, exVideo(0, "hvc1", testHVCC()...))
			s.video(33, modEx(modExNano, []byte{0x05, 0x16, 0x15}, exVideo(3, "hvc1", key...)))                                 // 333 333 ns
			s.video(66, modEx(5, make([]byte, 300), modEx(modExNano, []byte{0x0a, 0x2c, 0x2a, 9}, exVideo(3, "hvc1", key...)))) // 666 666 ns
			s.video(100, modEx(modExNano, []byte{1}, exVideo(3, "hvc1", key...)))
		}, codec: "hvc1.1.6.L60.90", dts: []int64{33*120 + 39, 66*120 + 79, 12000}},
		"one track by number": {do: func(s *script) {
			s.video(0, exVideo(0, "hvc1", testHVCC()...))
			s.video(0, join([]byte{0x96, oneTrack << 4}, []byte("hvc1"), []byte{1}, testHVCC()))
			s.video(40, exVideo(3, "hvc1", key...))
			s.video(40, join([]byte{0x96, oneTrack<<4 | 3}, []byte("hvc1"), []byte{1}, key))
			s.video(80, join([]byte{0x96, oneTrack<<4 | 3}, []byte("hvc1"), []byte{0}, key))
		}, codec: "hvc1.1.6.L60.90", dts: []int64{4800, 9600}, drops: map[Drop]uint64{DropTrack: 2}},
		"many tracks": {do: func(s *script) {
			sized := func(id byte, b []byte) []byte { return append([]byte{id, 0, byte(len(b) >> 8), byte(len(b))}, b...) }
			s.video(0, join([]byte{0x96, manyTracks << 4}, []byte("hvc1"), sized(2, testHVCC()), sized(1, testHVCC())))
			s.video(40, join([]byte{0x96, manyTracks<<4 | 3}, []byte("hvc1"), sized(1, key), sized(2, key)))
			s.video(80, join([]byte{0x96, manyTracksManyCodecs<<4 | 3}, []byte("av01"), sized(1, av1Key), []byte("hvc1"), sized(2, key)))
			s.video(120, join([]byte{0x96, manyTracksManyCodecs<<4 | 3}, []byte("av01"), []byte{1, 0, 9, 9, 1}))
		}, codec: "hvc1.1.6.L60.90", dts: []int64{4800, 9600}, drops: map[Drop]uint64{DropTrack: 3, DropMalformed: 1}},
		"AV1": {do: func(s *script) {
			s.video(0, exVideo(0, "av01", append([]byte{0x81, 0, 0x0c, 0}, av1Header...)...))
			s.video(40, exVideo(1, "av01", join(av1TD, av1Header, av1Key)...))
			s.video(80, exVideo(1, "av01", av1Inter...))
			s.video(120, exVideo(1, "av01", join(av1TD, av1Key)...)) // without its sequence header
			s.video(160, exVideo(1, "av01", 0x32, 9, 1))
		}, codec: "av01.0.00M.08", dts: []int64{4800, 9600, 14400}, drops: map[Drop]uint64{DropMalformed: 1},
			frames: [][]byte{join(av1TD, av1Header, av1Key), av1Inter, join(av1Header, av1Key)}},
		"AV1 without a record": {do: func(s *script) {
			s.video(0, exVideo(1, "av01", av1Inter...))
			s.video(40, exVideo(1, "av01", join(av1Header, av1Hidden)...))
			s.video(80, exVideo(1, "av01", join(av1Header, av1Key)...))
			s.video(120, exVideo(1, "av01", av1Inter...))
		}, codec: "av01.0.00M.08", dts: []int64{9600, 14400}, drops: map[Drop]uint64{DropUnconfigured: 2}},
		"VP9": {do: func(s *script) {
			s.video(0, exVideo(0, "vp09", 0, 31, 0x82, 1, 1, 1, 0, 0))
			s.video(0, exVideo(1, "vp09", 0x86, 0, 0x40))
			s.video(40, exVideo(1, "vp09", 0x82, 0x49, 0x83, 0x42, 0, 0x13, 0xf0, 0x0b, 0x30))
			s.video(80, exVideo(1, "vp09", 0x86, 0, 0x40))
		}, codec: "vp09.00.31.08", dts: []int64{4800, 9600}, drops: map[Drop]uint64{DropUnconfigured: 1}},
		"VP9 without a record": {do: func(s *script) {
			s.video(40, exVideo(1, "vp09", 0x82, 0x49, 0x83, 0x42, 0, 0x13, 0xf0, 0x0b, 0x30))
		}, codec: "vp09.00.11.08", dts: []int64{4800}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScript(t, "")
			s.meta("videocodecid", "any")
			c.do(s)
			if len(s.session.setups) != 1 {
				t.Fatalf("%d SetTracks", len(s.session.setups))
			}
			if v := s.session.tracks()[0]; v.Codec != c.codec || v.Width != 320 || v.Height != 180 && v.Height != 240 || len(v.Config) == 0 {
				t.Errorf("%+v", v)
			}
			if len(s.session.samples) != len(c.dts) {
				t.Fatalf("%d samples, want %d", len(s.session.samples), len(c.dts))
			}
			for i, m := range s.session.samples {
				if m.DTS != c.dts[i] || c.cts != nil && m.Offset != c.cts[i] || m.Sync != !bytes.Equal(m.Data, av1Inter) && m.Data[0] != 0x86 && !bytes.Equal(m.Data, withLengths(slice)) {
					t.Errorf("sample %d: %+v", i, m)
				}
				if c.frames != nil && !bytes.Equal(m.Data, c.frames[i]) {
					t.Errorf("sample %d: %x, want %x", i, m.Data, c.frames[i])
				}
			}
			for d := Drop(0); d < drops; d++ {
				if n := s.counters.Dropped(d); n != c.drops[d] {
					t.Errorf("%d dropped: %v, want %d", n, d, c.drops[d])
				}
			}
		})
	}
}

func TestEnhancedAudio(t *testing.T) {
	head := []byte("OpusHead\x01\x02\x38\x01\x80\xbb\x00\x00\x00\x00\x00")
	info := join([]byte("fLaC\x80\x00\x00\x22\x12\x00\x12\x00"), make([]byte, 6), []byte{0x0b, 0xb8, 0x02, 0xf0}, make([]byte, 20))
	ac3Frame := append([]byte{0x0b, 0x77, 0, 0, 0x00, 0x40, 0x40, 0x84}, make([]byte, 120)...)       // 48 kHz, 32 kbit/s, stereo
	eac3Frame := append([]byte{0x0b, 0x77, 0x00, 0x1f, 0x3f, 0x86, 0x00, 0x00}, make([]byte, 56)...) // 48 kHz, 5.1
	for name, c := range map[string]struct {
		do       func(s *script)
		codec    string
		rate, ch int
		samples  int
		config   []byte
		lasts    []uint32
	}{
		"AAC with a FourCC": {do: func(s *script) {
			s.audio(0, exAudio(0, "mp4a", ascLC...))
			s.audio(0, exAudio(1, "mp4a", rawAAC...))
		}, codec: "mp4a.40.2", rate: 48000, ch: 1, samples: 1024, config: ascLC, lasts: []uint32{0}},
		"Opus": {do: func(s *script) {
			s.audio(0, exAudio(0, "Opus", head...))
			s.audio(0, exAudio(1, "Opus", 0xfc, 1, 2))        // CELT, 20 ms
			s.audio(20, exAudio(1, "Opus", 0xe4, 1))          // 2.5 ms
			s.audio(25, exAudio(1, "Opus", 0xff, 3, 1))       // three of 20 ms
			s.audio(85, exAudio(1, "Opus", 0xff, 0x3f, 1))    // 63 of 20 ms: more than there can be
			s.audio(85, exAudio(1, "Opus"))                   // empty
			s.audio(85, exAudio(4, "Opus", 1, 2, 0, 0, 0, 3)) // MultichannelConfig
			s.audio(85, exAudio(1, "Opus", 0xfd, 1))          // two of 20 ms
		}, codec: "opus", rate: 48000, ch: 2, samples: 960, config: []byte{0, 2, 1, 0x38, 0, 0, 0xbb, 0x80, 0, 0, 0}, lasts: []uint32{960, 120, 2880, 1920}},
		"Opus without a header": {do: func(s *script) {
			s.audio(0, exAudio(1, "Opus", 0xfc, 1, 2))
		}, codec: "opus", rate: 48000, ch: 2, samples: 960, lasts: []uint32{960}},
		"Opus, 5.1": {do: func(s *script) {
			s.audio(0, exAudio(0, "Opus", append([]byte("OpusHead\x01\x06\x38\x01\x80\xbb\x00\x00\x00\x00\x01"), 4, 2, 0, 4, 1, 2, 3, 5)...))
			s.audio(0, exAudio(1, "Opus", 0xfc, 1, 2))
		}, codec: "opus", rate: 48000, ch: 6, samples: 960, config: []byte{0, 6, 1, 0x38, 0, 0, 0xbb, 0x80, 0, 0, 1, 4, 2, 0, 4, 1, 2, 3, 5}, lasts: []uint32{960}},
		"FLAC": {do: func(s *script) {
			s.audio(0, exAudio(0, "fLaC", info...))
			s.audio(0, exAudio(1, "fLaC", 0xff, 0xf8, 0xca, 0x18, 0, 0x2b))                       // 4096
			s.audio(96, exAudio(1, "fLaC", 0xff, 0xf8, 0x7a, 0x18, 0xc2, 0x80, 0x03, 0xff, 0, 0)) // 1024, number of two bytes
			s.audio(96, exAudio(1, "fLaC", 0xff, 0xf8, 0xfa, 0x18, 0, 0))                         // 32768: more than said
			s.audio(96, exAudio(1, "fLaC", 0xff, 0xf8, 0x7a, 0x18, 0xff, 0xff))                   // cut short
		}, codec: "fLaC", rate: 48000, ch: 2, samples: 4608, lasts: []uint32{4096, 1024}},
		"AC-3": {do: func(s *script) {
			s.audio(0, exAudio(0, "ac-3", 1, 2, 3)) // there is no such thing, but some send it
			s.audio(0, exAudio(1, "ac-3", ac3Frame...))
			s.audio(32, exAudio(1, "ac-3", ac3Frame...))
			s.audio(64, exAudio(1, "ac-3", ac3Frame[:100]...))
		}, codec: "ac-3", rate: 48000, ch: 2, samples: 1536, config: []byte{0x10, 0x10, 0x00}, lasts: []uint32{0, 0}},
		"E-AC-3": {do: func(s *script) {
			s.audio(0, exAudio(1, "ec-3", eac3Frame...))
			s.audio(32, exAudio(1, "ec-3", eac3Frame[:60]...))
		}, codec: "ec-3", rate: 48000, ch: 6, samples: 1536, config: []byte{0x00, 0x80, 0x20, 0x0f, 0x00}, lasts: []uint32{1536}},
		"audio tracks": {do: func(s *script) {
			s.audio(0, join([]byte{0x95, oneTrack << 4}, []byte("mp4a"), []byte{0}, ascLC))
			s.audio(0, join([]byte{0x95, oneTrack << 4}, []byte("Opus"), []byte{1}, head))
			s.audio(0, join([]byte{0x95, oneTrack<<4 | 1}, []byte("Opus"), []byte{1, 0xfc, 1, 2}))
			s.audio(0, join([]byte{0x95, oneTrack<<4 | 1}, []byte("mp4a"), []byte{0}, rawAAC))
		}, codec: "mp4a.40.2", rate: 48000, ch: 1, samples: 1024, lasts: []uint32{0}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScript(t, "")
			s.meta("audiocodecid", 10.0)
			c.do(s)
			if len(s.session.setups) != 1 {
				t.Fatalf("%d SetTracks", len(s.session.setups))
			}
			a := s.session.tracks()[0]
			if a.Codec != c.codec || a.SampleRate != c.rate || a.Timescale != uint32(c.rate) || a.Channels != c.ch || a.FrameSamples != c.samples {
				t.Errorf("%+v", a)
			}
			if c.config != nil && !bytes.Equal(a.Config, c.config) {
				t.Errorf("config %x, want %x", a.Config, c.config)
			}
			if len(s.session.samples) != len(c.lasts) {
				t.Fatalf("%d samples, want %d", len(s.session.samples), len(c.lasts))
			}
			for i, m := range s.session.samples {
				if m.Duration != c.lasts[i] || !m.Sync {
					t.Errorf("sample %d: %+v", i, m)
				}
			}
		})
	}
}

func TestFLACThatIsNotCarried(t *testing.T) {
	for want, info := range map[string][]byte{
		"192000 Hz":               {0x10, 0, 0x10, 0, 0, 0, 0, 0, 0, 0, 0x2e, 0xe0, 0x02, 0xf0},
		"blocks of 20480 samples": {0x50, 0, 0x50, 0, 0, 0, 0, 0, 0, 0, 0x0b, 0xb8, 0x02, 0xf0},
	} {
		err := newScript(t, "").d.message(media.Audio, 0, exAudio(0, "fLaC", append(info, make([]byte, 20)...)...))
		var r *Refusal
		if !errors.As(err, &r) || !strings.Contains(r.Description, want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestInBandParameterSetsOfHEVC(t *testing.T) {
	s := newScript(t, "")
	s.meta("videocodecid", 12.0)
	larger := testHEVCSPS()
	larger[12+5] = 0x5a // general_level_idc: level 3
	frame := func(nals ...[]byte) []byte { return exVideo(3, "hvc1", withLengths(nals...)...) }
	s.video(0, exVideo(0, "hvc1", testHVCC()...))
	s.video(0, frame(testHEVCSPS(), hevcIDR)) // the same: no change
	s.video(40, frame(larger, hevcSlice))     // not at a random access point: no change
	s.video(80, frame(larger, hevcCRA))
	s.video(120, frame(larger, hevcCRA)) // no further change
	s.video(160, frame([]byte{0x42, 1, 1}, []byte{0x44, 1}, []byte{0x40, 1, 0x0c}, hevcIDR))
	if n := len(s.session.setups); n < 2 || s.session.setupAt[1] != 2 || s.session.setups[1][0].Codec != "hvc1.1.6.L90.90" {
		t.Fatalf("%d SetTracks at %v: %+v", n, s.session.setupAt, s.session.tracks())
	}
	r, err := parseHEVCRecord(s.session.setups[1][0].Config)
	if err != nil || len(r.sets(hevcSPS)) != 1 || !bytes.Equal(r.sets(hevcSPS)[0], larger) || r.head[12] != 0x5a {
		t.Errorf("record %+v: %v", r, err)
	}
}

// An FLV file with enhanced tags can be published as it is.
func TestEnhancedFLVFile(t *testing.T) {
	file := []byte("FLV\x01\x05\x00\x00\x00\x09\x00\x00\x00\x00")
	for _, m := range []struct {
		typ  byte
		ts   byte
		body []byte
	}{
		{typeVideo, 0, exVideo(4, "hvc1", 2, 0, 0)},
		{typeVideo, 0, exVideo(0, "hvc1", testHVCC()...)},
		{typeAudio, 0, exAudio(1, "ac-3", 0x0b, 0x77)},
		{typeVideo, 40, exVideo(1, "hvc1", append([]byte{0, 0, 80}, withLengths(hevcIDR)...)...)},
		{typeVideo, 80, append([]byte{0xa3}, exVideo(3, "hvc1", withLengths(hevcSlice)...)[1:]...)},
	} {
		file = append(file, m.typ, 0, byte(len(m.body)>>8), byte(len(m.body)), 0, 0, m.ts, 0, 0, 0, 0)
		file = append(append(file, m.body...), 0, 0, 0, 0)
	}
	path := filepath.Join(t.TempDir(), "clip.flv")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	src := open(t, path)
	for i, want := range []Packet{
		{Kind: media.Video, FourCC: "hvc1", Config: true, Sync: true, Data: testHVCC()},
		{Kind: media.Audio, FourCC: "ac-3", Sync: true, Data: []byte{0x0b, 0x77}},
		{Kind: media.Video, FourCC: "hvc1", Sync: true, DTS: 40, CTS: 80, Data: withLengths(hevcIDR)},
		{Kind: media.Video, FourCC: "hvc1", DTS: 80, Data: withLengths(hevcSlice)},
	} {
		if got, err := src.Next(); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("packet %d: %+v, want %+v: %v", i, got, want, err)
		}
	}
}
