package cmaf

import "encoding/binary"

// H.264 NAL unit types (ITU-T H.264 table 7-1) that are not carried in samples of an avc1 track.
const (
	nalIDR       = 5
	nalSPS       = 7
	nalPPS       = 8
	nalAUD       = 9
	nalEndOfSeq  = 10
	nalEndOfStrm = 11
	nalFiller    = 12
)

// appendAVC appends one access unit of 4-byte-length NAL units to dst without parameter sets, delimiters and filler
// (ISO 14496-15 5.4.2.1: avc1 has them in the sample entry only), and says whether it is an IDR picture. A NAL unit that
// claims more bytes than there are ends the access unit.
func appendAVC(dst, au []byte) (out []byte, idr bool) {
	for len(au) >= 4 {
		n := binary.BigEndian.Uint32(au)
		if n == 0 {
			au = au[4:]
			continue
		}
		if uint64(n) > uint64(len(au)-4) {
			break
		}
		nal := au[:4+n]
		au = au[4+n:]
		switch nal[4] & 0x1f {
		case nalSPS, nalPPS, nalAUD, nalEndOfSeq, nalEndOfStrm, nalFiller:
			continue
		case nalIDR:
			idr = true
		}
		dst = append(dst, nal...)
	}
	return dst, idr
}
