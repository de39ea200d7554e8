package ingest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/iotest"
)

func readerOf(b []byte, one bool) *chunkReader {
	limits := Limits{}.withDefaults()
	w := newWork(limits.Work)
	var r io.Reader = bytes.NewReader(b)
	if one {
		r = iotest.OneByteReader(r)
	}
	cr := newChunkReader(newInbuf(r, 4096), &limits, new(Counters), &w)
	cr.admitted = true
	return cr
}

func readAll(t *testing.T, r *chunkReader) []message {
	t.Helper()
	var out []message
	for {
		m, err := r.next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatalf("after %d messages: %v", len(out), err)
		}
		m.payload = bytes.Clone(m.payload)
		out = append(out, m)
	}
}

func TestExtendedTimestamps(t *testing.T) {
	payload := make([]byte, 1000) // zeros: a loose comparison would swallow some
	for _, repeat := range []bool{true, false} {
		for _, ts := range []uint32{0xfffffe, 0xffffff, 0x1000000, 20_000_000, 1<<31 + 5, 1<<32 - 1} {
			for _, size := range []int{1000, 128, 3, 333} {
				b := chunks(2, typeSetChunkSize, 0, 0, []byte{0, 0, byte(size >> 8), byte(size)}, 128, true)
				b = append(b, chunks(4, typeVideo, 1, ts, payload, size, repeat)...)
				b = append(b, chunks(4, typeVideo, 1, ts, payload[:2], size, repeat)...) // a tail shorter than a timestamp
				got := readAll(t, readerOf(b, size == 3))
				if len(got) != 2 || got[0].timestamp != ts || !bytes.Equal(got[0].payload, payload) || len(got[1].payload) != 2 {
					t.Errorf("repeat %v, timestamp %d, chunk size %d: %d messages", repeat, ts, size, len(got))
				}
			}
		}
	}
}

// A type 1 header with an extended delta, continued by type 3 chunks with and without it.
func TestExtendedDelta(t *testing.T) {
	for _, repeat := range []bool{true, false} {
		b := chunks(4, typeVideo, 1, 1000, make([]byte, 10), 128, true)
		b = append(b, 0x44, 0xff, 0xff, 0xff, 0, 0, 200, typeVideo, 0x01, 0, 0, 0)
		b = append(b, make([]byte, 128)...)
		b = append(b, 0xc4)
		if repeat {
			b = append(b, 0x01, 0, 0, 0)
		}
		b = append(b, make([]byte, 72)...)
		got := readAll(t, readerOf(b, false))
		if len(got) != 2 || got[1].timestamp != 1000+0x1000000 || len(got[1].payload) != 200 {
			t.Errorf("repeat %v: %d messages", repeat, len(got))
		}
	}
}

func TestDeltas(t *testing.T) {
	m := func(first byte, header ...byte) []byte { return append([]byte{first}, append(header, 0xaa)...) }
	for name, c := range map[string]struct {
		chunks [][]byte
		want   []uint32
	}{
		"type 3 after a small type 0 repeats its timestamp": {[][]byte{
			m(0x04, 0, 0, 23, 0, 0, 1, typeAudio, 1, 0, 0, 0), m(0xc4), m(0xc4)}, []uint32{23, 46, 69}},
		"type 3 after a large type 0": {[][]byte{
			m(0x04, 0, 0x20, 0, 0, 0, 1, typeAudio, 1, 0, 0, 0), m(0xc4)}, []uint32{8192, 8192}},
		"types 1, 2 and 3": {[][]byte{
			m(0x04, 0, 1, 0, 0, 0, 1, typeAudio, 1, 0, 0, 0), m(0x44, 0, 0, 21, 0, 0, 1, typeVideo), m(0x84, 0, 0, 22), m(0xc4)}, []uint32{256, 277, 299, 321}},
		"type 1 first": {[][]byte{m(0x44, 0, 0, 21, 0, 0, 1, typeVideo)}, []uint32{21}},
	} {
		var got []uint32
		for _, m := range readAll(t, readerOf(slices.Concat(c.chunks...), false)) {
			got = append(got, m.timestamp)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// Any interleaving of messages in chunks of any size comes out as it went in.
func TestInterleavedChunks(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for round := range 40 {
		size := 1 + rnd.IntN(300)
		b := chunks(2, typeSetChunkSize, 0, 0, []byte{0, 0, byte(size >> 8), byte(size)}, 128, true)
		type flow struct{ rest [][]byte }
		var flows []flow
		want := map[string]int{}
		for i := range 1 + rnd.IntN(6) {
			csid := byte(3 + i)
			payload := make([]byte, 1+rnd.IntN(2000))
			for j := range payload {
				payload[j] = byte(rnd.Uint32())
			}
			ts := rnd.Uint32()
			all := chunks(csid, typeVideo, 1, ts, payload, size, round%2 == 0)
			want[fmt.Sprint(ts, payload)]++
			// Cut at the chunk borders.
			head, ext := 12, 0
			if ts >= extendedMark {
				head, ext = 16, 4
			}
			if round%2 != 0 {
				ext = 0
			}
			var f flow
			for n := head + min(size, len(payload)); ; n = 1 + ext + size {
				n = min(n, len(all))
				f.rest = append(f.rest, all[:n])
				if all = all[n:]; len(all) == 0 {
					break
				}
			}
			flows = append(flows, f)
		}
		for len(flows) > 0 {
			i := rnd.IntN(len(flows))
			b = append(b, flows[i].rest[0]...)
			if flows[i].rest = flows[i].rest[1:]; len(flows[i].rest) == 0 {
				flows = slices.Delete(flows, i, i+1)
			}
		}
		for _, m := range readAll(t, readerOf(b, round%5 == 0)) {
			want[fmt.Sprint(m.timestamp, m.payload)]--
		}
		for _, n := range want {
			if n != 0 {
				t.Fatalf("round %d: messages lost or made up", round)
			}
		}
	}
}

// Memory follows the bytes received.
func TestDeclaredSizesCostNothing(t *testing.T) {
	b := chunks(2, typeSetChunkSize, 0, 0, []byte{0x7f, 0xff, 0xff, 0xff}, 128, true)
	for i := range 60 {
		b = append(b, header(byte(3+i), typeVideo, 1, 0, maxMessage)...)
		b = append(b, make([]byte, 10)...)
		b = b[:len(b)-10]
	}
	r := readerOf(b, false)
	for {
		if _, err := r.next(); err != nil {
			break
		}
	}
	if r.held > 1<<20 {
		t.Errorf("%d bytes held for nothing", r.held)
	}
}
