package hls

import (
	"strconv"

	"headwater.stream/internal/media"
)

// NewIFramePlaylist returns the I-frame playlist of the rendition with that name: of each segment that begins with a key frame
// the bytes up to its end. It lists sealed segments only, under the numbers that they have in the media playlist; one that
// begins otherwise, or of which it is not known, is a gap. So all that is said of segments is the same in both.
func NewIFramePlaylist(rendition string) *Playlist {
	return &Playlist{rendition: rendition, iframes: true}
}

// IFrames reports whether a rendition is offered as an I-frame playlist: not one whose key frames nobody has measured.
func IFrames(r *media.Rendition) bool {
	if r.Kind != media.Video {
		return false
	}
	if r.Open != nil && r.Open.KeySize > 0 {
		return true
	}
	for i := len(r.Segments) - 1; i >= 0; i-- {
		if keyed(r.Segments[i]) {
			return true
		}
	}
	return false
}

func keyed(s media.Segment) bool { return s.KeySize > 0 && !s.Gap }

// appendIFrame appends all lines of a segment in an I-frame playlist.
func appendIFrame(dst []byte, v *media.View, r *media.Rendition, seg media.Segment, mapped bool) []byte {
	dst = appendOpening(dst, v, r, seg, mapped)
	if keyed(seg) {
		dst = append(dst, "#EXT-X-BYTERANGE:"...)
		dst = strconv.AppendUint(dst, uint64(seg.KeySize), 10)
		dst = append(dst, "@0\n"...)
	} else {
		dst = append(dst, "#EXT-X-GAP\n"...)
	}
	return appendResource(dst, r, seg)
}

// iframeRates returns the peak and the average bit rate of the I-frame playlist of a rendition.
func iframeRates(r *media.Rendition) (peak, average int) {
	var bits, ticks int64
	for i := range r.Segments {
		s := &r.Segments[i]
		if !keyed(*s) || s.Duration <= 0 {
			continue
		}
		key := 8 * int64(s.KeySize)
		bits, ticks = bits+key, ticks+s.Duration
		if 2*s.Duration >= int64(r.Timescale) { // shorter ones do not count (8216bis 4.4.6.2: 0.5 to 1.5 target durations)
			peak = max(peak, int(key*int64(r.Timescale)/s.Duration))
		}
	}
	switch {
	case ticks > 0:
		average = int(bits * int64(r.Timescale) / ticks)
	case r.Open != nil:
		average = 8 * int(r.Open.KeySize) // as if it lasted a second
	}
	return max(1, peak, average), max(1, average)
}
