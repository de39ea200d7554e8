package boltstate_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"headwater.stream/internal/state"
	"headwater.stream/internal/state/boltstate"
	"headwater.stream/internal/state/statetest"
)

func open(t *testing.T, path string) *boltstate.Store {
	t.Helper()
	s, err := boltstate.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestStore(t *testing.T) {
	statetest.Test(t, func(t *testing.T) state.Store {
		return open(t, filepath.Join(t.TempDir(), boltstate.FileName))
	})
}

func TestReopen(t *testing.T) {
	path := filepath.Join(t.TempDir(), boltstate.FileName)
	s := open(t, path)
	r1, err := s.Commit(t.Context(), state.Change{Kind: "k", Key: "a", Body: []byte("1")})
	if err != nil {
		t.Fatal(err)
	}
	// The file as a kill -9 leaves it: copied while the process has it open.
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	killed := filepath.Join(t.TempDir(), boltstate.FileName)
	if err := os.WriteFile(killed, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{path, killed} {
		s := open(t, path)
		got, err := s.Get(t.Context(), "k", "a")
		if err != nil || string(got.Body) != "1" || got.Revision != r1 {
			t.Errorf("%s: %+v, %v", path, got, err)
		}
		if r2, err := s.Commit(t.Context(), state.Change{Kind: "k", Key: "b", Body: []byte("2")}); err != nil || r2 <= r1 {
			t.Errorf("the next revision is %d, %v, after %d", r2, err, r1)
		}
	}
}

func TestSecondProcessIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), boltstate.FileName)
	open(t, path)
	if _, err := boltstate.Open(path); !errors.Is(err, boltstate.ErrLocked) {
		t.Errorf("a second open: %v, want ErrLocked", err)
	}
}

// TestDamage: a damaged file is refused and left as it is, or read whole; it is never taken for an empty one.
func TestDamage(t *testing.T) {
	path := filepath.Join(t.TempDir(), boltstate.FileName)
	s := open(t, path)
	for _, key := range []string{"a", "b", "c"} {
		if _, err := s.Commit(t.Context(), state.Change{Kind: "k", Key: key, Body: []byte(strings.Repeat(key, 500))}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	dir, tried := t.TempDir(), 0
	try := func(name string, content []byte) {
		t.Helper()
		tried++
		damaged := filepath.Join(dir, fmt.Sprint(tried)) // each its own: bbolt keeps its lock on one it panics over
		if err := os.WriteFile(damaged, content, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := boltstate.Open(damaged)
		if err != nil {
			after, readErr := os.ReadFile(damaged)
			if readErr != nil || string(after) != string(content) {
				t.Errorf("%s: refused (%v), but the file was changed", name, err)
			}
			return
		}
		defer s.Close()
		all, err := s.List(t.Context(), "k")
		// The newest meta page may be the damaged one; then the state before the last commit is the last whole one.
		if err != nil || len(all) < 2 {
			t.Errorf("%s: opened with %d records, %v", name, len(all), err)
		}
		for _, r := range all {
			if string(r.Body) != strings.Repeat(r.Key, 500) {
				t.Errorf("%s: record %s holds something else", name, r.Key)
			}
		}
	}
	step := 17 // HEADWATER_EVERY_BYTE=1 takes minutes
	if os.Getenv("HEADWATER_EVERY_BYTE") != "" {
		step = 1
	}
	for n := 0; n < len(good); n += step {
		try("cut", good[:n])
	}
	for page := os.Getpagesize(); page < len(good); page += os.Getpagesize() {
		for n := page - 1; n <= page+1; n++ {
			try("cut", good[:n])
		}
	}
	for at := 0; at < len(good); at += step {
		flipped := bytes.Clone(good)
		flipped[at] ^= 1 << (at % 8)
		try("flipped", flipped)
	}
	newer := filepath.Join(dir, "newer")
	if err := os.WriteFile(newer, good, 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := bbolt.Open(newer, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte("meta")).Put([]byte("format"), []byte{0, 0, 0, 0, 0, 0, 0, 2})
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(newer)
	if err != nil {
		t.Fatal(err)
	}
	try("newer", content)
	if _, err := boltstate.Open(newer); err == nil || !strings.Contains(err.Error(), "has format 2 and this version reads 1") {
		t.Errorf("a newer version: %v", err)
	}
	if _, err := boltstate.Open(dir); err == nil {
		t.Error("a directory was opened")
	}
	try("not ours", []byte(strings.Repeat("not a database ", 2000)))
}
