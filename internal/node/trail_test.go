package node

import (
	"testing"
	"time"

	"headwater.stream/internal/media"
)

// TestDrift: an encoder that sends a tenth less than it should falls behind by six seconds a minute.
func TestDrift(t *testing.T) {
	faults(t, func(r *faultRig) {
		slow := func(_ float64, track int, s *media.Sample) bool {
			s.DTS = s.DTS * 9 / 10
			return true
		}
		s := r.send(publisher{noVideo: true, audio: 48000, mutate: slow, start: 50_000}, 85*time.Second)
		st, _ := r.rt.EventStatus("e")
		if len(st.Beats) != 4 {
			t.Fatalf("heartbeats %+v", st.Beats)
		}
		for i, want := range []time.Duration{2 * time.Second, 4 * time.Second, 6 * time.Second, 6 * time.Second} {
			if d := st.Beats[i].Drift - want; d.Abs() > 200*time.Millisecond {
				t.Errorf("heartbeat %d: drift %v, want %v", i, st.Beats[i].Drift, want)
			}
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestTrail looks at what an event remembers of its input: connections, tracks, a jump, heartbeats.
func TestTrail(t *testing.T) {
	faults(t, func(r *faultRig) {
		s := r.send(publisher{audio: 48000, mutate: both(30_000, 3_600_000, 48000)}, 45*time.Second)
		st, ok := r.rt.EventStatus("e")
		if !ok || !st.Connected || len(st.Tracks) != 2 {
			t.Fatalf("status %+v", st)
		}
		if len(st.Beats) != 4 {
			t.Fatalf("%d heartbeats of two tracks in 45 s: %+v", len(st.Beats), st.Beats)
		}
		if b := st.Beats[0]; b.Track != "video" || b.Incoming <= 0 || b.Discontinuities != 0 || b.Last < 19*time.Second || b.Last > 21*time.Second {
			t.Errorf("first heartbeat %+v", b)
		}
		if b := st.Beats[2]; b.Discontinuities != 1 || b.Last < time.Hour || b.Drift != 0 {
			t.Errorf("heartbeat after the jump %+v", b)
		}
		tag := st.Log
		if st, _ = r.rt.EventStatus("e"); st.Log != tag {
			t.Error("the tag changed by itself")
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		st, _ = r.rt.EventStatus("e")
		if st.Log == tag {
			t.Error("the tag is the same after the end")
		}
		count := map[string]int{}
		for _, e := range st.Events {
			count[e.Type]++
			if e.Stream != "key" || e.Remote != "192.0.2.1:1000" || e.Time.IsZero() {
				t.Errorf("%+v", e)
			}
			if e.Type == "Discontinuity" && (e.Track != "video" || e.Gap < 59*time.Minute) {
				t.Errorf("%+v", e)
			}
		}
		if count["BeginIngest"] != 1 || count["FirstChunkReceived"] != 2 || count["Discontinuity"] != 1 || count["EndIngest"] != 1 {
			t.Errorf("events %v", count)
		}
		for range 2 * maxStreamEvents {
			s, err := r.admit("192.0.2.1:1000")
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
		if st, _ = r.rt.EventStatus("e"); len(st.Events) != maxStreamEvents || st.Events[len(st.Events)-1].Type != "EndIngest" {
			t.Errorf("%d events are remembered", len(st.Events))
		}
	})
}
