package ingest

import "headwater.stream/internal/media"

// codec turns the packets of one codec into a track and its samples. One file each; newCodec is the list.
type codec interface {
	// configure reads a configuration record. The track it returns has everything but Bitrate, and does not refer to
	// record. A *Refusal means that the codec cannot be supported in this form, any other error that the record is broken.
	configure(record []byte) (media.Track, error)
	// frame turns an access unit into sample data, which may refer to data or to memory of the codec and is valid until
	// the next call. A track is returned when the access unit carries a configuration that differs from the current one.
	frame(data []byte) (s frame, err error)
}

// frame is what a codec made of an access unit.
type frame struct {
	data  []byte
	sync  bool
	track *media.Track // the new configuration, nil when it did not change
}

// newCodec returns the demuxer of a codec, nil when there is none.
func newCodec(id codecID) codec {
	switch id {
	case codecH264:
		return new(h264)
	case codecAAC:
		return new(aac)
	}
	return nil
}
