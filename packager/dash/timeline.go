package dash

import (
	"strconv"

	"headwater.stream/internal/media"
)

// appendTimeline appends the S elements of a span's segments, in the timescale of the media: equal durations merged into @r, @t on the first and
// wherever a segment does not start where the one before ended.
func appendTimeline(dst []byte, sp span) []byte {
	scaled := func(ticks int64) int64 { return media.Rescale(ticks, sp.rendition.Timescale, sp.timescale) }
	for i, n := 0, sp.len(); i < n; {
		s := sp.at(i)
		j := i + 1
		for j < n && sp.at(j).Duration == s.Duration && sp.at(j).Start == sp.at(j-1).End() {
			j++
		}
		dst = append(dst, "<S"...)
		if i == 0 || s.Start != sp.at(i-1).End() {
			dst = appendAttr(dst, " t=", scaled(s.Start))
		}
		dst = appendAttr(dst, " d=", scaled(s.Duration))
		if repeat := j - i - 1; repeat > 0 {
			dst = appendAttr(dst, " r=", int64(repeat))
		}
		dst = append(dst, "/>"...)
		i = j
	}
	return dst
}

func appendAttr(dst []byte, name string, value int64) []byte {
	dst = append(dst, name...)
	dst = append(dst, '"')
	dst = strconv.AppendInt(dst, value, 10)
	return append(dst, '"')
}
