package node

import (
	"context"
	"time"

	"headwater.stream/internal/control"
)

// voice tells the event log what happens to the input of a live event.
type voice struct {
	journal control.Journal // nil: nobody is told
	event   string
	ingest  string // URL, without the token
}

func (v voice) happened(e control.StreamEvent) {
	if v.journal != nil {
		v.journal.Append(control.InputNotice(v.event, v.ingest, e))
	}
}

// beats tells of the heartbeats of one moment.
func (v voice) beats(list []control.Heartbeat) {
	if v.journal == nil {
		return
	}
	for _, b := range list {
		v.journal.Append(control.BeatNotice(v.event, b))
	}
	if e, apart := control.SyncNotice(v.event, list); apart {
		v.journal.Append(e)
	}
}

// Heartbeats of an event whose encoder sends nothing.
const (
	lookEvery = time.Second
	quietFor  = 1500 * time.Millisecond // without a sample: else the session takes the heartbeats
)

// beat takes the heartbeats of events to which nothing comes, until ctx ends.
func (r *runtime) beat(ctx context.Context) {
	t := time.NewTicker(lookEvery)
	defer t.Stop()
	for {
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
		now := r.clock.now()
		for _, e := range r.routes.Load().events {
			if heard, _ := e.silence.since(); now.Sub(heard) > quietFor {
				e.trail.quiet(now)
			}
		}
		r.archiveBeat(now)
	}
}

// archiveBeat takes the heartbeats of the recordings of each event.
func (r *runtime) archiveBeat(now time.Time) {
	t := r.routes.Load()
	latency := map[*event]time.Duration{}
	for _, a := range t.assets {
		if lag, o := a.behind(now); o != nil {
			latency[o.event] = max(latency[o.event], lag)
		}
	}
	for _, e := range t.events {
		lag, recorded := latency[e]
		if !recorded || now.Sub(e.archived) < beat || r.journal == nil {
			continue
		}
		e.archived = now
		if edge, ok := e.edge(); ok && lag == 0 {
			lag = max(0, now.Sub(edge)) // all of it is there that is announced
		}
		st := e.status()
		e.trail.read(&st)
		r.journal.Append(control.ArchiveNotice(e.spec.Load().Name, now, lag, latencyCode(&st, now)))
	}
}

// latencyCode says what makes a recording late (ams-v3 §10.1).
func latencyCode(st *control.EventStatus, now time.Time) string {
	if st.NoKeyFrame > 10*time.Second {
		return "MPE_KEY_FRAME_INTERVAL_TOO_LARGE"
	}
	for i := len(st.Events) - 1; i >= 0 && now.Sub(st.Events[i].Time) < beat; i-- {
		if st.Events[i].Type == "Discontinuity" {
			return "MPE_INGEST_DISCONTINUITY"
		}
	}
	return "S_OK"
}
