package ingest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"strings"

	mch264 "github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	mch265 "github.com/bluenviron/mediacommon/v2/pkg/codecs/h265"

	"headwater.stream/internal/media"
)

// HEVC NAL unit types (ITU-T H.265, table 7-1).
const (
	hevcFirstIRAP = 16 // BLA_W_LP; to CRA_NUT, intra random access points
	hevcLastIRAP  = 21
	hevcVPS       = 32
	hevcSPS       = 33
	hevcPPS       = 34
)

var errHEVCRecord = errors.New("HEVC configuration record is broken")

// hevc is the codec for HEVC in FLV: an HEVCDecoderConfigurationRecord (ISO 14496-15, 8.3.3.1) and access units of
// length-prefixed NAL units.
type hevc struct {
	lengthSize int // of the encoder's NAL unit lengths; ours are 4
	record     hevcRecord
	scratch    []byte
}

var _ codec = (*hevc)(nil)

// hevcRecord is an HEVCDecoderConfigurationRecord taken apart.
type hevcRecord struct {
	head   [22]byte // everything before the arrays
	arrays []hevcArray
}

// hevcArray holds the NAL units of one type.
type hevcArray struct {
	typ  byte
	nals [][]byte
}

// hevcArrays bounds the arrays of a record: one for each type of parameter set and SEI, and some to spare.
const hevcArrays = 16

// parseHEVCRecord parses b, to which the result refers.
func parseHEVCRecord(b []byte) (hevcRecord, error) {
	var r hevcRecord
	if len(b) < 23 || b[0] != 1 || b[22] > hevcArrays {
		return r, errHEVCRecord
	}
	copy(r.head[:], b)
	n, b := b[22], b[23:]
	for ; n > 0; n-- {
		if len(b) < 3 {
			return r, errHEVCRecord
		}
		a := hevcArray{typ: b[0] & 0x3f}
		count := int(binary.BigEndian.Uint16(b[1:]))
		b = b[3:]
		for ; count > 0; count-- {
			if len(b) < 2 || int(binary.BigEndian.Uint16(b)) > len(b)-2 {
				return r, errHEVCRecord
			}
			size := int(binary.BigEndian.Uint16(b))
			if size > 2 {
				a.nals = append(a.nals, b[2:2+size])
			}
			b = b[2+size:]
		}
		r.arrays = append(r.arrays, a)
	}
	for _, typ := range []byte{hevcVPS, hevcSPS, hevcPPS} {
		if len(r.sets(typ)) == 0 {
			return r, errHEVCRecord
		}
	}
	return r, nil
}

// sets returns the NAL units of a type.
func (r *hevcRecord) sets(typ byte) [][]byte {
	for _, a := range r.arrays {
		if a.typ == typ && len(a.nals) > 0 {
			return a.nals
		}
	}
	return nil
}

// bytes returns the record with NAL unit lengths of 4 bytes and all parameter sets in it ("hvc1": array_completeness
// is 1 for parameter sets, ISO 14496-15, 8.4.1.1.1).
func (r *hevcRecord) bytes() []byte {
	b := append([]byte(nil), r.head[:]...)
	b[21] |= 3
	b = append(b, 0)
	for _, a := range r.arrays {
		if len(a.nals) == 0 {
			continue
		}
		typ := a.typ
		if hevcVPS <= typ && typ <= hevcPPS {
			typ |= 0x80
		}
		b[22]++
		b = binary.BigEndian.AppendUint16(append(b, typ), uint16(len(a.nals)))
		for _, n := range a.nals {
			b = append(binary.BigEndian.AppendUint16(b, uint16(len(n))), n...)
		}
	}
	return b
}

func (c *hevc) configure(record []byte) (*media.Track, error) {
	r, err := parseHEVCRecord(bytes.Clone(record))
	if err != nil {
		return nil, err
	}
	t, err := r.track()
	if err != nil {
		return nil, err
	}
	c.lengthSize, c.record = int(record[21]&3)+1, r
	return t, nil
}

// track describes the record.
func (r *hevcRecord) track() (*media.Track, error) {
	sps := r.sets(hevcSPS)[0]
	s, err := parseHEVCSPS(sps)
	if err != nil {
		return nil, err
	}
	return &media.Track{
		Kind:      media.Video,
		Codec:     r.codec(),
		Timescale: media.VideoTimescale,
		Config:    r.bytes(),
		Language:  "und",
		Width:     s.width, Height: s.height,
		FrameRate: hevcFrameRate(sps),
	}, nil
}

// codec returns the codecs parameter (ISO 14496-15, annex E.3): profile space and idc, compatibility flags in reverse
// bit order, tier and level, constraint bytes without the zeros at the end.
func (r *hevcRecord) codec() string {
	h := r.head
	var b strings.Builder
	b.WriteString("hvc1.")
	if space := h[1] >> 6; space > 0 {
		b.WriteByte('A' + space - 1)
	}
	tier := "L"
	if h[1]&0x20 != 0 {
		tier = "H"
	}
	fmt.Fprintf(&b, "%d.%X.%s%d", h[1]&0x1f, bits.Reverse32(binary.BigEndian.Uint32(h[2:])), tier, h[12])
	for _, c := range bytes.TrimRight(h[6:12], "\x00") {
		fmt.Fprintf(&b, ".%X", c)
	}
	return b.String()
}

// hevcInfo is what matters of an SPS.
type hevcInfo struct {
	id            int
	profile       [12]byte // from general_profile_space to general_level_idc, as in the record
	chroma        int
	luma, chroma8 int // bit depths, less 8
	width, height int
}

// parseHEVCSPS reads an SPS (H.265, 7.3.2.2.1) up to the bit depths.
func parseHEVCSPS(nal []byte) (hevcInfo, error) {
	var s hevcInfo
	const enough = 256 // bytes for the fields that are read, with room
	r := bitReader{b: mch264.EmulationPreventionRemove(nal[min(2, len(nal)):min(enough, len(nal))])}
	r.skip(4)
	layers := r.bits(3) // sps_max_sub_layers_minus1
	r.skip(1)
	for i := range s.profile {
		s.profile[i] = byte(r.bits(8))
	}
	var has [8]struct{ profile, level bool }
	for i := range layers {
		has[i].profile, has[i].level = r.flag(), r.flag()
	}
	if layers > 0 {
		r.skip(2 * (8 - layers))
	}
	for _, sub := range has[:layers] {
		if sub.profile {
			r.skip(88)
		}
		if sub.level {
			r.skip(8)
		}
	}
	s.id = r.ue()
	s.chroma = r.ue()
	if s.chroma == 3 {
		r.skip(1)
	}
	s.width, s.height = r.ue(), r.ue()
	if r.flag() { // conformance window, in chroma samples
		x, y := 1, 1
		if s.chroma == 1 || s.chroma == 2 {
			x = 2
		}
		if s.chroma == 1 {
			y = 2
		}
		s.width -= x * (r.ue() + r.ue())
		s.height -= y * (r.ue() + r.ue())
	}
	s.luma, s.chroma8 = r.ue(), r.ue()
	if r.short || s.id > 15 || s.chroma > 3 || s.luma > 8 || s.chroma8 > 8 {
		return s, errHEVCRecord
	}
	if s.width <= 0 || s.height <= 0 || s.width > maxPicture || s.height > maxPicture {
		return s, fmt.Errorf("%w: picture of %dx%d", errHEVCRecord, s.width, s.height)
	}
	return s, nil
}

// hevcFrameRate returns what the VUI of an SPS says, zero when it says nothing or cannot be read.
func hevcFrameRate(nal []byte) (rate media.Rational) {
	defer func() { _ = recover() }() // the parser has been fuzzed, but these are hostile bytes
	var s mch265.SPS
	if s.Unmarshal(nal) != nil || s.VUI == nil || s.VUI.TimingInfo == nil {
		return rate
	}
	return rational(uint64(s.VUI.TimingInfo.TimeScale), uint64(s.VUI.TimingInfo.NumUnitsInTick))
}

func (c *hevc) frame(data []byte) (f frame, err error) {
	parameters := false
	f.data, c.scratch, err = accessUnit(c.scratch, data, c.lengthSize, func(nal []byte) {
		if len(nal) < 2 {
			return
		}
		switch typ := nal[0] >> 1 & 0x3f; {
		case hevcFirstIRAP <= typ && typ <= hevcLastIRAP:
			f.sync = true
		case hevcVPS <= typ && typ <= hevcPPS:
			parameters = true
		}
	})
	if err != nil {
		return frame{}, err
	}
	if f.sync && parameters {
		f.track = c.inBand(f.data)
	}
	return f, nil
}

// inBand compares the parameter sets of a random access point with those in force. When they differ they replace, or
// join, the ones with the same ID, and the track that makes is returned.
func (c *hevc) inBand(au []byte) *media.Track {
	r := c.record
	r.arrays = append([]hevcArray(nil), r.arrays...)
	changed := false
	for b := au; len(b) >= 4; {
		n := binary.BigEndian.Uint32(b)
		nal := b[4 : 4+n]
		b = b[4+n:]
		if len(nal) < 3 || len(nal) > 1<<16-1 || nal[0]&1 != 0 || nal[1]>>3 != 0 { // of another layer
			continue
		}
		typ := nal[0] >> 1 & 0x3f
		for i := range r.arrays {
			if a := &r.arrays[i]; a.typ == typ && hevcVPS <= typ && typ <= hevcPPS {
				if sets, ok := mergeSets(a.nals, nal, hevcSetID, hevcRoom(typ)); ok {
					a.nals, changed = sets, true
				}
			}
		}
	}
	if !changed {
		return nil
	}
	s, err := parseHEVCSPS(r.sets(hevcSPS)[0])
	if err != nil {
		return nil // keep what works
	}
	copy(r.head[1:], s.profile[:])
	r.head[16] = r.head[16]&^3 | byte(s.chroma)
	r.head[17] = r.head[17]&^7 | byte(s.luma&7)
	r.head[18] = r.head[18]&^7 | byte(s.chroma8&7)
	t, err := r.track()
	if err != nil {
		return nil
	}
	c.record = r
	return t
}

// hevcRoom returns how many parameter sets of a type there can be (H.265, 7.4.3).
func hevcRoom(typ byte) int {
	if typ == hevcPPS {
		return 64
	}
	return 16
}

// hevcSetID returns the ID of a parameter set.
func hevcSetID(nal []byte) (int, bool) {
	switch nal[0] >> 1 & 0x3f {
	case hevcVPS:
		return int(nal[2] >> 4), true
	case hevcPPS:
		return expGolomb(nal, 2)
	}
	s, err := parseHEVCSPS(nal)
	return s.id, err == nil
}
