package archive

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/Eyevinn/mp4ff/mp4"

	"headwater.stream/internal/media"
)

// maxMoof bounds what is read of a moof box; the largest the packager makes is some kilobytes.
const maxMoof = 1 << 20

// mdatHeader is the size of what stands before the first sample in an mdat box.
const mdatHeader = 8

// trunSync is the sample_is_non_sync_sample bit (ISO 14496-12 8.8.3.1).
const sampleNonSync = 0x00010000

// ScanParts reads a segment file of size bytes and returns its parts, without bodies, each one a moof with its mdat, behind emsg boxes if any. It
// stops at the first that is not whole: end is where that begins, size if all are.
func ScanParts(f io.ReaderAt, size int64, s media.Segment) (parts []media.Part, end int64, err error) {
	for end+8 <= size {
		part, next, ok, err := scanPart(f, end, size)
		if err != nil {
			return parts, end, err
		}
		if !ok {
			break
		}
		part.PartID = media.PartID{Epoch: s.Epoch, Number: s.Number, Part: len(parts)}
		parts = append(parts, part)
		end = next
	}
	return parts, end, nil
}

// scanPart reads the part that begins at start, which may be with emsg boxes; ok is false when it is not whole.
func scanPart(f io.ReaderAt, start, size int64) (p media.Part, next int64, ok bool, err error) {
	pos := start
	for {
		n, ok, err := box(f, pos, size, "emsg")
		if err != nil {
			return p, 0, false, err
		}
		if !ok {
			break
		}
		pos += n
	}
	moof, ok, err := box(f, pos, size, "moof")
	if !ok || err != nil {
		return p, 0, false, err
	}
	mdat, ok, err := box(f, pos+moof, size, "mdat")
	if !ok || err != nil || moof > maxMoof {
		return p, 0, false, err
	}
	raw := make([]byte, moof)
	if _, err := f.ReadAt(raw, pos); err != nil {
		return p, 0, false, fmt.Errorf("reading moof: %w", err)
	}
	b, err := mp4.DecodeBox(uint64(pos), bytes.NewReader(raw))
	if err != nil {
		return p, 0, false, nil // torn inside
	}
	m, is := b.(*mp4.MoofBox)
	if !is || m.Traf == nil || m.Traf.Tfdt == nil || m.Traf.Trun == nil || len(m.Traf.Trun.Samples) == 0 {
		return p, 0, false, nil
	}
	p = media.Part{Start: int64(m.Traf.Tfdt.BaseMediaDecodeTime()), Offset: uint32(start), Size: uint32(pos - start + moof + mdat)}
	for _, s := range m.Traf.Trun.Samples {
		p.Duration += int64(s.Dur)
	}
	first := m.Traf.Trun.Samples[0]
	p.Independent = first.Flags&sampleNonSync == 0
	if key := pos - start + moof + mdatHeader + int64(first.Size); p.Independent && first.Size > 0 && key <= int64(p.Size) {
		p.KeySize = uint32(key)
	}
	return p, pos + moof + mdat, true, nil
}

// box returns the size of the box of type kind at pos; ok is false when there is none, or it does not end within size.
func box(f io.ReaderAt, pos, size int64, kind string) (n int64, ok bool, err error) {
	var h [8]byte
	if pos+8 > size {
		return 0, false, nil
	}
	if _, err := f.ReadAt(h[:], pos); err != nil && !errors.Is(err, io.EOF) {
		return 0, false, fmt.Errorf("reading box header: %w", err)
	}
	n = int64(binary.BigEndian.Uint32(h[:]))
	return n, string(h[4:]) == kind && n >= 8 && pos+n <= size, nil
}
