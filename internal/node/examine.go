package node

import (
	"time"

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
	return cur.examine([]doctor.Stage{e.responses(), r.players(e)})
}

// responses is how long answers come after the media that they waited for.
func (e *event) responses() doctor.Stage {
	s := doctor.Stage{Name: "responseTime", Label: "From a part's announcement to the answers that waited for it", Source: doctor.Measured}
	s.N, s.Typical, s.P95, s.Max = e.delay.Read()
	return s
}

// players is how far behind live the players of the event's locators say that they are, on average.
func (r *runtime) players(e *event) doctor.Stage {
	s := doctor.Stage{Name: "players", Label: "Behind live, as players report (CMCD)", Source: doctor.Reported}
	sum, now := time.Duration(0), r.clock.now()
	for _, l := range r.routes.Load().locators {
		if !l.asset.records(e) {
			continue
		}
		if w := l.audience.Read(now); w.Latency > 0 {
			s.N += int(w.Reports)
			sum += w.Latency * time.Duration(w.Reports)
		}
	}
	if s.N > 0 {
		s.Typical = sum / time.Duration(s.N)
	}
	return s
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
