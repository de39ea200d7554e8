package locator

import "strings"

// Names of where a token is carried.
const (
	tokenElement = "t"     // first element of a path, before the token
	tokenParam   = "token" // of a query
	authElement  = "auth"  // first element of a question about a token
)

// maxToken bounds a token, in bytes: one signed with RSA of 4096 bits and a dozen claims fits.
const maxToken = 2048

// CutToken takes the token from an escaped path or, when the path has none, from a query. What is left of the path is for
// Parse. A token is of the characters of a JWT; what is not stays where it is, and Parse refuses it.
//
//	/t/<token>/<id>/<name>.ism/…    relative URLs keep the token: players need do nothing
//	/<id>/<name>.ism/…?token=…      the player has to send it with every request
func CutToken(escaped, query string) (token, path string) {
	if rest, ok := strings.CutPrefix(escaped, "/"+tokenElement+"/"); ok {
		if t, after, ok := strings.Cut(rest, "/"); ok && validToken(t) {
			return t, "/" + after
		}
		return "", escaped
	}
	for query != "" {
		var param string
		param, query, _ = strings.Cut(query, "&")
		if name, value, _ := strings.Cut(param, "="); name == tokenParam && validToken(value) {
			return value, escaped
		}
	}
	return "", escaped
}

// WithToken returns a public path that carries a token, if there is one.
func WithToken(path, token string) string {
	if token == "" {
		return path
	}
	return "/" + tokenElement + "/" + token + path
}

// CutAuth returns the ID and the token of a question whether a token lets in. A cache in front of the origin asks it:
//
//	/auth/<id>, /auth/t/<token>/<id>, /auth/<id>?token=…
//
// ok is false when the path is none; id is empty when what stands in its place is no GUID.
func CutAuth(escaped, query string) (id, token string, ok bool) {
	rest, ok := strings.CutPrefix(escaped, "/"+authElement+"/")
	if !ok {
		return "", "", false
	}
	token, rest = CutToken("/"+rest, query)
	id, _ = canonicalID(rest[1:])
	return id, token, true
}

// validToken reports whether a token is of the characters of a JWT (RFC 7515 3.1: three parts in base64url).
func validToken(s string) bool {
	if s == "" || len(s) > maxToken {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '0' && c <= '9', c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '-', c == '_', c == '.':
		default:
			return false
		}
	}
	return true
}
