package e2e

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// tokensThroughCache: viewers with different tokens share what the cache has, those without a good one get nothing of it.
func tokensThroughCache(t *testing.T, n *Nginx, counter *Counter, c *Channel) {
	const id = "5a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte(base64.StdEncoding.EncodeToString(make([]byte, 32))), 0o600); err != nil {
		t.Fatal(err)
	}
	c.d.CLI(t, "locator", "create", "guarded", "--asset", c.Asset, "--id", id, "--token-key", key)
	mint := func(expires string) string {
		var made struct{ Token string }
		decode(t, c.d.CLI(t, "locator", "token", "guarded", "--key-file", key, "--expires", expires, "--json"), &made)
		return made.Token
	}
	open := playlist(t, renditions(t, HLS(c.Public))["video"]).Segments[1].URL
	object := regexp.MustCompile(`^/[0-9a-f-]{36}/`).ReplaceAllString(path(open), "/"+id+"/")
	whole, err := n.Get(path(open))
	if err != nil || whole.Status != 200 {
		t.Fatalf("%d %v", whole.Status, err)
	}
	one, two, brief := mint("1h"), mint("2h"), mint("2s")
	for _, target := range []string{"/t/" + one + object, "/t/" + two + object, object + "?token=" + two, "/t/" + brief + object} {
		if r, err := n.Get(target); err != nil || r.Status != 200 || sum(r.Body) != sum(whole.Body) {
			t.Errorf("%.60s: %d %v", target, r.Status, err)
		}
	}
	if asked := counter.Asked(object); len(asked) != 1 {
		t.Errorf("tokens do not share the cache: %v", asked)
	}
	for i, target := range []string{object, "/t/a.b.c" + object, object + "?token=a.b.c", "/t/" + one[:len(one)-6] + object, "/t/" + one + "x" + object} {
		r, err := n.Get(target)
		if err != nil || r.Status != 403 || r.Header.Get("Access-Control-Allow-Origin") != "*" || r.Header.Get("Cache-Control") != "no-store" || !strings.Contains(string(r.Body), "token") {
			t.Errorf("refusal %d: %d %v %v %s", i, r.Status, err, r.Header, r.Body)
		}
	}
	// What looks like a token and asks for another object must not take this one's place.
	next := playlist(t, renditions(t, HLS(c.Public))["video"]).Segments[2].URL
	for _, odd := range []string{path(next) + "?token=x" + path(open) + "?", path(next) + "?token=x" + path(open) + "%3f", "/t/x" + path(open) + "?token=" + path(next)} {
		_, _ = n.Get(odd)
	}
	direct, err := fetch(next)
	if r, err2 := n.Get(path(next)); err != nil || err2 != nil || r.Status != 200 || sum(r.Body) != sum(direct.Body) {
		t.Errorf("poisoned by a query: %d %v %v", r.Status, err, err2)
	}
	// Five seconds after its end a token is over here too, and so is a locator that is deleted.
	if !waitFor(12*time.Second, func() bool { r, err := n.Get("/t/" + brief + object); return err == nil && r.Status == 403 }) {
		t.Error("an expired token still lets in")
	}
	c.d.CLI(t, "locator", "delete", "guarded")
	if !waitFor(10*time.Second, func() bool { r, err := n.Get("/t/" + one + object); return err == nil && r.Status == 404 }) {
		t.Error("the deleted locator is still served")
	}
}
