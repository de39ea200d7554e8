package cmaf

import (
	"headwater.stream/internal/media"
)

// Bounds within which a timestamp is repaired; beyond them a new discontinuity range begins.
const (
	maxForward  = 3  // seconds a track may jump ahead of its own end
	maxBackward = 1  // seconds it may fall behind it
	minJitter   = 2  // ms that a timestamp may stray from the frame grid however high the frame rate is
	estimateMin = 24 // frames needed to measure a frame period
	recentSize  = 8  // deltas kept to notice a wrong declared rate
)

// frameRates are the frame rates a measured period is rounded to, as fractions.
var frameRates = [...]media.Rational{
	{Num: 30, Den: 1}, {Num: 25, Den: 1}, {Num: 60, Den: 1}, {Num: 50, Den: 1}, {Num: 24, Den: 1}, {Num: 30000, Den: 1001},
	{Num: 60000, Den: 1001}, {Num: 24000, Den: 1001}, {Num: 15, Den: 1}, {Num: 20, Den: 1}, {Num: 10, Den: 1}, {Num: 12, Den: 1},
	{Num: 25, Den: 2}, {Num: 5, Den: 1}, {Num: 48, Den: 1}, {Num: 120, Den: 1}, {Num: 120000, Den: 1001}, {Num: 100, Den: 1},
}

// videoClock puts frames whose times are only millisecond-precise, and may jitter, on the exact frame grid, so that every
// frame's duration is known when the frame arrives and decoding times are contiguous to the tick for ever (CMAF 6.6.2).
//
// A frame is always placed at the end of the one before it. Where the encoder's time strays from that by less than 40 %
// of a frame it is jitter. More is a dropped or extra frame, or a wrong frame rate: the frame's duration then makes up
// for it, within the bounds the caller gives, so that the track catches up with the encoder's clock without a hole.
type videoClock struct {
	num, den int64 // ticks per frame = num/den
	origin   int64 // the grid: frame n is at origin + n*num/den
	n        int64
	next     int64 // where the next frame goes

	placed     bool
	estX, estN int64 // source time at which measuring began, frames since
	lastX      int64
	lastErr    int64
	recent     [recentSize]int64 // deltas of source time
	recentN    int
	jumps      int // jumps in a row
}

// start puts the grid's first frame at t; the source's own time for it is t as well.
func (c *videoClock) start(t int64, rate media.Rational) {
	*c = videoClock{num: int64(media.VideoTimescale) * int64(rate.Den), den: int64(rate.Num), origin: t, next: t, estX: t, lastX: t}
}

// period returns the nominal frame duration in ticks, rounded.
func (c *videoClock) period() int64 { return (c.num + c.den/2) / c.den }

func (c *videoClock) tolerance() int64 {
	return max(minJitter*media.VideoTimescale/1000, c.period()*2/5)
}

// place takes the next frame, whose source time is x, and returns its decoding time and duration. limit bounds the
// duration. repaired tells that the duration is not the grid's.
func (c *videoClock) place(x, limit int64) (dts, dur int64, repaired bool) {
	dts = c.next
	err := x - dts
	if c.placed {
		c.recent[c.recentN%recentSize] = x - c.lastX
		c.recentN++
	}
	c.placed = true
	c.estN++
	jump := abs(err-c.lastErr) > c.period()/2
	if abs(err) <= c.tolerance() {
		c.jumps = 0
		c.n++
		c.next = c.origin + (c.n*c.num+c.den/2)/c.den
		dur = c.next - dts
	} else {
		repaired = true
		c.remeasure(x, jump)
		dur = min(max(c.period()+err, c.period()/4, 1), limit)
		c.next = dts + dur
		c.origin, c.n = c.next, 0
		err = x + c.period() - c.next // what is left over
	}
	if jump {
		c.estX, c.estN = x, 0
	}
	c.lastX, c.lastErr = x, err
	return dts, dur, repaired
}

// stretch makes the frame that was placed last longer.
func (c *videoClock) stretch(by int64) {
	c.next += by
	c.origin, c.n = c.next, 0
	c.lastErr -= by
}

// remeasure corrects the frame period when the timestamps show that it is wrong.
func (c *videoClock) remeasure(x int64, jump bool) {
	if !jump {
		if c.estN > estimateMin { // drifted away little by little: the declared rate is slightly off
			c.setPeriod(x-c.estX, c.estN-1, 0.0005)
			c.estX, c.estN = x, 0
		}
		c.jumps = 0
		return
	}
	if c.jumps++; c.jumps < 3 || c.recentN < recentSize {
		return
	}
	var sum, lo, hi int64
	for i, d := range c.recent {
		sum += d
		if i == 0 || d < lo {
			lo = d
		}
		hi = max(hi, d)
	}
	if lo > 0 && hi-lo <= 2*minJitter*media.VideoTimescale/1000 { // regular, at another rate than declared
		c.setPeriod(sum, recentSize, 0.01)
		c.jumps = 0
	}
}

// setPeriod sets the period to ticks per frames, or to the usual rate within tol (relative) of that.
func (c *videoClock) setPeriod(ticks, frames int64, tol float64) {
	if ticks <= 0 || frames <= 0 {
		return
	}
	r := nearestRate(ticks, frames, tol)
	c.num, c.den = media.VideoTimescale*int64(r.Den), int64(r.Num)
	if r.Num == 0 {
		c.num, c.den = ticks, frames
	}
}

// nearestRate returns the usual frame rate within tol (relative) of frames per ticks, or zero.
func nearestRate(ticks, frames int64, tol float64) media.Rational {
	fps := float64(frames) * media.VideoTimescale / float64(ticks)
	best, at := media.Rational{}, tol
	for _, r := range frameRates {
		if d := abs(fps/r.Float() - 1); d < at {
			best, at = r, d
		}
	}
	return best
}

// snap rounds a composition offset to whole frames where it is one but for the clock's millisecond.
func (c *videoClock) snap(offset int64) int64 {
	frames := (2*offset*c.den + c.num) / (2 * c.num)
	if offset < 0 {
		frames = -((-2*offset*c.den + c.num) / (2 * c.num))
	}
	if t := frames * c.num / c.den; abs(t-offset) <= c.tolerance() {
		return t
	}
	return offset
}

// audioClock counts samples: every access unit lasts frame ticks, whatever its millisecond timestamp says, until the
// encoder's clock has really moved away.
type audioClock struct {
	frame int64 // samples per access unit = its ticks
	rate  int64
	next  int64
	off   int64 // ticks for which the timestamps have been away on one side
	side  int64
}

// Audio repair: drift is corrected one access unit at a time, once the timestamps have stayed away for driftPatience.
const (
	driftBound    = 50  // ms that audio may drift from its timestamps
	driftAtOnce   = 300 // ms at which the repair does not wait
	driftPatience = 500 // ms
)

// place takes the next access unit, whose source time is x. It returns how many silent access units to put before it, and
// whether to drop it; otherwise it goes at next.
func (c *audioClock) place(x int64) (fill int64, drop bool) {
	err := x - c.next
	bound := max(driftBound*c.rate/1000, 2*c.frame)
	side := int64(0)
	if err > bound {
		side = 1
	} else if err < -bound {
		side = -1
	}
	if side == 0 || side != c.side {
		c.off, c.side = 0, side
	}
	c.off += c.frame
	if side == 0 || (c.off < driftPatience*c.rate/1000 && abs(err) < driftAtOnce*c.rate/1000) {
		return 0, false
	}
	if side < 0 {
		return 0, true
	}
	if abs(err) >= driftAtOnce*c.rate/1000 {
		return min(err, maxForward*c.rate) / c.frame, false
	}
	c.off = 0
	return 1, false
}

func abs[T int64 | float64](v T) T {
	if v < 0 {
		return -v
	}
	return v
}
