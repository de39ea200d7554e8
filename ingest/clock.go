package ingest

// clock unwraps the 32-bit millisecond timestamps of one message stream to 64 bits. It follows whatever the encoder's
// clock does, jumps and steps back included; repairing them is the packager's business.
type clock struct {
	started bool
	last    int64
}

// nearby is how far apart the timestamps of consecutive messages can be for a wrap to be believed, in ms.
const nearby = 10 * 60 * 1000

// unwrap returns ts on the 64-bit clock. "Timestamps … are 32-bit, so they roll over every 49 days, 17 hours" (RTMP
// 1.0, 4); ffmpeg masks them to 31 bits, so that they roll over at 2^31.
func (c *clock) unwrap(ts uint32) int64 {
	if !c.started {
		c.started = true
		c.last = int64(ts)
		if ts > 1<<32-1-nearby {
			c.last -= 1 << 32 // FLV timestamps are signed: priming and B-frames before time 0
		}
		return c.last
	}
	diff := int64(int32(ts - uint32(c.last)))
	if diff < -1<<30 || diff > 1<<30 {
		// Sign-extended from 31 bits.
		if d := int64(int32((ts-uint32(c.last))<<1) >> 1); -nearby < d && d < nearby {
			diff = d
		}
	}
	c.last += diff
	return c.last
}
