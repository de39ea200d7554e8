package e2e

import (
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// mpd is what the tests read of a DASH manifest.
type mpd struct {
	Type    string `xml:"type,attr"`
	Length  string `xml:"mediaPresentationDuration,attr"`
	Periods []struct {
		ID    string          `xml:"id,attr"`
		Start string          `xml:"start,attr"`
		Sets  []adaptationSet `xml:"AdaptationSet"`
	} `xml:"Period"`
}

type adaptationSet struct {
	ContentType string           `xml:"contentType,attr"`
	Template    *segmentTemplate `xml:"SegmentTemplate"`
	Essential   struct {
		Scheme string `xml:"schemeIdUri,attr"`
	} `xml:"EssentialProperty"`
	Representations []struct {
		ID        string           `xml:"id,attr"`
		Bandwidth string           `xml:"bandwidth,attr"`
		Template  *segmentTemplate `xml:"SegmentTemplate"`
	} `xml:"Representation"`
}

type segmentTemplate struct {
	Media          string `xml:"media,attr"`
	Initialization string `xml:"initialization,attr"`
	StartNumber    *int64 `xml:"startNumber,attr"`
	Timeline       []struct {
		T *int64 `xml:"t,attr"`
		D int64  `xml:"d,attr"`
		R int64  `xml:"r,attr"`
	} `xml:"SegmentTimeline>S"`
}

// manifest gets and reads an MPD.
func manifest(t *testing.T, u string) mpd {
	t.Helper()
	var m mpd
	body := get(t, u).Body
	if err := xml.Unmarshal(body, &m); err != nil {
		t.Fatalf("%s: %v\n%s", u, err, body)
	}
	return m
}

// segments returns the URLs of all segments and initialization sections, by content type.
func (m mpd) segments(t *testing.T, u string) (media, inits map[string][]string) {
	t.Helper()
	media, inits = map[string][]string{}, map[string][]string{}
	for _, period := range m.Periods {
		for _, set := range period.Sets {
			for _, r := range set.Representations {
				tpl := r.Template
				if tpl == nil {
					tpl = set.Template
				}
				if tpl == nil {
					t.Fatalf("%s: representation %s has no SegmentTemplate", u, r.ID)
				}
				fill := strings.NewReplacer("$RepresentationID$", r.ID, "$Bandwidth$", r.Bandwidth)
				inits[set.ContentType] = append(inits[set.ContentType], resolve(t, u, fill.Replace(tpl.Initialization)))
				number, at := int64(1), int64(0)
				if tpl.StartNumber != nil {
					number = *tpl.StartNumber
				}
				for _, s := range tpl.Timeline {
					if s.T != nil {
						at = *s.T
					}
					for range s.R + 1 {
						name := strings.NewReplacer("$Number$", fmt.Sprint(number), "$Time$", fmt.Sprint(at)).Replace(fill.Replace(tpl.Media))
						media[set.ContentType] = append(media[set.ContentType], resolve(t, u, name))
						number++
						at += s.D
					}
				}
			}
		}
	}
	return media, inits
}

// assemble reads a presentation as its MPD says: each track's initialization section and then every listed segment, once
// and in order.
func assemble(t *testing.T, u string) []Packet {
	t.Helper()
	return manifest(t, u).assemble(t, u)
}

// assemblePeriods is assemble for each Period by itself.
func assemblePeriods(t *testing.T, u string) (list [][]Packet) {
	t.Helper()
	m := manifest(t, u)
	for i := range m.Periods {
		one := m
		one.Periods = m.Periods[i : i+1]
		list = append(list, one.assemble(t, u))
	}
	return list
}

func (m mpd) assemble(t *testing.T, u string) []Packet {
	t.Helper()
	media, inits := m.segments(t, u)
	var all []Packet
	for _, kind := range []string{"video", "audio"} {
		if len(inits[kind]) != 1 {
			t.Errorf("%s: %d initialization sections for %s, want 1", u, len(inits[kind]), kind)
			continue
		}
		file := filepath.Join(t.TempDir(), kind+".mp4")
		whole := get(t, inits[kind][0]).Body
		for _, s := range media[kind] {
			whole = append(whole, get(t, s).Body...)
		}
		if err := os.WriteFile(file, whole, 0o600); err != nil {
			t.Fatal(err)
		}
		packets, err := probe(time.Minute, file)
		if err != nil {
			t.Errorf("%s: %s: %v", u, kind, err)
		}
		all = append(all, packets...)
	}
	return all
}
