package fsstore

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"sync"

	"headwater.stream/archive"
	"headwater.stream/internal/media"
	"headwater.stream/internal/timeline"
)

// indexName is the index of a rendition, in its directory.
const indexName = "index.hwx"

// Dir is an archive.Dir: one directory of a Store.
type Dir struct {
	root *os.Root
	sync *syncer

	mu     sync.Mutex // of header and info; the rest belongs to the one writer
	header timeline.Header
	info   archive.Info
	saved  bool            // a header was saved since it was opened: Close says that it was closed
	inits  map[string]bool // initialization sections that are files already
	fixes  []archive.Repair

	rends  map[string]*rendition
	events events
}

// growing is a segment file that is being written.
type growing struct {
	file *os.File
	size uint32
	sum  uint32
}

var _ archive.Dir = (*Dir)(nil)

func newDir(root *os.Root, store *Store) *Dir {
	return &Dir{root: root, sync: newSyncer(root, store), inits: map[string]bool{}, rends: map[string]*rendition{}}
}

func segmentName(rendition string, s media.Segment) string {
	return media.Ref{Rendition: rendition, Kind: media.ObjectSegment, Epoch: s.Epoch, Number: s.Number}.Name()
}

func initName(rendition string, id uint32) string {
	return media.Ref{Rendition: rendition, Kind: media.ObjectInit, Epoch: id}.Name()
}

// SaveHeader implements timeline.Spool.
func (d *Dir) SaveHeader(h timeline.Header) (err error) {
	defer d.mark(&err)
	needed := map[string]bool{}
	for _, r := range h.Renditions {
		if _, err := d.rendition(r.Name, r.Timescale); err != nil {
			return err
		}
		for _, in := range r.Inits {
			name := initName(r.Name, in.ID)
			needed[name] = true
			if d.inits[name] {
				continue
			}
			if err := d.writeFile(name, in.Body); err != nil {
				return err
			}
			d.inits[name] = true
		}
	}
	d.mu.Lock()
	d.header, d.info.Clean, d.saved = h, false, true
	d.mu.Unlock()
	if err := d.saveHeader(archive.HeaderName); err != nil {
		return err
	}
	for name := range d.inits { // no segment needs it any more
		if needed[name] {
			continue
		}
		if err := d.remove(name); err != nil {
			return err
		}
		delete(d.inits, name)
	}
	return nil
}

// mark makes an error of a call say what is wrong with the disk.
func (d *Dir) mark(err *error) { *err = d.sync.store.fault(*err) }

func (d *Dir) saveHeader(name string) error {
	d.mu.Lock()
	info := d.info
	info.Boot = d.sync.store.opt.Boot
	body, err := archive.EncodeHeader(d.header, info)
	d.mu.Unlock()
	if err != nil {
		return err
	}
	return d.writeFile(name, body)
}

// SaveInfo implements archive.Dir.
func (d *Dir) SaveInfo(i archive.Info) (err error) {
	defer d.mark(&err)
	if i.Ended { // nobody looks again at what was written last
		if err := d.settle(); err != nil {
			return err
		}
	}
	d.mu.Lock()
	d.info = i
	d.info.Clean = false
	d.mu.Unlock()
	if i.Ended { // first: what has ended has it
		if err := d.saveHeader(archive.HeaderCopyName); err != nil {
			return err
		}
	}
	return d.saveHeader(archive.HeaderName)
}

// settle has all that was written on the disk.
func (d *Dir) settle() error {
	if err := d.sync.flush(); err != nil {
		return err
	}
	for name, r := range d.rends {
		if d.sync.pardon(d.path(path.Join(name, indexName))) || r.stale {
			if err := d.rewriteIndex(name, r); err != nil {
				return err
			}
		}
	}
	return nil
}

// Info implements archive.Dir.
func (d *Dir) Info() archive.Info {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.info
}

// mkdir makes the directory of a rendition if it is not there.
func (d *Dir) mkdir(name string) error {
	if _, err := d.root.Lstat(name); err == nil {
		return nil
	}
	if err := d.sync.store.ask(opMkdir, d.path(name)); err != nil {
		return err
	}
	if err := d.root.Mkdir(name, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	d.sync.dir(".")
	return nil
}

// Append implements timeline.Spool.
func (d *Dir) Append(name string, s media.Segment, offset uint32, body []byte) (err error) {
	defer d.mark(&err)
	r := d.rends[name]
	if r == nil {
		return fmt.Errorf("rendition %s is not in the header", name)
	}
	file := segmentName(name, s)
	g := r.open[s.Number]
	if g == nil {
		if offset != 0 {
			return fmt.Errorf("%s: the first %d bytes are not here", file, offset)
		}
		f, err := d.create(file, os.O_EXCL)
		if err != nil {
			return err
		}
		g = &growing{file: f}
		r.open[s.Number] = g
		d.sync.dir(name)
	}
	if err := d.sync.condemned(d.path(file)); err != nil {
		return err
	}
	if g.size != offset {
		return fmt.Errorf("%s: %d bytes are here, %d expected", file, g.size, offset)
	}
	if err := d.write(g.file, body); err != nil {
		return err // a part that is half there is taken for whole by nobody: the timeline appends nothing to it
	}
	g.size += uint32(len(body))
	g.sum = archive.Checksum(g.sum, body)
	return d.sync.file(g.file, name)
}

// Seal implements timeline.Spool.
func (d *Dir) Seal(name string, s media.Segment) (err error) {
	defer d.mark(&err)
	r := d.rends[name]
	if r == nil {
		return fmt.Errorf("rendition %s is not in the header", name)
	}
	sum, known := uint32(0), false
	if g := r.open[s.Number]; g != nil {
		sum, known = g.sum, g.size == s.Size
		d.sync.done(g.file)
		delete(r.open, s.Number)
	}
	if !s.Gap && d.sync.condemned(d.path(segmentName(name, s))) != nil {
		s.Gap, s.Size, s.Reason = true, 0, media.GapDiskError
	}
	switch {
	case s.Gap: // what there is of it is of no use
		if err := d.remove(segmentName(name, s)); err != nil {
			return err
		}
		sum = 0
	case !known:
		if sum, err = d.checksum(name, s); err != nil {
			return err
		}
	}
	if err := d.record(name, r, s, sum); err != nil {
		return err
	}
	if !s.Gap && !known {
		d.adopt(name, s)
	}
	return nil
}

// timescale returns a rendition's; d.mu is held.
func (d *Dir) timescale(name string) uint32 {
	for _, r := range d.header.Renditions {
		if r.Name == name {
			return r.Timescale
		}
	}
	return 1
}

// adopt has a segment's file synced that others have written: a record is not to be on the disk without it. Where each part is
// synced before it is announced that has been done.
func (d *Dir) adopt(name string, s media.Segment) {
	if d.sync.store.opt.Sync == 0 {
		return
	}
	if f, err := d.root.Open(segmentName(name, s)); err == nil {
		d.sync.adopted(f)
		d.sync.done(f)
	}
}

// checksum reads a segment's file, which must have the segment's size; what a crash left behind it is cut off.
func (d *Dir) checksum(name string, s media.Segment) (sum uint32, err error) {
	f, err := d.root.Open(segmentName(name, s))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	sum, n, err := sumOf(io.LimitReader(f, int64(s.Size)))
	if err != nil {
		return 0, err
	}
	if n != int64(s.Size) {
		return 0, fmt.Errorf("%s has %d bytes, %d expected", segmentName(name, s), n, s.Size)
	}
	return sum, nil
}

// sumOf returns the checksum and the number of the bytes of r.
func sumOf(r io.Reader) (sum uint32, size int64, err error) {
	buf := make([]byte, 64<<10)
	for {
		n, err := r.Read(buf)
		sum, size = archive.Checksum(sum, buf[:n]), size+int64(n)
		if errors.Is(err, io.EOF) {
			return sum, size, nil
		}
		if err != nil {
			return 0, 0, err
		}
	}
}

// Drop implements timeline.Spool.
func (d *Dir) Drop(name string, below uint64) (err error) {
	defer d.mark(&err)
	r := d.rends[name]
	if r == nil {
		return nil
	}
	n := 0
	for n < len(r.kept) && r.kept[n].Number < below {
		n++
	}
	if n == 0 {
		return nil
	}
	// The floor first: a file without a record is swept at the next start, a record without a file would be a broken
	// promise. But a disk that has no room for the floor gets room by what is removed; the next one says the same.
	errs := []error{d.appendIndex(name, r, archive.FloorRecord(below))}
	for len(r.kept) > 0 && r.kept[0].Number < below {
		if s := r.kept[0]; !s.Gap {
			if err := d.remove(segmentName(name, s)); err != nil {
				return errors.Join(append(errs, err)...)
			}
			d.pardon(segmentName(name, s))
		}
		r.kept, r.sums = r.kept[1:], r.sums[1:]
	}
	return errors.Join(append(errs, d.compact(name, r))...)
}

// pardon forgets that a file was condemned, because it is gone or another takes its place.
func (d *Dir) pardon(file string) {
	if d.sync.pardon(d.path(file)) {
		_ = d.remove(file + badSuffix)
	}
}

// Discard implements archive.Dir.
func (d *Dir) Discard(name string, s media.Segment) (err error) {
	defer d.mark(&err)
	return d.remove(segmentName(name, s))
}

// Condemned implements timeline.Spool.
func (d *Dir) Condemned(name string, s media.Segment) error {
	file := d.path(segmentName(name, s))
	return d.sync.store.fault(errors.Join(d.sync.condemned(file), d.sync.doubted(file)))
}

// Repairs implements archive.Dir.
func (d *Dir) Repairs() []archive.Repair {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.fixes)
}

// maxRepairs bounds what is remembered of a directory that is badly damaged; a check finds all.
const maxRepairs = 64

func (d *Dir) fixed(r archive.Repair) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.fixes) < maxRepairs {
		d.fixes = append(d.fixes, r)
	}
}

// Open implements timeline.Spool.
func (d *Dir) Open(name string, s media.Segment) (media.File, error) {
	return openSegment(d.root, name, s)
}

// Doubt implements archive.Dir.
func (d *Dir) Doubt() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.saved = false
}

// Close implements archive.Dir.
func (d *Dir) Close() error {
	for _, r := range d.rends {
		for _, g := range r.open {
			d.sync.done(g.file)
		}
		if r.index != nil {
			d.sync.done(r.index)
		}
	}
	d.rends = map[string]*rendition{}
	d.closeEvents()
	err := d.sync.close()
	d.mu.Lock()
	mark := d.saved && err == nil && !d.info.Ended
	d.info.Clean = mark
	d.mu.Unlock()
	if mark {
		err = d.saveHeader(archive.HeaderName)
	}
	return errors.Join(err, d.root.Close())
}
