package e2e

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go/http3"
)

// TestTLS plays a low-latency event over TLS, HTTP/2 in both players of the watch page and HTTP/3 in hls.js, with a token in the path, which
// is in everything that is asked for and in nothing that the server writes.
func TestTLS(t *testing.T) {
	t.Parallel()
	begin(t, 3*time.Minute)
	d := StartDaemon(t, "--origin-tls", "self", "--http3")
	c := NewChannel(t, d, "secure")
	Publish(t, c.Ingest+"/main", "../../testdata/demo.flv", true)
	c.Shows(t, c.Public, 2*time.Second, 30*time.Second)
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte(base64.StdEncoding.EncodeToString(make([]byte, 32))), 0o600); err != nil {
		t.Fatal(err)
	}
	d.CLI(t, "locator", "access", c.Locator, "--token-key", key)
	var ticket struct{ Token string }
	decode(t, d.CLI(t, "locator", "token", c.Locator, "--key-file", key, "--json"), &ticket)
	guarded := d.Origin + "/t/" + ticket.Token + path(c.Public)
	b := NewBrowser(t)
	for _, manifest := range []string{HLS(guarded), DASH(guarded)} {
		p := b.Open(t, c.Watch(manifest))
		p.Plays(t, 5, 60*time.Second)
		var over []string
		if err := json.Unmarshal(p.Eval(t, `[...new Set(performance.getEntriesByType("resource").map((r) => r.nextHopProtocol).filter(Boolean))]`), &over); err != nil {
			t.Fatal(err)
		}
		if len(over) != 1 || over[0] != "h2" {
			t.Errorf("%s came over %q", manifest, over)
		}
		var media []string
		if err := json.Unmarshal(p.Eval(t, `performance.getEntriesByType("resource").map((r) => r.name).filter((name) => name.includes(".m4s"))`), &media); err != nil {
			t.Fatal(err)
		}
		if len(media) < 5 {
			t.Errorf("%d segments and parts were asked for", len(media))
		}
		for _, name := range media {
			if !strings.Contains(name, "/t/"+ticket.Token+"/") {
				t.Errorf("%s was asked for without the token", name)
			}
		}
		p.Close()
	}
	overQUIC(t, d, c, guarded)
	// What lint says of a stream over HTTP/2: nothing, but that a busy machine is late.
	for _, manifest := range []string{HLS(guarded), DASH(guarded)} {
		said, _ := d.Try("lint", manifest, "--for", "8s", "--insecure", "--json")
		var report struct {
			Kind     string
			Checked  []string
			Findings []struct{ Rule string }
		}
		decode(t, said, &report)
		for _, f := range report.Findings {
			if f.Rule != "LL-CADENCE" && f.Rule != "LL-BLOCK-FAST" && f.Rule != "LL-HINT-BURST" {
				t.Errorf("lint says:\n%s", said)
			}
		}
		if !strings.HasPrefix(report.Kind, "LL-") || len(report.Checked) < 30 {
			t.Errorf("lint says:\n%s", said)
		}
	}
	if r, err := fetch(HLS(c.Public)); err != nil || r.Status != 403 || r.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("without a token: %d %v", r.Status, err)
	}
	if strings.Contains(d.log.String(), ticket.Token) {
		t.Error("the token is in the log")
	}
}

// overQUIC plays over HTTP/3, which the answers over TCP announce; the bytes are the same.
func overQUIC(t *testing.T, d *Daemon, c *Channel, guarded string) {
	t.Helper()
	port := host(d.Origin)[strings.LastIndexByte(host(d.Origin), ':')+1:]
	over := &http3.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableCompression: true}
	defer over.Close()
	tcp := get(t, HLS(guarded))
	if got := tcp.Header.Get("Alt-Svc"); got != `h3=":`+port+`"; ma=86400` {
		t.Errorf("Alt-Svc is %q", got)
	}
	segment := playlist(t, renditions(t, HLS(guarded))["video"]).Segments[0]
	resp, err := (&http.Client{Transport: over, Timeout: 20 * time.Second}).Get(segment.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.ProtoMajor != 3 || sum(b) != sum(get(t, segment.URL).Body) {
		t.Errorf("%s over %s: %d bytes, %v", segment.URL, resp.Proto, len(b), err)
	}
	// Chromium does not take a certificate that signed itself over QUIC, unless it is told which.
	text, err := os.ReadFile(filepath.Join(d.Dir, "control.crt"))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	key := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	b3 := NewBrowser(t, "--enable-quic", "--origin-to-force-quic-on="+host(d.Origin), "--ignore-certificate-errors-spki-list="+base64.StdEncoding.EncodeToString(key[:]))
	p := b3.Open(t, c.Watch(HLS(guarded)))
	p.Plays(t, 5, 60*time.Second)
	if got := string(p.Eval(t, `[...new Set(performance.getEntriesByType("resource").map((r) => r.nextHopProtocol).filter(Boolean))].join()`)); got != `"h3"` {
		t.Errorf("the page came over %s", got)
	}
	p.Close()
}
