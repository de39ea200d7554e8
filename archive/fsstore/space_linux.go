package fsstore

import (
	"fmt"
	"syscall"
)

// Space returns how many bytes of the store's file system are free for us, and its size.
func (s *Store) Space() (free, size int64, err error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(s.path, &st); err != nil {
		return 0, 0, fmt.Errorf("fsstore: %w", err)
	}
	return int64(st.Bavail) * st.Bsize, int64(st.Blocks) * st.Bsize, nil
}

// noInodes says whether the file system lacks inodes rather than bytes.
func noInodes(path string) bool {
	var st syscall.Statfs_t
	return syscall.Statfs(path, &st) == nil && st.Files > 0 && st.Ffree == 0
}
