package lint

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Limits of what is kept of a playlist.
const (
	maxSegments = 100_000
	maxProblems = 10
)

// Multivariant is a multivariant playlist.
type Multivariant struct {
	URL         string
	Version     int
	Independent bool
	Variants    []Variant
	Media       []Attrs // EXT-X-MEDIA
	IFrames     []Attrs // EXT-X-I-FRAME-STREAM-INF
	Problems    []string
}

// Variant is an EXT-X-STREAM-INF with its URI.
type Variant struct {
	Attrs
	URI string
}

// Playlist is one snapshot of a media playlist.
type Playlist struct {
	URL        string
	At         time.Time // when it was asked for
	NewAt      time.Time // when its last segment was first seen
	Directives bool      // it answers a blocking request
	Kind       string    // of the rendition: "video", "audio" or "" when unknown
	Demuxed    bool      // there are other renditions of the presentation

	Version     int
	Target      int // -1: none
	MSN         int64
	DSeq        int64
	HasDSeq     bool
	Type        string
	End         bool
	Independent bool
	IFramesOnly bool
	PartTarget  float64 // 0: none
	Control     Attrs   // EXT-X-SERVER-CONTROL; nil: none
	Segments    []Segment
	Open        []Part // of the segment that is being made
	Hints       []Attrs
	Reports     []Attrs
	Ranges      []Attrs // EXT-X-DATERANGE
	Skipped     int64   // -1: not a delta update
	Problems    []string
	OutOfOrder  []string // tags that come after the first part of their segment
}

// Segment is a segment of a Playlist.
type Segment struct {
	MSN       int64
	DSeq      int64
	URI       string
	ByteRange string
	Map       string
	Duration  float64
	PDT       time.Time
	Disc, Gap bool
	Parts     []Part
}

// Part is a partial segment.
type Part struct {
	URI, ByteRange   string
	Duration         float64
	Independent, Gap bool
}

// live reports whether more may come.
func (p *Playlist) live() bool { return !p.End && p.Type != "VOD" }

// last returns the media sequence number of the last complete segment.
func (p *Playlist) last() int64 { return p.MSN + max(0, p.Skipped) + int64(len(p.Segments)) - 1 }

// length returns the duration of all that is listed.
func (p *Playlist) length() float64 {
	sum := 0.0
	for _, s := range p.Segments {
		sum += s.Duration
	}
	return sum
}

func isMultivariant(text string) bool {
	return strings.Contains(text, "\n#EXT-X-STREAM-INF:") || strings.Contains(text, "\n#EXT-X-MEDIA:")
}

// resolve makes a URI of a manifest absolute; a bad one is left as it is.
func resolve(base, uri string) string {
	b, err := url.Parse(base)
	if err != nil {
		return uri
	}
	u, err := b.Parse(uri)
	if err != nil {
		return uri
	}
	return u.String()
}

// scanner walks the lines of a playlist and collects what is wrong with its syntax.
type scanner struct {
	problems []string
}

func (s *scanner) problem(format string, args ...any) {
	if len(s.problems) < maxProblems {
		s.problems = append(s.problems, fmt.Sprintf(format, args...))
	}
}

// attrs parses the attributes of a tag.
func (s *scanner) attrs(tag, value string) Attrs {
	a, err := parseAttrs(value)
	if err != nil {
		s.problem("%s: %v", tag, err)
	} else if why := checkQuotes(tag, a); why != "" {
		s.problem("%s", why)
	}
	return a
}

func (s *scanner) integer(tag, value string) int64 {
	n, err := strconv.ParseUint(value, 10, 62)
	if err != nil {
		s.problem("%s: %q is not a decimal integer", tag, value)
		return 0
	}
	return int64(n)
}

// walk calls tag for each tag and uri for each URI line.
func (s *scanner) walk(text string, tag func(name, value string), uri func(string)) {
	if strings.HasPrefix(text, "\ufeff") {
		s.problem("it begins with a byte order mark")
		text = strings.TrimPrefix(text, "\ufeff")
	}
	if !utf8.ValidString(text) {
		s.problem("it is not UTF-8")
	}
	first := true
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		if first && line != "#EXTM3U" {
			s.problem("the first line is %q, not #EXTM3U", line)
		}
		first = false
		switch {
		case line == "":
		case strings.HasPrefix(line, "#EXT"):
			name, value, _ := strings.Cut(line[1:], ":")
			tag(name, value)
		case line[0] == '#':
		default:
			uri(line)
		}
	}
}

// parseMultivariant parses a multivariant playlist.
func parseMultivariant(base, text string) *Multivariant {
	m := &Multivariant{URL: base, Version: 1}
	var s scanner
	var pending Attrs
	s.walk(text, func(name, value string) {
		switch name {
		case "EXT-X-VERSION":
			m.Version = int(s.integer(name, value))
		case "EXT-X-INDEPENDENT-SEGMENTS":
			m.Independent = true
		case "EXT-X-STREAM-INF":
			pending = s.attrs(name, value)
		case "EXT-X-MEDIA":
			if len(m.Media) < maxSegments {
				m.Media = append(m.Media, s.attrs(name, value))
			}
		case "EXT-X-I-FRAME-STREAM-INF":
			if len(m.IFrames) < maxSegments {
				m.IFrames = append(m.IFrames, s.attrs(name, value))
			}
		case "EXT-X-SESSION-DATA", "EXT-X-SESSION-KEY", "EXT-X-CONTENT-STEERING", "EXT-X-DEFINE", "EXT-X-START":
			s.attrs(name, value)
		case "EXTINF", "EXT-X-TARGETDURATION", "EXT-X-MEDIA-SEQUENCE", "EXT-X-DISCONTINUITY-SEQUENCE", "EXT-X-ENDLIST", "EXT-X-PLAYLIST-TYPE", "EXT-X-PART", "EXT-X-PART-INF", "EXT-X-MAP", "EXT-X-DISCONTINUITY":
			s.problem("%s is a tag of media playlists", name)
		}
	}, func(uri string) {
		if pending == nil {
			s.problem("the URI %q follows no EXT-X-STREAM-INF", uri)
			return
		}
		if len(m.Variants) < maxSegments {
			m.Variants = append(m.Variants, Variant{pending, resolve(base, uri)})
		}
		pending = nil
	})
	if pending != nil {
		s.problem("an EXT-X-STREAM-INF has no URI")
	}
	m.Problems = s.problems
	return m
}

// listParser holds what the tags before a segment say of it.
type listParser struct {
	scanner
	p       *Playlist
	next    Segment
	timed   bool // EXTINF was seen
	byMap   string
	dseq    int64
	settled bool // a segment or part was seen
}

// parsePlaylist parses a media playlist.
func parsePlaylist(base, text string) *Playlist {
	p := &Playlist{URL: base, Version: 1, Target: -1, Skipped: -1}
	l := &listParser{p: p}
	l.walk(text, l.tag, l.uri)
	p.Open = l.next.Parts
	if l.timed {
		l.problem("an EXTINF has no URI")
	}
	p.Problems = l.problems
	return p
}

func (l *listParser) tag(name, value string) {
	p := l.p
	switch name {
	case "EXT-X-VERSION":
		p.Version = int(l.integer(name, value))
	case "EXT-X-TARGETDURATION":
		p.Target = int(l.integer(name, value))
	case "EXT-X-MEDIA-SEQUENCE":
		p.MSN = l.integer(name, value)
		if l.settled {
			l.problem("%s comes after a segment", name)
		}
	case "EXT-X-DISCONTINUITY-SEQUENCE":
		p.DSeq, p.HasDSeq = l.integer(name, value), true
		l.dseq = p.DSeq
		if l.settled {
			l.problem("%s comes after a segment", name)
		}
	case "EXT-X-PLAYLIST-TYPE":
		p.Type = value
		if value != "VOD" && value != "EVENT" {
			l.problem("%s is %q", name, value)
		}
	case "EXT-X-ENDLIST":
		p.End = true
	case "EXT-X-INDEPENDENT-SEGMENTS":
		p.Independent = true
	case "EXT-X-I-FRAMES-ONLY":
		p.IFramesOnly = true
	case "EXT-X-PART-INF":
		p.PartTarget = max(0, l.attrs(name, value).number("PART-TARGET"))
		if p.PartTarget == 0 {
			l.problem("%s has no PART-TARGET", name)
		}
	case "EXT-X-SERVER-CONTROL":
		p.Control = l.attrs(name, value)
	case "EXT-X-SKIP":
		p.Skipped = l.attrs(name, value).integer("SKIPPED-SEGMENTS")
	case "EXT-X-PRELOAD-HINT":
		p.Hints = append(p.Hints, l.attrs(name, value))
	case "EXT-X-RENDITION-REPORT":
		p.Reports = append(p.Reports, l.attrs(name, value))
	case "EXT-X-STREAM-INF", "EXT-X-MEDIA", "EXT-X-I-FRAME-STREAM-INF", "EXT-X-SESSION-DATA":
		l.problem("%s is a tag of multivariant playlists", name)
	default:
		l.segmentTag(name, value)
	}
}

// segmentTag takes the tags that are about the next segment.
func (l *listParser) segmentTag(name, value string) {
	switch name {
	case "EXT-X-MAP", "EXT-X-DISCONTINUITY", "EXT-X-PROGRAM-DATE-TIME", "EXT-X-KEY":
		if len(l.next.Parts) > 0 && len(l.p.OutOfOrder) < maxProblems {
			l.p.OutOfOrder = append(l.p.OutOfOrder, name)
		}
	}
	switch name {
	case "EXTINF":
		text, _, comma := strings.Cut(value, ",")
		d, err := strconv.ParseFloat(text, 64)
		if err != nil || d < 0 || d > 1e6 || !comma {
			l.problem("EXTINF %q", value)
		}
		l.next.Duration, l.timed = max(0, min(d, 1e6)), true
	case "EXT-X-BYTERANGE":
		l.next.ByteRange = value
	case "EXT-X-DISCONTINUITY":
		l.next.Disc = true
		l.dseq++
	case "EXT-X-GAP":
		l.next.Gap = true
	case "EXT-X-PROGRAM-DATE-TIME":
		t, err := time.Parse(time.RFC3339Nano, value)
		if err != nil {
			if t, err = time.Parse("2006-01-02T15:04:05.999999999Z0700", value); err != nil {
				l.problem("%s: %q is no date with a zone", name, value)
			}
		}
		l.next.PDT = t
	case "EXT-X-MAP":
		a := l.attrs(name, value)
		l.byMap = resolve(l.p.URL, a.text("URI"))
		if r := a.text("BYTERANGE"); r != "" {
			l.byMap += "#" + r
		}
	case "EXT-X-PART":
		a := l.attrs(name, value)
		if a.text("URI") == "" || a.number("DURATION") < 0 {
			l.problem("%s has no URI or no DURATION", name)
		}
		l.settled = true
		if len(l.next.Parts) < maxSegments {
			l.next.Parts = append(l.next.Parts, Part{URI: resolve(l.p.URL, a.text("URI")), ByteRange: a.text("BYTERANGE"), Duration: max(0, a.number("DURATION")),
				Independent: a.text("INDEPENDENT") == "YES", Gap: a.text("GAP") == "YES"})
		}
	case "EXT-X-DATERANGE":
		if a := l.attrs(name, value); len(l.p.Ranges) < maxSegments {
			l.p.Ranges = append(l.p.Ranges, a)
		}
	case "EXT-X-KEY", "EXT-X-START", "EXT-X-DEFINE":
		l.attrs(name, value)
	}
}

func (l *listParser) uri(uri string) {
	if !l.timed {
		l.problem("the URI %q follows no EXTINF", uri)
	}
	if len(l.p.Segments) >= maxSegments {
		return
	}
	s := l.next
	s.MSN, s.DSeq, s.URI, s.Map = l.p.MSN+max(0, l.p.Skipped)+int64(len(l.p.Segments)), l.dseq, resolve(l.p.URL, uri), l.byMap
	l.p.Segments = append(l.p.Segments, s)
	l.next, l.timed, l.settled = Segment{}, false, true
}

// fragmentedName guesses from a URI whether it is fragmented MP4.
func fragmentedName(uri string) bool {
	u, err := url.Parse(uri)
	if err != nil {
		return false
	}
	for _, ext := range []string{".m4s", ".mp4", ".cmfv", ".cmfa", ".m4v", ".m4a"} {
		if strings.HasSuffix(u.Path, ext) {
			return true
		}
	}
	return false
}
