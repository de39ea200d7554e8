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
	return cur.examine()
}

// examine says what is measured of the encoder and what is wrong with it; nil before it has said what its tracks are.
func (s *session) examine() *doctor.Report {
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
	return doctor.Examine(who, meter.Measure(s.event.clock.now().Sub(s.since)))
}
