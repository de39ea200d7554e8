package node

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"headwater.stream/ingest"
	"headwater.stream/internal/control"
	"headwater.stream/internal/media"
)

// counter returns the value of a counter with one label.
func (r *faultRig) counter(name, label string) (v float64) {
	r.t.Helper()
	families, err := r.rt.metrics.registry.Gather()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			if len(m.GetLabel()) == 1 && m.GetLabel()[0].GetValue() == label {
				return m.GetCounter().GetValue()
			}
		}
	}
	return 0
}

// events returns the stream events whose type and text match.
func (r *faultRig) events(kind, text string) (list []control.StreamEvent) {
	st, _ := r.rt.EventStatus("e")
	for _, e := range st.Events {
		if e.Type == kind && strings.Contains(e.Code+" "+e.Reason, text) {
			list = append(list, e)
		}
	}
	return list
}

// TestRepairsAreReported provokes each kind of repair and discontinuity: it is counted, and told in stream events, few of them
// however often it happens.
func TestRepairsAreReported(t *testing.T) {
	away := func(track int, from, to float64) func(float64, int, *media.Sample) bool {
		return func(ms float64, k int, _ *media.Sample) bool { return k != track || ms < from || ms >= to }
	}
	for _, c := range []struct {
		name    string
		p       publisher
		counter string
		label   string
		event   string
		text    string
		most    int // events
	}{
		{"jump", publisher{mutate: both(9000, 3_600_000, 48000)}, "discontinuities", "time_jump", "Discontinuity", "MPE_INGEST_DISCONTINUITY The timestamps jumped.", 1},
		{"jumps for ever", publisher{gop: 5, mutate: func(ms float64, _ int, s *media.Sample) bool {
			return both(0, int64(ms/500)*60_000, 48000)(ms, s.Track, s)
		}},
			"discontinuities", "time_jump", "Discontinuity", "The timestamps jumped. ", 3},
		{"stall", publisher{mutate: away(1, 5000, 1e9)}, "discontinuities", "track_stall", "Discontinuity", "The track stopped", 1},
		{"return", publisher{mutate: away(1, 5000, 12_000)}, "discontinuities", "track_return", "Discontinuity", "The track is back", 1},
		{"never comes", publisher{mutate: away(0, 0, 1e9)}, "input_repairs", "track_stall", "MediaRepaired", "The track does not come", 1},
		{"jitter", publisher{mutate: func(ms float64, k int, s *media.Sample) bool {
			if k == 0 && int(ms)/33%7 == 2 {
				s.DTS += 200 * 120
			}
			return true
		}}, "input_repairs", "frame_time", "MediaRepaired", "off the frame grid", 4},
		{"overlapping audio", publisher{mutate: func(ms float64, k int, s *media.Sample) bool {
			if k == 1 {
				s.DTS -= min(s.DTS/20, 48*900)
			}
			return true
		}}, "input_repairs", "audio_drop", "ChunkDropped", "FragmentDrop_OverlapTimestamp", 4},
		{"missing audio", publisher{mutate: away(1, 5000, 6000)}, "input_repairs", "audio_fill", "MediaRepaired", "silence", 4},
		{"no key frame at first", publisher{keyframe: func(i int) bool { return i > 0 && i%60 == 0 }}, "input_repairs", "no_keyframe", "ChunkDropped", "before the first key frame", 4},
		{"long groups", publisher{gop: 600}, "input_repairs", "forced_cut", "MediaRepaired", "MPE_KEY_FRAME_INTERVAL_TOO_LARGE", 4},
		{"empty pictures", publisher{mutate: func(ms float64, k int, s *media.Sample) bool {
			if k == 0 && !s.Sync {
				s.Data = []byte{0, 0, 0, 2, 9, 0xf0} // a delimiter alone
			}
			return true
		}}, "input_repairs", "empty_sample", "MediaRepaired", "without content", 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			faults(t, func(r *faultRig) {
				p := c.p
				p.audio = 48000
				if err := r.send(p, 25*time.Second).Close(); err != nil {
					t.Error(err)
				}
				n := r.counter("headwater_"+c.counter+"_total", c.label)
				list := r.events(c.event, c.text)
				if n == 0 || len(list) == 0 || len(list) > c.most {
					t.Errorf("counted %v times, %d events, at most %d wanted: %+v", n, len(list), c.most, list)
				}
				if n > 100 && !strings.Contains(list[len(list)-1].Reason, "times since") {
					t.Errorf("the last event says nothing of how many: %+v", list)
				}
				if st, _ := r.rt.EventStatus("e"); st.Events[len(st.Events)-1].Type != "EndIngest" {
					t.Error("the publish does not end its events")
				}
			})
		})
	}
}

// TestDiscontinuitiesHaveCauses: another connection, other parameters.
func TestDiscontinuitiesHaveCauses(t *testing.T) {
	faults(t, func(r *faultRig) {
		r.send(publisher{audio: 48000}, 5*time.Second).Close()
		s := r.send(publisher{audio: 48000, start: 90_000}, 5*time.Second)
		r.feed(s, &publisher{audio: 48000, start: 95_033, size: "other"}, 5*time.Second)
		s.Close()
		for label, text := range map[string]string{causeEncoder: "An encoder connected", causeParameters: "changed"} {
			if n, list := r.counter("headwater_discontinuities_total", label), r.events("Discontinuity", text); n != 1 || len(list) != 1 {
				t.Errorf("%s: counted %v, events %+v", label, n, list)
			}
		}
		if got := r.discontinuities(); got != 2 {
			t.Errorf("%d discontinuities", got)
		}
	})
}

// TestDropsAreReported: what the connection drops is counted by reason, and told.
func TestDropsAreReported(t *testing.T) {
	faults(t, func(r *faultRig) {
		w := r.dial("live/token", "key")
		next := 2000.0
		r.feed(w, &publisher{audio: 48000, beforeSend: func(_ ingest.Session, ms float64) {
			if ms > next {
				next += 100
				w.message(6, 9, uint32(ms), []byte{0x27, 1, 0, 0, 0, 0xff, 0xff}) // no NAL unit
			}
		}}, 8*time.Second)
		w.Close()
		r.wait(time.Second)
		if n, list := r.counter("headwater_input_dropped_total", "malformed"), r.events("ChunkDropped", "malformed"); n < 50 || len(list) == 0 || len(list) > 3 {
			t.Errorf("%v counted, events %+v", n, list)
		}
		r.expect(0, 8, 8)
	})
}

// TestInputLost: after the configured silence the event says that its input is lost, once, whether the connection is still
// there or not; and that it is back.
func TestInputLost(t *testing.T) {
	for _, closes := range []bool{true, false} {
		t.Run(fmt.Sprintf("connection closed %v", closes), func(t *testing.T) {
			faults(t, func(r *faultRig) {
				s := r.send(publisher{audio: 48000}, 8*time.Second)
				if closes {
					s.Close()
				}
				lost := func() bool { st, _ := r.rt.EventStatus("e"); return st.Lost }
				r.wait(9 * time.Second)
				if lost() || len(r.events("InputLost", "")) != 0 {
					t.Error("lost too early")
				}
				r.wait(2 * time.Second)
				if list := r.events("InputLost", "for 10s"); !lost() || len(list) != 1 || list[0].Level != "Error" {
					t.Errorf("lost %v, events %+v", lost(), list)
				}
				r.wait(time.Minute)
				if n := len(r.events("InputLost", "")); n != 1 {
					t.Errorf("told %d times", n)
				}
				again := r.send(publisher{audio: 48000, start: 90_000}, 5*time.Second)
				if list := r.events("InputRestored", "after 1m11s"); lost() || len(list) != 1 {
					t.Errorf("lost %v, events %+v", lost(), list)
				}
				again.Close()
				s.Close()
				// A stopped event expects nothing.
				r.desired.Events[0].Running = false
				r.apply()
				r.wait(time.Minute)
				if e := r.rt.events["e"]; len(r.events("InputLost", "")) > 1 {
					t.Errorf("a stopped event lost its input: %+v", e.trail.events)
				}
			})
		})
	}
}

// TestTwoEncodersNeverFlap: of two encoders that both reconnect whenever they are thrown out, also from one address, the second
// stays as long as it sends; the first is in at once when it stops.
func TestTwoEncodersNeverFlap(t *testing.T) {
	for name, other := range map[string]string{"two addresses": "192.0.2.99:2000", "one address": "192.0.2.1:2000"} {
		t.Run(name, func(t *testing.T) {
			faults(t, func(r *faultRig) {
				first := r.send(publisher{audio: 48000}, 4*time.Second)
				second, err := r.admit(other)
				if err != nil {
					t.Fatal(err)
				}
				refused := 0
				next := 500.0
				r.feed(second, &publisher{audio: 48000, start: 0, beforeSend: func(_ ingest.Session, ms float64) {
					if ms < next {
						return
					}
					next += 5000
					var refusal *ingest.Refusal
					if _, err := r.admit("192.0.2.1:3000"); !errors.As(err, &refusal) {
						t.Errorf("after %v ms the first is back: %v", ms, err)
					}
					refused++
				}}, 90*time.Second)
				if refused < 17 {
					t.Errorf("%d attempts", refused)
				}
				if n := len(r.events("InvalidConnection", "another encoder took over")); n == 0 || n > 6 {
					t.Errorf("%d events about %d refusals", n, refused)
				}
				first.Close()
				r.wait(1500 * time.Millisecond) // the second is silent: half open, or gone
				third, err := r.admit("192.0.2.1:4000")
				if err != nil {
					t.Fatalf("the first may not come back: %v", err)
				}
				r.feed(third, &publisher{audio: 48000}, 5*time.Second)
				third.Close()
				second.Close()
				if got := r.discontinuities(); got != 2 {
					t.Errorf("%d discontinuities", got)
				}
			})
		})
	}
}
