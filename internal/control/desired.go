package control

import (
	"slices"
	"strings"
	"time"

	"headwater.stream/api"
)

// pending are the operations that a pass of the loop can end, and the assets it can see gone.
type pending struct {
	events    []string // keys
	endpoints []string
	assets    []string
}

// runs reports whether an event in that state admits encoders.
func runs(state string) bool { return state == api.Starting || state == api.Running }

// plan computes what should run from what is stored, and what then comes to an end.
func (s *Service) plan() (Desired, pending) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var d Desired
	var p pending
	for k, e := range s.events.rows {
		if e.rec.Operation != "" {
			p.events = append(p.events, k)
		}
		if e.rec.State != api.Deleting {
			d.Events = append(d.Events, eventSpec(&e.rec))
		}
	}
	for _, o := range s.outputs.rows {
		if o.rec.State != api.Deleting {
			d.Outputs = append(d.Outputs, outputSpec(&o.rec))
		}
	}
	for k, a := range s.assets.rows {
		if a.rec.Deleting {
			p.assets = append(p.assets, k)
			continue
		}
		d.Assets = append(d.Assets, AssetSpec{ID: a.rec.ID, Name: a.rec.Name, Container: a.rec.Properties.Container, ManifestName: a.rec.ManifestName})
	}
	for _, l := range s.locators.rows {
		d.Locators = append(d.Locators, s.locatorSpec(&l.rec))
	}
	for k, e := range s.endpoints.rows {
		if e.rec.Operation != "" {
			p.endpoints = append(p.endpoints, k)
		}
		d.EndpointRunning = d.EndpointRunning || runs(e.rec.State)
	}
	// In one order, so that two plans can be compared.
	slices.SortFunc(d.Events, func(a, b EventSpec) int { return strings.Compare(a.ID, b.ID) })
	slices.SortFunc(d.Outputs, func(a, b OutputSpec) int { return strings.Compare(a.ID, b.ID) })
	slices.SortFunc(d.Assets, func(a, b AssetSpec) int { return strings.Compare(a.ID, b.ID) })
	slices.SortFunc(d.Locators, func(a, b LocatorSpec) int { return strings.Compare(a.ID, b.ID) })
	return d, p
}

func eventSpec(e *eventRec) EventSpec {
	p := &e.Properties
	return EventSpec{
		ID: e.ID, Name: e.Name, Token: p.Input.AccessToken, PreviewID: p.Preview.PreviewLocator, Running: runs(e.State),
		SegmentTarget: durationOr(p.Input.KeyFrameIntervalDuration, defaultSegment),
		Parts:         slices.Contains(p.StreamOptions, "LowLatency") || slices.Contains(p.StreamOptions, lowLatencyV2),
	}
}

func outputSpec(o *outputRec) OutputSpec {
	p := &o.Properties
	return OutputSpec{
		ID: o.ID, Name: o.Event + "/" + o.Name, EventID: o.EventID, AssetID: o.AssetID, ManifestName: p.ManifestName,
		ArchiveWindow: durationOr(p.ArchiveWindowLength, maxArchive), RewindWindow: durationOr(p.RewindWindowLength, 0),
	}
}

func (s *Service) locatorSpec(l *locatorRec) LocatorSpec {
	spec := LocatorSpec{ID: l.Properties.StreamingLocatorID, AssetID: l.AssetID}
	if t := l.Properties.StartTime; t != nil {
		spec.StartTime = t.Time
	}
	if t := l.Properties.EndTime; t != nil && t.Before(api.FarFuture().Time) {
		spec.EndTime = t.Time
	}
	if p := s.policyByName(l.Properties.StreamingPolicyName); p != nil {
		spec.HLS, spec.DASH, _ = protocols(p)
	}
	return spec
}

// durationOr reads a stored duration, which was checked when it was stored.
func durationOr(text string, otherwise time.Duration) time.Duration {
	if d, err := api.ParseDuration(text); err == nil {
		return d
	}
	return otherwise
}
