//go:build !linux

package fsstore

import "errors"

// Space returns how many bytes of the store's file system are free for us, and its size.
func (s *Store) Space() (free, size int64, err error) {
	return 0, 0, errors.ErrUnsupported
}

// noInodes says whether the file system lacks inodes rather than bytes.
func noInodes(string) bool { return false }
