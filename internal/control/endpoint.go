package control

import (
	"context"
	"maps"
	"slices"
	"strings"

	"headwater.stream/api"
)

const maxScaleUnits = 50

func (s *Service) endpointWire(r *row[endpointRec]) *api.StreamingEndpoint {
	e := &r.rec
	capacity := int32(0)
	if e.Properties.ScaleUnits != nil {
		capacity = *e.Properties.ScaleUnits
	}
	sku := "Standard"
	if capacity > 0 {
		sku = "Premium"
	}
	v := &api.StreamingEndpoint{
		Tracked: api.Tracked{
			Resource: api.Resource{Name: e.Name, ID: s.path(api.StreamingEndpoints, e.Name), Type: "Microsoft.Media/mediaservices/streamingendpoints",
				SystemData: e.systemData(), ETag: r.etag()},
			Location: e.Location, Tags: e.Tags,
		},
		Properties: e.Properties, SKU: &api.EndpointSKU{Name: sku, Capacity: &capacity},
	}
	p := &v.Properties
	p.Scheme, p.HostName = s.host()
	p.ResourceState, p.ProvisioningState = e.State, api.Succeeded
	if !e.Made {
		p.ProvisioningState = api.InProgress
	}
	p.Created, p.LastModified = api.NewTime(e.Created), api.NewTime(e.Modified)
	return v
}

// host returns the scheme and the host name such that scheme://hostName + path works: the host has the port when that is not
// the scheme's (ams-wire §11).
func (s *Service) host() (scheme, hostName string) {
	scheme, hostName, _ = strings.Cut(s.o.OriginBase, "://")
	return scheme, hostName
}

// ListStreamingEndpoints implements api.Service.
func (s *Service) ListStreamingEndpoints(_ context.Context, o api.ListOptions) (api.Page[*api.StreamingEndpoint], error) {
	return listRows(s, &s.endpoints, o, nil, func(r *row[endpointRec]) fields { return namedFields(r.rec.stamp) }, s.endpointWire)
}

// GetStreamingEndpoint implements api.Service.
func (s *Service) GetStreamingEndpoint(_ context.Context, name string) (*api.StreamingEndpoint, error) {
	r, err := lookup(s, &s.endpoints, name)
	if err != nil {
		return nil, err
	}
	return s.endpointWire(r), nil
}

// CreateStreamingEndpoint implements api.Service.
func (s *Service) CreateStreamingEndpoint(ctx context.Context, name string, v *api.StreamingEndpoint, o api.WriteOptions) (*api.StreamingEndpoint, *api.Operation, error) {
	if err := checkHostName(name, maxEndpointName); err != nil {
		return nil, nil, err
	}
	if v.Location == "" {
		return nil, nil, &api.Error{Code: api.CodeLocationRequired, Target: "location", Message: "The location property is required for this resource.", Hint: `Send "location": "local".`}
	}
	p := v.Properties
	if err := prepareEndpoint(&p); err != nil {
		return nil, nil, err
	}
	x := s.begin()
	defer x.end()
	etag := ""
	existing := s.endpoints.find(name)
	if existing != nil {
		etag = existing.etag()
	}
	if err := checkMatch(o, etag); err != nil {
		return nil, nil, err
	}
	if existing != nil {
		return nil, nil, conflict(name, "Change it with PATCH, or delete it first.", "The streaming endpoint '%s' exists.", existing.rec.Name)
	}
	if err := s.checkHostNamesFree(name, p.CustomHostNames); err != nil {
		return nil, nil, err
	}
	if err := checkQuota(len(s.endpoints.rows), s.o.Quotas.StreamingEndpoints, "streaming endpoints"); err != nil {
		return nil, nil, err
	}
	rec := endpointRec{tracked: tracked{stamp: s.stamp(ctx, name), Location: v.Location, Tags: v.Tags}, Properties: p, State: api.Stopped}
	if o.AutoStart {
		rec.State = api.Starting
	}
	op := s.operate(x, verbCreate, api.StreamingEndpoints, name)
	rec.Operation = op.ID
	r := put(x, &s.endpoints, key(name), rec)
	if err := x.commit(ctx); err != nil {
		return nil, nil, err
	}
	return s.endpointWire(r), op.wire(), nil
}

func prepareEndpoint(p *api.StreamingEndpointProperties) error {
	if len(p.Description) > maxDescription {
		return bad("properties.description", "The description is longer than %d bytes.", maxDescription)
	}
	if p.ScaleUnits == nil {
		return bad("properties.scaleUnits", "The property 'scaleUnits' is required.")
	}
	if n := *p.ScaleUnits; n < 0 || n > maxScaleUnits {
		return bad("properties.scaleUnits", "'scaleUnits' has to be between 0 and %d.", maxScaleUnits)
	}
	if p.MaxCacheAge != nil && *p.MaxCacheAge < 0 {
		return bad("properties.maxCacheAge", "'maxCacheAge' cannot be negative.")
	}
	if p.CDNEnabled {
		return unsupported("properties.cdnEnabled", "This server manages no CDN.", "Point your CDN's origin at the endpoint's host name and leave cdnEnabled false.")
	}
	if p.AccessControl != nil {
		if p.AccessControl.Akamai != nil && len(p.AccessControl.Akamai.Keys) > 0 {
			return unsupported("properties.accessControl.akamai", "Akamai signature headers are not checked by this server.", "Use accessControl.ip.")
		}
		if err := checkRanges("properties.accessControl.ip.allow", p.AccessControl.IP); err != nil {
			return err
		}
	}
	for _, h := range p.CustomHostNames {
		if h == "" || len(h) > 253 || strings.Trim(strings.ToLower(h), "abcdefghijklmnopqrstuvwxyz0123456789-.") != "" {
			return bad("properties.customHostNames", "%.80q is not a host name.", h)
		}
	}
	p.HostName, p.ProvisioningState, p.ResourceState, p.FreeTrialEndTime, p.Created, p.LastModified = "", "", "", nil, nil, nil
	return nil
}

// checkHostNamesFree refuses custom host names that another endpoint has ("not shared by two endpoints", ams-v3 §7).
func (s *Service) checkHostNamesFree(endpoint string, names []string) error {
	for _, e := range s.endpoints.rows {
		if strings.EqualFold(e.rec.Name, endpoint) {
			continue
		}
		for _, h := range names {
			if slices.ContainsFunc(e.rec.Properties.CustomHostNames, func(other string) bool { return strings.EqualFold(other, h) }) {
				return conflict("properties.customHostNames", "Take it off there first.", "The host name '%s' belongs to the streaming endpoint '%s'.", h, e.rec.Name)
			}
		}
	}
	return nil
}

// UpdateStreamingEndpoint implements api.Service.
func (s *Service) UpdateStreamingEndpoint(ctx context.Context, name string, patch api.Patch, o api.WriteOptions) (*api.StreamingEndpoint, error) {
	r, err := s.updateEndpoint(ctx, name, patch, o)
	if err != nil {
		return nil, err
	}
	s.settle(ctx)
	return s.endpointWire(r), nil
}

func (s *Service) updateEndpoint(ctx context.Context, name string, patch api.Patch, o api.WriteOptions) (*row[endpointRec], error) {
	x := s.begin()
	defer x.end()
	old := s.endpoints.find(name)
	if old == nil {
		return nil, api.NotFound(name)
	}
	if err := checkMatch(o, old.etag()); err != nil {
		return nil, err
	}
	if err := s.busy("streaming endpoint", old.rec.Name, old.rec.Operation); err != nil {
		return nil, err
	}
	rec := old.rec
	v, err := merge(&api.StreamingEndpoint{Tracked: api.Tracked{Location: rec.Location, Tags: rec.Tags}, Properties: rec.Properties}, patch)
	if err != nil {
		return nil, err
	}
	if v.Location == "" {
		v.Location = rec.Location
	}
	if v.Properties.ScaleUnits == nil {
		v.Properties.ScaleUnits = rec.Properties.ScaleUnits
	}
	if err := prepareEndpoint(&v.Properties); err != nil {
		return nil, err
	}
	if err := s.checkHostNamesFree(rec.Name, v.Properties.CustomHostNames); err != nil {
		return nil, err
	}
	rec.Location, rec.Tags, rec.Properties = v.Location, maps.Clone(v.Tags), v.Properties
	s.touch(ctx, &rec.stamp)
	r := put(x, &s.endpoints, old.key, rec)
	return r, x.commit(ctx)
}

// DeleteStreamingEndpoint implements api.Service.
func (s *Service) DeleteStreamingEndpoint(ctx context.Context, name string, o api.WriteOptions) (*api.Operation, error) {
	op, err := s.transitEndpoint(ctx, name, transition{verbDelete, []string{api.Stopped}, api.Deleting}, func(e *row[endpointRec], _ *endpointRec) error {
		return checkMatch(o, e.etag())
	})
	if isNotFound(err) {
		return nil, nil
	}
	return op, err
}

// StartStreamingEndpoint implements api.Service.
func (s *Service) StartStreamingEndpoint(ctx context.Context, name string) (*api.Operation, error) {
	return s.transitEndpoint(ctx, name, transition{verbStart, []string{api.Stopped}, api.Starting}, nil)
}

// StopStreamingEndpoint implements api.Service.
func (s *Service) StopStreamingEndpoint(ctx context.Context, name string) (*api.Operation, error) {
	return s.transitEndpoint(ctx, name, transition{verbStop, []string{api.Running}, api.Stopping}, nil)
}

// ScaleStreamingEndpoint implements api.Service. The figure is kept; this server uses what the machine has.
func (s *Service) ScaleStreamingEndpoint(ctx context.Context, name string, o api.ScaleOptions) (*api.Operation, error) {
	if o.ScaleUnit == nil || *o.ScaleUnit < 0 || *o.ScaleUnit > maxScaleUnits {
		return nil, bad("scaleUnit", "'scaleUnit' has to be between 0 and %d.", maxScaleUnits)
	}
	return s.transitEndpoint(ctx, name, transition{verbScale, []string{api.Stopped, api.Running}, ""}, func(_ *row[endpointRec], rec *endpointRec) error {
		rec.Properties.ScaleUnits = o.ScaleUnit
		return nil
	})
}

// transitEndpoint begins an operation on an endpoint; with no state to go to, it stays where it is.
func (s *Service) transitEndpoint(ctx context.Context, name string, t transition, change func(*row[endpointRec], *endpointRec) error) (*api.Operation, error) {
	x := s.begin()
	defer x.end()
	e := s.endpoints.find(name)
	if e == nil {
		return nil, api.NotFound(name)
	}
	if err := s.busy("streaming endpoint", e.rec.Name, e.rec.Operation); err != nil {
		return nil, err
	}
	if !slices.Contains(t.from, e.rec.State) {
		return nil, conflict(name, "", "The streaming endpoint '%s' is %s; %s needs it to be %s.", e.rec.Name, e.rec.State, t.verb, strings.Join(t.from, " or "))
	}
	rec := e.rec
	if change != nil {
		if err := change(e, &rec); err != nil {
			return nil, err
		}
	}
	op := s.operate(x, t.verb, api.StreamingEndpoints, rec.Name)
	rec.Operation = op.ID
	if t.to != "" {
		rec.State = t.to
	}
	put(x, &s.endpoints, e.key, rec)
	if err := x.commit(ctx); err != nil {
		return nil, err
	}
	return op.wire(), nil
}

// StreamingEndpointSKUs implements api.Service.
func (s *Service) StreamingEndpointSKUs(_ context.Context, name string) (*api.EndpointSKUs, error) {
	if _, err := lookup(s, &s.endpoints, name); err != nil {
		return nil, err
	}
	const kind = "Microsoft.Media/mediaservices/streamingEndpoints"
	return &api.EndpointSKUs{Value: []api.EndpointSKUInfo{
		{ResourceType: kind, SKU: api.EndpointSKU{Name: "Standard"}, Capacity: api.EndpointCapacity{ScaleType: "None", AllowedValues: []int32{0}}},
		{ResourceType: kind, SKU: api.EndpointSKU{Name: "Premium"}, Capacity: api.EndpointCapacity{ScaleType: "Manual", Default: 1, Minimum: 1, Maximum: maxScaleUnits}},
	}}, nil
}
