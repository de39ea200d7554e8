package cmaf

import (
	"fmt"

	"github.com/Eyevinn/mp4ff/mp4"

	"headwater.stream/internal/media"
)

// Sample flags (ISO 14496-12 8.8.3.1).
const (
	flagsSync    = 0x02000000 // depends on nothing
	flagsNonSync = 0x01010000 // depends on others, is not a sync sample
)

// chunk gathers the samples of the part being made. Its buffers are reused from part to part.
type chunk struct {
	data    []byte
	samples []mp4.Sample
	start   int64 // of the first sample
	dur     int64
	seq     uint32 // mfhd sequence number
}

// add appends a sample whose bytes are already at the end of c.data.
func (c *chunk) add(size int, dur uint32, offset int32, sync bool) {
	flags := uint32(flagsNonSync)
	if sync {
		flags = flagsSync
	}
	c.samples = append(c.samples, mp4.Sample{Flags: flags, Dur: dur, Size: uint32(size), CompositionTimeOffset: offset})
	c.dur += int64(dur)
}

func (c *chunk) empty() bool { return len(c.samples) == 0 }

// independent says whether the chunk begins with a sync sample (RFC 8216bis 4.4.4.9 INDEPENDENT).
func (c *chunk) independent() bool { return len(c.samples) > 0 && c.samples[0].Flags == flagsSync }

// encode makes the moof and mdat, behind the events that are due, in one exact block and empties the chunk; the next one
// starts where this one ends.
func (c *chunk) encode(events []media.Event, timescale uint32) (media.Part, error) {
	frag, err := mp4.CreateFragment(c.seq, trackID)
	if err != nil {
		return media.Part{}, fmt.Errorf("cmaf: making moof: %w", err)
	}
	traf := frag.Moof.Traf
	traf.Tfdt.SetBaseMediaDecodeTime(uint64(c.start))
	traf.Tfdt.Version = 1 // 64 bits always (CMAF 7.5.16)
	traf.Trun.Samples = c.samples
	frag.Mdat.AddSampleDataPart(c.data)
	body, err := encodeChunk(events, timescale, frag)
	if err != nil {
		return media.Part{}, err
	}
	key := 0
	if first := c.samples[0]; c.independent() && first.Size > 0 {
		key = len(body) - len(c.data) + int(first.Size) // the samples are the end of the block
	}
	p := media.Part{Start: c.start, Duration: c.dur, Independent: c.independent(), Body: body, Size: uint32(len(body)), KeySize: uint32(key)}
	c.data, c.samples, c.start, c.dur = c.data[:0], c.samples[:0], c.start+c.dur, 0
	c.seq++
	return p, nil
}

// sequenceUnits per second: the first mfhd sequence number of a range is its time, so that numbers rise over ranges and
// restarts without being stored; inside the range they rise by one. There are never that many chunks in a second. The 32
// bits last 248 days from the anchor and then wrap, which ISO 14496-12 8.8.5 bears.
const sequenceUnits = 200

func sequence(start int64, timescale int64) uint32 {
	return uint32(start/timescale*sequenceUnits+start%timescale*sequenceUnits/timescale) + 1
}
