package keyframe

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/Eyevinn/mp4ff/bits"
	"github.com/Eyevinn/mp4ff/mp4"
)

// MaxSize bounds what is taken for a key frame with the boxes before it: one of any encoder is smaller.
const MaxSize = 16 << 20

// Fragment returns moof and mdat of the first sample alone of a segment of which head is everything up to the end of that
// sample. It starts at start and lasts for duration, in the timescale of the media.
func Fragment(head []byte, start, duration int64) ([]byte, error) {
	source, data, err := first(head)
	if err != nil {
		return nil, err
	}
	frag, err := mp4.CreateFragment(source.Mfhd.SequenceNumber, source.Traf.Tfhd.TrackID)
	if err != nil {
		return nil, err
	}
	frag.Moof.Traf.Tfdt.SetBaseMediaDecodeTime(uint64(start))
	frag.Moof.Traf.Tfdt.Version = 1 // 64 bits always (CMAF 7.5.16)
	const flagsSync = 0x02000000    // depends on no other sample (ISO 14496-12 8.8.3.1)
	frag.Moof.Traf.Trun.AddSample(mp4.Sample{Flags: flagsSync, Dur: uint32(duration), Size: uint32(len(data)),
		CompositionTimeOffset: source.Traf.Trun.Samples[0].CompositionTimeOffset})
	frag.Mdat.AddSampleDataPart(data)
	sw := bits.NewFixedSliceWriter(int(frag.Size()))
	if err := frag.EncodeSW(sw); err != nil {
		return nil, err
	}
	return sw.Bytes(), nil
}

// first returns the moof of a segment that is cut off behind its first sample, and the sample.
func first(head []byte) (*mp4.MoofBox, []byte, error) {
	for rest := head; len(rest) >= 8; {
		size := binary.BigEndian.Uint32(rest)
		if size < 8 || int64(size) > int64(len(rest)) {
			break
		}
		if string(rest[4:8]) != "moof" { // emsg
			rest = rest[size:]
			continue
		}
		b, err := mp4.DecodeBox(0, bytes.NewReader(rest[:size]))
		if err != nil {
			return nil, nil, err
		}
		m, ok := b.(*mp4.MoofBox)
		if !ok || m.Mfhd == nil || m.Traf == nil || m.Traf.Tfhd == nil || m.Traf.Trun == nil || len(m.Traf.Trun.Samples) == 0 {
			break
		}
		n := int64(m.Traf.Trun.Samples[0].Size)
		if n == 0 || n > int64(len(rest))-int64(size)-8 {
			break
		}
		return m, head[int64(len(head))-n:], nil
	}
	return nil, nil, fmt.Errorf("no moof with a first sample in %d bytes", len(head))
}
