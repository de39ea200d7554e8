package e2e

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestTLS plays a low-latency event over TLS and HTTP/2 in both players of the watch page, with a token in the path, which
// is in everything that is asked for and in nothing that the server writes.
func TestTLS(t *testing.T) {
	t.Parallel()
	begin(t, 3*time.Minute)
	d := StartDaemon(t, "--origin-tls", "self")
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
	// What lint says of a stream over HTTP/2: nothing; its exit code would fail the call.
	for _, manifest := range []string{HLS(guarded), DASH(guarded)} {
		if said := d.CLI(t, "lint", manifest, "--for", "8s", "--insecure"); !strings.Contains(said, "Nothing found.") || !strings.HasPrefix(strings.Split(said, "\n")[1], "LL-") {
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
