package e2e

import (
	"strings"
	"testing"
	"time"
)

// TestWorkflow takes the steps of a broadcast one by one, as a script written for the old service would.
func TestWorkflow(t *testing.T) {
	t.Parallel()
	begin(t, 2*time.Minute)
	d := StartDaemon(t)
	d.CLI(t, "event", "create", "e", "--start")
	c := &Channel{d: d, Name: "e"}
	state := func() string {
		var event struct {
			Properties struct{ ResourceState string }
		}
		decode(t, d.CLI(t, "event", "show", "e", "--json"), &event)
		return event.Properties.ResourceState
	}
	if s := state(); s != "Running" {
		t.Fatalf("the event is %s", s)
	}
	d.CLI(t, "asset", "create", "a")
	d.CLI(t, "output", "create", "e", "o", "--asset", "a", "--manifest", "show", "--archive-window", "30m")
	d.CLI(t, "locator", "create", "l", "--asset", "a")
	paths := d.CLI(t, "locator", "paths", "l")
	if again := d.CLI(t, "locator", "paths", "l"); again != paths {
		t.Errorf("the paths changed:\n%s\nbefore:\n%s", again, paths)
	}
	c.Public = base(find(t, paths, "http://", "/show.ism/manifest(format=m3u8-cmaf)"))
	var event struct {
		Properties struct {
			Input, Preview struct{ Endpoints []struct{ URL string } }
		}
	}
	decode(t, d.CLI(t, "event", "show", "e", "--json"), &event)
	c.Ingest, c.Preview = event.Properties.Input.Endpoints[0].URL, base(event.Properties.Preview.Endpoints[0].URL)

	wrong := Publish(t, d.RTMP+"/live/00000000000000000000000000000000/x", "../../testdata/demo.flv", false)
	if !waitFor(10*time.Second, func() bool { return closed(wrong.done) }) || wrong.exit == nil {
		t.Errorf("an encoder with a wrong token was not refused:\n%s", wrong.stderr.String())
	}

	encoder := Publish(t, c.Ingest+"/any-name", "../../testdata/demo.flv", true)
	c.Shows(t, c.Preview, 2*time.Second, 20*time.Second)
	c.Shows(t, c.Public, 2*time.Second, 20*time.Second)

	if out, err := d.Try("event", "stop", "e"); err == nil {
		t.Errorf("an event with an output was stopped: %s", out)
	} else if state() != "Running" {
		t.Errorf("the refused stop left the event %s", state())
	}
	encoder.Alive(t)
	d.CLI(t, "endpoint", "stop", "default")
	if s := status(HLS(c.Public)); s < 400 || s >= 500 {
		t.Errorf("a stopped endpoint answers %d", s)
	}
	if s := status(HLS(c.Preview)); s != 200 {
		t.Errorf("the preview needs no endpoint, but answers %d", s)
	}
	d.CLI(t, "endpoint", "start", "default")
	c.Shows(t, c.Public, 2*time.Second, 5*time.Second)

	examined(t, d.CLI(t, "event", "doctor", "e", "--json"))

	// The output's end makes the recording.
	d.CLI(t, "output", "delete", "e", "o")
	for kind, u := range renditions(t, HLS(c.Public)) {
		if p := playlist(t, u); !p.Ended || len(p.Segments) < 2 {
			t.Errorf("%s after the output's end: ended %v, %d segments", kind, p.Ended, len(p.Segments))
		}
	}
	if s := status(HLS(c.Preview)); s != 200 {
		t.Errorf("the preview goes on after the output's end, but answers %d", s)
	}

	d.CLI(t, "locator", "delete", "l")
	if s := status(HLS(c.Public)); s != 404 {
		t.Errorf("a deleted locator answers %d", s)
	}
	d.CLI(t, "event", "stop", "e")
	if !waitFor(10*time.Second, func() bool { return closed(encoder.done) }) {
		t.Error("the encoder of a stopped event is still connected")
	}
	if s := status(HLS(c.Preview)); s != 404 {
		t.Errorf("the preview of a stopped event answers %d", s)
	}
	refused := Publish(t, c.Ingest+"/x", "../../testdata/demo.flv", false)
	if !waitFor(10*time.Second, func() bool { return closed(refused.done) }) || refused.exit == nil {
		t.Errorf("an encoder of a stopped event was not refused:\n%s", refused.stderr.String())
	}
	d.CLI(t, "event", "start", "e")
	if again := d.CLI(t, "event", "show", "e", "--json"); !strings.Contains(again, c.Ingest) {
		t.Errorf("another ingest URL after a restart:\n%s", again)
	}
	Publish(t, c.Ingest+"/x", "../../testdata/demo.flv", true)
	c.Shows(t, c.Preview, 2*time.Second, 20*time.Second)
}

// examined looks at what the doctor says of ffmpeg sending demo.flv, which is healthy and has B-frames.
func examined(t *testing.T, report string) {
	t.Helper()
	var r struct {
		Encoder      struct{ Name string }
		Findings     []struct{ Code, Message string }
		Measurements []struct {
			Name, TrackType string
			Value           float64
		}
	}
	decode(t, report, &r)
	for _, f := range r.Findings {
		if f.Code != "b-frames" && !strings.HasPrefix(f.Code, "connection-") { // a busy machine holds ffmpeg up
			t.Errorf("the doctor finds %s: %s", f.Code, f.Message)
		}
	}
	measured := map[string]float64{}
	for _, m := range r.Measurements {
		measured[m.TrackType+" "+m.Name] = m.Value
	}
	if fps, gop := measured["video frameRate"], measured["video keyFrameLongest"]; !strings.HasPrefix(r.Encoder.Name, "Lavf") || fps < 29.9 || fps > 30.1 || gop < 0.99 || gop > 1.01 {
		t.Errorf("the doctor measures %v pictures a second, key frames %v s apart, of %q", fps, gop, r.Encoder.Name)
	}
}
