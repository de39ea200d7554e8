package control

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"headwater.stream/api"
)

// accountRec is what can be changed of the account.
type accountRec struct {
	stamp
	Tags map[string]string `json:"tags,omitempty"`
}

const accountKey = "account"

func (s *Service) accountWire() *api.Account {
	s.mu.RLock()
	r := s.account.find(accountKey)
	s.mu.RUnlock()
	v := &api.Account{
		Tracked: api.Tracked{Resource: api.Resource{Name: s.o.Account.Name, ID: s.path(), Type: "Microsoft.Media/mediaservices"}, Location: defaultLocation},
		Properties: api.AccountProperties{
			MediaServiceID: s.o.Account.Subscription, StorageAccounts: []api.StorageAccount{{Type: "Primary"}}, StorageAuthentication: "System",
			Encryption: &api.AccountEncryption{Type: "SystemKey"}, ProvisioningState: api.Succeeded, PublicNetworkAccess: "Enabled",
		},
	}
	if r != nil {
		v.SystemData, v.ETag, v.Tags = r.rec.systemData(), r.etag(), r.rec.Tags
	}
	return v
}

// GetAccount implements api.Service.
func (s *Service) GetAccount(context.Context) (*api.Account, error) { return s.accountWire(), nil }

// PutAccount implements api.Service: the account exists, so it is an update.
func (s *Service) PutAccount(ctx context.Context, v *api.Account, o api.WriteOptions) (*api.Account, error) {
	if v.Location == "" {
		return nil, &api.Error{Code: api.CodeLocationRequired, Target: "location", Message: "The location property is required for this resource.", Hint: `Send "location": "local".`}
	}
	x := s.begin()
	defer x.end()
	return s.changeAccount(ctx, x, v, o)
}

// UpdateAccount implements api.Service.
func (s *Service) UpdateAccount(ctx context.Context, patch api.Patch, o api.WriteOptions) (*api.Account, error) {
	x := s.begin()
	defer x.end()
	now := s.accountWire()
	v, err := merge(&api.Account{Tracked: api.Tracked{Location: now.Location, Tags: now.Tags}, Properties: now.Properties}, patch)
	if err != nil {
		return nil, err
	}
	return s.changeAccount(ctx, x, v, o)
}

// changeAccount stores the tags, which are all that can be changed; the rest may be repeated.
func (s *Service) changeAccount(ctx context.Context, x *tx, v *api.Account, o api.WriteOptions) (*api.Account, error) {
	if err := checkMatch(o, cmp.Or(s.accountWire().ETag, `"0"`)); err != nil {
		return nil, err
	}
	p := v.Properties
	for _, c := range []struct {
		target, hint string
		ok           bool
	}{
		{"properties.storageAccounts", "Leave it out: this server keeps assets in its data directory.", !slices.ContainsFunc(p.StorageAccounts, func(a api.StorageAccount) bool { return a.ID != "" })},
		{"properties.storageAuthentication", "Leave it out, or use System.", p.StorageAuthentication == "" || strings.EqualFold(p.StorageAuthentication, "System")},
		{"properties.encryption", "Leave it out, or use SystemKey; encrypt the disk of the data directory.", p.Encryption == nil || strings.EqualFold(p.Encryption.Type, "SystemKey")},
		{"properties.keyDelivery", "Leave it out: this server does not encrypt, so it delivers no keys.", p.KeyDelivery == nil || p.KeyDelivery.AccessControl == nil || len(p.KeyDelivery.AccessControl.IPAllowList) == 0 &&
			!strings.EqualFold(p.KeyDelivery.AccessControl.DefaultAction, "Deny")},
		{"properties.publicNetworkAccess", "Leave it out; --control-listen says where the API can be reached.", p.PublicNetworkAccess == "" || strings.EqualFold(p.PublicNetworkAccess, "Enabled")},
		{"properties.minimumTlsVersion", "Leave it out: it is TLS 1.2.", p.MinimumTLSVersion == "" || strings.EqualFold(p.MinimumTLSVersion, "Tls12")},
	} {
		if !c.ok {
			return nil, unsupported(c.target, "'"+c.target+"' of the account cannot be changed on this server.", c.hint)
		}
	}
	rec := accountRec{stamp: s.stamp(ctx, s.o.Account.Name)}
	if old := s.account.find(accountKey); old != nil {
		rec = old.rec
		s.touch(ctx, &rec.stamp)
	}
	rec.Tags = maps.Clone(v.Tags)
	put(x, &s.account, accountKey, rec)
	if err := x.commit(ctx); err != nil {
		return nil, err
	}
	return s.accountWire(), nil
}

// RefuseAccountVerb implements api.Service.
func (s *Service) RefuseAccountVerb(_ context.Context, verb string) error {
	name := s.o.Account.Name
	switch verb {
	case "delete":
		return conflict(name, "Stop the server and remove its data directory.", "The account '%s' is the server itself: it cannot be deleted through its API.", name)
	case "syncStorageKeys":
		return unsupported(name, "There are no storage keys: assets are kept in the server's data directory.", "")
	}
	return unsupported(name, "There are no edge policies: this server is not managed by a cloud.", "")
}
