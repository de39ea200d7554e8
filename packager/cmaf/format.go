package cmaf

import "strings"

// format is what the packager has to know about the access units of a codec.
type format interface {
	// sync says whether decoding can start at an access unit that the encoder calls a key frame.
	sync(au []byte) bool
	// append appends an access unit to dst in the form that belongs into a sample of the file format.
	append(dst, au []byte) []byte
}

// formatOf returns the format of a codec, by its codecs parameter.
func formatOf(codec string) format {
	switch name, _, _ := strings.Cut(codec, "."); name {
	case "avc1":
		return avcFormat{}
	case "hvc1":
		return hevcFormat{}
	case "av01":
		return av1Format{}
	}
	return plainFormat{}
}

// plainFormat is the format of codecs whose access units are samples as they are: VP9 and all audio.
type plainFormat struct{}

var _ format = plainFormat{}

func (plainFormat) sync([]byte) bool             { return true }
func (plainFormat) append(dst, au []byte) []byte { return append(dst, au...) }
