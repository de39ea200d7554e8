package node

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"time"

	"headwater.stream/internal/state/boltstate"
)

// stateName is the file in the data directory with all resources.
const stateName = "state.db"

// backupTime bounds how long a reader of a backup may take: the state cannot forget what it replaced meanwhile.
const backupTime = 5 * time.Minute

// maxBackupFile bounds what Restore takes for one file, in bytes.
const maxBackupFile = 16 << 30

// secrets returns the files of the data directory beside the state that make a restored node the same to its clients: its token,
// and certificates with their keys.
func secrets(dataDir string) ([]string, error) {
	found := []string{}
	for _, pattern := range []string{tokenName, certificateName, privateKeyName, acmeDirectory + "/*"} {
		names, err := fs.Glob(os.DirFS(dataDir), pattern)
		if err != nil {
			return nil, err
		}
		found = append(found, names...)
	}
	return found, nil
}

// backup answers with a tar archive of the state as it is now, the control token and the certificates.
func (n *node) backup(w http.ResponseWriter, _ *http.Request) {
	now := n.runtime.clock.now()
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(backupTime)) // else the server's own
	w.Header().Set("Content-Type", "application/x-tar")
	w.Header().Set("Content-Disposition", fmt.Sprintf(`attachment; filename="headwater-%s.tar"`, now.UTC().Format("20060102T150405Z")))
	if err := n.writeBackup(w, now); err != nil {
		n.cfg.Log.Warn("a backup was not read to its end", "error", err)
		panic(http.ErrAbortHandler) // so that half of one is not taken for a whole one
	}
}

func (n *node) writeBackup(w io.Writer, now time.Time) error {
	archive := tar.NewWriter(w)
	header := func(name string, size int64) error {
		return archive.WriteHeader(&tar.Header{Name: name, Size: size, Mode: 0o600, ModTime: now.Truncate(time.Second), Format: tar.FormatPAX})
	}
	err := n.state.Snapshot(func(size int64, write func(io.Writer) error) error {
		return errors.Join(header(stateName, size), write(archive))
	})
	if err != nil {
		return err
	}
	names, err := secrets(n.cfg.DataDir)
	if err != nil {
		return err
	}
	for _, name := range names {
		b, err := os.ReadFile(filepath.Join(n.cfg.DataDir, filepath.FromSlash(name)))
		if err != nil {
			return fmt.Errorf("backing up: %w", err)
		}
		if err := header(name, int64(len(b))); err != nil {
			return err
		}
		if _, err := archive.Write(b); err != nil {
			return err
		}
	}
	return archive.Close()
}

// ErrNotEmpty: Restore was asked to write over the state of a node.
var ErrNotEmpty = errors.New("there is a state already")

// Restore makes the state in dataDir that a backup holds. What is wrong with the backup it says before anything has its name. The
// recordings are not in it: asset directories are put under assets/ by whatever copied them.
func Restore(dataDir string, backup io.Reader) (err error) {
	if _, err := os.Stat(filepath.Join(dataDir, stateName)); err == nil {
		return fmt.Errorf("%w: %s holds one; restore into another directory, or move that file away", ErrNotEmpty, dataDir)
	}
	if err := os.MkdirAll(dataDir, 0o700); err != nil {
		return fmt.Errorf("restoring: %w", err)
	}
	tmp, err := os.MkdirTemp(dataDir, ".restore-")
	if err != nil {
		return fmt.Errorf("restoring: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	names, err := unpack(tmp, backup)
	if err != nil {
		return fmt.Errorf("the backup cannot be read: %w", err)
	}
	store, err := boltstate.Open(filepath.Join(tmp, stateName)) // which checks every record
	if err != nil {
		return fmt.Errorf("the state in the backup: %w", err)
	}
	if err := store.Close(); err != nil {
		return fmt.Errorf("the state in the backup: %w", err)
	}
	// The state comes last: without it the rest does no harm.
	for _, name := range append(names, stateName) {
		at := filepath.Join(dataDir, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o700); err != nil {
			return fmt.Errorf("restoring: %w", err)
		}
		if err := os.Rename(filepath.Join(tmp, name), at); err != nil {
			return fmt.Errorf("restoring: %w", err)
		}
	}
	return syncDirectory(dataDir)
}

// unpack writes the files of a backup into dir and returns their names but for the state's. Others than a backup has are refused.
func unpack(dir string, backup io.Reader) (names []string, err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	if err := root.Mkdir(acmeDirectory, 0o700); err != nil {
		return nil, err
	}
	archive, state := tar.NewReader(backup), false
	for {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		switch name := h.Name; {
		case name == stateName && !state:
			state = true
		case name == tokenName, name == certificateName, name == privateKeyName, path.Dir(name) == acmeDirectory:
			names = append(names, name)
		default:
			return nil, fmt.Errorf("%q is no file of a backup, or is there twice", name)
		}
		if h.Typeflag != tar.TypeReg || h.Size > maxBackupFile {
			return nil, fmt.Errorf("%q is not a file, or too large", h.Name)
		}
		f, err := root.OpenFile(filepath.FromSlash(h.Name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return nil, err
		}
		_, err = io.Copy(f, archive)
		if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
			return nil, err
		}
	}
	if !state {
		return nil, fmt.Errorf("it has no %s", stateName)
	}
	return names, nil
}

func syncDirectory(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
