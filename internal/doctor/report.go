package doctor

import (
	"fmt"
	"strings"
	"time"

	"headwater.stream/internal/media"
)

// Report is everything the doctor says of an encoder that is connected.
type Report struct {
	Encoder Encoder
	*Measurements
	Findings []Finding
	Latency  Latency
}

// Encoder is who sends.
type Encoder struct {
	Software string // what it calls itself in onMetaData: "obs-output module (libobs version 31.0.0)", "Lavf61.7.100"
	FlashVer string // what it calls itself to the server, often something else
	Remote   string // address
	Since    time.Time
}

// settled is how long the doctor looks before he is sure of what he says.
const settled = 10 * time.Second

// Settled says whether enough has been seen to trust that there is no finding.
func (m *Measurements) Settled() bool { return m.Span >= settled }

// Examine makes a report of measurements.
func Examine(e Encoder, m *Measurements, others ...Stage) *Report {
	list := Findings(m)
	return &Report{Encoder: e, Measurements: m, Findings: list, Latency: Budget(m, list, others...)}
}

// Line is one measurement as people read it.
type Line struct {
	Name  string // for programs: "frameRate"
	Label string // for people
	Track media.Kind
	Value float64
	Unit  string
	Text  string // Value and Unit, or what there is instead
}

// Lines returns the measurements for people, what is not known left out.
func (m *Measurements) Lines() []Line {
	var list []Line
	text := func(track media.Kind, name, label, text string) {
		list = append(list, Line{Name: name, Label: label, Track: track, Text: text})
	}
	add := func(track media.Kind, name, label string, value float64, unit, format string) {
		list = append(list, Line{name, label, track, value, unit, fmt.Sprintf(format, value) + " " + unit})
	}
	if v := m.Video; v != nil {
		names, _ := Players(v.Codec)
		text(media.Video, "codec", "Video codec", v.Codec+", plays in "+and(names))
		text(media.Video, "resolution", "Resolution", fmt.Sprintf("%d×%d", v.Width, v.Height))
		if v.Frames > 0 {
			add(media.Video, "frameRate", "Frame rate", v.FPS, "fps", "%.4g")
			add(media.Video, "framesMissing", "Frames missing", 100*v.Missing, "%", "%.1f")
			add(media.Video, "framesIrregular", "Frames off the grid", 100*v.Irregular, "%", "%.1f")
		}
		if len(v.Keys) > 0 {
			shortest, longest := v.keySpread()
			add(media.Video, "keyFrameShortest", "Key frames, least distance", shortest.Seconds(), "s", "%.2f")
			add(media.Video, "keyFrameLongest", "Key frames, greatest distance", longest.Seconds(), "s", "%.2f")
		}
		add(media.Video, "reordering", "B-frames: reordering", float64(v.Reorder.Milliseconds()), "ms", "%.0f")
		m.bitrate(add, &v.TrackMeasure, "Video")
	}
	if a := m.Audio; a != nil {
		names, _ := Players(a.Codec)
		text(media.Audio, "codec", "Audio codec", a.Codec+", plays in "+and(names))
		add(media.Audio, "sampleRate", "Sample rate", float64(a.SampleRate), "Hz", "%.0f")
		add(media.Audio, "channels", "Channels", float64(a.Channels), "", "%.0f")
		m.bitrate(add, &a.TrackMeasure, "Audio")
		if strings.HasPrefix(a.Codec, "mp4a") {
			add(media.Audio, "silence", "Silent for", a.Quiet.Seconds(), "s", "%.0f")
		}
		if m.Video != nil {
			add(media.Audio, "avSkew", "Sound ahead of the picture", float64(a.Skew.Milliseconds()), "ms", "%.0f")
			if a.Drift.Over > 0 {
				add(media.Audio, "avDrift", "Sound's clock against the picture's", a.Drift.PPM(), "ppm", "%.0f")
			}
		}
	}
	add(0, "jitter", "Jitter (95 %)", float64(m.Jitter.P95.Milliseconds()), "ms", "%.0f")
	add(0, "stalls", "Stalls in the last minute", float64(m.Stalls), "", "%.0f")
	if m.Pace.Over > 0 {
		add(0, "clockDrift", "Encoder's clock against the server's", m.Pace.PPM(), "ppm", "%.0f")
	}
	repairs := 0
	for _, c := range m.Repairs {
		repairs += c.N
	}
	add(0, "repairs", "Repairs in the last minute", float64(repairs), "", "%.0f")
	add(0, "dropped", "Messages dropped in the last minute", float64(m.Dropped), "", "%.0f")
	for i := range list {
		list[i].Text = strings.TrimSpace(list[i].Text)
	}
	return list
}

func (m *Measurements) bitrate(add func(media.Kind, string, string, float64, string, string), t *TrackMeasure, label string) {
	if t.Seconds > 0 {
		add(t.Kind, "bitrate", label+" bit rate", float64(t.Bitrate)/1000, "kbit/s", "%.0f")
		add(t.Kind, "bitratePeak", label+" bit rate, greatest second", float64(t.Peak)/1000, "kbit/s", "%.0f")
	}
	if t.Track.Bitrate > 0 {
		add(t.Kind, "bitrateDeclared", label+" bit rate, declared", float64(t.Track.Bitrate)/1000, "kbit/s", "%.0f")
	}
}
