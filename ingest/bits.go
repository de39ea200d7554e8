package ingest

// bitReader reads bits from the most significant on; after the end it gives zeros and sets short.
type bitReader struct {
	b     []byte
	pos   int
	short bool
}

func (r *bitReader) left() int { return 8*len(r.b) - r.pos }

func (r *bitReader) bits(n int) int {
	v := 0
	for ; n > 0; n-- {
		if r.pos >= 8*len(r.b) {
			r.short = true
			return 0
		}
		v = v<<1 | int(r.b[r.pos/8]>>(7-r.pos%8))&1
		r.pos++
	}
	return v
}

// flag reads one bit.
func (r *bitReader) flag() bool { return r.bits(1) == 1 }

// skip passes over n bits.
func (r *bitReader) skip(n int) {
	if n > r.left() {
		r.short = true
		n = r.left()
	}
	r.pos += n
}

// ue reads an Exp-Golomb number (ITU-T H.265, 9.2), of 32 bits at most.
func (r *bitReader) ue() int {
	zeros := 0
	for !r.flag() {
		if zeros++; r.short || zeros > 31 {
			r.short = true
			return 0
		}
	}
	return 1<<zeros - 1 + r.bits(zeros)
}

// bitWriter appends bits to b, from the most significant on.
type bitWriter struct {
	b []byte
	n int // bits
}

func (w *bitWriter) put(v, n int) {
	for n--; n >= 0; n-- {
		if w.n%8 == 0 {
			w.b = append(w.b, 0)
		}
		w.b[w.n/8] |= byte(v>>n&1) << (7 - w.n%8)
		w.n++
	}
}
