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

// tag is the parsed header of an FLV audio or video body (FLV 10.1, E.4.2.1 and E.4.3.1; enhanced RTMP v1 and v2).
type tag struct {
	codec  codecID
	packet packet
	track  uint8  // number of the track among those of its kind (enhanced RTMP)
	cts    int32  // composition time offset, ms
	nanos  uint32 // to add to the timestamp, ns (enhanced RTMP)
	data   []byte // configuration record or access unit
	name   string // of the codec, for people
}

var errTag = errors.New("FLV body cut short or senseless")

// appendTags appends what the body of an audio or video message carries to dst: one tag, or one per track.
func appendTags(dst []tag, kind media.Kind, b []byte) ([]tag, error) {
	if len(b) == 0 {
		return dst, errTag
	}
	const exAudio = 9
	if kind == media.Video && b[0]&0x80 != 0 || kind == media.Audio && b[0]>>4 == exAudio {
		return appendEnhanced(dst, kind, b)
	}
	parse := parseVideo
	if kind == media.Audio {
		parse = parseAudio
	}
	t, err := parse(b)
	if err != nil {
		return dst, err
	}
	return append(dst, t), nil
}

func parseVideo(b []byte) (tag, error) {
	const infoFrame = 5 // "video info/command frame"
	if b[0]>>4 == infoFrame {
		return tag{codec: codecH264, packet: packetOther}, nil
	}
	var t tag
	switch id := b[0] & 0x0f; id {
	case 7:
		t = tag{codec: codecH264, name: "H.264"}
	case 12: // not Adobe's: what Chinese encoders and their libraries agreed on before enhanced RTMP
		t = tag{codec: codecHEVC, name: "HEVC"}
	default:
		return tag{packet: packetFrame, name: videoCodecName(id)}, nil
	}
	if len(b) < 5 {
		return tag{}, errTag
	}
	t.data = b[5:]
	switch b[1] {
	case 0:
		t.packet = packetConfig
	case 1:
		t.packet = packetFrame
		t.cts = int24(b[2:])
	}
	return t, nil
}

func parseAudio(b []byte) (tag, error) {
	if id := b[0] >> 4; id != 10 {
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

func videoCodecName(id byte) string {
	switch id {
	case 2:
		return "Sorenson H.263"
	case 3, 6:
		return "Screen Video"
	case 4, 5:
		return "VP6"
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
