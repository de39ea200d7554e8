package control

import (
	"context"
	"errors"
	"slices"

	"headwater.stream/api"
	"headwater.stream/internal/access"
)

// prepareAccess checks who may watch the locator with that ID and returns what is to be stored; nil: everybody.
func prepareAccess(target string, a *api.LocatorAccess, locatorID string) (*api.LocatorAccess, error) {
	if a == nil || a.TokenRestriction == nil {
		return nil, nil
	}
	r := *a.TokenRestriction
	if _, err := access.New(&r, locatorID); err != nil {
		field := new(access.FieldError)
		if !errors.As(err, &field) {
			return nil, err
		}
		return nil, bad(target+".tokenRestriction."+field.Field, "'%s' %s.", field.Field, field.Reason)
	}
	return &api.LocatorAccess{TokenRestriction: &r}, nil
}

// accessWire is what answers say: everything but the keys, of which only the types are told.
func accessWire(a *api.LocatorAccess, locatorID string) *api.LocatorAccess {
	if a == nil {
		return nil
	}
	r := *a.TokenRestriction
	r.RestrictionTokenType = "Jwt"
	if r.Audience == "" {
		r.Audience = locatorID
	}
	primary := keyWire(*r.PrimaryVerificationKey)
	r.PrimaryVerificationKey = &primary
	r.AlternateVerificationKeys = slices.Clone(r.AlternateVerificationKeys)
	for i, k := range r.AlternateVerificationKeys {
		r.AlternateVerificationKeys[i] = keyWire(k)
	}
	return &api.LocatorAccess{TokenRestriction: &r}
}

func keyWire(k api.VerificationKey) api.VerificationKey {
	return api.VerificationKey{ODataType: k.ODataType}
}

// accessPolicy returns what a stored locator requires. What was checked when it was stored and cannot be read now lets
// nobody in.
func accessPolicy(p *api.StreamingLocatorProperties) *access.Policy {
	if p.Access == nil || p.Access.TokenRestriction == nil {
		return nil
	}
	policy, err := access.New(p.Access.TokenRestriction, p.StreamingLocatorID)
	if err != nil {
		return &access.Policy{}
	}
	return policy
}

// SetStreamingLocatorAccess implements api.Service. When it returns, the origin holds requests to it.
func (s *Service) SetStreamingLocatorAccess(ctx context.Context, name string, a *api.LocatorAccess, o api.WriteOptions) (*api.StreamingLocator, error) {
	r, err := s.setAccess(ctx, name, a, o)
	if err != nil {
		return nil, err
	}
	s.settle(ctx)
	return s.locatorWire(r), nil
}

func (s *Service) setAccess(ctx context.Context, name string, a *api.LocatorAccess, o api.WriteOptions) (*row[locatorRec], error) {
	x := s.begin()
	defer x.end()
	old := s.locators.find(name)
	if old == nil {
		return nil, api.NotFound(name)
	}
	if err := checkMatch(o, old.etag()); err != nil {
		return nil, err
	}
	rec := old.rec
	var err error
	if rec.Properties.Access, err = prepareAccess("access", a, rec.Properties.StreamingLocatorID); err != nil {
		return nil, err
	}
	s.touch(ctx, &rec.stamp)
	r := put(x, &s.locators, old.key, rec)
	return r, x.commit(ctx)
}
