package ingest

import (
	"bytes"
	"errors"
	"fmt"

	mcav1 "github.com/bluenviron/mediacommon/v2/pkg/codecs/av1"

	"headwater.stream/internal/media"
)

// AV1 OBU types (AV1 bitstream specification, 6.2.2).
const (
	obuSequenceHeader    = 1
	obuTemporalDelimiter = 2
	obuFrameHeader       = 3
	obuFrame             = 6
)

var (
	errAV1Record = errors.New("AV1 configuration record is broken")
	errOBU       = errors.New("OBU sizes do not add up")
	errConfig    = errors.New("access unit before its configuration")
)

// av1 is the codec for AV1 in enhanced RTMP: an AV1CodecConfigurationRecord (AV1-ISOBMFF, 2.3) and temporal units in the
// low-overhead format. The sequence header may be in the record, in the key frames, or in both.
type av1 struct {
	header  []byte // payload of the sequence header OBU in force, nil: none yet
	scratch []byte
}

var _ codec = (*av1)(nil)

// obu is one OBU of a temporal unit.
type obu struct {
	typ     int
	whole   []byte // with its header
	payload []byte
}

// nextOBU cuts the first OBU off b (AV1, 5.3). One without a size reaches to the end.
func nextOBU(b []byte) (o obu, rest []byte, err error) {
	if len(b) < 1 || b[0]&0x80 != 0 { // obu_forbidden_bit
		return o, nil, errOBU
	}
	head, n := 1, 0
	if b[0]&4 != 0 { // obu_extension_flag
		head++
	}
	o.typ = int(b[0] >> 3 & 0x0f)
	if b[0]&2 == 0 { // obu_has_size_field
		n = len(b) - head
	} else {
		size := 0
		for shift := 0; ; shift += 7 {
			if head >= len(b) || shift > 28 {
				return o, nil, errOBU
			}
			x := b[head]
			head++
			size |= int(x&0x7f) << shift
			if x&0x80 == 0 {
				break
			}
		}
		n = size
	}
	if n < 0 || n > len(b)-head {
		return o, nil, errOBU
	}
	o.whole, o.payload = b[:head+n], b[head:head+n]
	return o, b[head+n:], nil
}

func (c *av1) configure(record []byte) (*media.Track, error) {
	if len(record) < 4 || record[0] != 0x81 { // marker and version 1
		return nil, errAV1Record
	}
	for b := record[4:]; len(b) > 0; {
		o, rest, err := nextOBU(b)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errAV1Record, err)
		}
		if o.typ == obuSequenceHeader {
			return c.adopt(o.payload)
		}
		b = rest
	}
	c.header = nil
	return nil, nil // the first key frame has it
}

// adopt puts a sequence header in force and returns the track it describes.
func (c *av1) adopt(payload []byte) (t *media.Track, err error) {
	defer func() { // the parser has been fuzzed, but these are hostile bytes
		if p := recover(); p != nil {
			t, err = nil, fmt.Errorf("%w: %v", errAV1Record, p)
		}
	}()
	payload = bytes.Clone(payload)
	var h mcav1.SequenceHeader
	if err := h.Unmarshal(append([]byte{obuSequenceHeader << 3}, payload...)); err != nil {
		return nil, fmt.Errorf("%w: %v", errAV1Record, err)
	}
	w, ht := h.Width(), h.Height()
	if w <= 0 || ht <= 0 || w > maxPicture || ht > maxPicture || len(h.SeqLevelIdx) == 0 || h.ReducedStillPictureHeader {
		return nil, fmt.Errorf("%w: picture of %dx%d", errAV1Record, w, ht)
	}
	c.header = payload
	tier := len(h.SeqTier) > 0 && h.SeqTier[0]
	t = &media.Track{
		Kind:      media.Video,
		Codec:     fmt.Sprintf("av01.%d.%02d%s.%02d", h.SeqProfile, h.SeqLevelIdx[0], av1Tier(tier), h.ColorConfig.BitDepth), // AV1-ISOBMFF, 5
		Timescale: media.VideoTimescale,
		Config:    av1Record(&h, tier, c.sequenceHeader()),
		Language:  "und",
		Width:     w, Height: ht,
	}
	if ti := h.TimingInfo; ti != nil && ti.EqualPictureInterval {
		t.FrameRate = rational(uint64(ti.TimeScale), uint64(ti.NumUnitsInDisplayTick)*(uint64(ti.NumTicksPerPictureMinus1)+1))
	}
	return t, nil
}

func av1Tier(high bool) string {
	if high {
		return "H"
	}
	return "M"
}

// av1Record makes an AV1CodecConfigurationRecord from a sequence header.
func av1Record(h *mcav1.SequenceHeader, tier bool, sequenceHeader []byte) []byte {
	flag := func(b bool) int {
		if b {
			return 1
		}
		return 0
	}
	c := &h.ColorConfig
	var w bitWriter
	w.put(0x81, 8)
	w.put(int(h.SeqProfile), 3)
	w.put(int(h.SeqLevelIdx[0]), 5)
	w.put(flag(tier), 1)
	w.put(flag(c.HighBitDepth), 1)
	w.put(flag(c.TwelveBit), 1)
	w.put(flag(c.MonoChrome), 1)
	w.put(flag(c.SubsamplingX), 1)
	w.put(flag(c.SubsamplingY), 1)
	w.put(int(c.ChromaSamplePosition), 2)
	w.put(0, 8) // no initial_presentation_delay
	return append(w.b, sequenceHeader...)
}

// sequenceHeader returns the sequence header in force as an OBU with a size.
func (c *av1) sequenceHeader() []byte {
	b := []byte{obuSequenceHeader<<3 | 2}
	n := len(c.header)
	for ; n >= 0x80; n >>= 7 {
		b = append(b, byte(n)|0x80)
	}
	return append(append(b, byte(n)), c.header...)
}

func (c *av1) frame(data []byte) (frame, error) {
	var header, first []byte
	for b := data; len(b) > 0; {
		o, rest, err := nextOBU(b)
		if err != nil {
			return frame{}, err
		}
		switch o.typ {
		case obuSequenceHeader:
			header = o.payload
		case obuFrameHeader, obuFrame:
			if first == nil {
				first = o.payload
			}
		}
		b = rest
	}
	if len(first) == 0 {
		return frame{}, errOBU
	}
	// "uncompressed_header": show_existing_frame 0, frame_type KEY_FRAME (0), show_frame 1. A key frame that is not shown
	// yet is no sync sample (AV1-ISOBMFF, 2.4), so that decoding starts at a picture that can be seen.
	f := frame{data: data, sync: first[0]&0xf0 == 0x10}
	if !f.sync {
		if c.header == nil {
			return frame{}, errConfig
		}
		return f, nil
	}
	switch {
	case header != nil && !bytes.Equal(header, c.header):
		t, err := c.adopt(header)
		if err != nil && c.header == nil {
			return frame{}, err
		}
		f.track = t // nil when it is broken: keep what works
	case c.header == nil:
		return frame{}, errConfig
	case header == nil:
		f.data = c.withHeader(data)
	}
	return f, nil
}

// withHeader puts the sequence header before a key frame: a sync sample "contains a Sequence Header OBU before the first
// Frame Header OBU" (AV1-ISOBMFF, 2.4).
func (c *av1) withHeader(data []byte) []byte {
	c.scratch = append(c.scratch[:0], c.sequenceHeader()...)
	for b := data; len(b) > 0; {
		o, rest, err := nextOBU(b)
		if err != nil {
			break
		}
		if o.typ != obuTemporalDelimiter {
			c.scratch = append(c.scratch, o.whole...)
		}
		b = rest
	}
	return c.scratch
}
