package archive

import (
	"bytes"
	"encoding/json"
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

// ParseEvents reads an events.log. Lines that are damaged are left out and counted; size is of the whole lines: a crash can
// leave a tail behind them. An empty file is one without events.
func ParseEvents(b []byte) (list []media.Event, size int64, damaged int) {
	for n := 0; ; n++ {
		line, rest, whole := bytes.Cut(b[size:], []byte("\n"))
		if !whole {
			return list, size, damaged
		}
		size = int64(len(b) - len(rest))
		e, ok := parseEvent(line)
		switch {
		case ok:
			list = append(list, e)
		case n > 0 || string(line)+"\n" != EventsHeader:
			damaged++
		}
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
