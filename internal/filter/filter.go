package filter

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"
	"time"

	"headwater.stream/internal/media"
)

// Limits of ams-v3 §9 and §11.1.
const (
	MaxComposed = 10               // filters on one request, those of the locator included
	MinWindow   = 60 * time.Second // of presentationWindowDuration
	MaxBackoff  = 300 * time.Second
)

// DefaultTimescale is the unit of timestamps of filters that do not say: 1/10 000 000 s.
const DefaultTimescale = 10_000_000

// Errors of Check and Compose: what is wrong with the values.
var (
	ErrCount         = fmt.Errorf("more than %d filters", MaxComposed)
	ErrRange         = errors.New("time range")
	ErrWindow        = errors.New("presentation window")
	ErrBackoff       = errors.New("live backoff")
	ErrBackoffWindow = errors.New("live backoff and presentation window")
	ErrTrack         = errors.New("track selection")
)

// Errors of Presentation.Err.
var (
	ErrEmpty = errors.New("the filters leave nothing to play")
	ErrGone  = errors.New("what the filters show has left the archive window")
)

// Filter says what of a presentation is shown. Times are media time, which is presentation time as MPDs and media say it.
type Filter struct {
	Start   time.Duration // of the first segment shown, at least
	End     time.Duration // before which the last segment shown begins; 0: none
	Force   bool          // End counts while the presentation is live too
	Window  time.Duration // live only: how much is listed at most; 0: as the presentation
	Backoff time.Duration // live only: how far behind the live edge the newest segment shown is

	// A span is shown with the segments that it begins and ends in, and ends a live presentation. Nothing composes it.
	From, To time.Duration // 0: none

	FirstBitrate int // bit/s of the video rendition to list first; 0: as the presentation

	// Tracks are shown that meet one selection of each list; no list: all.
	Tracks [][]Selection
}

// Selection is met by tracks that meet all its conditions.
type Selection []Condition

// Property is what a Condition looks at.
type Property uint8

// The properties of tracks.
const (
	Type Property = iota + 1
	Name
	Language
	FourCC
	Bitrate
)

// Condition compares one property of a track.
type Condition struct {
	Property Property
	Not      bool
	Value    string // without regard to case; of a Bitrate a number or "low-high"
}

// Timestamp converts a timestamp of a filter to a time. What does not fit is for ever.
func Timestamp(ticks, timescale int64) time.Duration {
	if ticks <= 0 || timescale <= 0 {
		return 0
	}
	hi, lo := bits.Mul64(uint64(ticks), uint64(time.Second))
	if hi >= uint64(timescale) {
		return math.MaxInt64
	}
	q, _ := bits.Div64(hi, lo, uint64(timescale))
	return time.Duration(min(q, math.MaxInt64))
}

// Compose returns the filter that shows what all of them show. Ranges and track selections are intersected, the longest
// backoff and the shortest window count, and the first firstQuality that is named.
func Compose(list []Filter) (Filter, error) {
	if len(list) > MaxComposed {
		return Filter{}, ErrCount
	}
	var all Filter
	for _, f := range list {
		all.Start = max(all.Start, f.Start)
		if f.End > 0 && (all.End == 0 || f.End < all.End) {
			all.End = f.End
		}
		all.Force = all.Force || f.Force
		if f.Window > 0 && (all.Window == 0 || f.Window < all.Window) {
			all.Window = f.Window
		}
		all.Backoff = max(all.Backoff, f.Backoff)
		if all.FirstBitrate == 0 {
			all.FirstBitrate = f.FirstBitrate
		}
		all.Tracks = append(all.Tracks, f.Tracks...)
	}
	return all, all.Check()
}

// Check refuses what is impossible whatever the presentation.
func (f *Filter) Check() error {
	switch {
	case f.End > 0 && f.End <= f.Start && f.End != math.MaxInt64: // which is for ever: see Timestamp
		return fmt.Errorf("%w: the end, %v, is not after the start, %v", ErrRange, f.End, f.Start)
	case f.To > 0 && f.To <= f.From:
		return fmt.Errorf("%w: the end, %v, is not after the start, %v", ErrRange, f.To, f.From)
	case f.Force && f.End == 0:
		return fmt.Errorf("%w: forceEndTimestamp without endTimestamp", ErrRange)
	case f.Window > 0 && f.Window < MinWindow:
		return fmt.Errorf("%w: %v; it has to be at least %v", ErrWindow, f.Window, MinWindow)
	case f.Backoff > MaxBackoff:
		return fmt.Errorf("%w: %v; it has to be at most %v", ErrBackoff, f.Backoff, MaxBackoff)
	case f.Window > 0 && f.Backoff >= f.Window:
		return fmt.Errorf("%w: %v has to be less than %v", ErrBackoffWindow, f.Backoff, f.Window)
	}
	for _, list := range f.Tracks {
		for _, s := range list {
			for _, c := range s {
				if err := c.check(); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (c Condition) check() error {
	switch c.Property {
	case Bitrate:
		_, _, err := bitrates(c.Value)
		return err
	case Type:
		for _, known := range []string{"Video", "Audio", "Text"} { // ams-v3 §9
			if strings.EqualFold(c.Value, known) {
				return nil
			}
		}
		return fmt.Errorf("%w: %q is no type; there are Video, Audio and Text", ErrTrack, c.Value)
	}
	return nil
}

// bitrates parses the value of a Bitrate condition: a number of bit/s, or "low-high", both included.
func bitrates(value string) (low, high int, err error) {
	from, to, ranged := strings.Cut(value, "-")
	if low, err = strconv.Atoi(strings.TrimSpace(from)); err == nil && ranged {
		high, err = strconv.Atoi(strings.TrimSpace(to))
	} else {
		high = low
	}
	if err != nil || low < 0 || high < low {
		return 0, 0, fmt.Errorf("%w: %q is no bit rate and no range of bit rates", ErrTrack, value)
	}
	return low, high, nil
}

// shows reports whether the filter leaves a rendition in.
func (f *Filter) shows(r *media.Rendition) bool {
	for _, list := range f.Tracks {
		met := false
		for _, s := range list {
			met = met || s.met(r)
		}
		if !met {
			return false
		}
	}
	return true
}

func (s Selection) met(r *media.Rendition) bool {
	for _, c := range s {
		if c.holds(r) == c.Not {
			return false
		}
	}
	return true
}

func (c Condition) holds(r *media.Rendition) bool {
	var t media.Track
	if n := len(r.Inits); n > 0 {
		t = r.Inits[n-1].Track
	}
	switch c.Property {
	case Type:
		return strings.EqualFold(c.Value, r.Kind.String())
	case Name:
		// "video_2500000" is how AMS names a track.
		return strings.EqualFold(c.Value, r.Name) || strings.EqualFold(c.Value, fmt.Sprintf("%s_%d", r.Kind, bitrate(r)))
	case Language:
		return strings.EqualFold(c.Value, t.Language) || c.Value == "" && t.Language == "und"
	case FourCC:
		code, _, _ := strings.Cut(t.Codec, ".")
		return strings.EqualFold(c.Value, code)
	case Bitrate:
		low, high, err := bitrates(c.Value)
		b := bitrate(r)
		return err == nil && low <= b && b <= high
	}
	return false
}

// bitrate returns what the encoder declared, or what was measured where it did not.
func bitrate(r *media.Rendition) int {
	if n := len(r.Inits); n > 0 && r.Inits[n-1].Track.Bitrate > 0 {
		return r.Inits[n-1].Track.Bitrate
	}
	return r.Bandwidth
}
