package api

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"
)

// Principal is the caller of a request.
type Principal struct {
	Name  string
	Roles []Role
}

// Role is a set of rights.
type Role string

// The roles. Everybody may read.
const (
	RoleAdmin     Role = "admin"     // everything
	RoleOperator  Role = "operator"  // live events and outputs
	RolePublisher Role = "publisher" // assets, filters, locators, policies and endpoints
	RoleReader    Role = "reader"    // nothing else
)

// TokenChecker says whose bearer token it is. It must take the same time for every wrong token.
type TokenChecker func(token string) (p Principal, ok bool)

// SingleToken is the checker for one token, which may do everything. An empty token admits nobody.
func SingleToken(token string) TokenChecker {
	want := sha256.Sum256([]byte(token))
	return func(got string) (Principal, bool) {
		// Of equal length whatever was sent, so that the comparison tells nothing, not even the length.
		have := sha256.Sum256([]byte(got))
		if subtle.ConstantTimeCompare(want[:], have[:]) != 1 || token == "" {
			return Principal{}, false
		}
		return Principal{Name: "admin", Roles: []Role{RoleAdmin}}, true
	}
}

// may reports whether p may do what needs role; "" is reading.
func (p Principal) may(role Role) bool {
	for _, r := range p.Roles {
		if r == RoleAdmin || role == "" || r == role {
			return true
		}
	}
	return false
}

type principalKey struct{}

// WithPrincipal returns a context that carries the caller.
func WithPrincipal(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}

// PrincipalFrom returns the caller; without one, the server itself.
func PrincipalFrom(ctx context.Context) Principal {
	if p, ok := ctx.Value(principalKey{}).(Principal); ok {
		return p
	}
	return Principal{Name: "headwater", Roles: []Role{RoleAdmin}}
}

// maxToken bounds the tokens that are looked at: ours have 64 characters, those of directories a few thousand.
const maxToken = 8 << 10

// authenticate looks at nothing of the request but its Authorization header.
func authenticate(r *http.Request, check TokenChecker) (Principal, *Error) {
	headers := r.Header.Values("Authorization")
	if len(headers) == 0 {
		return Principal{}, &Error{Code: CodeAuthenticationFailed, Message: "The request carries no bearer token.",
			Hint: "Send the token of <data-dir>/control.token as 'Authorization: Bearer TOKEN'."}
	}
	scheme, token, _ := strings.Cut(headers[0], " ")
	if len(headers) == 1 && strings.EqualFold(scheme, "Bearer") && len(token) <= maxToken {
		if p, ok := check(strings.TrimSpace(token)); ok {
			return p, nil
		}
	}
	return Principal{}, &Error{Code: CodeInvalidToken, Message: "The bearer token is not valid.",
		Hint: "Send the token of <data-dir>/control.token as 'Authorization: Bearer TOKEN'."}
}
