package ingest

import (
	"bytes"
	"encoding/binary"
	"errors"

	"headwater.stream/internal/media"
)

var errNAL = errors.New("NAL unit lengths do not add up")

// widen appends an access unit whose NAL unit lengths have size bytes to dst, with lengths of 4 bytes.
func widen(dst, data []byte, size int) ([]byte, error) {
	for b := data; len(b) > 0; {
		if len(b) < size {
			return dst, errNAL
		}
		n := 0
		for _, x := range b[:size] {
			n = n<<8 | int(x)
		}
		b = b[size:]
		if n > len(b) {
			return dst, errNAL
		}
		dst = binary.BigEndian.AppendUint32(dst, uint32(n))
		dst = append(dst, b[:n]...)
		b = b[n:]
	}
	return dst, nil
}

// accessUnit returns data with NAL unit lengths of 4 bytes, in scratch if they have another size, and calls f with each unit
// that is not empty. It fails when the lengths do not add up. scratch is returned for the next time.
func accessUnit(scratch, data []byte, lengthSize int, f func(nal []byte)) (au, _ []byte, err error) {
	if lengthSize == 0 {
		return nil, scratch, errConfig
	}
	if lengthSize != 4 {
		if scratch, err = widen(scratch[:0], data, lengthSize); err != nil {
			return nil, scratch, err
		}
		data = scratch
	}
	if len(data) == 0 {
		return nil, scratch, errNAL
	}
	for b := data; len(b) > 0; {
		if len(b) < 4 {
			return nil, scratch, errNAL
		}
		n := binary.BigEndian.Uint32(b)
		b = b[4:]
		if uint64(n) > uint64(len(b)) {
			return nil, scratch, errNAL
		}
		if n > 0 {
			f(b[:n])
		}
		b = b[n:]
	}
	return data, scratch, nil
}

// mergeSets puts a parameter set into sets in place of the one with the same ID. It reports false when an equal one is
// there already or there is no more room.
func mergeSets(sets [][]byte, nal []byte, id func(nal []byte) (int, bool), room int) ([][]byte, bool) {
	want, ok := id(nal)
	if !ok {
		return nil, false
	}
	for i, s := range sets {
		if bytes.Equal(s, nal) {
			return nil, false
		}
		if have, ok := id(s); ok && have == want {
			out := append([][]byte(nil), sets...)
			out[i] = bytes.Clone(nal)
			return out, true
		}
	}
	if len(sets) >= room {
		return nil, false
	}
	return append(append([][]byte(nil), sets...), bytes.Clone(nal)), true
}

// expGolomb reads ue(v) at byte at of b (ITU-T H.264 and H.265, 9.1 and 9.2). Parameter set IDs are small: 255 at most.
func expGolomb(b []byte, at int) (int, bool) {
	if at > len(b) {
		return 0, false
	}
	r := bitReader{b: b[at:]}
	v := r.ue()
	return v, !r.short && v < 1<<9-1
}

// rational returns num/den frames per second in lowest terms, zero when that is no believable frame rate.
func rational(num, den uint64) media.Rational {
	if num == 0 || den == 0 || num < den || num > 300*den {
		return media.Rational{}
	}
	a, b := num, den
	for b != 0 {
		a, b = b, a%b
	}
	num, den = num/a, den/a
	if num > 1<<32-1 || den > 1<<32-1 {
		return media.Rational{}
	}
	return media.Rational{Num: uint32(num), Den: uint32(den)}
}
