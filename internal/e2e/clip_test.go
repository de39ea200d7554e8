package e2e

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestSubClips cuts a part out of a running event and of its recording, by media time, by time of day and by a filter that
// the URL names, and reads it with ffprobe, hls.js and dash.js: the frames that were sent in that time, once each.
func TestSubClips(t *testing.T) {
	t.Parallel()
	begin(t, 5*time.Minute)
	sent, err := probe(time.Minute, testClip(t))
	if err != nil {
		t.Fatal(err)
	}
	d := StartDaemon(t)
	c := NewChannel(t, d, "cuts")
	file := filepath.Join(t.TempDir(), "filter.json")
	if err := os.WriteFile(file, []byte(`{"presentationTimeRange":{"startTimestamp":60000000,"endTimestamp":140000000,"forceEndTimestamp":true}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	d.CLI(t, "filter", "create", "middle", file)
	encoder := Publish(t, c.Ingest+"/main", testClip(t), false)
	c.Shows(t, c.Public, 18*time.Second, 40*time.Second)

	first := playlist(t, renditions(t, HLS(c.Public))["video"]).Segments[0].Date // media time 0
	day := func(seconds int) string {
		return first.Add(time.Duration(seconds) * time.Second).UTC().Format(time.RFC3339Nano)
	}
	seconds, days := "start=6.5&end=13.5", "start="+day(6)+"&end="+day(14)
	manifests := map[string][2]string{
		"media time":  {HLS(c.Public) + "?" + seconds, DASH(c.Public) + "?" + seconds},
		"time of day": {HLS(c.Public) + "?" + days, DASH(c.Public) + "?" + days},
		"filter":      {c.Public + "manifest(format=m3u8-cmaf,filter=middle)", c.Public + "manifest(format=mpd-time-cmaf,filter=middle)"},
	}
	var want []Packet
	begun := of(sent, "video")[0].DTS
	for _, p := range sent {
		// Segments are two seconds; audio ends at the frame nearest to the picture's end.
		if at, slack := p.DTS-begun, map[string]float64{"video": -0.001, "audio": 0.06}[p.Kind]; at > 6-max(slack, 0.001) && at < 14+slack {
			want = append(want, p)
		}
	}
	whole := func(when string) {
		t.Helper()
		for what, u := range manifests {
			hls, err := probe(time.Minute, u[0])
			if err != nil {
				t.Errorf("%s, %s, HLS: %v", when, what, err)
			}
			sameFrames(t, when+", "+what+", HLS", hls, want, 2*audioMissing)
			sameFrames(t, when+", "+what+", DASH by its manifest", assemble(t, u[1]), want, 2*audioMissing)
			if m := manifest(t, u[1]); m.Type != "static" {
				t.Errorf("%s, %s: the MPD is %s", when, what, m.Type)
			}
		}
	}
	whole("live")

	encoder.Wait(t, (clipSeconds+30)*time.Second)
	c.End(t)
	whole("replay")
	check(t, time.Minute, nil, "hls", manifests["time of day"][0], "-vod")
	check(t, time.Minute, nil, "dash", manifests["time of day"][1], "-vod")
	b := NewBrowser(t)
	for _, u := range manifests["media time"] {
		p := b.Open(t, c.d.Origin+"/watch/?src="+url.QueryEscape(strings.TrimPrefix(u, c.d.Origin)))
		p.Plays(t, 2, 30*time.Second)
		if length := strings.TrimSpace(string(p.Eval(t, `document.getElementById('video').duration`))); !near(length, 8) {
			t.Errorf("%s lasts %s s, not 8", u, length)
		}
		p.Eval(t, `{ document.getElementById('video').currentTime = 7; }`)
		p.Until(t, 30*time.Second, "the end", func(s Stats) bool { return s.State == "ended" || s.Fatal > 0 })
		p.Close()
	}
}

// TestLowLatencySubClip: what is asked for from a start on, without an end, keeps the low latency of the event.
func TestLowLatencySubClip(t *testing.T) {
	t.Parallel()
	begin(t, 3*time.Minute)
	d := StartDaemon(t)
	c := NewChannel(t, d, "tail")
	Publish(t, c.Ingest+"/main", "../../testdata/demo.flv", true)
	c.Shows(t, c.Public, 12*time.Second, 40*time.Second)
	// How late an answer is says as much of the other tests that run as of the origin.
	late := []string{"LL-BLOCK-FAST", "LL-HINT-BURST", "LL-CADENCE"}
	check(t, 60*time.Second, late, "hls", HLS(c.Public)+"?start=2", "-for", "8s", "-ll")
	check(t, 60*time.Second, nil, "dash", DASH(c.Public)+"?start=2", "-for", "8s", "-ll")
}

// near reports whether a number's text is within a tenth of want.
func near(text string, want float64) bool {
	var v float64
	_, err := fmt.Sscan(text, &v)
	return err == nil && diff(v, want) < 0.1
}
