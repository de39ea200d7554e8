package media

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Names of the manifests of a presentation, relative to its root: the same under a public path and in an asset directory.
const (
	MultivariantName   = "master.m3u8"
	MediaPlaylistName  = MediaPrefix + ".m3u8"  // in the directory of its rendition
	IFramePlaylistName = IFramePrefix + ".m3u8" // beside it
	MPDName            = "manifest.mpd"
)

// What the names of media and I-frame playlists begin with; what follows says of what, and is the same for both.
const (
	MediaPrefix  = "media"
	IFramePrefix = "iframes"
)

// Names of the pictures of a recording, relative to its root.
const (
	PosterName     = "poster.jpg"
	StoryboardName = "storyboard.vtt"

	sheetPrefix, sheetSuffix = "storyboard-", ".jpg"
)

// SheetName returns the name of a sheet of thumbnails: it has the checksum of the bytes (CRC-32C), so that it stands for no
// others.
func SheetName(sum uint32) string { return fmt.Sprintf("%s%08x%s", sheetPrefix, sum, sheetSuffix) }

// ParseSheet is the inverse of SheetName.
func ParseSheet(name string) (sum uint32, ok bool) {
	if len(name) != len(sheetPrefix)+8+len(sheetSuffix) {
		return 0, false
	}
	n, err := strconv.ParseUint(name[len(sheetPrefix):len(sheetPrefix)+8], 16, 32)
	return uint32(n), err == nil && SheetName(uint32(n)) == name
}

// IsPicture reports whether name is that of a poster, a storyboard or a sheet of thumbnails.
func IsPicture(name string) bool {
	_, sheet := ParseSheet(name)
	return sheet || name == PosterName || name == StoryboardName
}

// maxRenditionName bounds what ParseName takes for the name of a rendition.
const maxRenditionName = 16

// AppendFile appends the object's file name in the directory of its rendition: "seg-1764077000-12.m4s". Media objects
// end in .m4s and .mp4 because recent ffmpeg refuses other extensions.
func (r Ref) AppendFile(dst []byte) []byte {
	switch r.Kind {
	case ObjectInit:
		dst = append(dst, "init-"...)
		dst = strconv.AppendUint(dst, uint64(r.Epoch), 10)
		return append(dst, ".mp4"...)
	case ObjectSegment:
		dst = append(dst, "seg-"...)
	case ObjectPart:
		dst = append(dst, "part-"...)
	case ObjectKey:
		dst = append(dst, "key-"...)
	}
	dst = strconv.AppendUint(dst, uint64(r.Epoch), 10)
	dst = append(dst, '-')
	dst = strconv.AppendUint(dst, r.Number, 10)
	if r.Kind == ObjectPart {
		dst = append(dst, '-')
		dst = strconv.AppendInt(dst, int64(r.Part), 10)
	}
	return append(dst, ".m4s"...)
}

// File returns the object's file name in the directory of its rendition.
func (r Ref) File() string { return string(r.AppendFile(nil)) }

// Name returns the object's name in its presentation: "v1/seg-1764077000-12.m4s".
func (r Ref) Name() string {
	return string(r.AppendFile(append(append(make([]byte, 0, 48), r.Rendition...), '/')))
}

// ParseName is the inverse of Name. It takes exactly what Name prints: no sign, no leading zero, nothing else.
func ParseName(name string) (r Ref, ok bool) {
	rendition, file, ok := strings.Cut(name, "/")
	if !ok {
		return Ref{}, false
	}
	return ParseFile(rendition, file)
}

// ParseFile is the inverse of File for an object of the rendition.
func ParseFile(rendition, file string) (r Ref, ok bool) {
	if !ValidRendition(rendition) {
		return Ref{}, false
	}
	r.Rendition = rendition
	prefix, rest, _ := strings.Cut(file, "-")
	fields := 0
	switch prefix {
	case "init":
		r.Kind, fields = ObjectInit, 1
		rest, ok = strings.CutSuffix(rest, ".mp4")
	case "seg":
		r.Kind, fields = ObjectSegment, 2
		rest, ok = strings.CutSuffix(rest, ".m4s")
	case "key":
		r.Kind, fields = ObjectKey, 2
		rest, ok = strings.CutSuffix(rest, ".m4s")
	case "part":
		r.Kind, fields = ObjectPart, 3
		rest, ok = strings.CutSuffix(rest, ".m4s")
	}
	for i := 0; ok && i < fields; i++ {
		var field string
		if i < fields-1 {
			field, rest, ok = strings.Cut(rest, "-")
		} else {
			field = rest
		}
		var n uint64
		limit := []uint64{math.MaxUint32, math.MaxUint64, math.MaxInt32}[i]
		if ok {
			n, ok = parseDecimal(field, limit)
		}
		switch i {
		case 0:
			r.Epoch = uint32(n)
		case 1:
			r.Number = n
		case 2:
			r.Part = int(n)
		}
	}
	if !ok {
		return Ref{}, false
	}
	return r, true
}

// ValidRendition reports whether s can name a rendition: lower-case letters and digits.
func ValidRendition(s string) bool {
	if s == "" || len(s) > maxRenditionName {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// parseDecimal parses a canonical decimal number up to limit.
func parseDecimal(s string, limit uint64) (uint64, bool) {
	if s == "" || len(s) > 1 && s[0] == '0' || s[0] == '+' {
		return 0, false
	}
	n, err := strconv.ParseUint(s, 10, 64)
	return n, err == nil && n <= limit
}
