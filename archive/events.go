package archive

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"headwater.stream/internal/media"
)

// EventsName is the file with the timed metadata of an asset: a header line, then a line per event, appended and never
// changed. docs/format/asset-v1.md.
const EventsName = "events.log"

// EventsHeader is the first line of an events.log.
const EventsHeader = "headwater events 1\n"

// ErrEventsVersion is returned for an events.log of a version that is not known.
var ErrEventsVersion = errors.New("events.log is not of version 1")

type eventJSON struct {
	ID       string `json:"id"`
	Scheme   string `json:"scheme"`
	Value    string `json:"value,omitempty"`
	Start    int64  `json:"start"`              // ns of media time
	Duration int64  `json:"duration,omitempty"` // ns
	Cue      string `json:"cue,omitempty"`
	Data     []byte `json:"data,omitempty"`
	Splice   string `json:"splice,omitempty"`
	SpliceID uint32 `json:"spliceId,omitempty"`
	Seen     int64  `json:"seen"` // ns of media time
	Closes   string `json:"closes,omitempty"`
	Opened   int64  `json:"opened,omitempty"` // ns of media time
}

// spliceNames are the meanings of cues by media.Splice.
var spliceNames = [...]string{media.NoSplice: "", media.SpliceOut: "out", media.SpliceIn: "in", media.SpliceCommand: "command"}

// AppendEvent appends the line of an event: CRC-32C of the JSON text in eight hexadecimal digits, a space, the JSON text.
func AppendEvent(dst []byte, e media.Event) ([]byte, error) {
	j := eventJSON{ID: e.ID, Scheme: e.Scheme, Value: e.Value, Start: int64(e.Start), Duration: int64(e.Duration), Cue: e.Cue, Data: e.Data,
		SpliceID: e.SpliceID, Seen: int64(e.Seen), Closes: e.Closes, Opened: int64(e.Opened)}
	if int(e.Splice) < len(spliceNames) {
		j.Splice = spliceNames[e.Splice]
	}
	text, err := json.Marshal(j)
	if err != nil {
		return dst, fmt.Errorf("encoding an event: %w", err)
	}
	dst = fmt.Appendf(dst, "%08x ", Checksum(0, text))
	return append(append(dst, text...), '\n'), nil
}

// ParseEvents reads an events.log up to the first line that is not whole and right; size is of what is before it: a crash
// can leave such a tail. An empty file is one without events.
func ParseEvents(b []byte) (list []media.Event, size int64, err error) {
	header, rest, whole := bytes.Cut(b, []byte("\n"))
	if !whole {
		return nil, 0, nil // torn while it was made
	}
	if string(header)+"\n" != EventsHeader {
		return nil, 0, ErrEventsVersion
	}
	size = int64(len(EventsHeader))
	for {
		line, next, whole := bytes.Cut(rest, []byte("\n"))
		e, ok := parseEvent(line)
		if !whole || !ok {
			return list, size, nil
		}
		list = append(list, e)
		size += int64(len(line)) + 1
		rest = next
	}
}

func parseEvent(line []byte) (e media.Event, ok bool) {
	digits, text, ok := bytes.Cut(line, []byte(" "))
	sum, err := strconv.ParseUint(string(digits), 16, 32)
	if !ok || err != nil || uint32(sum) != Checksum(0, text) {
		return e, false
	}
	var j eventJSON
	if json.Unmarshal(text, &j) != nil {
		return e, false
	}
	e = media.Event{ID: j.ID, Scheme: j.Scheme, Value: j.Value, Start: time.Duration(j.Start), Duration: time.Duration(j.Duration), Cue: j.Cue, Data: j.Data,
		SpliceID: j.SpliceID, Seen: time.Duration(j.Seen), Closes: j.Closes, Opened: time.Duration(j.Opened)}
	for i, name := range spliceNames {
		if name == j.Splice {
			e.Splice = media.Splice(i)
		}
	}
	return e, true
}
