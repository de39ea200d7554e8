package node

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"headwater.stream/ingest"
	"headwater.stream/internal/media"
)

// Cases of shared/spec/ingest-and-faults.md §8 are named in the tests.

// both shifts both tracks of the samples from ms on by the given time.
func both(from float64, shift int64, rate int) func(float64, int, *media.Sample) bool {
	return func(ms float64, track int, s *media.Sample) bool {
		if ms >= from {
			s.DTS += shift * map[int]int64{0: 120, 1: int64(rate) / 1000}[track]
		}
		return true
	}
}

// shifted shifts one track by ticks.
func shifted(track int, ticks int64) func(float64, int, *media.Sample) bool {
	return func(_ float64, k int, s *media.Sample) bool {
		if k == track {
			s.DTS += ticks
		}
		return true
	}
}

func (r *faultRig) expect(discontinuities int, video, audio float64) {
	r.t.Helper()
	if got := r.discontinuities(); got != discontinuities {
		r.t.Errorf("%d discontinuities, want %d", got, discontinuities)
	}
	for name, want := range map[string]float64{"v1": video, "a1": audio} {
		if got := r.seconds(name); got < want-4.5 || got > want+0.5 {
			r.t.Errorf("%s: %.1f s of media, want %.1f less what is open", name, got, want)
		}
	}
	if !strings.Contains(r.mpd, "<Period ") || strings.Count(r.mpd, "<Period ") != discontinuities+1 {
		r.t.Errorf("the MPD has %d Periods, want %d", strings.Count(r.mpd, "<Period "), discontinuities+1)
	}
}

func TestTimestamps(t *testing.T) {
	std := publisher{audio: 48000}
	cases := []struct {
		name            string
		p               func(p *publisher)
		discontinuities int
		video, audio    float64
	}{
		{"plain", func(*publisher) {}, 0, 24, 24},
		{"case 22: an hour ahead", func(p *publisher) { p.mutate = both(9000, 3_600_000, 48000) }, 1, 23, 23},
		{"case 23: ten seconds back", func(p *publisher) { p.start = 20_000; p.mutate = both(9000, -10_000, 48000) }, 1, 23, 23},
		{"case 23: restart at zero", func(p *publisher) { p.start = 500_000; p.mutate = both(9000, -509_000, 48000) }, 1, 23, 23},
		{"case 24: across 2^31", func(p *publisher) { p.start = 1<<31 - 9000 }, 0, 24, 24},
		{"case 24: across 2^32", func(p *publisher) { p.start = 1<<32 - 9000 }, 0, 24, 24},
		{"case 27: audio clock 5 % fast", func(p *publisher) {
			p.mutate = func(ms float64, track int, s *media.Sample) bool {
				if track == 1 {
					s.DTS += s.DTS / 20
				}
				return true
			}
		}, 0, 24, 24},
		{"case 26: audio 30 s ahead", func(p *publisher) { p.mutate = shifted(1, 30_000*48) }, 0, 24, 0},
		{"audio 5 s behind", func(p *publisher) { p.start = 10_000; p.mutate = shifted(1, -5000*48) }, 0, 24, 19},
		{"case 30: B-pyramid", func(p *publisher) {
			p.gop, p.mutate = 61, func(ms float64, track int, s *media.Sample) bool {
				if k := int(ms*30/1000+0.5) % 61; track == 0 {
					if s.Offset = 2 * 4000; k > 0 { // P4 B2 b1 b3
						s.Offset = []int32{5, 2, 0, 1}[(k-1)%4] * 4000
					}
				}
				return true
			}
		}, 0, 24, 24},
		{"case 30: open GOPs, every third picture marked as key an IDR", func(p *publisher) {
			p.gop, p.mutate = 30, func(ms float64, track int, s *media.Sample) bool {
				if i := int(ms*30/1000 + 0.5); track == 0 && s.Sync && i%90 != 0 {
					s.Data[4] = 0x41
				}
				return true
			}
		}, 0, 24, 24},
		{"drift of 200 ppm", func(p *publisher) {
			p.mutate = func(ms float64, track int, s *media.Sample) bool {
				if track == 1 {
					s.DTS += s.DTS / 5000
				}
				return true
			}
		}, 0, 24, 24},
		{"case 29: jitter, equal and backward steps", func(p *publisher) {
			p.mutate = func(ms float64, track int, s *media.Sample) bool {
				if track == 0 {
					switch int(ms) / 33 % 7 {
					case 2:
						s.DTS += 200 * 120
					case 4:
						s.DTS -= 40 * 120
					}
				}
				return true
			}
		}, 0, 24, 24},
		{"case 29: composition before decoding", func(p *publisher) {
			p.mutate = func(_ float64, track int, s *media.Sample) bool {
				if track == 0 && !s.Sync {
					s.Offset = -4000
				}
				return true
			}
		}, 0, 24, 24},
		{"negative first timestamps", func(p *publisher) { p.start = -100 }, 0, 24, 24},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			faults(t, func(r *faultRig) {
				p := std
				c.p(&p)
				s := r.send(p, 24*time.Second)
				defer s.Close()
				r.expect(c.discontinuities, c.video, c.audio)
			})
		})
	}
}

func TestConstantTimestamps(t *testing.T) { // case 28
	faults(t, func(r *faultRig) {
		s := r.send(publisher{audio: 48000, mutate: func(ms float64, _ int, s *media.Sample) bool {
			if ms > 8000 {
				s.DTS = 8000 * map[int]int64{0: 120, 1: 48}[s.Track]
			}
			return true
		}}, 20*time.Second)
		defer s.Close()
		if d := r.seconds("v1"); d < 6 {
			r.t.Errorf("%.1f s of video", d)
		}
	})
}

func TestTracks(t *testing.T) {
	without := func(track int, from, to float64) func(float64, int, *media.Sample) bool {
		return func(ms float64, k int, _ *media.Sample) bool { return k != track || ms < from || ms >= to }
	}
	cases := []struct {
		name            string
		p               publisher
		discontinuities int
		video, audio    float64
	}{
		{"case 35: video only", publisher{}, 0, 24, 0},
		{"case 36: audio 10 s late", publisher{audio: 48000, mutate: without(1, 0, 10_000)}, 2, 24, 14},
		{"case 36: video 10 s late", publisher{audio: 48000, mutate: without(0, 0, 10_000)}, 1, 14, 24},
		{"case 36: video stops", publisher{audio: 48000, mutate: without(0, 10_000, 1e9)}, 1, 10, 24},
		{"audio stops and returns", publisher{audio: 44100, mutate: without(1, 8000, 14_000)}, 2, 24, 18},
		{"case 37: key frames 20 s apart", publisher{audio: 48000, gop: 600}, 0, 24, 24},
		{"case 38: no further key frame", publisher{audio: 48000, keyframe: func(i int) bool { return i == 0 }}, 0, 24, 24},
		{"case 39: every frame a key frame", publisher{audio: 48000, gop: 1}, 0, 24, 24},
		{"key frames 0.25 s apart", publisher{audio: 48000, gop: 8}, 0, 24, 24},
		{"key frames at scene cuts", publisher{audio: 48000, keyframe: func(i int) bool { return i%47 == 0 || i%31 == 0 }}, 0, 24, 24},
		{"23.976 fps and 44.1 kHz", publisher{fps: 23.976, gop: 48, audio: 44100}, 0, 24, 24},
		{"2 fps", publisher{fps: 2, gop: 4, audio: 48000}, 0, 24, 24},
		{"1 fps, declared as 30", publisher{fps: 1, declared: 30, gop: 2, audio: 48000}, 1, 22, 24}, // noticed in three frames
		{"3 fps, declared as 30, a key frame in 8 s", publisher{fps: 3, declared: 30, gop: 24, audio: 48000}, 1, 21, 24},
		{"12.5 fps", publisher{fps: 12.5, gop: 25, audio: 48000}, 0, 24, 24},
		{"case 45: everything pauses 8 s", publisher{audio: 48000, mutate: func(ms float64, _ int, s *media.Sample) bool { return ms < 8000 || ms >= 16_000 }}, 1, 16, 16},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			faults(t, func(r *faultRig) {
				s := r.send(c.p, 24*time.Second)
				defer s.Close()
				r.expect(c.discontinuities, c.video, c.audio)
			})
		})
	}
}

// TestClocksFarApart is case 27 for three minutes: nine seconds are between the tracks in the end, and nothing breaks off.
func TestClocksFarApart(t *testing.T) {
	for _, c := range []struct {
		name string
		part int64
	}{{"fast", 20}, {"slow", -20}} {
		t.Run(c.name, func(t *testing.T) {
			faults(t, func(r *faultRig) {
				r.every = time.Second
				s := r.send(publisher{audio: 48000, mutate: func(_ float64, track int, s *media.Sample) bool {
					if track == 1 {
						s.DTS += s.DTS / c.part
					}
					return true
				}}, 3*time.Minute)
				if d := r.discontinuities(); d != 0 {
					t.Errorf("%d discontinuities", d)
				}
				if v, a := r.seconds("v1"), r.seconds("a1"); v < 175 || a < 165 {
					t.Errorf("%.1f s of video, %.1f of audio", v, a)
				}
				s.Close()
			})
		})
	}
}

func TestAudioOnly(t *testing.T) { // case 35
	faults(t, func(r *faultRig) {
		s := r.send(publisher{noVideo: true, audio: 44100}, 20*time.Second)
		defer s.Close()
		if d := r.seconds("a1"); d < 16 {
			t.Errorf("%.1f s of audio", d)
		}
		if r.lists["v1"] != nil {
			t.Error("there is a video playlist")
		}
	})
}

func TestReturns(t *testing.T) {
	t.Run("case 16: three resets in mid frame", func(t *testing.T) {
		faults(t, func(r *faultRig) {
			for range 3 {
				r.send(publisher{audio: 48000}, 7*time.Second+123*time.Millisecond).Close()
				r.wait(2 * time.Second)
			}
			s := r.send(publisher{audio: 48000}, 8*time.Second)
			defer s.Close()
			r.expect(3, 29, 29)
		})
	})
	t.Run("case 18: back after ten minutes, with another encoder", func(t *testing.T) {
		faults(t, func(r *faultRig) {
			r.send(publisher{audio: 44100, start: 77_000}, 15*time.Second).Close()
			r.wait(10 * time.Minute)
			s := r.send(publisher{audio: 48000, fps: 25, gop: 50, size: "other"}, 15*time.Second)
			defer s.Close()
			r.expect(1, 30, 30)
		})
	})
	t.Run("case 20: forty connections of 700 ms", func(t *testing.T) {
		faults(t, func(r *faultRig) {
			for range 40 {
				r.send(publisher{audio: 48000}, 700*time.Millisecond).Close()
			}
			s := r.send(publisher{audio: 48000}, 5*time.Second)
			defer s.Close()
			if d := r.discontinuities(); d < 30 || d > 40 {
				t.Errorf("%d discontinuities", d)
			}
		})
	})
	t.Run("case 14: two encoders on one token", func(t *testing.T) {
		faults(t, func(r *faultRig) {
			first := r.send(publisher{audio: 48000}, 8*time.Second)
			second, err := r.admit("192.0.2.99:2000")
			if err != nil {
				t.Fatal(err)
			}
			var refusal *ingest.Refusal
			if err := first.WriteSample(media.Sample{}); !errors.As(err, &refusal) {
				t.Errorf("the one before may go on: %v", err)
			}
			if _, err := r.admit("192.0.2.1:1001"); !errors.As(err, &refusal) {
				t.Errorf("the one before takes it back at once: %v", err)
			}
			r.feed(second, &publisher{audio: 48000}, 8*time.Second)
			if err := first.Close(); err != nil {
				t.Error(err)
			}
			r.feed(second, &publisher{audio: 48000, start: 8033}, 4*time.Second)
			defer second.Close()
			r.expect(2, 20, 20) // SetTracks of the last feed is a range too
		})
	})
	t.Run("case 34: another resolution in mid stream", func(t *testing.T) {
		faults(t, func(r *faultRig) {
			s := r.send(publisher{audio: 48000}, 10*time.Second)
			defer s.Close()
			r.feed(s, &publisher{audio: 48000, start: 10_033, size: "other"}, 10*time.Second)
			r.expect(1, 20, 20)
			inits := map[string]bool{}
			for _, seg := range r.lists["v1"].segments {
				inits[seg.init] = true
			}
			if len(inits) != 2 {
				t.Errorf("%d initialization sections", len(inits))
			}
		})
	})
}

// TestLastSegmentStaysOpen: when the encoder is gone everything is listed at once, but the segment is called complete only when
// players have had time to take its last part; an encoder that is back sooner ends it, and nothing ends that one's range.
func TestLastSegmentStaysOpen(t *testing.T) {
	faults(t, func(r *faultRig) {
		seconds := func() (d float64) { // of parts behind the last segment
			_, body := r.get("a1/media.m3u8")
			for line := range strings.Lines(body[max(0, strings.LastIndex(body, "#EXTINF")):]) {
				if m := partDuration.FindStringSubmatch(line); m != nil && strings.HasPrefix(line, "#EXT-X-PART:") {
					v, _ := strconv.ParseFloat(m[1], 64)
					d += v
				}
			}
			return d
		}
		r.send(publisher{audio: 48000}, 6600*time.Millisecond).Close()
		if d := seconds(); d < 0.55 || d > 0.65 {
			t.Errorf("%.3f s of the open segment are listed as the encoder goes, want 0.6", d)
		}
		r.wait(sealAfter - time.Millisecond)
		if seconds() == 0 {
			t.Error("the segment was ended at once")
		}
		r.wait(2 * time.Millisecond)
		if d := seconds(); d != 0 {
			t.Errorf("%.3f s are still open after %v", d, sealAfter)
		}
		r.send(publisher{audio: 48000}, 2600*time.Millisecond).Close()
		r.wait(sealAfter / 3)
		s := r.send(publisher{audio: 48000, start: 100}, 6*time.Second)
		defer s.Close()
		r.expect(2, 15, 15)
	})
}

// TestBurst is case 44: ten minutes sent as fast as they are taken.
func TestBurst(t *testing.T) {
	faults(t, func(r *faultRig) {
		s, err := r.admit("192.0.2.1:1000")
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if err := s.SetTracks([]media.Track{faultVideo(30, ""), faultAudio(48000)}); err != nil {
			t.Fatal(err)
		}
		for i := range 18_000 {
			if err := s.WriteSample(media.Sample{Track: 0, DTS: int64(i) * 1000 / 30 * 120, Sync: i%60 == 0, Data: faultFrame(i, i%60 == 0)}); err != nil {
				t.Fatal(err)
			}
			for k := i * 48 / 30; k < (i+1)*48/30; k++ {
				if err := s.WriteSample(media.Sample{Track: 1, DTS: int64(k) * 1000 / 48 * 48, Sync: true, Data: fmt.Appendf(nil, "a%d", k)}); err != nil {
					t.Fatal(err)
				}
			}
		}
		if n := len(r.rt.events["e"].tl.View().Renditions[0].Segments); n > 40 {
			t.Errorf("the preview lists %d segments", n)
		}
	})
}
