package doctor

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"headwater.stream/internal/media"
)

// Bounds of the rules for pictures.
const (
	lowFPS       = 12.0
	highFPS      = 61.0
	rateApart    = 0.03 // share by which the measured frame rate may differ from the declared one
	missingFrom  = 0.01
	irregularMin = 0.05
	gridFrames   = 60 // frames needed to judge the grid
	noKeyFrom    = 10 * time.Second
	shortGOP     = 500 * time.Millisecond
)

// pictureRules judge what the parameter sets say.
func pictureRules(s *sheet, v *VideoMeasure) {
	size := fmt.Sprintf("%d×%d", v.Width, v.Height)
	if v.Width%2 != 0 || v.Height%2 != 0 {
		s.add(OddSize, media.Video, float64(v.Width), "pixels", "The picture is %s: width and height have to be even.", size)
	}
	if names, all := Players(v.Codec); !all {
		s.add(CodecLimited, media.Video, 0, "", "The video codec is %s: it plays in %s.", v.Codec, and(names))
	}
	if name, limited := profile(v.Codec); limited {
		s.add(ProfileLimited, media.Video, 0, "", "The profile is %s (%s).", name, v.Codec)
	} else if name == baseline {
		s.add(Baseline, media.Video, 0, "", "The H.264 profile is %s (%s).", name, v.Codec)
	}
	p := v.Picture
	if !p.known {
		return
	}
	if p.interlaced {
		s.add(Interlaced, media.Video, 0, "", "The picture is coded interlaced.")
	}
	if need := levelFor(p.macroblocks, v.FPS); v.Frames >= gridFrames && need > p.level {
		s.add(LevelLow, media.Video, float64(p.level)/10, "level", "The stream says H.264 level %.1f; %s at %.4g frames a second needs %.1f.", float64(p.level)/10, size, v.FPS, float64(need)/10)
	}
}

const baseline = "Baseline"

// profiles are those that phones and hardware decode, by the beginning of the codecs parameter (RFC 6381, ISO 14496-15 annex E).
var profiles = []struct{ prefix, name string }{
	{"avc1.42", baseline}, {"avc1.4d", "Main"}, {"avc1.58", "Extended"}, {"avc1.64", "High"},
	{"hvc1.1.", "Main"}, {"hvc1.2.", "Main 10"}, {"av01.0.", "Main"}, {"vp09.00.", "0"}, {"vp09.02.", "2"},
}

// profile names the profile of a video codec, and says whether only some devices decode it.
func profile(codec string) (name string, limited bool) {
	for _, p := range profiles {
		if strings.HasPrefix(strings.ToLower(codec), p.prefix) {
			return p.name, false
		}
	}
	for prefix, name := range map[string]string{"avc1.6e": "High 10, with 10 bits a sample", "avc1.7a": "High 4:2:2", "avc1.f4": "High 4:4:4", "avc1.2c": "CAVLC 4:4:4"} {
		if strings.HasPrefix(strings.ToLower(codec), prefix) {
			return name, true
		}
	}
	return "one with more colours or bits than 4:2:0 with 8", true
}

// timingRules judge when frames are to be shown.
func timingRules(s *sheet, v *VideoMeasure) {
	if s.Span >= 5*time.Second && v.Stopped >= 3*time.Second && s.Silent < time.Second {
		s.add(VideoStopped, media.Video, v.Stopped.Seconds(), "s", "No picture has come for %.0f s, while sound comes.", v.Stopped.Seconds())
	}
	if v.Backward > 0 {
		s.add(TimestampsBackward, media.Video, float64(v.Backward), "frames", "%s of the last minute had a timestamp that is not later than the one before, by up to %d ms.", plural(v.Backward, "picture"), v.BackBy.Milliseconds())
	}
	if v.Negative > 0 {
		s.add(CompositionEarly, media.Video, float64(v.Negative.Milliseconds()), "ms", "Pictures are to be shown up to %d ms before they are decoded.", v.Negative.Milliseconds())
	}
	if v.Frames < gridFrames || s.has(TimestampsBackward, TimestampsJump) {
		return
	}
	declared := v.FrameRate.Float()
	switch {
	case v.Irregular > irregularMin:
		s.add(FrameRateIrregular, media.Video, 100*v.Irregular, "%", "%.0f %% of the pictures come at an uneven distance; the rate is about %.4g a second.", 100*v.Irregular, v.FPS)
	case v.Missing > missingFrom:
		s.add(FramesMissing, media.Video, 100*v.Missing, "%", "%.1f %% of the pictures are missing.", 100*v.Missing)
	}
	switch {
	case v.FPS < lowFPS:
		s.add(FrameRateLow, media.Video, v.FPS, "fps", "The frame rate is %.4g a second.", v.FPS)
	case v.FPS > highFPS:
		s.add(FrameRateHigh, media.Video, v.FPS, "fps", "The frame rate is %.4g a second.", v.FPS)
	}
	if declared > 0 && abs(v.FPS/declared-1) > rateApart && !s.has(FrameRateIrregular) {
		s.add(FrameRateMismatch, media.Video, v.FPS, "fps", "The stream says %.4g pictures a second and has %.4g.", declared, v.FPS)
	}
	if s.Parts && v.FPS > 0 && v.Reorder.Seconds() > 1.5/v.FPS {
		s.add(BFrames, media.Video, float64(v.Reorder.Milliseconds()), "ms", "B-frames: pictures are shown up to %d ms after they are decoded.", v.Reorder.Milliseconds())
	}
}

// keyFrameRules judge where viewers and segments can begin.
func keyFrameRules(s *sheet, v *VideoMeasure) {
	shortest, longest := v.keySpread()
	mean := time.Duration(0)
	for _, d := range v.Keys {
		mean += d / time.Duration(len(v.Keys))
	}
	if v.OpenKeys > 0 {
		s.add(OpenGOP, media.Video, float64(v.OpenKeys), "pictures", "The groups of pictures are open: %s of the last minute show the group before, or stand where a key frame should.", plural(v.OpenKeys, "picture"))
		return
	}
	long := max(s.SegmentLimit, s.SegmentAim)
	switch {
	case v.Stopped >= 3*time.Second:
	case v.SinceKey >= noKeyFrom && v.SinceKey > longest*3/2:
		s.add(NoKeyFrame, media.Video, v.SinceKey.Seconds(), "s", "No key frame has come for %.0f s.", v.SinceKey.Seconds())
	case longest > long+long/20:
		text := fmt.Sprintf("A key frame comes every %.3g s", mean.Seconds())
		if shortest < longest*3/4 {
			text = fmt.Sprintf("Key frames are up to %.3g s apart", longest.Seconds())
		}
		s.add(KeyFramesRare, media.Video, longest.Seconds(), "s", "%s; segments of this event are %.4g s, at most %.4g s.", text, s.SegmentAim.Seconds(), long.Seconds())
	case len(v.Keys) >= 4 && longest-shortest > max(mean/5, 100*time.Millisecond):
		s.add(KeyFramesIrregular, media.Video, (longest - shortest).Seconds(), "s", "Key frames come at an uneven distance, from %.2f to %.2f s: the encoder adds them at scene cuts.", shortest.Seconds(), longest.Seconds())
	case len(v.Keys) >= 4 && longest < shortGOP:
		s.add(KeyFramesOften, media.Video, mean.Seconds(), "s", "A key frame comes every %.2g s.", mean.Seconds())
	}
}

// Players returns what plays a codec of a CODECS parameter, and whether that is everything (docs/codecs.md).
func Players(codec string) (names []string, all bool) {
	all4 := []string{"Chrome", "Edge", "Firefox", "Safari"}
	switch name, _, _ := strings.Cut(codec, "."); name {
	case "avc1", "mp4a":
		return all4, true
	case "hvc1":
		return []string{"Safari", "Chrome, Edge and Firefox where the device decodes HEVC"}, false
	case "av01":
		return []string{"Chrome", "Edge", "Firefox", "Safari on devices that decode AV1"}, false
	case "vp09":
		return []string{"Chrome", "Edge", "Firefox"}, false
	case "opus", "Opus", "fLaC":
		return []string{"Chrome", "Edge", "Firefox", "new versions of Safari"}, false
	case "ac-3", "ec-3":
		return []string{"Safari", "Edge on some devices", "television sets"}, false
	}
	return slices.Clone(all4[:0]), false
}
