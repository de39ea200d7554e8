package dash

import (
	"strconv"
	"strings"

	"github.com/Eyevinn/dash-mpd/mpd"

	"headwater.stream/internal/media"
)

// frameRate prints "30" or "30000/1001", nothing when unknown.
func frameRate(r media.Rational) mpd.FrameRateType {
	if r.Num == 0 || r.Den == 0 {
		return ""
	}
	s := strconv.FormatUint(uint64(r.Num), 10)
	if r.Num%r.Den == 0 {
		return mpd.FrameRateType(strconv.FormatUint(uint64(r.Num/r.Den), 10))
	}
	return mpd.FrameRateType(s + "/" + strconv.FormatUint(uint64(r.Den), 10))
}

// channelConfiguration returns the ISO/IEC 23091-3 ChannelConfiguration of a number of channels.
func channelConfiguration(channels int) int {
	switch channels {
	case 7:
		return 11
	case 8:
		return 12
	}
	return max(1, channels)
}

// language returns a BCP 47 tag; what the encoder sent is taken only when it can be one.
func language(tag string) string {
	unsafe := func(c rune) bool {
		return c != '-' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z')
	}
	if tag == "" || len(tag) > 35 || strings.ContainsFunc(tag, unsafe) {
		return "und"
	}
	return tag
}
