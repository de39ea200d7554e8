package origin

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// delayPeriod is how long answers are counted together: what Read returns is of the present period and the one before.
const delayPeriod = 30 * time.Second

// delayBuckets are four an octave of microseconds, so that a quantile is at most a fifth too high.
const delayBuckets = 4 * 32

// Delay counts how long after their media were announced those answers were sent that had waited for it: what the origin adds to
// the latency. All its methods may be called at any time.
type Delay struct {
	now     func() time.Time
	periods [3]delayCounts
}

type delayCounts struct {
	number atomic.Int64 // of the period
	of     [delayBuckets]atomic.Uint32
}

// NewDelay returns a Delay by the clock that Views are announced by (media.View.Published).
func NewDelay(now func() time.Time) *Delay { return &Delay{now: now} }

// answered notes that an answer of what was announced at t has been sent, and returns how long after.
func (d *Delay) answered(t time.Time) time.Duration {
	now := d.now()
	n := now.UnixNano() / int64(delayPeriod)
	p := &d.periods[n%int64(len(d.periods))]
	if old := p.number.Load(); old != n && p.number.CompareAndSwap(old, n) {
		for i := range p.of { // an answer that is counted meanwhile may be lost
			p.of[i].Store(0)
		}
	}
	p.of[delayBucket(now.Sub(t))].Add(1)
	return now.Sub(t)
}

func delayBucket(d time.Duration) int {
	us := uint64(max(d/time.Microsecond, 4))
	octave := bits.Len64(us) - 3
	return min(4*octave+int(us>>octave)&3, delayBuckets-1)
}

// delayBound returns what the durations in a bucket are less than.
func delayBound(i int) time.Duration { return time.Duration(5+i%4) << (i / 4) * time.Microsecond }

// Read returns how many answers there were in the last half to whole minute, and which delay half of them, 95 % and all of them had
// at most.
func (d *Delay) Read() (n int, typical, p95, most time.Duration) {
	now := d.now().UnixNano() / int64(delayPeriod)
	var sum [delayBuckets]int
	for i := range d.periods {
		p := &d.periods[i]
		if number := p.number.Load(); number != now && number != now-1 {
			continue
		}
		for b := range p.of {
			sum[b] += int(p.of[b].Load())
		}
	}
	for _, c := range sum {
		n += c
	}
	if n == 0 {
		return 0, 0, 0, 0
	}
	at := func(rank int) time.Duration {
		for b, c := range sum {
			if rank -= c; rank < 0 {
				return delayBound(b)
			}
		}
		return 0
	}
	return n, at((n - 1) / 2), at((n - 1) * 95 / 100), at(n - 1)
}
