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
	return putBytes(d.root, name, body)
}

func put(root *os.Root, name string, fill func(io.Writer) error) error {
	f, err := root.OpenFile(name+tempSuffix, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("fsstore: %w", err)
	}
	if err := errors.Join(fill(f), f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("fsstore: writing %s: %w", name, err)
	}
	if err := root.Rename(name+tempSuffix, name); err != nil {
		return fmt.Errorf("fsstore: %w", err)
	}
	return syncDir(root, path.Dir(name))
}

// putBytes is put for what is in memory.
func putBytes(root *os.Root, name string, body []byte) error {
	return put(root, name, func(w io.Writer) error { _, err := w.Write(body); return err })
}

// WriteFile implements archive.Dir.
func (d *Dir) WriteFile(name string, body []byte) error { return d.writeFile(name, body) }

// checksum reads a file, up to size bytes of it.
func checksum(root *os.Root, name string, size int64) (sum uint32, err error) {
	f, err := root.Open(name)
	if err != nil {
		return 0, fmt.Errorf("fsstore: %w", err)
	}
	defer f.Close()
	if sum, err = archive.ChecksumOf(io.LimitReader(f, size)); err != nil {
		return 0, fmt.Errorf("fsstore: %w", err)
	}
	return sum, nil
}

// Replace implements archive.Dir.
func (d *Dir) Replace(rendition string, s media.Segment, body io.Reader) error {
	return put(d.root, segmentName(rendition, s), func(w io.Writer) error { _, err := io.Copy(w, body); return err })
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
func (d *Dir) Load() (timeline.State, bool, error) { return d.load(true) }

// Resume implements archive.Dir.
func (d *Dir) Resume() (timeline.State, bool, error) { return d.load(false) }

// Sweep implements archive.Dir.
func (d *Dir) Sweep() error {
	d.mu.Lock()
	renditions := d.header.Renditions
	d.mu.Unlock()
	for _, r := range renditions {
		files, err := d.rendition(r.Name, r.Timescale)
		if err != nil {
			return err
		}
		if _, err := d.sweep(r.Name, files); err != nil {
			return err
		}
	}
	return nil
}

func (d *Dir) load(swept bool) (timeline.State, bool, error) {
	st := timeline.State{Segments: map[string][]media.Segment{}, Sums: map[string][]uint32{}, Unsealed: map[string][]media.Segment{}}
	h, info, why, err := readHeader(d.root)
	if errors.Is(err, fs.ErrNotExist) {
		return st, false, nil
	}
	if err != nil {
		return st, false, fmt.Errorf("fsstore: %s: %w", d.root.Name(), err)
	}
	log := d.sync.store.opt.Log.With("dir", d.root.Name())
	if why != nil {
		log.Error("asset.json is damaged; its copy is used", "err", why)
	}
	for i := range h.Renditions {
		r := &h.Renditions[i]
		for k := range r.Inits {
			body, same, err := readInit(d.root, r.Name, r.Inits[k])
			if err != nil {
				return st, false, fmt.Errorf("fsstore: %w", err)
			}
			name := initName(r.Name, r.Inits[k].ID)
			if !same {
				log.Error("an initialization section is damaged; asset.json has it too", "file", name)
			}
			r.Inits[k].Body, d.inits[name] = body, same
		}
		files, err := d.rendition(r.Name, r.Timescale)
		if err != nil {
			return st, false, err
		}
		if files.damaged {
			log.Error("an index is damaged; what can be found by its files is used", "rendition", r.Name, "records", len(files.lost))
			x := archive.Index{Segments: files.kept, Sums: files.sums, Lost: files.lost}
			if err := restore(d.root, r, &x); err != nil {
				return st, false, fmt.Errorf("fsstore: %w", err)
			}
			files.kept = x.Segments
		}
		n := len(files.kept)
		st.Segments[r.Name], st.Sums[r.Name] = files.kept[:n:n], files.sums[:n:n]
		if !swept {
			continue
		}
		if st.Unsealed[r.Name], err = d.sweep(r.Name, files); err != nil {
			return st, false, err
		}
	}
	if st.Events, d.events, _, err = readEvents(d.root); err != nil {
		return st, false, fmt.Errorf("fsstore: %w", err)
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
		case strings.HasSuffix(file, tempSuffix), segment && ref.Number < low && !r.damaged, ok && ref.Kind == media.ObjectInit && !d.inits[ref.Name()]:
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
