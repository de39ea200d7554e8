package fsstore

import (
	"errors"
	"fmt"
	"os"
	"path"
	"time"

	"headwater.stream/archive"
	"headwater.stream/internal/media"
)

// rendition is the writer's side of a rendition's files.
type rendition struct {
	index   *os.File // nil until something is appended
	records int      // segments the index has records of, gone ones included
	stale   bool     // it could not be synced and is to be written anew
	kept    []media.Segment
	sums    []uint32 // of kept
	lost    []uint64 // numbers in kept whose records were damaged when it was opened
	damaged bool     // the index was, when it was opened
	open    map[uint64]*growing
}

// rendition returns the rendition's files, making its directory and index if they are not there.
func (d *Dir) rendition(name string, timescale uint32) (*rendition, error) {
	if err := d.mkdir(name); err != nil {
		return nil, err
	}
	if r := d.rends[name]; r != nil {
		return r, nil
	}
	r, size, err := d.readRendition(name)
	if err != nil {
		return nil, err
	}
	if size == 0 {
		if err := d.writeFile(path.Join(name, indexName), archive.IndexHeader(timescale)); err != nil {
			return nil, err
		}
	}
	d.rends[name] = r
	return r, nil
}

// readRendition reads the index of a rendition, and how long it is.
func (d *Dir) readRendition(name string) (*rendition, int64, error) {
	x, torn, err := readIndex(d.root, name)
	if err != nil {
		return nil, 0, err
	}
	if torn > 0 && x.Size > 0 {
		d.fixed(archive.Repair{What: "torn end of the index", File: path.Join(name, indexName), Bytes: torn})
	}
	return &rendition{
		open: map[uint64]*growing{}, records: x.Records, kept: x.Segments, sums: x.Sums, lost: x.Lost, damaged: x.Damaged > 0,
	}, x.Size, nil
}

// loadedRendition is rendition for who only reads: what is not there is made when something is appended.
func (d *Dir) loadedRendition(name string) (*rendition, error) {
	if r := d.rends[name]; r != nil {
		return r, nil
	}
	r, size, err := d.readRendition(name)
	if err != nil {
		return nil, err
	}
	r.stale = size == 0
	d.rends[name] = r
	return r, nil
}

// appendIndex adds a record to a rendition's index, which it opens when the first one comes: a recording that is only
// replayed holds no file open. What is not whole, from a crash or a full disk, is cut off, or nothing after it could be
// read. An index that could not be synced is written anew: what the disk has of it is not known.
func (d *Dir) appendIndex(name string, r *rendition, record []byte) error {
	file := path.Join(name, indexName)
	if d.sync.pardon(d.path(file)) || r.stale {
		r.stale = true
		if err := d.rewriteIndex(name, r); err != nil {
			return err
		}
	}
	if r.index == nil {
		f, err := d.root.OpenFile(file, os.O_RDWR|os.O_APPEND, 0o644)
		if err != nil {
			return err
		}
		if err := d.truncate(f, int64(r.records+1)*archive.RecordSize); err != nil {
			return errors.Join(err, f.Close())
		}
		r.index = f
	}
	if err := d.write(r.index, record); err != nil {
		d.sync.done(r.index) // opened again it is cut where it is whole
		r.index = nil
		return fmt.Errorf("index of %s: %w", name, err)
	}
	r.records++
	if err := d.sync.file(r.index, name); err != nil {
		r.stale = true // the record is not the caller's, who tries again
		return err
	}
	return nil
}

// record appends a segment's record to the index.
func (d *Dir) record(name string, r *rendition, s media.Segment, sum uint32) error {
	if n := len(r.kept); n > 0 && s.Number != r.kept[n-1].Number+1 {
		return fmt.Errorf("%s: segment %d after %d", name, s.Number, r.kept[n-1].Number)
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

// compactFactor is how many dead records per live one make an index worth writing again.
const compactFactor = 4

// compact writes the index again when most of it is about segments that are gone.
func (d *Dir) compact(name string, r *rendition) error {
	if r.records < 1024 || r.records < (compactFactor+1)*len(r.kept) {
		return nil
	}
	return d.rewriteIndex(name, r)
}

// rewriteIndex puts an index of what is kept in the place of the one there is.
func (d *Dir) rewriteIndex(name string, r *rendition) error {
	d.mu.Lock()
	scale, anchor := d.timescale(name), d.header.Anchor
	d.mu.Unlock()
	if err := d.mkdir(name); err != nil {
		return err
	}
	if err := d.writeFile(path.Join(name, indexName), encodeIndex(scale, anchor, r.kept, r.sums)); err != nil {
		return err
	}
	if r.index != nil {
		d.sync.done(r.index)
	}
	r.index, r.records, r.stale = nil, len(r.kept), false
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

// Checksum implements archive.Dir.
func (d *Dir) Checksum(name string, s media.Segment) uint32 {
	r := d.rends[name]
	if r == nil || len(r.kept) == 0 || s.Number < r.kept[0].Number || s.Number-r.kept[0].Number >= uint64(len(r.kept)) {
		return 0
	}
	return r.sums[s.Number-r.kept[0].Number]
}
