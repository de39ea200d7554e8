package control

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"headwater.stream/api"
)

// tokenRec is an access token. The token itself is not kept: it has 256 random bits, so a plain hash gives nothing away.
type tokenRec struct {
	stamp
	Roles   []api.Role `json:"roles"`
	Expires time.Time  `json:"expires,omitzero"`
	Hash    string     `json:"hash"` // SHA-256, hex
}

func hashToken(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

func (s *Service) tokenWire(r *row[tokenRec]) *api.AccessToken {
	v := &api.AccessToken{
		Resource: api.Resource{Name: r.rec.Name, ID: s.path(api.AccessTokens, r.rec.Name), Type: "Headwater/accessTokens",
			SystemData: r.rec.systemData(), ETag: r.etag()},
		Properties: api.AccessTokenProperties{Roles: r.rec.Roles, Created: api.NewTime(r.rec.Created)},
	}
	if !r.rec.Expires.IsZero() {
		v.Properties.Expires = api.NewTime(r.rec.Expires)
	}
	return v
}

// CheckToken is an api.TokenChecker for the access tokens. It looks at all of them, whichever fits.
func (s *Service) CheckToken(token string) (who api.Principal, ok bool) {
	hash := []byte(hashToken(token))
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, r := range s.tokens.rows {
		valid := r.rec.Expires.IsZero() || s.o.Now().Before(r.rec.Expires)
		if subtle.ConstantTimeCompare(hash, []byte(r.rec.Hash)) == 1 && valid {
			who, ok = api.Principal{Name: r.rec.Name, Roles: r.rec.Roles}, true
		}
	}
	return who, ok
}

// ListAccessTokens implements api.Service.
func (s *Service) ListAccessTokens(_ context.Context, o api.ListOptions) (api.Page[*api.AccessToken], error) {
	return listRows(s, &s.tokens, o, nil, func(r *row[tokenRec]) fields { return namedFields(r.rec.stamp) }, s.tokenWire)
}

// GetAccessToken implements api.Service.
func (s *Service) GetAccessToken(_ context.Context, name string) (*api.AccessToken, error) {
	r, err := lookup(s, &s.tokens, name)
	if err != nil {
		return nil, err
	}
	return s.tokenWire(r), nil
}

// maxTokens bounds what a request without a valid token can cost.
const maxTokens = 1000

// CreateAccessToken implements api.Service.
func (s *Service) CreateAccessToken(ctx context.Context, name string, v *api.AccessToken, o api.WriteOptions) (*api.AccessToken, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	if len(v.Properties.Roles) == 0 {
		return nil, bad("properties.roles", "The property 'roles' is required: some of admin, operator, publisher, reader.")
	}
	var roles []api.Role
	for _, r := range v.Properties.Roles {
		role, err := oneOf("properties.roles", string(r), string(api.RoleAdmin), string(api.RoleOperator), string(api.RolePublisher), string(api.RoleReader))
		if err != nil {
			return nil, err
		}
		if !slices.Contains(roles, api.Role(role)) {
			roles = append(roles, api.Role(role))
		}
	}
	x := s.begin()
	defer x.end()
	etag := ""
	existing := s.tokens.find(name)
	if existing != nil {
		etag = existing.etag()
	}
	if err := checkMatch(o, etag); err != nil {
		return nil, err
	}
	if existing != nil || strings.EqualFold(name, "admin") || strings.EqualFold(name, "headwater") {
		return nil, conflict(name, "Choose another name, or revoke it first.", "The access token '%s' exists.", name)
	}
	if err := checkQuota(len(s.tokens.rows), maxTokens, "access tokens"); err != nil {
		return nil, err
	}
	var raw [32]byte
	rand.Read(raw[:])
	token := hex.EncodeToString(raw[:])
	rec := tokenRec{stamp: s.stamp(ctx, name), Roles: roles, Hash: hashToken(token)}
	if e := v.Properties.Expires; e != nil {
		rec.Expires = e.Time
	}
	r := put(x, &s.tokens, key(name), rec)
	if err := x.commit(ctx); err != nil {
		return nil, err
	}
	made := s.tokenWire(r)
	made.Properties.Token = token
	return made, nil
}

// DeleteAccessToken implements api.Service.
func (s *Service) DeleteAccessToken(ctx context.Context, name string, o api.WriteOptions) (bool, error) {
	return deleteRow(ctx, s, &s.tokens, key(name), o, nil)
}
