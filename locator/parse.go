package locator

import (
	"fmt"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"headwater.stream/internal/media"
)

// Limits of what Parse looks at.
const (
	maxPath = 2048 // bytes of the whole path
	maxName = 260  // bytes of a manifest or filter name (ams-v3 §1.2)
)

// Words of the grammar.
const (
	keyFormat, keyFilter, keyStart, keyEnd = "format", "filter", "start", "end"

	keyIFrames, valueYes = "iframes", "yes"

	playlistSuffix = ".m3u8"
)

// Parse parses the escaped path of a URL (url.URL.EscapedPath). Only the manifest name and the manifest's parameters may be
// percent-encoded; they are decoded once. Errors wrap ErrSyntax, ErrParameter, ErrFormat, ErrEncryption or ErrFilters.
func Parse(escaped string) (p Path, err error) {
	if len(escaped) > maxPath || !strings.HasPrefix(escaped, "/") {
		return Path{}, ErrSyntax
	}
	rawID, rest, ok := strings.Cut(escaped[1:], "/")
	if !ok {
		return Path{}, ErrSyntax
	}
	if p.ID, ok = canonicalID(rawID); !ok {
		return Path{}, fmt.Errorf("%w: the first element is no GUID", ErrSyntax)
	}
	rawName, rest, ok := strings.Cut(rest, "/")
	if !ok {
		return Path{}, ErrSyntax
	}
	if p.Name, err = parseName(rawName); err != nil {
		return Path{}, err
	}
	if err := p.parseRest(rest); err != nil {
		return Path{}, err
	}
	return p, nil
}

// parseRest parses what follows the manifest name.
func (p *Path) parseRest(rest string) error {
	rendition, file, ok := strings.Cut(rest, "/")
	switch {
	case !ok:
		return p.parseManifest(rest)
	case strings.HasPrefix(file, media.MediaPrefix) && media.ValidRendition(rendition):
		p.Kind, p.Rendition = MediaPlaylist, rendition
		return p.parsePlaylist(file[len(media.MediaPrefix):])
	case strings.HasPrefix(file, media.IFramePrefix) && media.ValidRendition(rendition):
		p.Kind, p.Rendition = IFramePlaylist, rendition
		return p.parsePlaylist(file[len(media.IFramePrefix):])
	}
	p.Kind = Object
	if p.Ref, ok = media.ParseFile(rendition, file); !ok {
		return fmt.Errorf("%w: no such object name", ErrSyntax)
	}
	return nil
}

// canonicalID returns a GUID in lower case; hyphens are required.
func canonicalID(s string) (string, bool) {
	if len(s) != 36 {
		return "", false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return "", false
			}
		case c >= '0' && c <= '9', c >= 'a' && c <= 'f', c >= 'A' && c <= 'F':
		default:
			return "", false
		}
	}
	return strings.ToLower(s), true
}

// parseName returns the manifest name of "<name>.ism".
func parseName(raw string) (string, error) {
	name, err := url.PathUnescape(raw)
	if err != nil {
		return "", fmt.Errorf("%w: bad escape", ErrSyntax)
	}
	name, ok := strings.CutSuffix(name, ".ism")
	if !ok || !validName(name) {
		return "", fmt.Errorf("%w: the second element is not <name>.ism", ErrSyntax)
	}
	return name, nil
}

// validName refuses what ams-v3 §1.2 forbids in names, but for dots inside a name, which do no harm here.
func validName(s string) bool {
	if s == "" || len(s) > maxName || s[0] == '.' || !utf8.ValidString(s) {
		return false
	}
	return strings.IndexFunc(s, func(r rune) bool {
		return !unicode.IsPrint(r) || strings.ContainsRune(`<>%&:\?/*+'"#|;`, r)
	}) < 0
}

// parsePlaylist parses what follows the first word of the file name of a playlist, which may have parameters:
// "media(filter=a;b,start=10).m3u8".
func (p *Path) parsePlaylist(raw string) error {
	if raw == playlistSuffix {
		return nil
	}
	file, err := url.PathUnescape(raw)
	if err != nil {
		return fmt.Errorf("%w: bad escape", ErrSyntax)
	}
	params, open := strings.CutPrefix(file, "(")
	params, closed := strings.CutSuffix(params, ")"+playlistSuffix)
	if !open || !closed {
		return fmt.Errorf("%w: no such object name", ErrSyntax)
	}
	return p.parseParams(params)
}

// parseManifest parses the last element of a manifest's path.
func (p *Path) parseManifest(raw string) error {
	switch raw {
	case media.MultivariantName:
		p.Kind = Multivariant
		return nil
	case media.MPDName:
		p.Kind = MPD
		return nil
	case DownloadName:
		p.Kind = Download
		return nil
	}
	if media.IsPicture(raw) {
		p.Kind, p.File = Picture, raw
		return nil
	}
	last, err := url.PathUnescape(raw)
	if err != nil {
		return fmt.Errorf("%w: bad escape", ErrSyntax)
	}
	const word = "manifest"
	if len(last) < len(word) || !strings.EqualFold(last[:len(word)], word) {
		return fmt.Errorf("%w: no such manifest", ErrSyntax)
	}
	if last = last[len(word):]; last == "" {
		return fmt.Errorf("%w: Smooth Streaming; use manifest(format=%s) or manifest(format=%s)", ErrFormat, FormatHLS, FormatDASH)
	}
	open, end := strings.HasPrefix(last, "("), strings.LastIndexByte(last, ')')
	if !open || end < 0 {
		return fmt.Errorf("%w: they stand in brackets", ErrParameter)
	}
	if err := p.parseParams(last[1:end]); err != nil {
		return err
	}
	suffix := last[end+1:]
	if suffix != "" && (p.Kind != Multivariant || suffix != ".m3u8") && (p.Kind != MPD || suffix != ".mpd") {
		return fmt.Errorf("%w: suffix %q does not fit the format", ErrParameter, suffix)
	}
	return nil
}

// parseParams parses "key=value,key=value". Keys and the format are case-insensitive; a key that means nothing here is
// refused rather than ignored.
func (p *Path) parseParams(s string) error {
	seen := ""
	for param := range strings.SplitSeq(s, ",") {
		key, value, ok := strings.Cut(param, "=")
		key = strings.ToLower(key)
		if !ok || value == "" || strings.Contains(seen, key+",") {
			return fmt.Errorf("%w: %q", ErrParameter, param)
		}
		seen += key + ","
		if err := p.parseParam(key, value); err != nil {
			return err
		}
	}
	if p.Kind == 0 {
		return fmt.Errorf("%w: no format given; supported are %s and %s", ErrFormat, FormatHLS, FormatDASH)
	}
	return p.Span.check()
}

func (p *Path) parseParam(key, value string) error {
	switch key {
	case keyFormat:
		switch format := strings.ToLower(value); {
		case p.Kind == MediaPlaylist || p.Kind == IFramePlaylist:
			return fmt.Errorf("%w: a media playlist has no %s", ErrParameter, key)
		case format == FormatHLS:
			p.Kind = Multivariant
		case format == FormatDASH:
			p.Kind = MPD
		default:
			return fmt.Errorf("%w: %q; supported are %s and %s", ErrFormat, value, FormatHLS, FormatDASH)
		}
	case keyFilter:
		p.Filters = strings.Split(value, ";")
		for _, f := range p.Filters {
			if !validFilter(f) {
				return fmt.Errorf("%w: filter %q", ErrParameter, f)
			}
		}
		if len(p.Filters) > MaxFilters {
			return fmt.Errorf("%w: %d, at most %d", ErrFilters, len(p.Filters), MaxFilters)
		}
	case keyIFrames:
		if !strings.EqualFold(value, valueYes) || p.Kind == MediaPlaylist || p.Kind == IFramePlaylist {
			return fmt.Errorf("%w: %s=%q", ErrParameter, key, value)
		}
		p.IFrames = true
	case keyStart, keyEnd:
		return p.Span.set(key, value)
	case "encryption":
		return fmt.Errorf("%w: %q", ErrEncryption, value)
	default:
		return fmt.Errorf("%w: unknown %q", ErrParameter, key)
	}
	return nil
}

// unescapeQuery decodes a value of a query. A "+" stays what it is: it stands in zones of times, and nobody means a space.
func unescapeQuery(s string) (string, error) {
	v, err := url.PathUnescape(s)
	if err != nil {
		return "", fmt.Errorf("%w: bad escape", ErrParameter)
	}
	return v, nil
}

// validFilter also refuses the characters that delimit filters and parameters.
func validFilter(s string) bool { return validName(s) && !strings.ContainsAny(s, ",;()=") }
