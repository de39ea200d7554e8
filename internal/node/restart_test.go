package node

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"headwater.stream/internal/media"
	"headwater.stream/origin"
)

// restart ends what runs in order and starts it again, as another process whose wall clock is off by step.
func (r *faultRig) restart(step time.Duration) {
	r.t.Helper()
	old := r.rt
	if err := old.close(); err != nil {
		r.t.Fatal(err)
	}
	now := time.Now()
	r.rt = newRuntime(r.t.Context(), clock{wall: now.Add(step), start: now}, old.spools, old.assets, newMetrics(), old.cfg)
	r.apply()
	r.handler = origin.NewHandler(origin.Options{Resolver: r.rt})
}

// TestClockSteps is case 62. A running process does not see a step of the system's clock at all (clock); the next start does, and
// goes on: no name comes twice, the wall clock of the media moves only at a discontinuity, availabilityStartTime never.
func TestClockSteps(t *testing.T) {
	started := regexp.MustCompile(`availabilityStartTime="([^"]*)"`)
	faults(t, func(r *faultRig) {
		r.send(publisher{audio: 48000}, 8*time.Second).Close()
		ast := started.FindString(r.mpd)
		for i, step := range []time.Duration{time.Hour, -time.Hour, 0} {
			r.restart(step)
			r.send(publisher{audio: 48000, start: int64(i) * 1000}, 8*time.Second).Close()
			if now := started.FindString(r.mpd); now != ast || ast == "" {
				t.Errorf("after a step of %v %s, before %s", step, now, ast)
			}
		}
		r.expect(3, 32, 32)
		date := func(n int) time.Time {
			at, err := time.Parse(time.RFC3339Nano, r.lists["v1"].segments[n].pdt)
			if err != nil {
				t.Fatal(err)
			}
			return at
		}
		jumps := 0
		for n := 1; n <= r.lists["v1"].last; n++ {
			was, is := r.lists["v1"].segments[n-1], r.lists["v1"].segments[n]
			off := date(n).Sub(date(n-1)).Seconds() - was.duration
			if off < -0.002 {
				t.Errorf("segment %d begins %.3f s before the one before has ended", n, -off)
			}
			if off > 0.002 {
				if jumps++; was.disc == is.disc {
					t.Errorf("segment %d is dated %.3f s after the end of the one before, without a discontinuity", n, off)
				}
			}
		}
		if jumps == 0 {
			t.Error("no date ever moved: the step of an hour was not seen")
		}
	})
}

// TestSystemClockIsNotRead: the node's clock follows the monotonic one.
func TestSystemClockIsNotRead(t *testing.T) {
	now := time.Now()
	c := clock{wall: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), start: now}
	if d := c.now().Sub(c.wall); d < 0 || d > time.Minute {
		t.Errorf("the clock has moved by %v", d)
	}
}

// TestViewersAreToldTheNodesClock: availability is by that clock, and dash.js stands for good when the one it is told steps.
func TestViewersAreToldTheNodesClock(t *testing.T) {
	year := clock{wall: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), start: time.Now()}
	n := &node{metrics: newMetrics(), runtime: newRuntime(t.Context(), year, nil, nil, newMetrics(), Config{Log: slog.New(slog.DiscardHandler)})}
	w := httptest.NewRecorder()
	n.originHandler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/time", nil))
	if at, err := time.Parse(time.RFC3339Nano, w.Body.String()); err != nil || at.Year() != 2000 {
		t.Errorf("/time is %q, %v", w.Body, err)
	}
}

// TestBlockedDuringAPause is case 45: the encoder is connected and silent for eight seconds; who waits is answered within three
// target durations, the playlist as it is meanwhile.
func TestBlockedDuringAPause(t *testing.T) {
	faults(t, func(r *faultRig) {
		s := r.send(publisher{audio: 48000}, 8*time.Second)
		defer s.Close()
		type answer struct {
			status int
			after  time.Duration
		}
		answers := make(chan answer, 2)
		began := time.Now()
		for _, query := range []string{"?_HLS_msn=5", "?_HLS_msn=4&_HLS_part=8"} {
			go func() {
				w := httptest.NewRecorder()
				r.handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, r.base+"v1/media.m3u8"+query, nil))
				answers <- answer{w.Code, time.Since(began)}
			}()
		}
		r.wait(9*time.Second + 100*time.Millisecond)
		for range cap(answers) {
			select {
			case a := <-answers:
				if a.status != http.StatusOK && a.status != http.StatusServiceUnavailable {
					t.Errorf("status %d after %v", a.status, a.after)
				}
			default:
				t.Error("a blocked reload is held for more than three target durations")
			}
		}
		r.feed(s, &publisher{audio: 48000, start: 17_100}, 5*time.Second)
		if r.discontinuities() != 1 {
			t.Errorf("%d discontinuities", r.discontinuities())
		}
	})
}

// TestNeverAKeyFrame is case 38: video without a key frame is never shown, and the operator is told for how long; the sound goes on.
func TestNeverAKeyFrame(t *testing.T) {
	faults(t, func(r *faultRig) {
		s := r.send(publisher{audio: 48000, keyframe: func(int) bool { return false }}, 40*time.Second)
		defer s.Close()
		if a := r.seconds("a1"); a < 34 {
			t.Errorf("%.1f s of audio", a)
		}
		if v := r.seconds("v1"); v != 0 {
			t.Errorf("%.1f s of video without a key frame", v)
		}
		if st, _ := r.rt.EventStatus("e"); st.NoKeyFrame < 39*time.Second || st.NoKeyFrame > 41*time.Second {
			t.Errorf("no key frame for %v", st.NoKeyFrame)
		}
		if n := len(r.events("ChunkDropped", "before the first key frame")); n == 0 || n > 4 {
			t.Errorf("%d events", n)
		}
	})
}

// TestJumpIsNotRecorded is the end of case 22: a jump of an hour does not make the recording an hour longer.
func TestJumpIsNotRecorded(t *testing.T) {
	faults(t, func(r *faultRig) {
		r.send(publisher{audio: 48000, mutate: both(9000, 3_600_000, 48000)}, 20*time.Second).Close()
		r.desired.Outputs = nil
		r.apply()
		_, body := r.get(media.MPDName)
		total, err := time.ParseDuration(strings.ToLower(regexp.MustCompile(`mediaPresentationDuration="PT([^"]*)"`).FindStringSubmatch(body)[1]))
		if err != nil || total < 17*time.Second || total > 21*time.Second {
			t.Errorf("the recording lasts %v (%v)", total, err)
		}
	})
}
