package progressive

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"sort"

	"headwater.stream/internal/media"
)

// Source opens what a View lists.
type Source interface {
	Open(ctx context.Context, ref media.Ref) (media.Object, error)
}

// boxSource is a Source that can open a segment of which only the boxes are looked at, without reading it all to hold it to
// its checksum.
type boxSource interface {
	OpenBoxes(ctx context.Context, ref media.Ref) (media.Object, error)
}

// Errors of New.
var (
	ErrLive    = errors.New("it is still being recorded: there is no end yet that the head of the file could name")
	ErrCodecs  = errors.New("the codec changes within a track, which an MP4 file cannot have: take the parts before and after as clips")
	ErrTooLong = errors.New("it has too many samples for one MP4 file: take it in clips")
	ErrEmpty   = errors.New("there is nothing to put in a file")
)

// File is a progressive MP4 file. It depends on the View alone: made again it has the same bytes.
type File struct {
	head   []byte // all before the media: ftyp, moov, the header of mdat
	pieces []piece
	size   int64
	tag    string
}

// piece is the media of one segment, a chunk of the file: the payloads of its mdat boxes in a row.
type piece struct {
	at   int64 // in the file
	size int64
	ref  media.Ref
	file int64 // size of the segment
}

// Size returns the size of the file.
func (f *File) Size() int64 { return f.size }

// HeadSize returns how much of the file is before the media.
func (f *File) HeadSize() int64 { return int64(len(f.head)) }

// Memory returns about how many bytes the File keeps in memory.
func (f *File) Memory() int64 { return int64(len(f.head)) + int64(len(f.pieces))*96 }

// Tag returns a text that no file with other bytes has.
func (f *File) Tag() string { return f.tag }

// seal works out the tag.
func (f *File) seal() {
	h := sha256.New()
	h.Write(f.head)
	for _, p := range f.pieces {
		h.Write([]byte(p.ref.Name())) // which stands for the same bytes for ever
	}
	f.tag = hex.EncodeToString(h.Sum(nil)[:16])
}

// copyStep is how much is written at a time.
const copyStep = 256 << 10

// Copy writes size bytes of the file from a position on.
func (f *File) Copy(ctx context.Context, w io.Writer, src Source, from, size int64) error {
	if from < int64(len(f.head)) && size > 0 {
		n := min(size, int64(len(f.head))-from)
		if err := steps(w, f.head[from:from+n]); err != nil {
			return err
		}
		from, size = from+n, size-n
	}
	i := sort.Search(len(f.pieces), func(i int) bool { return f.pieces[i].at+f.pieces[i].size > from })
	var buf []byte
	for ; i < len(f.pieces) && size > 0; i++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		p := &f.pieces[i]
		var err error
		if buf, err = p.read(ctx, src, buf); err != nil {
			return err
		}
		body := buf[from-p.at:]
		body = body[:min(int64(len(body)), size)]
		if err := steps(w, body); err != nil {
			return err
		}
		from, size = from+int64(len(body)), size-int64(len(body))
	}
	if size > 0 {
		return io.ErrUnexpectedEOF
	}
	return nil
}

func steps(w io.Writer, b []byte) error {
	for len(b) > 0 {
		n := min(len(b), copyStep)
		if _, err := w.Write(b[:n]); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// read returns the media of the piece, in buf if it fits.
func (p *piece) read(ctx context.Context, src Source, buf []byte) ([]byte, error) {
	o, err := src.Open(ctx, p.ref)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.ref.Name(), err)
	}
	defer o.Close()
	if o.Size != p.file {
		return nil, fmt.Errorf("%s: %d bytes, %d when the file was made", p.ref.Name(), o.Size, p.file)
	}
	if int64(cap(buf)) < o.Size {
		buf = make([]byte, o.Size)
	}
	buf = buf[:o.Size]
	if err := fill(buf, o); err != nil {
		return nil, fmt.Errorf("%s: %w", p.ref.Name(), err)
	}
	// The payloads move to the front: each goes to where it is or before.
	n := 0
	for rest := buf; len(rest) > 0; {
		if len(rest) < 8 {
			return nil, fmt.Errorf("%s: torn", p.ref.Name())
		}
		size := int(binary.BigEndian.Uint32(rest))
		if size < 8 || size > len(rest) {
			return nil, fmt.Errorf("%s: torn", p.ref.Name())
		}
		if string(rest[4:8]) == "mdat" {
			n += copy(buf[n:], rest[8:size])
		}
		rest = rest[size:]
	}
	if int64(n) != p.size {
		return nil, fmt.Errorf("%s: %d bytes of media, %d when the file was made", p.ref.Name(), n, p.size)
	}
	return buf[:n], nil
}

// fill reads a whole object.
func fill(buf []byte, o media.Object) error {
	if o.File == nil {
		n := 0
		for _, b := range o.Data {
			n += copy(buf[n:], b)
		}
		return nil
	}
	if _, err := o.File.Seek(o.Offset, io.SeekStart); err != nil {
		return err
	}
	_, err := io.ReadFull(o.File, buf)
	return err
}
