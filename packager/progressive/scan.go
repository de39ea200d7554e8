package progressive

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/Eyevinn/mp4ff/mp4"

	"headwater.stream/internal/media"
)

// maxMoof bounds what is read of a moof.
const maxMoof = 1 << 20

// peek is how much of a chunk is read at first: its moof, as a rule.
const peek = 4096

// nonSync is the sample_is_non_sync_sample bit (ISO 14496-12 8.8.3.1).
const nonSync = 0x00010000

// sample is what the tables of a file say about a sample.
type sample struct {
	dts    int64 // in the timescale of the segment
	size   uint32
	dur    uint32
	offset int32
	sync   bool
}

// scan reads the samples of a segment from its moof boxes, and how many bytes of media it has. A segment that is not there, or not
// whole, has none: it is a hole.
func scan(ctx context.Context, src Source, ref media.Ref, list []sample) (samples []sample, payload, size int64, err error) {
	open := src.Open
	if b, ok := src.(boxSource); ok {
		open = b.OpenBoxes
	}
	o, err := open(ctx, ref)
	if errors.Is(err, media.ErrNotFound) {
		return list[:0], 0, 0, nil
	}
	if err != nil {
		return nil, 0, 0, fmt.Errorf("%s: %w", ref.Name(), err)
	}
	defer o.Close()
	samples = list[:0]
	buf := make([]byte, peek)
	for pos := int64(0); pos < o.Size; {
		kind, length, err := boxAt(o, pos)
		if err != nil {
			return nil, 0, 0, fmt.Errorf("%s: %w", ref.Name(), err)
		}
		if kind == "emsg" && length >= 8 { // timed metadata, which an MP4 file has no place for
			pos += length
			continue
		}
		moof, err := readMoof(o, pos, &buf)
		if err != nil {
			return nil, 0, 0, fmt.Errorf("%s: %w", ref.Name(), err)
		}
		if moof == nil {
			return list[:0], 0, 0, nil
		}
		before := len(samples)
		samples = appendSamples(samples, moof)
		bytes := int64(0)
		for _, s := range samples[before:] {
			bytes += int64(s.size)
		}
		payload += bytes
		if pos += int64(moof.Size()) + 8 + bytes; pos > o.Size {
			return list[:0], 0, 0, nil
		}
	}
	return samples, payload, o.Size, nil
}

// boxAt returns type and size of the box at pos.
func boxAt(o media.Object, pos int64) (kind string, size int64, err error) {
	var h [8]byte
	if pos+8 > o.Size {
		return "", 0, nil
	}
	if err := readAt(o, h[:], pos); err != nil {
		return "", 0, err
	}
	return string(h[4:]), int64(binary.BigEndian.Uint32(h[:])), nil
}

// readMoof reads the moof at pos; nil when there is no whole one.
func readMoof(o media.Object, pos int64, buf *[]byte) (*mp4.MoofBox, error) {
	n := min(o.Size-pos, peek)
	if n < 16 {
		return nil, nil
	}
	if err := readAt(o, (*buf)[:n], pos); err != nil {
		return nil, err
	}
	size := int64(binary.BigEndian.Uint32(*buf))
	if string((*buf)[4:8]) != "moof" || size > maxMoof || pos+size > o.Size {
		return nil, nil
	}
	if size > n {
		if int64(len(*buf)) < size {
			*buf = make([]byte, size)
		}
		if err := readAt(o, (*buf)[:size], pos); err != nil {
			return nil, err
		}
	}
	b, err := mp4.DecodeBox(uint64(pos), bytes.NewReader((*buf)[:size]))
	if err != nil {
		return nil, nil
	}
	m, ok := b.(*mp4.MoofBox)
	if !ok || m.Traf == nil || m.Traf.Tfdt == nil || m.Traf.Trun == nil {
		return nil, nil
	}
	return m, nil
}

func readAt(o media.Object, buf []byte, pos int64) error {
	if o.File != nil {
		if r, ok := o.File.(io.ReaderAt); ok {
			_, err := r.ReadAt(buf, o.Offset+pos)
			return err
		}
		if _, err := o.File.Seek(o.Offset+pos, io.SeekStart); err != nil {
			return err
		}
		_, err := io.ReadFull(o.File, buf)
		return err
	}
	n := 0
	for _, b := range o.Data {
		if skip := min(pos, int64(len(b))); skip > 0 {
			b, pos = b[skip:], pos-skip
		}
		n += copy(buf[n:], b)
	}
	if n < len(buf) {
		return io.ErrUnexpectedEOF
	}
	return nil
}

func appendSamples(list []sample, m *mp4.MoofBox) []sample {
	dts := int64(m.Traf.Tfdt.BaseMediaDecodeTime())
	for _, s := range m.Traf.Trun.Samples {
		list = append(list, sample{dts: dts, size: s.Size, dur: s.Dur, offset: s.CompositionTimeOffset, sync: s.Flags&nonSync == 0})
		dts += int64(s.Dur)
	}
	return list
}
