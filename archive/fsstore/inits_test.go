package fsstore_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"headwater.stream/archive/fsstore"
	"headwater.stream/archive/storetest"
	"headwater.stream/internal/media"
)

// TestInitsGo verifies that initialization sections that no segment needs leave the disk, also what a crash left.
func TestInitsGo(t *testing.T) {
	base := t.TempDir()
	s, err := fsstore.New(base, fsstore.Options{Sync: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	count := func() int {
		t.Helper()
		m, err := filepath.Glob(filepath.Join(base, "torn", "v1", "init-*"))
		if err != nil {
			t.Fatal(err)
		}
		return len(m)
	}
	d := mustOpen(t, s)
	h := storetest.Header()
	for id := uint32(100); id < 110; id++ {
		h.Renditions[0].Inits = []media.Init{{ID: id, Track: h.Renditions[0].Inits[0].Track, Body: []byte{byte(id)}}}
		if err := d.SaveHeader(h); err != nil {
			t.Fatal(err)
		}
	}
	if n := count(); n != 1 {
		t.Errorf("%d initialization sections on disk", n)
	}
	d.Close()
	if err := os.WriteFile(filepath.Join(base, "torn", "v1", "init-99.mp4"), []byte("left over"), 0o644); err != nil {
		t.Fatal(err)
	}
	d = mustOpen(t, s)
	if _, _, err := d.Load(); err != nil {
		t.Fatal(err)
	}
	if n := count(); n != 1 {
		t.Errorf("%d initialization sections on disk after a restart", n)
	}
	d.Close()
}
