package api

import (
	"context"
	"net/http"
)

// verbDoctor asks for a DoctorReport. It is not in AMS.
const verbDoctor = "getDoctorReport"

// States of a DoctorReport.
const (
	DoctorStopped   = "Stopped"   // the event does not run
	DoctorNoEncoder = "NoEncoder" // it waits for one
	DoctorMeasuring = "Measuring" // for some seconds: what is found counts, what is not may still come
	DoctorMeasured  = "Measured"
)

// DoctorReport is what is measured of the encoder of a live event, and what is wrong with it. Codes are explained in docs/doctor.md.
type DoctorReport struct {
	State              string              `json:"state"`
	HealthStatus       string              `json:"healthStatus,omitempty"` // as in LiveEventStatus
	HealthDescriptions []string            `json:"healthDescriptions"`     // the same; other reasons than findings are among them
	Encoder            *DoctorEncoder      `json:"encoder,omitempty"`
	MeasuredFor        string              `json:"measuredFor,omitempty"` // ISO 8601
	Findings           []DoctorFinding     `json:"findings"`              // the worst first
	Measurements       []DoctorMeasurement `json:"measurements"`
	Latency            *DoctorLatency      `json:"latency,omitempty"`
	LastUpdatedTime    *Time               `json:"lastUpdatedTime,omitempty"`
}

// DoctorEncoder is who sends.
type DoctorEncoder struct {
	Name    string `json:"name,omitempty"` // what it calls itself
	Address string `json:"address,omitempty"`
	Since   *Time  `json:"since,omitempty"`
}

// DoctorFinding is one thing that is wrong, or good to know.
type DoctorFinding struct {
	Code        string  `json:"code"`     // "key-frames-rare"
	Severity    string  `json:"severity"` // Information, Warning, Error
	TrackType   string  `json:"trackType,omitempty"`
	Value       float64 `json:"value"` // what was measured
	Unit        string  `json:"unit,omitempty"`
	Message     string  `json:"message"` // a sentence, with the value in it
	Consequence string  `json:"consequence"`
	OBS         string  `json:"obs"`    // what to change there
	FFmpeg      string  `json:"ffmpeg"` // what to change there
}

// DoctorMeasurement is one thing that is measured.
type DoctorMeasurement struct {
	Name      string  `json:"name"` // "frameRate"
	Label     string  `json:"label"`
	TrackType string  `json:"trackType,omitempty"`
	Value     float64 `json:"value"`
	Unit      string  `json:"unit,omitempty"`
	Text      string  `json:"text"` // for people
}

// DoctorLatency is the way from the encoder to the screen.
type DoctorLatency struct {
	LowLatency      bool           `json:"lowLatency"`                // the event is made for it
	Achievable      bool           `json:"achievable"`                // with this encoder
	Reasons         []string       `json:"reasons"`                   // why not
	ExpectedSeconds float64        `json:"expectedSeconds,omitempty"` // from the encoder to the screen
	Stages          []LatencyStage `json:"stages"`
}

// LatencyStage is one stage of the latency. Times are in milliseconds.
type LatencyStage struct {
	Name    string  `json:"name"` // ingestJitter, reordering, partWait, segmentWait, holdBack, responseTime, players
	Label   string  `json:"label"`
	Source  string  `json:"source"`  // measured, computed, reported
	Samples int32   `json:"samples"` // 0 of what is measured or reported: not known yet
	Typical float64 `json:"typical"` // what players report: on average
	P95     float64 `json:"p95"`     // 0: not known
	Max     float64 `json:"max"`     // 0: not known
}

// DoctorService examines the encoders of live events.
type DoctorService interface {
	LiveEventDoctor(ctx context.Context, name string) (*DoctorReport, error)
}

func (t *routeTable) doctor(s DoctorService) {
	t.in("POST", "/liveEvents/{liveEvent}/"+verbDoctor, "LiveEvents_GetDoctorReport", "", get(s.LiveEventDoctor))
}

// LiveEventDoctor returns what is measured of the encoder of a live event, and what is wrong with it.
func (c *Client) LiveEventDoctor(ctx context.Context, name string) (*DoctorReport, error) {
	return get1[DoctorReport](ctx, c, http.MethodPost, nil, LiveEvents, name, verbDoctor)
}
