package control_test

import (
	"slices"
	"testing"
	"time"

	"headwater.stream/api"
	"headwater.stream/internal/control"
	"headwater.stream/internal/doctor"
	"headwater.stream/internal/media"
)

// examined makes a report of a healthy encoder with what change does to it.
func examined(change func(m *doctor.Measurements)) *doctor.Report {
	track := func(t media.Track) doctor.TrackMeasure {
		return doctor.TrackMeasure{Track: t, Bitrate: 1_000_000, Peak: 1_000_000, Seconds: 20}
	}
	m := &doctor.Measurements{
		Config: doctor.Config{Parts: true, SegmentAim: 2 * time.Second, SegmentLimit: 3 * time.Second, PartTarget: 210 * time.Millisecond}, Span: time.Minute,
		Video: &doctor.VideoMeasure{TrackMeasure: track(media.Track{Kind: media.Video, Codec: "avc1.640028", Width: 1920, Height: 1080}), FPS: 30, Frames: 500},
		Audio: &doctor.AudioMeasure{TrackMeasure: track(media.Track{Kind: media.Audio, Codec: "mp4a.40.2", SampleRate: 48000, Channels: 2})},
	}
	change(m)
	return doctor.Examine(doctor.Encoder{FlashVer: "FMLE/3.0", Remote: "192.0.2.1:1", Since: time.Now()}, m)
}

// TestDoctorReport: the report has a state for each life of an event, and what is found counts for its health, in getStatus too.
func TestDoctorReport(t *testing.T) {
	p := startMem(t)
	ctx := t.Context()
	must[*api.LiveEvent](t)(p.CreateLiveEvent(ctx, "show", rtmp(), api.WriteOptions{}))
	if r := must[*api.DoctorReport](t)(p.LiveEventDoctor(ctx, "show")); r.State != api.DoctorStopped || r.HealthStatus != "" {
		t.Errorf("stopped: %+v", r)
	}
	_, err := p.LiveEventDoctor(ctx, "other")
	wantError(t, err, 404, "")
	if err := p.StartLiveEvent(ctx, "show"); err != nil {
		t.Fatal(err)
	}
	set := func(st control.EventStatus, r *doctor.Report) {
		p.runtime.mu.Lock()
		p.runtime.status, p.runtime.report = &st, r
		p.runtime.mu.Unlock()
	}
	set(control.EventStatus{}, nil)
	if r := must[*api.DoctorReport](t)(p.LiveEventDoctor(ctx, "show")); r.State != api.DoctorNoEncoder || r.HealthStatus != "Poor" || len(r.HealthDescriptions) != 1 {
		t.Errorf("without an encoder: %+v", r)
	}
	connected := control.EventStatus{Connected: true, Since: time.Now()}
	for name, c := range map[string]struct {
		change func(m *doctor.Measurements)
		state  string
		health string
		codes  []string
	}{
		"healthy":     {func(*doctor.Measurements) {}, api.DoctorMeasured, "Excellent", nil},
		"young":       {func(m *doctor.Measurements) { m.Span = 3 * time.Second }, api.DoctorMeasuring, "Excellent", nil},
		"information": {func(m *doctor.Measurements) { m.Audio.Channels = 1 }, api.DoctorMeasured, "Excellent", []string{"audio-mono"}},
		"warning":     {func(m *doctor.Measurements) { m.Audio.SampleRate = 32000 }, api.DoctorMeasured, "Good", []string{"audio-sample-rate"}},
		"error": {func(m *doctor.Measurements) { m.Audio.SampleRate, m.Stalls, m.Longest = 32000, 1, time.Second }, api.DoctorMeasured, "Poor",
			[]string{"connection-stall", "audio-sample-rate"}},
	} {
		set(connected, examined(c.change))
		r := must[*api.DoctorReport](t)(p.LiveEventDoctor(ctx, "show"))
		var codes []string
		for _, f := range r.Findings {
			codes = append(codes, f.Code)
			if f.Severity != "Information" && !slices.Contains(r.HealthDescriptions, f.Message) {
				t.Errorf("%s: %q is not among the reasons %q", name, f.Message, r.HealthDescriptions)
			}
		}
		if r.State != c.state || r.HealthStatus != c.health || !slices.Equal(codes, c.codes) || r.Encoder.Name != "FMLE/3.0" || len(r.Measurements) == 0 || len(r.Latency.Stages) == 0 {
			t.Errorf("%s: %+v, found %v", name, r, codes)
		}
		if st := must[*api.LiveEventStatusList](t)(p.LiveEventStatus(ctx, "show")).Value[0]; st.HealthStatus != c.health || !slices.Equal(st.HealthDescriptions, r.HealthDescriptions) {
			t.Errorf("%s: getStatus says %s %q", name, st.HealthStatus, st.HealthDescriptions)
		}
	}
}
