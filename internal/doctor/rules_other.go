package doctor

import (
	"strings"
	"time"

	"headwater.stream/internal/media"
)

// Bounds of the rules for the connection and for time.
const (
	jitterFrom    = 250 * time.Millisecond // of 95 % of the frames: a part and more
	paceFrom      = 150 * time.Millisecond
	tooSlowPPM    = 20_000 // 2 %: no clock is that wrong
	skewFrom      = 400 * time.Millisecond
	avDriftFrom   = 60 * time.Millisecond
	avDriftOver   = 15 * time.Second // phones send their sound in bursts
	noAudioFrom   = 10 * time.Second
	quietFrom     = 10 * time.Second
	stoppedFrom   = 3 * time.Second
	lowShare      = 0.75 // of the declared bit rate (ams-v3 §10.2)
	lowSound      = 0.5  // encoders of sound take less for what is simple
	lowWindow     = 10   // whole seconds of media needed to say so: titles and curtains stand still
	highShare     = 1.5
	peakShare     = 2.5
	undeclared    = 4.0 // peak to average where nothing is declared
	muchBitrate   = 10_000_000
	bitrateWindow = 5 // whole seconds of media needed
)

// connectionRules judge how media come.
func connectionRules(s *sheet) {
	if s.Jumps > 0 {
		s.add(TimestampsJump, 0, s.JumpSize.Seconds(), "s", "The timestamps jumped %s in the last minute, by up to %.1f s.", times(s.Jumps), s.JumpSize.Seconds())
	}
	if s.Silent >= stallFrom {
		s.add(Stall, 0, s.Silent.Seconds(), "s", "Nothing has come for %.1f s.", s.Silent.Seconds())
	} else if s.Stalls > 0 {
		s.add(Stall, 0, s.Longest.Seconds(), "s", "Nothing came %s in the last minute, for up to %.1f s.", times(s.Stalls), s.Longest.Seconds())
	}
	if p := s.Pace; p.Steady && abs(p.Change) >= paceFrom && s.Jumps == 0 {
		percent := p.PPM() / 10_000
		switch {
		case p.PPM() > tooSlowPPM:
			s.add(TooSlow, 0, percent, "%", "Media come %.1f %% slower than they play: %.1f s behind in %.0f s.", percent, p.Change.Seconds(), p.Over.Seconds())
		case p.PPM() < -tooSlowPPM:
			s.add(TooFast, 0, -percent, "%", "Media come %.3g times as fast as they play.", 1-percent/100)
		default:
			s.add(ClockDrift, 0, p.PPM(), "ppm", "The encoder's clock differs from this server's by %.0f ppm, %.1f s an hour.", p.PPM(), p.PPM()*3600/1e6)
		}
	}
	if s.Jitter.N >= gridFrames && s.Jitter.P95 >= jitterFrom && !s.has(Stall, TooSlow, TooFast, ClockDrift, TimestampsJump) && !unsteady(s.Video) {
		s.add(Jitter, 0, float64(s.Jitter.P95.Milliseconds()), "ms", "Frames come up to %d ms later than the quickest (95 %% of them; the worst %d ms).", s.Jitter.P95.Milliseconds(), s.Jitter.Max.Milliseconds())
	}
}

// unsteady says whether timestamps, by which lateness is measured, are wrong themselves.
func unsteady(v *VideoMeasure) bool {
	return v != nil && (v.Backward > 0 || v.Irregular > irregularMin)
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return plural(n, "time")
}

// audioRules judge the sound.
func audioRules(s *sheet) {
	a := s.Audio
	if a == nil {
		if s.Span >= noAudioFrom {
			s.add(AudioMissing, media.Audio, 0, "", "The stream has no sound.")
		}
		return
	}
	if a.Stopped >= stoppedFrom && s.Silent < stallFrom {
		s.add(AudioStopped, media.Audio, a.Stopped.Seconds(), "s", "No sound has come for %.0f s, while pictures come.", a.Stopped.Seconds())
	}
	if strings.HasPrefix(a.Codec, "mp4a") && a.Quiet >= quietFrom {
		s.add(AudioSilent, media.Audio, a.Quiet.Seconds(), "s", "The sound has been silent for %.0f s: its access units have not more than %d bytes a channel.", a.Quiet.Seconds(), quietBytes)
	}
	if names, all := Players(a.Codec); !all {
		s.add(AudioCodecLimited, media.Audio, 0, "", "The audio codec is %s: it plays in %s.", a.Codec, and(names))
	}
	if a.SampleRate != 48000 && a.SampleRate != 44100 {
		s.add(AudioRate, media.Audio, float64(a.SampleRate), "Hz", "The sound has %d samples a second.", a.SampleRate)
	}
	switch {
	case a.Channels == 1:
		s.add(AudioMono, media.Audio, 1, "channels", "The sound is mono.")
	case a.Channels > 2:
		s.add(AudioSurround, media.Audio, float64(a.Channels), "channels", "The sound has %d channels.", a.Channels)
	}
	if a.Backward > 0 && !s.has(TimestampsBackward) {
		s.add(TimestampsBackward, media.Audio, float64(a.Backward), "access units", "%s of the last minute had a timestamp that is not later than the one before, by up to %d ms.", plural(a.Backward, "access unit"), a.BackBy.Milliseconds())
	}
}

// syncRules judge the sound against the pictures.
func syncRules(s *sheet, v *VideoMeasure, a *AudioMeasure) {
	if s.has(AudioStopped, VideoStopped, TimestampsJump, Stall) {
		return
	}
	if d := a.Drift; d.Steady && abs(d.Change) >= avDriftFrom && d.Over >= avDriftOver {
		s.add(AVDrift, media.Audio, d.PPM(), "ppm", "The sound's clock runs %.0f ppm off the picture's: %.0f ms in %.0f s.", d.PPM(), float64(d.Change.Milliseconds()), d.Over.Seconds())
		return
	}
	if abs(a.Skew) >= skewFrom && !unsteady(v) {
		where := "ahead of"
		if a.Skew < 0 {
			where = "behind"
		}
		s.add(AVSkew, media.Audio, float64(a.Skew.Milliseconds()), "ms", "The sound's timestamps are %d ms %s those of the pictures it comes with.", abs(a.Skew).Milliseconds(), where)
	}
}

// bitrateRules judge how much comes.
func bitrateRules(s *sheet) {
	for _, t := range s.tracks() {
		if t.Seconds < bitrateWindow || s.has(TimestampsJump, TooSlow) {
			continue
		}
		declared := float64(t.Track.Bitrate)
		share, low := float64(t.Bitrate)/declared, lowShare
		if t.Kind == media.Audio {
			low = lowSound
		}
		mbit := func(bits int) float64 { return float64(bits) / 1e6 }
		switch {
		case declared == 0:
		case share < low && t.Seconds >= lowWindow && t.Stopped < stoppedFrom && !s.has(AudioSilent, FramesMissing, Stall):
			s.add(BitrateLow, t.Kind, 100*share, "%", "The %s comes at %.3g Mbit/s, %.0f %% of the %.3g Mbit/s that the encoder declares.", t.Kind, mbit(t.Bitrate), 100*share, mbit(t.Track.Bitrate))
		case share > highShare && t.Kind == media.Video:
			s.add(BitrateHigh, t.Kind, 100*share, "%", "The %s comes at %.3g Mbit/s, %.0f %% of the %.3g Mbit/s that the encoder declares.", t.Kind, mbit(t.Bitrate), 100*share, mbit(t.Track.Bitrate))
		}
		if t.Kind != media.Video {
			continue
		}
		if t.Bitrate >= muchBitrate {
			s.add(BitrateMuch, t.Kind, mbit(t.Bitrate), "Mbit/s", "The video has %.3g Mbit/s.", mbit(t.Bitrate))
		}
		base, bound, of := declared, peakShare, "what is declared"
		if declared == 0 || share > highShare {
			base, bound, of = float64(t.Bitrate), undeclared, "the average"
		}
		if peak := float64(t.Peak) / base; peak > bound && t.Peak > 1_000_000 {
			s.add(BitratePeaks, t.Kind, mbit(t.Peak), "Mbit/s", "The bit rate has peaks of %.3g Mbit/s in a second, %.1f times %s.", mbit(t.Peak), peak, of)
		}
	}
}

// tracks returns what all tracks have in common.
func (m *Measurements) tracks() (list []*TrackMeasure) {
	if m.Video != nil {
		list = append(list, &m.Video.TrackMeasure)
	}
	if m.Audio != nil {
		list = append(list, &m.Audio.TrackMeasure)
	}
	return list
}

// repairRules report what the packager had to mend and no rule before has explained.
func repairRules(s *sheet) {
	if c := s.Repairs["audio_fill"]; c.N > 0 && !s.has(AudioStopped, AVDrift, Stall, TimestampsJump) {
		s.add(AudioGaps, media.Audio, float64(c.N), "gaps", "Sound was missing and was filled with silence, %s in the last minute.", times(c.N))
	}
	if c := s.Repairs["audio_drop"]; c.N > 0 && !s.has(AVDrift, TimestampsBackward, Stall, TimestampsJump) {
		s.add(AudioOverlap, media.Audio, float64(c.N), "access units", "Sound that overlaps what was there was dropped, %s in the last minute.", times(c.N))
	}
	if s.Dropped > 0 {
		s.add(MessagesDropped, 0, float64(s.Dropped), "messages", "%s of the encoder could not be used in the last minute.", plural(s.Dropped, "message"))
	}
	n, kinds := 0, []string(nil)
	for _, kind := range []string{"queue_dropped", "empty_sample", "clock_drift"} {
		if c := s.Repairs[kind]; c.N > 0 {
			n += c.N
			kinds = append(kinds, strings.ReplaceAll(kind, "_", " "))
		}
	}
	if n > 0 && len(s.list) == 0 {
		s.add(MediaRepaired, 0, float64(n), "repairs", "%s in the last minute: %s.", plural(n, "repair"), and(kinds))
	}
}
