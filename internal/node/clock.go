package node

import "time"

// clock is the wall clock as it was when the process started, moved on by the monotonic one: a step of the system's clock
// moves neither media times nor names. Only node reads the clock; everybody else gets times as arguments.
type clock struct {
	wall  time.Time // when the process started
	start time.Time // the same moment of the monotonic clock
}

func newClock() clock { now := time.Now(); return clock{wall: now.Round(0), start: now} }

// now returns the time. It never goes back and never jumps.
func (c clock) now() time.Time { return c.wall.Add(time.Since(c.start)) }
