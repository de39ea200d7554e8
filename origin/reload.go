package origin

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"headwater.stream/internal/media"
	"headwater.stream/packager/hls"
)

// directives are the delivery directives of a playlist request (8216bis 6.2.5).
type directives struct {
	msn     int64 // -1: none
	part    int64 // -1: none
	skip    bool
	compact bool // the skipping may take in date ranges
	present bool // msn was given: the answer waits for it and stays true
}

var errDirective = errors.New("bad delivery directive")

// parseDirectives reads the _HLS_ parameters of a query and ignores all others.
func parseDirectives(query string) (directives, error) {
	d := directives{msn: -1, part: -1}
	for query != "" {
		var param string
		param, query, _ = strings.Cut(query, "&")
		if !strings.HasPrefix(param, "_HLS_") {
			continue
		}
		key, value, _ := strings.Cut(param, "=")
		var err error
		switch key {
		case "_HLS_msn":
			d.msn, err = parseDirective(d.msn, value)
			d.present = true
		case "_HLS_part":
			d.part, err = parseDirective(d.part, value)
		case "_HLS_skip":
			d.skip, d.compact = value == "YES" || value == "v2", value == "v2"
		}
		if err != nil {
			return d, fmt.Errorf("%s: %w", key, err)
		}
	}
	if d.part >= 0 && !d.present {
		return d, fmt.Errorf("%w: _HLS_part without _HLS_msn", errDirective)
	}
	return d, nil
}

func parseDirective(have int64, value string) (int64, error) {
	n, err := strconv.ParseUint(value, 10, 64)
	if err != nil || have >= 0 {
		return 0, fmt.Errorf("%w: not one decimal number", errDirective)
	}
	return int64(min(n, math.MaxInt64/2)), nil
}

// iframes returns what the directives mean for the I-frame playlist of a rendition: it lists whole segments, and is waited
// for until there is one, because the multivariant playlist names it before.
func (d directives) iframes(r *media.Rendition) directives {
	d.part = -1
	if !d.present && len(r.Segments) == 0 && r.Open != nil {
		d.msn, d.present = int64(r.Open.Number), true
	}
	return d
}

// verdict says what to do with a blocking request.
type verdict uint8

const (
	answer verdict = iota
	wait
	tooFar
)

// judge compares what is asked for with what a View has of the rendition.
func (d directives) judge(v *media.View, r *media.Rendition) verdict {
	if !d.present || v.Ended { // with EXT-X-ENDLIST directives are ignored
		return answer
	}
	last := int64(-1) // the last complete segment
	if n, ok := r.LastNumber(); ok {
		last = int64(n)
	} else if r.Open != nil {
		last = int64(r.Open.Number) - 1
	}
	// 8216bis 6.2.5.2: a request further ahead than the last segment plus two SHOULD be answered 400.
	if d.msn > last+2 {
		return tooFar
	}
	if d.part < 0 || v.PartTarget == 0 {
		return answerIf(d.msn <= last)
	}
	n := int64(len(hls.Parts(v, r, uint64(d.msn)))) // parts of that segment so far
	if d.msn <= last && n == 0 {
		return answer // so old that its parts are forgotten, or it has none
	}
	if d.part < n {
		return answer
	}
	// … so SHOULD a part beyond the Advance Part Limit.
	if d.part > n-1+advanceLimit(v) {
		return tooFar
	}
	if d.msn > last {
		return wait
	}
	// A part beyond the last of a complete segment is the first of the next one.
	return answerIf(d.msn < last || len(hls.Parts(v, r, uint64(d.msn)+1)) > 0)
}

func answerIf(there bool) verdict {
	if there {
		return answer
	}
	return wait
}

// advanceLimit is the Advance Part Limit: three seconds' worth of parts when they are shorter than a second, else three.
func advanceLimit(v *media.View) int64 {
	if v.PartTarget >= time.Second {
		return 3
	}
	return int64((3*time.Second + v.PartTarget - 1) / v.PartTarget)
}

// holdLimit is how long a request may be held: three target durations (8216bis 6.2.5.2), or half of one while no encoder is there;
// then a reload is answered with the playlist as it is. hls.js gives a request up after 0.8 target durations, and for good when that
// happens three times (docs/adr/0004).
func holdLimit(v *media.View) time.Duration {
	d := max(v.SegmentTarget, time.Second)
	if away(v) {
		return d / 2
	}
	return 3 * d
}

// away reports whether no encoder is there, of a presentation with parts: nothing is being made and nothing hinted at.
func away(v *media.View) bool {
	for i := range v.Renditions {
		if r := &v.Renditions[i]; r.Open != nil || r.Hint.Epoch != 0 {
			return false
		}
	}
	return v.PartTarget > 0 && !v.Ended
}
