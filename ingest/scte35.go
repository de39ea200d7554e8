package ingest

import (
	"encoding/binary"
	"errors"
	"time"

	"headwater.stream/internal/media"
)

// Errors of splice_info_sections.
var (
	errSplice         = errors.New("no splice_info_section")
	errSpliceChecksum = errors.New("splice_info_section with a wrong checksum")
)

// splice is what is needed of a splice_info_section (SCTE 35): whether the programme is left or taken up again.
type splice struct {
	kind     media.Splice
	id       uint32 // splice_event_id, or segmentation_event_id
	duration time.Duration
}

// Splice commands (SCTE 35, 9.6.1) and the one descriptor of interest (10.2).
const (
	spliceInsert           = 0x05
	timeSignal             = 0x06
	segmentationDescriptor = 0x02
	spliceHead             = 14 // bytes before the command
)

// parseSplice reads a section; what is encrypted or of another command is only known to be a command.
func parseSplice(b []byte) (splice, error) {
	s := splice{kind: media.SpliceCommand}
	if len(b) < spliceHead+2+4 || b[0] != 0xfc || int(binary.BigEndian.Uint16(b[1:])&0xfff)+3 != len(b) {
		return s, errSplice
	}
	if crcMPEG2(b) != 0 { // over the checksum too
		return s, errSpliceChecksum
	}
	if b[4]&0x80 != 0 { // encrypted_packet
		return s, nil
	}
	length, body := int(binary.BigEndian.Uint16(b[11:])&0xfff), b[spliceHead:len(b)-4]
	if length == 0xfff { // "for backwards compatibility": up to the descriptors, which splice_insert does not need
		length = len(body)
	}
	if length > len(body) {
		return s, errSplice
	}
	switch b[13] {
	case spliceInsert:
		s.insert(body[:length])
	case timeSignal:
		s.descriptors(body[length:])
	}
	return s, nil
}

// insert reads a splice_insert (9.7.3).
func (s *splice) insert(b []byte) {
	if len(b) < 6 || b[4]&0x80 != 0 { // splice_event_cancel_indicator
		return
	}
	id, flags := binary.BigEndian.Uint32(b), b[5]
	out, program, duration, immediate := flags&0x80 != 0, flags&0x40 != 0, flags&0x20 != 0, flags&0x10 != 0
	s.id, s.kind = id, media.SpliceIn
	if out {
		s.kind = media.SpliceOut
	}
	b = b[6:]
	times := 0
	if program && !immediate {
		times = 1
	}
	if !program {
		if len(b) < 1 {
			return
		}
		times, b = int(b[0]), b[1:]
	}
	for range times {
		skip := 0
		if !program {
			skip = 1 // component_tag
		}
		if !immediate {
			if len(b) <= skip {
				return
			}
			if skip++; b[skip-1]&0x80 != 0 { // time_specified_flag
				skip += 4
			}
		}
		if len(b) < skip {
			return
		}
		b = b[skip:]
	}
	if duration && len(b) >= 5 {
		s.duration = clock90(uint64(b[0]&1)<<32 | uint64(binary.BigEndian.Uint32(b[1:])))
	}
}

// descriptors looks for the segmentation_descriptor (10.3.3) that says what a time_signal is about.
func (s *splice) descriptors(b []byte) {
	if len(b) < 2 {
		return
	}
	b = b[2:]
	for len(b) >= 2 && len(b) >= 2+int(b[1]) {
		d := b[2 : 2+b[1]]
		if b[0] == segmentationDescriptor && len(d) >= 9 && string(d[:4]) == "CUEI" && s.segmentation(d[4:]) {
			return
		}
		b = b[2+len(d):]
	}
}

// segmentation reads a descriptor behind its identifier; it returns false when that neither begins nor ends a break.
func (s *splice) segmentation(d []byte) bool {
	if d[4]&0x80 != 0 || len(d) < 6 { // segmentation_event_cancel_indicator
		return false
	}
	id, flags := binary.BigEndian.Uint32(d), d[5]
	d = d[6:]
	if flags&0x80 == 0 { // program_segmentation_flag
		if len(d) < 1 || len(d) < 1+6*int(d[0]) {
			return false
		}
		d = d[1+6*int(d[0]):]
	}
	var duration time.Duration
	if flags&0x40 != 0 {
		if len(d) < 5 {
			return false
		}
		duration = clock90(uint64(d[0])<<32 | uint64(binary.BigEndian.Uint32(d[1:])))
		d = d[5:]
	}
	if len(d) < 2 || len(d) < 3+int(d[1]) {
		return false
	}
	// Breaks, provider's and distributor's advertisements and placements: even types begin, the odd ones after them end.
	typ := d[2+d[1]]
	if typ != 0x22 && typ != 0x23 && (typ < 0x30 || typ > 0x3f) && (typ < 0x44 || typ > 0x47) {
		return false
	}
	s.id, s.duration, s.kind = id, duration, media.SpliceOut
	if typ&1 != 0 {
		s.kind, s.duration = media.SpliceIn, 0
	}
	return true
}

// clock90 converts ticks of 90 kHz; more than a day says nothing.
func clock90(ticks uint64) time.Duration {
	return seconds(float64(ticks) / 90_000)
}

// crcMPEG2 is the CRC_32 of MPEG-2 sections (ISO/IEC 13818-1, Annex A); over a whole section it is 0.
func crcMPEG2(b []byte) uint32 {
	crc := ^uint32(0)
	for _, c := range b {
		crc ^= uint32(c) << 24
		for range 8 {
			if crc&(1<<31) != 0 {
				crc = crc<<1 ^ 0x04c11db7
			} else {
				crc <<= 1
			}
		}
	}
	return crc
}
