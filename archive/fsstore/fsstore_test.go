package fsstore_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"headwater.stream/archive"
	"headwater.stream/archive/fsstore"
	"headwater.stream/archive/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStore(t *testing.T) {
	for _, sync := range []time.Duration{0, time.Hour, time.Millisecond} {
		t.Run(sync.String(), func(t *testing.T) {
			dir := t.TempDir()
			if sync == 0 {
				dir = tmpfs(t) // an fsync per part, but not of a real disk
			}
			storetest.Run(t, func() archive.Store {
				s, err := fsstore.New(dir, fsstore.Options{Sync: sync})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { s.Close() })
				return s
			})
		})
	}
}

func tmpfs(t *testing.T) string {
	dir, err := os.MkdirTemp("/dev/shm", "headwater")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// TestTornIndex cuts the index at every byte of its last two records: what is whole is read, what follows is appended.
func TestTornIndex(t *testing.T) {
	base := t.TempDir()
	store, err := fsstore.New(base, fsstore.Options{Sync: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	index := filepath.Join(base, "torn", "v1", "index.hwx")
	d := mustOpen(t, store)
	if err := d.SaveHeader(storetest.Header()); err != nil {
		t.Fatal(err)
	}
	gap := func(n uint64) error {
		s := storetest.Gap(n)
		return d.Seal("v1", s)
	}
	for n := range uint64(4) {
		if err := gap(n + 1); err != nil {
			t.Fatal(err)
		}
	}
	d.Close()
	whole, err := os.ReadFile(index)
	if err != nil {
		t.Fatal(err)
	}
	for cut := len(whole) - 2*archive.RecordSize; cut <= len(whole); cut++ {
		if err := os.WriteFile(index, whole[:cut], 0o644); err != nil {
			t.Fatal(err)
		}
		d = mustOpen(t, store)
		st, ok, err := d.Load()
		if !ok || err != nil {
			t.Fatalf("cut at %d: %v, %v", cut, ok, err)
		}
		want := cut/archive.RecordSize - 1
		if got := len(st.Segments["v1"]); got != want {
			t.Fatalf("cut at %d: %d segments, want %d", cut, got, want)
		}
		if err := gap(uint64(want + 1)); err != nil {
			t.Fatal(err)
		}
		d.Close()
		d = mustOpen(t, store)
		if st, _, err = d.Load(); err != nil || len(st.Segments["v1"]) != want+1 {
			t.Fatalf("cut at %d: after appending %d segments, %v", cut, len(st.Segments["v1"]), err)
		}
		d.Close()
	}
}

func mustOpen(t *testing.T, s *fsstore.Store) archive.Dir {
	t.Helper()
	d, err := s.Open("torn")
	if err != nil {
		t.Fatal(err)
	}
	return d
}
