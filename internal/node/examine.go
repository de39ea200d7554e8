package node

import (
	"headwater.stream/internal/doctor"
)

// Examine implements control.Runtime.
func (r *runtime) Examine(id string) *doctor.Report {
	e := r.routes.Load().events[id]
	if e == nil {
		return nil
	}
	e.mu.Lock()
	cur := e.cur
	e.mu.Unlock()
	if cur == nil {
		return nil
	}
	return cur.examine(e.stages())
}

// stages are the parts of the latency that are not measured of the encoder.
func (e *event) stages() []doctor.Stage {
	response := doctor.Stage{Name: "responseTime", Label: "From a part's announcement to the answers that waited for it", Source: doctor.Measured}
	response.N, response.Typical, response.P95, response.Max = e.delay.Read()
	return []doctor.Stage{response}
}

// examine says what is measured of the encoder and what is wrong with it; nil before it has said what its tracks are.
func (s *session) examine(others []doctor.Stage) *doctor.Report {
	s.mu.Lock()
	if s.meter == nil || s.ended != nil {
		s.mu.Unlock()
		return nil
	}
	s.dropped()
	meter := *s.meter // a copy, so that the encoder does not wait for what is worked out
	s.mu.Unlock()
	who := doctor.Encoder{FlashVer: s.encoder, Remote: s.remote, Since: s.since}
	if s.counters != nil {
		who.Software = s.counters.Software()
	}
	return doctor.Examine(who, meter.Measure(s.event.clock.now().Sub(s.since)), others...)
}
