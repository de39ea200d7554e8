package media

import (
	"fmt"
	"hash/crc32"
	"strings"
	"time"
)

// Event is one timed metadata event: a message to players that concerns a moment of the media. Nobody changes an Event, or
// its Data, once it is in a View.
type Event struct {
	ID       string        // names it for the life of a presentation (SetID); empty before the packager knows its time
	Scheme   string        // URI of what Data is (ISO/IEC 23009-1 5.10)
	Value    string        // refines Scheme, may be empty
	Start    time.Duration // media time; from an encoder its clock, as the samples' DTS+Offset
	Duration time.Duration // 0: none or unknown
	Cue      string        // what the encoder calls it, may be empty
	Data     []byte        // the message

	Splice   Splice // what it means for the programme
	SpliceID uint32 // by which an In finds its Out; 0: none

	// Set when it is announced.
	Seen   time.Duration // media time of the live edge then
	Closes string        // ID of the Out that this In ends
	Opened time.Duration // Start of that Out
}

// Splice says what a cue means.
type Splice uint8

// The meanings. All but NoSplice are SCTE 35 splice_info_sections.
const (
	NoSplice      Splice = iota
	SpliceOut            // the programme is left
	SpliceIn             // and taken up again
	SpliceCommand        // anything else
)

// The schemes of events.
const (
	SchemeSCTE35    = "urn:scte:scte35:2013:bin"      // Data is a splice_info_section
	SchemeSCTE35XML = "urn:scte:scte35:2014:xml+bin"  // the same as MPDs list it
	SchemeSimple    = "urn:com:adobe:dpi:simple:2015" // a cue without data
	SchemeID3       = "https://aomedia.org/emsg/ID3"  // Data is an ID3v2 tag
	SimpleValue     = "scte35"                        // of SchemeSimple (ams-v3 §12)
)

// Bounds of what a presentation lists: they keep encoders from growing memory and manifests.
const (
	MaxEvents       = 4096    // events kept
	MaxEventBytes   = 1 << 20 // their Data, together
	MaxEventMessage = 16 << 10
	MaxEventName    = 128 // bytes of Scheme, Value and Cue
)

// SetID names the event after its moment and what the encoder calls it: "Identity = (time, id)" (ams-v3 §12). So an event
// that is sent again is known again, and media time comes only once, so that no name does twice.
func (e *Event) SetID() {
	name := strings.Map(func(r rune) rune {
		if r == '-' || r == '.' || r == '_' || '0' <= r && r <= '9' || 'A' <= r && r <= 'Z' || 'a' <= r && r <= 'z' {
			return r
		}
		return '_'
	}, e.Cue)
	sum := crc32.ChecksumIEEE([]byte(e.Scheme + "\x00" + e.Value + "\x00" + e.Cue))
	if e.Cue == "" {
		sum = crc32.Update(sum, crc32.IEEETable, e.Data)
		name = "event"
	}
	e.ID = fmt.Sprintf("%d-%s-%08x", e.Start.Milliseconds(), name, sum)
}

// Number returns the event's number in manifests and media, where names are 32-bit numbers.
func (e *Event) Number() uint32 { return crc32.ChecksumIEEE([]byte(e.ID)) }

// openBreak is how long a break whose length nobody knows, and that nothing has ended, is taken to last.
const openBreak = time.Hour

// End returns where the event is over, as far as it is known from itself.
func (e *Event) End() time.Duration {
	if e.Splice == SpliceOut && e.Duration == 0 {
		return e.Start + openBreak
	}
	return e.Start + e.Duration
}

// EventEnds returns where each event of a list is over: an Out where the In that closes it is, and that In with it.
func EventEnds(list []Event) []time.Duration {
	ends := make([]time.Duration, len(list))
	outs := make(map[string]int)
	for i := range list {
		e := &list[i]
		ends[i] = e.End()
		if e.Splice == SpliceOut {
			outs[e.ID] = i
		} else if o, ok := outs[e.Closes]; ok && e.Closes != "" {
			ends[i] = max(ends[i], list[o].Start)
			if list[o].Duration > 0 {
				ends[i] = max(ends[i], ends[o])
			}
			ends[o] = ends[i]
		}
	}
	return ends
}

// PruneEvents cuts from the front of a list what was over before floor.
func PruneEvents(list []Event, floor time.Duration) []Event {
	if len(list) == 0 || list[0].Start >= floor {
		return list
	}
	ends := EventEnds(list)
	n := 0
	for n < len(list) && ends[n] < floor {
		n++
	}
	return list[n:]
}

// SameEvents says whether two Views have the same events, which they share then.
func SameEvents(a, b []Event) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}
