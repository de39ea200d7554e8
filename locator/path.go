package locator

import (
	"errors"
	"net/url"
	"strings"

	"headwater.stream/internal/media"
)

// Kind says what a Path names.
type Kind uint8

// The kinds of Path.
const (
	Multivariant   Kind = iota + 1 // HLS multivariant playlist
	MediaPlaylist                  // HLS media playlist of Rendition
	MPD                            // DASH manifest
	Object                         // Ref: an initialization section, segment or part
	Download                       // the whole as one MP4 file
	IFramePlaylist                 // HLS I-frame playlist of Rendition
	Picture                        // File: the poster, the storyboard or a sheet of it
)

// PreviewName is the manifest name under which an event's preview is served.
const PreviewName = "preview"

// Values of the format parameter.
const (
	FormatHLS  = "m3u8-cmaf"
	FormatDASH = "mpd-time-cmaf"
)

// DownloadName is the last element of the path of a Download.
const DownloadName = "download.mp4"

// MaxFilters is how many filters a URL may name (ams-v3 §6.1).
const MaxFilters = 3

// Errors that Parse wraps; the origin maps them to statuses.
var (
	ErrSyntax     = errors.New("not a path of the public grammar")
	ErrParameter  = errors.New("bad parameter of a manifest")
	ErrFormat     = errors.New("streaming format not supported")
	ErrEncryption = errors.New("encryption not supported")
	ErrFilters    = errors.New("too many filters")
)

// Path is a parsed public path.
type Path struct {
	ID        string // GUID of the streaming locator or preview, lower case with hyphens
	Name      string // manifest name, without ".ism"
	Kind      Kind
	Rendition string    // of a MediaPlaylist or IFramePlaylist
	Ref       media.Ref // of an Object
	File      string    // of a Picture
	Filters   []string  // named in the parameters of a manifest or playlist, in order; nil when none
	IFrames   bool      // of a Multivariant or MPD: it names the key frames too
	Span      Span      // of the parameters of a manifest or playlist, or of the query
}

// HLSPath returns the path of the HLS multivariant playlist that listPaths shows.
func HLSPath(id, name string) string { return Path{ID: id, Name: name, Kind: Multivariant}.String() }

// DASHPath returns the path of the DASH manifest that listPaths shows.
func DASHPath(id, name string) string { return Path{ID: id, Name: name, Kind: MPD}.String() }

// DownloadPath returns the path of the MP4 file.
func DownloadPath(id, name string) string { return Path{ID: id, Name: name, Kind: Download}.String() }

// PicturePaths returns the paths of poster and storyboard.
func PicturePaths(id, name string) []string {
	return []string{Path{ID: id, Name: name, Kind: Picture, File: media.PosterName}.String(), Path{ID: id, Name: name, Kind: Picture, File: media.StoryboardName}.String()}
}

// String prints the canonical, escaped path; Parse of it gives p again.
func (p Path) String() string {
	var b strings.Builder
	b.WriteString("/")
	b.WriteString(p.ID)
	b.WriteString("/")
	b.WriteString(url.PathEscape(p.Name))
	b.WriteString(".ism/")
	switch p.Kind {
	case Multivariant:
		p.writeManifest(&b, FormatHLS)
	case MPD:
		p.writeManifest(&b, FormatDASH)
	case MediaPlaylist:
		b.WriteString(p.Rendition)
		b.WriteString("/")
		b.WriteString(PlaylistFile(p.Filters, p.Span))
	case IFramePlaylist:
		b.WriteString(p.Rendition)
		b.WriteString("/")
		b.WriteString(media.IFramePrefix)
		b.WriteString(strings.TrimPrefix(PlaylistFile(p.Filters, p.Span), media.MediaPrefix))
	case Object:
		b.WriteString(p.Ref.Name())
	case Download:
		b.WriteString(DownloadName)
	case Picture:
		b.WriteString(p.File)
	}
	return b.String()
}

func (p Path) writeManifest(b *strings.Builder, format string) {
	b.WriteString("manifest(format=")
	b.WriteString(format)
	if p.IFrames {
		b.WriteString("," + keyIFrames + "=" + valueYes)
	}
	if params := appendParams(nil, p.Filters, p.Span); len(params) > 0 {
		b.WriteString(",")
		b.Write(params)
	}
	b.WriteString(")")
}

// PlaylistFile returns the escaped file name of the media playlists of what filters and span leave: a name of its own, so
// that a player which follows the multivariant playlist's URIs stays within them, and caches keep them apart.
func PlaylistFile(filters []string, s Span) string {
	params := appendParams(nil, filters, s)
	if len(params) == 0 {
		return media.MediaPlaylistName
	}
	return media.MediaPrefix + "(" + string(params) + ")" + playlistSuffix
}

// appendParams prints what parseParams parses, but for the format.
func appendParams(b []byte, filters []string, s Span) []byte {
	add := func(key, value string) {
		if len(b) > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, key...), '='), value...)
	}
	for i, f := range filters {
		if f = url.PathEscape(f); i == 0 {
			add(keyFilter, f)
		} else {
			b = append(append(b, ';'), f...)
		}
	}
	if s.Start != (Point{}) {
		add(keyStart, s.Start.String())
	}
	if s.End != (Point{}) {
		add(keyEnd, s.End.String())
	}
	return b
}
