package journal

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Event is something that happened.
type Event struct {
	ID      string          `json:"id"` // given by the journal; never of two events
	Time    time.Time       `json:"time"`
	Type    string          `json:"type"`    // "Microsoft.Media.LiveEventEncoderConnected", "Headwater.AssetCreated"
	Subject string          `json:"subject"` // "liveEvent/NAME", "liveEvent/NAME/liveOutput/NAME", "asset/NAME"
	Data    json.RawMessage `json:"data"`    // an object
}

// Position is a place in the journal: after the event that has it. It grows, also over restarts. 0 is before everything.
type Position uint64

// idDigits is how many hexadecimal digits of an ID are its position.
const idDigits = 14

func makeID(p Position, run uint32) string { return fmt.Sprintf("%0*x-%08x", idDigits, uint64(p), run) }

// ParseID returns the position of the event with that ID.
func ParseID(id string) (Position, bool) {
	digits, run, found := strings.Cut(id, "-")
	if !found || len(digits) != idDigits || len(run) != 8 {
		return 0, false
	}
	p, err := strconv.ParseUint(digits, 16, 64)
	if _, badRun := strconv.ParseUint(run, 16, 32); err != nil || badRun != nil || p == 0 {
		return 0, false
	}
	return Position(p), true
}

// Position returns where the event is.
func (e *Event) Position() Position {
	p, _ := ParseID(e.ID)
	return p
}

// Lane names what an event is about: events of one lane are delivered in their order. Those of a live event's outputs are in
// the event's.
func (e *Event) Lane() string {
	parts := strings.SplitN(e.Subject, "/", 3)
	return strings.Join(parts[:min(2, len(parts))], "/")
}

// Filter selects events. The zero value selects all.
type Filter struct {
	Types   []string // of these types; one that ends in "*" stands for all that begin like it. None: all
	Subject string   // what the subject begins with
}

// Match reports whether the filter selects an event.
func (f *Filter) Match(e *Event) bool {
	if !strings.HasPrefix(e.Subject, f.Subject) {
		return false
	}
	for _, t := range f.Types {
		if begin, any := strings.CutSuffix(t, "*"); t == e.Type || any && strings.HasPrefix(e.Type, begin) {
			return true
		}
	}
	return len(f.Types) == 0
}

// cloudEvent is an event in the JSON format of CloudEvents 1.0.
type cloudEvent struct {
	SpecVersion     string          `json:"specversion"`
	ID              string          `json:"id"`
	Source          string          `json:"source"`
	Type            string          `json:"type"`
	Subject         string          `json:"subject"`
	Time            time.Time       `json:"time"`
	DataContentType string          `json:"datacontenttype"`
	Data            json.RawMessage `json:"data"`
}

// CloudEvent returns the event in the JSON format of CloudEvents 1.0, on one line. source is the account it is of.
func (e *Event) CloudEvent(source string) ([]byte, error) {
	return json.Marshal(cloudEvent{SpecVersion: "1.0", ID: e.ID, Source: source, Type: e.Type, Subject: e.Subject, Time: e.Time.UTC(), DataContentType: "application/json", Data: e.Data})
}

// gridEvent is an event in the schema of Azure Event Grid (ams-v3 §10.1).
type gridEvent struct {
	Topic           string          `json:"topic"`
	Subject         string          `json:"subject"`
	ID              string          `json:"id"`
	EventType       string          `json:"eventType"`
	EventTime       time.Time       `json:"eventTime"`
	Data            json.RawMessage `json:"data"`
	DataVersion     string          `json:"dataVersion"`
	MetadataVersion string          `json:"metadataVersion"`
}

// EventGrid returns the event in the schema of Azure Event Grid, as the array of one that Event Grid sends. topic is the
// account it is of.
func (e *Event) EventGrid(topic string) ([]byte, error) {
	return json.Marshal([]gridEvent{{Topic: topic, Subject: e.Subject, ID: e.ID, EventType: e.Type, EventTime: e.Time.UTC(), Data: e.Data, DataVersion: "1.0", MetadataVersion: "1"}})
}
