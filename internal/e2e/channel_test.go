package e2e

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Channel is a live event with an output, an asset and a locator.
type Channel struct {
	d       *Daemon
	Name    string // of the event
	Output  string
	Asset   string
	Locator string
	Ingest  string // rtmp://…/live/<token>; a stream name is appended
	Preview string // base of the preview's manifests, with a trailing slash
	Public  string // base of the locator's
}

// NewChannel makes one the way a person in a hurry does, with more flags if given.
func NewChannel(t *testing.T, d *Daemon, name string, flags ...string) *Channel {
	t.Helper()
	var made struct{ Event, Output, Asset, Locator string }
	decode(t, d.CLI(t, append([]string{"live", "start", name, "--json"}, flags...)...), &made)
	c := &Channel{d: d, Name: made.Event, Output: made.Output, Asset: made.Asset, Locator: made.Locator}
	c.read(t)
	return c
}

// read asks the command line where everything is.
func (c *Channel) read(t *testing.T) {
	t.Helper()
	var event struct {
		Properties struct {
			ResourceState  string
			Input, Preview struct {
				Endpoints []struct{ Protocol, URL string }
			}
		}
	}
	decode(t, c.d.CLI(t, "event", "show", c.Name, "--json"), &event)
	p := event.Properties
	if p.ResourceState != "Running" || len(p.Input.Endpoints) == 0 || len(p.Preview.Endpoints) == 0 {
		t.Fatalf("event %s: %+v", c.Name, p)
	}
	c.Ingest = p.Input.Endpoints[0].URL
	c.Preview = base(p.Preview.Endpoints[0].URL)
	c.Public = base(find(t, c.d.CLI(t, "locator", "paths", c.Locator), c.d.Origin, "format=m3u8-cmaf"))
	if !strings.HasPrefix(c.Ingest, c.d.RTMP+"/live/") {
		t.Errorf("the ingest URL %s is not below %s/live/", c.Ingest, c.d.RTMP)
	}
	for _, u := range []string{c.Preview, c.Public} {
		if !strings.HasPrefix(u, c.d.Origin+"/") {
			t.Errorf("%s is not on the origin %s", u, c.d.Origin)
		}
	}
}

// HLS and DASH are the plain manifest addresses below a base.
func HLS(base string) string  { return base + "master.m3u8" }
func DASH(base string) string { return base + "manifest.mpd" }

// Watch is the watch page playing something of this origin.
func (c *Channel) Watch(manifest string) string {
	return c.d.Origin + "/watch/?src=" + strings.TrimPrefix(manifest, c.d.Origin)
}

// Shows waits until complete segments of at least the given length are published under base.
func (c *Channel) Shows(t *testing.T, base string, length, d time.Duration) {
	t.Helper()
	why := ""
	if !waitFor(d, func() bool {
		r, err := fetch(HLS(base))
		if err != nil || r.Status != 200 {
			why = "no multivariant playlist: " + string(r.Body)
			return false
		}
		for kind, u := range renditions(t, HLS(base)) {
			r, err := fetch(u)
			if err != nil || r.Status != 200 {
				why = u + ": " + string(r.Body)
				return false
			}
			p, err := parsePlaylist(u, string(r.Body))
			if err != nil {
				t.Fatal(err)
			}
			// Audio ends at the frame nearest to the picture's end.
			if have := p.Length(); have < length-25*time.Millisecond {
				why = kind + " has " + have.String()
				return false
			}
		}
		return true
	}) {
		t.Fatalf("%s does not show %v of media within %v: %s", base, length, d, why)
	}
}

// End deletes the output, which ends the recording.
func (c *Channel) End(t *testing.T) {
	t.Helper()
	c.d.CLI(t, "output", "delete", c.Name, c.Output)
}

// Files is the asset's directory.
func (c *Channel) Files(t *testing.T) string {
	t.Helper()
	var asset struct{ Properties struct{ Container string } }
	decode(t, c.d.CLI(t, "asset", "show", c.Asset, "--json"), &asset)
	if asset.Properties.Container == "" {
		t.Fatal("the asset has no container")
	}
	return filepath.Join(c.d.Dir, "assets", asset.Properties.Container)
}

func decode(t *testing.T, text string, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), v); err != nil {
		t.Fatalf("%v in:\n%s", err, text)
	}
}

// base cuts the last element off a URL.
func base(u string) string { return u[:strings.LastIndex(u, "/")+1] }

// find returns the first word of a text that begins and continues as given.
func find(t *testing.T, text, start, contains string) string {
	t.Helper()
	for _, word := range strings.Fields(text) {
		if strings.HasPrefix(word, start) && strings.Contains(word, contains) {
			return word
		}
	}
	t.Fatalf("no %s…%s in:\n%s", start, contains, text)
	return ""
}
