package hls

import (
	"strconv"
	"time"

	"headwater.stream/internal/media"
)

// unitsPerSecond is the resolution of durations in playlists: five decimals.
const unitsPerSecond = 100_000

// units returns ticks in units, rounded to the nearest. Durations are differences of rounded times, so that any run of
// EXTINF adds up to the media's duration without an accumulating error.
func units(ticks int64, timescale uint32) int64 {
	ts := int64(timescale)
	sec, rem := ticks/ts, ticks%ts
	if rem < 0 {
		sec, rem = sec-1, rem+ts
	}
	return sec*unitsPerSecond + (rem*unitsPerSecond+ts/2)/ts
}

// unitsUp returns d in units, rounded up.
func unitsUp(d time.Duration) int64 {
	const unit = time.Second / unitsPerSecond
	return int64((d + unit - 1) / unit)
}

// appendUnits appends a duration in seconds with five decimals.
func appendUnits(dst []byte, u int64) []byte {
	dst = strconv.AppendInt(dst, u/unitsPerSecond, 10)
	dst = append(dst, '.')
	u %= unitsPerSecond
	for div := int64(unitsPerSecond / 10); div > 0; div /= 10 {
		dst = append(dst, byte('0'+u/div%10))
	}
	return dst
}

func appendSpan(dst []byte, start, end int64, timescale uint32) []byte {
	return appendUnits(dst, units(end, timescale)-units(start, timescale))
}

// appendDate appends a wall-clock time in UTC to the nearest millisecond.
func appendDate(dst []byte, t time.Time) []byte {
	return t.UTC().Round(time.Millisecond).AppendFormat(dst, "2006-01-02T15:04:05.000Z")
}

// appendURI appends a quoted object name, relative to the media playlist.
func appendURI(dst []byte, ref media.Ref) []byte {
	dst = append(dst, `URI="`...)
	dst = ref.AppendFile(dst)
	return append(dst, '"')
}
