package e2e

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Playlist is a media playlist, read no further than the tests ask.
type Playlist struct {
	URL           string
	Text          string
	Target        int
	Sequence      uint64 // of the first segment
	Discontinuity uint64 // EXT-X-DISCONTINUITY-SEQUENCE
	Segments      []PlaylistSegment
	OpenParts     []string // absolute URLs
	Hint          string
	Ended         bool
}

// PlaylistSegment is one complete segment.
type PlaylistSegment struct {
	URL, Map string
	Duration float64
	Disc     bool
	Gap      bool
	Range    int // bytes from the first by EXT-X-BYTERANGE, 0: all
	Date     time.Time
	Parts    []string
}

var attribute = regexp.MustCompile(`([A-Z0-9-]+)=("[^"]*"|[^",]*)`)

// attributes reads an attribute list (RFC 8216 4.2).
func attributes(s string) map[string]string {
	m := map[string]string{}
	for _, a := range attribute.FindAllStringSubmatch(s, -1) {
		m[a[1]] = strings.Trim(a[2], `"`)
	}
	return m
}

// renditions returns the media playlists of a multivariant playlist by kind: "video" and "audio".
func renditions(t *testing.T, master string) map[string]string {
	t.Helper()
	found := map[string]string{}
	text := string(get(t, master).Body)
	variant := false
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "#EXT-X-MEDIA:"):
			if a := attributes(line); a["TYPE"] == "AUDIO" && a["URI"] != "" {
				found["audio"] = resolve(t, master, a["URI"])
			}
		case strings.HasPrefix(line, "#EXT-X-STREAM-INF:"):
			variant = true
		case line != "" && line[0] != '#' && variant:
			found["video"] = resolve(t, master, line)
			variant = false
		}
	}
	if found["video"] == "" || found["audio"] == "" {
		t.Fatalf("%s names no video or no audio:\n%s", master, text)
	}
	return found
}

// playlist gets and reads a media playlist.
func playlist(t *testing.T, u string) Playlist {
	t.Helper()
	p, err := parsePlaylist(u, string(get(t, u).Body))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func parsePlaylist(u, text string) (Playlist, error) {
	base := u[:strings.LastIndex(u, "/")+1]
	absolute := func(ref string) string {
		if strings.HasPrefix(ref, "/") {
			return u[:strings.Index(u, "://")+3] + host(u) + ref
		}
		return base + ref
	}
	p := Playlist{URL: u, Text: text}
	if !strings.HasPrefix(text, "#EXTM3U\n") {
		return p, fmt.Errorf("%s is no playlist:\n%s", u, text)
	}
	var s PlaylistSegment
	initialization := ""
	var err error
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		tag, value, _ := strings.Cut(line, ":")
		switch tag {
		case "#EXT-X-TARGETDURATION":
			p.Target, err = strconv.Atoi(value)
		case "#EXT-X-MEDIA-SEQUENCE":
			p.Sequence, err = strconv.ParseUint(value, 10, 64)
		case "#EXT-X-DISCONTINUITY-SEQUENCE":
			p.Discontinuity, err = strconv.ParseUint(value, 10, 64)
		case "#EXT-X-MAP":
			initialization = absolute(attributes(value)["URI"])
		case "#EXT-X-DISCONTINUITY":
			s.Disc = true
		case "#EXT-X-GAP":
			s.Gap = true
		case "#EXT-X-BYTERANGE":
			s.Range, err = strconv.Atoi(strings.TrimSuffix(value, "@0"))
		case "#EXT-X-PROGRAM-DATE-TIME":
			s.Date, err = time.Parse(time.RFC3339Nano, value)
		case "#EXTINF":
			s.Duration, err = strconv.ParseFloat(strings.TrimSuffix(value, ","), 64)
		case "#EXT-X-PART":
			s.Parts = append(s.Parts, absolute(attributes(value)["URI"]))
		case "#EXT-X-PRELOAD-HINT":
			p.Hint = absolute(attributes(value)["URI"])
		case "#EXT-X-ENDLIST":
			p.Ended = true
		default:
			if line != "" && line[0] != '#' {
				s.URL, s.Map = absolute(line), initialization
				p.Segments = append(p.Segments, s)
				s = PlaylistSegment{}
			}
		}
		if err != nil {
			return p, fmt.Errorf("%s: %q: %w", u, line, err)
		}
	}
	p.OpenParts = s.Parts
	return p, nil
}

// Last returns the media sequence number of the newest complete segment.
func (p Playlist) Last() uint64 { return p.Sequence + uint64(len(p.Segments)) - 1 }

// objects gets every segment and initialization section a playlist names and returns their sums by URL.
func objects(t *testing.T, p Playlist) map[string]string {
	t.Helper()
	m := map[string]string{}
	for _, s := range p.Segments {
		for _, u := range []string{s.Map, s.URL} {
			if u != "" && !s.Gap && m[u] == "" {
				m[u] = sum(get(t, u).Body)
			}
		}
	}
	return m
}

// sameObjects checks that every object of want is still served with the same bytes.
func sameObjects(t *testing.T, what string, want map[string]string) {
	t.Helper()
	if len(want) == 0 {
		t.Errorf("%s: nothing to compare", what)
	}
	for u, s := range want {
		r, err := fetch(u)
		switch {
		case err != nil:
			t.Errorf("%s: %v", what, err)
		case r.Status != 200:
			t.Errorf("%s: %s is answered %d", what, u, r.Status)
		case sum(r.Body) != s:
			t.Errorf("%s: %s has other bytes", what, u)
		}
	}
}

// Length is the sum of the complete segments' durations.
func (p Playlist) Length() time.Duration {
	sum := 0.0
	for _, s := range p.Segments {
		sum += s.Duration
	}
	return time.Duration(sum * float64(time.Second))
}
