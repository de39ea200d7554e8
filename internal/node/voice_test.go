package node

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"headwater.stream/internal/journal"
	"headwater.stream/internal/media"
)

// heard is a journal in memory.
type heard struct {
	mu   sync.Mutex
	list []journal.Event
}

func (h *heard) Append(list ...journal.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.list = append(h.list, list...)
}

// of returns the data of the events of a type, whose AMS or own prefix is left out.
func (h *heard) of(kind string) (all []map[string]any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range h.list {
		if strings.HasSuffix(e.Type, "."+kind) && e.Subject == "liveEvent/e" {
			m := map[string]any{}
			if json.Unmarshal(e.Data, &m) == nil {
				all = append(all, m)
			}
		}
	}
	return all
}

// TestInputEvents: what an encoder does becomes AMS's events with AMS's payloads (ams-v3 §10.1); the heartbeats go on when it
// has gone, and end when the live event is stopped.
func TestInputEvents(t *testing.T) {
	faults(t, func(r *faultRig) {
		h := &heard{}
		r.rt.journal, r.rt.ingest = h, "rtmp://h:1935/live"
		r.rt.events["e"].trail.voice = voice{h, "e", r.rt.ingest}
		ctx, stop := context.WithCancel(context.Background())
		defer stop()
		ended := make(chan struct{})
		go func() { defer close(ended); r.rt.beat(ctx) }()
		s := r.send(publisher{audio: 48000, mutate: both(30_000, 3_600_000, 48000)}, 45*time.Second)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		for kind, want := range map[string]struct {
			n    int
			data map[string]any
		}{
			"LiveEventEncoderConnected":           {1, map[string]any{"ingestUrl": "rtmp://h:1935/live", "streamId": "key", "encoderIp": "192.0.2.1", "encoderPort": "1000"}},
			"LiveEventEncoderDisconnected":        {1, map[string]any{"resultCode": "MPE_CLIENT_TERMINATED_SESSION", "encoderIp": "192.0.2.1"}},
			"LiveEventIncomingStreamReceived":     {2, map[string]any{"trackType": "video", "timescale": "10000000", "duration": "0"}},
			"LiveEventTrackDiscontinuityDetected": {1, map[string]any{"trackType": "video", "timescale": "10000000"}},
			"LiveEventChannelArchiveHeartbeat":    {3, map[string]any{"latencyResultCode": "S_OK"}},
			"LiveEventIncomingStreamsOutOfSync":   {0, nil},
			"LiveEventIngestHeartbeat":            {4, map[string]any{"trackType": "video", "state": "Running", "overlapCount": 0.0, "nonincreasingCount": 0.0, "timescale": "10000000", "ingestDriftValue": "0"}},
		} {
			list := h.of(kind)
			if len(list) != want.n {
				t.Errorf("%d of %s: %v", len(list), kind, list)
				continue
			}
			for k, v := range want.data {
				if list[0][k] != v {
					t.Errorf("%s: %s is %v, not %v", kind, k, list[0][k], v)
				}
			}
		}
		gap, _ := h.of("LiveEventTrackDiscontinuityDetected")[0]["discontinuityGap"].(string)
		if len(gap) != len("35400000000") {
			t.Errorf("the gap of an hour is %q ticks", gap)
		}
		last := h.of("LiveEventIngestHeartbeat")[3]["lastTimestamp"]
		time.Sleep(61 * time.Second)
		synctest.Wait()
		beats := h.of("LiveEventIngestHeartbeat")
		if len(beats) < 8 || len(beats) > 10 {
			t.Errorf("%d heartbeats a minute after the encoder has gone", len(beats))
		}
		if b := beats[len(beats)-1]; b["incomingBitrate"] != 0.0 || b["healthy"] != false || b["unexpectedBitrate"] != true || b["trackType"] != "audio" || b["lastTimestamp"] != last {
			t.Errorf("a heartbeat without an encoder: %v", b)
		}
		if lost := h.of("LiveEventInputLost"); len(lost) != 1 || lost[0]["level"] != "Error" {
			t.Errorf("lost input: %v", lost)
		}
		for _, e := range h.list {
			if strings.Contains(string(e.Data), "token") {
				t.Errorf("%s: %s", e.Type, e.Data)
			}
		}
		r.desired.Events[0].Running = false
		r.apply()
		n := len(h.of("LiveEventIngestHeartbeat"))
		time.Sleep(time.Minute)
		if more := len(h.of("LiveEventIngestHeartbeat")) - n; more != 0 {
			t.Errorf("%d heartbeats of a stopped event", more)
		}
		stop()
		<-ended
	})
}

// TestOutOfSync: tracks whose timestamps are far from each other are told of at each heartbeat, with AMS's names.
func TestOutOfSync(t *testing.T) {
	faults(t, func(r *faultRig) {
		h := &heard{}
		r.rt.events["e"].trail.voice = voice{h, "e", ""}
		ahead := func(_ float64, track int, s *media.Sample) bool {
			if track == 1 {
				s.DTS += 48000 * 3 / 2
			}
			return true
		}
		s := r.send(publisher{audio: 48000, mutate: ahead}, 45*time.Second)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		list := h.of("LiveEventIncomingStreamsOutOfSync")
		if len(list) != 2 {
			t.Fatalf("%v", list)
		}
		if e := list[0]; e["typeOfStreamWithMinLastTimestamp"] != "video" || e["typeOfStreamWithMaxLastTimestamp"] != "audio" || e["timescaleOfMinLastTimestamp"] != "10000000" || e["minLastTimestamp"] == e["maxLastTimestamp"] {
			t.Errorf("%v", e)
		}
	})
}
