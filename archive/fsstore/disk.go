package fsstore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"syscall"

	"headwater.stream/internal/media"
	"headwater.stream/internal/timeline"
)

// The calls that Options.Fault is asked about.
const (
	opCreate   = "create"
	opWrite    = "write"
	opTruncate = "truncate"
	opSync     = "sync"
	opSyncDir  = "syncdir"
	opRename   = "rename"
	opMkdir    = "mkdir"
	opLink     = "link"
	opRemove   = "remove"
)

// ask asks a test's disk whether a call fails. path is absolute.
func (s *Store) ask(op, path string) error {
	if s.opt.Fault == nil {
		return nil
	}
	if err := s.opt.Fault(op, path); err != nil {
		return &fs.PathError{Op: op, Path: path, Err: err}
	}
	return nil
}

// path returns the absolute path of a file of the directory.
func (d *Dir) path(name string) string { return path.Join(d.root.Name(), name) }

func (d *Dir) create(name string, flag int) (*os.File, error) {
	if err := d.sync.store.ask(opCreate, d.path(name)); err != nil {
		return nil, err
	}
	return d.root.OpenFile(name, os.O_CREATE|os.O_WRONLY|flag, 0o644)
}

func (d *Dir) write(f *os.File, body []byte) error {
	if err := d.sync.store.ask(opWrite, f.Name()); err != nil {
		return err
	}
	_, err := f.Write(body)
	return err
}

func (d *Dir) truncate(f *os.File, size int64) error {
	if err := d.sync.store.ask(opTruncate, f.Name()); err != nil {
		return err
	}
	return f.Truncate(size)
}

func (d *Dir) remove(name string) error {
	if err := d.sync.store.ask(opRemove, d.path(name)); err != nil {
		return err
	}
	if err := d.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (s *Store) syncFile(f *os.File) error {
	if err := s.ask(opSync, f.Name()); err != nil {
		return err
	}
	return f.Sync()
}

func (s *Store) syncDir(root *os.Root, name string) error {
	if err := s.ask(opSyncDir, path.Join(root.Name(), name)); err != nil {
		return err
	}
	return syncDir(root, name)
}

func syncDir(root *os.Root, name string) error {
	d, err := root.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// fault makes an error one that says whose it is and what is wrong with the disk.
func (s *Store) fault(err error) error {
	if err == nil {
		return nil
	}
	var known *timeline.Fault
	if errors.As(err, &known) || errors.Is(err, media.ErrNotFound) {
		return err
	}
	return &timeline.Fault{Reason: s.reason(err), Err: fmt.Errorf("fsstore: %w", err)}
}

func (s *Store) reason(err error) media.GapReason {
	switch {
	case errors.Is(err, syscall.ENOSPC):
		if noInodes(s.path) {
			return media.GapNoInodes
		}
		return media.GapDiskFull
	case errors.Is(err, syscall.EDQUOT):
		return media.GapDiskFull
	case errors.Is(err, syscall.EROFS):
		return media.GapReadOnly
	case errors.Is(err, fs.ErrPermission):
		return media.GapPermission
	}
	return media.GapDiskError
}
