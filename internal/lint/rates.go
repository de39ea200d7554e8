package lint

import (
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Rate is what a manifest declares of a variant or Representation, beside what was measured.
type Rate struct {
	URL           string
	Name          string // of the variant or Representation
	MPD           bool
	Live          bool
	Peak, Average float64 // declared; -1: not
	Codecs        string
	Formats       []string // found in initialization sections
	Measured      struct{ Peak, Average, Seconds float64 }
}

// meter measures renditions by what was fetched of them.
type meter struct {
	mu sync.Mutex
	by map[string]*reading
}

type reading struct {
	bits, seconds, peak float64
	format              string // of the sample entry
}

// half is the least duration of a segment that says anything of a peak, and enough how much media of an average, in seconds.
const half, enough = 0.5, 60

func (m *meter) add(rendition string, bytes int64, seconds float64, init *Init) {
	if seconds <= 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.by[rendition]
	if r == nil {
		r = &reading{}
		m.by[rendition] = r
	}
	if init != nil {
		r.format = init.Format
	}
	bits := 8 * float64(bytes)
	r.bits, r.seconds = r.bits+bits, r.seconds+seconds
	if seconds >= half {
		r.peak = max(r.peak, bits/seconds)
	}
}

// sum adds to a rate what was measured of a rendition; false when nothing was.
func (m *meter) sum(rate *Rate, rendition string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.by[rendition]
	if r == nil {
		return false
	}
	if rate.Measured.Seconds == 0 || r.seconds < rate.Measured.Seconds {
		rate.Measured.Seconds = r.seconds
	}
	if r.format != "" {
		rate.Formats = append(rate.Formats, r.format)
	}
	rate.Measured.Peak += r.peak
	rate.Measured.Average += r.bits / r.seconds
	return true
}

// rateRules are A4 of media-rules.md, measured.
func rateRules() []Rule {
	return []Rule{
		{ID: "MV-BW-PEAK", Level: Must, Says: "BANDWIDTH is not exceeded: by a tenth in a recording, by a quarter live", Hurts: "Players choose a variant that their line does not carry, and stall", Clause: "8216bis 4.4.6.2; Apple authoring 1.27, 1.29",
			Fix: "Measure the segments, audio included, instead of writing the encoder's nominal rate", rate: func(r *Rate) string {
				over := 1.1
				if r.Live {
					over = 1.25
				}
				if r.MPD || r.Peak < 0 || r.Measured.Peak == 0 {
					return nothing
				}
				if r.Measured.Peak > over*r.Peak {
					return fmt.Sprintf("%s: a segment has %.0f bit/s, BANDWIDTH is %.0f", r.Name, r.Measured.Peak, r.Peak)
				}
				return ""
			}},
		{ID: "MV-AVG-REAL", Level: Should, Says: "AVERAGE-BANDWIDTH is the average: not exceeded by more than a tenth, and no more than half as much again", Hurts: "Players that choose by the average choose wrong", Clause: "Apple authoring 1.26, 1.28",
			Fix: "Measure it over all segments that are listed", rate: func(r *Rate) string {
				if r.MPD || r.Average < 0 || r.Measured.Seconds < enough {
					return nothing
				}
				if got := r.Measured.Average; got > 1.1*r.Average || got < r.Average/1.5 {
					return fmt.Sprintf("%s: %.0f bit/s over %.0f s, AVERAGE-BANDWIDTH is %.0f", r.Name, got, r.Measured.Seconds, r.Average)
				}
				return ""
			}},
		{ID: "MPD-BW-REAL", Level: Should, Says: "@bandwidth is what the segments need, within half as much", Hurts: "Players choose a Representation that their line does not carry, or not the one that it does", Clause: "ISO 23009-1 5.3.5.4",
			Fix: "Measure the segments instead of writing the encoder's nominal rate", rate: func(r *Rate) string {
				if !r.MPD || r.Peak < 0 || r.Measured.Peak == 0 {
					return nothing
				}
				if r.Measured.Peak > 1.5*r.Peak || r.Measured.Seconds >= enough && r.Measured.Peak < r.Peak/1.5 {
					return fmt.Sprintf("%s: a segment has %.0f bit/s, @bandwidth is %.0f", r.Name, r.Measured.Peak, r.Peak)
				}
				return ""
			}},
		{ID: "MV-CODECS-ALL", Level: Must, Says: "CODECS names the formats that the initialization sections have", Hurts: "MSE players make a buffer for something else and fail at the first segment; AVPlayer leaves the variant out", Clause: "8216bis 4.4.6.2; Apple authoring 9.1",
			Fix: "Take CODECS from the initialization sections of all renditions that go together", rate: func(r *Rate) string {
				if r.MPD {
					return nothing
				}
				return checkFormats(r)
			}},
		{ID: "MPD-CODECS-TRUE", Level: Must, Says: "@codecs names the format that the initialization section has", Hurts: "MSE players make a buffer for something else and fail at the first segment", Clause: "ISO 23009-1 5.3.7.2",
			Fix: "Take @codecs from the initialization section", rate: func(r *Rate) string {
				if !r.MPD {
					return nothing
				}
				return checkFormats(r)
			}},
	}
}

// checkFormats looks at the first four letters of RFC 6381 names; what is encrypted does not show its own.
func checkFormats(r *Rate) string {
	if len(r.Formats) == 0 || r.Codecs == "" {
		return nothing
	}
	for _, f := range r.Formats {
		if f != "encv" && f != "enca" && !slices.ContainsFunc(strings.Split(r.Codecs, ","), func(c string) bool {
			name, _, _ := strings.Cut(strings.TrimSpace(c), ".")
			return strings.EqualFold(name, f)
		}) {
			return fmt.Sprintf("%s has %s, CODECS is %q", r.Name, f, r.Codecs)
		}
	}
	return ""
}
