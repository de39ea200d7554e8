package origin

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"hash/crc32"
	"sync"
)

// compressor deflates pieces of text so that they can be joined in any order: each begins without a history and ends on a
// byte border without ending the stream (RFC 1951 3.2.4). A gzip stream of a playlist is then a join of pieces, of which
// most were compressed before.
type compressor struct {
	pool sync.Pool // of *flate.Writer, about a megabyte each
}

// gzipLevel: on playlists higher levels cost several times as much for a tenth of the size.
const gzipLevel = flate.BestSpeed

// deflate returns b compressed.
func (c *compressor) deflate(b []byte) []byte {
	var out bytes.Buffer
	out.Grow(len(b)/8 + 64)
	w, ok := c.pool.Get().(*flate.Writer)
	if ok {
		w.Reset(&out)
	} else {
		w, _ = flate.NewWriter(&out, gzipLevel) // fails on a bad level only
	}
	_, _ = w.Write(b) // a bytes.Buffer does not fail
	_ = w.Flush()
	c.pool.Put(w)
	return out.Bytes()
}

// gzipHeader is the ten bytes of RFC 1952 2.3: deflate, no flags, no time, unknown system.
const gzipHeader = "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"

// gzipTrailer ends a stream: an empty final block, the checksum and the size of the text.
func gzipTrailer(crc uint32, size int) []byte {
	b := []byte{0x03, 0x00}
	b = binary.LittleEndian.AppendUint32(b, crc)
	return binary.LittleEndian.AppendUint32(b, uint32(size))
}

// The CRC-32 of joined texts follows from those of the texts, because a CRC is linear: it is crc(a)·x^(8·len(b)) + crc(b)
// modulo the polynomial. Numbers are bit-reversed: x^0 is the highest bit.

// mulmod multiplies two polynomials modulo that of CRC-32.
func mulmod(a, b uint32) uint32 {
	var p uint32
	for ; a != 0; a <<= 1 {
		if a&(1<<31) != 0 {
			p ^= b
		}
		if b&1 != 0 {
			b = b>>1 ^ crc32.IEEE
		} else {
			b >>= 1
		}
	}
	return p
}

// shift returns x^(8n), by which the checksum of what precedes n bytes is multiplied.
func shift(n int) uint32 {
	p, square := uint32(1)<<31, uint32(1)<<(31-8)
	for ; n > 0; n >>= 1 {
		if n&1 != 0 {
			p = mulmod(square, p)
		}
		square = mulmod(square, square)
	}
	return p
}
