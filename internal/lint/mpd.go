package lint

import (
	"encoding/xml"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Manifest is one snapshot of an MPD, as far as the rules look. Attributes are text, so that an absent one can be told.
type Manifest struct {
	URL string    `xml:"-"`
	At  time.Time `xml:"-"` // when it was asked for, by this clock
	Err string    `xml:"-"` // why it could not be read

	XMLName   xml.Name `xml:"MPD"`
	Type      string   `xml:"type,attr"`
	Profiles  string   `xml:"profiles,attr"`
	AST       string   `xml:"availabilityStartTime,attr"`
	Publish   string   `xml:"publishTime,attr"`
	MUP       string   `xml:"minimumUpdatePeriod,attr"`
	MinBuffer string   `xml:"minBufferTime,attr"`
	TSBD      string   `xml:"timeShiftBufferDepth,attr"`
	SPD       string   `xml:"suggestedPresentationDelay,attr"`
	Duration  string   `xml:"mediaPresentationDuration,attr"`
	MaxSeg    string   `xml:"maxSegmentDuration,attr"`
	BaseURL   []string `xml:"BaseURL"`
	UTCTiming []struct {
		Scheme string `xml:"schemeIdUri,attr"`
		Value  string `xml:"value,attr"`
	} `xml:"UTCTiming"`
	Service []struct {
		Latency []struct {
			Target string `xml:"target,attr"`
		} `xml:"Latency"`
	} `xml:"ServiceDescription"`
	Periods []Period `xml:"Period"`
}

// Period is a Period of an MPD.
type Period struct {
	ID       string   `xml:"id,attr"`
	Start    string   `xml:"start,attr"`
	Duration string   `xml:"duration,attr"`
	BaseURL  []string `xml:"BaseURL"`
	Sets     []Set    `xml:"AdaptationSet"`
}

// Set is an AdaptationSet.
type Set struct {
	ID        string     `xml:"id,attr"`
	Kind      string     `xml:"contentType,attr"`
	MimeType  string     `xml:"mimeType,attr"`
	Codecs    string     `xml:"codecs,attr"`
	Width     string     `xml:"width,attr"`
	FrameRate string     `xml:"frameRate,attr"`
	BaseURL   []string   `xml:"BaseURL"`
	Template  *Template  `xml:"SegmentTemplate"`
	Producer  []Producer `xml:"ProducerReferenceTime"`
	Events    []struct {
		Scheme string `xml:"schemeIdUri,attr"`
	} `xml:"InbandEventStream"`
	Reps []Rep `xml:"Representation"`
}

// Rep is a Representation.
type Rep struct {
	ID        string     `xml:"id,attr"`
	MimeType  string     `xml:"mimeType,attr"`
	Codecs    string     `xml:"codecs,attr"`
	Bandwidth string     `xml:"bandwidth,attr"`
	Width     string     `xml:"width,attr"`
	FrameRate string     `xml:"frameRate,attr"`
	BaseURL   []string   `xml:"BaseURL"`
	Template  *Template  `xml:"SegmentTemplate"`
	Producer  []Producer `xml:"ProducerReferenceTime"`
}

// Producer is a ProducerReferenceTime.
type Producer struct {
	ID     string `xml:"id,attr"`
	Inband string `xml:"inband,attr"`
}

// Template is a SegmentTemplate.
type Template struct {
	Media       string `xml:"media,attr"`
	Init        string `xml:"initialization,attr"`
	Timescale   string `xml:"timescale,attr"`
	StartNumber string `xml:"startNumber,attr"`
	Duration    string `xml:"duration,attr"`
	Offset      string `xml:"presentationTimeOffset,attr"`
	ATO         string `xml:"availabilityTimeOffset,attr"`
	Complete    string `xml:"availabilityTimeComplete,attr"`
	Timeline    []S    `xml:"SegmentTimeline>S"`
}

// S is an entry of a SegmentTimeline.
type S struct {
	T string `xml:"t,attr"`
	D string `xml:"d,attr"`
	R string `xml:"r,attr"`
}

// parseMPD parses an MPD; Err says why it could not.
func parseMPD(base string, text []byte) *Manifest {
	m := &Manifest{}
	if err := xml.Unmarshal(text, m); err != nil {
		m.Err = err.Error()
	}
	m.URL = base
	return m
}

func (m *Manifest) live() bool { return m.Type == "dynamic" }

// low reports whether segments can be fetched before they are complete.
func (m *Manifest) low() bool {
	for _, t := range m.templates() {
		if ato, _ := strconv.ParseFloat(t.Template.ATO, 64); ato > 0 {
			return true
		}
	}
	return false
}

// timed is a template with where it is.
type timed struct {
	*Template
	period *Period
	set    *Set
	rep    *Rep
	start  float64 // of the Period, in seconds
}

// templates returns the template of each Representation.
func (m *Manifest) templates() []timed {
	var all []timed
	start := 0.0
	for i := range m.Periods {
		p := &m.Periods[i]
		if d, err := seconds(p.Start); err == nil {
			start = d
		}
		for j := range p.Sets {
			s := &p.Sets[j]
			for k := range s.Reps {
				r := &s.Reps[k]
				switch {
				case r.Template != nil:
					all = append(all, timed{r.Template, p, s, r, start})
				case s.Template != nil:
					all = append(all, timed{s.Template, p, s, r, start})
				}
			}
		}
		if d, err := seconds(p.Duration); err == nil {
			start += d
		}
	}
	return all
}

// listed is one segment of a timeline.
type listed struct {
	Number, T, D int64
	URI          string
}

func integer(text string, otherwise int64) int64 {
	n, err := strconv.ParseInt(text, 10, 62)
	if err != nil {
		return otherwise
	}
	return n
}

func (t timed) scale() int64 { return max(1, integer(t.Timescale, 1)) }

// segments expands the timeline; it ends at a bound.
func (t timed) segments() []listed {
	var all []listed
	number, at := integer(t.StartNumber, 1), int64(0)
	for i, s := range t.Timeline {
		at = integer(s.T, at)
		d, repeats := integer(s.D, 0), integer(s.R, 0)
		if repeats < 0 && i+1 < len(t.Timeline) && d > 0 { // up to the next S (ISO 23009-1 5.3.9.6.2)
			repeats = (integer(t.Timeline[i+1].T, at+d)-at)/d - 1
		}
		for range max(0, repeats) + 1 {
			if len(all) >= maxSegments {
				return all
			}
			all = append(all, listed{Number: number, T: at, D: d})
			number++
			at += d
		}
	}
	return all
}

var identifier = regexp.MustCompile(`\$(\$|RepresentationID\$|Bandwidth\$|(Number|Time)(%0([0-9])d)?\$)`)

// url fills a template's URL.
func (t timed) url(m *Manifest, template string, s listed) string {
	name := identifier.ReplaceAllStringFunc(template, func(id string) string {
		sub := identifier.FindStringSubmatch(id)
		value := int64(0)
		switch {
		case id == "$$":
			return "$"
		case strings.HasPrefix(id, "$Rep"):
			return t.rep.ID
		case strings.HasPrefix(id, "$Band"):
			return t.rep.Bandwidth
		case sub[2] == "Number":
			value = s.Number
		default:
			value = s.T
		}
		width, _ := strconv.Atoi(sub[4])
		return fmt.Sprintf("%0*d", width, value)
	})
	base := m.URL
	for _, level := range [][]string{m.BaseURL, t.period.BaseURL, t.set.BaseURL, t.rep.BaseURL} {
		if len(level) > 0 {
			base = resolve(base, strings.TrimSpace(level[0]))
		}
	}
	return resolve(base, name)
}

var isoDuration = regexp.MustCompile(`^P(?:([0-9]+)D)?(?:T(?:([0-9]+)H)?(?:([0-9]+)M)?(?:([0-9.]+)S)?)?$`)

// seconds reads an ISO 8601 duration.
func seconds(text string) (float64, error) {
	sub := isoDuration.FindStringSubmatch(strings.TrimSpace(text))
	if sub == nil || text == "P" {
		return 0, errors.New("not a duration")
	}
	sum := 0.0
	for i, unit := range []float64{86400, 3600, 60, 1} {
		if sub[i+1] == "" {
			continue
		}
		v, err := strconv.ParseFloat(sub[i+1], 64)
		if err != nil {
			return 0, err
		}
		sum += v * unit
	}
	return math.Min(sum, 1e10), nil
}

// instantOf reads an xs:dateTime; without a zone it means UTC (ISO 23009-1 5.3.1.2).
func instantOf(text string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		t, err = time.Parse("2006-01-02T15:04:05.999999999", text)
	}
	return t, err
}

// edge returns when the newest listed segment becomes available, by the MPD.
func (m *Manifest) edge(t timed, s listed) (time.Time, error) {
	ast, err := instantOf(m.AST)
	if err != nil {
		return ast, err
	}
	ato, _ := strconv.ParseFloat(t.ATO, 64)
	at := t.start + float64(s.T+s.D-integer(t.Offset, 0))/float64(t.scale()) - ato
	return ast.Add(time.Duration(at * float64(time.Second))), nil
}

// computed returns the two newest complete segments of a template without a timeline; of a recording the first two.
func (m *Manifest) computed(t timed) []listed {
	d := integer(t.Duration, 0)
	if d < 1 || len(t.Timeline) > 0 {
		return nil
	}
	first, n := integer(t.StartNumber, 1), int64(0)
	if m.live() {
		ast, err := instantOf(m.AST)
		if err != nil {
			return nil
		}
		n = int64((m.At.Sub(ast).Seconds()-t.start)*float64(t.scale())/float64(d)) - 2
	}
	var all []listed
	for i := max(0, n); i < max(0, n)+2; i++ {
		all = append(all, listed{Number: first + i, T: integer(t.Offset, 0) + i*d, D: d})
	}
	return all
}
