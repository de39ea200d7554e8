package fsstore

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"time"

	"headwater.stream/archive"
	"headwater.stream/internal/media"
	"headwater.stream/internal/timeline"
)

// readHeader reads asset.json, or its copy when it is damaged; why then says what it is.
func readHeader(root *os.Root) (h timeline.Header, info archive.Info, why, err error) {
	body, err := root.ReadFile(archive.HeaderName)
	missing := errors.Is(err, fs.ErrNotExist)
	if err == nil {
		h, info, err = archive.DecodeHeader(body)
	}
	if missing || errors.Is(err, archive.ErrDamaged) {
		if body, copyErr := root.ReadFile(archive.HeaderCopyName); copyErr == nil {
			if h, info, copyErr = archive.DecodeHeader(body); copyErr == nil {
				why, err = err, nil
			}
		}
	}
	if err != nil {
		return h, info, nil, err
	}
	for i := range h.Renditions {
		if name := h.Renditions[i].Name; !media.ValidRendition(name) {
			return h, info, nil, fmt.Errorf("%w: rendition %q", archive.ErrDamaged, name)
		}
	}
	return h, info, why, nil
}

// readInit returns an initialization section. asset.json has it too and is believed, because it has a checksum; same says
// whether the file agrees.
func readInit(root *os.Root, rendition string, in media.Init) (body []byte, same bool, err error) {
	file, err := root.ReadFile(initName(rendition, in.ID))
	if in.Body != nil {
		return in.Body, bytes.Equal(file, in.Body), nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("%w: initialization section: %w", archive.ErrDamaged, err)
	}
	return file, true, nil
}

// readIndex reads the index of a rendition; one that does not exist is empty.
func readIndex(root *os.Root, name string) (x archive.Index, trailing int64, err error) {
	body, err := root.ReadFile(path.Join(name, indexName))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return x, 0, err
	}
	if x, err = archive.ParseIndex(body); err != nil {
		return x, 0, fmt.Errorf("index of %s: %w", name, err)
	}
	return x, int64(len(body)) - x.Size, nil
}

// restore finds the segments again whose records are damaged, by their files. Those that it cannot find stay gaps.
func restore(root *os.Root, r *timeline.HeaderRendition, x *archive.Index) error {
	if len(x.Lost) == 0 {
		return nil
	}
	x.Segments = append([]media.Segment(nil), x.Segments...)
	for _, number := range x.Lost {
		i := int(number - x.Segments[0].Number)
		if number < x.Segments[0].Number || i >= len(x.Segments) {
			continue // below a floor
		}
		s, sum, ok, err := rediscover(root, r, x.Segments[i])
		if err != nil {
			return err
		}
		if ok {
			x.Segments[i], x.Sums[i] = s, sum
		}
	}
	return nil
}

// rediscover reads from a segment's file what its record would say; s has its number and where it belongs.
func rediscover(root *os.Root, r *timeline.HeaderRendition, s media.Segment) (found media.Segment, sum uint32, ok bool, err error) {
	parts, size, err := scanFile(root, r.Name, s)
	if errors.Is(err, fs.ErrNotExist) {
		return s, 0, false, nil
	}
	if err != nil || len(parts) == 0 {
		return s, 0, false, err
	}
	scale := r.Timescale
	for i := range r.Inits {
		if r.Inits[i].ID == s.Init {
			scale = r.Inits[i].Track.Timescale
		}
	}
	s.Gap, s.Size, s.Duration = false, 0, 0
	s.Start, s.KeySize = media.Rescale(parts[0].Start, scale, r.Timescale), parts[0].KeySize
	for _, p := range parts {
		s.Size += p.Size
		s.Duration += media.Rescale(p.Duration, scale, r.Timescale)
	}
	if int64(s.Size) != size {
		return s, 0, false, nil
	}
	sum, err = checksum(root, segmentName(r.Name, s), size)
	return s, sum, err == nil, err
}

// scanFile returns the whole parts of a segment's file and its size.
func scanFile(root *os.Root, rendition string, s media.Segment) ([]media.Part, int64, error) {
	f, err := root.Open(segmentName(rendition, s))
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	parts, _, err := archive.ScanParts(f, st.Size(), s)
	return parts, st.Size(), err
}

// Recording is an asset directory that is only read: nothing in it changes by that, whoever writes to it meanwhile.
type Recording struct {
	root    *os.Root
	header  timeline.Header
	info    archive.Info
	why     error                    // what is wrong with asset.json, nil: nothing
	indexes map[string]archive.Index // by rendition
	torn    map[string]int64         // bytes behind the last whole record
	events  []media.Event
}

// Read opens the recording in directory dir to read what is sealed in it.
func Read(dir string) (*Recording, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("fsstore: %w", err)
	}
	r := &Recording{root: root, indexes: map[string]archive.Index{}, torn: map[string]int64{}}
	if err := r.load(); err != nil {
		return nil, errors.Join(fmt.Errorf("fsstore: %s: %w", dir, err), root.Close())
	}
	return r, nil
}

func (r *Recording) load() (err error) {
	if r.header, r.info, r.why, err = readHeader(r.root); err != nil {
		return err
	}
	for i := range r.header.Renditions {
		h := &r.header.Renditions[i]
		for k := range h.Inits {
			if h.Inits[k].Body, _, err = readInit(r.root, h.Name, h.Inits[k]); err != nil {
				return err
			}
		}
		x, torn, err := readIndex(r.root, h.Name)
		if err != nil {
			return err
		}
		if err := restore(r.root, h, &x); err != nil {
			return err
		}
		r.indexes[h.Name], r.torn[h.Name] = x, torn
	}
	r.events, _, _, err = readEvents(r.root)
	return err
}

// Info returns what the directory says about the recording.
func (r *Recording) Info() archive.Info { return r.info }

// Asset returns what can be played of the recording now between two points, which may be none: cut to segment borders. It
// reads from this Recording, which it closes with itself.
func (r *Recording) Asset(from, to Point) (*archive.Asset, error) {
	first, last, err := r.numbers(from, to)
	if err != nil {
		return nil, err
	}
	st := timeline.State{Header: r.header, Segments: map[string][]media.Segment{}, Sums: map[string][]uint32{}, Events: r.events}
	for name, x := range r.indexes {
		lo, hi := within(x.Segments, first, last)
		st.Segments[name], st.Sums[name] = x.Segments[lo:hi], x.Sums[lo:hi]
	}
	return archive.NewAsset(r, st, r.info)
}

// numbers returns which segments lie between two points, at least partly: the same of all renditions. The first rendition leads.
func (r *Recording) numbers(from, to Point) (first, last uint64, err error) {
	for _, h := range r.header.Renditions {
		segs := r.indexes[h.Name].Segments
		if len(segs) == 0 {
			continue
		}
		start, end := segs[0].Start, segs[len(segs)-1].End()
		if from.Set {
			start = media.Ticks(from.media(r.header.Anchor), h.Timescale)
		}
		if to.Set {
			end = media.Ticks(to.media(r.header.Anchor), h.Timescale)
		}
		found := false
		for _, s := range segs {
			if s.End() <= start || s.Start >= end {
				continue
			}
			if !found {
				first, found = s.Number, true
			}
			last = s.Number
		}
		if found {
			return first, last, nil
		}
		a, b := span(&r.header, &h, segs[0]), span(&r.header, &h, segs[len(segs)-1])
		return 0, 0, fmt.Errorf("%w: it goes from %s to %s, media time %v to %v", ErrRange, a.From.UTC().Format(time.RFC3339Nano), b.To.UTC().Format(time.RFC3339Nano), a.Start, b.Start+b.Duration)
	}
	return 0, 0, archive.ErrEmpty
}

// Open opens a segment's file.
func (r *Recording) Open(name string, s media.Segment) (media.File, error) {
	return openSegment(r.root, name, s)
}

// Close lets go of the directory.
func (r *Recording) Close() error { return r.root.Close() }

// openSegment opens a segment's file.
func openSegment(root *os.Root, name string, s media.Segment) (media.File, error) {
	f, err := root.Open(segmentName(name, s))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, media.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("fsstore: %w", err)
	}
	return f, nil
}
