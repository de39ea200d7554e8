package doctor

import (
	"fmt"
	"time"
)

// Where a stage of the latency comes from.
const (
	Measured = "measured" // here
	Computed = "computed" // from what the playlists promise
	Reported = "reported" // by players
)

// Stage is one stage of the way from the encoder to the screen.
type Stage struct {
	Name   string // for programs: "ingestJitter"
	Label  string // for people
	Source string
	Spread
}

// Latency is the way from the encoder's output to the screen.
type Latency struct {
	Wanted     bool          // the event has low latency
	Achievable bool          // low latency
	Reasons    []string      // why not
	Expected   time.Duration // from the encoder to the screen; 0: not known yet
	Stages     []Stage
}

// Margin of what cannot be seen from here: the network to the viewer and the player's decoder.
const viewerSide = 100 * time.Millisecond

// Budget tells the stages of the latency, and what they come to. others are stages that are measured elsewhere: the time of the
// origin's answers, and what players report.
func Budget(m *Measurements, list []Finding, others ...Stage) Latency {
	l := Latency{Wanted: m.Parts, Achievable: true}
	no := func(format string, args ...any) {
		l.Achievable = false
		l.Reasons = append(l.Reasons, fmt.Sprintf(format, args...))
	}
	if !m.Parts {
		no("The event was made without low latency (streamOptions).")
	}
	if v := m.Video; v != nil && v.FPS > 0 && m.PartTarget > 0 && 1/v.FPS > m.PartTarget.Seconds() {
		no("Frames are further apart than a part is long: there are no parts.")
	}
	for _, f := range list {
		switch f.Code {
		case Stall, Jitter, TooSlow, TooFast, TimestampsJump, VideoStopped:
			no("%s", f.Text)
		}
	}
	hold := Stage{Name: "holdBack", Label: "Distance that players keep from the live edge", Source: Computed}
	wait := Stage{Name: "partWait", Label: "Waiting for a part to be whole", Source: Measured, Spread: m.PartWait}
	if m.Parts && l.Achievable {
		hold.Typical = 3 * m.PartTarget // PART-HOLD-BACK
	} else {
		hold.Typical = 3 * m.SegmentLimit // HOLD-BACK
		if !m.Parts {
			wait = Stage{Name: "segmentWait", Label: "Waiting for a segment to be whole", Source: Computed, Spread: same(m.SegmentAim)}
		}
	}
	hold.Spread = same(hold.Typical)
	reorder := Stage{Name: "reordering", Label: "B-frames: decoded before they are shown", Source: Measured}
	if m.Video != nil {
		reorder.Spread = same(m.Video.Reorder)
		reorder.N = m.Video.Frames
	}
	l.Stages = append([]Stage{
		{Name: "ingestJitter", Label: "Frames later than the quickest", Source: Measured, Spread: m.Jitter},
		reorder, wait, hold,
	}, others...)
	if m.Span < 5*time.Second || m.PartWait.N == 0 {
		return l
	}
	l.Expected = m.Jitter.P95 + reorder.Typical + wait.Typical + hold.Typical + viewerSide
	for _, s := range others {
		if s.Source == Measured {
			l.Expected += s.Typical
		}
	}
	return l
}

func same(d time.Duration) Spread { return Spread{Typical: d, P95: d, Max: d} }
