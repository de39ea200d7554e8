package ingest

import (
	"errors"
	"fmt"

	mcflac "github.com/bluenviron/mediacommon/v2/pkg/codecs/flac"

	"headwater.stream/internal/media"
)

var (
	errFLACRecord = errors.New("FLAC stream information is broken")
	errFLACFrame  = errors.New("FLAC frame header is broken")
)

// flac is the codec for FLAC in enhanced RTMP: "fLaC" with metadata blocks, of which STREAMINFO comes first, and frames.
type flac struct{ block uint32 }

var _ codec = (*flac)(nil)

// flacInfoSize is the size of STREAMINFO (RFC 9639, 8.2).
const flacInfoSize = 34

func (c *flac) configure(record []byte) (*media.Track, error) {
	b := record
	if len(b) >= 4 && string(b[:4]) == "fLaC" {
		b = b[4:]
	}
	if len(b) >= 4+flacInfoSize && b[0]&0x7f == 0 && uint24(b[1:]) == flacInfoSize {
		b = b[4:]
	}
	var s mcflac.StreamInfo
	if len(b) < flacInfoSize || s.Unmarshal(b[:flacInfoSize]) != nil {
		return nil, errFLACRecord
	}
	rate, samples := int(s.SampleRate), int(s.MaxBlockSize)
	if rate == 0 || samples < 16 {
		return nil, errFLACRecord
	}
	if media.AudioTimescale%rate != 0 {
		return nil, &Refusal{CodeFailed, fmt.Sprintf("FLAC at %d Hz is not supported; send 44.1, 48, 88.2 or 96 kHz.", rate)}
	}
	if samples*5 > rate { // a part has to hold whole frames
		return nil, &Refusal{CodeFailed, fmt.Sprintf("FLAC in blocks of %d samples is not supported; send at most a fifth of a second.", samples)}
	}
	config := []byte{0, 0, 0, 0, 0x80, 0, 0, flacInfoSize} // FLACSpecificBox: version and flags; the last block is STREAMINFO
	c.block = uint32(samples)
	return &media.Track{
		Kind:         media.Audio,
		Codec:        "fLaC",
		Timescale:    uint32(rate),
		Config:       append(config, b[:flacInfoSize]...),
		Language:     "und",
		SampleRate:   rate,
		Channels:     int(s.ChannelCount),
		FrameSamples: samples,
	}, nil
}

func (c *flac) frame(data []byte) (frame, error) {
	if c.block == 0 {
		return frame{}, errConfig
	}
	n := flacBlock(data)
	if n == 0 || n > c.block {
		return frame{}, errFLACFrame
	}
	return frame{data: data, sync: true, duration: n}, nil
}

// flacBlock returns the number of samples in a frame (RFC 9639, 9.1), 0 when its header is broken.
func flacBlock(b []byte) uint32 {
	if len(b) < 6 || b[0] != 0xff || b[1]&0xfe != 0xf8 {
		return 0
	}
	switch code := b[2] >> 4; {
	case code == 1:
		return 192
	case 2 <= code && code <= 5:
		return 144 << code
	case code >= 8:
		return 1 << code
	case code == 0:
		return 0
	}
	at := 4 // of the frame or sample number, coded like UTF-8
	for x := b[at]; x&0x80 != 0; x <<= 1 {
		at++
	}
	if at == 4 {
		at = 5
	}
	switch {
	case b[2]>>4 == 6 && len(b) > at:
		return uint32(b[at]) + 1
	case b[2]>>4 == 7 && len(b) > at+1:
		return (uint32(b[at])<<8 | uint32(b[at+1])) + 1
	}
	return 0
}
