package main

import (
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"headwater.stream/api"
	"headwater.stream/internal/control"
	"headwater.stream/internal/doctor"
	"headwater.stream/internal/media"
)

// sendingRuntime has an encoder on every event and two tracks in every asset.
type sendingRuntime struct{ stillRuntime }

func (sendingRuntime) EventStatus(string) (control.EventStatus, bool) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return control.EventStatus{
		Connected: true, Since: at, Remote: "192.0.2.1:1", Tracks: []string{"video avc1.640028", "audio mp4a.40.2"}, Log: "1",
		Events: []control.StreamEvent{
			{Time: at.Add(-time.Minute), Type: "EndIngest", Level: "Information", Reason: "the publish has ended"},
			{Time: at, Type: "BeginIngest", Level: "Information", Stream: "key", Remote: "192.0.2.1:1", Code: "S_OK"},
			{Time: at.Add(time.Second), Type: "Discontinuity", Level: "Warning", Track: "video", Bitrate: 3000000, At: time.Minute, Gap: 1500 * time.Millisecond},
		},
		Beats: []control.Heartbeat{
			{Time: at.Add(20 * time.Second), Track: "video", Bitrate: 3000000, Incoming: 2900000, Last: 20 * time.Second, Drift: 2 * time.Second},
			{Time: at.Add(20 * time.Second), Track: "audio", Bitrate: 128000, Incoming: 128000, Last: 20 * time.Second, Drift: -1},
		},
	}, true
}

func (sendingRuntime) Examine(string) *doctor.Report {
	m := &doctor.Measurements{Span: time.Minute, Video: &doctor.VideoMeasure{TrackMeasure: doctor.TrackMeasure{Track: media.Track{Kind: media.Video, Codec: "avc1.640028", Width: 640, Height: 360}}, FPS: 30, Frames: 500, Keys: []time.Duration{8 * time.Second}}}
	m.Config = doctor.Config{Parts: true, SegmentAim: 2 * time.Second, SegmentLimit: 3 * time.Second, PartTarget: 210 * time.Millisecond}
	m.PartWait = doctor.Spread{N: 64, Typical: 200 * time.Millisecond, P95: 210 * time.Millisecond, Max: 300 * time.Millisecond}
	return doctor.Examine(doctor.Encoder{Software: "Lavf61", Remote: "192.0.2.1:1"}, m)
}

func (sendingRuntime) AssetTracks(string) ([]control.RecordedTrack, error) {
	return []control.RecordedTrack{{Name: "v1", Kind: "video", Codec: "avc1.640028"}, {Name: "a1", Kind: "audio", Codec: "mp4a.40.2", Bitrate: 128000, Language: "de"}}, nil
}

// TestInput shows what comes in, for people and for machines.
func TestInput(t *testing.T) {
	url, stop, err := controlPlane(sendingRuntime{})
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	flags := []string{"--control", url, "--token", scriptToken}
	do := func(args ...string) string {
		t.Helper()
		var out, errs strings.Builder
		if code := run(t.Context(), append(args, flags...), &out, &errs); code != exitOK {
			t.Fatalf("%v: exit code %d %s", args, code, errs.String())
		}
		return out.String()
	}
	do("event", "create", "show", "--start")
	do("asset", "create", "a")
	for command, want := range map[string][]string{
		"event events show":     {"2026-01-02T03:04:05Z  Information  BeginIngest    stream key, from 192.0.2.1, S_OK", "Warning      Discontinuity  video_3000000, gap 1.500 s"},
		"event heartbeats show": {"video_3000000  true     2900000   20.000 s  0         0      2", "audio_128000   true     128000    20.000 s  0         0      n/a"},
		"event status show":     {"Health       Good", "The video track fell behind by 2 s in the last minute.", "2900000 of 3000000 bit/s, drift 2", "2026-01-02T03:03:05Z for PT1M: the publish has ended"},
		"event doctor show": {"Encoder  Lavf61, 192.0.2.1:1", "Health   Good", "The video track fell behind by 2 s in the last minute.", "Latency  low, about 0.9 s from the encoder to the screen",
			"WARNING (key-frames-rare)\n  A key frame comes every 8 s; segments of this event are 2 s, at most 3 s.", "  OBS     Settings → Output → Streaming", "  ffmpeg  -g FPS*2", "WARNING (audio-missing)",
			"Frame rate                           30 fps", "Waiting for a part to be whole                 200      210   300   measured", "Frames later than the quickest                 ?        ?     ?     measured"},
		"asset tracks a": {"v1    Video  avc1.640028  ?", "a1    Audio  mp4a.40.2    128000    de"},
	} {
		out := do(strings.Fields(command)...)
		for _, w := range want {
			if !strings.Contains(out, w) {
				t.Errorf("%s: no %q in\n%s", command, w, out)
			}
		}
		if out := do(append(strings.Fields(command), "--json")...); !json.Valid([]byte(out)) {
			t.Errorf("%s --json: %s", command, out)
		}
	}
	ctx, interrupt := context.WithCancel(t.Context())
	lines, exit := make(lines, 10), make(chan int, 1)
	go func() {
		exit <- run(ctx, append([]string{"event", "events", "show", "--watch", "--json"}, flags...), lines, io.Discard)
	}()
	for _, want := range []string{"EndIngest", "BeginIngest", "Discontinuity"} {
		select {
		case line := <-lines:
			var e api.StreamEvent
			if err := json.Unmarshal([]byte(line), &e); err != nil || e.EventType != "StreamEvent/"+want {
				t.Errorf("the line is %q, want %s", line, want)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("no %s", want)
		}
	}
	go func() {
		exit <- run(ctx, append([]string{"event", "doctor", "show", "--watch"}, flags...), lines, io.Discard)
	}()
	for _, want := range []string{"Measured, 2 findings", "+ Warning (key-frames-rare): A key frame", "+ Warning (audio-missing)"} {
		select {
		case line := <-lines:
			if !strings.Contains(line, want) {
				t.Errorf("the line is %q, want %s", line, want)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("no %s", want)
		}
	}
	interrupt()
	<-exit
	if code := <-exit; code != exitOK {
		t.Errorf("exit code %d", code)
	}
}
