package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/yutopp/go-rtmp"
	"github.com/yutopp/go-rtmp/message"
)

// CuePublisher publishes an FLV file in a loop, in real time, and data messages between: what ffmpeg cannot send.
type CuePublisher struct {
	stream *rtmp.Stream
	began  time.Time
	say    chan message.DataMessage
	stop   chan struct{}
	done   chan error
}

// publishWithCues starts one; it ends with the test.
func publishWithCues(t *testing.T, ingest, file string) *CuePublisher {
	t.Helper()
	u, err := url.Parse(ingest)
	if err != nil {
		t.Fatal(err)
	}
	flv, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := rtmp.Dial("rtmp", u.Host, &rtmp.ConnConfig{})
	if err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	app := strings.TrimPrefix(u.Path, "/")
	must(conn.Connect(&message.NetConnectionConnect{Command: message.NetConnectionConnectCommand{App: app, Type: "nonprivate", TCURL: ingest}}))
	p := &CuePublisher{began: time.Now(), say: make(chan message.DataMessage, 8), stop: make(chan struct{}), done: make(chan error, 1)}
	p.stream, err = conn.CreateStream(&message.NetConnectionCreateStream{}, 60_000)
	must(err)
	must(p.stream.Publish(&message.NetStreamPublish{PublishingName: "main", PublishingType: "live"}))
	go func() { p.done <- p.run(flv) }()
	t.Cleanup(func() {
		close(p.stop)
		if err := <-p.done; err != nil {
			t.Errorf("publishing: %v", err)
		}
		_ = conn.Close()
	})
	return p
}

// Now returns where on its clock the publisher is.
func (p *CuePublisher) Now() time.Duration { return time.Since(p.began) }

// Between returns a moment about ahead from Now that no key frame has: at one, a cue would end a segment early and its listed
// duration with it (docs/adr/0009).
func (p *CuePublisher) Between(ahead time.Duration) time.Duration {
	return (p.Now() + ahead).Truncate(time.Second) + 500*time.Millisecond
}

// Say sends a data message with one value.
func (p *CuePublisher) Say(t *testing.T, name string, value any) {
	t.Helper()
	var body bytes.Buffer
	if err := message.NewAMFEncoder(&body, message.EncodingTypeAMF0).Encode(value); err != nil {
		t.Fatal(err)
	}
	p.say <- message.DataMessage{Name: name, Encoding: message.EncodingTypeAMF0, Body: &body}
}

func (p *CuePublisher) run(flv []byte) error {
	const loop = 16_000 // ms, of the demo clip
	for shift := uint32(0); ; shift += loop {
		for rest := flv[13:]; len(rest) > 15; {
			size := int(binary.BigEndian.Uint32(rest) & 0xffffff)
			ts := shift + binary.BigEndian.Uint32(rest[4:])>>8 + uint32(rest[7])<<24
			kind, body := rest[0], rest[11:11+size]
			rest = rest[11+size+4:]
			if shift > 0 && (len(body) < 2 || body[1] == 0) { // the configurations again
				continue
			}
			due := time.NewTimer(time.Until(p.began.Add(time.Duration(ts) * time.Millisecond)))
			for waiting := true; waiting; {
				select {
				case m := <-p.say:
					if err := p.stream.Write(5, ts, &m); err != nil {
						return err
					}
				case <-due.C:
					waiting = false
				case <-p.stop:
					due.Stop()
					return nil
				}
			}
			var err error
			switch kind {
			case 8:
				err = p.stream.Write(4, ts, &message.AudioMessage{Payload: bytes.NewReader(body)})
			case 9:
				err = p.stream.Write(6, ts, &message.VideoMessage{Payload: bytes.NewReader(body)})
			}
			if err != nil {
				return err
			}
		}
	}
}

// firedEvent is what players/events.js keeps of an event.
type firedEvent struct {
	Kind, ID, Key, Data string
	At, Start, Wall     float64
}

// A splice_insert that leaves the programme for 60.3 s (SCTE 35, 14.2), and its splice_event_id.
const spliceOut = "/DAvAAAAAAAA///wFAVIAACPf+/+c2nALv4AUsz1AAAAAAAKAAhDVUVJAAABNWLbowo="

// id3 is an ID3v2.4 tag with one TXXX frame.
func id3(text string) []byte {
	frame := append([]byte{3, 'k', 0}, text...)
	b := append([]byte("TXXX"), 0, 0, 0, byte(len(frame)), 0, 0)
	b = append(b, frame...)
	return append([]byte{'I', 'D', '3', 4, 0, 0, 0, 0, 0, byte(len(b))}, b...)
}

// TestTimedMetadata: an SCTE 35 cue, an ID3 tag and a simple cue that an encoder announces fire in hls.js and dash.js at their
// media time, and everything that is said of them keeps to the standards.
func TestTimedMetadata(t *testing.T) {
	t.Parallel()
	begin(t, 5*time.Minute)
	if _, err := conform(); err != nil {
		t.Fatal(err)
	}
	d := StartDaemon(t)
	c := NewChannel(t, d, "cues")
	p := publishWithCues(t, c.Ingest, "../../testdata/demo.flv")
	c.Shows(t, c.Public, 2*time.Second, 20*time.Second)
	b := NewBrowser(t)
	pages := plainOrigin(t, t.TempDir())
	player := func(kind, src string) *Page {
		page := b.Open(t, pages.URL+"/players/events.html?player="+kind+"&src="+url.QueryEscape(src))
		page.Until(t, 60*time.Second, "the start", func(s Stats) bool { return s.Played > 1 || s.Fatal > 0 })
		return page
	}
	hls, dash := player("hls", HLS(c.Public)), player("dash", DASH(c.Public))

	outAt, id3At, simpleAt := p.Between(6*time.Second), p.Between(8*time.Second), p.Between(9*time.Second)
	p.Say(t, "onAdCue", map[string]any{"type": "scte35", "cue": spliceOut, "id": "out1", "duration": 5.0, "time": outAt.Seconds()})
	p.Say(t, "onUserDataEvent", fmt.Sprintf(`<EventStream schemeIdUri="https://aomedia.org/emsg/ID3"><Event id="7" presentationTime="%d" contentEncoding="Base64">%s</Event></EventStream>`,
		id3At.Milliseconds(), base64.StdEncoding.EncodeToString(id3("hello"))))
	p.Say(t, "onCuePoint", map[string]any{"name": "scte35", "type": "event", "time": simpleAt.Seconds(), "parameters": map[string]any{"id": "s1", "duration": 2.0}})

	// What the manifests say is measured by the publisher's own clock.
	var ranges map[string]time.Time
	if !waitFor(10*time.Second, func() bool { ranges = startDates(t, c); return len(ranges) == 3 }) {
		t.Fatalf("date ranges: %v", ranges)
	}
	anchor := dateIn(t, string(get(t, DASH(c.Public)).Body), `availabilityStartTime="([^"]+)"`)
	for id, at := range map[string]time.Duration{"out1": outAt, "7": id3At, "s1": simpleAt} {
		if off := ranges[id].Sub(p.began.Add(at)); off < -500*time.Millisecond || off > 2*time.Second {
			t.Errorf("%s is dated %v from when it was sent", id, off)
		}
	}
	fired := func(page *Page, want ...func(firedEvent) bool) (found []firedEvent) {
		t.Helper()
		var all []firedEvent
		if !waitFor(60*time.Second, func() bool {
			all, found = nil, nil
			if err := json.Unmarshal(page.Eval(t, "events"), &all); err != nil {
				t.Fatal(err)
			}
			for _, w := range want {
				for _, e := range all {
					if w(e) {
						found = append(found, e)
						break
					}
				}
			}
			return len(found) == len(want)
		}) {
			t.Fatalf("%s fired only %+v", page, all)
		}
		return found
	}
	// A busy machine fires late, but never early; where the event is must be right in any case.
	onTime := func(player string, e firedEvent) {
		t.Helper()
		if late := e.At - e.Start; late < -0.3 || late > 1.5 {
			t.Errorf("%s: %s %s for %.3f s fired at %.3f s", player, e.Kind, e.ID, e.Start, e.At)
		}
	}
	got := fired(hls,
		func(e firedEvent) bool { return strings.Contains(e.ID, "-out1-") && e.Key == "SCTE35-OUT" },
		func(e firedEvent) bool { return strings.Contains(e.ID, "-s1-") },
		func(e firedEvent) bool { return e.Key == "TXXX" && e.Data == "hello" })
	for i, want := range []time.Time{ranges["out1"], ranges["s1"], ranges["7"]} {
		onTime("hls.js", got[i])
		if off := got[i].Wall - float64(want.UnixMilli()); math.Abs(off) > 100 {
			t.Errorf("hls.js: %s is %.0f ms from its date", got[i].Kind, off)
		}
	}
	section := sectionHex(t)
	scheme := func(kind, data string) func(firedEvent) bool {
		return func(e firedEvent) bool { return e.Kind == kind && strings.Contains(strings.ToLower(e.Data), data) }
	}
	got = fired(dash,
		scheme("urn:scte:scte35:2013:bin", section),
		func(e firedEvent) bool { return e.Kind == "urn:scte:scte35:2014:xml+bin" },
		func(e firedEvent) bool { return e.Kind == "https://aomedia.org/emsg/ID3" },
		func(e firedEvent) bool { return e.Kind == "urn:com:adobe:dpi:simple:2015" })
	for i, want := range []time.Time{ranges["out1"], ranges["out1"], ranges["7"], ranges["s1"]} {
		onTime("dash.js", got[i])
		if off := got[i].Start - want.Sub(anchor).Seconds(); math.Abs(off) > 0.002 {
			t.Errorf("dash.js: %s is %.3f s from its time", got[i].Kind, off)
		}
	}
	for _, page := range []*Page{hls, dash} {
		if s := page.Stats(); s.Fatal > 0 {
			t.Errorf("%s failed: %+v", s.Player, s.Errors)
		}
		page.Close()
	}

	spared := []string{"LL-BLOCK-FAST", "LL-HINT-BURST", "LL-CADENCE"} // of the race build on a busy machine
	more := 0
	announce := func() { // two cues that are due while the checker looks
		for _, ahead := range []time.Duration{5 * time.Second, 9 * time.Second} {
			more++
			p.Say(t, "onAdCue", map[string]any{"type": "scte35", "cue": spliceOut, "id": fmt.Sprint("more", more), "time": p.Between(ahead).Seconds()})
		}
	}
	announce()
	exercised(t, check(t, 80*time.Second, spared, "hls", HLS(c.Public), "-for", "15s", "-ll"), "MP-DATERANGE", "CMAF-EMSG", "LL-SKIP", "LL-SKIP-EQUAL")
	announce()
	exercised(t, check(t, 80*time.Second, spared, "dash", DASH(c.Public), "-for", "15s"), "MPD-EVENT", "CMAF-EMSG")
	d.Alive(t)
}

// exercised checks that rules had something to look at.
func exercised(t *testing.T, status map[string]string, rules ...string) {
	t.Helper()
	for _, rule := range rules {
		if status[rule] != "PASS" {
			t.Errorf("%s: %q", rule, status[rule])
		}
	}
}

// startDates returns the START-DATE of the date ranges in the video playlist, by what the encoder called them.
func startDates(t *testing.T, c *Channel) map[string]time.Time {
	t.Helper()
	list := map[string]time.Time{}
	for _, m := range regexp.MustCompile(`EXT-X-DATERANGE:ID="\d+-([^-"]+)-[^"]+".*?START-DATE="([^"]+)"`).FindAllStringSubmatch(playlist(t, renditions(t, HLS(c.Public))["video"]).Text, -1) {
		at, err := time.Parse(time.RFC3339Nano, m[2])
		if err != nil {
			t.Fatal(err)
		}
		list[m[1]] = at
	}
	return list
}

func dateIn(t *testing.T, text, pattern string) time.Time {
	t.Helper()
	m := regexp.MustCompile(pattern).FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("no %s in\n%s", pattern, text)
	}
	at, err := time.Parse(time.RFC3339Nano, m[1])
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func sectionHex(t *testing.T) string {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(spliceOut)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", b)
}
