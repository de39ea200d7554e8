package doctor

import (
	"fmt"
	"slices"
	"strings"

	"headwater.stream/internal/media"
)

// Severity says how much a finding matters.
type Severity uint8

// The severities. Their names are those of stream events (ams-v3 §10.2).
const (
	Information Severity = iota + 1 // good to know, nothing is wrong
	Warning                         // some viewers, or all of them at times, notice
	Error                           // viewers get no picture or sound, or keep being interrupted
)

// String returns the name in the API.
func (s Severity) String() string {
	switch s {
	case Warning:
		return "Warning"
	case Error:
		return "Error"
	}
	return "Information"
}

// Finding is one thing that a person at the encoder should know.
type Finding struct {
	Code  Code
	Track media.Kind // 0: it is about the stream
	Value float64    // what was measured, in Unit
	Unit  string
	Text  string // a sentence with the value
	Advice
}

// sheet is what the rules write on.
type sheet struct {
	*Measurements
	list []Finding
}

// add notes a finding of which the catalogue knows the rest.
func (s *sheet) add(c Code, track media.Kind, value float64, unit, format string, args ...any) {
	s.list = append(s.list, Finding{Code: c, Track: track, Value: value, Unit: unit, Text: fmt.Sprintf(format, args...), Advice: catalogue[c]})
}

// has says whether one of the codes was found: a rule that would only say the same again asks before it adds.
func (s *sheet) has(codes ...Code) bool {
	return slices.ContainsFunc(s.list, func(f Finding) bool { return slices.Contains(codes, f.Code) })
}

// Findings says what is wrong, the worst first. One cause gives one finding: rules run from the specific to the general.
func Findings(m *Measurements) []Finding {
	s := &sheet{Measurements: m}
	connectionRules(s)
	if m.Video != nil {
		pictureRules(s, m.Video)
		timingRules(s, m.Video)
		keyFrameRules(s, m.Video)
	}
	audioRules(s)
	if m.Video != nil && m.Audio != nil {
		syncRules(s, m.Video, m.Audio)
	}
	bitrateRules(s)
	repairRules(s)
	slices.SortStableFunc(s.list, func(a, b Finding) int { return int(b.Severity) - int(a.Severity) })
	return s.list
}

// Health is what findings make of a stream: "Excellent" has no warning, "Good" no error (ams-v3 §10.2).
func Health(list []Finding) string {
	health := "Excellent"
	for _, f := range list {
		switch f.Severity {
		case Error:
			return "Poor"
		case Warning:
			health = "Good"
		}
	}
	return health
}

// plural prints a count of things.
func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// and joins words as a sentence does.
func and(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}

// TrackName names what a finding or a measurement is about: "video", "audio", "" for the stream.
func TrackName(k media.Kind) string {
	if k == 0 {
		return ""
	}
	return k.String()
}
