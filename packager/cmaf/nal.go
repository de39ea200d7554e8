package cmaf

import "encoding/binary"

// nextNAL cuts the first NAL unit off an access unit of 4-byte-length NAL units, length and all. Empty ones are passed
// over, and one that claims more bytes than there are ends the access unit: nal is nil then.
func nextNAL(au []byte) (nal, rest []byte) {
	for len(au) >= 4 {
		n := uint64(binary.BigEndian.Uint32(au))
		if n > uint64(len(au)-4) {
			return nil, nil
		}
		if n > 0 {
			return au[:4+n], au[4+n:]
		}
		au = au[4:]
	}
	return nil, nil
}

// H.264 NAL unit types (ITU-T H.264 table 7-1) that matter here.
const (
	nalIDR       = 5
	nalSPS       = 7
	nalPPS       = 8
	nalAUD       = 9
	nalEndOfSeq  = 10
	nalEndOfStrm = 11
	nalFiller    = 12
)

// avcFormat is the format of H.264 in an avc1 track.
type avcFormat struct{}

var _ format = avcFormat{}

// sync says whether there is an IDR slice.
func (avcFormat) sync(au []byte) bool {
	for nal, rest := nextNAL(au); nal != nil; nal, rest = nextNAL(rest) {
		if nal[4]&0x1f == nalIDR {
			return true
		}
	}
	return false
}

// append leaves out parameter sets, delimiters and filler (ISO 14496-15 5.4.2.1: avc1 has them in the sample entry only).
func (avcFormat) append(dst, au []byte) []byte {
	for nal, rest := nextNAL(au); nal != nil; nal, rest = nextNAL(rest) {
		switch nal[4] & 0x1f {
		case nalSPS, nalPPS, nalAUD, nalEndOfSeq, nalEndOfStrm, nalFiller:
			continue
		}
		dst = append(dst, nal...)
	}
	return dst
}

// HEVC NAL unit types (ITU-T H.265 table 7-1) that matter here.
const (
	hevcBLA    = 16 // first of the intra random access points
	hevcCRA    = 21 // last of them
	hevcVPS    = 32 // then SPS and PPS
	hevcAUD    = 35
	hevcFiller = 38
)

// hevcFormat is the format of HEVC in an hvc1 track.
type hevcFormat struct{}

var _ format = hevcFormat{}

// sync says whether the picture is an intra random access point: IDR, BLA or CRA ("a sample is considered as a sync
// sample if … the coded picture … is an IDR picture, a CRA picture or a BLA picture", ISO 14496-15, HEVC streams).
//
// A CRA picture with leading pictures is a SAP of type 3, and CMAF fragments begin with 1 or 2 at best. It begins
// segments all the same: encoders with open GOPs (x265 as it comes) send nothing else after the first picture, and
// decoders that start there are bound to skip the RASL pictures, which refer to what they do not have (H.265, 8.1.3).
func (hevcFormat) sync(au []byte) bool {
	for nal, rest := nextNAL(au); nal != nil; nal, rest = nextNAL(rest) {
		if typ := nal[4] >> 1 & 0x3f; hevcBLA <= typ && typ <= hevcCRA {
			return true
		}
	}
	return false
}

// append leaves out parameter sets, delimiters and filler (ISO 14496-15 8.4.1.1: hvc1 has parameter sets in the sample
// entry only). The end of a sequence stays: the next CRA picture is decoded otherwise after it.
func (hevcFormat) append(dst, au []byte) []byte {
	for nal, rest := nextNAL(au); nal != nil; nal, rest = nextNAL(rest) {
		switch typ := nal[4] >> 1 & 0x3f; {
		case hevcVPS <= typ && typ <= hevcAUD, typ == hevcFiller:
			continue
		}
		dst = append(dst, nal...)
	}
	return dst
}
