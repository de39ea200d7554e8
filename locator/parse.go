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

// Parse parses the escaped path of a URL (url.URL.EscapedPath). Only the manifest name and the manifest's parameters may be
// percent-encoded; they are decoded once. Errors wrap ErrSyntax, ErrFormat, ErrEncryption or ErrFilters.
func Parse(escaped string) (Path, error) {
	if len(escaped) > maxPath || !strings.HasPrefix(escaped, "/") {
		return Path{}, ErrSyntax
	}
	rawID, rest, ok := strings.Cut(escaped[1:], "/")
	if !ok {
		return Path{}, ErrSyntax
	}
	id, ok := canonicalID(rawID)
	if !ok {
		return Path{}, fmt.Errorf("%w: the first element is no GUID", ErrSyntax)
	}
	rawName, rest, ok := strings.Cut(rest, "/")
	if !ok {
		return Path{}, ErrSyntax
	}
	name, err := parseName(rawName)
	if err != nil {
		return Path{}, err
	}
	p := Path{ID: id, Name: name}
	rendition, file, inRendition := strings.Cut(rest, "/")
	if !inRendition {
		return p.parseManifest(rest)
	}
	if file == media.MediaPlaylistName && media.ValidRendition(rendition) {
		p.Kind, p.Rendition = MediaPlaylist, rendition
		return p, nil
	}
	if p.Ref, ok = media.ParseFile(rendition, file); !ok {
		return Path{}, fmt.Errorf("%w: no such object name", ErrSyntax)
	}
	p.Kind = Object
	return p, nil
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

// parseManifest parses the last element of a manifest's path.
func (p Path) parseManifest(raw string) (Path, error) {
	switch raw {
	case media.MultivariantName:
		p.Kind = Multivariant
		return p, nil
	case media.MPDName:
		p.Kind = MPD
		return p, nil
	}
	last, err := url.PathUnescape(raw)
	if err != nil {
		return Path{}, fmt.Errorf("%w: bad escape", ErrSyntax)
	}
	const word = "manifest"
	if len(last) < len(word) || !strings.EqualFold(last[:len(word)], word) {
		return Path{}, fmt.Errorf("%w: no such manifest", ErrSyntax)
	}
	if last = last[len(word):]; last == "" {
		return Path{}, fmt.Errorf("%w: Smooth Streaming; use manifest(format=%s) or manifest(format=%s)", ErrFormat, FormatHLS, FormatDASH)
	}
	open, end := strings.HasPrefix(last, "("), strings.LastIndexByte(last, ')')
	if !open || end < 0 {
		return Path{}, fmt.Errorf("%w: manifest parameters", ErrSyntax)
	}
	if err := p.parseParams(last[1:end]); err != nil {
		return Path{}, err
	}
	suffix := last[end+1:]
	if suffix != "" && (p.Kind != Multivariant || suffix != ".m3u8") && (p.Kind != MPD || suffix != ".mpd") {
		return Path{}, fmt.Errorf("%w: suffix %q does not fit the format", ErrSyntax, suffix)
	}
	return p, nil
}

// parseParams parses "key=value,key=value". Keys and the format are case-insensitive; a key that means nothing here is
// refused rather than ignored.
func (p *Path) parseParams(s string) error {
	seen := ""
	for param := range strings.SplitSeq(s, ",") {
		key, value, ok := strings.Cut(param, "=")
		key = strings.ToLower(key)
		if !ok || value == "" || strings.Contains(seen, key+",") {
			return fmt.Errorf("%w: manifest parameter %q", ErrSyntax, param)
		}
		seen += key + ","
		switch key {
		case "format":
			switch strings.ToLower(value) {
			case FormatHLS:
				p.Kind = Multivariant
			case FormatDASH:
				p.Kind = MPD
			default:
				return fmt.Errorf("%w: %q; supported are %s and %s", ErrFormat, value, FormatHLS, FormatDASH)
			}
		case "filter":
			p.Filters = strings.Split(value, ";")
			for _, f := range p.Filters {
				if !validFilter(f) {
					return fmt.Errorf("%w: filter %q", ErrSyntax, f)
				}
			}
			if len(p.Filters) > MaxFilters {
				return fmt.Errorf("%w: %d, at most %d", ErrFilters, len(p.Filters), MaxFilters)
			}
		case "encryption":
			return fmt.Errorf("%w: %q", ErrEncryption, value)
		default:
			return fmt.Errorf("%w: unknown manifest parameter %q", ErrSyntax, key)
		}
	}
	if p.Kind == 0 {
		return fmt.Errorf("%w: no format given; supported are %s and %s", ErrFormat, FormatHLS, FormatDASH)
	}
	return nil
}

// validFilter also refuses the characters that delimit filters and parameters.
func validFilter(s string) bool { return validName(s) && !strings.ContainsAny(s, ",;()=") }
