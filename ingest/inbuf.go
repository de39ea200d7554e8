package ingest

import "io"

// inbuf is a read buffer in front of the socket that lends out bytes, so that chunk headers are parsed in place and
// large payloads bypass it.
type inbuf struct {
	r        io.Reader
	b        []byte
	pos, end int
	total    uint64 // bytes read from r
}

func newInbuf(r io.Reader, size int) *inbuf { return &inbuf{r: r, b: make([]byte, size)} }

// need makes at least n bytes available at peek; n is at most the buffer's size.
func (s *inbuf) need(n int) error {
	for s.end-s.pos < n {
		if s.pos+n > len(s.b) || s.pos == s.end {
			s.end = copy(s.b, s.b[s.pos:s.end])
			s.pos = 0
		}
		m, err := s.r.Read(s.b[s.end:])
		s.end += m
		s.total += uint64(m)
		if err != nil && s.end-s.pos < n {
			return err
		}
	}
	return nil
}

// grow makes the buffer as large as size.
func (s *inbuf) grow(size int) {
	if size <= len(s.b) {
		return
	}
	b := make([]byte, size)
	s.end = copy(b, s.b[s.pos:s.end])
	s.b, s.pos = b, 0
}

// peek returns the available bytes.
func (s *inbuf) peek() []byte { return s.b[s.pos:s.end] }

// skip drops n available bytes.
func (s *inbuf) skip(n int) { s.pos += n }

// readFull fills p.
func (s *inbuf) readFull(p []byte) error {
	for len(p) > 0 {
		if s.pos < s.end {
			n := copy(p, s.b[s.pos:s.end])
			s.pos += n
			p = p[n:]
			continue
		}
		if len(p) < len(s.b) {
			if err := s.need(1); err != nil {
				return err
			}
			continue
		}
		n, err := s.r.Read(p)
		s.total += uint64(n)
		p = p[n:]
		if err != nil && len(p) > 0 {
			return err
		}
	}
	return nil
}

// discard drops n bytes, available or not.
func (s *inbuf) discard(n int) error {
	for n > 0 {
		if err := s.need(1); err != nil {
			return err
		}
		m := min(n, s.end-s.pos)
		s.pos += m
		n -= m
	}
	return nil
}
