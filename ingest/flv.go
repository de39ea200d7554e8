package ingest

import (
	"errors"
	"fmt"

	"headwater.stream/internal/media"
)

// packet says what an FLV audio or video body carries.
type packet uint8

const (
	packetOther  packet = iota // nothing for us: end of sequence, info frames, what is to come
	packetConfig               // a configuration record
	packetFrame                // an access unit
)

// codecID names a codec that an FLV body can carry.
type codecID uint8

// The codecs with a demuxer; see newCodec.
const (
	codecNone codecID = iota
	codecH264
	codecAAC
)

// tag is the parsed header of an FLV audio or video body (FLV 10.1, E.4.2.1 and E.4.3.1; enhanced RTMP v1 and v2).
type tag struct {
	codec  codecID
	packet packet
	cts    int32  // composition time offset, ms
	data   []byte // configuration record or access unit
	name   string // of the codec, for people
}

var errTag = errors.New("FLV body cut short or senseless")

// parseTag parses the body of an audio or video message.
func parseTag(kind media.Kind, b []byte) (tag, error) {
	if len(b) == 0 {
		return tag{}, errTag
	}
	if kind == media.Video {
		return parseVideo(b)
	}
	return parseAudio(b)
}

func parseVideo(b []byte) (tag, error) {
	const infoFrame = 5 // "video info/command frame"
	if b[0]&0x80 != 0 {
		return parseEnhanced(b)
	}
	if b[0]>>4 == infoFrame {
		return tag{codec: codecH264, packet: packetOther}, nil
	}
	if id := b[0] & 0x0f; id != 7 {
		return tag{packet: packetFrame, name: videoCodecName(id)}, nil
	}
	if len(b) < 5 {
		return tag{}, errTag
	}
	t := tag{codec: codecH264, name: "H.264", data: b[5:]}
	switch b[1] {
	case 0:
		t.packet = packetConfig
	case 1:
		t.packet = packetFrame
		t.cts = int32(uint24(b[2:])<<8) >> 8 // SI24
	}
	return t, nil
}

func parseAudio(b []byte) (tag, error) {
	const enhanced = 9
	switch id := b[0] >> 4; id {
	case enhanced:
		return parseEnhanced(b)
	case 10:
	default:
		return tag{packet: packetFrame, name: audioCodecName(id)}, nil
	}
	if len(b) < 2 {
		return tag{}, errTag
	}
	t := tag{codec: codecAAC, name: "AAC", data: b[2:]}
	switch b[1] {
	case 0:
		t.packet = packetConfig
	case 1:
		t.packet = packetFrame
	}
	return t, nil
}

// parseEnhanced reads the FourCC of an enhanced RTMP body. No codec of those is supported yet; a FourCC that is none
// comes from an encoder's mistake (seen with drones) and is skipped.
func parseEnhanced(b []byte) (tag, error) {
	if len(b) < 5 {
		return tag{}, errTag
	}
	for _, c := range b[1:5] {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '.') {
			return tag{}, errTag
		}
	}
	return tag{packet: packetFrame, name: string(b[1:5]) + " (enhanced RTMP)"}, nil
}

func videoCodecName(id byte) string {
	switch id {
	case 2:
		return "Sorenson H.263"
	case 3, 6:
		return "Screen Video"
	case 4, 5:
		return "VP6"
	case 12:
		return "HEVC (codec 12)"
	case 13:
		return "AV1 (codec 13)"
	}
	return fmt.Sprintf("codec %d", id)
}

func audioCodecName(id byte) string {
	switch id {
	case 0, 3:
		return "PCM"
	case 1:
		return "ADPCM"
	case 2, 14:
		return "MP3"
	case 4, 5, 6:
		return "Nellymoser"
	case 7, 8:
		return "G.711"
	case 11:
		return "Speex"
	case 13:
		return "Opus (codec 13)"
	}
	return fmt.Sprintf("codec %d", id)
}
