package control

import (
	"context"
	"math"
	"time"

	"headwater.stream/api"
	"headwater.stream/internal/doctor"
)

// LiveEventDoctor implements api.Service.
func (s *Service) LiveEventDoctor(_ context.Context, name string) (*api.DoctorReport, error) {
	e, err := lookup(s, &s.events, name)
	if err != nil {
		return nil, err
	}
	v := &api.DoctorReport{State: api.DoctorStopped, HealthDescriptions: []string{}, Findings: []api.DoctorFinding{}, Measurements: []api.DoctorMeasurement{}, LastUpdatedTime: api.NewTime(s.o.Now())}
	if e.rec.State != api.Running {
		return v, nil
	}
	st, _ := s.runtime.EventStatus(e.rec.ID)
	r := s.runtime.Examine(e.rec.ID)
	v.State = api.DoctorNoEncoder
	v.HealthStatus, v.HealthDescriptions = judge(&st, r, s.o.Now())
	if r == nil || !st.Connected {
		return v, nil
	}
	if v.State = api.DoctorMeasuring; r.Settled() {
		v.State = api.DoctorMeasured
	}
	v.Encoder = &api.DoctorEncoder{Name: r.Encoder.Software, Address: r.Encoder.Remote, Since: api.NewTime(r.Encoder.Since)}
	if v.Encoder.Name == "" {
		v.Encoder.Name = r.Encoder.FlashVer
	}
	v.MeasuredFor = api.FormatDuration(r.Span.Round(time.Second))
	for _, f := range r.Findings {
		v.Findings = append(v.Findings, api.DoctorFinding{Code: string(f.Code), Severity: f.Severity.String(), TrackType: doctor.TrackName(f.Track), Value: rounded(f.Value), Unit: f.Unit,
			Message: f.Text, Consequence: f.Consequence, OBS: f.OBS, FFmpeg: f.FFmpeg})
	}
	for _, l := range r.Lines() {
		v.Measurements = append(v.Measurements, api.DoctorMeasurement{Name: l.Name, Label: l.Label, TrackType: doctor.TrackName(l.Track), Value: rounded(l.Value), Unit: l.Unit, Text: l.Text})
	}
	v.Latency = latencyWire(r.Latency)
	return v, nil
}

func latencyWire(l doctor.Latency) *api.DoctorLatency {
	ms := func(d time.Duration) float64 { return rounded(d.Seconds() * 1000) }
	v := &api.DoctorLatency{LowLatency: l.Wanted, Achievable: l.Achievable, Reasons: append([]string{}, l.Reasons...), ExpectedSeconds: rounded(l.Expected.Seconds())}
	for _, s := range l.Stages {
		v.Stages = append(v.Stages, api.LatencyStage{Name: s.Name, Label: s.Label, Source: s.Source, Samples: int32(s.N), Typical: ms(s.Typical), P95: ms(s.P95), Max: ms(s.Max)})
	}
	return v
}

// rounded keeps three decimals: more is noise, and JSON has no number that is none.
func rounded(v float64) float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return 0
	}
	return math.Round(v*1000) / 1000
}
