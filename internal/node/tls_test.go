package node

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestOriginTLS: viewers get HTTP/2 over TLS; a certificate that is renewed in its files is used from then on, and files
// that are broken meanwhile change nothing.
func TestOriginTLS(t *testing.T) {
	certs := t.TempDir()
	cert, key := filepath.Join(certs, "c"), filepath.Join(certs, "k")
	renew := func() {
		for _, f := range []string{cert, key} {
			if err := os.RemoveAll(f); err != nil {
				t.Fatal(err)
			}
		}
		if err := keepCertificate(cert, key, "media.example.org", time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	renew()
	r := startWith(t, t.TempDir(), Config{OriginTLS: cert + "," + key, PublicHost: "media.example.org"})
	defer r.end()
	if r.ready.Origin[:8] != "https://" {
		t.Errorf("origin %s", r.ready.Origin)
	}
	answers := func() *http.Response { // over a new connection, to this machine under the public name
		t.Helper()
		roots := x509.NewCertPool()
		pem, err := os.ReadFile(filepath.Join(certs, "trusted"))
		if err != nil {
			t.Fatal(err)
		}
		roots.AppendCertsFromPEM(pem)
		c := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "media.example.org"}, ForceAttemptHTTP2: true}
		defer c.CloseIdleConnections()
		resp, err := (&http.Client{Transport: c}).Get("https://127.0.0.1:" + r.ready.Origin[len("https://media.example.org:"):] + "/time")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp
	}
	trust := func() {
		t.Helper()
		pem, err := os.ReadFile(cert)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(certs, "trusted"), pem, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	trust()
	first := answers()
	if first.ProtoMajor != 2 || first.StatusCode != http.StatusOK {
		t.Errorf("%s %s", first.Proto, first.Status)
	}
	renew()
	trust()
	second := answers()
	if first.TLS.PeerCertificates[0].Equal(second.TLS.PeerCertificates[0]) {
		t.Error("the renewed certificate is not used")
	}
	if err := os.WriteFile(cert, []byte("half a certifi"), 0o600); err != nil {
		t.Fatal(err)
	}
	if third := answers(); !second.TLS.PeerCertificates[0].Equal(third.TLS.PeerCertificates[0]) {
		t.Error("a broken file changed the certificate")
	}
}

// TestCertificateSources: what cannot be a certificate is refused at the start, with the reason.
func TestCertificateSources(t *testing.T) {
	for from, host := range map[string]string{
		"nonsense":    "media.example.org",
		"no,files":    "media.example.org",
		TLSACME:       "127.0.0.1",
		TLSACME + "x": "media.example.org",
	} {
		c := &certificates{cfg: Config{DataDir: t.TempDir(), PublicHost: host, Log: slog.Default()}, now: time.Now()}
		if got, err := c.config("origin", from); err == nil || got != nil {
			t.Errorf("%q for %q: no error", from, host)
		}
	}
	c := &certificates{cfg: Config{DataDir: t.TempDir(), PublicHost: "media.example.org", Log: slog.Default()}, now: time.Now()}
	for _, from := range []string{TLSACME, TLSSelf} {
		if got, err := c.config("origin", from); err != nil || got.GetCertificate == nil {
			t.Errorf("%q: %v", from, err)
		}
	}
}
