package control

import (
	"cmp"
	"math"
	"net/netip"
	"reflect"
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
		} else {
			d.Ended = append(d.Ended, outputSpec(&o.rec))
		}
	}
	for k, a := range s.assets.rows {
		spec := AssetSpec{ID: a.rec.ID, Name: a.rec.Name, Container: a.rec.Properties.Container, ManifestName: a.rec.ManifestName}
		if a.rec.Deleting {
			p.assets = append(p.assets, k)
			d.Removed = append(d.Removed, spec)
		} else {
			d.Assets = append(d.Assets, spec)
		}
	}
	served := map[string]protocolSet{} // by policy, of which there are few
	for _, l := range s.locators.rows {
		d.Locators = append(d.Locators, s.locatorSpec(&l.rec, served))
	}
	for _, f := range s.filters.rows {
		spec := FilterSpec{Name: f.rec.Name, Properties: f.rec.Properties}
		if f.rec.Asset != "" {
			a := s.assets.find(f.rec.Asset)
			if a == nil {
				continue // it goes with its asset
			}
			spec.AssetID = a.rec.ID
		}
		d.Filters = append(d.Filters, spec)
	}
	for _, w := range s.webhooks.rows {
		d.Webhooks = append(d.Webhooks, webhookSpec(&w.rec))
	}
	for k, e := range s.endpoints.rows {
		if e.rec.Operation != "" {
			p.endpoints = append(p.endpoints, k)
		}
		if runs(e.rec.State) {
			d.addEndpoint(&e.rec.Properties)
		}
	}
	// In one order, so that two plans can be compared.
	slices.SortFunc(d.Events, func(a, b EventSpec) int { return strings.Compare(a.ID, b.ID) })
	slices.SortFunc(d.Outputs, func(a, b OutputSpec) int { return strings.Compare(a.ID, b.ID) })
	slices.SortFunc(d.Ended, func(a, b OutputSpec) int { return strings.Compare(a.ID, b.ID) })
	slices.SortFunc(d.Assets, func(a, b AssetSpec) int { return strings.Compare(a.ID, b.ID) })
	slices.SortFunc(d.Removed, func(a, b AssetSpec) int { return strings.Compare(a.ID, b.ID) })
	slices.SortFunc(d.Locators, func(a, b LocatorSpec) int { return strings.Compare(a.ID, b.ID) })
	slices.SortFunc(d.Webhooks, func(a, b WebhookSpec) int { return strings.Compare(a.ID, b.ID) })
	slices.SortFunc(d.Filters, func(a, b FilterSpec) int {
		return cmp.Or(strings.Compare(a.AssetID, b.AssetID), strings.Compare(a.Name, b.Name))
	})
	return d, p
}

// addEndpoint adds what one more running endpoint lets through.
func (d *Desired) addEndpoint(p *api.StreamingEndpointProperties) {
	allow := AllowList(nil)
	if p.AccessControl != nil {
		allow = allowList(p.AccessControl.IP)
	}
	switch {
	case !d.EndpointRunning:
		d.ViewerAllow = allow
	case allow == nil:
		d.ViewerAllow = nil
	case d.ViewerAllow != nil:
		d.ViewerAllow = append(slices.Clip(d.ViewerAllow), allow...)
	}
	d.EndpointRunning = true
	slices.SortFunc(d.ViewerAllow, netip.Prefix.Compare)
	if p.MaxCacheAge != nil && *p.MaxCacheAge > 0 {
		const most = int64(math.MaxInt64 / time.Second)
		age := time.Duration(min(int64(*p.MaxCacheAge), most)) * time.Second
		if d.MaxCacheAge == 0 || age < d.MaxCacheAge {
			d.MaxCacheAge = age
		}
	}
}

// allowList reads a stored allow list, which was checked when it was stored.
func allowList(ip *api.IPAccessControl) AllowList {
	if ip == nil || ip.Allow == nil {
		return nil
	}
	list := AllowList{}
	for _, r := range ip.Allow {
		if p, err := parseRange(r); err == nil {
			list = append(list, p)
		}
	}
	return list
}

func (d *Desired) equal(o *Desired) bool {
	sameEvent := func(a, b EventSpec) bool { return reflect.DeepEqual(a, b) }
	return d.EndpointRunning == o.EndpointRunning && d.MaxCacheAge == o.MaxCacheAge && reflect.DeepEqual(d.ViewerAllow, o.ViewerAllow) &&
		slices.Equal(d.Outputs, o.Outputs) && slices.Equal(d.Ended, o.Ended) && slices.Equal(d.Assets, o.Assets) && slices.Equal(d.Removed, o.Removed) && slices.EqualFunc(d.Locators, o.Locators, LocatorSpec.equal) &&
		reflect.DeepEqual(d.Filters, o.Filters) && slices.EqualFunc(d.Webhooks, o.Webhooks, WebhookSpec.equal) && slices.EqualFunc(d.Events, o.Events, sameEvent)
}

func (l LocatorSpec) equal(o LocatorSpec) bool {
	return l.ID == o.ID && l.AssetID == o.AssetID && l.StartTime.Equal(o.StartTime) && l.EndTime.Equal(o.EndTime) && l.HLS == o.HLS && l.DASH == o.DASH && l.Download == o.Download && slices.Equal(l.Filters, o.Filters) && l.Access.Equal(o.Access)
}

func eventSpec(e *eventRec) EventSpec {
	p := &e.Properties
	var ingest, preview AllowList
	if a := p.Input.AccessControl; a != nil {
		ingest = allowList(a.IP)
	}
	if a := p.Preview.AccessControl; a != nil {
		preview = allowList(a.IP)
	}
	return EventSpec{
		IngestAllow: ingest, PreviewAllow: preview,
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
		SnapTime: int64(p.OutputSnapTime),
	}
}

type protocolSet struct{ hls, dash, download bool }

func (s *Service) locatorSpec(l *locatorRec, served map[string]protocolSet) LocatorSpec {
	spec := LocatorSpec{ID: l.Properties.StreamingLocatorID, AssetID: l.AssetID, Filters: l.Properties.Filters, Access: accessPolicy(&l.Properties)}
	if t := l.Properties.StartTime; t != nil {
		spec.StartTime = t.Time
	}
	if t := l.Properties.EndTime; t != nil && t.Before(api.FarFuture().Time) {
		spec.EndTime = t.Time
	}
	policy := l.Properties.StreamingPolicyName
	set, known := served[policy]
	if !known {
		if p := s.policyByName(policy); p != nil {
			set.hls, set.dash, set.download = protocols(p)
		}
		served[policy] = set
	}
	spec.HLS, spec.DASH, spec.Download = set.hls, set.dash, set.download
	return spec
}

// durationOr reads a stored duration, which was checked when it was stored.
func durationOr(text string, otherwise time.Duration) time.Duration {
	if d, err := api.ParseDuration(text); err == nil {
		return d
	}
	return otherwise
}
