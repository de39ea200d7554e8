package node

import (
	"fmt"
	"sync"
	"time"

	"headwater.stream/internal/control"
)

// silence notices that the input of an event is lost: no sample for a time, whether or not an encoder is connected.
type silence struct {
	after time.Duration // 0: never
	tell  func(control.StreamEvent)
	now   func() time.Time

	mu    sync.Mutex // held for nanoseconds
	heard time.Time  // when the last sample came; zero: not since the event was started
	lost  bool
	timer *time.Timer
}

// hear is called for each sample. It reports media that are back.
func (s *silence) hear(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.heard
	s.heard = now
	if s.lost {
		s.lost = false
		s.tell(control.StreamEvent{Time: now, Type: "InputRestored", Level: "Information", Reason: fmt.Sprintf("Media come again, after %v.", now.Sub(was).Round(100*time.Millisecond))})
	}
	if s.timer == nil && s.after > 0 {
		s.timer = time.AfterFunc(s.after, s.listen)
	}
}

// listen is called when nothing may have come for long enough.
func (s *silence) listen() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.timer == nil {
		return // stopped meanwhile
	}
	now := s.now()
	if left := s.after - now.Sub(s.heard); left > 0 {
		s.timer.Reset(left)
		return
	}
	s.timer = nil
	s.lost = true
	s.tell(control.StreamEvent{Time: now, Type: "InputLost", Level: "Error", Reason: fmt.Sprintf("Nothing has come for %v.", s.after)})
}

// stop ends listening, because nothing is expected any more.
func (s *silence) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
	s.heard, s.lost = time.Time{}, false
}

// since returns when the last sample came, and whether the input is lost.
func (s *silence) since() (time.Time, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.heard, s.lost
}
