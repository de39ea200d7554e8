package fsstore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync"
	"time"

	"headwater.stream/internal/media"
)

// syncer forces written bytes of one directory to the disk when the store's loop comes round.
type syncer struct {
	root  *os.Root
	store *Store

	flushing sync.Mutex // held while the disk works, never by the writer

	mu     sync.Mutex
	dirty  map[*os.File]bool
	dirs   map[string]bool
	closed []*os.File // to be closed once they are synced
	failed error      // of the last sync; bytes written before it may be gone
	listed bool       // the loop knows it: a directory that is only read is not in it
}

func newSyncer(root *os.Root, store *Store) *syncer {
	return &syncer{root: root, store: store, dirty: map[*os.File]bool{}, dirs: map[string]bool{}}
}

// syncLoop syncs one directory after the other at the interval. It is one goroutine for all: each fsync takes a thread.
func (s *Store) syncLoop() {
	t := time.NewTicker(s.opt.Sync)
	defer t.Stop()
	for {
		select {
		case <-t.C:
		case <-s.stop:
			return
		}
		s.mu.Lock()
		list := make([]*syncer, 0, len(s.syncers))
		for y := range s.syncers {
			list = append(list, y)
		}
		s.mu.Unlock()
		for _, y := range list {
			if err := y.flush(); err != nil {
				s.opt.Log.Error("syncing to disk", "dir", y.root.Name(), "err", err)
			}
		}
	}
}

// file notes that f, in directory dir, has bytes to sync; without an interval it syncs at once. A sync that failed in the
// background is reported here, once: what was written before it cannot be trusted (fsync errors are not repeated).
func (s *syncer) file(f *os.File, dir string) error {
	if s.store.opt.Sync == 0 {
		return errors.Join(f.Sync(), s.flushDirs())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dirty[f] = true
	if !s.listed {
		s.listed = true
		s.store.mu.Lock()
		s.store.syncers[s] = true
		s.store.mu.Unlock()
	}
	err := s.failed
	s.failed = nil
	return err
}

// dir notes that directory name has a new entry.
func (s *syncer) dir(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dirs[name] = true
}

// done closes f after its last sync.
func (s *syncer) done(f *os.File) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = append(s.closed, f)
	if s.store.opt.Sync == 0 {
		s.closeDone()
	}
}

// closeDone closes the files that wait for it; s.mu is held.
func (s *syncer) closeDone() {
	for _, f := range s.closed {
		delete(s.dirty, f)
		if err := f.Close(); err != nil {
			s.store.opt.Log.Error("closing", "file", f.Name(), "err", err)
		}
	}
	s.closed = nil
}

func (s *syncer) flushDirs() error {
	s.mu.Lock()
	dirs := s.dirs
	s.dirs = map[string]bool{}
	s.mu.Unlock()
	var errs []error
	for d := range dirs {
		errs = append(errs, syncDir(s.root, d))
	}
	return errors.Join(errs...)
}

// flush syncs all that is dirty. No lock is held while the disk works.
func (s *syncer) flush() error {
	s.flushing.Lock()
	defer s.flushing.Unlock()
	s.mu.Lock()
	dirty, closed := s.dirty, s.closed
	s.dirty, s.closed = map[*os.File]bool{}, nil
	s.mu.Unlock()
	var errs []error
	for f := range dirty {
		errs = append(errs, f.Sync())
	}
	errs = append(errs, s.flushDirs())
	for _, f := range closed {
		errs = append(errs, f.Close())
	}
	err := errors.Join(errs...)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.failed = fmt.Errorf("fsstore: syncing: %w", err)
	}
	for _, f := range closed {
		delete(s.dirty, f)
	}
	return err
}

func (s *syncer) close() error {
	s.store.mu.Lock()
	delete(s.store.syncers, s)
	s.store.mu.Unlock()
	return s.flush()
}

func syncDir(root *os.Root, name string) error {
	d, err := root.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("fsstore: %w", err)
	}
	return errors.Join(d.Sync(), d.Close())
}

func sortSegments(s []media.Segment) {
	slices.SortFunc(s, func(a, b media.Segment) int { return int(int64(a.Number) - int64(b.Number)) })
}
