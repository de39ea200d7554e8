package fsstore

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path"
	"sync"
	"time"

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

	rends  map[string]*rendition
	events events
}

// rendition is the writer's side of a rendition's files.
type rendition struct {
	index   *os.File // nil until something is appended
	records int      // segments the index has records of, gone ones included
	kept    []media.Segment
	sums    []uint32 // of kept
	lost    []uint64 // numbers in kept whose records were damaged when it was opened
	damaged bool     // the index was, when it was opened
	open    map[uint64]*growing
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
func (d *Dir) SaveHeader(h timeline.Header) error {
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
		if err := d.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("fsstore: %w", err)
		}
		delete(d.inits, name)
	}
	return nil
}

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
func (d *Dir) SaveInfo(i archive.Info) error {
	d.mu.Lock()
	d.info = i
	d.info.Clean = false
	d.mu.Unlock()
	if err := d.saveHeader(archive.HeaderName); err != nil || !i.Ended {
		return err
	}
	return d.saveHeader(archive.HeaderCopyName)
}

// Info implements archive.Dir.
func (d *Dir) Info() archive.Info {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.info
}

// rendition returns the rendition's files, making its directory and index if they are not there.
func (d *Dir) rendition(name string, timescale uint32) (*rendition, error) {
	if r := d.rends[name]; r != nil {
		return r, nil
	}
	if err := d.root.Mkdir(name, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("fsstore: %w", err)
	}
	r := &rendition{open: map[uint64]*growing{}}
	file := path.Join(name, indexName)
	x, _, err := readIndex(d.root, name)
	if err != nil {
		return nil, fmt.Errorf("fsstore: %w", err)
	}
	if x.Size == 0 {
		if err := d.writeFile(file, archive.IndexHeader(timescale)); err != nil {
			return nil, err
		}
	}
	r.records, r.kept, r.sums, r.lost = x.Records, x.Segments, x.Sums, x.Lost
	r.damaged = x.Damaged > 0
	d.rends[name] = r
	return r, nil
}

// appendIndex adds a record to a rendition's index, which it opens when the first one comes: a recording that is only
// replayed holds no file open. What is not whole, from a crash or a full disk, is cut off, or nothing after it could be
// read.
func (d *Dir) appendIndex(name string, r *rendition, record []byte) error {
	whole := int64(r.records+1) * archive.RecordSize
	if r.index == nil {
		f, err := d.root.OpenFile(path.Join(name, indexName), os.O_RDWR|os.O_APPEND, 0o644)
		if err != nil {
			return fmt.Errorf("fsstore: %w", err)
		}
		if err := f.Truncate(whole); err != nil {
			return errors.Join(fmt.Errorf("fsstore: %w", err), f.Close())
		}
		r.index = f
	}
	if _, err := r.index.Write(record); err != nil {
		return errors.Join(fmt.Errorf("fsstore: index of %s: %w", name, err), r.index.Truncate(whole))
	}
	r.records++
	return d.sync.file(r.index, name)
}

// Append implements timeline.Spool.
func (d *Dir) Append(name string, s media.Segment, offset uint32, body []byte) error {
	r := d.rends[name]
	if r == nil {
		return fmt.Errorf("fsstore: rendition %s is not in the header", name)
	}
	g := r.open[s.Number]
	if g == nil {
		if offset != 0 {
			return fmt.Errorf("fsstore: %s: the first %d bytes are not here", segmentName(name, s), offset)
		}
		f, err := d.root.OpenFile(segmentName(name, s), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
		if err != nil {
			return fmt.Errorf("fsstore: %w", err)
		}
		g = &growing{file: f}
		r.open[s.Number] = g
		d.sync.dir(name)
	}
	if g.size != offset {
		return fmt.Errorf("fsstore: %s: %d bytes are here, %d expected", segmentName(name, s), g.size, offset)
	}
	if _, err := g.file.Write(body); err != nil {
		// A part that is half there would be taken for whole by nobody, but it must not be appended to.
		return errors.Join(fmt.Errorf("fsstore: %w", err), g.file.Truncate(int64(offset)))
	}
	g.size += uint32(len(body))
	g.sum = archive.Checksum(g.sum, body)
	return d.sync.file(g.file, name)
}

// Seal implements timeline.Spool.
func (d *Dir) Seal(name string, s media.Segment) error {
	r := d.rends[name]
	if r == nil {
		return fmt.Errorf("fsstore: rendition %s is not in the header", name)
	}
	var sum uint32
	if g := r.open[s.Number]; g != nil {
		sum = g.sum
		d.sync.done(g.file)
		delete(r.open, s.Number)
	} else if !s.Gap {
		var err error
		if sum, err = checksum(d.root, segmentName(name, s), math.MaxInt64); err != nil {
			return err
		}
	}
	return d.record(name, r, s, sum)
}

// record appends a segment's record to the index.
func (d *Dir) record(name string, r *rendition, s media.Segment, sum uint32) error {
	if n := len(r.kept); n > 0 && s.Number != r.kept[n-1].Number+1 {
		return fmt.Errorf("fsstore: %s: segment %d after %d", name, s.Number, r.kept[n-1].Number)
	}
	d.mu.Lock()
	wall := d.header.Anchor.Add(media.Duration(s.Start, d.timescale(name)))
	d.mu.Unlock()
	if err := d.appendIndex(name, r, archive.SegmentRecord(s, wall, sum)); err != nil {
		return err
	}
	r.kept, r.sums = append(r.kept, s), append(r.sums, sum)
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

// Drop implements timeline.Spool.
func (d *Dir) Drop(name string, below uint64) error {
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
	// The floor first: a file without a record is swept at the next start, a record without a file would be a broken promise.
	if err := d.appendIndex(name, r, archive.FloorRecord(below)); err != nil {
		return err
	}
	gone := r.kept[:n]
	r.kept, r.sums = r.kept[n:], r.sums[n:]
	for _, s := range gone {
		if s.Gap {
			continue
		}
		if err := d.root.Remove(segmentName(name, s)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("fsstore: %w", err)
		}
	}
	return d.compact(name, r)
}

// compactFactor is how many dead records per live one make an index worth writing again.
const compactFactor = 4

// compact writes the index again when most of it is about segments that are gone.
func (d *Dir) compact(name string, r *rendition) error {
	if r.records < 1024 || r.records < (compactFactor+1)*len(r.kept) {
		return nil
	}
	d.mu.Lock()
	scale, anchor := d.timescale(name), d.header.Anchor
	d.mu.Unlock()
	body := encodeIndex(scale, anchor, r.kept, r.sums)
	file := path.Join(name, indexName)
	if err := d.writeFile(file, body); err != nil {
		return err
	}
	d.sync.done(r.index)
	r.index, r.records = nil, len(r.kept)
	return nil
}

// encodeIndex makes an index of these segments.
func encodeIndex(scale uint32, anchor time.Time, segments []media.Segment, sums []uint32) []byte {
	body := archive.IndexHeader(scale)
	for i, s := range segments {
		body = append(body, archive.SegmentRecord(s, anchor.Add(media.Duration(s.Start, scale)), sums[i])...)
	}
	return body
}

// Open implements timeline.Spool.
func (d *Dir) Open(name string, s media.Segment) (media.File, error) {
	return openSegment(d.root, name, s)
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
