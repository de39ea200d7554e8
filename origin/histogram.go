package origin

import (
	"sync/atomic"
	"time"
)

// Bounds of a Histogram's buckets, in seconds: from what a blocked reload should take to what makes a player stall.
var Bounds = [...]float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2, 3, 5, 10, 30}

// Histogram counts durations without a lock.
type Histogram struct {
	counts [len(Bounds) + 1]atomic.Int64
	sum    atomic.Int64 // nanoseconds
}

// Observe counts a duration.
func (h *Histogram) Observe(d time.Duration) {
	s, i := d.Seconds(), 0
	for i < len(Bounds) && s > Bounds[i] {
		i++
	}
	h.counts[i].Add(1)
	h.sum.Add(int64(d))
}

// Read returns how many there were up to each bound, in all, and their sum in seconds.
func (h *Histogram) Read() (upTo map[float64]uint64, count uint64, sum float64) {
	upTo = make(map[float64]uint64, len(Bounds))
	for i := range h.counts {
		count += uint64(h.counts[i].Load())
		if i < len(Bounds) {
			upTo[Bounds[i]] = count
		}
	}
	return upTo, count, time.Duration(h.sum.Load()).Seconds()
}
