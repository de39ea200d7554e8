package node

import (
	"maps"

	"headwater.stream/api"
	"headwater.stream/internal/control"
	"headwater.stream/origin"
)

var _ control.Audiences = (*runtime)(nil)

// audience returns the audience of a locator, which outlives changes of it. r.mu is held.
func (r *runtime) audience(locatorID string) *origin.Audience {
	a := r.audiences[locatorID]
	if a == nil {
		a = r.crowd.NewAudience()
		r.audiences[locatorID] = a
	}
	return a
}

// disperse forgets the audiences of locators that are gone. r.mu is held.
func (r *runtime) disperse(d control.Desired) {
	if len(r.audiences) <= len(d.Locators) {
		return
	}
	wanted := map[string]bool{}
	for _, l := range d.Locators {
		wanted[l.ID] = true
	}
	maps.DeleteFunc(r.audiences, func(id string, _ *origin.Audience) bool { return !wanted[id] })
}

// Audience implements control.Audiences.
func (r *runtime) Audience(locatorID string) *api.LocatorAudience {
	l, ok := r.routes.Load().locators[locatorID]
	if !ok {
		return nil
	}
	w := l.audience.Read(r.clock.now())
	return &api.LocatorAudience{
		Viewers: int32(w.Viewers), Requests: api.Int64(w.Requests), Reports: api.Int64(w.Reports), Stalls: api.Int64(w.Stalls),
		Bitrate: api.Int64(w.Bitrate), Throughput: api.Int64(w.Speed), Buffer: api.FormatDuration(w.Buffer), Latency: api.FormatDuration(w.Latency),
	}
}
