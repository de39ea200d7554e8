package fsstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"headwater.stream/archive"
	"headwater.stream/internal/media"
	"headwater.stream/internal/timeline"
)

// CheckOptions say how Check works.
type CheckOptions struct {
	Repair bool
	// Force repairs a recording that has not ended though it seems that a server of this machine records it now.
	Force bool
	// Manifests makes the files that let the ended asset play from any file server, by name.
	Manifests func(*media.View) (map[string][]byte, error)
	// Progress is told how many bytes of how many have been read; nil: nobody.
	Progress func(done, total int64)
}

// Errors of Check.
var (
	ErrNoAsset  = errors.New("not an asset directory: it has no asset.json")
	ErrRecorded = errors.New("the recording has not ended: end its live output first, or use --force if no server records it any more")
)

// setAside is the directory in an asset's that repair moves what is not needed to; nothing is deleted.
const setAside = "set-aside"

// checker checks one asset directory.
type checker struct {
	opt    CheckOptions
	root   *os.Root
	report *Report
	header timeline.Header
	info   archive.Info
	total  int64
	done   int64
	fixes  []fix
}

// fix sets one finding right.
type fix struct {
	finding int
	do      func() error
}

// Check verifies an asset directory: asset.json, the indexes, every segment's checksum, boxes and times, the static
// manifests, and that there is nothing else. With Repair it then sets right what can be; bytes that are good stay as they are. The error
// says that it could not look; what is wrong with the recording is in the report.
func Check(ctx context.Context, dir string, o CheckOptions) (*Report, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	if o.Progress == nil {
		o.Progress = func(int64, int64) {}
	}
	c := &checker{opt: o, root: root, report: &Report{Directory: filepath.Clean(dir), Gaps: []Span{}, Findings: []Finding{}}}
	ok, err := c.checkHeader()
	if err != nil {
		return nil, err
	}
	if !ok {
		c.report.settle()
		return c.report, nil
	}
	if o.Repair && !c.info.Ended {
		if err := c.end(); err != nil {
			return nil, err
		}
	}
	c.report.Ended = c.info.Ended
	if err := c.checkRenditions(ctx); err != nil {
		return nil, err
	}
	if o.Repair {
		for _, f := range c.fixes {
			if err := f.do(); err != nil {
				return nil, fmt.Errorf("repairing: %w", err)
			}
			c.report.Findings[f.finding].Done = true
		}
	}
	// Last, because they follow from the rest.
	if err := c.checkManifests(); err != nil {
		return nil, err
	}
	c.report.settle()
	return c.report, nil
}

// found notes a finding; do sets it right, nil: nothing does.
func (c *checker) found(f Finding, do func() error) {
	if do != nil {
		c.fixes = append(c.fixes, fix{len(c.report.Findings), do})
	}
	c.report.Findings = append(c.report.Findings, f)
}

// checkHeader reads asset.json; ok is false when nothing more can be said without it.
func (c *checker) checkHeader() (ok bool, err error) {
	h, info, why, err := readHeader(c.root)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, ErrNoAsset
	case errors.Is(err, archive.ErrDamaged), errors.Is(err, archive.ErrHeaderVersion):
		c.found(Finding{File: archive.HeaderName, Problem: err.Error()}, nil)
		return false, nil
	case err != nil:
		return false, err
	}
	c.header, c.info = h, info
	if why != nil {
		body, err := c.root.ReadFile(archive.HeaderCopyName)
		if err != nil {
			return false, err
		}
		c.found(Finding{File: archive.HeaderName, Problem: why.Error(), Repair: "put its copy in its place"}, func() error {
			return putBytes(c.root, archive.HeaderName, body)
		})
		return true, nil
	}
	if !info.Ended {
		return true, nil
	}
	body, err := c.root.ReadFile(archive.HeaderName)
	if err != nil {
		return false, err
	}
	if spare, _ := c.root.ReadFile(archive.HeaderCopyName); !bytes.Equal(body, spare) {
		c.found(Finding{File: archive.HeaderCopyName, Problem: "is not a copy of " + archive.HeaderName, Repair: "copy it"}, func() error {
			return putBytes(c.root, archive.HeaderCopyName, body)
		})
	}
	return true, nil
}

func (c *checker) checkRenditions(ctx context.Context) error {
	indexes := make([]archive.Index, len(c.header.Renditions))
	for i := range c.header.Renditions {
		r := &c.header.Renditions[i]
		if err := c.checkInits(r); err != nil {
			return err
		}
		x, err := c.checkIndex(r)
		if err != nil {
			return err
		}
		indexes[i] = x
		for _, s := range x.Segments {
			c.total += int64(s.Size)
		}
	}
	known := []string{archive.HeaderName, archive.HeaderCopyName, archive.EventsName, media.MultivariantName, media.MPDName, setAside}
	for i := range c.header.Renditions {
		r := &c.header.Renditions[i]
		known = append(known, r.Name)
		if err := c.checkSegments(ctx, r, indexes[i], longest(c.header.Renditions, indexes)); err != nil {
			return err
		}
	}
	pictures, err := c.checkStoryboard()
	if err != nil {
		return err
	}
	return errors.Join(c.checkEvents(), c.checkOthers(".", append(known, pictures...)))
}

// list is what a rendition has.
type list struct {
	*timeline.HeaderRendition
	segments []media.Segment
}

// longest returns the rendition with the highest number.
func longest(renditions []timeline.HeaderRendition, indexes []archive.Index) list {
	l, top := list{}, uint64(0)
	for i, x := range indexes {
		if n := len(x.Segments); n > 0 && x.Segments[n-1].Number > top {
			l, top = list{&renditions[i], x.Segments}, x.Segments[n-1].Number
		}
	}
	return l
}

// checkInits holds the initialization sections to what asset.json has of them.
func (c *checker) checkInits(r *timeline.HeaderRendition) error {
	for k := range r.Inits {
		in := &r.Inits[k]
		name := initName(r.Name, in.ID)
		body, same, err := readInit(c.root, r.Name, *in)
		switch {
		case errors.Is(err, archive.ErrDamaged):
			c.found(Finding{File: name, Problem: err.Error()}, nil)
		case err != nil:
			return err
		case !same:
			c.found(Finding{File: name, Problem: "is not the initialization section that asset.json has", Repair: "write it again from there"},
				func() error { return putBytes(c.root, name, body) })
		}
		in.Body = body
	}
	return nil
}

// checkIndex reads an index, with what can be found again of its damaged records.
func (c *checker) checkIndex(r *timeline.HeaderRendition) (archive.Index, error) {
	name := path.Join(r.Name, indexName)
	x, torn, err := readIndex(c.root, r.Name)
	if err != nil {
		if !errors.Is(err, archive.ErrDamaged) && !errors.Is(err, archive.ErrIndexVersion) {
			return x, err
		}
		c.found(Finding{File: name, Problem: err.Error()}, nil)
		return archive.Index{}, nil
	}
	if x.Size == 0 {
		c.found(Finding{File: name, Problem: "is missing or empty", Repair: "write it again"}, func() error { return nil })
		x.Damaged++ // checkSegments writes it
	}
	if err := restore(c.root, r, &x); err != nil {
		return x, err
	}
	if x.Damaged > 0 && x.Size > 0 {
		what := fmt.Sprintf("%d records are damaged", x.Damaged)
		c.found(Finding{File: name, Problem: what, Repair: "write it again with what the segments' files say"}, func() error { return nil })
	}
	for _, number := range x.Lost {
		if i := int(number - x.Segments[0].Number); i < len(x.Segments) && x.Segments[i].Gap {
			lost := span(&c.header, r, x.Segments[i])
			c.found(Finding{File: name, Problem: "the record of a segment is damaged, and there is no whole file of it", Lost: &lost, Repair: "record a gap"}, func() error { return nil })
		}
	}
	if torn > 0 && c.info.Ended {
		c.found(Finding{File: name, Problem: fmt.Sprintf("%d bytes behind the last whole record", torn), Repair: "cut them off"}, func() error { return nil })
		x.Damaged++
	}
	return x, nil
}

// checkOthers finds what does not belong to the recording.
func (c *checker) checkOthers(dir string, known []string) error {
	f, err := c.root.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	if err != nil {
		return err
	}
	slices.Sort(names)
	for _, name := range names {
		file := path.Join(dir, name)
		if slices.Contains(known, name) || !c.info.Ended && strings.HasSuffix(name, tempSuffix) {
			continue
		}
		c.found(Finding{File: file, Problem: "is no part of the recording", Repair: "move it to " + setAside}, func() error { return c.moveAside(file) })
	}
	return nil
}

// checkManifests holds the static manifests to what the recording says.
func (c *checker) checkManifests() error {
	if !c.info.Ended || c.opt.Manifests == nil {
		return nil
	}
	r, err := Read(c.report.Directory)
	if err != nil {
		if errors.Is(err, archive.ErrDamaged) || errors.Is(err, archive.ErrIndexVersion) {
			return nil // it was said
		}
		return err
	}
	defer r.Close()
	a, err := r.Asset(Point{}, Point{})
	if err != nil {
		return nil // nothing to play
	}
	files, err := c.opt.Manifests(a.View())
	if err != nil {
		return fmt.Errorf("static manifests: %w", err)
	}
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		is, err := c.root.ReadFile(name)
		if err == nil && bytes.Equal(is, files[name]) {
			continue
		}
		f := Finding{File: name, Problem: "is not the manifest of this recording", Repair: "write it again", Done: c.opt.Repair}
		if c.opt.Repair {
			if err := putBytes(c.root, name, files[name]); err != nil {
				return err
			}
		}
		c.report.Findings = append(c.report.Findings, f)
	}
	return nil
}
