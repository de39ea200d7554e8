package timeline

import (
	"bytes"
	"io"
	"maps"
	"slices"
	"time"

	"headwater.stream/internal/media"
)

// rest is what a power loss has left of a segment.
type rest struct {
	rendition *rendition
	epoch     uint32
	init      media.Init
	parts     []media.Part // with bodies, times in the track's timescale
}

func (r rest) size() (n int) {
	for _, p := range r.parts {
		n += len(p.Body)
	}
	return n
}

// rescue announces again what a power loss has left of the segments that the indexes do not vouch for. It gets new names, in
// ranges of its own: nobody knows how much of it was announced under the old ones (invariant I1).
func (t *Timeline) rescue(spool Spool, unsealed map[string][]media.Segment) {
	t.level()
	left := map[uint64][]rest{} // by number, in the order of the renditions
	for _, r := range t.rends {
		for _, seg := range unsealed[r.name] {
			if seg.Number < r.next {
				continue
			}
			x, err := readRest(spool, r, seg)
			if err != nil {
				t.spooler.fail(err)
			}
			list := left[seg.Number]
			switch n := len(list); {
			case len(x.parts) == 0:
			case n > 0 && list[n-1].rendition == r: // it was lost while it was rescued before
				if x.size() >= list[n-1].size() {
					list[n-1] = x
				}
			default:
				left[seg.Number] = append(list, x)
			}
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	var ends map[*rendition]int64 // of the open range, in the track's timescale
	epoch := uint32(0)
	for _, n := range slices.Sorted(maps.Keys(left)) {
		list := left[n]
		for _, x := range list {
			if end, ok := ends[x.rendition]; !ok || end != x.parts[0].Start || epoch != x.epoch {
				ends = nil
			}
		}
		if ends == nil {
			if err := t.again(list); err != nil {
				t.spooler.fail(err)
				continue
			}
			ends, epoch = map[*rendition]int64{}, list[0].epoch
		}
		for _, x := range list {
			for _, p := range x.parts {
				t.part(x.rendition, p, false)
				ends[x.rendition] = p.Start + p.Duration
			}
		}
		t.settle()
	}
	_ = t.end()
}

// again begins a range for what is left of segments with one number.
func (t *Timeline) again(list []rest) error {
	if err := t.end(); err != nil {
		return err
	}
	var names []string
	var inits []media.Init
	start := time.Duration(1<<63 - 1)
	for _, x := range list {
		names, inits = append(names, x.rendition.name), append(inits, x.init)
		start = min(start, media.Duration(x.parts[0].Start, x.init.Track.Timescale))
	}
	return t.begin(names, inits, start.Truncate(time.Millisecond))
}

// readRest reads the whole parts of a segment's file.
func readRest(spool Spool, r *rendition, seg media.Segment) (x rest, err error) {
	parts, err := spool.Recover(r.name, seg, false)
	if err != nil || len(parts) == 0 {
		return x, err
	}
	i := len(r.inits) - 1
	for i >= 0 && r.inits[i].ID > seg.Epoch {
		i--
	}
	if i < 0 {
		return x, nil
	}
	f, err := spool.Open(r.name, seg)
	if err != nil {
		return x, err
	}
	defer f.Close()
	last := parts[len(parts)-1]
	body := make([]byte, last.Offset+last.Size)
	if _, err := io.ReadFull(f, body); err != nil {
		return x, err
	}
	x = rest{rendition: r, epoch: seg.Epoch, init: r.inits[i]}
	for _, p := range parts {
		end := p.Offset + p.Size
		if unwritten(body[:end], int(p.Offset)) {
			break
		}
		p.Body = body[p.Offset:end:end]
		x.parts = append(x.parts, p)
	}
	return x, nil
}

// page is the unit in which file systems lose bytes: a file can have got its length and not what is in it.
const page = 4096

// unwritten reports whether a page of b, from offset from on, has nothing but zeros, which media do not have.
func unwritten(b []byte, from int) bool {
	var zeros [page]byte
	for at := from / page * page; at < len(b); at += page {
		p := b[max(at, from):min(at+page, len(b))]
		if len(p) >= page/8 && bytes.Equal(p, zeros[:len(p)]) {
			return true
		}
	}
	return false
}
