package ingest

import (
	"bytes"
	"fmt"
	"io"
	"os"

	"headwater.stream/internal/media"
)

// Source is a clip that Publish plays: packets in the order they should be sent, of one video and one audio track in any
// codec that this package takes.
type Source interface {
	// Has reports whether the clip has media of that kind.
	Has(kind media.Kind) bool
	// Next returns the next packet, io.EOF after the last. The configuration of each kind comes before its first sample.
	Next() (Packet, error)
	// Rewind makes Next start over.
	Rewind() error
	Close() error
}

// Packet is a configuration record or an access unit of a Source.
type Packet struct {
	Kind   media.Kind
	FourCC string // of the codec in enhanced RTMP: "avc1", "mp4a", "hvc1", …
	Config bool
	Sync   bool   // a decoder can start here
	DTS    int64  // ms
	CTS    int32  // PTS-DTS, ms
	Data   []byte // as RTMP has it: a configuration record, or an access unit in the form that goes with it. Valid until Next
}

// OpenSource opens an FLV or MP4 file (progressive or fragmented).
func OpenSource(path string) (Source, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	s, err := openSource(f)
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return s, nil
}

func openSource(f *os.File) (Source, error) {
	var magic [8]byte
	if _, err := io.ReadFull(f, magic[:]); err != nil {
		return nil, fmt.Errorf("read its first bytes: %w", err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(magic[:], []byte("FLV")):
		return newFLVSource(f)
	case bytes.Equal(magic[4:], []byte("ftyp")), bytes.Equal(magic[4:], []byte("styp")):
		return newMP4Source(f)
	}
	return nil, fmt.Errorf("neither FLV nor MP4")
}
