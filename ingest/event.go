package ingest

import (
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"headwater.stream/internal/media"
)

// errEvent is wrapped by what is wrong with an event message.
var errEvent = errors.New("event that cannot be used")

// maxEventDuration bounds what an encoder can say of a duration; more says nothing.
const maxEventDuration = 24 * time.Hour

// parseEvent reads the rest of a data message called name, in one of the three forms of ams-v3 §12. ms is the time of the
// message on the encoder's clock, which counts where the event tells none. ok is false for messages that are no events.
func parseEvent(name string, r *amfReader, ms int64) (e media.Event, ok bool, err error) {
	e.Start = time.Duration(ms) * time.Millisecond
	switch name {
	case "onUserDataEvent", "onAdCue", "onCuePoint":
	default:
		return e, false, nil
	}
	v, err := r.value()
	if err != nil {
		return e, true, err
	}
	switch name {
	case "onUserDataEvent":
		err = userData(&e, v)
	case "onAdCue":
		err = adCue(&e, v)
	case "onCuePoint":
		err = cuePoint(&e, v)
	}
	if err == nil {
		err = checkEvent(&e)
	}
	return e, true, err
}

// checkEvent bounds what goes into manifests and media.
func checkEvent(e *media.Event) error {
	for _, s := range []string{e.Scheme, e.Value, e.Cue} {
		if len(s) > media.MaxEventName || !utf8.ValidString(s) || strings.ContainsFunc(s, func(c rune) bool { return unicode.IsControl(c) || c == '"' }) {
			return fmt.Errorf("%w: a name in it", errEvent)
		}
	}
	if e.Scheme == "" || len(e.Data) > media.MaxEventMessage {
		return fmt.Errorf("%w: no scheme, or %d bytes of data", errEvent, len(e.Data))
	}
	return nil
}

// eventStream is the DASH EventStream that onUserDataEvent has in a string; only the first Event is used.
type eventStream struct {
	XMLName   xml.Name `xml:"EventStream"`
	Scheme    string   `xml:"schemeIdUri,attr"`
	Value     string   `xml:"value,attr"`
	Timescale string   `xml:"timescale,attr"`
	Event     []struct {
		Time     string `xml:"presentationTime,attr"`
		Duration string `xml:"duration,attr"`
		ID       string `xml:"id,attr"`
		Encoding string `xml:"contentEncoding,attr"`
		Data     string `xml:"messageData,attr"`
		Text     string `xml:",chardata"`
		Inner    string `xml:",innerxml"`
	} `xml:"Event"`
}

func userData(e *media.Event, v any) error {
	text, ok := v.(string)
	if o, is := v.(amfProperties); is { // some wrap it in an object
		for _, p := range o {
			if text, ok = p.value.(string); ok {
				break
			}
		}
	}
	if !ok || len(text) > 4*media.MaxEventMessage {
		return fmt.Errorf("%w: no EventStream", errEvent)
	}
	var s eventStream
	if err := xml.NewDecoder(io.LimitReader(strings.NewReader(text), 4*media.MaxEventMessage)).Decode(&s); err != nil {
		return fmt.Errorf("%w: %w", errEvent, err)
	}
	if len(s.Event) == 0 {
		return fmt.Errorf("%w: no Event", errEvent)
	}
	x := s.Event[0]
	scale := uint64(1000) // RTMP's milliseconds, unlike DASH's default
	if s.Timescale != "" {
		n, err := strconv.ParseUint(s.Timescale, 10, 32)
		if err != nil || n == 0 {
			return fmt.Errorf("%w: timescale %q", errEvent, s.Timescale)
		}
		scale = n
	}
	e.Scheme, e.Value, e.Cue = s.Scheme, s.Value, x.ID
	if x.Time != "" {
		n, err := strconv.ParseUint(x.Time, 10, 63)
		if err != nil {
			return fmt.Errorf("%w: presentationTime %q", errEvent, x.Time)
		}
		e.Start = nearest(float64(n)/float64(scale), e.Start)
	}
	if n, err := strconv.ParseUint(x.Duration, 10, 63); err == nil {
		e.Duration = seconds(float64(n) / float64(scale))
	}
	data := x.Data
	if data == "" {
		data = strings.TrimSpace(x.Inner)
		if !strings.Contains(data, "<") {
			data = strings.TrimSpace(x.Text) // entities resolved
		}
	}
	e.Data = []byte(data)
	if strings.EqualFold(x.Encoding, "base64") {
		b, err := base64Data(data)
		if err != nil {
			return err
		}
		e.Data = b
	}
	return nil
}

// adCue reads {cue, type, id, duration, elapsed, time}: SCTE-35 mode with a splice_info_section in cue, else simple mode.
func adCue(e *media.Event, v any) error {
	o, ok := v.(amfProperties)
	if !ok {
		return fmt.Errorf("%w: no object", errEvent)
	}
	fill(e, o)
	kind, _ := o.get("type").(string)
	cue, _ := o.get("cue").(string)
	if kind == "SpliceOut" || kind == "" && cue == "SpliceOut" { // "older text: cue"
		e.Scheme, e.Value = media.SchemeSimple, media.SimpleValue
		return nil
	}
	if !strings.EqualFold(kind, "scte35") && !strings.HasPrefix(kind, "urn:scte:scte35:") {
		return fmt.Errorf("%w: of type %q", errEvent, kind)
	}
	b, err := base64Data(cue)
	if err != nil {
		return err
	}
	s, err := parseSplice(b)
	if err != nil {
		return fmt.Errorf("%w: %w", errEvent, err)
	}
	e.Scheme, e.Data, e.Splice, e.SpliceID = media.SchemeSCTE35, b, s.kind, s.id
	if e.Duration == 0 {
		e.Duration = s.duration
	}
	return nil
}

// cuePoint reads {name: "scte35", type: "event", time, parameters: {id, duration}}, whose "output [is] like simple mode".
func cuePoint(e *media.Event, v any) error {
	o, ok := v.(amfProperties)
	if name, _ := o.get("name").(string); !ok || name != "scte35" {
		return fmt.Errorf("%w: a cue point for somebody else", errEvent)
	}
	e.Scheme, e.Value = media.SchemeSimple, media.SimpleValue
	if p, ok := o.get("parameters").(amfProperties); ok {
		fill(e, p)
	}
	fill(e, o)
	return nil
}

// fill takes the members that all cues have.
func fill(e *media.Event, o amfProperties) {
	switch id := o.get("id").(type) {
	case string:
		e.Cue = id
	case float64:
		e.Cue = strconv.FormatFloat(id, 'f', -1, 64)
	}
	if n, ok := o.get("duration").(float64); ok {
		e.Duration = seconds(n)
	}
	if n, ok := o.get("time").(float64); ok {
		e.Start = nearest(n, e.Start)
	}
}

// seconds returns a duration, 0 for what can be none.
func seconds(n float64) time.Duration {
	if !(n > 0 && n <= maxEventDuration.Seconds()) {
		return 0
	}
	return time.Duration(math.Round(n*1e6)) * time.Microsecond
}

// nearest returns a time in seconds on the encoder's clock, which wraps at 32 bits of milliseconds: the one that is nearest
// to now.
func nearest(n float64, now time.Duration) time.Duration {
	if !(n >= 0 && n < 1e12) {
		return now
	}
	const wrap = float64(1<<32) / 1000
	n += math.Round((now.Seconds()-n)/wrap) * wrap
	return time.Duration(math.Round(n*1e6)) * time.Microsecond
}

func base64Data(s string) ([]byte, error) {
	s = strings.Join(strings.Fields(s), "")
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		b, err = base64.RawStdEncoding.DecodeString(s)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errEvent, err)
	}
	return b, nil
}
