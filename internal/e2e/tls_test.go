package e2e

import (
	"encoding/json"
	"testing"
	"time"
)

// TestTLS plays a low-latency event over TLS and HTTP/2 in both players of the watch page.
func TestTLS(t *testing.T) {
	t.Parallel()
	begin(t, 3*time.Minute)
	d := StartDaemon(t, "--origin-tls", "self")
	c := NewChannel(t, d, "secure")
	Publish(t, c.Ingest+"/main", "../../testdata/demo.flv", true)
	c.Shows(t, c.Public, 2*time.Second, 30*time.Second)
	b := NewBrowser(t)
	for _, manifest := range []string{HLS(c.Public), DASH(c.Public)} {
		p := b.Open(t, c.Watch(manifest))
		p.Plays(t, 5, 60*time.Second)
		var over []string
		if err := json.Unmarshal(p.Eval(t, `[...new Set(performance.getEntriesByType("resource").map((r) => r.nextHopProtocol).filter(Boolean))]`), &over); err != nil {
			t.Fatal(err)
		}
		if len(over) != 1 || over[0] != "h2" {
			t.Errorf("%s came over %q", manifest, over)
		}
		p.Close()
	}
}
