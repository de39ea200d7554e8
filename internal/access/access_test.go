package access

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"headwater.stream/api"
)

const audience = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"

var now = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// signer is a key with what a server has to know of it.
type signer struct {
	method  jwt.SigningMethod
	private any
	public  api.VerificationKey
}

func secret(fill byte) signer {
	s := []byte(strings.Repeat(string(fill), 32))
	return signer{jwt.SigningMethodHS256, s, api.VerificationKey{ODataType: TypeSymmetric, KeyValue: base64.StdEncoding.EncodeToString(s)}}
}

func bare(t testing.TB, public any) api.VerificationKey {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return api.VerificationKey{ODataType: TypeX509, RawBody: base64.StdEncoding.EncodeToString(der)}
}

func certified(t testing.TB, private, public any) api.VerificationKey {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	return api.VerificationKey{ODataType: TypeX509, RawBody: base64.StdEncoding.EncodeToString(der)}
}

func rsaSigner(t testing.TB) signer {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return signer{jwt.SigningMethodRS256, k, api.VerificationKey{ODataType: TypeRSA, Modulus: base64.StdEncoding.EncodeToString(k.N.Bytes()),
		Exponent: base64.StdEncoding.EncodeToString(big.NewInt(int64(k.E)).Bytes())}}
}

func ecSigner(t testing.TB) signer {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return signer{jwt.SigningMethodES256, k, bare(t, &k.PublicKey)}
}

func (s signer) sign(t testing.TB, claims jwt.MapClaims) string {
	t.Helper()
	token, err := jwt.NewWithClaims(s.method, claims).SignedString(s.private)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func policy(t testing.TB, r api.TokenRestriction) *Policy {
	t.Helper()
	p, err := New(&r, audience)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// good are the claims of a token that lets in for an hour.
func good() jwt.MapClaims { return jwt.MapClaims{"aud": audience, "exp": now.Add(time.Hour).Unix()} }

func with(name string, value any) jwt.MapClaims {
	c := good()
	c[name] = value
	if value == nil {
		delete(c, name)
	}
	return c
}

// TestCheck: every kind of key lets in, and everything that is wrong keeps out, the first time and the second.
func TestCheck(t *testing.T) {
	hs, other, rs, es := secret('a'), secret('b'), rsaSigner(t), ecSigner(t)
	certs := []api.VerificationKey{bare(t, &rs.private.(*rsa.PrivateKey).PublicKey), certified(t, rs.private, &rs.private.(*rsa.PrivateKey).PublicKey)}
	cert := certified(t, es.private, &es.private.(*ecdsa.PrivateKey).PublicKey)
	// A public key taken for a shared secret: the classic.
	confused := signer{jwt.SigningMethodHS256, mustDecode(certs[0].RawBody), rs.public}
	hs512 := signer{jwt.SigningMethodHS512, hs.private, hs.public}
	unsigned := signer{jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, hs.public}
	key := func(k api.VerificationKey) api.TokenRestriction {
		return api.TokenRestriction{PrimaryVerificationKey: &k}
	}
	strict := key(hs.public)
	strict.Issuer = "https://tickets.example"
	strict.RequiredClaims = []api.TokenClaim{{ClaimType: "plan", ClaimValue: "gold"}, {ClaimType: "sub"}}
	full := with("iss", "https://tickets.example")
	full["plan"], full["sub"] = "gold", "somebody"
	without := func(name string, value any) jwt.MapClaims {
		c := jwt.MapClaims{}
		for k, v := range full {
			c[k] = v
		}
		delete(c, name)
		if value != nil {
			c[name] = value
		}
		return c
	}
	elsewhere := key(hs.public)
	elsewhere.Audience = "urn:all"
	token := hs.sign(t, good())
	for name, c := range map[string]struct {
		r     api.TokenRestriction
		token string
		want  error
	}{
		"HS256":                           {key(hs.public), token, nil},
		"RS256":                           {key(rs.public), rs.sign(t, good()), nil},
		"RS256, bare public key":          {key(certs[0]), rs.sign(t, good()), nil},
		"RS256, certificate":              {key(certs[1]), rs.sign(t, good()), nil},
		"ES256":                           {key(es.public), es.sign(t, good()), nil},
		"ES256, certificate":              {key(cert), es.sign(t, good()), nil},
		"one audience of several":         {key(hs.public), hs.sign(t, with("aud", []string{"x", audience})), nil},
		"valid from now":                  {key(hs.public), hs.sign(t, with("nbf", now.Unix())), nil},
		"issuer and claims":               {strict, hs.sign(t, full), nil},
		"own audience":                    {elsewhere, hs.sign(t, with("aud", "urn:all")), nil},
		"none":                            {key(hs.public), "", ErrMissing},
		"expired":                         {key(hs.public), hs.sign(t, with("exp", now.Unix())), ErrExpired},
		"not yet":                         {key(hs.public), hs.sign(t, with("nbf", now.Add(time.Second).Unix())), ErrEarly},
		"no end":                          {key(hs.public), hs.sign(t, with("exp", nil)), ErrInvalid},
		"an end that is no number":        {key(hs.public), hs.sign(t, with("exp", "tomorrow")), ErrInvalid},
		"for another":                     {key(hs.public), hs.sign(t, with("aud", strings.Replace(audience, "0", "1", 1))), ErrInvalid},
		"for nobody":                      {key(hs.public), hs.sign(t, with("aud", nil)), ErrInvalid},
		"locator's ID, other audience":    {elsewhere, token, ErrInvalid},
		"other secret":                    {key(hs.public), other.sign(t, good()), ErrInvalid},
		"other secret, expired":           {key(hs.public), other.sign(t, with("exp", now.Unix())), ErrInvalid},
		"other algorithm":                 {key(rs.public), es.sign(t, good()), ErrInvalid},
		"public key as a secret":          {key(certs[0]), confused.sign(t, good()), ErrInvalid},
		"HS512":                           {key(hs.public), hs512.sign(t, good()), ErrInvalid},
		"not signed":                      {key(hs.public), unsigned.sign(t, good()), ErrInvalid},
		"signature cut":                   {key(hs.public), token[:len(token)-4], ErrInvalid},
		"claims of another":               {key(hs.public), splice(token, hs.sign(t, with("exp", now.Add(24*time.Hour).Unix()))), ErrInvalid},
		"no token at all":                 {key(hs.public), "x", ErrInvalid},
		"dots":                            {key(hs.public), "..", ErrInvalid},
		"wrong issuer":                    {strict, hs.sign(t, without("iss", "https://other.example")), ErrInvalid},
		"no issuer":                       {strict, hs.sign(t, without("iss", nil)), ErrInvalid},
		"wrong claim":                     {strict, hs.sign(t, without("plan", "tin")), ErrInvalid},
		"no claim":                        {strict, hs.sign(t, without("sub", nil)), ErrInvalid},
		"a policy that could not be read": {api.TokenRestriction{}, token, ErrInvalid},
	} {
		p := &Policy{}
		if c.r.PrimaryVerificationKey != nil {
			p = policy(t, c.r)
		}
		checker := NewChecker()
		for _, time := range []string{"first", "second"} {
			if err := checker.Check(p, c.token, now); !errors.Is(err, c.want) {
				t.Errorf("%s, %s time: %v, want %v", name, time, err, c.want)
			}
		}
		if remembered := len(checker.new); (remembered == 1) != (c.want == nil) {
			t.Errorf("%s: %d remembered", name, remembered)
		}
	}
}

func mustDecode(text string) []byte {
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		panic(err)
	}
	return b
}

// splice takes the claims of one token and the signature of another.
func splice(signature, claims string) string {
	s, c := strings.Split(signature, "."), strings.Split(claims, ".")
	return c[0] + "." + c[1] + "." + s[2]
}

// TestTime: what was found good is not good for ever.
func TestTime(t *testing.T) {
	hs := secret('a')
	p := policy(t, api.TokenRestriction{PrimaryVerificationKey: &hs.public})
	claims := with("nbf", now.Unix())
	token := hs.sign(t, claims)
	c := NewChecker()
	for _, step := range []struct {
		after time.Duration
		want  error
	}{{0, nil}, {time.Hour - time.Second, nil}, {time.Hour, ErrExpired}, {-time.Second, ErrEarly}, {time.Minute, nil}} {
		if err := c.Check(p, token, now.Add(step.after)); !errors.Is(err, step.want) {
			t.Errorf("after %v: %v, want %v", step.after, err, step.want)
		}
	}
}

// TestRotation goes from one key to the next without shutting anybody out, and then the old key is worth nothing.
func TestRotation(t *testing.T) {
	old, next := secret('a'), ecSigner(t)
	c := NewChecker()
	before, after := old.sign(t, good()), next.sign(t, good())
	for _, step := range []struct {
		r             api.TokenRestriction
		byOld, byNext error
	}{
		{api.TokenRestriction{PrimaryVerificationKey: &old.public}, nil, ErrInvalid},
		{api.TokenRestriction{PrimaryVerificationKey: &next.public, AlternateVerificationKeys: []api.VerificationKey{old.public}}, nil, nil},
		{api.TokenRestriction{PrimaryVerificationKey: &next.public}, ErrInvalid, nil},
	} {
		p := policy(t, step.r)
		if err := c.Check(p, before, now); !errors.Is(err, step.byOld) {
			t.Errorf("%d keys, old token: %v, want %v", len(p.keys), err, step.byOld)
		}
		if err := c.Check(p, after, now); !errors.Is(err, step.byNext) {
			t.Errorf("%d keys, new token: %v, want %v", len(p.keys), err, step.byNext)
		}
	}
}

// TestBound: neither wrong tokens nor right ones grow a Checker without end.
func TestBound(t *testing.T) {
	hs, other := secret('a'), secret('b')
	p := policy(t, api.TokenRestriction{PrimaryVerificationKey: &hs.public})
	c := NewChecker()
	for i := range 1000 {
		if err := c.Check(p, other.sign(t, with("sub", fmt.Sprint(i))), now); err == nil {
			t.Fatal("let in")
		}
	}
	if n := len(c.new) + len(c.old); n != 0 {
		t.Errorf("%d wrong tokens are remembered", n)
	}
	for i := range 3*Remembered + 10 {
		c.keep(digest{byte(i), byte(i >> 8), byte(i >> 16)}, validity{})
		if n := len(c.new) + len(c.old); n > 2*Remembered {
			t.Fatalf("%d tokens are remembered", n)
		}
	}
	// One that is used stays.
	used := digest{255, 255}
	c.keep(used, validity{})
	for i := range 5 * Remembered {
		c.keep(digest{byte(i), byte(i >> 8), byte(i >> 16), 1}, validity{})
		if _, ok := c.find(used); !ok {
			t.Fatalf("a token in use was forgotten after %d others", i)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	hs := secret('a').public
	short := api.VerificationKey{ODataType: TypeSymmetric, KeyValue: "c2hvcnQ="}
	small := func() api.VerificationKey {
		n := new(big.Int).Lsh(big.NewInt(1), 1023)
		return api.VerificationKey{ODataType: TypeRSA, Modulus: base64.StdEncoding.EncodeToString(n.Bytes()), Exponent: "AQAB"}
	}()
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	curve := bare(t, &p384.PublicKey)
	untyped := api.VerificationKey{KeyValue: hs.KeyValue}
	for field, r := range map[string]api.TokenRestriction{
		"primaryVerificationKey is required":                 {},
		"primaryVerificationKey needs a keyValue":            {PrimaryVerificationKey: &short},
		"primaryVerificationKey needs an @odata.type":        {PrimaryVerificationKey: &untyped},
		"primaryVerificationKey has to be an RSA key of":     {PrimaryVerificationKey: &small},
		"primaryVerificationKey has to be an RSA key or one": {PrimaryVerificationKey: &curve},
		"primaryVerificationKey has a rawBody that":          {PrimaryVerificationKey: &api.VerificationKey{ODataType: TypeX509, RawBody: "AAAA"}},
		"primaryVerificationKey is too long":                 {PrimaryVerificationKey: &api.VerificationKey{ODataType: TypeX509, RawBody: strings.Repeat("A", maxKey+1)}},
		"alternateVerificationKeys[1] needs a keyValue":      {PrimaryVerificationKey: &hs, AlternateVerificationKeys: []api.VerificationKey{hs, short}},
		"alternateVerificationKeys are more":                 {PrimaryVerificationKey: &hs, AlternateVerificationKeys: make([]api.VerificationKey, MaxKeys)},
		"requiredClaims are more":                            {PrimaryVerificationKey: &hs, RequiredClaims: make([]api.TokenClaim, MaxClaims+1)},
		"restrictionTokenType has to be Jwt":                 {PrimaryVerificationKey: &hs, RestrictionTokenType: "Swt"},
		"openIdConnectDiscoveryDocument is not":              {PrimaryVerificationKey: &hs, OpenIDConnectDiscoveryDocument: "https://login.example"},
		"@odata.type has to be":                              {PrimaryVerificationKey: &hs, ODataType: "#Microsoft.Media.ContentKeyPolicyOpenRestriction"},
	} {
		if _, err := New(&r, audience); err == nil || !strings.HasPrefix(err.Error(), field) {
			t.Errorf("%v, want %s…", err, field)
		}
	}
}

// BenchmarkCheck: what a request costs whose token is remembered, and what one costs whose token is not.
func BenchmarkCheck(b *testing.B) {
	for _, s := range []signer{secret('a'), rsaSigner(b), ecSigner(b)} {
		p := policy(b, api.TokenRestriction{PrimaryVerificationKey: &s.public})
		token := s.sign(b, good())
		b.Run(s.method.Alg()+"/again", func(b *testing.B) {
			c := NewChecker()
			b.ReportAllocs()
			for b.Loop() {
				if err := c.Check(p, token, now); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(s.method.Alg()+"/first", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.verify(token, now); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// FuzzCheck: no text that was not signed with the key lets in, or does harm.
func FuzzCheck(f *testing.F) {
	hs := secret('a')
	p := policy(f, api.TokenRestriction{PrimaryVerificationKey: &hs.public})
	other := secret('b')
	f.Add(other.sign(f, good()))
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Fuzz(func(t *testing.T, token string) {
		if err := NewChecker().Check(p, token, now); err == nil {
			t.Fatalf("%q lets in", token)
		}
	})
}
