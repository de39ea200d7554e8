package cmaf

// AV1 OBU types (AV1 bitstream specification 6.2.2) that matter here.
const (
	obuTemporalDelimiter = 2
	obuFrameHeader       = 3
	obuFrame             = 6
	obuTileList          = 8
	obuPadding           = 15
)

// av1Format is the format of AV1 temporal units in the low-overhead form.
type av1Format struct{}

var _ format = av1Format{}

// sync says whether the first frame is a key frame that is shown (AV1-ISOBMFF 2.4: a sync sample's "first frame is a Key
// Frame that has show_frame flag set to 1").
func (av1Format) sync(au []byte) bool {
	for len(au) > 0 {
		typ, head, size := obu(au)
		if size == 0 {
			return false
		}
		if (typ == obuFrameHeader || typ == obuFrame) && size > head {
			// show_existing_frame 0, frame_type KEY_FRAME, show_frame 1
			return au[head]&0xf0 == 0x10
		}
		au = au[size:]
	}
	return false
}

// append leaves out what "SHOULD NOT be present" in a sample, temporal delimiters and padding, and tile lists, which SHALL
// NOT (AV1-ISOBMFF 2.4).
func (av1Format) append(dst, au []byte) []byte {
	for len(au) > 0 {
		typ, _, size := obu(au)
		if size == 0 {
			break
		}
		if typ != obuTemporalDelimiter && typ != obuTileList && typ != obuPadding {
			dst = append(dst, au[:size]...)
		}
		au = au[size:]
	}
	return dst
}

// obu returns the type of the first OBU of b, and its size without and with what it carries; one without a size field
// reaches to the end. A size of 0 means that it is broken.
func obu(b []byte) (typ byte, head, size int) {
	typ, head = b[0]>>3&0x0f, 1
	if b[0]&4 != 0 {
		head++
	}
	if b[0]&2 == 0 {
		if head > len(b) {
			return typ, 0, 0
		}
		return typ, head, len(b)
	}
	n := 0
	for shift := 0; shift <= 28; shift += 7 { // leb128
		if head >= len(b) {
			return typ, 0, 0
		}
		x := b[head]
		head++
		n |= int(x&0x7f) << shift
		if x&0x80 == 0 {
			if n > len(b)-head {
				return typ, 0, 0
			}
			return typ, head, head + n
		}
	}
	return typ, 0, 0
}
