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

func (v voice) beat(b control.Heartbeat) {
	if v.journal != nil {
		v.journal.Append(control.BeatNotice(v.event, b))
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
	}
}
