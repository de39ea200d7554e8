package cmaf

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"headwater.stream/internal/media"
)

// syncSink finds out where audio and video that arrived together are placed.
type syncSink struct {
	t      *testing.T
	placed [2]map[int]float64 // by number of the sample: seconds
	next   [2]int64
	parts  int
	begun  int
}

func (s *syncSink) Begin(_ []string, _ []media.Init, at time.Duration) (time.Duration, error) {
	s.begun++
	return at, nil
}

func (s *syncSink) Part(i int, p media.Part, _ bool) error {
	if s.next[i] != 0 && p.Start != s.next[i] {
		return fmt.Errorf("rendition %d: a part starts at %d, the one before ends at %d", i, p.Start, s.next[i])
	}
	s.next[i] = p.Start + p.Duration
	if s.parts++; s.parts%101 > 1 { // a few are enough
		return nil
	}
	at := p.Start
	for _, x := range decodePart(s.t, p) {
		n := 0
		if k := strings.LastIndexAny(x.data, "av"); k >= 0 {
			if _, err := fmt.Sscanf(x.data[k+1:], "%d", &n); err == nil {
				s.placed[i][n] = float64(at) / []float64{120000, 48000}[i]
			}
		}
		at += int64(x.dur)
	}
	return nil
}

func (s *syncSink) Cut(int) error { return nil }
func (s *syncSink) End() error    { return nil }

func (s *syncSink) Event(media.Event) (bool, error) { return true, nil }

// TestDrift runs the encoder's audio clock 200 ppm fast and slow against its video clock for an hour, in both ways in which
// that shows: in the number of samples while the timestamps agree, and in the timestamps too. What arrived together stays
// together, in one range, without a hole.
func TestDrift(t *testing.T) {
	const seconds = 3600
	for name, c := range map[string]struct{ samples, stamps, most float64 }{
		"samples 200 ppm fast": {200, 0, 0.1},
		"samples 200 ppm slow": {-200, 0, 0.1},
		"timestamps, 200 fast": {200, 200, 0.1},
		"timestamps, 200 slow": {-200, -200, 0.1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sink := &syncSink{t: t, placed: [2]map[int]float64{{}, {}}}
			repairs := map[RepairKind]int{}
			p := New(Config{Aim: 2 * time.Second, Limit: 3 * time.Second, Part: 210 * time.Millisecond, Repair: func(r Repair) { repairs[r.Kind]++ }}, sink)
			if err := p.SetTracks([]media.Track{videoTrack(t, media.Rational{Num: 30, Den: 1}), audioTrack(48000)}); err != nil {
				t.Fatal(err)
			}
			rate := 48000 * (1 + c.samples/1e6) // audio samples in a second of the video clock
			for i, k := 0, 0; i < seconds*30; {
				video, audio := float64(i)/30, float64(k)*1024/rate
				var s media.Sample
				if at := min(video, audio); video <= audio {
					s = media.Sample{Track: 0, DTS: int64(at*1000) * 120, Sync: i%60 == 0, Data: accessUnit(i, i%60 == 0)}
					i++
				} else {
					s = media.Sample{Track: 1, DTS: int64(at*(1+c.stamps/1e6)*1000) * 48, Sync: true, Data: fmt.Appendf(nil, "a%08d", k)}
					k++
				}
				if err := p.Write(s, time.Duration(min(video, audio)*float64(time.Second))); err != nil {
					t.Fatal(err)
				}
			}
			worst, n := 0.0, 0
			start := sink.placed[0][0]
			for k, at := range sink.placed[1] {
				n++
				if off := at - start - float64(k)*1024/rate; abs(off) > abs(worst) {
					worst = off
				}
			}
			t.Logf("audio at most %.0f ms off in %d places; repairs %v", worst*1000, n, repairs)
			if n < 500 || abs(worst) > c.most || sink.begun != 1 {
				t.Errorf("audio %.3f s off, %d places, %d ranges", worst, n, sink.begun)
			}
			if c.stamps == 0 && repairs[RepairDrift] != 0 || c.stamps != 0 && repairs[RepairDrift] == 0 {
				t.Errorf("repairs %v", repairs)
			}
		})
	}
}
