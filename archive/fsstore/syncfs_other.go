//go:build !linux

package fsstore

import (
	"errors"
	"os"
)

// syncFileSystem forces to the disk whatever was written to the file system of f before.
func syncFileSystem(*os.File) error { return errors.ErrUnsupported }
