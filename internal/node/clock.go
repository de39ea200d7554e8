package node

import "time"

// clock is the wall clock as it was when the process started, moved on by the monotonic one: a step of the system's clock
// moves neither media times nor names. Only node reads the clock; everybody else gets times as arguments.
type clock struct{ start time.Time }

func newClock() clock { return clock{start: time.Now()} }

// now returns the time. It never goes back and never jumps.
func (c clock) now() time.Time { return c.start.Add(time.Since(c.start)).Round(0) }
