package fsstore

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"headwater.stream/internal/media"
)

// syncer forces written bytes to the disk at an interval, away from the writer.
type syncer struct {
	root  *os.Root
	every time.Duration
	log   *slog.Logger
	stop  chan struct{}
	wg    sync.WaitGroup

	mu     sync.Mutex
	dirty  map[*os.File]bool
	dirs   map[string]bool
	closed []*os.File // to be closed once they are synced
	failed error      // of the last sync; bytes written before it may be gone
	runs   bool
}

func newSyncer(root *os.Root, opt Options) *syncer {
	s := &syncer{root: root, every: opt.Sync, log: opt.Log, stop: make(chan struct{}), dirty: map[*os.File]bool{}, dirs: map[string]bool{}}
	return s
}

func (s *syncer) run() {
	t := time.NewTicker(s.every)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			if err := s.flush(); err != nil {
				s.log.Error("syncing to disk", "dir", s.root.Name(), "err", err)
			}
		case <-s.stop:
			return
		}
	}
}

// file notes that f, in directory dir, has bytes to sync; without an interval it syncs at once. A sync that failed in the
// background is reported here, once: what was written before it cannot be trusted (fsync errors are not repeated).
func (s *syncer) file(f *os.File, dir string) error {
	if s.every == 0 {
		return errors.Join(f.Sync(), s.flushDirs())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dirty[f] = true
	if !s.runs { // a directory that is only read needs no goroutine
		s.runs = true
		s.wg.Go(s.run)
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
	if s.every == 0 {
		s.closeDone()
	}
}

// closeDone closes the files that wait for it; s.mu is held.
func (s *syncer) closeDone() {
	for _, f := range s.closed {
		delete(s.dirty, f)
		if err := f.Close(); err != nil {
			s.log.Error("closing", "file", f.Name(), "err", err)
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
	close(s.stop)
	s.wg.Wait()
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
