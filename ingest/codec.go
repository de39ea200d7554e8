package ingest

import "headwater.stream/internal/media"

// codec turns the packets of one codec into a track and its samples. One file each; newCodec is the list.
type codec interface {
	// configure reads a configuration record. The track it returns has everything but Bitrate, and does not refer to
	// record; it is nil when the track shows only in the access units. A *Refusal means that the codec cannot be supported
	// in this form, any other error that the record is broken.
	configure(record []byte) (*media.Track, error)
	// frame turns an access unit into sample data, which may refer to data or to memory of the codec and is valid until
	// the next call. Its track is set when the access unit carries a configuration that differs from the current one, or
	// when it is the first that tells the track. errConfig means that the track does not show yet.
	frame(data []byte) (s frame, err error)
}

// frame is what a codec made of an access unit.
type frame struct {
	data     []byte
	sync     bool
	duration uint32       // in the track's timescale, where the access unit tells; else 0
	track    *media.Track // the new configuration, nil when it did not change
}

// codecID names a codec that an FLV body can carry.
type codecID uint8

// The codecs with a demuxer; see newCodec.
const (
	codecNone codecID = iota
	codecH264
	codecHEVC
	codecAV1
	codecVP9
	codecAAC
	codecOpus
	codecAC3
	codecEAC3
	codecFLAC
)

// newCodec returns the demuxer of a codec, nil when there is none.
func newCodec(id codecID) codec {
	switch id {
	case codecH264:
		return new(h264)
	case codecHEVC:
		return new(hevc)
	case codecAV1:
		return new(av1)
	case codecVP9:
		return new(vp9)
	case codecAAC:
		return new(aac)
	case codecOpus:
		return new(opus)
	case codecAC3:
		return new(ac3)
	case codecEAC3:
		return new(eac3)
	case codecFLAC:
		return new(flac)
	}
	return nil
}

// selfDescribing says whether the access units of a codec tell its track, so that it needs no configuration record.
func (id codecID) selfDescribing() bool {
	switch id {
	case codecAV1, codecVP9, codecOpus, codecAC3, codecEAC3:
		return true
	}
	return false
}

// fourCC returns the name of a codec in enhanced RTMP, "" when it has none.
func (id codecID) fourCC() string {
	names := [...]string{codecNone: "", codecH264: "avc1", codecHEVC: "hvc1", codecAV1: "av01", codecVP9: "vp09",
		codecAAC: "mp4a", codecOpus: "Opus", codecAC3: "ac-3", codecEAC3: "ec-3", codecFLAC: "fLaC"}
	if int(id) < len(names) {
		return names[id]
	}
	return ""
}

// codecOf returns the codec of that kind with a FourCC, codecNone when there is none.
func codecOf(kind media.Kind, fourCC string) codecID {
	first, last := codecH264, codecVP9
	if kind == media.Audio {
		first, last = codecAAC, codecFLAC
	}
	for id := first; id <= last; id++ {
		if id.fourCC() == fourCC {
			return id
		}
	}
	return codecNone
}

// The codecs that are carried, for those who send another one.
const (
	videoCodecs = "H.264, HEVC, AV1 or VP9"
	audioCodecs = "AAC, Opus, AC-3, E-AC-3 or FLAC"
)
