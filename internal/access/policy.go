package access

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"headwater.stream/api"
)

// Limits of what a Policy takes.
const (
	MaxKeys   = 8       // primary and alternate ones: a wrong token is tried with each
	MaxClaims = 16      // required ones
	minSecret = 32      // bytes of a shared secret (RFC 7518 3.2: at least as long as the hash)
	maxKey    = 8 << 10 // characters of a key
	minRSA    = 2048    // bits (RFC 7518 3.3)
	maxRSA    = 8192    // bits: what a wrong token can cost
)

// Why a token does not let in. None of them says anything of the token or the keys.
var (
	ErrMissing = errors.New("no token was given")
	ErrExpired = errors.New("the token has expired")
	ErrEarly   = errors.New("the token is not valid yet")
	ErrInvalid = errors.New("the token is not one that this locator accepts")
)

// The values of @odata.type of a key, and of the restriction.
const (
	typeRestriction = "#Microsoft.Media.ContentKeyPolicyTokenRestriction"
	TypeSymmetric   = "#Microsoft.Media.ContentKeyPolicySymmetricTokenKey"
	TypeRSA         = "#Microsoft.Media.ContentKeyPolicyRsaTokenKey"
	TypeX509        = "#Microsoft.Media.ContentKeyPolicyX509CertificateTokenKey"
)

// Policy is a token restriction ready for use. It is immutable.
type Policy struct {
	id      policyID
	keys    []key
	claims  []api.TokenClaim
	options []jwt.ParserOption
}

type policyID [32]byte

// key is a verification key with the one algorithm it is good for: a token cannot choose to have a public key taken for a
// shared secret.
type key struct {
	algorithm string
	material  any
}

// Equal reports whether two policies require the same. Both may be nil.
func (p *Policy) Equal(o *Policy) bool { return p == o || p != nil && o != nil && p.id == o.id }

// FieldError says what of a restriction is wrong.
type FieldError struct{ Field, Reason string }

// Error implements error.
func (e *FieldError) Error() string { return e.Field + " " + e.Reason }

// New returns the Policy of a restriction; audience is what tokens have to be for when the restriction does not say. An
// error is a *FieldError.
func New(r *api.TokenRestriction, audience string) (*Policy, error) {
	if r.ODataType != "" && r.ODataType != typeRestriction {
		return nil, &FieldError{"@odata.type", "has to be " + typeRestriction}
	}
	if t := r.RestrictionTokenType; t != "" && !strings.EqualFold(t, "Jwt") {
		return nil, &FieldError{"restrictionTokenType", "has to be Jwt: other tokens are not supported"}
	}
	if r.OpenIDConnectDiscoveryDocument != "" {
		return nil, &FieldError{"openIdConnectDiscoveryDocument", "is not supported: give the keys"}
	}
	if r.PrimaryVerificationKey == nil {
		return nil, &FieldError{"primaryVerificationKey", "is required"}
	}
	if len(r.AlternateVerificationKeys) >= MaxKeys {
		return nil, &FieldError{"alternateVerificationKeys", fmt.Sprintf("are more than %d", MaxKeys-1)}
	}
	if len(r.RequiredClaims) > MaxClaims {
		return nil, &FieldError{"requiredClaims", fmt.Sprintf("are more than %d", MaxClaims)}
	}
	p := &Policy{id: identify(r, audience), claims: slices.Clone(r.RequiredClaims)}
	for i, k := range append([]api.VerificationKey{*r.PrimaryVerificationKey}, r.AlternateVerificationKeys...) {
		parsed, err := parseKey(k)
		if err != nil {
			field := "primaryVerificationKey"
			if i > 0 {
				field = fmt.Sprintf("alternateVerificationKeys[%d]", i-1)
			}
			return nil, &FieldError{field, err.Error()}
		}
		p.keys = append(p.keys, parsed)
	}
	if r.Audience != "" {
		audience = r.Audience
	}
	p.options = []jwt.ParserOption{jwt.WithAudience(audience), jwt.WithExpirationRequired(), jwt.WithStrictDecoding()}
	if r.Issuer != "" {
		p.options = append(p.options, jwt.WithIssuer(r.Issuer))
	}
	return p, nil
}

func parseKey(k api.VerificationKey) (key, error) {
	if len(k.KeyValue)+len(k.RawBody)+len(k.Modulus)+len(k.Exponent) > maxKey {
		return key{}, errors.New("is too long")
	}
	switch k.ODataType {
	case TypeSymmetric:
		secret, err := base64.StdEncoding.DecodeString(k.KeyValue)
		if err != nil || len(secret) < minSecret {
			return key{}, fmt.Errorf("needs a keyValue: %d bytes or more in base64", minSecret)
		}
		return key{"HS256", secret}, nil
	case TypeRSA:
		modulus, err := base64.StdEncoding.DecodeString(k.Modulus)
		exponent, err2 := base64.StdEncoding.DecodeString(k.Exponent)
		if err != nil || err2 != nil || len(exponent) > 4 {
			return key{}, errors.New("needs modulus and exponent in base64")
		}
		return publicKey(&rsa.PublicKey{N: new(big.Int).SetBytes(modulus), E: int(new(big.Int).SetBytes(exponent).Int64())})
	case TypeX509:
		der, err := base64.StdEncoding.DecodeString(k.RawBody)
		if err != nil {
			return key{}, errors.New("needs a rawBody: a certificate, DER, in base64")
		}
		if cert, err := x509.ParseCertificate(der); err == nil {
			return publicKey(cert.PublicKey)
		}
		bare, err := x509.ParsePKIXPublicKey(der)
		if err != nil {
			return key{}, errors.New("has a rawBody that is neither a certificate nor a public key in DER")
		}
		return publicKey(bare)
	}
	return key{}, fmt.Errorf("needs an @odata.type: %s, %s or %s", TypeSymmetric, TypeRSA, TypeX509)
}

func publicKey(k any) (key, error) {
	switch k := k.(type) {
	case *rsa.PublicKey:
		if n := k.N.BitLen(); n < minRSA || n > maxRSA || k.E < 3 || k.E&1 == 0 {
			return key{}, fmt.Errorf("has to be an RSA key of %d to %d bits", minRSA, maxRSA)
		}
		return key{"RS256", k}, nil
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P256() {
			return key{"ES256", k}, nil
		}
	}
	return key{}, errors.New("has to be an RSA key or one on the curve P-256")
}

// verify checks a token in full and returns between which times it is good.
func (p *Policy) verify(token string, now time.Time) (validity, error) {
	options := append(slices.Clip(p.options), jwt.WithTimeFunc(func() time.Time { return now }))
	err := error(ErrInvalid)
	for _, k := range p.keys {
		claims := jwt.MapClaims{}
		_, failed := jwt.NewParser(append(slices.Clip(options), jwt.WithValidMethods([]string{k.algorithm}))...).
			ParseWithClaims(token, claims, func(*jwt.Token) (any, error) { return k.material, nil })
		switch {
		case failed == nil && !p.satisfied(claims):
			return validity{}, ErrInvalid
		case failed == nil:
			return validityOf(claims), nil
		case errors.Is(failed, jwt.ErrTokenSignatureInvalid), errors.Is(failed, jwt.ErrTokenMalformed), errors.Is(failed, jwt.ErrTokenUnverifiable):
			continue // perhaps it is signed with another key
		case errors.Is(failed, jwt.ErrTokenInvalidAudience), errors.Is(failed, jwt.ErrTokenInvalidIssuer), errors.Is(failed, jwt.ErrTokenRequiredClaimMissing):
		case errors.Is(failed, jwt.ErrTokenExpired):
			err = ErrExpired
		case errors.Is(failed, jwt.ErrTokenNotValidYet), errors.Is(failed, jwt.ErrTokenUsedBeforeIssued):
			err = ErrEarly
		}
		return validity{}, err
	}
	return validity{}, err
}

// satisfied reports whether the claims that the restriction names are there; one without a value may have any.
func (p *Policy) satisfied(have jwt.MapClaims) bool {
	for _, c := range p.claims {
		v, ok := have[c.ClaimType]
		if !ok || c.ClaimValue != "" && fmt.Sprint(v) != c.ClaimValue {
			return false
		}
	}
	return true
}

func validityOf(claims jwt.MapClaims) validity {
	var v validity
	if t, err := claims.GetExpirationTime(); err == nil && t != nil {
		v.until = t.Time
	}
	if t, err := claims.GetNotBefore(); err == nil && t != nil {
		v.from = t.Time
	}
	return v
}
