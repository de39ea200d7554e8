package fsstore

import (
	"errors"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"headwater.stream/internal/media"
)

// syncer forces written bytes of one directory to the disk when the store's loop comes round.
type syncer struct {
	root  *os.Root
	store *Store

	flushing chan struct{} // holds a token while the disk works; never the writer's

	mu     sync.Mutex
	dirty  map[*os.File]bool // true: others have written it, and its checksum is recorded
	dirs   map[string]bool
	closed []*os.File // to be closed once they are synced
	// bad has the files that a sync failed of, by path: what the disk has of them is not known, and a second sync would
	// report success all the same (Linux marks the pages clean).
	bad map[string]error
	// doubts has those of them that others have written: who has them writes them anew, and no later start gives them up,
	// because it has their checksums.
	doubts map[string]error
	failed error // of the last sync of a directory, reported once
	listed bool  // the loop knows it: a directory that is only read is not in it
}

func newSyncer(root *os.Root, store *Store) *syncer {
	return &syncer{root: root, store: store, flushing: make(chan struct{}, 1), dirty: map[*os.File]bool{}, dirs: map[string]bool{}, bad: map[string]error{}, doubts: map[string]error{}}
}

// condemned returns why a file cannot be trusted, nil if it can.
func (s *syncer) condemned(path string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bad[path]
}

// distrust tells later starts that a segment's file is not to be trusted. Now it can still be read: what was written is
// in the page cache.
func (s *syncer) distrust(name string) {
	if f, err := s.root.Create(name + badSuffix); err == nil {
		_ = f.Close()
	}
}

// pardon forgets that a file was condemned, because another takes its place, and reports whether it was.
func (s *syncer) pardon(path string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, was := s.bad[path]
	delete(s.bad, path)
	delete(s.doubts, path)
	return was
}

// doubted returns why a file that others have written may not be on the disk, nil if it is.
func (s *syncer) doubted(path string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.doubts[path]
}

// adopted is file for what others have written.
func (s *syncer) adopted(f *os.File) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dirty[f] = true
	s.list()
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
		s.syncAll(list)
	}
}

// manyFiles is from how many files on one sync of the whole file system is cheaper than one of each: one journal commit, and
// one call during which Go's scheduler watches a blocked thread every 20 µs.
const manyFiles = 16

// syncAll syncs what directories have to be synced.
func (s *Store) syncAll(list []*syncer) {
	files := 0
	for _, y := range list {
		y.mu.Lock()
		files += len(y.dirty)
		y.mu.Unlock()
	}
	if files >= manyFiles && s.opt.Fault == nil {
		s.syncWhole(list)
		return
	}
	for _, y := range list {
		if err := y.flush(); err != nil {
			s.opt.Log.Error("syncing to disk", "dir", y.root.Name(), "err", err)
		}
	}
}

// syncWhole syncs the file system once for all, and each file when that fails: which one an error is about a sync of each
// tells, because the kernel remembers it for both.
func (s *Store) syncWhole(list []*syncer) {
	batches := make([]batch, len(list))
	for i, y := range list {
		y.flushing <- struct{}{}
		batches[i] = y.take()
	}
	done := syncFileSystem(s.dir) == nil
	for i, y := range list {
		if done {
			batches[i].dirty, batches[i].dirs = nil, nil
		}
		if err := y.settle(batches[i]); err != nil {
			s.opt.Log.Error("syncing to disk", "dir", y.root.Name(), "err", err)
		}
		<-y.flushing
	}
}

// file notes that f, in directory dir, has bytes to sync; without an interval it syncs at once.
func (s *syncer) file(f *os.File, dir string) error {
	if s.store.opt.Sync == 0 {
		err := s.store.syncFile(f)
		if err != nil {
			s.mu.Lock()
			s.bad[f.Name()] = err
			s.mu.Unlock()
		}
		return errors.Join(err, s.flushDirs())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dirty[f] = false
	s.list()
	err := s.failed
	s.failed = nil
	return err
}

// dir notes that directory name has a new entry.
func (s *syncer) dir(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dirs[name] = true
	s.list()
}

// list makes the loop know it; s.mu is held.
func (s *syncer) list() {
	if s.listed {
		return
	}
	s.listed = true
	s.store.mu.Lock()
	s.store.syncers[s] = true
	s.store.mu.Unlock()
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

// batch is what a syncer had to sync at a moment.
type batch struct {
	dirty  map[*os.File]bool
	dirs   map[string]bool
	closed []*os.File
}

// take takes what is to be synced; s.flushing is held.
func (s *syncer) take() batch {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := batch{s.dirty, s.dirs, s.closed}
	s.dirty, s.dirs, s.closed = map[*os.File]bool{}, map[string]bool{}, nil
	return b
}

// flush syncs all that is dirty.
func (s *syncer) flush() error {
	s.flushing <- struct{}{}
	defer func() { <-s.flushing }()
	return s.settle(s.take())
}

// flushDirs syncs the directories with new entries.
func (s *syncer) flushDirs() error {
	s.mu.Lock()
	dirs := s.dirs
	s.dirs = map[string]bool{}
	s.mu.Unlock()
	return s.syncDirs(dirs)
}

func (s *syncer) syncDirs(dirs map[string]bool) error {
	var errs []error
	for d := range dirs {
		if err := s.store.syncDir(s.root, d); err != nil {
			s.dir(d)
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// settle syncs a batch and closes what was to be closed; s.flushing is held. No other lock is while the disk works.
func (s *syncer) settle(b batch) error {
	var errs []error
	bad, doubts := map[string]error{}, map[string]error{}
	for f, adopted := range b.dirty {
		if err := s.store.syncFile(f); err != nil {
			errs = append(errs, err)
			if adopted {
				doubts[f.Name()] = err
				continue
			}
			bad[f.Name()] = err
			name := strings.TrimPrefix(f.Name(), s.root.Name()+"/")
			if ref, ok := media.ParseName(name); ok && ref.Kind == media.ObjectSegment {
				s.distrust(name)
			}
		}
	}
	err := s.syncDirs(b.dirs)
	errs = append(errs, err)
	for _, f := range b.closed {
		errs = append(errs, f.Close())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.failed = s.store.fault(err)
	}
	maps.Copy(s.bad, bad)
	maps.Copy(s.doubts, doubts)
	for _, f := range b.closed {
		delete(s.dirty, f)
	}
	return errors.Join(errs...)
}

func (s *syncer) close() error {
	s.store.mu.Lock()
	delete(s.store.syncers, s)
	s.store.mu.Unlock()
	return s.flush()
}

func sortSegments(s []media.Segment) {
	slices.SortFunc(s, func(a, b media.Segment) int { return int(int64(a.Number) - int64(b.Number)) })
}
