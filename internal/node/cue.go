package node

import (
	"time"

	"headwater.stream/internal/media"
	"headwater.stream/packager/cmaf"
)

// The rate of timed metadata: "at most one per 500 ms" (ams-v3 §12), with room for a burst after a pause.
const (
	cueEvery = 500 * time.Millisecond
	cueBurst = 10
)

// Reasons to drop timed metadata, besides what ingest cannot read.
const (
	dropCueRate   = "event_rate"    // more than the rate
	dropCueRepeat = "event_refused" // sent again, on another clock, or no room
)

// cueRate is what of the rate is left.
type cueRate struct {
	left float64
	at   time.Time
}

// take says whether one more event is within the rate at now.
func (r *cueRate) take(now time.Time) bool {
	if r.at.IsZero() {
		r.left = cueBurst
	} else {
		r.left = min(cueBurst, r.left+max(0, now.Sub(r.at).Seconds()/cueEvery.Seconds()))
	}
	r.at = now
	if r.left < 1 {
		return false
	}
	r.left--
	return true
}

// WriteEvent implements ingest.Session: what is beyond the rate, or that nobody can use, is counted and dropped.
func (s *session) WriteEvent(e media.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended != nil {
		return s.ended
	}
	if s.pack == nil {
		return cmaf.ErrNoTracks
	}
	if !s.cues.take(s.event.clock.now()) {
		s.event.metrics.dropped.WithLabelValues(dropCueRate).Inc()
		return nil
	}
	taken, err := s.pack.Event(e)
	if err == nil && !taken {
		s.event.metrics.dropped.WithLabelValues(dropCueRepeat).Inc()
	}
	return err
}
