package hls

import "headwater.stream/internal/media"

// blockSegments is how many segments share one block of text. A block is the unit in which the origin compresses and
// caches, and the part of the window's text that is new whenever the window slides.
const (
	blockSegments = 128
	blockLine     = 112 // bytes of text to expect of a segment
)

// lines keeps the text of the sealed segments whose parts are no longer listed. Text once given out is never written
// again: a block only grows behind what was given out, and the window slides by dropping blocks and skipping into the first.
type lines struct {
	blocks []*block
	first  uint64 // number of the first segment kept
	next   uint64 // number of the segment to be added next

	iframes bool // of an I-frame playlist
}

type block struct {
	first uint64
	text  []byte
	ends  []end // by segment
}

// end says where a segment's text ends and whether it has its own EXT-X-MAP.
type end struct {
	offset int
	mapped bool
}

// slide forgets what is older than number. It starts anew when the sequence is not continued.
func (l *lines) slide(number uint64) {
	if number < l.first || number > l.next {
		*l = lines{first: number, next: number, iframes: l.iframes}
		return
	}
	l.first = number
	drop := 0
	for drop < len(l.blocks) && l.blocks[drop].first+uint64(len(l.blocks[drop].ends)) <= number {
		drop++
	}
	l.blocks = l.blocks[drop:]
}

// add appends the text of segment l.next.
func (l *lines) add(v *media.View, r *media.Rendition, prev *media.Segment, seg media.Segment) {
	var b *block
	if n := len(l.blocks); n > 0 && len(l.blocks[n-1].ends) < blockSegments {
		b = l.blocks[n-1]
	} else {
		b = &block{first: l.next, ends: make([]end, 0, blockSegments), text: make([]byte, 0, blockSegments*blockLine)}
		l.blocks = append(l.blocks[:n:n], b)
	}
	mapped := needsMap(prev, seg)
	if l.iframes {
		b.text = appendIFrame(b.text, v, r, seg, mapped)
	} else {
		b.text = appendSegment(b.text, v, r, seg, mapped, nil)
	}
	b.ends = append(b.ends, end{len(b.text), mapped})
	l.next++
}

// pieces appends the texts of the segments from number on.
func (l *lines) pieces(dst [][]byte, number uint64) [][]byte {
	for _, b := range l.blocks {
		from := 0
		if number > b.first {
			i := number - b.first
			if i >= uint64(len(b.ends)) {
				continue
			}
			from = b.ends[i-1].offset
		}
		dst = append(dst, b.text[from:len(b.text):len(b.text)])
	}
	return dst
}

// mapped reports whether the text of a kept segment begins with its own EXT-X-MAP.
func (l *lines) mapped(number uint64) bool {
	for i := len(l.blocks) - 1; i >= 0; i-- {
		if b := l.blocks[i]; number >= b.first {
			return b.ends[number-b.first].mapped
		}
	}
	return false
}
