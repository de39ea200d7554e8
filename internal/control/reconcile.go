package control

import (
	"context"
	"sync"
	"time"
)

// Bounds of the reconcile loop.
const (
	retryFirst = 100 * time.Millisecond // pause after a failure; it doubles
	retryMost  = 30 * time.Second
	settleWait = 4 * time.Second        // how long a synchronous change waits for the data plane; it is durable already
	pollWait   = 500 * time.Millisecond // how long the status of an operation is held back for its end
	sweepEvery = time.Hour
)

// loopState is the meeting point of changes, the loop and those who wait for it.
type loopState struct {
	mu       sync.Mutex
	wanted   uint64        // counts changes
	applied  uint64        // wanted, as of the begin of the last pass that ended
	poke     chan struct{} // of capacity 1: there is something to do
	passed   chan struct{} // closed and replaced at the end of each pass
	failures map[string]int
}

func (l *loopState) init() {
	l.poke = make(chan struct{}, 1)
	l.passed = make(chan struct{})
	l.failures = map[string]int{}
	l.wanted = 1 // the boot is the first change
	l.poke <- struct{}{}
}

// wake tells the loop that the model has changed.
func (s *Service) wake() {
	s.loop.mu.Lock()
	s.loop.wanted++
	s.loop.mu.Unlock()
	select {
	case s.loop.poke <- struct{}{}:
	default:
	}
}

// settle waits, for a bounded time, until the data plane has been brought to every change made so far.
func (s *Service) settle(ctx context.Context) {
	s.loop.mu.Lock()
	target := s.loop.wanted
	s.loop.mu.Unlock()
	s.await(ctx, settleWait, func() bool {
		s.loop.mu.Lock()
		defer s.loop.mu.Unlock()
		return s.loop.applied >= target
	})
}

// await returns when done says so after a pass of the loop, when the wait is over or the caller is gone.
func (s *Service) await(ctx context.Context, wait time.Duration, done func() bool) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		s.loop.mu.Lock()
		passed := s.loop.passed
		s.loop.mu.Unlock()
		if done() {
			return
		}
		select {
		case <-passed:
		case <-timer.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// Ready reports whether what runs has been brought to what is stored since the start.
func (s *Service) Ready() error {
	s.loop.mu.Lock()
	defer s.loop.mu.Unlock()
	if s.loop.applied == 0 {
		return errBooting
	}
	return nil
}

// Run is the reconcile loop: at boot, after each change, and again after failures it brings the runtime to what is
// stored, and then ends the operations that waited for it. It is the sole caller of Runtime.Apply and returns when ctx
// ends.
func (s *Service) Run(ctx context.Context) error {
	sweep := time.NewTicker(sweepEvery)
	defer sweep.Stop()
	var last *Desired // what the runtime was brought to without failure
	pause := retryFirst
	for {
		var retry <-chan time.Time
		expiry := time.NewTimer(s.expire(ctx))
		s.loop.mu.Lock()
		wanted := s.loop.wanted
		s.loop.mu.Unlock()
		d, pending := s.plan()
		var failed map[string]error
		if last == nil || !last.equal(&d) {
			failed = s.runtime.Apply(ctx, d)
			last = &d
		}
		if ctx.Err() != nil {
			return nil
		}
		for id, err := range failed {
			s.o.Log.Error("the data plane could not follow; it is tried again", "id", id, "in", pause, "error", err)
		}
		err := s.conclude(ctx, pending, failed)
		if len(failed) > 0 || err != nil {
			last = nil
			retry = time.After(pause)
			pause = min(2*pause, retryMost)
		} else {
			pause = retryFirst
		}
		s.loop.mu.Lock()
		s.loop.applied = wanted
		close(s.loop.passed)
		s.loop.passed = make(chan struct{})
		s.loop.mu.Unlock()
		select {
		case <-ctx.Done():
			return nil
		case <-expiry.C:
		case <-s.loop.poke:
			pause = retryFirst // a change deserves a fresh start
		case <-retry:
		case <-sweep.C:
			s.sweep(ctx)
		}
	}
}
