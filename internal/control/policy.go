package control

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"headwater.stream/api"
)

// builtIn returns the policies that always exist (ams-v3 §6.3). The encrypted ones can be seen, and are refused when a
// locator is to use them.
func builtIn() []*api.StreamingPolicy {
	yes, no := true, false
	clear := func(name string, download, streaming *bool) *api.StreamingPolicy {
		return &api.StreamingPolicy{Resource: api.Resource{Name: name}, Properties: api.StreamingPolicyProperties{
			NoEncryption: &api.NoEncryption{EnabledProtocols: &api.EnabledProtocols{Download: download, DASH: streaming, HLS: streaming, SmoothStreaming: streaming}}}}
	}
	scheme := func(dash, hls, smooth *bool) *api.EncryptedStreaming {
		return &api.EncryptedStreaming{EnabledProtocols: &api.EnabledProtocols{Download: &no, DASH: dash, HLS: hls, SmoothStreaming: smooth}}
	}
	locked := func(name string, p api.StreamingPolicyProperties) *api.StreamingPolicy {
		return &api.StreamingPolicy{Resource: api.Resource{Name: name}, Properties: p}
	}
	return []*api.StreamingPolicy{
		locked("Predefined_ClearKey", api.StreamingPolicyProperties{EnvelopeEncryption: scheme(&yes, &yes, &yes)}),
		clear("Predefined_ClearStreamingOnly", &no, &yes),
		clear("Predefined_DownloadAndClearStreaming", &yes, &yes),
		clear("Predefined_DownloadOnly", &yes, &no),
		locked("Predefined_MultiDrmCencStreaming", api.StreamingPolicyProperties{CommonEncryptionCENC: scheme(&yes, &no, &yes)}),
		locked("Predefined_MultiDrmStreaming", api.StreamingPolicyProperties{CommonEncryptionCENC: scheme(&yes, &no, &yes), CommonEncryptionCBCS: scheme(&no, &yes, &no)}),
	}
}

func findBuiltIn(name string) *api.StreamingPolicy {
	for _, p := range builtIn() {
		if strings.EqualFold(p.Name, name) {
			return p
		}
	}
	return nil
}

// policyByName finds a policy, built in or stored, with no more than name and properties; the caller holds a lock.
func (s *Service) policyByName(name string) *api.StreamingPolicy {
	if p := findBuiltIn(name); p != nil {
		return p
	}
	if r := s.policies.find(name); r != nil {
		return &api.StreamingPolicy{Resource: api.Resource{Name: r.rec.Name}, Properties: r.rec.Properties}
	}
	return nil
}

func encrypted(p *api.StreamingPolicyProperties) bool {
	return p.EnvelopeEncryption != nil || p.CommonEncryptionCENC != nil || p.CommonEncryptionCBCS != nil
}

// protocols says what a policy lets be served in the clear.
func protocols(p *api.StreamingPolicy) (hls, dash, download bool) {
	if p.Properties.NoEncryption == nil || p.Properties.NoEncryption.EnabledProtocols == nil {
		return false, false, false
	}
	on := p.Properties.NoEncryption.EnabledProtocols
	is := func(b *bool) bool { return b != nil && *b }
	return is(on.HLS), is(on.DASH), is(on.Download)
}

func (s *Service) policyWire(r *row[policyRec]) *api.StreamingPolicy {
	v := &api.StreamingPolicy{Resource: s.policyEnvelope(r.rec.Name), Properties: r.rec.Properties}
	v.Properties.Created = api.NewTime(r.rec.Created)
	if !r.rec.Created.Equal(builtInCreated()) {
		v.SystemData, v.ETag = r.rec.systemData(), r.etag()
	}
	return v
}

func (s *Service) policyEnvelope(name string) api.Resource {
	return api.Resource{Name: name, ID: s.path(api.StreamingPolicies, name), Type: "Microsoft.Media/mediaservices/streamingPolicies"}
}

// builtInCreated is the creation date that built-in policies show.
func builtInCreated() time.Time { return time.Date(2018, 7, 1, 0, 0, 0, 0, time.UTC) }

// ListStreamingPolicies implements api.Service.
func (s *Service) ListStreamingPolicies(_ context.Context, o api.ListOptions) (api.Page[*api.StreamingPolicy], error) {
	s.mu.RLock()
	everything := table[policyRec]{rows: maps.Clone(s.policies.rows)}
	s.mu.RUnlock()
	for _, p := range builtIn() {
		everything.rows[key(p.Name)] = &row[policyRec]{key: key(p.Name), rec: policyRec{stamp: stamp{Name: p.Name, Created: builtInCreated()}, Properties: p.Properties}}
	}
	return listRows(s, &everything, o, nil, func(r *row[policyRec]) fields {
		f := namedFields(r.rec.stamp)
		f["properties/created"] = instant(r.rec.Created)
		return f
	}, s.policyWire)
}

// GetStreamingPolicy implements api.Service.
func (s *Service) GetStreamingPolicy(_ context.Context, name string) (*api.StreamingPolicy, error) {
	if p := findBuiltIn(name); p != nil {
		v := &api.StreamingPolicy{Resource: s.policyEnvelope(p.Name), Properties: p.Properties}
		v.Properties.Created = api.NewTime(builtInCreated())
		return v, nil
	}
	r, err := lookup(s, &s.policies, name)
	if err != nil {
		return nil, err
	}
	return s.policyWire(r), nil
}

// CreateStreamingPolicy implements api.Service.
func (s *Service) CreateStreamingPolicy(ctx context.Context, name string, v *api.StreamingPolicy, o api.WriteOptions) (*api.StreamingPolicy, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	p := v.Properties
	if encrypted(&p) || p.DefaultContentKeyPolicyName != "" {
		return nil, unsupported("properties", "This server does not encrypt: a streaming policy can only have 'noEncryption'.", "Protect streams with TLS and access lists.")
	}
	if p.NoEncryption == nil || p.NoEncryption.EnabledProtocols == nil {
		return nil, bad("properties.noEncryption.enabledProtocols", "The property 'noEncryption.enabledProtocols' is required.")
	}
	on := p.NoEncryption.EnabledProtocols
	if slices.Contains([]*bool{on.Download, on.DASH, on.HLS, on.SmoothStreaming}, nil) {
		return nil, bad("properties.noEncryption.enabledProtocols", "All four of 'download', 'dash', 'hls' and 'smoothStreaming' are required.")
	}
	p.Created = nil
	x := s.begin()
	defer x.end()
	existing := s.policyByName(name)
	if existing != nil {
		if o.IfNoneMatch == "*" {
			return nil, checkMatch(o, "exists")
		}
		return nil, conflict(name, "A policy cannot be changed: make one of another name.", "The streaming policy '%s' exists.", existing.Name)
	}
	if err := checkMatch(o, ""); err != nil {
		return nil, err
	}
	if err := checkQuota(len(s.policies.rows), s.o.Quotas.StreamingPolicies, "streaming policies"); err != nil {
		return nil, err
	}
	r := put(x, &s.policies, key(name), policyRec{stamp: s.stamp(ctx, name), Properties: p})
	if err := x.commit(ctx); err != nil {
		return nil, err
	}
	return s.policyWire(r), nil
}

// DeleteStreamingPolicy implements api.Service.
func (s *Service) DeleteStreamingPolicy(ctx context.Context, name string, o api.WriteOptions) (bool, error) {
	if p := findBuiltIn(name); p != nil {
		return false, bad(name, "The streaming policy '%s' is built in and cannot be deleted.", p.Name)
	}
	return deleteRow(ctx, s, &s.policies, key(name), o, func(r *row[policyRec]) error {
		var users []string
		for _, l := range s.locators.rows {
			if strings.EqualFold(l.rec.Properties.StreamingPolicyName, r.rec.Name) {
				users = append(users, l.rec.Name)
			}
		}
		if len(users) > 0 {
			slices.Sort(users)
			return conflict(name, "Delete those first.", "The streaming policy '%s' is in use by the streaming locators: %s.", r.rec.Name, strings.Join(users, ", "))
		}
		return nil
	})
}
