package progressive

import (
	"bytes"
	"fmt"
	"math"

	"github.com/Eyevinn/mp4ff/mp4"

	"headwater.stream/internal/media"
)

// track gathers the sample tables of one rendition.
type track struct {
	r     *media.Rendition
	scale uint32 // of the track in the file
	trak  *mp4.TrakBox
	stsd  *mp4.StsdBox
	descs map[uint32]uint32 // sample description, from 1 on, by initialization section

	count uint32
	start int64 // decoding time of the first sample, which is the earliest presentation time
	last  int64 // decoding time of the newest
	dur   int64 // its own duration
	stts  mp4.SttsBox
	ctts  mp4.CttsBox
	stsz  mp4.StszBox
	stss  mp4.StssBox
	stsc  mp4.StscBox
	sync  bool // all samples so far are sync samples
	signs bool // a composition offset is not 0

	pieces []int // of the file, by index
	run    run   // of the last of them
}

// run is what the chunks of an entry of stsc have in common.
type run struct{ samples, desc uint32 }

// newTrack returns the track for a rendition, with the sample descriptions of its initialization sections that segments use.
func newTrack(r *media.Rendition) (*track, error) {
	t := &track{r: r, descs: map[uint32]uint32{}, sync: true}
	t.ctts.Version, t.ctts.EndSampleNr = 1, []uint32{0}
	used := map[uint32]bool{}
	for _, s := range r.Segments {
		used[s.Init] = used[s.Init] || !s.Gap
	}
	kind := ""
	bodies := [][]byte{}
	for i := range r.Inits {
		in := &r.Inits[i]
		if !used[in.ID] {
			continue
		}
		trak, entry, err := describe(in)
		if err != nil {
			return nil, fmt.Errorf("initialization section %d of %s: %w", in.ID, r.Name, err)
		}
		if t.trak == nil {
			t.trak, t.stsd, kind = trak, trak.Mdia.Minf.Stbl.Stsd, entry.Type()
		}
		if entry.Type() != kind {
			return nil, fmt.Errorf("%w: %s has %s and %s", ErrCodecs, r.Name, kind, entry.Type())
		}
		t.scale = max(t.scale, in.Track.Timescale)
		var raw bytes.Buffer
		if err := entry.Encode(&raw); err != nil {
			return nil, err
		}
		for k, b := range bodies {
			if bytes.Equal(b, raw.Bytes()) {
				t.descs[in.ID] = uint32(k) + 1
			}
		}
		if t.descs[in.ID] == 0 {
			if len(bodies) > 0 {
				t.stsd.AddChild(entry)
			}
			bodies = append(bodies, raw.Bytes())
			t.descs[in.ID] = uint32(len(bodies))
		}
	}
	return t, nil
}

// describe returns the track and the sample entry of an initialization section.
func describe(in *media.Init) (trak *mp4.TrakBox, entry mp4.Box, err error) {
	// It may come from elsewhere, and mp4ff parses it.
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v", r)
		}
	}()
	f, err := mp4.DecodeFile(bytes.NewReader(in.Body))
	if err != nil {
		return nil, nil, err
	}
	if f.Init == nil || f.Init.Moov == nil || f.Init.Moov.Trak == nil {
		return nil, nil, fmt.Errorf("no track")
	}
	trak = f.Init.Moov.Trak
	if trak.Mdia == nil || trak.Mdia.Minf == nil || trak.Mdia.Minf.Stbl == nil || trak.Mdia.Minf.Stbl.Stsd == nil || len(trak.Mdia.Minf.Stbl.Stsd.Children) != 1 {
		return nil, nil, fmt.Errorf("not one sample entry")
	}
	return trak, trak.Mdia.Minf.Stbl.Stsd.Children[0], nil
}

// add appends the samples of a segment, whose media is a piece of the file. from is the timescale of the samples.
func (t *track) add(samples []sample, from, desc uint32, piece int) error {
	for _, s := range samples {
		dts := media.Rescale(s.dts, from, t.scale)
		if t.count == 0 {
			t.start = dts
		} else {
			// What is missing before a sample, the one before it lasts longer. Nothing goes back in time.
			dts = max(dts, t.last)
			delta := dts - t.last
			if delta > math.MaxUint32 {
				return fmt.Errorf("%w: a hole of %v", ErrTooLong, media.Duration(delta, t.scale))
			}
			t.lasts(uint32(delta))
		}
		t.count++
		t.last, t.dur = dts, media.Rescale(int64(s.dur), from, t.scale)
		t.stsz.SampleSize = append(t.stsz.SampleSize, s.size)
		t.shift(int32(media.Rescale(int64(s.offset), from, t.scale)))
		if s.sync {
			t.stss.SampleNumber = append(t.stss.SampleNumber, t.count)
		} else {
			t.sync = false
		}
	}
	t.pieces = append(t.pieces, piece)
	if now := (run{uint32(len(samples)), desc}); now != t.run {
		t.run = now
		return t.stsc.AddEntry(uint32(len(t.pieces)), now.samples, desc)
	}
	return nil
}

// lasts says how long the newest sample lasts.
func (t *track) lasts(delta uint32) {
	if n := len(t.stts.SampleCount); n > 0 && t.stts.SampleTimeDelta[n-1] == delta {
		t.stts.SampleCount[n-1]++
		return
	}
	t.stts.SampleCount, t.stts.SampleTimeDelta = append(t.stts.SampleCount, 1), append(t.stts.SampleTimeDelta, delta)
}

// shift says by how much the newest sample is shown after it is decoded.
func (t *track) shift(offset int32) {
	t.signs = t.signs || offset != 0
	if n := len(t.ctts.SampleOffset); n > 0 && t.ctts.SampleOffset[n-1] == offset {
		t.ctts.EndSampleNr[n]++
		return
	}
	t.ctts.SampleOffset = append(t.ctts.SampleOffset, offset)
	t.ctts.EndSampleNr = append(t.ctts.EndSampleNr, t.count)
}

// length is how long the track lasts.
func (t *track) length() int64 { return t.last + t.dur - t.start }

// cost is about how many bytes the tables have.
func (t *track) cost() int {
	return 4*len(t.stsz.SampleSize) + 8*len(t.stts.SampleCount) + 8*len(t.ctts.SampleOffset) + 4*len(t.stss.SampleNumber) + 20*len(t.pieces)
}
