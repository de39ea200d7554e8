package ingest

import "time"

// work is a budget that slows a connection down when its messages cost more than their bytes: chunk size 1 is legal
// and makes a header per byte. It bounds, it does not ban.
type work struct {
	rate int // units per second
	left int
	last time.Time
}

func newWork(rate int) work { return work{rate: rate, left: rate / 4, last: time.Now()} }

// charge takes n units and waits when there are none left.
func (w *work) charge(n int) {
	w.left -= n
	if w.left > 0 {
		return
	}
	now := time.Now()
	w.left = min(w.left+int(min(now.Sub(w.last), time.Second).Seconds()*float64(w.rate)), w.rate/4)
	w.last = now
	if w.left < 0 {
		// Short, so that a kick is never held up.
		time.Sleep(min(time.Duration(-w.left)*time.Second/time.Duration(w.rate), 100*time.Millisecond))
	}
}
