package e2e

import (
	"net/url"
	"testing"
	"time"
)

// TestLowLatency holds a live event to the low-latency rules of HLS and DASH, and sees players keep the latency that its MPD
// asks for. It runs alone, because it is about time.
func TestLowLatency(t *testing.T) {
	begin(t, 4*time.Minute)
	if _, err := conform(); err != nil {
		t.Fatal(err)
	}
	d := StartDaemon(t)
	c := NewChannel(t, d, "edge")
	encoder := Publish(t, c.Ingest+"/main", "../../testdata/demo.flv", true)
	c.Shows(t, c.Public, 4*time.Second, 30*time.Second)
	// How late an answer is says as much of the other tests that run as of the origin: ../shared/bench measures that.
	late := []string{"LL-BLOCK-FAST", "LL-HINT-BURST", "LL-CADENCE"}
	t.Run("conformance", func(t *testing.T) {
		t.Run("hls", func(t *testing.T) {
			t.Parallel()
			check(t, 80*time.Second, late, "hls", HLS(c.Public), "-for", "20s", "-ll")
		})
		t.Run("dash", func(t *testing.T) {
			t.Parallel()
			check(t, 80*time.Second, nil, "dash", DASH(c.Public), "-for", "20s", "-ll")
		})
	})
	t.Run("players", func(t *testing.T) {
		b := NewBrowser(t)
		pages := plainOrigin(t, t.TempDir())
		for name, u := range map[string]string{
			"dash.js": c.Watch(DASH(c.Public)),
			"Shaka":   pages.URL + "/players/defaults.html?player=shaka&ll=1&src=" + url.QueryEscape(DASH(c.Public)),
		} {
			p := b.Open(t, u)
			p.Plays(t, 10, 60*time.Second)
			// The target is 2.1 s; the machine is shared with the encoder, the player and its browser.
			p.Until(t, 20*time.Second, name+" near the live edge", func(s Stats) bool { return s.Latency != nil && *s.Latency > 0 && *s.Latency < 4.5 })
			t.Logf("%s: %s", name, p)
			p.Close()
		}
	})
	encoder.Alive(t)
	d.Alive(t)
}
