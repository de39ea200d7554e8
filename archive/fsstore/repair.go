package fsstore

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"path/filepath"

	"headwater.stream/archive"
)

// end ends a recording that nobody ended, as the server would: what is torn is cut off.
func (c *checker) end() error {
	if !c.opt.Force && !c.info.Clean && c.info.Boot != "" && c.info.Boot == BootID() {
		return ErrRecorded
	}
	d, err := openAlone(c.report.Directory)
	if err != nil {
		return err
	}
	a, err := archive.OpenAsset(d, c.opt.Manifests)
	if err != nil {
		return errors.Join(fmt.Errorf("ending the recording: %w", err), d.Close())
	}
	if err := errors.Join(a.Unended(), a.Close()); err != nil {
		return err
	}
	c.report.Findings, c.fixes = []Finding{}, nil
	c.found(Finding{File: archive.HeaderName, Problem: "the recording was not ended", Repair: "end it with the last whole chunk", Done: true}, nil)
	_, err = c.checkHeader()
	return err
}

// openAlone opens a directory that belongs to no Store. All is synced at once.
func openAlone(dir string) (*Dir, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return newDir(root, &Store{path: filepath.Dir(dir), opt: Options{Boot: BootID(), Log: slog.New(slog.DiscardHandler)}, syncers: map[*syncer]bool{}}), nil
}

// moveAside moves a file out of the way, under a name that is free.
func (c *checker) moveAside(file string) error {
	to := path.Join(setAside, file)
	if err := c.root.MkdirAll(path.Dir(to), 0o755); err != nil {
		return err
	}
	free := to
	for n := 1; ; n++ {
		if _, err := c.root.Lstat(free); errors.Is(err, fs.ErrNotExist) {
			break
		}
		free = fmt.Sprintf("%s.%d", to, n)
	}
	if err := c.root.Rename(file, free); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return errors.Join(syncDir(c.root, path.Dir(free)), syncDir(c.root, path.Dir(file)))
}

// cut ends a file at size.
func (c *checker) cut(file string, size int64) error {
	f, err := c.root.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Truncate(size), f.Sync(), f.Close())
}
