package ingest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"headwater.stream/internal/media"
)

// script drives a demuxer without a connection.
type script struct {
	t        *testing.T
	session  *memSession
	counters *Counters
	d        *demuxer
}

func newScript(t *testing.T, query string) *script {
	limits := Limits{}.withDefaults()
	s := &script{t: t, session: &memSession{keep: true}, counters: new(Counters)}
	s.d = newDemuxer(s.session, &limits, s.counters, query)
	return s
}

func (s *script) video(ts uint32, b []byte) {
	s.t.Helper()
	if err := s.d.message(media.Video, ts, b); err != nil {
		s.t.Fatal(err)
	}
}

func (s *script) audio(ts uint32, b []byte) {
	s.t.Helper()
	if err := s.d.message(media.Audio, ts, b); err != nil {
		s.t.Fatal(err)
	}
}

func (s *script) meta(pairs ...any) { s.data(0, metadata(appendAMFObject(nil, pairs...))) }

func (s *script) data(ts uint32, b []byte) {
	s.t.Helper()
	if err := s.d.data(ts, b); err != nil {
		s.t.Fatal(err)
	}
}

func TestTracksAreAnnouncedWhenComplete(t *testing.T) {
	key := videoFrame(true, 0, idr)
	sound := audioFrame(rawAAC...)
	for name, c := range map[string]struct {
		do     func(s *script)
		setups string // kinds per SetTracks
		at     []int  // samples before each
		total  int
	}{
		"both configurations": {func(s *script) {
			s.video(0, videoConfig(testAVCC()))
			s.audio(0, audioConfig(ascLC...))
			s.video(0, key)
			s.audio(0, sound)
		}, "va", []int{0}, 2},
		"audio first": {func(s *script) {
			s.audio(0, audioConfig(ascLC...))
			s.audio(0, sound)
			s.video(20, videoConfig(testAVCC()))
			s.video(20, key)
		}, "va", []int{0}, 2},
		"metadata speaks of video only": {func(s *script) {
			s.meta("videocodecid", 7.0, "width", 320.0)
			s.video(0, videoConfig(testAVCC()))
			s.video(0, key)
		}, "v", []int{0}, 1},
		"metadata speaks of audio only": {func(s *script) {
			s.meta("audiocodecid", 10.0)
			s.audio(0, audioConfig(ascLC...))
			s.audio(0, sound)
		}, "a", []int{0}, 1},
		"metadata lies about audio": {func(s *script) {
			s.meta("videocodecid", 7.0, "audiocodecid", 10.0)
			s.video(0, videoConfig(testAVCC()))
			for i := range 30 {
				s.video(uint32(i*40), key)
			}
		}, "v", []int{0}, 30},
		"no metadata, one track": {func(s *script) {
			s.video(5000, videoConfig(testAVCC()))
			for i := range 26 {
				s.video(uint32(5000+i*40), key)
			}
		}, "v", []int{0}, 26},
		"not yet a second": {func(s *script) {
			s.video(0, videoConfig(testAVCC()))
			for i := range 24 {
				s.video(uint32(i*40), key)
			}
		}, "", nil, 0},
		"audio late, and not before its first sample": {func(s *script) {
			s.video(0, videoConfig(testAVCC()))
			for i := range 50 {
				s.video(uint32(i*40), key)
			}
			s.audio(2000, audioConfig(ascLC...))
			s.video(2000, key)
			s.video(2040, videoConfig(append(testAVCC(), 0)))
			s.audio(2040, sound)
		}, "v va", []int{0, 51}, 52},
		"video late": {func(s *script) {
			s.audio(0, audioConfig(ascLC...))
			for i := range 60 {
				s.audio(uint32(i*21), sound)
			}
			s.video(1300, videoConfig(testAVCC()))
			s.video(1300, key)
		}, "a av", []int{0, 60}, 61},
		"frames before their configuration": {func(s *script) {
			for i := range 75 {
				s.video(uint32(i*40), key)
				s.audio(uint32(i*40), sound)
			}
			s.video(3000, videoConfig(testAVCC()))
			s.audio(3000, audioConfig(ascLC...))
			s.video(3000, key)
		}, "va", []int{0}, 1},
		"same configuration again and again": {func(s *script) {
			s.audio(0, audioConfig(ascLC...))
			for i := range 10 {
				s.video(0, videoConfig(testAVCC())) // with timestamp 0, as encoders do
				s.audio(0, audioConfig(ascLC...))
				s.video(uint32(i*1000), key)
			}
		}, "va", []int{0}, 10},
		"another audio configuration": {func(s *script) {
			s.video(0, videoConfig(testAVCC()))
			s.audio(0, audioConfig(ascLC...))
			s.audio(0, sound)
			s.audio(21, audioConfig(0x12, 0x10))
			s.audio(21, audioConfig(0x12, 0x10))
			s.audio(21, sound)
		}, "va va", []int{0, 1}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScript(t, "")
			c.do(s)
			var kinds []string
			for _, tracks := range s.session.setups {
				k := ""
				for _, tr := range tracks {
					k += tr.Kind.String()[:1]
				}
				kinds = append(kinds, k)
			}
			if got := strings.Join(kinds, " "); got != c.setups {
				t.Errorf("SetTracks %q, want %q", got, c.setups)
			}
			for i, at := range c.at {
				if s.session.setupAt[i] != at {
					t.Errorf("SetTracks %d came after %d samples, want %d", i, s.session.setupAt[i], at)
				}
			}
			if n := s.session.count(); n != c.total {
				t.Errorf("%d samples, want %d", n, c.total)
			}
			for i := 1; i < len(s.session.samples); i++ {
				a, b := s.session.samples[i-1], s.session.samples[i]
				if a.Track == b.Track && b.DTS < a.DTS {
					t.Errorf("sample %d steps back to %d", i, b.DTS)
				}
			}
		})
	}
}

func TestTrackOfH264(t *testing.T) {
	s := newScript(t, "videodatarate=2500&audiodatarate=96")
	s.audio(0, audioConfig(ascLC...))
	s.video(0, videoConfig(testAVCC()))
	s.video(100, videoFrame(true, 80, idr))
	s.video(140, videoFrame(false, -40, slice))
	v, a := s.session.tracks()[0], s.session.tracks()[1]
	if v.Codec != "avc1.64000d" || v.Width != 320 || v.Height != 180 || v.FrameRate != (media.Rational{Num: 30, Den: 1}) ||
		v.Bitrate != 2_500_000 || !bytes.Equal(v.Config, testAVCC()) {
		t.Errorf("%+v", v)
	}
	if a.Codec != "mp4a.40.2" || a.Bitrate != 96_000 || !bytes.Equal(a.Config, ascLC) {
		t.Errorf("%+v", a)
	}
	x, y := s.session.samples[0], s.session.samples[1]
	if !x.Sync || x.DTS != 12000 || x.Offset != 9600 || y.Sync || y.Offset != -4800 || y.DTS != 16800 {
		t.Errorf("%+v %+v", x, y)
	}
	// A frame that is called a key frame but is no IDR is no sync sample (open GOP, intra refresh).
	s.video(180, videoFrame(true, 0, []byte{0x06, 0x06, 0x01, 0x80}, slice))
	if s.session.samples[2].Sync {
		t.Error("a recovery point was taken for an IDR")
	}
}

func TestShortNALLengthsAreWidened(t *testing.T) {
	for size := 1; size <= 3; size++ {
		record := testAVCC()
		record[4] = 0xfc | byte(size-1)
		s := newScript(t, "")
		s.meta("videocodecid", 7.0)
		s.video(0, videoConfig(record))
		body := videoFrame(true, 0)
		for _, n := range [][]byte{idr, slice} {
			var l [4]byte
			binary.BigEndian.PutUint32(l[:], uint32(len(n)))
			body = append(append(body, l[4-size:]...), n...)
		}
		s.video(0, body)
		if got := s.session.tracks()[0].Config; !bytes.Equal(got, testAVCC()) {
			t.Errorf("size %d: avcC %x", size, got)
		}
		if got := s.session.samples[0]; !bytes.Equal(got.Data, videoFrame(true, 0, idr, slice)[5:]) || !got.Sync {
			t.Errorf("size %d: sample %+v", size, got)
		}
	}
}

func TestInBandParameterSets(t *testing.T) {
	r, err := parseAVCRecord(testAVCC())
	if err != nil {
		t.Fatal(err)
	}
	// The same picture at level 2.1 instead of 1.3, and another PPS with the same ID.
	sps, pps := bytes.Clone(r.sps[0]), append(bytes.Clone(r.pps[0]), 0x80)
	sps[3] = 21
	s := newScript(t, "")
	s.meta("videocodecid", 7.0)
	s.video(0, videoConfig(testAVCC()))
	s.video(0, videoFrame(true, 0, r.sps[0], r.pps[0], idr)) // the same: no change
	s.video(40, videoFrame(false, 0, sps, slice))            // not at an IDR: no change
	s.video(80, videoFrame(true, 0, sps, pps, idr))
	s.video(120, videoFrame(true, 0, sps, pps, idr)) // no further change
	s.video(160, videoConfig(testAVCC()))            // repeats the record, which is not in force any more
	s.video(200, videoFrame(true, 0, sps, pps, idr))
	if n := len(s.session.setups); n != 2 || s.session.setupAt[1] != 2 {
		t.Fatalf("%d SetTracks at %v", n, s.session.setupAt)
	}
	got := s.session.tracks()[0]
	if got.Codec != "avc1.640015" {
		t.Errorf("codec %s", got.Codec)
	}
	now, err := parseAVCRecord(got.Config)
	if err != nil || len(now.sps) != 1 || len(now.pps) != 1 || !bytes.Equal(now.sps[0], sps) || !bytes.Equal(now.pps[0], pps) {
		t.Errorf("avcC %x: %v", got.Config, err)
	}
	// Broken ones are ignored.
	s.video(240, videoFrame(true, 0, []byte{0x67}, []byte{0x67, 0x64, 0, 21, 0x80}, []byte{0x68, 0}, idr))
	if len(s.session.setups) != 2 || s.session.count() != 6 {
		t.Errorf("%d SetTracks, %d samples", len(s.session.setups), s.session.count())
	}
}

func TestTracksOfAAC(t *testing.T) {
	for name, c := range map[string]struct {
		asc              []byte
		codec            string
		rate, ch, frames int
	}{
		"LC 48 kHz mono":              {[]byte{0x11, 0x88}, "mp4a.40.2", 48000, 1, 1024},
		"LC 44.1 kHz stereo":          {[]byte{0x12, 0x10}, "mp4a.40.2", 44100, 2, 1024},
		"LC, SBR said to be absent":   {[]byte{0x11, 0x90, 0x56, 0xe5, 0x00}, "mp4a.40.2", 48000, 2, 1024},
		"LC 5.1":                      {[]byte{0x11, 0xb0}, "mp4a.40.2", 48000, 6, 1024},
		"LC 7.1":                      {[]byte{0x11, 0xb8}, "mp4a.40.2", 48000, 8, 1024},
		"LC of 960 samples":           {[]byte{0x11, 0x94}, "mp4a.40.2", 48000, 2, 960},
		"HE-AAC, hierarchical":        {[]byte{0x2b, 0x11, 0x88, 0x00}, "mp4a.40.5", 48000, 2, 2048},
		"HE-AAC, backward compatible": {[]byte{0x13, 0x10, 0x56, 0xe5, 0x98}, "mp4a.40.5", 48000, 2, 2048},
		"HE-AAC v2":                   {[]byte{0xeb, 0x09, 0x88, 0x00}, "mp4a.40.29", 48000, 2, 2048},
		"explicit frequency":          {[]byte{0x17, 0x80, 0x5d, 0xc0, 0x10}, "mp4a.40.2", 48000, 2, 1024},
	} {
		s := newScript(t, "")
		s.meta("audiocodecid", 10.0)
		s.audio(0, audioConfig(c.asc...))
		s.audio(21, audioFrame(rawAAC...))
		if len(s.session.tracks()) != 1 {
			t.Errorf("%s: not accepted", name)
			continue
		}
		a := s.session.tracks()[0]
		if a.Codec != c.codec || a.SampleRate != c.rate || a.Channels != c.ch || a.FrameSamples != c.frames ||
			a.Timescale != uint32(c.rate) || !bytes.Equal(a.Config, c.asc) {
			t.Errorf("%s: %+v", name, a)
		}
		if x := s.session.samples[0]; x.DTS != int64((21*c.rate+500)/1000) || !x.Sync || !bytes.Equal(x.Data, rawAAC) {
			t.Errorf("%s: %+v", name, x)
		}
	}
}

// Bodies that lie cost a drop at most, before and in the middle of good media.
func TestBrokenMediaIsDropped(t *testing.T) {
	avcc := testAVCC()
	cut := func(n int) []byte { return videoConfig(avcc[:n]) }
	long := videoFrame(false, 0, slice)
	long[8] = 0xff
	kinds := []struct {
		kind media.Kind
		b    []byte
	}{
		{media.Video, []byte{0x17}}, {media.Video, []byte{0x17, 0}}, {media.Video, []byte{0x17, 0, 0, 0, 0}},
		{media.Video, cut(3)}, {media.Video, cut(7)}, {media.Video, cut(20)}, {media.Video, cut(len(avcc) - 7)},
		{media.Video, videoConfig([]byte{1, 100, 0, 31, 0xff, 0xe0, 0})},
		{media.Video, videoConfig([]byte{1, 100, 0, 31, 0xff, 0xe1, 0, 0, 1, 0, 0})},
		{media.Video, videoConfig([]byte{0, 100, 0, 31, 0xff, 0xe1, 0, 4, 0x67, 1, 2, 3, 1, 0, 1, 0x68})},
		{media.Video, videoConfig([]byte{1, 100, 0, 31, 0xff, 0xe1, 0, 4, 0x67, 0xff, 0xff, 0xff, 1, 0, 1, 0x68})},
		{media.Video, videoFrame(false, 0)}, {media.Video, long}, {media.Video, append(videoFrame(false, 0, slice), 0, 0)},
		{media.Video, []byte{0x17, 9, 0, 0, 0}}, {media.Video, []byte{0x17, 2, 0, 0, 0}}, {media.Video, []byte{0x57, 0}},
		{media.Video, []byte{0xff, 0xff, 0xff, 0xff, 0x57}}, {media.Video, []byte{0x90}}, {media.Video, []byte{0x80, 0, 0, 0, 0}},
		{media.Audio, []byte{0xaf}}, {media.Audio, []byte{0xaf, 0}}, {media.Audio, []byte{0xaf, 0, 0x11}}, {media.Audio, []byte{0xaf, 1}},
		{media.Audio, audioConfig(0x17, 0x80, 0, 0, 0x10)}, {media.Audio, audioConfig(0x16, 0x88)}, {media.Audio, audioConfig(0x11, 0x80)},
		{media.Audio, []byte{0xaf, 7, 1, 2}}, {media.Audio, []byte{0x90, 1}},
	}
	play := func(s *script) {
		s.video(0, videoConfig(avcc))
		s.audio(0, audioConfig(ascLC...))
		for i := range 3 {
			s.video(uint32(i*40), videoFrame(i == 0, 0, idr))
			s.audio(uint32(i*40), audioFrame(rawAAC...))
		}
	}
	for i, k := range kinds {
		s := newScript(t, "")
		if err := s.d.message(k.kind, 0, k.b); err != nil {
			t.Errorf("body %d (%x) before media: %v", i, k.b, err)
		}
		play(s)
		if err := s.d.message(k.kind, 120, k.b); err != nil {
			t.Errorf("body %d (%x) in media: %v", i, k.b, err)
		}
		s.video(160, videoFrame(true, 0, idr))
		s.audio(160, audioFrame(rawAAC...))
		if n := s.session.count(); n != 8 || len(s.session.setups) != 1 {
			t.Errorf("body %d (%x): %d samples, %d SetTracks", i, k.b, n, len(s.session.setups))
		}
		n := uint64(0)
		s.counters.Drops(func(_ Drop, k uint64) { n += k })
		if n != 2 {
			t.Errorf("body %d (%x): %d drops counted", i, k.b, n)
		}
	}
}

func TestCodecsThatAreNotSupported(t *testing.T) {
	for body, want := range map[string]string{
		"\x90vvc1....":       "video codec vvc1 (enhanced RTMP)",
		"\x91vp08....":       "video codec vp08 (enhanced RTMP)",
		"\x95av01....":       "video codec av01 with an MPEG-2 TS sequence start",
		"\x96\x00vvc1\x00..": "video codec vvc1 (enhanced RTMP)",
		"\x1d\x00....":       "video codec AV1 (codec 13)",
		"\x12....":           "video codec Sorenson H.263",
	} {
		s := newScript(t, "")
		err := s.d.message(media.Video, 0, []byte(body))
		var r *Refusal
		if !errors.As(err, &r) || !strings.Contains(r.Description, want) {
			t.Errorf("%q: %v", body, err)
		}
		// Next to a good track it is ignored.
		s = newScript(t, "")
		s.video(0, videoConfig(testAVCC()))
		s.video(40, []byte(body))
		if s.counters.Dropped(DropCodec) != 1 {
			t.Errorf("%q: not counted", body)
		}
	}
	for body, want := range map[string]string{
		"\x90.mp3....": "audio codec .mp3 (enhanced RTMP)",
		"\x90OpusOpusHead\x01\x02\x00\x00\x00\x00\x00\x00\x00\x00\xff": "mapping family",
		"\x2f....":             "audio codec MP3",
		"\xb2....":             "audio codec Speex",
		"\xaf\x00\xb9\x88\x00": "audio object type 23",
	} {
		err := newScript(t, "").d.message(media.Audio, 0, []byte(body))
		var r *Refusal
		if !errors.As(err, &r) || !strings.Contains(r.Description, want) {
			t.Errorf("%q: %v", body, err)
		}
	}
}

func TestWhatIsHeldBackIsBounded(t *testing.T) {
	s := newScript(t, "")
	s.video(0, videoConfig(testAVCC()))
	big := videoFrame(true, 0, append([]byte{0x65}, make([]byte, 5<<20)...))
	for range 4 { // all at one time
		s.video(0, big)
	}
	if n := s.session.count(); n != 4 {
		t.Errorf("%d samples delivered", n)
	}
}

func TestClockUnwraps(t *testing.T) {
	for name, c := range map[string]struct {
		in   []uint32
		want []int64
	}{
		"2^24":          {[]uint32{16777200, 16777233}, []int64{16777200, 16777233}},
		"2^31":          {[]uint32{1<<31 - 10, 1<<31 + 30}, []int64{1<<31 - 10, 1<<31 + 30}},
		"2^31 masked":   {[]uint32{1<<31 - 10, 30, 63}, []int64{1<<31 - 10, 1<<31 + 30, 1<<31 + 63}},
		"2^32":          {[]uint32{1<<31 + 5, 1<<32 - 800000, 1<<32 - 10, 30}, []int64{1<<31 + 5, 1<<32 - 800000, 1<<32 - 10, 1<<32 + 30}},
		"steps back":    {[]uint32{5000, 4990, 5030}, []int64{5000, 4990, 5030}},
		"restart":       {[]uint32{5_000_000, 0, 33}, []int64{5_000_000, 0, 33}},
		"an hour ahead": {[]uint32{0, 3_600_000}, []int64{0, 3_600_000}},
		"before zero":   {[]uint32{1<<32 - 46, 1<<32 - 13, 20}, []int64{-46, -13, 20}},
	} {
		var k clock
		for i, ts := range c.in {
			if got := k.unwrap(ts); got != c.want[i] {
				t.Errorf("%s: %d is %d, want %d", name, ts, got, c.want[i])
			}
		}
	}
	for lap := int64(1); lap < 5; lap++ { // an encoder that masks to 31 bits, for a hundred days
		k := clock{started: true, last: lap<<31 - 10}
		if got := k.unwrap(30); got != lap<<31+30 {
			t.Errorf("lap %d: 30 is %d", lap, got)
		}
		if got := k.unwrap(63); got != lap<<31+63 {
			t.Errorf("lap %d: 63 is %d", lap, got)
		}
	}
}
