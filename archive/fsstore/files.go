package fsstore

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"strings"

	"headwater.stream/archive"
	"headwater.stream/internal/media"
	"headwater.stream/internal/timeline"
)

// tempSuffix marks files that are not in place yet; Load sweeps them.
const tempSuffix = ".tmp"

// badSuffix marks, on an empty file, a segment whose sync failed; Load gives it up.
const badSuffix = ".bad"

// writeFile puts a file in place whole and durably: temporary, fsync, rename, fsync the directory.
func (d *Dir) writeFile(name string, body []byte) error {
	return d.put(name, func(w io.Writer) error { _, err := w.Write(body); return err })
}

// put is writeFile for a directory that nobody has open.
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

func (d *Dir) put(name string, fill func(io.Writer) error) error {
	temp := name + tempSuffix
	f, err := d.create(temp, os.O_TRUNC)
	if err != nil {
		return err
	}
	err = fill(writer{d, f})
	if err == nil {
		err = d.sync.store.syncFile(f)
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return errors.Join(fmt.Errorf("writing %s: %w", name, err), d.remove(temp)) // a full disk needs the room
	}
	if err := d.sync.store.ask(opRename, d.path(name)); err != nil {
		return errors.Join(err, d.remove(temp))
	}
	if err := d.root.Rename(temp, name); err != nil {
		return errors.Join(err, d.remove(temp))
	}
	d.pardon(name)
	return d.sync.store.syncDir(d.root, path.Dir(name))
}

// writer writes to a file of the directory.
type writer struct {
	dir  *Dir
	file *os.File
}

func (w writer) Write(b []byte) (int, error) {
	if err := w.dir.write(w.file, b); err != nil {
		return 0, err
	}
	return len(b), nil
}

// WriteFile implements archive.Dir.
func (d *Dir) WriteFile(name string, body []byte) (err error) {
	defer d.mark(&err)
	return d.writeFile(name, body)
}

// Replace implements archive.Dir.
func (d *Dir) Replace(rendition string, s media.Segment, body io.Reader) (err error) {
	defer d.mark(&err)
	return d.put(segmentName(rendition, s), func(w io.Writer) error { _, err := io.Copy(w, body); return err })
}

// Link implements archive.Dir: a hard link where both are of one file system, a copy otherwise.
func (d *Dir) Link(src timeline.Spool, rendition string, s media.Segment) (err error) {
	defer d.mark(&err)
	name := segmentName(rendition, s)
	if is, err := d.root.Lstat(name); err == nil && (s.Size == 0 || is.Size() == int64(s.Size)) {
		return nil
	} else if err == nil { // it was linked while it grew, and has not become whole
		if err := d.remove(name); err != nil {
			return err
		}
	}
	if from, ok := src.(interface{ Path(name string) string }); ok {
		err := d.sync.store.ask(opLink, d.path(name))
		if err == nil {
			err = os.Link(from.Path(name), d.path(name))
		}
		if errors.Is(err, fs.ErrNotExist) {
			return media.ErrNotFound
		}
		if err == nil || errors.Is(err, fs.ErrExist) {
			d.sync.dir(rendition)
			if d.sync.store.opt.Sync == 0 {
				if err := d.sync.flushDirs(); err != nil {
					return err
				}
			}
			is, err := d.root.Lstat(name)
			if err != nil || s.Size == 0 || is.Size() == int64(s.Size) {
				return err
			}
			return errors.Join(media.ErrNotFound, d.remove(name)) // torn
		}
	}
	if s.Size == 0 {
		return nil // it is still being written: it is copied when it is sealed
	}
	return d.copy(src, rendition, s)
}

// copy copies a sealed segment, as between file systems.
func (d *Dir) copy(src timeline.Spool, rendition string, s media.Segment) error {
	f, err := src.Open(rendition, s)
	if err != nil {
		return err
	}
	defer f.Close()
	if size, err := f.Seek(0, io.SeekEnd); err != nil || size < int64(s.Size) {
		return errors.Join(media.ErrNotFound, err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return d.put(segmentName(rendition, s), func(w io.Writer) error { _, err := io.Copy(w, io.LimitReader(f, int64(s.Size))); return err })
}

// Path returns the path of a file of the directory.
func (d *Dir) Path(name string) string { return d.path(name) }

// Load implements timeline.Spool.
func (d *Dir) Load() (timeline.State, bool, error) { return d.load(true) }

// Resume implements archive.Dir.
func (d *Dir) Resume() (timeline.State, bool, error) { return d.load(false) }

// Sweep implements archive.Dir.
func (d *Dir) Sweep() (err error) {
	defer d.mark(&err)
	d.mu.Lock()
	renditions := d.header.Renditions
	d.mu.Unlock()
	for _, r := range renditions {
		files, err := d.loadedRendition(r.Name)
		if err != nil {
			return err
		}
		if _, err := d.sweep(r.Name, files, false); err != nil {
			return err
		}
	}
	return nil
}

func (d *Dir) load(swept bool) (st timeline.State, ok bool, err error) {
	defer d.mark(&err)
	st = timeline.State{Segments: map[string][]media.Segment{}, Sums: map[string][]uint32{}, Unsealed: map[string][]media.Segment{}}
	h, info, why, err := readHeader(d.root)
	if errors.Is(err, fs.ErrNotExist) {
		return st, false, nil
	}
	if err != nil {
		return st, false, fmt.Errorf("%s: %w", d.root.Name(), err)
	}
	log := d.sync.store.opt.Log.With("dir", d.root.Name())
	if why != nil {
		log.Error("asset.json is damaged; its copy is used", "err", why)
	}
	d.mu.Lock()
	d.header, d.info = h, archive.Info{ManifestName: info.ManifestName, First: info.First, Ended: info.Ended}
	d.mu.Unlock()
	st.Lost = !info.Clean && info.Boot != "" && info.Boot != d.sync.store.opt.Boot
	for i := range h.Renditions {
		r := &h.Renditions[i]
		for k := range r.Inits {
			body, same, err := readInit(d.root, r.Name, r.Inits[k])
			if err != nil {
				return st, false, err
			}
			name := initName(r.Name, r.Inits[k].ID)
			if !same {
				log.Error("an initialization section is damaged; asset.json has it too", "file", name)
			}
			r.Inits[k].Body, d.inits[name] = body, same
		}
		if err := d.loadRendition(&st, r, swept, log); err != nil {
			return st, false, err
		}
	}
	if st.Lost = st.Lost && !info.Ended; st.Lost {
		d.distrust(&st, h, swept)
	}
	for _, r := range h.Renditions {
		files := d.rends[r.Name]
		n := len(files.kept)
		st.Segments[r.Name], st.Sums[r.Name] = files.kept[:n:n], files.sums[:n:n]
	}
	if st.Events, d.events, _, err = readEvents(d.root); err != nil {
		return st, false, err
	}
	st.Header = h
	return st, true, nil
}

// loadRendition reads what there is of a rendition.
func (d *Dir) loadRendition(st *timeline.State, r *timeline.HeaderRendition, swept bool, log *slog.Logger) (err error) {
	files, err := d.loadedRendition(r.Name)
	if err != nil {
		return err
	}
	if files.damaged {
		log.Error("an index is damaged; what can be found by its files is used", "rendition", r.Name, "records", len(files.lost))
		x := archive.Index{Segments: files.kept, Sums: files.sums, Lost: files.lost}
		if err := restore(d.root, r, &x); err != nil {
			return err
		}
		files.kept = x.Segments
	}
	if swept {
		if st.Unsealed[r.Name], err = d.sweep(r.Name, files, true); err != nil {
			return err
		}
	}
	return nil
}

// lost makes a gap of a segment whose file is not what its record says. The file, if there is one, is kept: the record
// stays too, so the next start finds the same, and a repair may find more.
func (d *Dir) lost(name string, r *rendition, i int, why media.GapReason) {
	s := &r.kept[i]
	d.fixed(archive.Repair{What: "segment lost: " + why.String(), File: segmentName(name, *s), Bytes: int64(s.Size)})
	s.Gap, s.Size, s.Reason, r.sums[i] = true, 0, why, 0
}

// sweep lists the segment files that the index does not know and removes what a crash left over. With missing, segments
// without a file become gaps; not once they are shared with readers.
func (d *Dir) sweep(name string, r *rendition, missing bool) (unsealed []media.Segment, err error) {
	dir, err := d.root.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	var low, high uint64
	if n := len(r.kept); n > 0 {
		low, high = r.kept[0].Number, r.kept[n-1].Number+1
	}
	var old []string
	there, bad := make([]bool, high-low), map[string]bool{}
	for _, file := range names {
		if segment, ok := strings.CutSuffix(file, badSuffix); ok {
			bad[segment] = true
			_ = d.remove(path.Join(name, file))
			_ = d.remove(path.Join(name, segment))
		}
	}
	for _, file := range names {
		if bad[file] {
			continue
		}
		ref, ok := media.ParseFile(name, file)
		segment := ok && ref.Kind == media.ObjectSegment
		switch {
		case strings.HasSuffix(file, tempSuffix), segment && ref.Number < low && !r.damaged, ok && ref.Kind == media.ObjectInit && !d.inits[ref.Name()]:
			_ = d.remove(path.Join(name, file)) // on a disk that cannot be written to it stays, and does no harm
		case segment && ref.Number >= high:
			unsealed = append(unsealed, media.Segment{Number: ref.Number, Epoch: ref.Epoch})
		case segment && ref.Number >= low && ref.Epoch == r.kept[ref.Number-low].Epoch:
			there[ref.Number-low] = true
		case segment && ref.Number >= low && !r.damaged: // it was rescued, and has another name now
			old = append(old, path.Join(name, file))
		}
	}
	if len(old) > 0 && d.sync.flush() == nil { // the disk has what it was rescued to
		for _, file := range old {
			_ = d.remove(file)
		}
	}
	for i := range r.kept {
		if missing && !there[i] && !r.kept[i].Gap {
			d.lost(name, r, i, media.GapMissing)
		}
	}
	sortSegments(unsealed)
	return unsealed, nil
}

// Recover implements timeline.Spool.
func (d *Dir) Recover(name string, s media.Segment, sealed bool) (parts []media.Part, err error) {
	defer d.mark(&err)
	file := segmentName(name, s)
	f, err := d.root.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	parts, end, err := archive.ScanParts(f, st.Size(), s)
	if err != nil {
		return nil, err
	}
	if sealed || end == st.Size() && end > 0 {
		return parts, nil
	}
	d.fixed(archive.Repair{What: "torn end of a segment", File: file, Bytes: st.Size() - end})
	if len(parts) == 0 { // nothing of it was announced
		_ = d.remove(file)
		return nil, nil
	}
	// A disk that cannot be written to keeps the torn end: nobody reads beyond the segment's size.
	if w, err := d.root.OpenFile(file, os.O_RDWR, 0); err == nil {
		err = d.truncate(w, end)
		if err == nil {
			err = d.sync.store.syncFile(w)
		}
		if err := errors.Join(err, w.Close()); err != nil {
			d.sync.store.opt.Log.Warn("cutting a torn segment", "file", d.path(file), "err", err)
		}
	}
	return parts, nil
}
