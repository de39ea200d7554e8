package archive

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
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

// ChecksumOf is the checksum of all that r gives.
func ChecksumOf(r io.Reader) (sum uint32, err error) {
	buf := make([]byte, 64<<10)
	for {
		n, err := r.Read(buf)
		sum = Checksum(sum, buf[:n])
		if errors.Is(err, io.EOF) {
			return sum, nil
		}
		if err != nil {
			return 0, err
		}
	}
}

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
	key := s.KeySize
	if s.Gap {
		b[1], b[2], key = flagGap, byte(s.Reason), 0
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
	le.PutUint32(b[56:], key)
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
	Lost     []uint64        // numbers whose records are damaged; gaps stand for them in Segments
	Damaged  int             // records that are not right before the last that is; also the header, if it is not
	Records  int             // records read, damaged ones included, the header not counted
	Size     int64           // of those and the header; what follows is a torn tail
}

// ErrIndexVersion is returned for an index of a version that is not known.
var ErrIndexVersion = errors.New("index is not one of version 1")

// ParseIndex reads an index up to the last record that is whole and right: what a crash leaves can only follow it. Records
// before it that are not right were damaged later; gaps stand for the segments they were about. An empty index is one
// without records.
func ParseIndex(b []byte) (Index, error) {
	var x Index
	if len(b) < RecordSize {
		return x, nil // torn while it was made
	}
	n := len(b)/RecordSize - 1
	for n > 0 && !intact(b[n*RecordSize:][:RecordSize]) {
		n--
	}
	head := b[:RecordSize]
	switch {
	case intact(head) && (string(head[:16]) != indexMagic || binary.LittleEndian.Uint32(head[16:]) != IndexVersion), !intact(head) && n == 0:
		return x, ErrIndexVersion
	case !intact(head):
		x.Damaged++
	}
	x.Segments, x.Sums = make([]media.Segment, 0, n), make([]uint32, 0, n)
	unread := 0 // damaged records since the last right one
	for i := 1; i <= n; i++ {
		rec := b[i*RecordSize:][:RecordSize]
		if !intact(rec) {
			unread++
			continue
		}
		if err := x.add(rec, unread); err != nil {
			return x, err
		}
		x.Damaged += unread
		unread = 0
	}
	x.Records, x.Size = n, int64(n+1)*RecordSize
	return x, nil
}

// add takes in a record that follows so many damaged ones.
func (x *Index) add(b []byte, unread int) error {
	le := binary.LittleEndian
	number := le.Uint64(b[8:])
	switch recordKind(b[0]) {
	case recordFloor:
		for len(x.Segments) > 1 && x.Segments[0].Number < number {
			x.Segments, x.Sums = x.Segments[1:], x.Sums[1:]
		}
	case recordSegment:
		s := media.Segment{
			Number: number, Start: int64(le.Uint64(b[16:])), Duration: int64(le.Uint64(b[24:])), Size: le.Uint32(b[40:]),
			Epoch: le.Uint32(b[4:]), Init: le.Uint32(b[44:]), Disc: le.Uint32(b[48:]), Gap: b[1]&flagGap != 0, First: b[1]&flagFirst != 0,
			Reason: media.GapReason(b[2]), KeySize: le.Uint32(b[56:]),
		}
		if err := x.bridge(s, unread); err != nil {
			return err
		}
		sum := le.Uint32(b[52:])
		if b[1]&flagChecksum == 0 {
			sum = 0
		}
		x.Segments, x.Sums = append(x.Segments, s), append(x.Sums, sum)
	}
	return nil // a kind that is not known is skipped: version 1 readers bear additions
}

// bridge puts gaps where the records before s are damaged: so many, none if the numbers say that they were about something else.
func (x *Index) bridge(s media.Segment, unread int) error {
	n, lost := len(x.Segments), uint64(unread)
	gap := s
	gap.Size, gap.KeySize, gap.Gap, gap.First = 0, 0, true, false
	if n > 0 {
		last := x.Segments[n-1]
		if s.Number <= last.Number || s.Number-last.Number-1 > lost {
			return fmt.Errorf("%w: index has segment %d after %d", ErrDamaged, s.Number, last.Number)
		}
		if lost = s.Number - last.Number - 1; lost == 0 {
			return nil
		}
		if last.Epoch == s.Epoch || s.First {
			gap.Epoch, gap.Init, gap.Disc = last.Epoch, last.Init, last.Disc
		} else {
			gap.First = true
		}
		gap.Start, gap.Duration = last.End(), max(0, s.Start-last.End())/int64(lost)
	} else {
		if lost = min(lost, s.Number); lost == 0 {
			return nil
		}
		gap.Start = s.Start - int64(lost)*s.Duration
	}
	for gap.Number = s.Number - lost; gap.Number < s.Number; gap.Number++ {
		x.Segments, x.Sums, x.Lost = append(x.Segments, gap), append(x.Sums, 0), append(x.Lost, gap.Number)
		gap.Start, gap.First = gap.End(), false
	}
	return nil
}
