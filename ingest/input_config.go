package ingest

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/Eyevinn/mp4ff/mp4"
)

// mp4Config returns the codec of a sample description and its configuration in the form RTMP has it, nil where RTMP has
// none.
func mp4Config(stsd *mp4.StsdBox) (codecID, []byte, error) {
	switch {
	case stsd.AvcX != nil && stsd.AvcX.AvcC != nil:
		b, err := payload(stsd.AvcX.AvcC)
		return codecH264, b, err
	case stsd.HvcX != nil && stsd.HvcX.HvcC != nil:
		b, err := payload(stsd.HvcX.HvcC)
		return codecHEVC, b, err
	case stsd.Av01 != nil && stsd.Av01.Av1C != nil:
		b, err := payload(stsd.Av01.Av1C)
		return codecAV1, b, err
	case stsd.Mp4a != nil && stsd.Mp4a.Esds != nil && stsd.Mp4a.Esds.DecConfigDescriptor != nil &&
		stsd.Mp4a.Esds.DecConfigDescriptor.DecSpecificInfo != nil:
		return codecAAC, stsd.Mp4a.Esds.DecConfigDescriptor.DecSpecificInfo.DecConfig, nil
	}
	for _, entry := range stsd.Children {
		var children []mp4.Box
		switch e := entry.(type) {
		case *mp4.VisualSampleEntryBox:
			children = e.Children
		case *mp4.AudioSampleEntryBox:
			children = e.Children
		}
		for _, box := range children {
			switch box := box.(type) {
			case *mp4.VppCBox:
				b, err := payload(box)
				if err != nil || entry.Type() != "vp09" {
					continue
				}
				return codecVP9, b[4:], nil // without version and flags
			case *mp4.DopsBox:
				return codecOpus, opusHead(box), nil
			case *mp4.DfLaBox:
				b, err := payload(box)
				if err != nil {
					return codecNone, nil, err
				}
				return codecFLAC, append([]byte("fLaC"), b[4:]...), nil
			case *mp4.Dac3Box:
				return codecAC3, nil, nil
			case *mp4.Dec3Box:
				return codecEAC3, nil, nil
			}
		}
	}
	return codecNone, nil, nil
}

// payload returns what is in a box.
func payload(b mp4.Box) ([]byte, error) {
	var w bytes.Buffer
	if err := b.Encode(&w); err != nil {
		return nil, fmt.Errorf("read %s: %w", b.Type(), err)
	}
	const header = 8
	return w.Bytes()[header:], nil
}

// opusHead makes the identification header of RFC 7845, 5.1 from the box of a file.
func opusHead(d *mp4.DopsBox) []byte {
	b := append([]byte("OpusHead"), 1, d.OutputChannelCount)
	b = binary.LittleEndian.AppendUint16(b, d.PreSkip)
	b = binary.LittleEndian.AppendUint32(b, d.InputSampleRate)
	b = binary.LittleEndian.AppendUint16(b, uint16(d.OutputGain))
	b = append(b, d.ChannelMappingFamily)
	if d.ChannelMappingFamily != 0 {
		b = append(append(b, d.StreamCount, d.CoupledCount), d.ChannelMapping...)
	}
	return b
}
