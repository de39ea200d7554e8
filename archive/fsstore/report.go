package fsstore

import (
	"fmt"
	"time"

	"headwater.stream/internal/media"
	"headwater.stream/internal/timeline"
)

// Report is what Check found.
type Report struct {
	Directory string        `json:"directory"`
	Ended     bool          `json:"ended"`    // the recording has
	Segments  int           `json:"segments"` // in all renditions, gaps not counted
	Bytes     int64         `json:"bytes"`
	Gaps      []Span        `json:"gaps"` // media that the recording itself says is missing
	Findings  []Finding     `json:"findings"`
	Lost      time.Duration `json:"lostNanoseconds"` // media that Findings say is lost, in all renditions
	Damaged   bool          `json:"damaged"`         // something is wrong that was not set right
}

// Span is a stretch of media of one rendition.
type Span struct {
	Rendition string        `json:"rendition"`
	First     uint64        `json:"firstSegment"`
	Last      uint64        `json:"lastSegment"`
	From      time.Time     `json:"from"` // wall clock
	To        time.Time     `json:"to"`
	Start     time.Duration `json:"startNanoseconds"` // media time
	Duration  time.Duration `json:"durationNanoseconds"`
}

// Finding is one thing that is wrong.
type Finding struct {
	File    string `json:"file"` // in the directory
	Problem string `json:"problem"`
	Lost    *Span  `json:"lost,omitempty"` // media that is lost by it, nil: none
	Repair  string `json:"repair"`         // what sets it right; "": nothing does
	Done    bool   `json:"repaired"`       // it was done
}

// span tells where a segment is.
func span(h *timeline.Header, r *timeline.HeaderRendition, s media.Segment) Span {
	start, end := media.Duration(s.Start, r.Timescale), media.Duration(s.End(), r.Timescale)
	return Span{Rendition: r.Name, First: s.Number, Last: s.Number, From: h.Anchor.Add(start), To: h.Anchor.Add(end), Start: start, Duration: end - start}
}

// String is for people: which segments, when, how long.
func (s Span) String() string {
	numbers := fmt.Sprintf("segment %d", s.First)
	if s.Last > s.First {
		numbers = fmt.Sprintf("segments %d–%d", s.First, s.Last)
	}
	const clock = "15:04:05.000"
	return fmt.Sprintf("%s of %s, %s to %s UTC (%v from %v on)", numbers, s.Rendition, s.From.UTC().Format("2006-01-02 "+clock), s.To.UTC().Format(clock),
		s.Duration.Round(time.Millisecond), s.Start.Round(time.Millisecond))
}

// addGap notes a recorded gap.
func (r *Report) addGap(s Span) {
	if n := len(r.Gaps); n > 0 && r.Gaps[n-1].Rendition == s.Rendition && r.Gaps[n-1].Last+1 == s.First {
		last := &r.Gaps[n-1]
		last.Last, last.To, last.Duration = s.Last, s.To, last.Duration+s.Duration
		return
	}
	r.Gaps = append(r.Gaps, s)
}

// settle fills in what follows from the findings.
func (r *Report) settle() {
	r.Lost, r.Damaged = 0, false
	for _, f := range r.Findings {
		if f.Lost != nil {
			r.Lost += f.Lost.Duration
		}
		r.Damaged = r.Damaged || !f.Done
	}
}
