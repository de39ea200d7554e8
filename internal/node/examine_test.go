package node

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"headwater.stream/ingest"
	"headwater.stream/internal/doctor"
	"headwater.stream/internal/media"
	"headwater.stream/packager/cmaf"
)

// Sizes of what a healthy encoder sends: 30 pictures a second of 2 kB, key frames of five times that, sound of 128 kbit/s.
const (
	pictureBytes = 2_000
	keyBytes     = 5 * pictureBytes
	soundBytes   = 340
	videoRate    = (30*pictureBytes + (keyBytes-pictureBytes)/2) * 8 // a key frame every two seconds
)

// healthy is an encoder of which nothing is to be said, but for what change does to its samples.
func healthy(change func(ms float64, track int, s *media.Sample) bool) publisher {
	return publisher{audio: 48000,
		describe: func(tracks []media.Track) {
			for i := range tracks {
				tracks[i].Bitrate = map[media.Kind]int{media.Video: videoRate, media.Audio: 128_000}[tracks[i].Kind]
			}
		},
		mutate: func(ms float64, track int, s *media.Sample) bool {
			switch {
			case s.Data[0] != 0: // no NAL unit length: sound
				s.Data = append(s.Data, make([]byte, soundBytes-len(s.Data))...)
			case s.Sync:
				grow(s, keyBytes)
			default:
				grow(s, pictureBytes)
			}
			return change == nil || change(ms, track, s)
		}}
}

// grow makes the NAL unit of a picture longer.
func grow(s *media.Sample, n int) {
	s.Data = append(s.Data, bytes.Repeat([]byte{0xff}, n-len(s.Data))...)
	s.Data[0], s.Data[1], s.Data[2], s.Data[3] = byte((n-4)>>24), byte((n-4)>>16), byte((n-4)>>8), byte(n-4)
}

// pictures makes an encoder whose pictures are changed; i is their number.
func pictures(change func(i int, s *media.Sample) (keep bool)) publisher {
	return healthy(func(ms float64, track int, s *media.Sample) bool { return track != 0 || change(int(ms*30/1000+0.5), s) })
}

// sound makes an encoder whose sound is changed.
func sound(change func(ms float64, s *media.Sample) (keep bool)) publisher {
	return healthy(func(ms float64, track int, s *media.Sample) bool { return track != 1 || change(ms, s) })
}

// with makes an encoder that is another in one respect, whose bit rates are not declared.
func with(change func(p *publisher)) publisher {
	p := healthy(nil)
	p.describe = nil
	change(&p)
	return p
}

// announced makes an encoder that says something else of a track, and nothing of bit rates.
func announced(kind media.Kind, change func(t *media.Track)) publisher {
	return with(func(p *publisher) {
		p.describe = func(tracks []media.Track) {
			for i := range tracks {
				if tracks[i].Kind == kind {
					change(&tracks[i])
				}
			}
		}
	})
}

// sps makes an encoder of H.264 with a sequence parameter set of x264, of 320x180 at 30 frames a second.
func sps(text string) publisher {
	return announced(media.Video, func(t *media.Track) {
		b, _ := hex.DecodeString(text)
		t.Config = append([]byte{1, b[1], b[2], b[3], 0xff, 0xe1, 0, byte(len(b))}, b...)
		t.Config = append(t.Config, 1, 0, 5, 0x68, 0xeb, 0xe3, 0xcb, 0x22)
		t.Codec = "avc1." + hex.EncodeToString(b[1:4])
	})
}

// quick makes an encoder of many pictures, with a level that has room for them.
func quick(fps float64) publisher {
	p := sps("6764001facd941419f9f0110000003001000000303c0f1429960")
	p.fps, p.gop = fps, 2*int(fps)
	return p
}

// waits makes an encoder that is held up in its connection from some moments on.
func waits(at func(ms float64) time.Duration) func(r *faultRig, p *publisher) {
	return func(r *faultRig, p *publisher) {
		done := -1
		p.beforeSend = func(_ ingest.Session, ms float64) {
			if second := int(ms / 1000); second > done {
				done = second
				if d := at(ms); d > 0 {
					r.wait(d)
				}
			}
		}
	}
}

// ailment is an encoder with one fault.
type ailment struct {
	code  doctor.Code
	p     publisher
	setup func(r *faultRig, p *publisher)
	lasts time.Duration // 25 s if it is 0
}

var recoveryPoint = []byte{0, 0, 0, 4, 6, 6, 1, 0x84}

// ailments are all the ailments, one for each code.
func ailments() []ailment {
	return slices.Concat(connectionAilments(), pictureAilments(), bitrateAilments(), soundAilments())
}

// ward collects ailments.
type ward []ailment

func (w *ward) add(code doctor.Code, p publisher) { *w = append(*w, ailment{code: code, p: p}) }

func connectionAilments() (w ward) {
	w = append(w,
		ailment{code: doctor.Stall, p: healthy(nil), setup: waits(func(ms float64) time.Duration {
			if ms >= 12_000 && ms < 13_000 {
				return 1500 * time.Millisecond
			}
			return 0
		})},
		ailment{code: doctor.Jitter, p: healthy(nil), setup: waits(func(float64) time.Duration { return 600 * time.Millisecond })},
		ailment{code: doctor.ClockDrift, p: with(func(p *publisher) { p.speed = 0.995 }), lasts: time.Minute},
	)
	w.add(doctor.TooSlow, with(func(p *publisher) { p.speed = 0.93 }))
	w.add(doctor.TooFast, with(func(p *publisher) { p.speed = 1.1 }))
	w.add(doctor.TimestampsJump, healthy(both(12_000, 3_600_000, 48000)))
	w.add(doctor.TimestampsBackward, pictures(func(i int, s *media.Sample) bool {
		if i%30 == 10 {
			s.DTS -= 40 * 120
		}
		return true
	}))
	w.add(doctor.CompositionEarly, pictures(func(_ int, s *media.Sample) bool {
		if !s.Sync {
			s.Offset = -4000
		}
		return true
	}))
	w.add(doctor.MediaRepaired, pictures(func(i int, s *media.Sample) bool {
		if i%30 == 10 {
			s.Data = []byte{0, 0, 0, 2, 9, 0xf0} // an access unit delimiter and nothing else
		}
		return true
	}))
	return w
}

func pictureAilments() (w ward) {
	w.add(doctor.VideoStopped, healthy(func(ms float64, track int, _ *media.Sample) bool { return track == 1 || ms < 15_000 }))
	w.add(doctor.FrameRateLow, with(func(p *publisher) { p.fps, p.gop = 10, 20 }))
	w.add(doctor.FrameRateHigh, quick(100))
	w.add(doctor.FrameRateMismatch, with(func(p *publisher) { p.fps, p.declared, p.gop = 25, 30, 50 }))
	w.add(doctor.FrameRateIrregular, pictures(func(i int, s *media.Sample) bool {
		s.DTS += int64(i%2) * 15 * 120
		return true
	}))
	w.add(doctor.FramesMissing, pictures(func(i int, s *media.Sample) bool { return i%10 != 3 }))
	w.add(doctor.NoKeyFrame, with(func(p *publisher) { p.keyframe = func(i int) bool { return i == 0 } }))
	w.add(doctor.KeyFramesRare, with(func(p *publisher) { p.gop = 150 }))
	w.add(doctor.KeyFramesIrregular, with(func(p *publisher) { p.keyframe = func(i int) bool { return i%47 == 0 || i%31 == 0 } }))
	w.add(doctor.KeyFramesOften, with(func(p *publisher) { p.gop = 8 }))
	w.add(doctor.OpenGOP, pictures(func(i int, s *media.Sample) bool {
		if i > 0 && s.Sync { // a recovery point where the key frame was
			s.Sync, s.Data[4] = false, 0x41
			s.Data = append(slices.Clone(recoveryPoint), s.Data...)
		}
		return true
	}))
	w.add(doctor.BFrames, pictures(func(i int, s *media.Sample) bool {
		if s.Offset = 8000; i%60 > 0 { // P4 B2 b1 b3
			s.Offset = []int32{5, 2, 0, 1}[(i%60-1)%4] * 4000
		}
		return true
	}))
	w.add(doctor.OddSize, announced(media.Video, func(t *media.Track) { t.Width = 321 }))
	w.add(doctor.Interlaced, sps("67640015acd941433f260220000003002000000783e28532c0"))
	w.add(doctor.ProfileLimited, sps("67f4000d919b282833f1b80880000003008000001e078a14cb"))
	w.add(doctor.Baseline, sps("6742c00dd901419f9f0110000003001000000303c0f142a480"))
	w.add(doctor.LevelLow, sps("6764000aacd941419f9f0110000003001000000303c0f1429960"))
	w.add(doctor.CodecLimited, announced(media.Video, func(t *media.Track) {
		t.Codec, t.Config = "vp09.00.10.08", []byte{1, 0, 0, 0, 0, 10, 0x82, 1, 1, 1, 0, 0}
	}))
	return w
}

func bitrateAilments() (w ward) {
	times := func(f float64) publisher {
		p := healthy(nil)
		p.describe = func(tracks []media.Track) { tracks[0].Bitrate = int(f * videoRate) }
		return p
	}
	w.add(doctor.BitrateLow, times(2))
	w.add(doctor.BitrateHigh, times(0.55))
	w.add(doctor.BitratePeaks, pictures(func(i int, s *media.Sample) bool {
		if i/30 == 15 {
			grow(s, 6*len(s.Data))
		}
		return true
	}))
	much := pictures(func(_ int, s *media.Sample) bool { grow(s, 24*len(s.Data)); return true })
	much.describe = nil
	w.add(doctor.BitrateMuch, much)
	return w
}

func soundAilments() (w ward) {
	w.add(doctor.AudioMissing, with(func(p *publisher) { p.audio = 0 }))
	w.add(doctor.AudioStopped, sound(func(ms float64, _ *media.Sample) bool { return ms < 15_000 }))
	w.add(doctor.AudioSilent, sound(func(_ float64, s *media.Sample) bool { s.Data = []byte{0x21, 0x10, 4, 0x60, 0x8c, 0x1c}; return true }))
	w.add(doctor.AudioRate, with(func(p *publisher) { p.audio = 32000 }))
	w.add(doctor.AudioMono, announced(media.Audio, func(t *media.Track) { t.Channels, t.Config = 1, []byte{0x11, 0x88} }))
	w.add(doctor.AudioSurround, announced(media.Audio, func(t *media.Track) { t.Channels, t.Config = 6, []byte{0x11, 0xb0} }))
	opus := announced(media.Audio, func(t *media.Track) {
		t.Codec, t.Config, t.FrameSamples = "opus", []byte{0, 2, 1, 0x38, 0, 0, 0xbb, 0x80, 0, 0, 0}, 960
	})
	opus.perAudio = 960
	w.add(doctor.AudioCodecLimited, opus)
	w.add(doctor.AudioGaps, sound(func(ms float64, _ *media.Sample) bool { return ms < 15_000 || ms > 15_600 }))
	overlap := announced(media.Audio, func(t *media.Track) { *t = faultAudio(44100) })
	grown := overlap.mutate
	overlap.mutate = func(ms float64, track int, s *media.Sample) bool { // more samples than its timestamps have room for
		if track == 1 {
			s.DTS = s.DTS * 441 / 480
		}
		return grown(ms, track, s)
	}
	w.add(doctor.AudioOverlap, overlap)
	skewed := healthy(shifted(1, -1000*48))
	skewed.start = 10_000
	w.add(doctor.AVSkew, skewed)
	w = append(w, ailment{code: doctor.AVDrift, p: sound(func(_ float64, s *media.Sample) bool { s.DTS += s.DTS / 100; return true }), lasts: 35 * time.Second})
	return w
}

// examined sends for a time and returns what is found.
func (r *faultRig) examined(a ailment) *doctor.Report {
	r.t.Helper()
	r.every = time.Hour     // nobody watches
	r.desired.Outputs = nil // and nothing is recorded: the preview is enough
	r.apply()
	if a.setup != nil {
		a.setup(r, &a.p)
	}
	if a.lasts == 0 {
		a.lasts = 25 * time.Second
	}
	s := r.send(a.p, a.lasts)
	report := r.rt.Examine("e")
	if err := s.Close(); err != nil {
		r.t.Error(err)
	}
	if report == nil {
		r.t.Fatal("no report")
	}
	return report
}

// only says that a report has one finding, or with "" none.
func only(t *testing.T, report *doctor.Report, want doctor.Code) {
	t.Helper()
	var got []string
	for _, f := range report.Findings {
		got = append(got, string(f.Code))
		if f.Text == "" || f.Consequence == "" || f.OBS == "" || f.FFmpeg == "" || f.Severity == 0 || strings.Contains(f.Text, "%!") {
			t.Errorf("%s says not all: %+v", f.Code, f)
		}
	}
	if all := strings.Join(got, " "); all != string(want) {
		for _, f := range report.Findings {
			t.Log(f.Text)
		}
		t.Errorf("found %q, want %q", all, want)
	}
}

// TestDoctorHealthy: encoders that do as they should have no finding, whatever their rates.
func TestDoctorHealthy(t *testing.T) {
	for name, a := range map[string]ailment{
		"30 fps, 48 kHz":             {p: healthy(nil)},
		"25 fps, 44.1 kHz":           {p: with(func(p *publisher) { p.fps, p.gop, p.audio = 25, 50, 44100 })},
		"29.97 fps":                  {p: with(func(p *publisher) { p.fps = 30000.0 / 1001 })},
		"23.976 fps":                 {p: with(func(p *publisher) { p.fps, p.gop = 24000.0/1001, 48 })},
		"60 fps":                     {p: quick(60)},
		"15 fps":                     {p: with(func(p *publisher) { p.fps, p.gop = 15, 30 })},
		"a key frame in 3 s":         {p: with(func(p *publisher) { p.gop = 90 })},
		"a key frame each 1 s":       {p: with(func(p *publisher) { p.gop = 30 })},
		"sound only":                 {p: with(func(p *publisher) { p.noVideo = true })},
		"a moment's congestion":      {p: healthy(nil), setup: waits(func(float64) time.Duration { return 150 * time.Millisecond })},
		"timestamps from an hour on": {p: with(func(p *publisher) { p.start = 3_600_000 })},
		"200 ppm":                    {p: with(func(p *publisher) { p.speed = 1.0002 }), lasts: 2 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			faults(t, func(r *faultRig) { only(r.t, r.examined(a), "") })
		})
	}
}

// TestDoctor: an encoder with one fault has that finding and no other.
func TestDoctor(t *testing.T) {
	all := ailments()
	tested := map[doctor.Code]bool{doctor.MessagesDropped: true} // TestDoctorOverRTMP
	for _, a := range all {
		tested[a.code] = true
		t.Run(string(a.code), func(t *testing.T) {
			faults(t, func(r *faultRig) { only(r.t, r.examined(a), a.code) })
		})
	}
	for c := range doctor.Codes() {
		if !tested[c] {
			t.Errorf("no encoder has %s", c)
		}
	}
}

// TestDoctorOverRTMP: what an encoder says of itself and of its bit rates counts, and messages that cannot be used are a finding.
func TestDoctorOverRTMP(t *testing.T) {
	text := func(b []byte, s string) []byte { return append(append(b, 0, byte(len(s))), s...) }
	number := func(b []byte, name string, v float64) []byte {
		return binary.BigEndian.AppendUint64(append(text(b, name), 0), math.Float64bits(v))
	}
	meta := append(text([]byte{2}, "@setDataFrame"), text([]byte{2}, "onMetaData")...)
	meta = text(append(text(append(meta, 3), "encoder"), 2), "obs-output module (libobs version 31.0.0)")
	meta = append(number(number(meta, "videodatarate", videoRate/1000), "audiodatarate", 128), 0, 0, 9)
	for _, want := range []doctor.Code{"", doctor.MessagesDropped} {
		t.Run(string(want), func(t *testing.T) {
			faults(t, func(r *faultRig) {
				r.every = time.Hour
				w := r.dial("live/token", "key")
				w.meta = meta
				w.setChunk(4096)
				p, next := healthy(nil), 2000.0
				p.beforeSend = func(_ ingest.Session, ms float64) {
					if want != "" && ms > next {
						next += 1000
						w.message(6, 9, uint32(ms), []byte{0x27, 1, 0, 0, 0, 0xff, 0xff}) // no NAL unit
					}
				}
				r.feed(w, &p, 15*time.Second)
				report := r.rt.Examine("e")
				w.Close()
				only(r.t, report, want)
				if report.Encoder.Software != "obs-output module (libobs version 31.0.0)" || report.Video.Track.Bitrate != videoRate {
					r.t.Errorf("the encoder is %+v, its bit rate %d", report.Encoder, report.Video.Track.Bitrate)
				}
				l := report.Latency
				if !l.Achievable || l.Expected < 700*time.Millisecond || l.Expected > 1500*time.Millisecond || report.PartWait.Typical < 150*time.Millisecond || report.PartWait.Typical > 210*time.Millisecond {
					r.t.Errorf("latency %+v", l)
				}
			})
		})
	}
}

// TestResponseTime: answers that waited for media count in the event's latency, through a locator too.
func TestResponseTime(t *testing.T) {
	faults(t, func(r *faultRig) {
		r.every = time.Hour
		answers := make(chan int, 3)
		p, asked := healthy(nil), false
		p.beforeSend = func(_ ingest.Session, ms float64) {
			if asked || ms < 10_000 {
				return
			}
			asked = true
			last, _ := r.rt.events["e"].tl.View().Find("v1").LastNumber()
			for _, base := range []string{r.base, r.base, "/" + faultPreview + "/preview.ism/"} {
				go func() {
					w := httptest.NewRecorder()
					r.handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, fmt.Sprintf("%sv1/media.m3u8?_HLS_msn=%d&_HLS_part=0", base, last+2), nil))
					answers <- w.Code
				}()
			}
		}
		s := r.send(p, 20*time.Second)
		defer s.Close()
		for range cap(answers) {
			if code := <-answers; code != http.StatusOK {
				r.t.Errorf("status %d", code)
			}
		}
		for _, stage := range r.rt.Examine("e").Latency.Stages {
			if stage.Name == "responseTime" {
				if stage.N != 3 || stage.Max > time.Millisecond { // time stands still while work is done
					r.t.Errorf("%+v", stage)
				}
				return
			}
		}
		r.t.Error("the latency has no response time")
	})
}

// TestRepairsAreCounted: the doctor knows every kind of repair by the packager's name for it.
func TestRepairsAreCounted(t *testing.T) {
	m := doctor.NewMeter(doctor.Config{})
	m.Start(0, []media.Track{faultAudio(48000)})
	m.Sample(0, &media.Sample{Sync: true})
	for _, kind := range []cmaf.RepairKind{cmaf.RepairFrameTime, cmaf.RepairAudioFill, cmaf.RepairAudioDrop, cmaf.RepairNoKeyframe, cmaf.RepairForcedCut, cmaf.RepairFrameRate,
		cmaf.RepairTimeJump, cmaf.RepairDrift, cmaf.RepairTrackStall, cmaf.RepairTrackReturn, cmaf.RepairOverflow, cmaf.RepairEmpty} {
		m.Repaired(0, string(kind), -time.Second)
		if c := m.Measure(0).Repairs[string(kind)]; c.N != 1 || c.Most != time.Second {
			t.Errorf("%s: %+v", kind, c)
		}
	}
}
