package boltstate_test

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"headwater.stream/internal/state"
	"headwater.stream/internal/state/boltstate"
)

// descriptor returns the process's open file with that path.
func descriptor(t *testing.T, path string) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		if to, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && to == path {
			fd, err := strconv.Atoi(e.Name())
			if err != nil {
				t.Fatal(err)
			}
			return fd
		}
	}
	t.Fatalf("%s is not open", path)
	return 0
}

// TestFailedSync is case 61 for the state file: after a sync that failed nothing is committed any more, though the disk says
// that it works again, until the file is opened anew. A write that fails condemns nothing.
func TestFailedSync(t *testing.T) {
	for _, c := range []struct {
		device    string
		fails     error
		condemned bool
	}{
		{"/dev/null", syscall.EINVAL, true}, // takes what is written, and cannot sync
		{"/dev/full", syscall.ENOSPC, false},
	} {
		t.Run(c.device, func(t *testing.T) {
			dir, err := filepath.EvalSymlinks(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, boltstate.FileName)
			s := open(t, path)
			commit := func(key string) error {
				r, err := s.Get(t.Context(), "k", key)
				if err != nil && !errors.Is(err, state.ErrNotFound) {
					return err
				}
				_, err = s.Commit(t.Context(), state.Change{Kind: "k", Key: key, Expect: r.Revision, Body: []byte("1")})
				return err
			}
			for range 9 { // until the file has free pages and need not grow
				if err := commit("a"); err != nil {
					t.Fatal(err)
				}
			}
			fd := descriptor(t, path)
			good, err := syscall.Dup(fd)
			if err != nil {
				t.Fatal(err)
			}
			defer syscall.Close(good)
			bad, err := os.OpenFile(c.device, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer bad.Close()
			if err := syscall.Dup3(int(bad.Fd()), fd, syscall.O_CLOEXEC); err != nil {
				t.Fatal(err)
			}
			if err := commit("b"); !errors.Is(err, c.fails) || errors.Is(err, state.ErrCondemned) != c.condemned {
				t.Errorf("a commit to %s: %v", c.device, err)
			}
			if err := syscall.Dup3(good, fd, syscall.O_CLOEXEC); err != nil {
				t.Fatal(err)
			}
			if err := commit("c"); errors.Is(err, state.ErrCondemned) != c.condemned || (err == nil) == c.condemned {
				t.Errorf("a commit after one to %s: %v", c.device, err)
			}
			if _, err := s.Get(t.Context(), "k", "a"); err != nil {
				t.Errorf("what was committed before: %v", err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = open(t, path)
			if _, err := s.Get(t.Context(), "k", "a"); err != nil {
				t.Errorf("what was committed before, opened again: %v", err)
			}
			if _, err := s.Get(t.Context(), "k", "b"); !errors.Is(err, state.ErrNotFound) {
				t.Errorf("what was lost: %v", err)
			}
			if err := commit("d"); err != nil {
				t.Errorf("a commit to the file that was opened again: %v", err)
			}
		})
	}
}
