package fsstore

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"headwater.stream/archive"
	"headwater.stream/internal/media"
	"headwater.stream/internal/timeline"
)

// tempSuffix marks files that are not in place yet; Load sweeps them.
const tempSuffix = ".tmp"

// writeFile puts a file in place whole and durably: temporary, fsync, rename, fsync the directory.
func (d *Dir) writeFile(name string, body []byte) error {
	return d.put(name, func(w io.Writer) error { _, err := w.Write(body); return err })
}

func (d *Dir) put(name string, fill func(io.Writer) error) error {
	f, err := d.root.OpenFile(name+tempSuffix, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("fsstore: %w", err)
	}
	if err := errors.Join(fill(f), f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("fsstore: writing %s: %w", name, err)
	}
	if err := d.root.Rename(name+tempSuffix, name); err != nil {
		return fmt.Errorf("fsstore: %w", err)
	}
	return syncDir(d.root, path.Dir(name))
}

// WriteFile implements archive.Dir.
func (d *Dir) WriteFile(name string, body []byte) error { return d.writeFile(name, body) }

// Replace implements archive.Dir.
func (d *Dir) Replace(rendition string, s media.Segment, body io.Reader) error {
	return d.put(segmentName(rendition, s), func(w io.Writer) error { _, err := io.Copy(w, body); return err })
}

// Link implements archive.Dir: a hard link where both are of one file system, a copy otherwise.
func (d *Dir) Link(src timeline.Spool, rendition string, s media.Segment) error {
	name := segmentName(rendition, s)
	if _, err := d.root.Lstat(name); err == nil {
		return nil
	}
	if from, ok := src.(*Dir); ok {
		err := os.Link(path.Join(from.root.Name(), name), path.Join(d.root.Name(), name))
		if err == nil || errors.Is(err, fs.ErrExist) {
			d.sync.dir(rendition)
			return nil
		}
		if errors.Is(err, fs.ErrNotExist) {
			return media.ErrNotFound
		}
	}
	if s.Size == 0 {
		return nil // it is still being written: it is copied when it is sealed
	}
	f, err := src.Open(rendition, s)
	if err != nil {
		return err
	}
	defer f.Close()
	return d.Replace(rendition, s, io.LimitReader(f, int64(s.Size)))
}

// Load implements timeline.Spool.
func (d *Dir) Load() (timeline.State, bool, error) {
	st := timeline.State{Segments: map[string][]media.Segment{}, Unsealed: map[string][]media.Segment{}}
	body, err := d.root.ReadFile(archive.HeaderName)
	if errors.Is(err, fs.ErrNotExist) {
		return st, false, nil
	}
	if err != nil {
		return st, false, fmt.Errorf("fsstore: %w", err)
	}
	h, info, err := archive.DecodeHeader(body)
	if err != nil {
		return st, false, fmt.Errorf("fsstore: %s: %w", d.root.Name(), err)
	}
	for i := range h.Renditions {
		r := &h.Renditions[i]
		if !media.ValidRendition(r.Name) {
			return st, false, fmt.Errorf("fsstore: %w: rendition %q", archive.ErrDamaged, r.Name)
		}
		for k := range r.Inits {
			name := initName(r.Name, r.Inits[k].ID)
			if r.Inits[k].Body, err = d.root.ReadFile(name); err != nil {
				return st, false, fmt.Errorf("fsstore: %w: initialization section: %w", archive.ErrDamaged, err)
			}
			d.inits[name] = true
		}
		files, err := d.rendition(r.Name, r.Timescale)
		if err != nil {
			return st, false, err
		}
		st.Segments[r.Name] = files.kept[:len(files.kept):len(files.kept)]
		if st.Unsealed[r.Name], err = d.sweep(r.Name, files); err != nil {
			return st, false, err
		}
	}
	d.mu.Lock()
	d.header, d.info = h, archive.Info{ManifestName: info.ManifestName, First: info.First, Ended: info.Ended}
	d.mu.Unlock()
	st.Header = h
	st.Lost = !info.Clean && info.Boot != "" && info.Boot != d.sync.store.opt.Boot
	return st, true, nil
}

// sweep lists the segment files that the index does not know and removes what a crash left over.
func (d *Dir) sweep(name string, r *rendition) (unsealed []media.Segment, err error) {
	dir, err := d.root.Open(name)
	if err != nil {
		return nil, fmt.Errorf("fsstore: %w", err)
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("fsstore: %w", err)
	}
	var low, high uint64
	if n := len(r.kept); n > 0 {
		low, high = r.kept[0].Number, r.kept[n-1].Number+1
	}
	for _, file := range names {
		ref, ok := media.ParseFile(name, file)
		segment := ok && ref.Kind == media.ObjectSegment
		switch {
		case strings.HasSuffix(file, tempSuffix), segment && ref.Number < low, ok && ref.Kind == media.ObjectInit && !d.inits[ref.Name()]:
			if err := d.root.Remove(path.Join(name, file)); err != nil {
				return nil, fmt.Errorf("fsstore: %w", err)
			}
		case segment && ref.Number >= high:
			unsealed = append(unsealed, media.Segment{Number: ref.Number, Epoch: ref.Epoch})
		}
	}
	sortSegments(unsealed)
	return unsealed, nil
}

// Recover implements timeline.Spool.
func (d *Dir) Recover(name string, s media.Segment, sealed bool) ([]media.Part, error) {
	flag := os.O_RDWR
	if sealed {
		flag = os.O_RDONLY
	}
	f, err := d.root.OpenFile(segmentName(name, s), flag, 0)
	if err != nil {
		return nil, fmt.Errorf("fsstore: %w", err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("fsstore: %w", err)
	}
	parts, end, err := archive.ScanParts(f, st.Size(), s)
	if err != nil {
		return nil, fmt.Errorf("fsstore: %w", err)
	}
	if sealed || end == st.Size() && end > 0 {
		return parts, nil
	}
	if len(parts) == 0 { // nothing of it was announced
		if err := d.root.Remove(segmentName(name, s)); err != nil {
			return nil, fmt.Errorf("fsstore: %w", err)
		}
		return nil, nil
	}
	if err := errors.Join(f.Truncate(end), f.Sync()); err != nil {
		return nil, fmt.Errorf("fsstore: cutting %s: %w", segmentName(name, s), err)
	}
	return parts, nil
}
