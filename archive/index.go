package archive

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"headwater.stream/internal/media"
)

// The index of a rendition is a header and records of RecordSize bytes, appended and never changed. docs/format/asset-v1.md.
const (
	RecordSize   = 64
	IndexVersion = 1
	indexMagic   = "headwater index\n"
)

type recordKind uint8

const (
	recordSegment recordKind = 1 // a sealed segment
	recordFloor   recordKind = 2 // all segments with numbers below Number are gone
)

const (
	flagGap      = 1
	flagFirst    = 2
	flagChecksum = 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Checksum adds p to the checksum (CRC-32C) of a segment's bytes so far.
func Checksum(sum uint32, p []byte) uint32 { return crc32.Update(sum, castagnoli, p) }

// IndexHeader returns the header of an index.
func IndexHeader(timescale uint32) []byte {
	b := make([]byte, RecordSize)
	copy(b, indexMagic)
	binary.LittleEndian.PutUint32(b[16:], IndexVersion)
	binary.LittleEndian.PutUint32(b[20:], RecordSize)
	binary.LittleEndian.PutUint32(b[24:], timescale)
	return seal(b)
}

// SegmentRecord returns the record of a sealed segment. sum is the checksum of its bytes.
func SegmentRecord(s media.Segment, wall time.Time, sum uint32) []byte {
	b := make([]byte, RecordSize)
	b[0], b[1] = byte(recordSegment), flagChecksum
	if s.Gap {
		b[1] = flagGap
	}
	if s.First {
		b[1] |= flagFirst
	}
	le := binary.LittleEndian
	le.PutUint32(b[4:], s.Epoch)
	le.PutUint64(b[8:], s.Number)
	le.PutUint64(b[16:], uint64(s.Start))
	le.PutUint64(b[24:], uint64(s.Duration))
	le.PutUint64(b[32:], uint64(wall.UnixNano()))
	le.PutUint32(b[40:], s.Size)
	le.PutUint32(b[44:], s.Init)
	le.PutUint32(b[48:], s.Disc)
	le.PutUint32(b[52:], sum)
	return seal(b)
}

// FloorRecord returns the record that says that all segments below number are gone.
func FloorRecord(number uint64) []byte {
	b := make([]byte, RecordSize)
	b[0] = byte(recordFloor)
	binary.LittleEndian.PutUint64(b[8:], number)
	return seal(b)
}

func seal(b []byte) []byte {
	binary.LittleEndian.PutUint32(b[60:], crc32.Checksum(b[:60], castagnoli))
	return b
}

func intact(b []byte) bool {
	return binary.LittleEndian.Uint32(b[60:]) == crc32.Checksum(b[:60], castagnoli)
}

// Index is what an index says.
type Index struct {
	Segments []media.Segment // above the floor, consecutive numbers
	Sums     []uint32        // checksum of each, 0 for a gap
	Records  int             // whole records read, the header not counted
	Size     int64           // of the whole records and the header; what follows is a torn tail
}

// ErrIndexVersion is returned for an index of a version that is not known.
var ErrIndexVersion = errors.New("index is not one of version 1")

// ParseIndex reads an index up to the first record that is not whole and right: a crash can leave such a tail, and only
// there. An empty index is one without records.
func ParseIndex(b []byte) (Index, error) {
	var x Index
	if len(b) < RecordSize {
		return x, nil // torn while it was made
	}
	if string(b[:16]) != indexMagic || !intact(b[:RecordSize]) || binary.LittleEndian.Uint32(b[16:]) != IndexVersion {
		return x, ErrIndexVersion
	}
	x.Size = RecordSize
	n := len(b)/RecordSize - 1
	x.Segments, x.Sums = make([]media.Segment, 0, n), make([]uint32, 0, n)
	for b = b[RecordSize:]; len(b) >= RecordSize && intact(b[:RecordSize]); b = b[RecordSize:] {
		if err := x.add(b[:RecordSize]); err != nil {
			return x, err
		}
		x.Records++
		x.Size += RecordSize
	}
	return x, nil
}

func (x *Index) add(b []byte) error {
	le := binary.LittleEndian
	number := le.Uint64(b[8:])
	switch recordKind(b[0]) {
	case recordFloor:
		for len(x.Segments) > 1 && x.Segments[0].Number < number {
			x.Segments, x.Sums = x.Segments[1:], x.Sums[1:]
		}
	case recordSegment:
		if n := len(x.Segments); n > 0 && number != x.Segments[n-1].Number+1 {
			return fmt.Errorf("%w: index has segment %d after %d", ErrDamaged, number, x.Segments[n-1].Number)
		}
		x.Segments = append(x.Segments, media.Segment{
			Number: number, Start: int64(le.Uint64(b[16:])), Duration: int64(le.Uint64(b[24:])), Size: le.Uint32(b[40:]),
			Epoch: le.Uint32(b[4:]), Init: le.Uint32(b[44:]), Disc: le.Uint32(b[48:]), Gap: b[1]&flagGap != 0, First: b[1]&flagFirst != 0,
		})
		x.Sums = append(x.Sums, le.Uint32(b[52:]))
	}
	return nil // a kind that is not known is skipped: version 1 readers bear additions
}
