package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"
)

// Time is an instant on the wire: RFC 3339, answered in UTC with up to seven fraction digits.
type Time struct{ time.Time }

// timeLayout prints as AMS does; clients read a date without zone differently, so the Z is always there.
const timeLayout = "2006-01-02T15:04:05.9999999Z"

// FarFuture is the endTime of a locator that has none (ams-v3 §1.6).
func FarFuture() Time { return Time{time.Date(9999, 12, 31, 23, 59, 59, 999999900, time.UTC)} }

// NewTime returns a pointer to t in the precision of the wire.
func NewTime(t time.Time) *Time { return &Time{t.UTC().Truncate(100 * time.Nanosecond)} }

// MarshalJSON implements json.Marshaler.
func (t Time) MarshalJSON() ([]byte, error) {
	return []byte(`"` + t.UTC().Format(timeLayout) + `"`), nil
}

// UnmarshalJSON implements json.Unmarshaler. A date without zone is UTC.
func (t *Time) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		return nil
	}
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return errors.New("a date is a string like 2026-01-02T03:04:05Z")
	}
	parsed, err := ParseTime(s)
	if err != nil {
		return err
	}
	*t = parsed
	return nil
}

// ParseTime reads an RFC 3339 date with any offset and fraction; without offset it is UTC.
func ParseTime(s string) (Time, error) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02"} {
		if t, err := time.Parse(layout, s); err == nil {
			return Time{t.UTC()}, nil
		}
	}
	return Time{}, fmt.Errorf("%.64q is not a date like 2026-01-02T03:04:05Z", s)
}

// Int64 is an integer that clients may send larger than the range: the JavaScript client turns the maximum into
// 9223372036854776000. It is clamped, and never passes through a float (ams-wire §5).
type Int64 int64

// UnmarshalJSON implements json.Unmarshaler.
func (n *Int64) UnmarshalJSON(b []byte) error {
	text := string(bytes.TrimSpace(b))
	if text == "null" {
		return nil
	}
	v, err := strconv.ParseInt(text, 10, 64)
	switch {
	case err == nil:
		*n = Int64(v)
		return nil
	case errors.Is(err, strconv.ErrRange):
		*n = clamp(strings.HasPrefix(text, "-"))
		return nil
	}
	// 9.2e18 is an integer too; a huge exponent is not worth its memory.
	const maxText = 40
	f, ok := new(big.Float), false
	if len(text) <= maxText && text[0] != '"' {
		f, ok = f.SetPrec(256).SetString(text)
	}
	if !ok || !f.IsInt() {
		return fmt.Errorf("%.40s is not an integer", text)
	}
	if v, acc := f.Int64(); acc == big.Exact {
		*n = Int64(v)
	} else {
		*n = clamp(f.Sign() < 0)
	}
	return nil
}

func clamp(negative bool) Int64 {
	if negative {
		return math.MinInt64
	}
	return math.MaxInt64
}

// maxDuration bounds what ParseDuration takes, far above every limit of the model.
const maxDuration = 10 * 365 * 24 * time.Hour

// ParseDuration reads an ISO 8601 duration of weeks, days, hours, minutes and seconds: "PT25H", "P1DT12H", "PT0.5S".
func ParseDuration(s string) (time.Duration, error) {
	bad := fmt.Errorf("%.64q is not an ISO 8601 duration like PT1H30M", s)
	rest, ok := strings.CutPrefix(strings.ToUpper(s), "P")
	if !ok || rest == "" {
		return 0, bad
	}
	date, clock, hasClock := strings.Cut(rest, "T")
	if hasClock && clock == "" {
		return 0, bad
	}
	var total float64
	for _, part := range []struct {
		text  string
		units string
	}{{date, "WD"}, {clock, "HMS"}} {
		text, units := part.text, part.units
		for text != "" {
			end := strings.IndexAny(text, "WDHMS")
			if end <= 0 {
				return 0, bad
			}
			at := strings.IndexByte(units, text[end])
			if at < 0 || strings.Trim(text[:end], "0123456789.,") != "" {
				return 0, bad
			}
			v, err := strconv.ParseFloat(strings.Replace(text[:end], ",", ".", 1), 64)
			if err != nil {
				return 0, bad
			}
			total += v * map[byte]float64{'W': 7 * 24 * 3600, 'D': 24 * 3600, 'H': 3600, 'M': 60, 'S': 1}[text[end]]
			text, units = text[end+1:], units[at+1:]
		}
	}
	if total > maxDuration.Seconds() {
		return 0, fmt.Errorf("the duration %.64q is too long", s)
	}
	return time.Duration(math.Round(total*1e6)) * time.Microsecond, nil
}

// FormatDuration prints d as ISO 8601: "PT1H30M".
func FormatDuration(d time.Duration) string {
	if d == 0 {
		return "PT0S"
	}
	var b strings.Builder
	b.WriteString("PT")
	if h := d / time.Hour; h > 0 {
		fmt.Fprintf(&b, "%dH", h)
	}
	if m := d % time.Hour / time.Minute; m > 0 {
		fmt.Fprintf(&b, "%dM", m)
	}
	if s := d % time.Minute; s > 0 {
		b.WriteString(strconv.FormatFloat(s.Seconds(), 'f', -1, 64))
		b.WriteByte('S')
	}
	return b.String()
}
