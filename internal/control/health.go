package control

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"headwater.stream/api"
	"headwater.stream/internal/doctor"
)

// Shares of the declared bit rate that make a stream Excellent and Good (ams-v3 §10.2).
const (
	excellentShare = 0.75
	goodShare      = 0.20
)

// A video track whose key frames are this far apart is Good, and Poor: nobody can begin to watch between them.
const (
	rareKeyFrames = 10 * time.Second
	noKeyFrames   = 30 * time.Second
)

// latest returns the last heartbeat of each track of the present encoder, in the order of Tracks.
func (st *EventStatus) latest() []Heartbeat {
	n := len(st.Tracks)
	if n == 0 || len(st.Beats) < n {
		return nil
	}
	beats := st.Beats[len(st.Beats)-n:]
	if !beats[0].Time.After(st.Since) || !beats[0].Time.Equal(beats[n-1].Time) {
		return nil // of the encoder before
	}
	return beats
}

// recent is for how long a stream event counts for the health: the time between two heartbeats.
const recent = 20 * time.Second

// longGap is the jump of timestamps from which on a stream is Poor.
const longGap = 10 * time.Second

// judge says how a running event is, and why it is not better. report is nil when nothing is measured.
func judge(st *EventStatus, report *doctor.Report, now time.Time) (status string, why []string) {
	if !st.Connected {
		status, why = "Poor", []string{"No encoder is connected."}
		if st.Lost {
			why = append(why, fmt.Sprintf("The input is lost: nothing has come in for %v.", st.Silent.Round(time.Second)))
		}
	} else {
		var found []doctor.Finding
		if report != nil {
			found = report.Findings
		}
		status, why = health(st, found, now)
	}
	for _, a := range st.Alarms {
		status = "Poor"
		why = append(why, fmt.Sprintf("Degraded (%s) since %s: %s cannot be written to the disk: %s", a.Reason, a.Since.UTC().Format(time.RFC3339), a.What, a.Detail))
	}
	return status, why
}

// health judges the input of an event with an encoder, and says what is wrong: "Excellent" has 75 % of the bit rate, no
// warning and no drift, "Good" 20 %, no error and no gap of 10 s (ams-v3 §10.2). What the doctor found counts by its severity.
func health(st *EventStatus, found []doctor.Finding, now time.Time) (status string, why []string) {
	status, why = "Excellent", []string{}
	worse := func(to, format string, args ...any) {
		if status != "Poor" {
			status = to
		}
		why = append(why, fmt.Sprintf(format, args...))
	}
	has := map[doctor.Code]bool{}
	for _, f := range found {
		has[f.Code] = true
		switch {
		case f.Code == doctor.BitrateLow || f.Code == doctor.NoKeyFrame: // judged below, as AMS does
		case f.Severity == doctor.Error:
			worse("Poor", "%s", f.Text)
		case f.Severity == doctor.Warning:
			worse("Good", "%s", f.Text)
		}
	}
	if st.Lost {
		worse("Poor", "Nothing has come in for %v.", st.Silent.Round(time.Second))
	}
	switch {
	case st.NoKeyFrame >= noKeyFrames:
		worse("Poor", "No key frame for %v.", st.NoKeyFrame.Round(time.Second))
	case st.NoKeyFrame >= rareKeyFrames:
		worse("Good", "No key frame for %v.", st.NoKeyFrame.Round(time.Second))
	}
	for _, b := range st.latest() {
		if b.Bitrate > 0 {
			switch share := float64(b.Incoming) / float64(b.Bitrate); {
			case share < goodShare:
				worse("Poor", "The %s track comes in at %d bit/s, declared are %d.", b.Track, b.Incoming, b.Bitrate)
			case share < excellentShare:
				worse("Good", "The %s track comes in at %d bit/s, declared are %d.", b.Track, b.Incoming, b.Bitrate)
			}
		} else if b.Incoming == 0 {
			worse("Poor", "Nothing comes in of the %s track.", b.Track)
		}
		if b.Discontinuities > 0 && !has[doctor.TimestampsJump] {
			worse("Good", "The timestamps of the %s track jumped.", b.Track)
		}
		if b.Overlaps > 0 && !has[doctor.AudioOverlap] {
			worse("Good", "Samples of the %s track overlapped and were dropped.", b.Track)
		}
		if b.Drift > 0 && !has[doctor.TooSlow] && !has[doctor.ClockDrift] {
			worse("Good", "The %s track fell behind by %s s in the last minute.", b.Track, drift(b.Drift))
		}
	}
	for _, e := range st.Events {
		if e.Time.Before(st.Since) || now.Sub(e.Time) > recent || e.Type == "InvalidConnection" { // which is not this encoder's
			continue
		}
		switch {
		case e.Gap >= longGap:
			worse("Poor", "The timestamps of the %s track jumped by %v.", e.Track, e.Gap.Round(time.Second))
		case e.Level == "Error":
			worse("Poor", "%s: %s", e.Type, e.Reason)
		case e.Level == "Warning" && len(why) == 0:
			worse("Good", "%s: %s", e.Type, e.Reason)
		}
	}
	return status, why
}

// drift is how a drift is said: in seconds per minute, "n/a" when it is not known.
func drift(d time.Duration) string {
	if d < 0 {
		return "n/a"
	}
	return strconv.FormatFloat(d.Round(100*time.Millisecond).Seconds(), 'f', -1, 64)
}

// interruptions are the times without an encoder that the stream events tell of.
func interruptions(events []StreamEvent) []api.LiveInterruption {
	list := []api.LiveInterruption{}
	var end *StreamEvent
	for i := range events {
		switch e := &events[i]; {
		case e.Type == "EndIngest":
			end = e
		case e.Type == "BeginIngest" && end != nil:
			list = append(list, api.LiveInterruption{Begin: api.NewTime(end.Time), End: api.NewTime(e.Time), Duration: api.FormatDuration(e.Time.Sub(end.Time)), Reason: end.Reason})
			end = nil
		}
	}
	return list
}

// ingestion is the present connection, or the end of the last one.
func ingestion(st *EventStatus) *api.LiveIngestion {
	v := &api.LiveIngestion{IngestInterruptions: interruptions(st.Events)}
	if begin := st.last("BeginIngest"); begin != nil {
		v.StreamName = begin.Stream
	}
	if st.Connected {
		v.Begin, v.Encoder = api.NewTime(st.Since), st.Remote
		return v
	}
	v.End, v.EndReason = api.NewTime(st.Since), "The encoder disconnected."
	if end := st.last("EndIngest"); end != nil {
		v.EndReason = end.Reason
	}
	return v
}

// last returns the newest stream event of a type, nil when there is none.
func (st *EventStatus) last(kind string) *StreamEvent {
	for i := len(st.Events) - 1; i >= 0; i-- {
		if st.Events[i].Type == kind {
			return &st.Events[i]
		}
	}
	return nil
}

// tick is the unit of timestamps in answers: 1/10 000 000 s.
const tick = 100 * time.Nanosecond

func ticks(d time.Duration) string { return strconv.FormatInt(int64(d/tick), 10) }

const timescale = "10000000"

// LiveEventStreamEvents implements api.Service.
func (s *Service) LiveEventStreamEvents(_ context.Context, name string) (*api.StreamEvents, error) {
	e, err := lookup(s, &s.events, name)
	if err != nil {
		return nil, err
	}
	st, _ := s.runtime.EventStatus(e.rec.ID)
	v := &api.StreamEvents{Value: []api.StreamEvent{}, ETag: strconv.Quote(st.Log)}
	for _, x := range st.Events {
		d := api.StreamEventData{StreamName: x.Stream, ResultCode: x.Code, ResultMessage: x.Reason, TrackType: x.Track, FourCC: x.Codec, Bitrate: int32(x.Bitrate)}
		if a, err := netip.ParseAddrPort(x.Remote); err == nil {
			d.RemoteIP, d.RemotePort = a.Addr().String(), strconv.Itoa(int(a.Port()))
		}
		if x.Track != "" {
			d.TrackName = trackName(x.Track, x.Bitrate)
		}
		if x.Gap != 0 || x.At != 0 {
			d.Timestamp, d.DiscontinuityGap, d.Timescale = ticks(x.At), ticks(x.Gap), timescale
		}
		v.Value = append(v.Value, api.StreamEvent{EventType: "StreamEvent/" + x.Type, EventTime: api.NewTime(x.Time), EventLevel: x.Level, Data: d})
	}
	return v, nil
}

// LiveEventHeartbeats implements api.Service.
func (s *Service) LiveEventHeartbeats(_ context.Context, name string) (*api.TrackHeartbeats, error) {
	e, err := lookup(s, &s.events, name)
	if err != nil {
		return nil, err
	}
	st, _ := s.runtime.EventStatus(e.rec.ID)
	v := &api.TrackHeartbeats{Value: []api.TrackEvent{}, ETag: strconv.Quote(st.Log)}
	for _, b := range st.Beats {
		v.Value = append(v.Value, api.TrackEvent{EventType: "TrackEvent/IngestHeartbeat", EventTime: api.NewTime(b.Time), Data: b.wire()})
	}
	return v, nil
}

func (b *Heartbeat) wire() api.TrackEventData {
	// unexpectedBitrate and healthy as ams-v3 §10.1 defines them.
	unexpected := b.Incoming == 0 || b.Bitrate > 0 && (b.Incoming >= 2*b.Bitrate || b.Incoming <= b.Bitrate/2)
	return api.TrackEventData{
		TrackType: b.Track, TrackName: trackName(b.Track, b.Bitrate), Bitrate: int32(b.Bitrate), IncomingBitrate: int32(b.Incoming),
		LastTimestamp: ticks(b.Last), Timescale: timescale, LastFragmentArrivalTime: api.NewTime(b.Arrived),
		OverlapCount: int32(b.Overlaps), DiscontinuityCount: int32(b.Discontinuities), UnexpectedBitrate: unexpected, State: "Running",
		Healthy: !unexpected && b.Overlaps == 0 && b.Discontinuities == 0, IngestDriftValue: drift(b.Drift),
	}
}
