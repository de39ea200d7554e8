package control_test

import (
	"testing"

	"headwater.stream/api"
)

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
