package api

import "context"

// AccessTokens is the collection of bearer tokens; it is not in AMS, whose tokens come from a directory.
const AccessTokens = "accessTokens"

// AccessToken lets somebody call the control API. It never changes; revoking it is deleting it.
type AccessToken struct {
	Resource
	Properties AccessTokenProperties `json:"properties"`
}

// AccessTokenProperties are the properties of an access token.
type AccessTokenProperties struct {
	Roles   []Role `json:"roles"`
	Expires *Time  `json:"expires,omitempty"` // absent: never
	Created *Time  `json:"created,omitempty"`
	Token   string `json:"token,omitempty"` // the token itself, only in the answer to its creation
}

// AccessTokenService manages access tokens.
type AccessTokenService interface {
	ListAccessTokens(ctx context.Context, o ListOptions) (Page[*AccessToken], error)
	GetAccessToken(ctx context.Context, name string) (*AccessToken, error)
	CreateAccessToken(ctx context.Context, name string, t *AccessToken, o WriteOptions) (*AccessToken, error)
	DeleteAccessToken(ctx context.Context, name string, o WriteOptions) (existed bool, err error)
}

// AnyToken is the checker that admits whom one of several does.
func AnyToken(checkers ...TokenChecker) TokenChecker {
	return func(token string) (Principal, bool) {
		for _, check := range checkers {
			if p, ok := check(token); ok {
				return p, true
			}
		}
		return Principal{}, false
	}
}

// ListAccessTokens returns all access tokens, without the tokens themselves.
func (c *Client) ListAccessTokens(ctx context.Context) ([]*AccessToken, error) {
	return all[*AccessToken](ctx, c, ListOptions{}, AccessTokens)
}

// CreateAccessToken makes an access token; its answer alone holds the token itself.
func (c *Client) CreateAccessToken(ctx context.Context, name string, t *AccessToken) (*AccessToken, error) {
	return write[AccessToken](ctx, c, "PUT", t, WriteOptions{}, AccessTokens, name)
}

// DeleteAccessToken revokes an access token.
func (c *Client) DeleteAccessToken(ctx context.Context, name string) (bool, error) {
	return c.run(ctx, "DELETE", nil, AccessTokens, name)
}
