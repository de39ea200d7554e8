package ingest

import (
	"encoding/binary"
	"errors"

	mcopus "github.com/bluenviron/mediacommon/v2/pkg/codecs/opus"

	"headwater.stream/internal/media"
)

var (
	errOpusHead   = errors.New("OpusHead is broken")
	errOpusPacket = errors.New("packet of Opus is broken")
)

// opusRate is the rate of all Opus times: "Opus … always uses 48 kHz" (RFC 7845, 4).
const opusRate = 48000

// maxOpusPacket is the longest packet, 120 ms (RFC 6716, 3.2.5 R5).
const maxOpusPacket = opusRate * 120 / 1000

// opus is the codec for Opus in enhanced RTMP: an identification header (RFC 7845, 5.1) and packets. The track shows with
// the first packet, which tells how long packets are.
type opus struct {
	dops  []byte // OpusSpecificBox (Opus-ISOBMFF, 4.3.2) without its header, nil: no header came
	known bool
}

var _ codec = (*opus)(nil)

func (c *opus) configure(record []byte) (*media.Track, error) {
	if len(record) == 0 {
		// "If the Opus sequence start payload is empty … default to mono/stereo mode."
		c.dops, c.known = nil, false
		return nil, nil
	}
	if len(record) < 19 || string(record[:8]) != "OpusHead" || record[8]>>4 != 0 || record[9] == 0 {
		return nil, errOpusHead
	}
	channels, family := int(record[9]), record[18]
	if family > 1 {
		return nil, &Refusal{CodeFailed, "Opus of this channel mapping family is not supported; send mono, stereo or surround."}
	}
	if family == 0 && channels > 2 || channels > 8 || family == 1 && len(record) < 21+channels {
		return nil, errOpusHead
	}
	// The box has the fields of the header in the same order, but the most significant byte first, and version 0.
	b := []byte{0, byte(channels)}
	b = binary.BigEndian.AppendUint16(b, binary.LittleEndian.Uint16(record[10:])) // pre-skip
	b = binary.BigEndian.AppendUint32(b, binary.LittleEndian.Uint32(record[12:])) // input sample rate
	b = binary.BigEndian.AppendUint16(b, binary.LittleEndian.Uint16(record[16:])) // output gain
	b = append(b, family)
	if family == 1 {
		b = append(b, record[19:21+channels]...) // stream counts and mapping
	}
	c.dops, c.known = b, false
	return nil, nil
}

func (c *opus) frame(data []byte) (frame, error) {
	n := mcopus.PacketDuration2(data)
	if n <= 0 || n > maxOpusPacket {
		return frame{}, errOpusPacket
	}
	f := frame{data: data, sync: true, duration: uint32(n)}
	if !c.known {
		c.known = true
		f.track = c.track(int(n))
	}
	return f, nil
}

func (c *opus) track(samples int) *media.Track {
	dops := c.dops
	if dops == nil { // stereo, 80 ms of pre-skip as RFC 7845 recommends, no gain
		dops = []byte{0, 2, 0x0f, 0, 0, 0, 0xbb, 0x80, 0, 0, 0}
	}
	return &media.Track{
		Kind:         media.Audio,
		Codec:        "opus", // as browsers spell it; "Opus" is its sample entry
		Timescale:    opusRate,
		Config:       dops,
		Language:     "und",
		SampleRate:   opusRate,
		Channels:     int(dops[1]),
		FrameSamples: samples,
	}
}
