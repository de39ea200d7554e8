package ingest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"

	"headwater.stream/internal/media"
)

// flvSource reads the tags of an FLV file (FLV 10.1, annex E).
type flvSource struct {
	f     *os.File
	r     *bufio.Reader
	flags byte
	clock clock
	tags  []tag
	buf   []byte
}

var _ Source = (*flvSource)(nil)

func newFLVSource(f *os.File) (*flvSource, error) {
	s := &flvSource{f: f, r: bufio.NewReaderSize(f, 256<<10)}
	return s, s.Rewind()
}

// Has implements Source by the flags in the file's header.
func (s *flvSource) Has(kind media.Kind) bool {
	if kind == media.Video {
		return s.flags&1 != 0
	}
	return s.flags&4 != 0
}

// Rewind implements Source.
func (s *flvSource) Rewind() error {
	if _, err := s.f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	s.r.Reset(s.f)
	s.clock = clock{}
	var h [9 + 4]byte // header, and the back pointer before the first tag
	if _, err := io.ReadFull(s.r, h[:]); err != nil {
		return fmt.Errorf("read the FLV header: %w", err)
	}
	s.flags = h[4]
	return nil
}

// Next implements Source.
func (s *flvSource) Next() (Packet, error) {
	for {
		var h [11]byte
		if _, err := io.ReadFull(s.r, h[:]); err != nil {
			if errors.Is(err, io.ErrUnexpectedEOF) {
				err = io.EOF // recordings end like this
			}
			return Packet{}, err
		}
		size := int(uint24(h[1:]))
		if cap(s.buf) < size+4 {
			s.buf = make([]byte, size+4)
		}
		b := s.buf[:size+4]
		if _, err := io.ReadFull(s.r, b); err != nil && !(errors.Is(err, io.ErrUnexpectedEOF) && len(b) > 4) {
			return Packet{}, io.EOF
		}
		p, ok, err := s.packet(h[0], uint24(h[4:])|uint32(h[7])<<24, b[:size])
		if err != nil || ok {
			return p, err
		}
	}
}

func (s *flvSource) packet(typ byte, ts uint32, b []byte) (Packet, bool, error) {
	p := Packet{Kind: media.Video}
	switch typ {
	case typeAudio:
		p.Kind = media.Audio
	case typeVideo:
	default:
		return p, false, nil
	}
	tags, err := appendTags(s.tags[:0], p.Kind, b)
	s.tags = tags[:0]
	if err != nil || len(tags) == 0 || tags[0].packet == packetOther {
		return p, false, nil
	}
	t := tags[0] // of several tracks the first
	if t.codec == codecNone {
		return p, false, fmt.Errorf("its %v is %s, which cannot be published", p.Kind, t.name)
	}
	p.FourCC = t.codec.fourCC()
	p.Config = t.packet == packetConfig
	if !p.Config {
		p.DTS = s.clock.unwrap(ts)
	}
	p.Sync = p.Kind == media.Audio || b[0]>>4&7 == 1
	p.CTS, p.Data = t.cts, t.data
	return p, true, nil
}

// Close implements Source.
func (s *flvSource) Close() error { return s.f.Close() }
