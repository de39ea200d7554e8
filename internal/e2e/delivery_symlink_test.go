package e2e

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestSymlinkInAsset is the end of case 48: who can write into an asset directory still cannot make the origin read what
// lies outside of it.
func TestSymlinkInAsset(t *testing.T) {
	t.Parallel()
	begin(t, 2*time.Minute)
	d := StartDaemon(t)
	c := NewChannel(t, d, "links")
	Publish(t, c.Ingest+"/main", "../../testdata/demo.flv", true)
	c.Shows(t, c.Public, 5*time.Second, 30*time.Second)
	c.End(t)
	files := c.Files(t)
	d.Stop(t)
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte(strings.Repeat("top secret ", 1<<20)), 0o600); err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob(filepath.Join(files, "v1", "seg-*.m4s"))
	if err != nil || len(names) < 2 {
		t.Fatalf("the asset has %d segments: %v", len(names), err)
	}
	relative, err := filepath.Rel(filepath.Dir(names[1]), secret)
	if err != nil {
		t.Fatal(err)
	}
	for i, target := range []string{secret, relative} {
		if err := os.Remove(names[i]); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(target, names[i]); err != nil {
			t.Fatal(err)
		}
	}
	d.Start(t)
	for _, name := range names[:2] {
		u, err := url.JoinPath(c.Public, "v1", filepath.Base(name))
		if err != nil {
			t.Fatal(err)
		}
		if r, err := fetch(u); err != nil || r.Status < 400 || strings.Contains(string(r.Body), "secret") {
			t.Errorf("%s: %d, %d bytes, %v", u, r.Status, len(r.Body), err)
		}
	}
	if status(HLS(c.Public)) != 200 {
		t.Error("the asset does not play at all")
	}
	d.Alive(t)
}
