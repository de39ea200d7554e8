package ingest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	mch264 "github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"

	"headwater.stream/internal/media"
)

// NAL unit types (ISO 14496-10, table 7-1).
const (
	nalIDR = 5
	nalSPS = 7
	nalPPS = 8
)

// maxPicture bounds the picture size that is believed, in luma samples per side.
const maxPicture = 16384

var errAVCRecord = errors.New("AVC configuration record is broken")

// h264 is the codec for AVC in FLV: an AVCDecoderConfigurationRecord (ISO 14496-15, 5.3.3.1) and access units of
// length-prefixed NAL units.
type h264 struct {
	lengthSize int // of the encoder's NAL unit lengths; ours are 4
	record     avcRecord
	scratch    []byte
}

var _ codec = (*h264)(nil)

// avcRecord is an AVCDecoderConfigurationRecord taken apart.
type avcRecord struct {
	head       [4]byte // version, profile, compatibility, level
	lengthSize int
	sps, pps   [][]byte
	tail       []byte // chroma format, bit depths and SPS extensions of the high profiles
}

// parseAVCRecord parses b, to which the result refers.
func parseAVCRecord(b []byte) (avcRecord, error) {
	var r avcRecord
	if len(b) < 7 || b[0] != 1 {
		return r, errAVCRecord
	}
	copy(r.head[:], b)
	r.lengthSize = int(b[4]&3) + 1
	rest, ok := b[5:], true
	if r.sps, rest, ok = parameterSets(rest, 0x1f); !ok || len(r.sps) == 0 {
		return r, errAVCRecord
	}
	if r.pps, rest, ok = parameterSets(rest, 0xff); !ok || len(r.pps) == 0 {
		return r, errAVCRecord
	}
	switch r.head[1] { // "if (profile_idc == 100 || 110 || 122 || 144)"; many encoders leave it out all the same
	case 100, 110, 122, 144, 244:
		if len(rest) >= 4 {
			r.tail = []byte{rest[0], rest[1], rest[2], 0} // without extensions, unless they are whole
			if exts, after, ok := parameterSets(rest[3:], 0xff); ok && len(exts) > 0 {
				r.tail = rest[:len(rest)-len(after)]
			}
		}
	}
	return r, nil
}

// parameterSets reads a count, masked, and that many NAL units with 16-bit lengths.
func parameterSets(b []byte, mask byte) (sets [][]byte, rest []byte, ok bool) {
	if len(b) < 1 {
		return nil, nil, false
	}
	n := int(b[0] & mask)
	b = b[1:]
	for ; n > 0; n-- {
		if len(b) < 2 {
			return nil, nil, false
		}
		size := int(binary.BigEndian.Uint16(b))
		if len(b) < 2+size {
			return nil, nil, false
		}
		if size > 0 {
			sets = append(sets, b[2:2+size])
		}
		b = b[2+size:]
	}
	return sets, b, true
}

// bytes returns the record with NAL unit lengths of 4 bytes.
func (r avcRecord) bytes() []byte {
	b := append([]byte(nil), r.head[:]...)
	b = append(b, 0xfc|3, 0xe0|byte(len(r.sps)))
	for _, s := range r.sps {
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
	}
	b = append(b, byte(len(r.pps)))
	for _, p := range r.pps {
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(p))), p...)
	}
	return append(b, r.tail...)
}

func (c *h264) configure(record []byte) (*media.Track, error) {
	r, err := parseAVCRecord(bytes.Clone(record))
	if err != nil {
		return nil, err
	}
	t, err := r.track()
	if err != nil {
		return nil, err
	}
	c.lengthSize, c.record = r.lengthSize, r
	return &t, nil
}

// track describes the record.
func (r avcRecord) track() (t media.Track, err error) {
	// The parser has been fuzzed, but these are hostile bytes.
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errAVCRecord, p)
		}
	}()
	var sps mch264.SPS
	if err := sps.Unmarshal(r.sps[0]); err != nil {
		return t, fmt.Errorf("%w: %v", errAVCRecord, err)
	}
	w, h := sps.Width(), sps.Height()
	if w <= 0 || h <= 0 || w > maxPicture || h > maxPicture {
		return t, fmt.Errorf("%w: picture of %dx%d", errAVCRecord, w, h)
	}
	return media.Track{
		Kind:      media.Video,
		Codec:     fmt.Sprintf("avc1.%02x%02x%02x", r.head[1], r.head[2], r.head[3]), // RFC 6381, 3.3
		Timescale: media.VideoTimescale,
		Config:    r.bytes(),
		Language:  "und",
		Width:     w, Height: h,
		FrameRate: frameRate(&sps),
	}, nil
}

// frameRate returns what the VUI says, zero when it says nothing or nonsense.
func frameRate(s *mch264.SPS) media.Rational {
	if s.VUI == nil || s.VUI.TimingInfo == nil {
		return media.Rational{}
	}
	return rational(uint64(s.VUI.TimingInfo.TimeScale), 2*uint64(s.VUI.TimingInfo.NumUnitsInTick)) // in fields (E.2.1)
}

func (c *h264) frame(data []byte) (f frame, err error) {
	parameters := false
	f.data, c.scratch, err = accessUnit(c.scratch, data, c.lengthSize, func(nal []byte) {
		switch nal[0] & 0x1f {
		case nalIDR:
			f.sync = true
		case nalSPS, nalPPS:
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

// inBand compares the parameter sets of an IDR access unit with those in force. When they differ they replace, or join,
// the ones with the same ID, and the track that makes is returned.
func (c *h264) inBand(au []byte) *media.Track {
	r := c.record
	changed := false
	for b := au; len(b) >= 4; {
		n := binary.BigEndian.Uint32(b)
		nal := b[4 : 4+n]
		b = b[4+n:]
		if len(nal) < 2 || len(nal) > 1<<16-1 {
			continue
		}
		switch nal[0] & 0x1f {
		case nalSPS:
			if sets, ok := mergeSets(r.sps, nal, avcSetID(4), 31); ok {
				r.sps, changed = sets, true
			}
		case nalPPS:
			if sets, ok := mergeSets(r.pps, nal, avcSetID(1), 255); ok {
				r.pps, changed = sets, true
			}
		}
	}
	if !changed {
		return nil
	}
	if s := r.sps[0]; len(s) >= 4 {
		copy(r.head[1:], s[1:4])
		if r.head[1] != c.record.head[1] {
			r.tail = nil // said something about another profile
		}
	}
	t, err := r.track()
	if err != nil {
		return nil // keep what works
	}
	c.record = r
	return &t
}

// avcSetID returns a function that returns the ID of a parameter set, the Exp-Golomb number at byte at.
func avcSetID(at int) func(nal []byte) (int, bool) {
	return func(nal []byte) (int, bool) { return expGolomb(nal, at) }
}
