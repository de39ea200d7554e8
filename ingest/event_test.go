package ingest

import (
	"encoding/base64"
	"encoding/hex"
	"math"
	"strings"
	"testing"
	"time"

	"headwater.stream/internal/media"
)

// Sections from the examples of SCTE 35 (2019, clause 14): a time_signal that starts a provider placement of 307 s, a
// splice_insert that leaves the programme for 60.3 s, and a time_signal that ends a placement.
const (
	spliceTimeSignal = "/DA0AAAAAAAA///wBQb+cr0AUAAeAhxDVUVJSAAAjn/PAAGlmbAICAAAAAAsoKGKNAIAmsnRfg=="
	spliceInsertOut  = "/DAvAAAAAAAA///wFAVIAACPf+/+c2nALv4AUsz1AAAAAAAKAAhDVUVJAAABNWLbowo="
	spliceTimeEnd    = "/DAvAAAAAAAA///wBQb+dGKQoAAZAhdDVUVJSAAAjn+fCAgAAAAALKChijUCAKnMZ1g="
)

func dataMessage(name string, value ...byte) []byte {
	return append(appendAMFString(nil, name), value...)
}

// object makes an AMF0 object; a []byte among the values is a value already encoded.
func object(pairs ...any) []byte {
	b := []byte{amfObject}
	for i := 0; i < len(pairs); i += 2 {
		name := pairs[i].(string)
		b = append(append(b, 0, byte(len(name))), name...)
		if raw, ok := pairs[i+1].([]byte); ok {
			b = append(b, raw...)
		} else {
			b = appendAMF(b, pairs[i+1])
		}
	}
	return append(b, 0, 0, amfObjectEnd)
}

func text(s string) []byte { return appendAMFString(nil, s) }

func section(t testing.TB, s string) []byte {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestEventMessages: the three forms of ams-v3 §12, and what is none of them.
func TestEventMessages(t *testing.T) {
	const s = time.Second
	id3 := "ID3\x04\x00\x00\x00\x00\x00\x0b"
	stream := `<EventStream xmlns="urn:mpeg:dash:schema:mpd:2011" schemeIdUri="https://aomedia.org/emsg/ID3" value="v">` +
		`<Event presentationTime="5500" duration="1500" id="7" contentEncoding="Base64">` + base64.StdEncoding.EncodeToString([]byte(id3)) + `</Event><Event id="8"/></EventStream>`
	for name, c := range map[string]struct {
		message []byte
		want    *media.Event // nil: dropped
		ignored bool
	}{
		"user data":                {dataMessage("onUserDataEvent", text(stream)...), &media.Event{Scheme: media.SchemeID3, Value: "v", Start: 5500 * time.Millisecond, Duration: 1500 * time.Millisecond, Cue: "7", Data: []byte(id3)}, false},
		"user data in an object":   {dataMessage("onUserDataEvent", object("n", 1.0, "data", stream)...), &media.Event{Scheme: media.SchemeID3, Value: "v", Start: 5500 * time.Millisecond, Duration: 1500 * time.Millisecond, Cue: "7", Data: []byte(id3)}, false},
		"user data as text":        {dataMessage("onUserDataEvent", text(`<EventStream schemeIdUri="urn:x" timescale="10"><Event presentationTime="33">a &amp; b</Event></EventStream>`)...), &media.Event{Scheme: "urn:x", Start: 3300 * time.Millisecond, Data: []byte("a & b")}, false},
		"user data as XML":         {dataMessage("onUserDataEvent", text(`<EventStream schemeIdUri="urn:x"><Event><a>1</a></Event></EventStream>`)...), &media.Event{Scheme: "urn:x", Start: 4 * s, Data: []byte("<a>1</a>")}, false},
		"user data, messageData":   {dataMessage("onUserDataEvent", text(`<EventStream schemeIdUri="urn:x"><Event messageData="m"/></EventStream>`)...), &media.Event{Scheme: "urn:x", Start: 4 * s, Data: []byte("m")}, false},
		"simple":                   {dataMessage("onAdCue", object("type", "SpliceOut", "id", "cue 1", "duration", 30.0, "elapsed", 0.0, "time", 8.5)...), &media.Event{Scheme: media.SchemeSimple, Value: "scte35", Cue: "cue 1", Start: 8500 * time.Millisecond, Duration: 30 * s}, false},
		"simple, older":            {dataMessage("onAdCue", object("cue", "SpliceOut", "id", 12.0, "time", 8.0)...), &media.Event{Scheme: media.SchemeSimple, Value: "scte35", Cue: "12", Start: 8 * s}, false},
		"SCTE 35, time_signal":     {dataMessage("onAdCue", object("type", "scte35", "cue", spliceTimeSignal, "id", "a", "duration", 0.0, "time", 9.0)...), &media.Event{Scheme: media.SchemeSCTE35, Cue: "a", Start: 9 * s, Duration: 307 * s, Data: section(t, spliceTimeSignal), Splice: media.SpliceOut, SpliceID: 0x4800008e}, false},
		"SCTE 35, splice_insert":   {dataMessage("onAdCue", object("type", "urn:scte:scte35:2013:bin", "cue", spliceInsertOut, "id", "b", "duration", 20.0, "time", 9.0)...), &media.Event{Scheme: media.SchemeSCTE35, Cue: "b", Start: 9 * s, Duration: 20 * s, Data: section(t, spliceInsertOut), Splice: media.SpliceOut, SpliceID: 0x4800008f}, false},
		"SCTE 35, end":             {dataMessage("onAdCue", object("type", "scte35", "cue", spliceTimeEnd, "id", "c")...), &media.Event{Scheme: media.SchemeSCTE35, Cue: "c", Start: 4 * s, Data: section(t, spliceTimeEnd), Splice: media.SpliceIn, SpliceID: 0x4800008e}, false},
		"cue point":                {dataMessage("onCuePoint", object("name", "scte35", "time", 9.0, "type", "event", "parameters", object("id", "p", "duration", 15.0, "x", object()))...), &media.Event{Scheme: media.SchemeSimple, Value: "scte35", Cue: "p", Start: 9 * s, Duration: 15 * s}, false},
		"behind @setDataFrame":     {append(text("@setDataFrame"), dataMessage("onAdCue", object("type", "SpliceOut", "id", "x")...)...), &media.Event{Scheme: media.SchemeSimple, Value: "scte35", Cue: "x", Start: 4 * s}, false},
		"time of another wrap":     {dataMessage("onAdCue", object("type", "SpliceOut", "id", "x", "time", 4294967.296*3+5)...), &media.Event{Scheme: media.SchemeSimple, Value: "scte35", Cue: "x", Start: 5 * s}, false},
		"time that is none":        {dataMessage("onAdCue", object("type", "SpliceOut", "time", math.NaN(), "duration", math.Inf(1))...), &media.Event{Scheme: media.SchemeSimple, Value: "scte35", Start: 4 * s}, false},
		"cue point for others":     {dataMessage("onCuePoint", object("name", "chapter", "time", 9.0)...), nil, false},
		"SCTE 35, damaged":         {dataMessage("onAdCue", object("type", "scte35", "cue", strings.Replace(spliceInsertOut, "AUsz1", "AUsz2", 1))...), nil, false},
		"SCTE 35, no base64":       {dataMessage("onAdCue", object("type", "scte35", "cue", "!")...), nil, false},
		"ad cue of another type":   {dataMessage("onAdCue", object("type", "SpliceIn")...), nil, false},
		"ad cue that is no object": {dataMessage("onAdCue", text("x")...), nil, false},
		"no XML":                   {dataMessage("onUserDataEvent", text("<EventStream")...), nil, false},
		"no event":                 {dataMessage("onUserDataEvent", text(`<EventStream schemeIdUri="x"/>`)...), nil, false},
		"no scheme":                {dataMessage("onUserDataEvent", text(`<EventStream><Event>x</Event></EventStream>`)...), nil, false},
		"scheme with a line feed":  {dataMessage("onUserDataEvent", text(`<EventStream schemeIdUri="x&#10;#EXT-X-ENDLIST"><Event>x</Event></EventStream>`)...), nil, false},
		"scheme with quotes":       {dataMessage("onUserDataEvent", text(`<EventStream schemeIdUri='x"'><Event>x</Event></EventStream>`)...), nil, false},
		"too much data":            {dataMessage("onUserDataEvent", text(`<EventStream schemeIdUri="x"><Event>`+strings.Repeat("x", media.MaxEventMessage+1)+`</Event></EventStream>`)...), nil, false},
		"nested deep":              {dataMessage("onUserDataEvent", text(`<EventStream schemeIdUri="x"><Event>`+strings.Repeat("<a>", 16000)+`</Event></EventStream>`)...), nil, false},
		"entities":                 {dataMessage("onUserDataEvent", text(`<!DOCTYPE x [<!ENTITY a "aaaa">]><EventStream schemeIdUri="x"><Event>&a;</Event></EventStream>`)...), nil, false},
		"long name":                {dataMessage("onAdCue", object("type", "SpliceOut", "id", strings.Repeat("x", 200))...), nil, false},
		"text":                     {dataMessage("onTextData", object("text", "hello")...), nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScript(t, "")
			s.video(3900, videoConfig(testAVCC()))
			s.audio(3900, audioConfig(ascLC...))
			s.video(3990, videoFrame(true, 0, idr))
			s.data(4000, c.message)
			got, dropped := s.session.events, s.counters.Dropped(DropEvent)
			switch {
			case c.want == nil:
				if want := map[bool]uint64{true: 0, false: 1}[c.ignored]; len(got) != 0 || dropped != want {
					t.Errorf("%d events, %d dropped: %+v", len(got), dropped, got)
				}
			case len(got) != 1:
				t.Errorf("%d events, %d dropped", len(got), dropped)
			default:
				g, w := got[0], *c.want
				if string(g.Data) != string(w.Data) {
					t.Errorf("data %q, want %q", g.Data, w.Data)
				}
				g.Data, w.Data = nil, nil
				if d := g.Start - w.Start; d < 0 || d > time.Millisecond {
					t.Errorf("start %v, want %v", g.Start, w.Start)
				}
				g.Start = w.Start
				if g.ID != "" || !equalEvent(g, w) {
					t.Errorf("got  %+v\nwant %+v", g, w)
				}
			}
		})
	}
}

func equalEvent(a, b media.Event) bool {
	return a.Scheme == b.Scheme && a.Value == b.Value && a.Start == b.Start && a.Duration == b.Duration && a.Cue == b.Cue && a.Splice == b.Splice && a.SpliceID == b.SpliceID
}

// TestSpliceSections: of sections made by hand every prefix is refused and nothing panics; the flags are told apart.
func TestSpliceSections(t *testing.T) {
	make35 := func(command string, descriptors string) []byte {
		c, _ := hex.DecodeString(command)
		d, _ := hex.DecodeString(descriptors)
		b := []byte{0xfc, 0x30, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xf0, byte(len(c) - 1)}
		b = append(append(append(b, c...), 0, byte(len(d))), d...)
		b[2] = byte(len(b) + 4 - 3)
		crc := crcMPEG2(b)
		return append(b, byte(crc>>24), byte(crc>>16), byte(crc>>8), byte(crc))
	}
	for name, c := range map[string]struct {
		section []byte
		want    splice
	}{
		"out, immediate":        {make35("05"+"00000009"+"7f"+"df"+"000100"+"00", ""), splice{media.SpliceOut, 9, 0}},
		"in, with a time":       {make35("05"+"00000009"+"7f"+"4f"+"fe00015f90"+"000100"+"00", ""), splice{media.SpliceIn, 9, 0}},
		"out, no time":          {make35("05"+"00000009"+"7f"+"ef"+"7f"+"fe00015f90"+"00010000", ""), splice{media.SpliceOut, 9, time.Second}},
		"out, of components":    {make35("05"+"00000009"+"7f"+"af"+"02"+"01fe00015f90"+"027f"+"fe00015f90"+"00010000", ""), splice{media.SpliceOut, 9, time.Second}},
		"cancelled":             {make35("05"+"00000009"+"ff", ""), splice{media.SpliceCommand, 0, 0}},
		"splice_null":           {make35("00", ""), splice{media.SpliceCommand, 0, 0}},
		"time_signal, nothing":  {make35("06fe00015f90", ""), splice{media.SpliceCommand, 0, 0}},
		"time_signal, chapter":  {make35("06fe00015f90", "020f43554549"+"00000005"+"7f"+"bf"+"0000"+"200000"), splice{media.SpliceCommand, 0, 0}},
		"time_signal, break":    {make35("06fe00015f90", "020f43554549"+"00000005"+"7f"+"bf"+"0000"+"220000"), splice{media.SpliceOut, 5, 0}},
		"time_signal, its end":  {make35("06fe00015f90", "020f43554549"+"00000005"+"7f"+"bf"+"0000"+"230000"), splice{media.SpliceIn, 5, 0}},
		"time_signal, cut off":  {make35("06fe00015f90", "020b43554549"+"00000005"+"7f"+"ff"+"00"), splice{media.SpliceCommand, 0, 0}},
		"descriptor of others":  {make35("06fe00015f90", "000843554549"+"00000000"), splice{media.SpliceCommand, 0, 0}},
		"descriptor, too short": {make35("06fe00015f90", "020443554549"), splice{media.SpliceCommand, 0, 0}},
	} {
		got, err := parseSplice(c.section)
		if err != nil || got != c.want {
			t.Errorf("%s: %+v, %v, want %+v", name, got, err, c.want)
		}
		for n := range c.section {
			if _, err := parseSplice(c.section[:n]); err == nil {
				t.Errorf("%s: %d bytes of it are taken", name, n)
			}
		}
	}
}

// FuzzEvents: whatever a data message holds, an event that comes out of it is within bounds.
func FuzzEvents(f *testing.F) {
	f.Add(dataMessage("onUserDataEvent", text(`<EventStream schemeIdUri="urn:x"><Event id="1">a</Event></EventStream>`)...))
	f.Add(dataMessage("onAdCue", object("type", "scte35", "cue", spliceTimeSignal, "id", "a", "time", 9.0)...))
	f.Add(dataMessage("onAdCue", object("type", "scte35", "cue", spliceInsertOut, "id", "a", "time", 9.0)...))
	f.Add(dataMessage("onCuePoint", object("name", "scte35", "parameters", object("id", 1.0, "duration", 2.0))...))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := amfReader{b: b, depth: 32, count: 4096}
		name, err := dataName(&r)
		if err != nil {
			return
		}
		e, ok, err := parseEvent(name, &r, 1000)
		if !ok || err != nil {
			return
		}
		if e.Scheme == "" || len(e.Scheme)+len(e.Value)+len(e.Cue) > 3*media.MaxEventName || len(e.Data) > media.MaxEventMessage ||
			e.Duration < 0 || e.Duration > maxEventDuration || strings.ContainsAny(e.Scheme+e.Value+e.Cue, "\"\n\r") {
			t.Fatalf("%+v", e)
		}
	})
}

// TestEventsOverRTMP: a data message on a connection, before and after the tracks are known, reaches the session in order.
func TestEventsOverRTMP(t *testing.T) {
	gate := &memGate{}
	p := connectPeer(t, startServer(t, gate, Limits{}).addr)
	p.publish("live/key", "stream")
	cue := func(id string) []byte { return dataMessage("onAdCue", object("type", "SpliceOut", "id", id)...) }
	p.send(4, typeData, 1, 0, cue("early"))
	p.send(4, typeVideo, 1, 0, videoConfig(testAVCC()))
	p.send(4, typeAudio, 1, 0, audioConfig(ascLC...))
	p.send(4, typeVideo, 1, 0, videoFrame(true, 0, idr))
	p.send(4, typeDataAMF3, 1, 40, append([]byte{0}, cue("AMF3")...))
	for range 100 {
		p.send(4, typeData, 1, 50, dataMessage("onAdCue", nested(100, amfObject)...))
	}
	p.send(4, typeData, 1, 80, cue("late"))
	s := gate.session(t, 0)
	eventually(t, "three events", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.events) == 3
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, want := range []struct {
		cue string
		at  time.Duration
	}{{"early", 0}, {"AMF3", 40 * time.Millisecond}, {"late", 80 * time.Millisecond}} {
		if e := s.events[i]; e.Cue != want.cue || e.Start != want.at {
			t.Errorf("event %d is %q at %v, want %q at %v", i, e.Cue, e.Start, want.cue, want.at)
		}
	}
}
