package control

import (
	"encoding/json"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"headwater.stream/api"
	"headwater.stream/internal/journal"
)

// Journal takes the events of the control plane; an internal/journal.Journal is one.
type Journal interface {
	Append(...journal.Event)
}

// Types of events begin with who named them: AMS (ams-v3 §10.1) or we.
const (
	amsType = "Microsoft.Media."
	ownType = "Headwater."
)

// maxNotice bounds what an event repeats of what somebody wrote.
const maxNotice = 1024

// notice makes an event. Empty strings of data are left out.
func notice(at time.Time, kind, subject string, data map[string]any) journal.Event {
	for k, v := range data {
		if s, ok := v.(string); ok {
			if data[k] = strings.ToValidUTF8(s[:min(len(s), maxNotice)], "\uFFFD"); s == "" {
				delete(data, k)
			}
		}
	}
	body, err := json.Marshal(data)
	if err != nil {
		body = []byte("{}") // strings, numbers and booleans always can be
	}
	return journal.Event{Time: at, Type: kind, Subject: subject, Data: body}
}

// lived tells of what a change makes of a record: nil is one that does not exist. The names of the events are those of the
// states reached.
func (x *tx) lived(old, new any) {
	tell := func(kind, subject, id string, data map[string]any) {
		data["resourceId"] = id
		x.notices = append(x.notices, notice(x.s.o.Now().UTC(), ownType+kind, subject, data))
	}
	switch r := firstOf(new, old).(type) {
	case *eventRec:
		was, known := old.(*eventRec)
		if what := change(!known, new == nil, r.State, func() string { return was.State }); what != "" {
			tell("LiveEvent"+what, "liveEvent/"+r.Name, x.s.path(api.LiveEvents, r.Name), map[string]any{"name": r.Name})
		}
	case *outputRec:
		was, known := old.(*outputRec)
		if what := change(!known, new == nil, r.State, func() string { return was.State }); what != "" {
			tell("LiveOutput"+what, "liveEvent/"+r.Event+"/liveOutput/"+r.Name, x.s.path(api.LiveEvents, r.Event, api.LiveOutputs, r.Name),
				map[string]any{"name": r.Name, "liveEventName": r.Event, "assetName": r.Properties.AssetName})
		}
	case *endpointRec:
		was, known := old.(*endpointRec)
		if what := change(!known, new == nil, r.State, func() string { return was.State }); what != "" {
			tell("StreamingEndpoint"+what, "streamingEndpoint/"+r.Name, x.s.path(api.StreamingEndpoints, r.Name), map[string]any{"name": r.Name})
		}
	case *assetRec:
		was, _ := old.(*assetRec)
		what := ""
		switch {
		case was == nil:
			what = "Created"
		case (new == nil || r.Deleting) && !was.Deleting:
			what = "Deleted"
		case new != nil && was.Ended.IsZero() && !r.Ended.IsZero():
			what = "RecordingEnded"
		default:
			return
		}
		tell("Asset"+what, "asset/"+r.Name, x.s.path(api.Assets, r.Name), map[string]any{"name": r.Name})
	case *locatorRec:
		what := "Updated"
		if old == nil {
			what = "Created"
		} else if new == nil {
			what = "Deleted"
		}
		tell("StreamingLocator"+what, "streamingLocator/"+r.Name, x.s.path(api.StreamingLocators, r.Name), map[string]any{"name": r.Name, "assetName": r.Properties.AssetName})
	case *operationRec:
		was, _ := old.(*operationRec)
		if new == nil || r.Status != api.Failed || was == nil || was.Status == api.Failed {
			return
		}
		tell("OperationFailed", subjectOf(r), x.s.path(append([]string{r.Collection}, r.Target...)...), map[string]any{"operation": r.Verb, "code": r.Code, "message": r.Message})
	}
}

// firstOf returns the first of two that is not nil.
func firstOf(a, b any) any {
	if a != nil {
		return a
	}
	return b
}

// change says what became of a resource with states; "" when nothing that is told.
func change(made, gone bool, state string, was func() string) string {
	switch {
	case gone:
		return "Deleted"
	case made:
		return "Created"
	case state == was():
		return ""
	}
	switch state {
	case api.Running:
		return "Started"
	case api.Stopped:
		return "Stopped"
	case api.StandBy:
		return "StandBy"
	}
	return "" // on the way
}

// subjectOf is what an operation is about: its target is the names of resources inside each other.
func subjectOf(op *operationRec) string {
	kind := "liveEvent/"
	if op.Collection == api.StreamingEndpoints {
		kind = "streamingEndpoint/"
	}
	s := kind + op.Target[0]
	if len(op.Target) > 1 {
		s += "/liveOutput/" + op.Target[1]
	}
	return s
}

// amsTypes are the AMS names of stream events (ams-v3 §10.1); the others have ours.
var amsTypes = map[string]string{
	"BeginIngest": "LiveEventEncoderConnected", "EndIngest": "LiveEventEncoderDisconnected", "FirstChunkReceived": "LiveEventIncomingStreamReceived",
	"ChunkDropped": "LiveEventIncomingDataChunkDropped", "Discontinuity": "LiveEventTrackDiscontinuityDetected", "InvalidConnection": "LiveEventConnectionRejected",
}

// InputNotice is the event for a stream event of a live event; ingest is the URL it is published to, without its token.
// Numbers are strings where AMS has strings.
func InputNotice(event, ingest string, e StreamEvent) journal.Event {
	kind, ams := amsTypes[e.Type]
	data := map[string]any{"resultCode": e.Code, "resultMessage": e.Reason}
	if ams {
		kind = amsType + kind
	} else {
		kind = ownType + "LiveEvent" + e.Type
		data["level"] = e.Level
	}
	if e.Stream != "" || e.Remote != "" {
		data["ingestUrl"], data["streamId"] = ingest, e.Stream
	}
	if a, err := netip.ParseAddrPort(e.Remote); err == nil {
		data["encoderIp"], data["encoderPort"] = a.Addr().Unmap().String(), strconv.Itoa(int(a.Port()))
	}
	if e.Track != "" {
		data["trackType"], data["trackName"], data["bitrate"] = e.Track, trackName(e.Track, e.Bitrate), e.Bitrate
	}
	switch e.Type {
	case "FirstChunkReceived":
		data["timestamp"], data["duration"], data["timescale"] = ticks(e.At), "0", timescale
	case "ChunkDropped":
		data["timestamp"], data["timescale"] = ticks(e.At), timescale
	case "Discontinuity":
		data["previousTimestamp"], data["newTimestamp"], data["discontinuityGap"], data["timescale"] = ticks(e.At), ticks(e.At+e.Gap), ticks(e.Gap), timescale
	}
	return notice(e.Time, kind, "liveEvent/"+event, data)
}

// trackName is how AMS names a track of an ingest.
func trackName(kind string, bitrate int) string { return kind + "_" + strconv.Itoa(bitrate) }

// BeatNotice is the event for a heartbeat of a track of a live event.
func BeatNotice(event string, b Heartbeat) journal.Event {
	d := b.wire()
	return notice(b.Time, amsType+"LiveEventIngestHeartbeat", "liveEvent/"+event, map[string]any{
		"trackType": d.TrackType, "trackName": d.TrackName, "bitrate": d.Bitrate, "incomingBitrate": d.IncomingBitrate, "lastTimestamp": d.LastTimestamp,
		"timescale": d.Timescale, "overlapCount": d.OverlapCount, "discontinuityCount": d.DiscontinuityCount, "nonincreasingCount": d.NonincreasingCount,
		"unexpectedBitrate": d.UnexpectedBitrate, "state": d.State, "healthy": d.Healthy, "lastFragmentArrivalTime": b.Arrived.UTC(), "ingestDriftValue": d.IngestDriftValue,
	})
}

// apart is how far the newest timestamps of two tracks have to be from each other to be told.
const apart = time.Second

// SyncNotice is the event for heartbeats of the same moment whose tracks are out of step; false when they are not. It is a
// warning: playback need not notice (ams-v3 §10.1).
func SyncNotice(event string, beats []Heartbeat) (journal.Event, bool) {
	if len(beats) < 2 {
		return journal.Event{}, false
	}
	first, last := &beats[0], &beats[0]
	for i := range beats {
		b := &beats[i]
		if b.Incoming == 0 {
			return journal.Event{}, false
		}
		if b.Last < first.Last {
			first = b
		}
		if b.Last > last.Last {
			last = b
		}
	}
	return notice(first.Time, amsType+"LiveEventIncomingStreamsOutOfSync", "liveEvent/"+event, map[string]any{
		"minLastTimestamp": ticks(first.Last), "typeOfStreamWithMinLastTimestamp": first.Track, "timescaleOfMinLastTimestamp": timescale,
		"maxLastTimestamp": ticks(last.Last), "typeOfStreamWithMaxLastTimestamp": last.Track, "timescaleOfMaxLastTimestamp": timescale,
	}), last.Last-first.Last > apart
}

// ArchiveNotice is the heartbeat of a live event that is recorded: how far the recordings are behind the clock.
func ArchiveNotice(event string, now time.Time, latency time.Duration, code string) journal.Event {
	return notice(now, amsType+"LiveEventChannelArchiveHeartbeat", "liveEvent/"+event, map[string]any{
		"channelLatencyMs": strconv.FormatInt(latency.Milliseconds(), 10), "latencyResultCode": code,
	})
}
