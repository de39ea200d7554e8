package node

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"headwater.stream/ingest"
	"headwater.stream/internal/control"
)

// TestAdmission: an encoder beyond the limits is told so, in its event's stream events too; those inside go on, and can be
// taken over.
func TestAdmission(t *testing.T) {
	for name, limits := range map[string]Admission{
		"publishers": {Publishers: 1},
		"bitrate":    {IngestBitrate: 1000},
	} {
		t.Run(name, func(t *testing.T) {
			faults(t, func(r *faultRig) {
				r.rt.admission = limits
				r.desired.Events = append(r.desired.Events, control.EventSpec{ID: "f", Name: "f", Token: "other", PreviewID: "00000000-0000-0000-0000-00000000000f", Running: true, SegmentTarget: 2 * time.Second, Parts: true})
				r.apply()
				other := func() (ingest.Session, error) {
					return r.rt.Admit(t.Context(), ingest.Request{Remote: netip.MustParseAddrPort("192.0.2.7:1"), App: "live/other", Stream: "key", Kick: func(*ingest.Refusal) {}})
				}
				first := r.send(publisher{audio: 48000}, 25*time.Second) // a heartbeat knows its rate
				_, err := other()
				var refusal *ingest.Refusal
				if !errors.As(err, &refusal) || !strings.HasPrefix(refusal.Description, "MPE_CAPACITY_LIMIT_REACHED: ") {
					t.Errorf("one too many: %v", err)
				}
				var st control.EventStatus
				r.rt.events["f"].trail.read(&st)
				if n := len(st.Events); n != 1 || st.Events[0].Code != codeCapacity {
					t.Errorf("stream events %+v", st.Events)
				}
				second := r.send(publisher{audio: 48000}, 5*time.Second) // takes over from the first
				if err := second.Close(); err != nil {
					t.Error(err)
				}
				_ = first.Close() // it was told already
				s, err := other()
				if err != nil {
					t.Fatalf("when there is room again: %v", err)
				}
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestAdmissionDefaults: the limits on viewers follow from what the system allows, and leave something to others.
func TestAdmissionDefaults(t *testing.T) {
	a, err := Admission{}.withDefaults()
	if err != nil || a.Viewers < 1 || a.ViewersAddress < 1 || a.ViewersAddress > a.Viewers || a.Waiting != DefaultMaxWaiting {
		t.Errorf("%+v, %v", a, err)
	}
	if _, err := (Admission{Publishers: -1}).withDefaults(); err == nil {
		t.Error("a negative limit is taken")
	}
}
