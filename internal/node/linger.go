package node

import (
	"sync"
	"time"
)

// sealAfter is how long the last segment stays open when its encoder has gone: hls.js takes a segment for loaded of which less
// than 0.2 s is missing when a part of it is appended after the playlist has called the segment complete, and then stands
// (docs/adr/0004). It must have the last, short part before.
const sealAfter = time.Second

// linger ends the range of an encoder that has gone, a while later.
type linger struct {
	end func()

	mu    sync.Mutex // held for nanoseconds
	timer *time.Timer
	done  chan struct{}
}

// start lets the range end after sealAfter.
func (l *linger) start() {
	l.mu.Lock()
	defer l.mu.Unlock()
	done := make(chan struct{})
	l.done = done
	l.timer = time.AfterFunc(sealAfter, func() {
		defer close(done)
		l.end()
	})
}

// finish ends the range now, if it has not ended yet.
func (l *linger) finish() {
	l.mu.Lock()
	timer, done := l.timer, l.done
	l.timer = nil
	l.mu.Unlock()
	switch {
	case timer == nil:
	case timer.Stop():
		l.end()
	default:
		<-done
	}
}
