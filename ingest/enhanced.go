package ingest

import (
	"encoding/binary"

	"headwater.stream/internal/media"
)

// Packet types of enhanced RTMP v2 (veovera, "ExVideoTagHeader" and "ExAudioTagHeader"). The first three and ModEx are
// the same for both kinds.
const (
	exSequenceStart = 0
	exCodedFrames   = 1
	exModEx         = 7

	exVideoCodedFramesX = 3
	exVideoMetadata     = 4
	exVideoTSStart      = 5
	exVideoMultitrack   = 6

	exAudioMultitrack = 5
)

// Multitrack types.
const (
	oneTrack             = 0
	manyTracks           = 1
	manyTracksManyCodecs = 2
)

// modExNano is the ModEx type TimestampOffsetNano.
const modExNano = 0

// maxTracks bounds the tracks of one message: more than any encoder has, fewer than could be packed.
const maxTracks = 32

// exHeader is what an ExVideoTagHeader or ExAudioTagHeader says about all that follows.
type exHeader struct {
	kind   media.Kind
	packet byte
	multi  bool
	many   byte   // multitrack type
	fourCC []byte // of every track; nil with manyTracksManyCodecs
	nanos  uint32
	rest   []byte
}

// appendEnhanced appends the tags in an enhanced RTMP body to dst: one, or one for each track of a multitrack message.
func appendEnhanced(dst []tag, kind media.Kind, b []byte) ([]tag, error) {
	h, body, err := parseExHeader(kind, b)
	if err != nil || !body {
		return append(dst, tag{packet: packetOther}), err
	}
	if !h.multi {
		t, err := h.tag(h.fourCC, h.rest)
		return append(dst, t), err
	}
	for rest := h.rest; len(rest) > 0; {
		if len(dst) >= maxTracks {
			return dst, errTag
		}
		fourCC := h.fourCC
		if h.many == manyTracksManyCodecs {
			if len(rest) < 4 {
				return dst, errTag
			}
			fourCC, rest = rest[:4], rest[4:]
		}
		if len(rest) < 1 {
			return dst, errTag
		}
		id := rest[0]
		data := rest[1:]
		rest = nil
		if h.many != oneTrack {
			// "sizeOfVideoTrack … starts counting immediately after the position where [its] value is located".
			if len(data) < 3 || int(uint24(data)) > len(data)-3 {
				return dst, errTag
			}
			n := 3 + int(uint24(data))
			data, rest = data[3:n], data[n:]
		}
		t, err := h.tag(fourCC, data)
		if err != nil {
			return dst, err
		}
		t.track = id
		dst = append(dst, t)
	}
	return dst, nil
}

// parseExHeader reads up to the first track. body is false when the message has none.
func parseExHeader(kind media.Kind, b []byte) (h exHeader, body bool, err error) {
	h = exHeader{kind: kind, packet: b[0] & 0x0f, rest: b[1:]}
	for h.packet == exModEx {
		if err := h.modEx(); err != nil {
			return h, false, err
		}
	}
	const command = 5
	multitrack := byte(exVideoMultitrack)
	if kind == media.Audio {
		multitrack = exAudioMultitrack
	} else if b[0]>>4&7 == command && h.packet != exVideoMetadata {
		return h, false, nil
	}
	if h.packet == multitrack {
		if len(h.rest) < 1 {
			return h, false, errTag
		}
		h.multi, h.many, h.packet = true, h.rest[0]>>4, h.rest[0]&0x0f
		h.rest = h.rest[1:]
		// "This fetch MUST not result in a VideoPacketType.Multitrack".
		if h.packet == multitrack || h.many > manyTracksManyCodecs {
			return h, false, errTag
		}
		if h.many == manyTracksManyCodecs {
			return h, true, nil
		}
	}
	if len(h.rest) < 4 {
		return h, false, errTag
	}
	h.fourCC, h.rest = h.rest[:4], h.rest[4:]
	return h, true, nil
}

// modEx reads one ModEx: its size in one byte or in two more, its data, its type and the packet type that comes next.
func (h *exHeader) modEx() error {
	if len(h.rest) < 1 {
		return errTag
	}
	n := int(h.rest[0]) + 1
	h.rest = h.rest[1:]
	if n == 256 {
		if len(h.rest) < 2 {
			return errTag
		}
		n = int(binary.BigEndian.Uint16(h.rest)) + 1
		h.rest = h.rest[2:]
	}
	if len(h.rest) < n+1 {
		return errTag
	}
	data, next := h.rest[:n], h.rest[n]
	h.rest = h.rest[n+1:]
	h.packet = next & 0x0f
	if next>>4 == modExNano && n >= 3 {
		h.nanos = min(uint24(data), 999_999)
	}
	return nil
}

// tag reads the body of one track. A FourCC that is none comes from an encoder's mistake (seen with drones): such a
// message is broken, not of a codec that is unknown.
func (h *exHeader) tag(fourCC, b []byte) (tag, error) {
	for _, c := range fourCC {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '.') {
			return tag{}, errTag
		}
	}
	t := tag{codec: codecOf(h.kind, string(fourCC)), nanos: h.nanos, data: b}
	t.name = string(fourCC) + " (enhanced RTMP)"
	switch {
	case h.packet == exSequenceStart:
		t.packet = packetConfig
	case h.packet == exCodedFrames:
		t.packet = packetFrame
		if t.codec == codecH264 || t.codec == codecHEVC {
			if len(b) < 3 {
				return tag{}, errTag
			}
			t.cts, t.data = int24(b), b[3:]
		}
	case h.kind == media.Video && h.packet == exVideoCodedFramesX:
		t.packet = packetFrame
	case h.kind == media.Video && h.packet == exVideoTSStart:
		t.packet, t.codec = packetConfig, codecNone
		t.name = string(fourCC) + " with an MPEG-2 TS sequence start (enhanced RTMP)"
	}
	return t, nil
}

// int24 reads an SI24.
func int24(b []byte) int32 { return int32(uint24(b)<<8) >> 8 }
