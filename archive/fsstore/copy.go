package fsstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"time"

	"headwater.stream/archive"
	"headwater.stream/internal/media"
	"headwater.stream/internal/timeline"
)

// CopyOptions say what Copy makes of a recording.
type CopyOptions struct {
	// From and To, when they are set, are the wall clock or media time that the copy covers, cut to segment borders: a segment
	// that they lie in is whole.
	From, To Point
	// Copy copies segments; else they are hard links where both directories are of one file system.
	Copy bool
	// Tail also takes what is not sealed yet, of a recording that nobody writes any more. It is copied in any case.
	Tail bool
	// Manifests makes the files that let the copy play from any file server, by name.
	Manifests func(*media.View) (map[string][]byte, error)
	// Progress is told how many bytes of how many are there; nil: nobody.
	Progress func(done, total int64)
}

// Point is a moment of a recording: a time of the wall clock or, where that is zero, of the media. The zero Point is none.
type Point struct {
	UTC   time.Time
	Media time.Duration
	Set   bool
}

func (p Point) media(anchor time.Time) time.Duration {
	if !p.UTC.IsZero() {
		return p.UTC.Sub(anchor)
	}
	return p.Media
}

// ErrRange is returned for a From and To that no segment lies between.
var ErrRange = errors.New("the recording has nothing between these times")

// copier makes one copy.
type copier struct {
	opt  CopyOptions
	src  *Recording
	root *os.Root // of the copy
	path string
	from string
	done int64
	size int64
}

// Copy makes the asset directory dst, which must not exist, of the recording in src: of what is sealed in it, or of a part of
// that. The source, which may be recorded meanwhile, is not changed. The copy has ended, unless it got an open tail.
// What fails leaves nothing behind.
func Copy(ctx context.Context, src, dst string, o CopyOptions) (info archive.Info, err error) {
	r, err := Read(src)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%w: %w", ErrNoAsset, err)
		}
		return info, err
	}
	defer r.Close()
	if err := os.Mkdir(dst, 0o755); err != nil {
		return info, fmt.Errorf("fsstore: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(dst))
		}
	}()
	root, err := os.OpenRoot(dst)
	if err != nil {
		return info, fmt.Errorf("fsstore: %w", err)
	}
	defer root.Close()
	c := &copier{opt: o, src: r, root: root, path: dst, from: src}
	if c.opt.Progress == nil {
		c.opt.Progress = func(int64, int64) {}
	}
	if info, err = c.run(ctx); err != nil {
		return info, fmt.Errorf("copying %s: %w", src, err)
	}
	return info, nil
}

func (c *copier) run(ctx context.Context) (archive.Info, error) {
	first, last, err := c.src.numbers(c.opt.From, c.opt.To)
	if err != nil {
		return archive.Info{}, err
	}
	h := c.src.header
	h.Renditions, h.Ranges = nil, nil
	st := timeline.State{Segments: map[string][]media.Segment{}, Sums: map[string][]uint32{}}
	for i := range c.src.header.Renditions {
		r := c.src.header.Renditions[i]
		x := c.src.indexes[r.Name]
		lo, hi := within(x.Segments, first, last)
		if lo == hi {
			continue
		}
		st.Segments[r.Name], st.Sums[r.Name] = slices.Clone(x.Segments[lo:hi]), slices.Clone(x.Sums[lo:hi])
		if !c.opt.Tail {
			r.Inits = needed(r.Inits, st.Segments[r.Name])
		}
		h.Renditions = append(h.Renditions, r)
		for _, s := range x.Segments[lo:hi] {
			c.size += int64(s.Size)
		}
	}
	for i := range h.Renditions {
		if err := c.rendition(ctx, &h, &h.Renditions[i], st); err != nil {
			return archive.Info{}, err
		}
	}
	c.place(&h, st)
	if err := c.events(&h, &st); err != nil {
		return archive.Info{}, err
	}
	if err := c.storyboard(); err != nil {
		return archive.Info{}, err
	}
	return c.finish(h, st, first)
}

// within returns which of the segments have numbers from first to last.
func within(segs []media.Segment, first, last uint64) (lo, hi int) {
	for hi < len(segs) && segs[hi].Number <= last {
		if segs[hi].Number < first {
			lo = hi + 1
		}
		hi++
	}
	return lo, hi
}

// needed returns the initialization sections that these segments need.
func needed(inits []media.Init, segs []media.Segment) (list []media.Init) {
	for _, in := range inits {
		if slices.ContainsFunc(segs, func(s media.Segment) bool { return s.Init == in.ID }) {
			list = append(list, in)
		}
	}
	return list
}

// rendition makes the files of a rendition. A segment that the source has lost meanwhile, or long ago, is a gap in the copy.
func (c *copier) rendition(ctx context.Context, h *timeline.Header, r *timeline.HeaderRendition, st timeline.State) error {
	if err := c.root.Mkdir(r.Name, 0o755); err != nil {
		return err
	}
	segs, sums := st.Segments[r.Name], st.Sums[r.Name]
	for i := range segs {
		s := &segs[i]
		if err := ctx.Err(); err != nil {
			return err
		}
		if s.Gap {
			continue
		}
		err := c.segment(r.Name, *s)
		if errors.Is(err, media.ErrNotFound) {
			s.Gap, s.Size, sums[i] = true, 0, 0
			err = nil
		}
		if err != nil {
			return err
		}
		c.done += int64(s.Size)
		c.opt.Progress(c.done, c.size)
	}
	for _, in := range r.Inits {
		if err := putBytes(c.root, initName(r.Name, in.ID), in.Body); err != nil {
			return err
		}
	}
	if c.opt.Tail && !c.src.info.Ended {
		if err := c.tail(r.Name, segs[len(segs)-1].Number); err != nil {
			return err
		}
	}
	if err := putBytes(c.root, path.Join(r.Name, indexName), encodeIndex(r.Timescale, h.Anchor, segs, sums)); err != nil {
		return err
	}
	return syncDir(c.root, r.Name)
}

// segment puts one segment's file in place.
func (c *copier) segment(rendition string, s media.Segment) error {
	name := segmentName(rendition, s)
	st, err := c.src.root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) || err == nil && (!st.Mode().IsRegular() || st.Size() < int64(s.Size)) {
		return media.ErrNotFound
	}
	if err != nil {
		return err
	}
	if !c.opt.Copy && st.Size() == int64(s.Size) {
		if err := os.Link(filepath.Join(c.from, name), filepath.Join(c.path, name)); err == nil {
			return nil
		} // another file system, or one without hard links
	}
	f, err := c.src.Open(rendition, s)
	if err != nil {
		return err
	}
	defer f.Close()
	return put(c.root, name, func(w io.Writer) error { _, err := io.CopyN(w, f, int64(s.Size)); return err })
}

// tail copies what follows the sealed segments.
func (c *copier) tail(rendition string, last uint64) error {
	names, err := fs.ReadDir(c.src.root.FS(), rendition)
	if err != nil {
		return err
	}
	for _, e := range names {
		ref, ok := media.ParseFile(rendition, e.Name())
		if !ok || ref.Kind != media.ObjectSegment || ref.Number <= last || !e.Type().IsRegular() {
			continue
		}
		f, err := c.src.Open(rendition, media.Segment{Number: ref.Number, Epoch: ref.Epoch})
		if err != nil {
			return err
		}
		err = put(c.root, ref.Name(), func(w io.Writer) error { _, err := io.Copy(w, f); return err })
		if err = errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// place fills in which ranges the copy has.
func (c *copier) place(h *timeline.Header, st timeline.State) {
	if c.opt.Tail && !c.src.info.Ended {
		h.Ranges = c.src.header.Ranges
		return
	}
	segs := st.Segments[h.Renditions[0].Name]
	for _, g := range c.src.header.Ranges {
		if slices.ContainsFunc(segs, func(s media.Segment) bool { return s.Epoch == g.Epoch }) {
			h.Ranges = append(h.Ranges, g)
		}
	}
	last := segs[len(segs)-1]
	h.Epoch, h.Disc, h.Number, h.Reserved = last.Epoch, last.Disc, last.Number, 0
	for i := len(segs) - 1; i >= 0 && segs[i].Epoch == last.Epoch; i-- {
		h.Number = segs[i].Number
	}
}

// finish writes what makes it an asset directory, asset.json last.
func (c *copier) finish(h timeline.Header, st timeline.State, first uint64) (archive.Info, error) {
	info := archive.Info{ManifestName: c.src.info.ManifestName, First: first, Ended: !c.opt.Tail || c.src.info.Ended}
	if !info.Ended { // whether the machine has stopped since is for who ends it to look at
		info.Boot, info.Clean = c.src.info.Boot, c.src.info.Clean
	}
	if info.Ended && c.opt.Manifests != nil {
		st.Header = h
		a, err := archive.NewAsset(c.src, st, info)
		if err != nil {
			return info, err
		}
		files, err := c.opt.Manifests(a.View())
		if err != nil {
			return info, fmt.Errorf("static manifests: %w", err)
		}
		for name, body := range files {
			if err := putBytes(c.root, name, body); err != nil {
				return info, err
			}
		}
	}
	body, err := archive.EncodeHeader(h, info)
	if err != nil {
		return info, err
	}
	if info.Ended {
		if err := putBytes(c.root, archive.HeaderCopyName, body); err != nil {
			return info, err
		}
	}
	return info, putBytes(c.root, archive.HeaderName, body)
}

// Discard removes a recording's files from a directory, and the directory if nothing else is in it.
func Discard(dir string) error {
	r, err := Read(dir)
	if err != nil {
		return err
	}
	defer r.Close()
	files := []string{media.MultivariantName, media.MPDName, archive.EventsName, archive.HeaderCopyName}
	dirs := []string{}
	shown, err := pictures(r.root)
	if err != nil {
		return err
	}
	files = append(files, shown...)
	for _, h := range r.header.Renditions {
		dirs = append(dirs, h.Name)
		files = append(files, path.Join(h.Name, indexName), path.Join(h.Name, media.MediaPlaylistName), path.Join(h.Name, media.IFramePlaylistName))
		entries, err := fs.ReadDir(r.root.FS(), h.Name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		for _, e := range entries {
			if _, ok := media.ParseFile(h.Name, e.Name()); ok {
				files = append(files, path.Join(h.Name, e.Name()))
			}
		}
	}
	files = append(files, archive.HeaderName) // last: without it nobody knows what the rest is
	for _, name := range files {
		if err := r.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	for _, name := range dirs {
		_ = r.root.Remove(name) // what else is in it stays
	}
	_ = os.Remove(dir)
	return nil
}
