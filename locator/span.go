package locator

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Span is the part of a presentation that is asked for; the zero Span is all of it.
type Span struct{ Start, End Point }

// Point is a moment of a presentation: a time of day, or media time. The zero Point is none.
type Point struct {
	OfDay bool
	Since time.Duration // 1970-01-01T00:00:00Z when OfDay, else media time 0
}

// At returns the media time of p; anchor is the wall-clock time of media time 0.
func (p Point) At(anchor time.Time) time.Duration {
	if p.OfDay {
		return time.Unix(0, int64(p.Since)).Sub(anchor)
	}
	return p.Since
}

// wallFormat is how times of day are printed: ISO 8601's basic format needs no escaping in a URL. Go takes a fraction of a
// second after any of the layouts.
const (
	wallFormat    = "20060102T150405.999999999Z"
	maxMediaTime  = 1 << 30 // seconds: 34 years
	nanoDigits    = 9
	maxPointBytes = 64
	firstYear     = 1971 // of those that nanoseconds since 1970 count
	lastYear      = 2261
)

var errPoint = fmt.Errorf("%w: a time is seconds of media time, or a time of day like 2026-01-02T03:04:05Z", ErrParameter)

// parsePoint parses seconds of media time, "90" or "90.5", or an ISO 8601 time, which is UTC when it has no zone.
func parsePoint(s string) (Point, error) {
	if len(s) > maxPointBytes {
		return Point{}, errPoint
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "20060102T150405Z0700", "20060102T150405"} {
		t, err := time.Parse(layout, s)
		if err != nil {
			continue
		}
		if t = t.UTC(); t.Year() < firstYear || t.Year() > lastYear {
			break
		}
		return Point{OfDay: true, Since: time.Duration(t.UnixNano())}, nil
	}
	whole, fraction, _ := strings.Cut(s, ".")
	sec, err := strconv.ParseUint(whole, 10, 32)
	if err != nil || sec > maxMediaTime || len(fraction) > nanoDigits || strings.HasSuffix(s, ".") {
		return Point{}, errPoint
	}
	nanos := uint64(0)
	if fraction != "" {
		if nanos, err = strconv.ParseUint(fraction+strings.Repeat("0", nanoDigits-len(fraction)), 10, 32); err != nil {
			return Point{}, errPoint
		}
	}
	return Point{Since: time.Duration(sec)*time.Second + time.Duration(nanos)}, nil
}

// String prints what parsePoint takes: the same text for the same moment.
func (p Point) String() string {
	if p.OfDay {
		return time.Unix(0, int64(p.Since)).UTC().Format(wallFormat)
	}
	sec, nanos := p.Since/time.Second, p.Since%time.Second
	if nanos == 0 {
		return strconv.FormatInt(int64(sec), 10)
	}
	return strings.TrimRight(fmt.Sprintf("%d.%09d", sec, nanos), "0")
}

// check refuses a span that ends before it begins. Points of two kinds cannot be compared without the presentation.
func (s Span) check() error {
	if s.End == (Point{}) || s.Start.OfDay != s.End.OfDay || s.End.Since > s.Start.Since {
		return nil
	}
	return fmt.Errorf("%w: the end is not after the start", ErrParameter)
}

// ApplyQuery gives p the span that a URL's query names: start=…&end=…. All other parameters are ignored.
func (p *Path) ApplyQuery(query string) error {
	var seen Span
	for query != "" {
		var param string
		param, query, _ = strings.Cut(query, "&")
		key, value, _ := strings.Cut(param, "=")
		if key != keyStart && key != keyEnd {
			continue
		}
		value, err := unescapeQuery(value)
		if err != nil {
			return err
		}
		if err := seen.set(key, value); err != nil {
			return err
		}
	}
	if seen == (Span{}) {
		return nil
	}
	if p.Span != (Span{}) {
		return fmt.Errorf("%w: start and end in the path and in the query", ErrParameter)
	}
	p.Span = seen
	return seen.check()
}

// set sets one end of the span, once.
func (s *Span) set(key, value string) error {
	at := &s.Start
	if key == keyEnd {
		at = &s.End
	}
	p, err := parsePoint(value)
	if err != nil {
		return err
	}
	if *at != (Point{}) || key == keyEnd && p == (Point{}) {
		return fmt.Errorf("%w: %s=%s", ErrParameter, key, value)
	}
	*at = p
	return nil
}
