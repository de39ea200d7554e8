package fsstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"

	"headwater.stream/archive"
	"headwater.stream/internal/media"
	"headwater.stream/internal/timeline"
)

// checkSegments checks the segments of a rendition, file by file, and that there are no others. lead is the rendition that has
// the most.
func (c *checker) checkSegments(ctx context.Context, r *timeline.HeaderRendition, x archive.Index, lead list) error {
	known := []string{indexName, media.MediaPlaylistName, media.IFramePlaylistName}
	for k := range r.Inits {
		known = append(known, path.Base(initName(r.Name, r.Inits[k].ID)))
	}
	repaired, sums := slices.Clone(x.Segments), slices.Clone(x.Sums)
	rewrite := x.Damaged > 0
	for i, s := range x.Segments {
		if err := ctx.Err(); err != nil {
			return err
		}
		where := span(&c.header, r, s)
		if s.Gap {
			c.report.addGap(where)
			continue
		}
		name := segmentName(r.Name, s)
		known = append(known, path.Base(name))
		problem, surplus, err := c.checkSegment(r, s, x.Sums[i])
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		c.done += int64(s.Size)
		c.opt.Progress(c.done, c.total)
		c.report.Segments++
		c.report.Bytes += int64(s.Size)
		switch {
		case problem != "":
			c.found(Finding{File: name, Problem: problem, Lost: &where, Repair: "record a gap and move the file to " + setAside}, func() error { return c.moveAside(name) })
			repaired[i].Gap, repaired[i].Size, sums[i] = true, 0, 0
			rewrite = true
		case surplus > 0 && c.info.Ended:
			c.found(Finding{File: name, Problem: fmt.Sprintf("%d bytes too many at its end", surplus), Repair: "cut them off"}, func() error { return c.cut(name, int64(s.Size)) })
		}
		if i > 0 && problem == "" {
			c.checkOrder(r, repaired[i-1], s)
		}
	}
	more, moreSums, err := c.checkUnrecorded(r, repaired, &known)
	if err != nil {
		return err
	}
	repaired, sums = append(repaired, more...), append(sums, moreSums...)
	if gaps := c.checkLength(r, repaired, lead); len(more)+len(gaps) > 0 {
		repaired, sums = append(repaired, gaps...), append(sums, make([]uint32, len(gaps))...)
		rewrite = true
	}
	if rewrite {
		body := encodeIndex(r.Timescale, c.header.Anchor, repaired, sums)
		c.fixes = append(c.fixes, fix{len(c.report.Findings) - 1, func() error { return putBytes(c.root, path.Join(r.Name, indexName), body) }})
	}
	return c.checkOthers(r.Name, known)
}

// checkSegment says what is wrong with a segment's file, and how many bytes it has behind the segment.
func (c *checker) checkSegment(r *timeline.HeaderRendition, s media.Segment, sum uint32) (problem string, surplus int64, err error) {
	f, err := c.root.Open(segmentName(r.Name, s))
	if errors.Is(err, fs.ErrNotExist) {
		return "is missing", 0, nil
	}
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return "", 0, err
	}
	size := int64(s.Size)
	if st.Size() < size {
		return fmt.Sprintf("has %d bytes of %d", st.Size(), size), 0, nil
	}
	if sum != 0 {
		got, err := archive.ChecksumOf(io.LimitReader(f, size))
		if err != nil {
			return "", 0, err
		}
		if got != sum {
			return fmt.Sprintf("has the checksum %08x, not %08x", got, sum), 0, nil
		}
	}
	parts, end, err := archive.ScanParts(f, size, s)
	if err != nil {
		return "", 0, err
	}
	if end != size || len(parts) == 0 {
		return fmt.Sprintf("has no whole moof and mdat at byte %d", end), 0, nil
	}
	return times(r, s, parts), st.Size() - size, nil
}

// times says whether the times in the boxes are those of the index.
func times(r *timeline.HeaderRendition, s media.Segment, parts []media.Part) string {
	var in *media.Init
	for i := range r.Inits {
		if r.Inits[i].ID == s.Init {
			in = &r.Inits[i]
		}
	}
	if in == nil {
		return fmt.Sprintf("needs the initialization section %d, which asset.json does not know", s.Init)
	}
	scale := in.Track.Timescale
	near := func(a, b int64) bool { // a tick of the media per part may be lost to rounding
		d := a - b
		return max(d, -d) <= int64(len(parts))*max(1, int64(r.Timescale)/int64(scale))
	}
	if start := media.Rescale(parts[0].Start, scale, r.Timescale); !near(start, s.Start) {
		return fmt.Sprintf("begins at %v, by the index at %v", media.Duration(start, r.Timescale), media.Duration(s.Start, r.Timescale))
	}
	at := parts[0].Start
	for _, p := range parts {
		if p.Start != at {
			return fmt.Sprintf("has a chunk at %v where %v was expected", media.Duration(p.Start, scale), media.Duration(at, scale))
		}
		at += p.Duration
	}
	if d := media.Rescale(at-parts[0].Start, scale, r.Timescale); !near(d, s.Duration) {
		return fmt.Sprintf("lasts %v, by the index %v", media.Duration(d, r.Timescale), media.Duration(s.Duration, r.Timescale))
	}
	return ""
}

// checkOrder says when a segment does not begin where the one before ends, though they are of one range.
func (c *checker) checkOrder(r *timeline.HeaderRendition, before, s media.Segment) {
	if before.Gap || before.Epoch != s.Epoch || before.End() == s.Start {
		return
	}
	hole := before
	hole.Start, hole.Duration, hole.Number = before.End(), s.Start-before.End(), s.Number
	f := Finding{File: path.Join(r.Name, indexName), Problem: fmt.Sprintf("segment %d begins %v after the end of the one before", s.Number, media.Duration(hole.Duration, r.Timescale))}
	if hole.Duration > 0 {
		lost := span(&c.header, r, hole)
		f.Lost = &lost
	}
	c.found(f, nil)
}

// checkLength returns the gaps that make a rendition end with the same number as the one that is longest.
func (c *checker) checkLength(r *timeline.HeaderRendition, segments []media.Segment, lead list) (gaps []media.Segment) {
	n := len(segments)
	if !c.info.Ended || n == 0 || lead.HeaderRendition == nil || lead.segments[0].Number > segments[n-1].Number {
		return nil
	}
	last := segments[n-1]
	for _, s := range lead.segments {
		if s.Number <= last.Number {
			continue
		}
		s.Start, s.Duration = last.End(), media.Rescale(s.Duration, lead.Timescale, r.Timescale)
		s.Size, s.Gap, s.Init = 0, true, last.Init
		lost := span(&c.header, r, s)
		c.found(Finding{File: path.Join(r.Name, indexName), Problem: "ends before the other renditions", Lost: &lost, Repair: "record a gap"}, func() error { return nil })
		gaps, last = append(gaps, s), s
	}
	return gaps
}

// checkUnrecorded looks at segment files that the index does not know. While it is recorded that is the segment that is open;
// in a recording that ended they follow the last record because theirs was lost, or are left over.
func (c *checker) checkUnrecorded(r *timeline.HeaderRendition, segments []media.Segment, known *[]string) (more []media.Segment, sums []uint32, err error) {
	dir, err := c.root.Open(r.Name)
	if err != nil {
		return nil, nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, nil, err
	}
	var list []media.Segment
	for _, name := range names {
		ref, ok := media.ParseFile(r.Name, name)
		if n := len(segments); ok && ref.Kind == media.ObjectSegment && (n == 0 || ref.Number > segments[n-1].Number) {
			list = append(list, media.Segment{Number: ref.Number, Epoch: ref.Epoch})
		}
	}
	sortSegments(list)
	for _, s := range list {
		name := segmentName(r.Name, s)
		if !c.info.Ended {
			*known = append(*known, path.Base(name))
			continue
		}
		n := len(segments)
		if n == 0 {
			break
		}
		last := segments[n-1]
		if len(more) > 0 {
			last = more[len(more)-1]
		}
		if s.Number != last.Number+1 || s.Epoch != last.Epoch {
			break
		}
		s.Init, s.Disc = last.Init, last.Disc
		found, sum, ok, err := rediscover(c.root, r, s)
		if err != nil {
			return nil, nil, err
		}
		if !ok {
			break
		}
		c.found(Finding{File: name, Problem: "is whole but the index does not have it", Repair: "record it"}, func() error { return nil })
		*known = append(*known, path.Base(name))
		more, sums = append(more, found), append(sums, sum)
	}
	return more, sums, nil
}
