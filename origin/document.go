package origin

import (
	"fmt"
	"hash/crc32"
	"strconv"
	"sync"
	"sync/atomic"
)

// piece is a part of a manifest's text with what is known of it. Its text never changes.
type piece struct {
	text       []byte
	crc, shift uint32
	once       sync.Once
	deflated   []byte
}

func newPiece(text []byte) *piece {
	return &piece{text: text, crc: crc32.ChecksumIEEE(text), shift: shift(len(text))}
}

func (p *piece) compress(c *compressor) []byte {
	p.once.Do(func() { p.deflated = c.deflate(p.text) })
	return p.deflated
}

// recurring is the least size of a piece that is worth looking for in the render before.
const recurring = 4096

// pieceKey identifies text by where it is: renderers never write again what they have given out, and the piece that a key
// leads to keeps the memory from being used for anything else.
type pieceKey struct {
	first *byte
	size  int
}

// pieces turns rendered text into pieces, with those known from the render before; it returns them by key for the next.
func pieces(texts [][]byte, known map[pieceKey]*piece) (list []*piece, next map[pieceKey]*piece) {
	list = make([]*piece, 0, len(texts))
	for _, text := range texts {
		if len(text) == 0 {
			continue
		}
		if len(text) < recurring {
			list = append(list, newPiece(text))
			continue
		}
		key := pieceKey{&text[0], len(text)}
		p := known[key]
		if p == nil {
			p = newPiece(text)
		}
		if next == nil {
			next = make(map[pieceKey]*piece)
		}
		next[key] = p
		list = append(list, p)
	}
	return list, next
}

// document is one version of a manifest in its codings. It is immutable but for the compressed coding, which is made when
// it is first asked for.
type document struct {
	pieces []*piece
	crc    uint32
	plain  coded
	gzip   atomic.Pointer[coded]
	mu     sync.Mutex // held while compressing
}

// coded is a body ready to be sent. The slices of one string are header values.
type coded struct {
	body   [][]byte
	size   int
	length []string
	etag   []string
}

func newDocument(list []*piece) *document {
	d := &document{pieces: list}
	body := make([][]byte, 0, len(list))
	size := 0
	for _, p := range list {
		body = append(body, p.text)
		size += len(p.text)
		d.crc = mulmod(p.shift, d.crc) ^ p.crc
	}
	d.plain = newCoded(body, size, fmt.Sprintf(`"%x-%x"`, d.crc, size))
	return d
}

func newCoded(body [][]byte, size int, etag string) coded {
	return coded{body: body, size: size, length: []string{strconv.Itoa(size)}, etag: []string{etag}}
}

// gzipped returns the compressed coding.
func (d *document) gzipped(c *compressor) *coded {
	if g := d.gzip.Load(); g != nil {
		return g
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if g := d.gzip.Load(); g != nil {
		return g
	}
	body := make([][]byte, 0, len(d.pieces)+2)
	body = append(body, []byte(gzipHeader))
	size := len(gzipHeader)
	for _, p := range d.pieces {
		z := p.compress(c)
		body = append(body, z)
		size += len(z)
	}
	trailer := gzipTrailer(d.crc, d.plain.size)
	body = append(body, trailer)
	g := newCoded(joinShort(body), size+len(trailer), fmt.Sprintf(`"%x-%x-gz"`, d.crc, d.plain.size))
	d.gzip.Store(&g)
	return &g
}

// joinShort joins a body of little size, so that it is written at once.
func joinShort(body [][]byte) [][]byte {
	const short = 64 << 10
	size := 0
	for _, b := range body {
		size += len(b)
	}
	if size > short {
		return body
	}
	one := make([]byte, 0, size)
	for _, b := range body {
		one = append(one, b...)
	}
	return [][]byte{one}
}
