package control

import (
	"context"
	"errors"
	"slices"
	"strings"

	"headwater.stream/api"
)

const storageAccount = "local" // the one place where assets are kept

func (s *Service) assetWire(r *row[assetRec]) *api.Asset {
	a := &r.rec
	v := &api.Asset{
		Resource: api.Resource{Name: a.Name, ID: s.path(api.Assets, a.Name), Type: "Microsoft.Media/mediaservices/assets",
			SystemData: a.systemData(), ETag: r.etag()},
		Properties: a.Properties,
	}
	p := &v.Properties
	p.AssetID, p.StorageAccountName, p.StorageEncryptionFormat = a.ID, storageAccount, "None"
	p.Created, p.LastModified = api.NewTime(a.Created), api.NewTime(a.Modified)
	return v
}

func isNotFound(err error) bool {
	var e *api.Error
	return errors.As(err, &e) && api.StatusOf(e) == 404
}

// visible: an asset that is being deleted is gone for every caller, but its name and container are not free yet.
func visible(r *row[assetRec]) bool { return r != nil && !r.rec.Deleting }

func (s *Service) asset(name string) (*row[assetRec], error) {
	r, err := lookup(s, &s.assets, name)
	if err != nil {
		return nil, err
	}
	if !visible(r) {
		return nil, api.NotFound(name)
	}
	return r, nil
}

// assetByID finds an asset; the caller has the write lock.
func (s *Service) assetByID(id string) *row[assetRec] {
	for _, a := range s.assets.rows {
		if a.rec.ID == id {
			return a
		}
	}
	return nil
}

// ListAssets implements api.Service.
func (s *Service) ListAssets(_ context.Context, o api.ListOptions) (api.Page[*api.Asset], error) {
	return listRows(s, &s.assets, o, visible, func(r *row[assetRec]) fields {
		f := namedFields(r.rec.stamp)
		f["properties/alternateid"] = text(r.rec.Properties.AlternateID)
		f["properties/assetid"] = text(r.rec.ID)
		f["properties/created"] = instant(r.rec.Created)
		f["properties/lastmodified"] = instant(r.rec.Modified)
		return f
	}, s.assetWire)
}

// GetAsset implements api.Service.
func (s *Service) GetAsset(_ context.Context, name string) (*api.Asset, error) {
	r, err := s.asset(name)
	if err != nil {
		return nil, err
	}
	return s.assetWire(r), nil
}

// PutAsset implements api.Service.
func (s *Service) PutAsset(ctx context.Context, name string, v *api.Asset, o api.WriteOptions) (*api.Asset, bool, error) {
	if err := checkName(name); err != nil {
		return nil, false, err
	}
	if err := prepareAsset(&v.Properties); err != nil {
		return nil, false, err
	}
	r, created, err := s.putAsset(ctx, name, v.Properties, o)
	if err != nil {
		return nil, false, err
	}
	if created {
		s.settle(ctx)
	}
	return s.assetWire(r), created, nil
}

func (s *Service) putAsset(ctx context.Context, name string, p api.AssetProperties, o api.WriteOptions) (*row[assetRec], bool, error) {
	x := s.begin()
	defer x.end()
	old := s.assets.find(name)
	if old != nil && old.rec.Deleting {
		return nil, false, conflict(name, "Try again in a moment.", "The asset '%s' is being deleted.", old.rec.Name)
	}
	if old != nil {
		if err := checkMatch(o, old.etag()); err != nil {
			return nil, false, err
		}
		rec, err := s.changedAsset(ctx, old, p)
		if err != nil {
			return nil, false, err
		}
		r := put(x, &s.assets, old.key, rec)
		return r, false, x.commit(ctx)
	}
	if err := checkMatch(o, ""); err != nil {
		return nil, false, err
	}
	if err := checkQuota(len(s.assets.rows), s.o.Quotas.Assets, "assets"); err != nil {
		return nil, false, err
	}
	rec := assetRec{stamp: s.stamp(ctx, name), Properties: p}
	if p.Container == "" {
		rec.Properties.Container = "asset-" + rec.ID
	}
	for _, a := range s.assets.rows {
		if a.rec.Properties.Container == rec.Properties.Container {
			return nil, false, conflict("properties.container", "Leave it out to have one made.", "The container '%s' is used by another asset.", rec.Properties.Container)
		}
	}
	r := put(x, &s.assets, key(name), rec)
	return r, true, x.commit(ctx)
}

// changedAsset is an asset with other properties; its container stays.
func (s *Service) changedAsset(ctx context.Context, old *row[assetRec], p api.AssetProperties) (assetRec, error) {
	rec := old.rec
	if p.Container == "" {
		p.Container = rec.Properties.Container
	}
	if p.Container != rec.Properties.Container {
		return rec, &api.Error{Code: api.CodeBadRequest, Target: "properties.container", Message: "The container of an asset cannot be changed.", Hint: "Make a new asset."}
	}
	rec.Properties = p
	s.touch(ctx, &rec.stamp)
	return rec, nil
}

func prepareAsset(p *api.AssetProperties) error {
	if len(p.Description) > maxDescription {
		return bad("properties.description", "The description is longer than %d bytes.", maxDescription)
	}
	if len(p.AlternateID) > maxDescription {
		return bad("properties.alternateId", "The alternateId is longer than %d bytes.", maxDescription)
	}
	if c := p.Container; c != "" && (len(c) < 3 || len(c) > 63 || !containerName.MatchString(c)) {
		return bad("properties.container", "'container' may have 3 to 63 lower-case letters, digits and single inner hyphens.")
	}
	if a := p.StorageAccountName; a != "" && !strings.EqualFold(a, storageAccount) {
		return unsupported("properties.storageAccountName", "The storage account '"+a+"' does not exist.", "Leave it out: this server keeps assets in its data directory.")
	}
	p.AssetID, p.StorageAccountName, p.StorageEncryptionFormat, p.Created, p.LastModified = "", "", "", nil, nil
	return nil
}

// UpdateAsset implements api.Service.
func (s *Service) UpdateAsset(ctx context.Context, name string, patch api.Patch, o api.WriteOptions) (*api.Asset, error) {
	x := s.begin()
	defer x.end()
	old := s.assets.find(name)
	if !visible(old) {
		return nil, api.NotFound(name)
	}
	if err := checkMatch(o, old.etag()); err != nil {
		return nil, err
	}
	v, err := merge(&api.Asset{Properties: old.rec.Properties}, patch)
	if err != nil {
		return nil, err
	}
	if err := prepareAsset(&v.Properties); err != nil {
		return nil, err
	}
	rec, err := s.changedAsset(ctx, old, v.Properties)
	if err != nil {
		return nil, err
	}
	r := put(x, &s.assets, old.key, rec)
	if err := x.commit(ctx); err != nil {
		return nil, err
	}
	return s.assetWire(r), nil
}

// DeleteAsset implements api.Service. The asset is gone at once; its name and container are free when its files are.
func (s *Service) DeleteAsset(ctx context.Context, name string, o api.WriteOptions) (bool, error) {
	existed, err := s.markAsset(ctx, name, o)
	if existed && err == nil {
		// The pass that removes the files, and the one that sees it done.
		s.await(ctx, settleWait, func() bool {
			s.mu.RLock()
			defer s.mu.RUnlock()
			r := s.assets.find(name)
			return r == nil || !r.rec.Deleting
		})
	}
	return existed, err
}

func (s *Service) markAsset(ctx context.Context, name string, o api.WriteOptions) (bool, error) {
	x := s.begin()
	defer x.end()
	old := s.assets.find(name)
	if !visible(old) {
		return false, nil
	}
	if err := checkMatch(o, old.etag()); err != nil {
		return false, err
	}
	var users []string
	for _, out := range s.outputs.rows {
		if out.rec.AssetID == old.rec.ID {
			users = append(users, "live output "+out.rec.Event+"/"+out.rec.Name)
		}
	}
	for _, l := range s.locators.rows {
		if l.rec.AssetID == old.rec.ID {
			users = append(users, "streaming locator "+l.rec.Name)
		}
	}
	if len(users) > 0 {
		slices.Sort(users)
		return false, conflict(name, "Delete those first.", "The asset '%s' is in use by: %s.", old.rec.Name, strings.Join(users, ", "))
	}
	s.doom(x, old)
	return true, x.commit(ctx)
}

// AssetStreamingLocators implements api.Service.
func (s *Service) AssetStreamingLocators(_ context.Context, name string) (*api.AssetLocators, error) {
	a, err := s.asset(name)
	if err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	v := &api.AssetLocators{StreamingLocators: []api.AssetLocator{}}
	for _, l := range s.locators.rows {
		if l.rec.AssetID == a.rec.ID {
			p := s.locatorWire(l).Properties
			v.StreamingLocators = append(v.StreamingLocators, api.AssetLocator{Name: l.rec.Name, AssetName: p.AssetName, Created: p.Created, StartTime: p.StartTime,
				EndTime: p.EndTime, StreamingLocatorID: p.StreamingLocatorID, StreamingPolicyName: p.StreamingPolicyName})
		}
	}
	slices.SortFunc(v.StreamingLocators, func(a, b api.AssetLocator) int { return strings.Compare(a.Name, b.Name) })
	return v, nil
}

// AssetContainerSAS implements api.Service: there is no blob storage that a signed URL could open.
func (s *Service) AssetContainerSAS(_ context.Context, name string) error {
	a, err := s.asset(name)
	if err != nil {
		return err
	}
	return unsupported(name, "Signed container URLs are not supported here: the container of this asset is the directory assets/"+a.rec.Properties.Container+" in the server's data directory.",
		"Copy the directory; it plays from any web server once the recording has ended.")
}

// AssetEncryptionKey implements api.Service.
func (s *Service) AssetEncryptionKey(_ context.Context, name string) error {
	if _, err := s.asset(name); err != nil {
		return err
	}
	return unsupported(name, "The asset is not encrypted in storage, so it has no key.", "")
}
