// Package fsstore keeps asset directories, and the spools of live events, in a file system: segment files that only grow
// until they are sealed, an append-only index per rendition, and everything else put in place whole.
package fsstore

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"headwater.stream/archive"
)

// Options are the settings of a Store.
type Options struct {
	// Sync is how often written bytes are forced to the disk: what a power loss may cost. 0: before each part is announced.
	Sync time.Duration
	// Boot tells one start of the machine from another: a directory that another start wrote and did not close may have
	// lost its end. "": BootID().
	Boot string
	Log  *slog.Logger // of failures in the background; nil: none
	// Fault is asked before each call that changes the disk ("create", "write", "truncate", "sync", "syncdir", "rename",
	// "mkdir", "link", "remove"), for tests that need a disk that fails, hangs or forgets what
	// was not synced; nil: nothing is asked.
	Fault func(op, path string) error
}

// BootID returns the kernel's name for this start of the machine, "" where it has none.
func BootID() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// Store is an archive.Store in a directory.
type Store struct {
	root *os.Root
	dir  *os.File // the same, open all the time: a sync of the file system tells what failed since the last one with it
	path string
	opt  Options
	stop chan struct{}
	wg   sync.WaitGroup

	mu      sync.Mutex
	syncers map[*syncer]bool // of directories that are written to
}

var _ archive.Store = (*Store)(nil)

// nameRule is what names of directories may be: no path can be made of them.
var nameRule = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,254}$`)

// ErrName is returned for a directory name that is not allowed.
var ErrName = errors.New("not a name of an asset directory: lower-case letters, digits and hyphens only")

// New returns the store in directory path, which is made if it does not exist.
func New(path string, opt Options) (*Store, error) {
	if err := os.MkdirAll(path, 0o755); err != nil {
		return nil, fmt.Errorf("fsstore: %w", err)
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, fmt.Errorf("fsstore: %w", err)
	}
	dir, err := root.Open(".")
	if err != nil {
		return nil, errors.Join(fmt.Errorf("fsstore: %w", err), root.Close())
	}
	if opt.Boot == "" {
		opt.Boot = BootID()
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	s := &Store{root: root, dir: dir, path: path, opt: opt, stop: make(chan struct{}), syncers: map[*syncer]bool{}}
	if opt.Sync > 0 {
		s.wg.Go(s.syncLoop)
	}
	return s, nil
}

// Path returns the path of the directory called name.
func (s *Store) Path(name string) string { return filepath.Join(s.path, name) }

// Open implements archive.Store.
func (s *Store) Open(name string) (archive.Dir, error) {
	if !nameRule.MatchString(name) {
		return nil, fmt.Errorf("fsstore: %q: %w", name, ErrName)
	}
	if _, err := s.root.Lstat(name); err != nil {
		if err := s.ask(opMkdir, s.Path(name)); err != nil {
			return nil, s.fault(err)
		}
		if err := s.root.Mkdir(name, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, s.fault(err)
		}
		if err := s.syncDir(s.root, "."); err != nil {
			return nil, s.fault(err)
		}
	}
	root, err := s.root.OpenRoot(name)
	if err != nil {
		return nil, s.fault(err)
	}
	return newDir(root, s), nil
}

// Remove implements archive.Store.
func (s *Store) Remove(name string) error {
	if !nameRule.MatchString(name) {
		return fmt.Errorf("fsstore: %q: %w", name, ErrName)
	}
	if err := s.root.RemoveAll(name); err != nil {
		return fmt.Errorf("fsstore: %w", err)
	}
	return nil
}

// Size returns how many bytes of segments the indexes of a directory say it has.
func (s *Store) Size(name string) (n int64, err error) {
	if !nameRule.MatchString(name) {
		return 0, fmt.Errorf("fsstore: %q: %w", name, ErrName)
	}
	list, err := fs.Glob(s.root.FS(), name+"/*/"+indexName)
	if err != nil {
		return 0, s.fault(err)
	}
	for _, file := range list {
		body, err := s.root.ReadFile(file)
		if err != nil {
			return 0, s.fault(err)
		}
		x, err := archive.ParseIndex(body)
		if err != nil {
			return 0, s.fault(err)
		}
		for i := range x.Segments {
			n += int64(x.Segments[i].Size)
		}
	}
	return n, nil
}

// List returns the names of all directories.
func (s *Store) List() ([]string, error) {
	d, err := s.root.Open(".")
	if err != nil {
		return nil, fmt.Errorf("fsstore: %w", err)
	}
	defer d.Close()
	entries, err := d.ReadDir(-1)
	if err != nil {
		return nil, fmt.Errorf("fsstore: %w", err)
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// Close stops the store's goroutine and closes its handle. Directories are closed by who opened them, before.
func (s *Store) Close() error {
	close(s.stop)
	done := make(chan struct{})
	go func() { s.wg.Wait(); close(done) }()
	t := time.NewTimer(closeBound)
	defer t.Stop()
	select {
	case <-done:
		return errors.Join(s.dir.Close(), s.root.Close())
	case <-t.C:
		return errors.New("fsstore: the disk does not answer; what was written last may be lost")
	}
}

// closeBound is how long Close waits for a disk that does not answer.
const closeBound = time.Second
