package fsstore

import (
	"os"

	"golang.org/x/sys/unix"
)

// syncFileSystem forces to the disk whatever was written to the file system of f before. An error (from Linux 5.8 on) means
// that something could not be written since the last call with this f.
func syncFileSystem(f *os.File) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var syncErr error
	if err := raw.Control(func(fd uintptr) { syncErr = unix.Syncfs(int(fd)) }); err != nil {
		return err
	}
	return syncErr
}
