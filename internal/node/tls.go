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
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// TLSSelf is the value of Config.ControlTLS and RTMPTLS that has a certificate made and kept in the data directory.
const TLSSelf = "self"

// Names of the node's own certificate in the data directory; the command line trusts it from there.
const (
	certificateName = "control.crt"
	privateKeyName  = "control.key"
)

// certificateLife is how long a certificate that is made here is valid; it is made anew when less than a tenth is left.
const certificateLife = 2 * 365 * 24 * time.Hour

// listenerTLS returns the TLS configuration of a listener that speaks protocols (ALPN), nil for none. setting is
// Config.ControlTLS or RTMPTLS.
func listenerTLS(what, setting string, cfg Config, now time.Time, protocols ...string) (*tls.Config, error) {
	var cert, key string
	switch {
	case setting == "":
		return nil, nil
	case setting == TLSSelf:
		cert, key = filepath.Join(cfg.DataDir, certificateName), filepath.Join(cfg.DataDir, privateKeyName)
		if err := keepCertificate(cert, key, cfg.PublicHost, now); err != nil {
			return nil, fmt.Errorf("certificate of the %s listener: %w", what, err)
		}
	default:
		var ok bool
		if cert, key, ok = strings.Cut(setting, ","); !ok {
			return nil, fmt.Errorf("%s TLS %q: give %q, or the files CERT,KEY", what, setting, TLSSelf)
		}
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("certificate of the %s listener: %w", what, err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12, NextProtos: protocols}, nil
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
