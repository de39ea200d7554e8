package node

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
)

// Where the certificate of a TLS listener comes from, other than from the files CERT,KEY.
const (
	TLSSelf = "self" // one is made and kept in the data directory
	TLSACME = "acme" // an authority that speaks ACME (RFC 8555) gives one for Config.PublicHost
)

// Names of the node's own certificate in the data directory; the command line trusts it from there.
const (
	certificateName = "control.crt"
	privateKeyName  = "control.key"
)

// acmeDirectory is where in the data directory the account and certificates of ACME are.
const acmeDirectory = "acme"

// certificateLife is how long a certificate that is made here is valid; it is made anew when less than a tenth is left.
const certificateLife = 2 * 365 * 24 * time.Hour

// certificates gives the listeners of a node their TLS configurations.
type certificates struct {
	cfg  Config
	now  time.Time
	acme *autocert.Manager // nil until a listener wants it; shared by all
}

// config returns the TLS configuration of a listener that speaks protocols (ALPN), nil for plain text. from is one of Config's
// fields; listener is for errors.
func (c *certificates) config(listener, from string, protocols ...string) (*tls.Config, error) {
	cfg, err := c.source(from, protocols)
	if err != nil {
		return nil, fmt.Errorf("certificate of the %s listener: %w", listener, err)
	}
	return cfg, nil
}

func (c *certificates) source(from string, protocols []string) (*tls.Config, error) {
	base := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: protocols}
	var cert, key string
	switch from {
	case "":
		return nil, nil
	case TLSACME:
		if net.ParseIP(c.cfg.PublicHost) != nil || !strings.Contains(c.cfg.PublicHost, ".") {
			return nil, fmt.Errorf("ACME gives certificates for host names of the internet, and the public host is %q", c.cfg.PublicHost)
		}
		if c.acme == nil {
			c.acme = &autocert.Manager{
				Prompt: autocert.AcceptTOS, HostPolicy: autocert.HostWhitelist(c.cfg.PublicHost),
				Cache:  autocert.DirCache(filepath.Join(c.cfg.DataDir, acmeDirectory)),
				Client: &acme.Client{DirectoryURL: c.cfg.ACMEDirectory},
			}
		}
		base.GetCertificate = c.fromAuthority
		base.NextProtos = append(protocols[:len(protocols):len(protocols)], acme.ALPNProto) // RFC 8737: the challenge comes to one of them
		return base, nil
	case TLSSelf:
		cert, key = filepath.Join(c.cfg.DataDir, certificateName), filepath.Join(c.cfg.DataDir, privateKeyName)
		if err := keepCertificate(cert, key, c.cfg.PublicHost, c.now); err != nil {
			return nil, err
		}
	default:
		var ok bool
		if cert, key, ok = strings.Cut(from, ","); !ok {
			return nil, fmt.Errorf("%q is none of %q, %q and the files CERT,KEY", from, TLSSelf, TLSACME)
		}
	}
	pair := &keyPair{cert: cert, key: key, log: c.cfg.Log}
	if err := pair.load(); err != nil {
		return nil, err
	}
	base.GetCertificate = pair.get
	return base, nil
}

// fromAuthority implements tls.Config.GetCertificate. What keeps the authority from giving a certificate is for the operator;
// what a stranger asks for is not.
func (c *certificates) fromAuthority(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	pair, err := c.acme.GetCertificate(hello)
	if err != nil && strings.EqualFold(hello.ServerName, c.cfg.PublicHost) {
		c.cfg.Log.Warn("no certificate from the ACME authority", "host", c.cfg.PublicHost, "error", err)
	}
	return pair, err
}

// keyPair is a certificate in files, which is read again when they change, so that a renewal needs no restart.
type keyPair struct {
	cert, key string // paths
	log       *slog.Logger

	mu     sync.Mutex
	loaded *tls.Certificate
	stamp  [2]fileStamp // of the files that were tried last
}

// fileStamp tells that a file is another one than before.
type fileStamp struct {
	modified time.Time
	size     int64
}

func stampOf(path string) (fileStamp, error) {
	i, err := os.Stat(path)
	if err != nil {
		return fileStamp{}, err
	}
	return fileStamp{i.ModTime(), i.Size()}, nil
}

// load reads the files if they are others than those tried last.
func (k *keyPair) load() error {
	cert, err1 := stampOf(k.cert)
	key, err2 := stampOf(k.key)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if stamp := [2]fileStamp{cert, key}; stamp == k.stamp {
		return nil
	} else {
		k.stamp = stamp
	}
	pair, err := tls.LoadX509KeyPair(k.cert, k.key)
	if err != nil {
		return err
	}
	k.loaded = &pair
	return nil
}

// get implements tls.Config.GetCertificate. Files that cannot be read, or do not belong together yet, leave the certificate
// as it was.
func (k *keyPair) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if err := k.load(); err != nil {
		k.log.Warn("the certificate stays as it was", "file", k.cert, "error", err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.loaded, nil
}

// keepCertificate makes a self-signed certificate for host and this machine unless there is one that is still good.
func keepCertificate(cert, key, host string, now time.Time) error {
	if b, err := os.ReadFile(cert); err == nil {
		if p, _ := pem.Decode(b); p != nil {
			if c, err := x509.ParseCertificate(p.Bytes); err == nil && c.NotAfter.Sub(now) > certificateLife/10 && c.VerifyHostname(host) == nil {
				return nil
			}
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return err
	}
	c := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "Headwater"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(certificateLife),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IsCA: true, BasicConstraintsValid: true,
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	if ip := net.ParseIP(host); ip != nil {
		c.IPAddresses = append(c.IPAddresses, ip)
	} else {
		c.DNSNames = append(c.DNSNames, host)
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &private.PublicKey, private)
	if err != nil {
		return err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return err
	}
	if err := writeFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600); err != nil {
		return err
	}
	return writeFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644)
}
