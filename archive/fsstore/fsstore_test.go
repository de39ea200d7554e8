package fsstore_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
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

// TestManyFiles writes so many segments at a time that they are synced together, and sees that all are put down.
func TestManyFiles(t *testing.T) {
	base := t.TempDir()
	var log bytes.Buffer
	store, err := fsstore.New(base, fsstore.Options{Sync: 20 * time.Millisecond, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	var dirs []archive.Dir
	for i := range 40 {
		d, err := store.Open(fmt.Sprintf("many%d", i))
		if err != nil {
			t.Fatal(err)
		}
		if err := d.SaveHeader(storetest.Header()); err != nil {
			t.Fatal(err)
		}
		dirs = append(dirs, d)
	}
	for n := range uint64(3) {
		for _, d := range dirs {
			s := storetest.Gap(n + 1)
			s.Gap, s.Size = false, 5
			if err := errors.Join(d.Append("v1", s, 0, []byte("media")), d.Seal("v1", s)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for deadline := time.Now().Add(20 * time.Second); held(t, base, ".m4s") > 0; {
		if time.Now().After(deadline) {
			t.Fatalf("%d segments are still open", held(t, base, ".m4s"))
		}
	}
	for _, d := range dirs {
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	if log.Len() > 0 || held(t, base, "") > 0 {
		t.Fatalf("%d files are open; %s", held(t, base, ""), log.String())
	}
}

// held counts the files below base, with that end of their names, that this process has open.
func held(t *testing.T, base, end string) (n int) {
	list, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range list {
		if name, err := os.Readlink(fd); err == nil && strings.HasPrefix(name, base) && strings.HasSuffix(name, end) {
			n++
		}
	}
	return n
}
