package ingest

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// RTMP message types (RTMP 1.0, 5.4 and 7.1).
const (
	typeSetChunkSize  = 1
	typeAbort         = 2
	typeAck           = 3
	typeUserControl   = 4
	typeWindowAckSize = 5
	typePeerBandwidth = 6
	typeAudio         = 8
	typeVideo         = 9
	typeDataAMF3      = 15
	typeCommandAMF3   = 17
	typeData          = 18
	typeCommand       = 20
	typeAggregate     = 22
)

const (
	maxMessage       = 0xffffff // largest message length and useful chunk size (5.3.1.2.1, 5.4.1)
	defaultChunkSize = 128      // 5.4.1
	extendedMark     = 0xffffff // in the timestamp field: an extended timestamp follows (5.3.1.3)

	growStep   = 64 << 10 // how far a message buffer runs ahead of the received bytes
	keepBuffer = 4 << 20  // larger buffers are not kept for the next message
)

// Errors of a peer that breaks the chunk protocol.
var (
	errTooLarge   = errors.New("message larger than allowed")
	errTooMany    = errors.New("too many chunk streams")
	errPartial    = errors.New("too much memory in unfinished messages")
	errNewHeader  = errors.New("new message header inside a message")
	errFirstChunk = errors.New("chunk stream begins without a message header")
)

// message is one RTMP message. The payload is valid until the next call of the reader.
type message struct {
	typ       uint8
	stream    uint32 // message stream ID
	timestamp uint32 // ms
	payload   []byte
}

// chunkStream is the state of one chunk stream: what the next header may leave out, and the message in progress.
type chunkStream struct {
	timestamp uint32 // of the message in progress, or the last one
	delta     uint32
	extended  uint32 // value of the last header's extended timestamp
	hasExt    bool
	length    int
	typ       uint8
	stream    uint32

	busy    bool // a message is in progress
	discard bool // whose bytes nobody needs
	left    int  // of which so many bytes are missing
	buf     []byte
}

// chunkReader assembles messages from chunks (RTMP 1.0, 5.3) under Limits. Memory follows the bytes received, never the
// sizes declared.
type chunkReader struct {
	in       *inbuf
	limits   *Limits
	counters *Counters
	work     *work

	admitted bool // media is wanted; without it media is skipped and UnadmittedBytes holds
	size     int  // the peer's chunk size
	streams  map[uint32]*chunkStream
	lastID   uint32 // a one-entry cache of streams
	last     *chunkStream

	held int      // capacity of all buffers of unfinished messages
	lent []byte   // buffer of the message that was returned last
	free [][]byte // buffers to use again, at most two: audio and video
}

func newChunkReader(in *inbuf, limits *Limits, counters *Counters, w *work) *chunkReader {
	return &chunkReader{in: in, limits: limits, counters: counters, work: w, size: defaultChunkSize,
		streams: make(map[uint32]*chunkStream)}
}

// next returns the next message. Messages of the chunk layer itself (Set Chunk Size, Abort) are obeyed and not returned.
func (r *chunkReader) next() (message, error) {
	r.recycle()
	for {
		cs, err := r.readChunk()
		if err != nil {
			return message{}, err
		}
		if cs == nil {
			continue
		}
		r.counters.messages.Add(1)
		m := message{typ: cs.typ, stream: cs.stream, timestamp: cs.timestamp, payload: cs.buf}
		r.held -= cap(cs.buf)
		r.lent, cs.buf = cs.buf, nil
		switch m.typ {
		case typeSetChunkSize:
			r.setChunkSize(m.payload)
		case typeAbort:
			r.abort(m.payload)
		default:
			return m, nil
		}
		r.work.charge(100)
		r.recycle()
	}
}

// recycle takes back the buffer of the last message.
func (r *chunkReader) recycle() {
	if r.lent != nil && len(r.free) < 2 && cap(r.lent) <= keepBuffer {
		r.free = append(r.free, r.lent[:0])
	}
	r.lent = nil
}

// setChunkSize obeys Set Chunk Size (5.4.1). Sizes above the largest message mean the same as that (5.4.1: "chunk size
// 0xFFFFFF … are equivalent"); senseless ones are ignored.
func (r *chunkReader) setChunkSize(p []byte) {
	if len(p) < 4 || binary.BigEndian.Uint32(p) == 0 {
		r.counters.drop(DropControl)
		return
	}
	r.size = int(min(binary.BigEndian.Uint32(p), maxMessage))
}

// abort obeys Abort Message (5.4.2): the unfinished message of a chunk stream is forgotten.
func (r *chunkReader) abort(p []byte) {
	if len(p) < 4 {
		r.counters.drop(DropControl)
		return
	}
	if cs := r.streams[binary.BigEndian.Uint32(p)]; cs != nil {
		r.held -= cap(cs.buf)
		cs.buf, cs.busy = nil, false
	}
}

// readChunk reads one chunk and returns its stream when that completed a message somebody needs.
func (r *chunkReader) readChunk() (*chunkStream, error) {
	format, cs, err := r.basicHeader()
	if err != nil {
		return nil, err
	}
	if err := r.messageHeader(format, cs); err != nil {
		return nil, err
	}
	if !cs.busy {
		if err := r.begin(format, cs); err != nil {
			return nil, err
		}
		if cs.length == 0 {
			r.counters.drop(DropEmpty)
			r.work.charge(100)
			return nil, nil
		}
	}
	if r.size < defaultChunkSize {
		r.work.charge(1)
	}
	n := min(cs.left, r.size)
	if cs.discard {
		err = r.in.discard(n)
	} else {
		err = r.body(cs, n)
	}
	if err != nil {
		return nil, err
	}
	cs.left -= n
	if cs.left > 0 {
		return nil, nil
	}
	cs.busy = false
	if cs.discard {
		r.work.charge(4)
		return nil, nil
	}
	return cs, nil
}

// basicHeader reads the chunk basic header in its forms of one, two and three bytes (5.3.1.1).
func (r *chunkReader) basicHeader() (format byte, cs *chunkStream, err error) {
	if err := r.in.need(1); err != nil {
		return 0, nil, err
	}
	b := r.in.peek()
	format = b[0] >> 6
	id, n := uint32(b[0]&0x3f), 1
	if id < 2 {
		n = int(id) + 2
		if err := r.in.need(n); err != nil {
			return 0, nil, err
		}
		b = r.in.peek()
		if id == 0 {
			id = 64 + uint32(b[1])
		} else {
			id = 64 + uint32(b[1]) + uint32(b[2])<<8
		}
	}
	r.in.skip(n)
	if r.last != nil && r.lastID == id {
		return format, r.last, nil
	}
	cs = r.streams[id]
	if cs == nil {
		if len(r.streams) >= r.limits.ChunkStreams {
			return 0, nil, errTooMany
		}
		// Some librtmp clients begin a chunk stream with a type 1 header, on message stream 0.
		if format > 1 {
			return 0, nil, errFirstChunk
		}
		cs = new(chunkStream)
		r.streams[id] = cs
	}
	r.lastID, r.last = id, cs
	return format, cs, nil
}

// messageHeader reads the chunk message header (5.3.1.2) and the extended timestamp (5.3.1.3).
func (r *chunkReader) messageHeader(format byte, cs *chunkStream) error {
	if format == 3 {
		return r.repeatedTimestamp(cs)
	}
	if cs.busy {
		return errNewHeader
	}
	size := [3]int{11, 7, 3}[format]
	if err := r.in.need(size); err != nil {
		return err
	}
	b := r.in.peek()
	value := uint24(b)
	if format < 2 {
		cs.length = int(uint24(b[3:]))
		cs.typ = b[6]
	}
	if format == 0 {
		cs.stream = binary.LittleEndian.Uint32(b[7:])
	}
	r.in.skip(size)
	cs.hasExt = value == extendedMark
	if cs.hasExt {
		if err := r.in.need(4); err != nil {
			return err
		}
		value = binary.BigEndian.Uint32(r.in.peek())
		r.in.skip(4)
		cs.extended = value
	}
	if format == 0 {
		cs.timestamp = value
		// "If a Type 3 chunk follows a Type 0 chunk, then the timestamp delta for this Type 3 chunk is the same as the
		// timestamp of the Type 0 chunk" (5.3.1.2.4). ffmpeg counts on it (0, 23 and then 46 ms); for peers that mean a
		// delta of 0 a large timestamp cannot be a delta.
		cs.delta = 0
		if value < 1000 {
			cs.delta = value
		}
		return nil
	}
	cs.delta = value
	return nil
}

// repeatedTimestamp takes the extended timestamp of a type 3 chunk, if there is one: "this field is present in Type 3
// chunks when the most recent Type 0, 1, or 2 chunk for the same chunk stream ID indicated the presence of an extended
// timestamp field" (5.3.1.3), says the standard, but librtmp and others leave it out. So it is taken when it equals the
// header's own value, compared byte by byte in order never to wait for bytes that do not come.
func (r *chunkReader) repeatedTimestamp(cs *chunkStream) error {
	if !cs.hasExt {
		return nil
	}
	var want [4]byte
	binary.BigEndian.PutUint32(want[:], cs.extended)
	for i := range want {
		if err := r.in.need(i + 1); err != nil {
			return err
		}
		if r.in.peek()[i] != want[i] {
			return nil
		}
	}
	r.in.skip(4)
	return nil
}

// begin starts a message, for which the header was read.
func (r *chunkReader) begin(format byte, cs *chunkStream) error {
	if format != 0 {
		cs.timestamp += cs.delta
	}
	limit, unused := r.limits.CommandBytes, DropUnpublished
	cs.discard = false
	switch cs.typ {
	case typeAudio, typeVideo, typeAggregate:
		limit = r.limits.MediaBytes
		cs.discard = !r.admitted
	case typeData, typeDataAMF3:
		cs.discard = !r.admitted
	case typeCommand, typeCommandAMF3, typeSetChunkSize, typeAbort, typeAck, typeUserControl, typeWindowAckSize, typePeerBandwidth:
	default: // shared objects and whatever else comes is skipped, not fatal
		cs.discard, unused = true, DropUnknown
	}
	if cs.discard && cs.length > 0 {
		r.counters.drop(unused)
	} else if cs.length > limit {
		return fmt.Errorf("%w: type %d, %d bytes", errTooLarge, cs.typ, cs.length)
	}
	cs.left = cs.length
	cs.busy = cs.length > 0
	return nil
}

// body appends n bytes to the message in progress.
func (r *chunkReader) body(cs *chunkStream, n int) error {
	for n > 0 {
		step := min(n, growStep)
		if err := r.grow(cs, step); err != nil {
			return err
		}
		at := len(cs.buf)
		cs.buf = cs.buf[:at+step]
		if err := r.in.readFull(cs.buf[at:]); err != nil {
			return err
		}
		n -= step
	}
	return nil
}

// grow makes room for n more bytes: twice what was received, not what was declared.
func (r *chunkReader) grow(cs *chunkStream, n int) error {
	if cs.buf == nil && len(r.free) > 0 {
		cs.buf = r.free[len(r.free)-1]
		r.free = r.free[:len(r.free)-1]
		r.held += cap(cs.buf)
	}
	if len(cs.buf)+n > cap(cs.buf) {
		size := min(max(2*cap(cs.buf), len(cs.buf)+n), max(cs.length, len(cs.buf)+n))
		grown := make([]byte, len(cs.buf), size)
		copy(grown, cs.buf)
		r.held += cap(grown) - cap(cs.buf)
		cs.buf = grown
	}
	limit := r.limits.UnadmittedBytes
	if r.admitted {
		limit = r.limits.PartialBytes
	}
	if r.held > limit {
		return errPartial
	}
	return nil
}

func uint24(b []byte) uint32 { return uint32(b[0])<<16 | uint32(b[1])<<8 | uint32(b[2]) }
