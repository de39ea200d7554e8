package doctor

import (
	"slices"
	"time"
)

// ringSize is how many frames the doctor looks back: 17 s of 30 frames a second.
const ringSize = 512

// ring keeps the newest durations, in microseconds.
type ring struct {
	n    uint32
	data [ringSize]int32
}

func (r *ring) push(d time.Duration) {
	r.data[r.n%ringSize] = int32(max(min(d/time.Microsecond, 1<<31-1), -1<<31))
	r.n++
}

// sorted returns what is there, smallest first.
func (r *ring) sorted() []int32 {
	list := slices.Clone(r.data[:min(r.n, ringSize)])
	slices.Sort(list)
	return list
}

// Spread is how a duration varies.
type Spread struct {
	N                 int
	Typical, P95, Max time.Duration
}

// spread returns how far what is there is above the least of it, or above 0.
func (r *ring) spread(aboveLeast bool) Spread {
	list := r.sorted()
	if len(list) == 0 {
		return Spread{}
	}
	least := int64(0)
	if aboveLeast {
		least = int64(list[0])
	}
	at := func(percent int) time.Duration {
		return time.Duration(int64(list[(len(list)-1)*percent/100])-least) * time.Microsecond
	}
	return Spread{N: len(list), Typical: at(50), P95: at(95), Max: at(100)}
}

// Tallies count for the last minute, so that what is over is forgotten.
const (
	tallySlots = 6
	tallySlot  = 10 * time.Second
)

// tally counts what happened lately, and remembers the largest.
type tally struct {
	slot  int64
	count [tallySlots]uint32
	most  [tallySlots]time.Duration
}

func (t *tally) advance(at time.Duration) int {
	slot := int64(at / tallySlot)
	for n := 0; t.slot < slot; n++ {
		if n == tallySlots {
			t.slot = slot
			break
		}
		t.slot++
		t.count[t.slot%tallySlots], t.most[t.slot%tallySlots] = 0, 0
	}
	return int(t.slot % tallySlots)
}

func (t *tally) add(at time.Duration, n int, size time.Duration) {
	i := t.advance(at)
	t.count[i] += uint32(n)
	t.most[i] = max(t.most[i], size)
}

// read returns how many there were in the last minute, and the largest.
func (t tally) read(at time.Duration) (n int, most time.Duration) {
	t.advance(at)
	for i := range t.count {
		n += int(t.count[i])
		most = max(most, t.most[i])
	}
	return n, most
}

// Drift is looked for in slots: a clock that runs wrong shows over minutes.
const (
	driftSlots = 64
	driftSlot  = 5 * time.Second
)

// course is how a value went, slot by slot.
type course struct {
	n             int64 // the slot being filled is n
	done          int64 // slots filled before it, without a hole
	sum           int64
	of            int64
	least         int64
	means, leasts [driftSlots]int64
}

// add takes a value, in microseconds.
func (c *course) add(at time.Duration, v time.Duration) {
	slot, us := int64(at/driftSlot), int64(v/time.Microsecond)
	if slot != c.n {
		if c.of > 0 && slot == c.n+1 {
			c.means[c.done%driftSlots], c.leasts[c.done%driftSlots] = c.sum/c.of, c.least
			c.done++
		} else {
			c.done = 0 // nothing came for a while: what was before tells nothing
		}
		c.n, c.sum, c.of = slot, 0, 0
	}
	if c.of == 0 || us < c.least {
		c.least = us
	}
	c.sum += us
	c.of++
}

// restart forgets everything.
func (c *course) restart() { *c = course{n: c.n} }

// values returns the filled slots, oldest first, without the very first, which has what a connection begins with.
func (c *course) values(of *[driftSlots]int64) []int64 {
	n := min(c.done-1, driftSlots)
	var list []int64
	for i := c.done - n; i < c.done; i++ {
		list = append(list, of[i%driftSlots])
	}
	return list
}

// trend says whether values rise or fall steadily: by how much in all, and in which time.
func trend(values []int64) (change, over time.Duration, steady bool) {
	if len(values) < 3 {
		return 0, 0, false
	}
	third := len(values) / 3
	mean := func(list []int64) (sum int64) {
		for _, v := range list {
			sum += v
		}
		return sum / int64(len(list))
	}
	first, middle, last := mean(values[:third]), mean(values[third:len(values)-third]), mean(values[len(values)-third:])
	a, b := middle-first, last-middle
	total := last - first
	steady = a != 0 && (a > 0) == (b > 0) && abs(a-b) <= max(abs(a), abs(b))/2
	for i := 1; i < len(values); i++ {
		steady = steady && abs(values[i]-values[i-1]) <= abs(total)*3/4 // else it is a step
	}
	return time.Duration(total) * time.Microsecond, time.Duration(len(values)-third) * driftSlot, steady
}

func abs[T int64 | float64 | time.Duration](v T) T {
	if v < 0 {
		return -v
	}
	return v
}
