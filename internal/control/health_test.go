package control_test

import (
	"testing"
	"time"

	"headwater.stream/api"
	"headwater.stream/internal/control"
)

// TestHealth judges what a runtime reports.
func TestHealth(t *testing.T) {
	p := startMem(t)
	ctx := t.Context()
	must[*api.LiveEvent](t)(p.CreateLiveEvent(ctx, "show", rtmp(), api.WriteOptions{AutoStart: true}))
	now := time.Now()
	since := now.Add(-time.Minute)
	good := control.Heartbeat{Time: now, Track: "video", Bitrate: 1000, Incoming: 1000}
	late, unknown, jumped := good, good, good
	late.Drift, unknown.Drift, jumped.Discontinuities = 2*time.Second, -1, 1
	event := func(kind, level string, ago, gap time.Duration) []control.StreamEvent {
		return []control.StreamEvent{{Time: now.Add(-ago), Type: kind, Level: level, Track: "video", Gap: gap, Reason: "r"}}
	}
	for name, c := range map[string]struct {
		beat   control.Heartbeat
		events []control.StreamEvent
		health string
		drift  string
	}{
		"nothing":          {good, nil, "Excellent", "0"},
		"unknown drift":    {unknown, nil, "Excellent", "n/a"},
		"drift":            {late, nil, "Good", "2"},
		"jump":             {jumped, event("Discontinuity", "Warning", time.Second, time.Second), "Good", "0"},
		"long jump":        {good, event("Discontinuity", "Warning", time.Second, time.Minute), "Poor", "0"},
		"long ago":         {good, event("Discontinuity", "Warning", 30*time.Second, time.Minute), "Excellent", "0"},
		"warning":          {good, event("ChunkDropped", "Warning", time.Second, 0), "Good", "0"},
		"error":            {good, event("ChunkDropped", "Error", time.Second, 0), "Poor", "0"},
		"another's":        {good, event("InvalidConnection", "Error", time.Second, 0), "Excellent", "0"},
		"encoder's before": {good, event("ChunkDropped", "Error", 2*time.Minute, 0), "Excellent", "0"},
	} {
		p.runtime.mu.Lock()
		p.runtime.status = &control.EventStatus{Connected: true, Since: since, Tracks: []string{"video"}, Beats: []control.Heartbeat{c.beat}, Events: c.events}
		p.runtime.mu.Unlock()
		st := must[*api.LiveEventStatusList](t)(p.LiveEventStatus(ctx, "show")).Value[0]
		if st.HealthStatus != c.health || (len(st.HealthDescriptions) == 0) != (c.health == "Excellent") || st.TrackStatus[0].IngestDrift != c.drift {
			t.Errorf("%s: %+v, want %s, drift %s", name, st, c.health, c.drift)
		}
	}
	p.runtime.mu.Lock()
	p.runtime.status = &control.EventStatus{Since: now, Events: []control.StreamEvent{
		{Time: since, Type: "BeginIngest", Stream: "one"}, {Time: since.Add(time.Second), Type: "EndIngest", Reason: "cut"},
		{Time: since.Add(3 * time.Second), Type: "BeginIngest", Stream: "two"}, {Time: now, Type: "EndIngest", Reason: "gone"},
	}}
	p.runtime.mu.Unlock()
	in := must[*api.LiveEventStatusList](t)(p.LiveEventStatus(ctx, "show")).Value[0].Ingestion
	if in == nil || in.StreamName != "two" || in.EndReason != "gone" || in.End == nil || len(in.IngestInterruptions) != 1 || in.IngestInterruptions[0].Duration != "PT2S" || in.IngestInterruptions[0].Reason != "cut" {
		t.Errorf("ingestion %+v", in)
	}
}

// TestInputLog asks what happened to an event's input, polls for more, and judges its health.
func TestInputLog(t *testing.T) {
	p := startMem(t)
	ctx := t.Context()
	for _, verb := range []string{"getStreamEvents", "getTrackIngestHeartbeats"} {
		if a := p.raw(t, "POST", "~/liveEvents/show/"+verb, ""); a.status != 404 {
			t.Errorf("%s of no event: %d", verb, a.status)
		}
	}
	must[*api.LiveEvent](t)(p.CreateLiveEvent(ctx, "show", rtmp(), api.WriteOptions{}))
	if v := must[*api.StreamEvents](t)(p.LiveEventStreamEvents(ctx, "show")); v.Value == nil || len(v.Value) != 0 {
		t.Errorf("stopped: %+v", v)
	}
	if err := p.StartLiveEvent(ctx, "show"); err != nil {
		t.Fatal(err)
	}
	events := must[*api.StreamEvents](t)(p.LiveEventStreamEvents(ctx, "show")).Value
	if len(events) != 2 || events[0].EventType != "StreamEvent/BeginIngest" || events[0].EventLevel != "Information" || events[0].Data.StreamName != "key" || events[0].Data.RemoteIP != "192.0.2.1" ||
		events[1].EventType != "StreamEvent/Discontinuity" || events[1].Data.TrackName != "video_1000" || events[1].Data.Timestamp != "10000000" || events[1].Data.DiscontinuityGap != "600000000" {
		t.Errorf("events %+v", events)
	}
	beats := must[*api.TrackHeartbeats](t)(p.LiveEventHeartbeats(ctx, "show")).Value
	if len(beats) != 1 || beats[0].EventType != "TrackEvent/IngestHeartbeat" || !beats[0].Data.Healthy || beats[0].Data.IncomingBitrate != 1000 || beats[0].Data.LastTimestamp != "200000000" {
		t.Errorf("heartbeats %+v", beats)
	}
	for _, verb := range []string{"getStreamEvents", "getTrackIngestHeartbeats"} {
		a := p.raw(t, "POST", "~/liveEvents/show/"+verb, "")
		etag := a.header.Get("ETag")
		if a.status != 200 || etag == "" {
			t.Fatalf("%s: %d, ETag %q", verb, a.status, etag)
		}
		if a = p.raw(t, "POST", "~/liveEvents/show/"+verb, "", "If-None-Match", etag); a.status != 304 || a.raw != "" {
			t.Errorf("%s again: %d %s", verb, a.status, a.raw)
		}
		if a = p.raw(t, "POST", "~/liveEvents/show/"+verb, "", "If-None-Match", `"other"`); a.status != 200 {
			t.Errorf("%s with another tag: %d", verb, a.status)
		}
	}
	st := must[*api.LiveEventStatusList](t)(p.LiveEventStatus(ctx, "show")).Value[0]
	if in := st.Ingestion; in == nil || in.StreamName != "key" || in.Begin == nil || len(in.IngestInterruptions) != 0 || st.TrackStatus[0].IngestDrift != "0" || beats[0].Data.IngestDriftValue != "0" {
		t.Errorf("status %+v %+v", st, st.Ingestion)
	}
	for incoming, want := range map[int32]string{1000: "Excellent", 750: "Excellent", 700: "Good", 200: "Good", 150: "Poor", 0: "Poor"} {
		p.runtime.mu.Lock()
		p.runtime.incoming = int(incoming)
		p.runtime.mu.Unlock()
		st := must[*api.LiveEventStatusList](t)(p.LiveEventStatus(ctx, "show")).Value[0]
		if st.HealthStatus != want || (len(st.HealthDescriptions) == 0) != (want == "Excellent") || st.TrackStatus[0].ExpectedBitrate != 1000 || st.TrackStatus[0].IncomingBitrate != incoming {
			t.Errorf("at %d of 1000 bit/s: %+v, want %s", incoming, st, want)
		}
	}
}
