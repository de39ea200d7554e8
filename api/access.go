package api

import (
	"bytes"
	"encoding/json"
)

// LocatorAccess says who may watch what a streaming locator publishes. It is Headwater's own: AMS restricts the keys of
// encrypted media, by the same shape (ContentKeyPolicyTokenRestriction).
type LocatorAccess struct {
	TokenRestriction *TokenRestriction `json:"tokenRestriction,omitempty"`
}

// UnmarshalJSON implements json.Unmarshaler. Unlike elsewhere unknown members are refused: a restriction that is misspelt must not
// leave the door open.
func (a *LocatorAccess) UnmarshalJSON(b []byte) error {
	type plain LocatorAccess
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	return d.Decode((*plain)(a))
}

// TokenRestriction is what a token (JWT) has to be like. Audience is the locator's streamingLocatorId when it is left out.
type TokenRestriction struct {
	ODataType                      string            `json:"@odata.type,omitempty"`
	Issuer                         string            `json:"issuer,omitempty"`
	Audience                       string            `json:"audience,omitempty"`
	PrimaryVerificationKey         *VerificationKey  `json:"primaryVerificationKey,omitempty"`
	AlternateVerificationKeys      []VerificationKey `json:"alternateVerificationKeys,omitempty"`
	RequiredClaims                 []TokenClaim      `json:"requiredClaims,omitempty"`
	RestrictionTokenType           string            `json:"restrictionTokenType,omitempty"`
	OpenIDConnectDiscoveryDocument string            `json:"openIdConnectDiscoveryDocument,omitempty"` // looked at only to be refused
}

// VerificationKey is a key by which a token is verified; ODataType says which of the other members count. They are never in
// an answer, the type is.
type VerificationKey struct {
	ODataType string `json:"@odata.type,omitempty"`
	KeyValue  string `json:"keyValue,omitempty"` // base64 of a shared secret
	RawBody   string `json:"rawBody,omitempty"`  // base64 of a certificate in DER; also of a bare public key
	Modulus   string `json:"modulus,omitempty"`  // base64, of an RSA key
	Exponent  string `json:"exponent,omitempty"`
}

// TokenClaim is a claim that a token has to have; without a value any will do.
type TokenClaim struct {
	ClaimType  string `json:"claimType,omitempty"`
	ClaimValue string `json:"claimValue,omitempty"`
}
