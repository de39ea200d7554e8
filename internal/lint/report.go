package lint

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
)

// Level is how bad it is to break a rule.
type Level string

// The levels.
const (
	Must   Level = "MUST"   // a standard demands it: some player fails
	Should Level = "SHOULD" // recommended by a standard, or expected by real players
)

// Finding is a rule that was broken, with what was seen the first time.
type Finding struct {
	Rule   string `json:"rule"`
	Level  Level  `json:"level"`
	Where  string `json:"where"` // URL
	Saw    string `json:"saw"`
	Says   string `json:"says"`   // what the rule is
	Hurts  string `json:"hurts"`  // what happens otherwise, in which players
	Clause string `json:"clause"` // where it is written
	Fix    string `json:"fix"`
	Count  int    `json:"count"` // times it was seen
}

// Report is what a run found.
type Report struct {
	URL      string        `json:"url"`
	Kind     string        `json:"kind"` // "LL-HLS live", "HLS recorded", "DASH live", …
	Watched  time.Duration `json:"watchedNanoseconds"`
	Requests int           `json:"requests"`
	Bytes    int64         `json:"bytes"`
	Checked  []string      `json:"checked"` // the rules that had something to judge
	Findings []Finding     `json:"findings"`
	Notes    []string      `json:"notes,omitempty"` // what could not be looked at
}

// Count returns how many rules of a level were broken.
func (r *Report) Count(l Level) int {
	n := 0
	for _, f := range r.Findings {
		if f.Level == l {
			n++
		}
	}
	return n
}

// Write writes the report for a person.
func (r *Report) Write(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%s, watched for %s: %d requests, %d bytes, %d rules had something to judge\n", r.URL, r.Kind, r.Watched.Round(100*time.Millisecond), r.Requests, r.Bytes, len(r.Checked))
	for _, n := range r.Notes {
		fmt.Fprintf(&b, "Note: %s\n", n)
	}
	for _, f := range r.Findings {
		times := ""
		if f.Count > 1 {
			times = fmt.Sprintf(" (%d times; the first:)", f.Count)
		}
		fmt.Fprintf(&b, "\n%-6s %s  %s%s\n  where   %s\n  saw     %s\n  hurts   %s\n  clause  %s\n  fix     %s\n", f.Level, f.Rule, f.Says, times, f.Where, f.Saw, f.Hurts, f.Clause, f.Fix)
	}
	switch must, should := r.Count(Must), r.Count(Should); {
	case len(r.Findings) == 0:
		b.WriteString("Nothing found.\n")
	default:
		fmt.Fprintf(&b, "\n%d MUST and %d SHOULD rules are broken.\n", must, should)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// maxSaw bounds what a finding repeats of a stream, in bytes.
const maxSaw = 400

// judge runs rules over what the follower sees and collects findings. Its methods may be called by any number of goroutines.
type judge struct {
	rules []Rule

	mu       sync.Mutex
	checked  map[string]bool
	findings map[string]*Finding // by rule
	notes    []string
}

func newJudge() *judge {
	return &judge{rules: Rules(), checked: map[string]bool{}, findings: map[string]*Finding{}}
}

// apply runs the rules that judge a thing: pick returns what such a rule says, and whether it is one of them.
func (j *judge) apply(where string, pick func(r *Rule) (saw string, judges bool)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for i := range j.rules {
		r := &j.rules[i]
		saw, judges := pick(r)
		if !judges || saw == nothing {
			continue
		}
		j.checked[r.ID] = true
		if saw == "" {
			continue
		}
		f := j.findings[r.ID]
		if f == nil {
			if len(saw) > maxSaw {
				saw = saw[:maxSaw] + "…"
			}
			f = &Finding{Rule: r.ID, Level: r.Level, Where: where, Saw: strings.ToValidUTF8(saw, "�"), Says: r.Says, Hurts: r.Hurts, Clause: r.Clause, Fix: r.Fix}
			j.findings[r.ID] = f
		}
		f.Count++
	}
}

// maxNotes bounds the notes of a report.
const maxNotes = 20

func (j *judge) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.notes) < maxNotes && !slices.Contains(j.notes, text) {
		j.notes = append(j.notes, text)
	}
}

// fill puts what was found into a report, the worst first.
func (j *judge) fill(r *Report) {
	j.mu.Lock()
	defer j.mu.Unlock()
	r.Findings, r.Checked, r.Notes = []Finding{}, []string{}, slices.Clone(j.notes)
	for _, f := range j.findings {
		r.Findings = append(r.Findings, *f)
	}
	slices.SortFunc(r.Findings, func(a, b Finding) int { return cmp.Or(cmp.Compare(a.Level, b.Level), cmp.Compare(a.Rule, b.Rule)) })
	for id := range j.checked {
		r.Checked = append(r.Checked, id)
	}
	slices.Sort(r.Checked)
}
