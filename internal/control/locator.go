package control

import (
	"context"
	"slices"

	"headwater.stream/api"
	"headwater.stream/locator"
)

func (s *Service) locatorWire(r *row[locatorRec]) *api.StreamingLocator {
	l := &r.rec
	v := &api.StreamingLocator{
		Resource: api.Resource{Name: l.Name, ID: s.path(api.StreamingLocators, l.Name), Type: "Microsoft.Media/mediaservices/streamingLocators",
			SystemData: l.systemData(), ETag: r.etag()},
		Properties: l.Properties,
	}
	p := &v.Properties
	p.Created = api.NewTime(l.Created)
	if p.EndTime == nil {
		far := api.FarFuture()
		p.EndTime = &far
	}
	p.ContentKeys = []api.ContentKey{}
	p.Access = accessWire(p.Access, p.StreamingLocatorID)
	if p.Filters == nil {
		p.Filters = []string{}
	}
	return v
}

// ListStreamingLocators implements api.Service.
func (s *Service) ListStreamingLocators(_ context.Context, o api.ListOptions) (api.Page[*api.StreamingLocator], error) {
	return listRows(s, &s.locators, o, nil, func(r *row[locatorRec]) fields {
		f := namedFields(r.rec.stamp)
		f["properties/created"] = instant(r.rec.Created)
		end := api.FarFuture()
		if t := r.rec.Properties.EndTime; t != nil {
			end = *t
		}
		f["properties/endtime"] = instant(end.Time)
		f["properties/assetname"] = text(r.rec.Properties.AssetName)
		f["properties/streaminglocatorid"] = text(r.rec.Properties.StreamingLocatorID)
		return f
	}, s.locatorWire)
}

// GetStreamingLocator implements api.Service.
func (s *Service) GetStreamingLocator(_ context.Context, name string) (*api.StreamingLocator, error) {
	r, err := lookup(s, &s.locators, name)
	if err != nil {
		return nil, err
	}
	return s.locatorWire(r), nil
}

// CreateStreamingLocator implements api.Service.
func (s *Service) CreateStreamingLocator(ctx context.Context, name string, v *api.StreamingLocator, o api.WriteOptions) (*api.StreamingLocator, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	p := v.Properties
	if err := prepareLocator(&p); err != nil {
		return nil, err
	}
	r, err := s.createLocator(ctx, name, p, o)
	if err != nil {
		return nil, err
	}
	s.settle(ctx)
	return s.locatorWire(r), nil
}

// prepareLocator checks a locator on its own.
func prepareLocator(p *api.StreamingLocatorProperties) (err error) {
	if p.AssetName == "" {
		return bad("properties.assetName", "The property 'assetName' is required.")
	}
	if p.StreamingPolicyName == "" {
		return bad("properties.streamingPolicyName", "The property 'streamingPolicyName' is required.")
	}
	if len(p.ContentKeys) > 0 || p.DefaultContentKeyPolicyName != "" {
		return unsupported("properties.contentKeys", "This server does not encrypt, so a locator has no keys.", "Use Predefined_ClearStreamingOnly and leave content keys out.")
	}
	p.ContentKeys = nil
	if p.StreamingLocatorID == "" {
		p.StreamingLocatorID = newGUID()
	} else if p.StreamingLocatorID, err = parseGUID("properties.streamingLocatorId", p.StreamingLocatorID); err != nil {
		return err
	}
	if p.EndTime != nil && !p.EndTime.Before(api.FarFuture().Time) {
		p.EndTime = nil
	}
	if p.StartTime != nil && p.EndTime != nil && !p.EndTime.After(p.StartTime.Time) {
		return bad("properties.endTime", "'endTime' has to be after 'startTime'.")
	}
	p.Created = nil
	p.Access, err = prepareAccess("properties.access", p.Access, p.StreamingLocatorID)
	return err
}

func (s *Service) createLocator(ctx context.Context, name string, p api.StreamingLocatorProperties, o api.WriteOptions) (*row[locatorRec], error) {
	x := s.begin()
	defer x.end()
	etag := ""
	existing := s.locators.find(name)
	if existing != nil {
		etag = existing.etag()
	}
	if err := checkMatch(o, etag); err != nil {
		return nil, err
	}
	if existing != nil {
		return nil, conflict(name, "A locator cannot be changed, but for who may watch it (setAccess): delete it and make it again.", "The streaming locator '%s' exists.", existing.rec.Name)
	}
	a := s.assets.find(p.AssetName)
	if !visible(a) {
		return nil, &api.Error{Code: api.CodeBadRequest, Target: "properties.assetName", Message: "The asset '" + p.AssetName + "' does not exist.", Hint: "Create the asset first."}
	}
	policy := s.policyByName(p.StreamingPolicyName)
	if policy == nil {
		return nil, &api.Error{Code: api.CodeBadRequest, Target: "properties.streamingPolicyName", Message: "The streaming policy '" + p.StreamingPolicyName + "' does not exist.",
			Hint: "Use Predefined_ClearStreamingOnly."}
	}
	if encrypted(&policy.Properties) {
		return nil, unsupported("properties.streamingPolicyName", "This server does not encrypt: the policy '"+policy.Name+"' is not available.", "Use Predefined_ClearStreamingOnly.")
	}
	if s.publicID(p.StreamingLocatorID) {
		return nil, conflict("properties.streamingLocatorId", "Leave it out to have one made.", "The streamingLocatorId is used by another locator or preview.")
	}
	for _, f := range p.Filters {
		if s.filters.find("", f) == nil && s.filters.find(a.rec.Name, f) == nil {
			return nil, &api.Error{Code: api.CodeBadRequest, Target: "properties.filters", Message: "The filter '" + f + "' does not exist.",
				Hint: "Create it as an account filter or as a filter of the asset first."}
		}
	}
	count := 0
	for _, l := range s.locators.rows {
		if l.rec.AssetID == a.rec.ID {
			count++
		}
	}
	if err := checkQuota(count, s.o.Quotas.LocatorsPerAsset, "streaming locators of one asset"); err != nil {
		return nil, err
	}
	p.AssetName, p.StreamingPolicyName, p.Filters = a.rec.Name, policy.Name, slices.Clone(p.Filters)
	r := put(x, &s.locators, key(name), locatorRec{stamp: s.stamp(ctx, name), Properties: p, AssetID: a.rec.ID})
	return r, x.commit(ctx)
}

// DeleteStreamingLocator implements api.Service. When it returns, the origin answers 404 on the locator's paths.
func (s *Service) DeleteStreamingLocator(ctx context.Context, name string, o api.WriteOptions) (bool, error) {
	existed, err := deleteRow(ctx, s, &s.locators, key(name), o, nil)
	if existed && err == nil {
		s.settle(ctx)
	}
	return existed, err
}

// deleteRow deletes a record that nothing has to be undone for, when check does not object.
func deleteRow[T any](ctx context.Context, s *Service, t *table[T], key string, o api.WriteOptions, check func(*row[T]) error) (bool, error) {
	x := s.begin()
	defer x.end()
	old := t.rows[key]
	if old == nil {
		return false, nil
	}
	if err := checkMatch(o, old.etag()); err != nil {
		return false, err
	}
	if check != nil {
		if err := check(old); err != nil {
			return false, err
		}
	}
	drop(x, t, key)
	return true, x.commit(ctx)
}

// StreamingLocatorPaths implements api.Service. Paths are known as soon as an output was created on the asset, before
// there is media.
func (s *Service) StreamingLocatorPaths(_ context.Context, name string) (*api.Paths, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	l := s.locators.find(name)
	if l == nil {
		return nil, api.NotFound(name)
	}
	v := &api.Paths{StreamingPaths: []api.StreamingPath{}, DownloadPaths: []string{}}
	a := s.assets.find(l.rec.Properties.AssetName)
	policy := s.policyByName(l.rec.Properties.StreamingPolicyName)
	if a == nil || policy == nil || a.rec.ManifestName == "" {
		return v, nil
	}
	id := l.rec.Properties.StreamingLocatorID
	hls, dash, download := protocols(policy)
	if download {
		v.DownloadPaths = append(v.DownloadPaths, locator.DownloadPath(id, a.rec.ManifestName))
	}
	if s.o.Pictures && (hls || dash) {
		v.ThumbnailPaths = locator.PicturePaths(id, a.rec.ManifestName)
	}
	if hls {
		v.StreamingPaths = append(v.StreamingPaths, api.StreamingPath{StreamingProtocol: "Hls", EncryptionScheme: "NoEncryption", Paths: []string{locator.HLSPath(id, a.rec.ManifestName)}})
	}
	if dash {
		v.StreamingPaths = append(v.StreamingPaths, api.StreamingPath{StreamingProtocol: "Dash", EncryptionScheme: "NoEncryption", Paths: []string{locator.DASHPath(id, a.rec.ManifestName)}})
	}
	return v, nil
}

// StreamingLocatorKeys implements api.Service.
func (s *Service) StreamingLocatorKeys(_ context.Context, name string) (*api.ContentKeys, error) {
	if _, err := lookup(s, &s.locators, name); err != nil {
		return nil, err
	}
	return &api.ContentKeys{ContentKeys: []api.ContentKey{}}, nil
}
