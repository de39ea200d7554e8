package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/spf13/cobra"

	"headwater.stream/api"
)

// Types of keys, as AMS calls them.
const (
	symmetricKey   = "#Microsoft.Media.ContentKeyPolicySymmetricTokenKey"
	certificateKey = "#Microsoft.Media.ContentKeyPolicyX509CertificateTokenKey"
)

// accessFlags say who may watch.
type accessFlags struct {
	keys             []string
	issuer, audience string
	file             string
}

func (f *accessFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringSliceVar(&f.keys, "token-key", nil, "viewers need a token by the key in `FILE`: a shared secret in base64 (HS256), or PEM of a certificate or public key (RS256, ES256); repeatable, the first is the primary one")
	cmd.Flags().StringVar(&f.issuer, "token-issuer", "", "`text` the token's issuer has to be")
	cmd.Flags().StringVar(&f.audience, "token-audience", "", "`text` the token has to be for (default: the locator's ID)")
	cmd.Flags().StringVar(&f.file, "access", "", "`FILE` with the property access in JSON, instead of the flags above")
}

// read returns nil when none of the flags was given.
func (f *accessFlags) read() (*api.LocatorAccess, error) {
	if f.file != "" {
		b, err := os.ReadFile(f.file)
		if err != nil {
			return nil, fmt.Errorf("reading the access: %w", err)
		}
		a := &api.LocatorAccess{}
		if err := json.Unmarshal(b, a); err != nil {
			return nil, fmt.Errorf("reading the access from %s: %w", f.file, err)
		}
		if a.TokenRestriction == nil {
			return nil, usageError("--access: there is no tokenRestriction in " + f.file)
		}
		return a, nil
	}
	if len(f.keys) == 0 {
		if f.issuer != "" || f.audience != "" {
			return nil, usageError("--token-issuer and --token-audience need a --token-key")
		}
		return nil, nil
	}
	r := &api.TokenRestriction{Issuer: f.issuer, Audience: f.audience, RestrictionTokenType: "Jwt"}
	for i, name := range f.keys {
		k, err := verificationKey(name)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			r.PrimaryVerificationKey = &k
		} else {
			r.AlternateVerificationKeys = append(r.AlternateVerificationKeys, k)
		}
	}
	return &api.LocatorAccess{TokenRestriction: r}, nil
}

// verificationKey reads a key as the server wants it. A private key is not sent anywhere.
func verificationKey(name string) (api.VerificationKey, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return api.VerificationKey{}, fmt.Errorf("reading the key: %w", err)
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return api.VerificationKey{ODataType: symmetricKey, KeyValue: strings.TrimSpace(string(b))}, nil
	}
	if block.Type != "CERTIFICATE" && block.Type != "PUBLIC KEY" {
		return api.VerificationKey{}, usageError(fmt.Sprintf("--token-key: %s holds a %s; give the certificate or the public key (openssl pkey -pubout)", name, block.Type))
	}
	return api.VerificationKey{ODataType: certificateKey, RawBody: base64.StdEncoding.EncodeToString(block.Bytes)}, nil
}

func (a *app) locatorAccess() *cobra.Command {
	var f accessFlags
	var public bool
	cmd := &cobra.Command{
		Use: "access NAME", Short: "Say who may watch what a locator publishes, from now on",
		Long: `Say who may watch what a locator publishes, from now on: those with a token (--token-key, --access) or everybody (--public).

To change a key without shutting anybody out: give the old and the new one, sign with the new one from then on, and give
the new one alone when the last token by the old one has expired.`,
		Args: cobra.ExactArgs(1),
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&public, "public", false, "everybody, without a token")
	cmd.RunE = a.call(func(cmd *cobra.Command, c *api.Client, args []string) error {
		access, err := f.read()
		if err != nil {
			return err
		}
		if (access == nil) != public {
			return usageError("give --token-key or --access, or --public")
		}
		if access == nil {
			access = &api.LocatorAccess{}
		}
		l, err := c.SetStreamingLocatorAccess(cmd.Context(), args[0], access)
		if err != nil {
			return err
		}
		return a.show(cmd, l, func() error { return printLocator(cmd, l) })
	})
	return cmd
}

// minted is a token and the URLs that carry it.
type minted struct {
	Token   string    `json:"token"`
	Expires time.Time `json:"expires"`
	published
}

func (a *app) locatorToken() *cobra.Command {
	var keyFile, endpoint string
	var expires time.Duration
	cmd := &cobra.Command{
		Use: "token NAME", Short: "Make a token that lets its holder watch what a locator publishes",
		Long: `Make a token that lets its holder watch what a locator publishes, and print the URLs that carry it.

The key stays here: the server does not give keys out. It is one of those the locator was given: the shared secret in base64
(HS256), or the private key in PEM (RS256, ES256). A secret is made with: openssl rand -base64 32`,
		Args: cobra.ExactArgs(1),
	}
	cmd.Flags().StringVar(&keyFile, "key-file", "", "`FILE` with the key to sign with, - for the standard input (required)")
	cmd.Flags().DurationVar(&expires, "expires", time.Hour, "`time` the token is good for")
	cmd.Flags().StringVar(&endpoint, "endpoint", "default", "`name` of the streaming endpoint")
	cmd.RunE = a.call(func(cmd *cobra.Command, c *api.Client, args []string) error {
		if keyFile == "" {
			return usageError("--key-file is required")
		}
		if expires <= 0 {
			return usageError("--expires has to be above zero")
		}
		method, key, err := signingKey(cmd.InOrStdin(), keyFile)
		if err != nil {
			return err
		}
		m, err := mint(cmd.Context(), c, args[0], endpoint, time.Now().Add(expires), method, key)
		if err != nil {
			return err
		}
		return a.show(cmd, m, func() error {
			return pairs(cmd, "Token", m.Token, "Expires", m.Expires.UTC().Format(time.RFC3339), "HLS", m.HLS, "DASH", m.DASH, "Watch", m.Watch)
		})
	})
	return cmd
}

// signingKey reads a key and says what it signs with.
func signingKey(in io.Reader, name string) (jwt.SigningMethod, any, error) {
	b, err := os.ReadFile(name)
	if name == "-" {
		b, err = io.ReadAll(in)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("reading the key: %w", err)
	}
	block, _ := pem.Decode(b)
	if block == nil {
		secret, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(b)))
		if err != nil {
			return nil, nil, usageError("--key-file: neither PEM nor a secret in base64")
		}
		return jwt.SigningMethodHS256, secret, nil
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		key, err = oldPrivateKey(block.Bytes)
	}
	if err != nil {
		return nil, nil, usageError(fmt.Sprintf("--key-file: the %s in it is no private key: %v", block.Type, err))
	}
	switch key := key.(type) {
	case *rsa.PrivateKey:
		return jwt.SigningMethodRS256, key, nil
	case *ecdsa.PrivateKey:
		return jwt.SigningMethodES256, key, nil
	}
	return nil, nil, usageError(fmt.Sprintf("--key-file: a %T does not sign tokens", key))
}

// oldPrivateKey reads a key in the forms from before PKCS 8.
func oldPrivateKey(der []byte) (any, error) {
	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return key, nil
	}
	return x509.ParseECPrivateKey(der)
}

// mint signs a token with all that the locator requires.
func mint(ctx context.Context, c *api.Client, name, endpoint string, until time.Time, method jwt.SigningMethod, key any) (*minted, error) {
	l, err := c.GetStreamingLocator(ctx, name)
	if err != nil {
		return nil, err
	}
	if l.Properties.Access == nil {
		return nil, fmt.Errorf("the locator %s needs no token: see 'headwater locator access'", name)
	}
	r := l.Properties.Access.TokenRestriction
	claims := jwt.MapClaims{}
	for _, required := range r.RequiredClaims {
		claims[required.ClaimType] = required.ClaimValue
	}
	claims["aud"], claims["exp"] = r.Audience, until.Unix()
	if r.Issuer != "" {
		claims["iss"] = r.Issuer
	}
	token, err := jwt.NewWithClaims(method, claims).SignedString(key)
	if err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	urls, err := publishedURLs(ctx, c, name, endpoint, token)
	return &minted{token, until, urls}, err
}
