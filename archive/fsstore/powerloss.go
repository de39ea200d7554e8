package fsstore

import (
	"time"

	"headwater.stream/archive"
	"headwater.stream/internal/media"
	"headwater.stream/internal/timeline"
)

// verifySpan is how much of the end of an index is not trusted after the machine stopped, beside two sync intervals.
const verifySpan = time.Minute

// distrust looks at what was written last before the machine stopped. The disk may have got a record and not the bytes, or
// the record of one rendition and not that of another: what comes after the last number that all have whole counts as not
// sealed. A file before that which is not what its record says is lost.
func (d *Dir) distrust(st *timeline.State, h timeline.Header, swept bool) {
	common := ^uint64(0)
	for i := range h.Renditions {
		name, r := h.Renditions[i].Name, d.rends[h.Renditions[i].Name]
		from := r.newest(media.Ticks(verifySpan+2*d.sync.store.opt.Sync, h.Renditions[i].Timescale))
		for len(r.kept) > from && !r.kept[len(r.kept)-1].Gap && !d.matches(name, r, len(r.kept)-1) {
			d.unseal(st, name, r)
		}
		for k := from; k < len(r.kept); k++ {
			if !r.kept[k].Gap && !d.matches(name, r, k) {
				d.lost(name, r, k, media.GapPowerLoss)
			}
		}
		next := h.Number
		if n := len(r.kept); n > 0 {
			next = r.kept[n-1].Number + 1
		}
		common = min(common, next)
	}
	for i := range h.Renditions {
		name, r := h.Renditions[i].Name, d.rends[h.Renditions[i].Name]
		from := r.newest(media.Ticks(verifySpan, h.Renditions[i].Timescale))
		for len(r.kept) > from && r.kept[len(r.kept)-1].Number >= common {
			d.unseal(st, name, r)
		}
		if !swept {
			st.Unsealed[name] = nil
			continue
		}
		sortSegments(st.Unsealed[name])
		for _, s := range st.Unsealed[name] {
			d.fixed(archive.Repair{What: "written when the machine stopped: what is whole of it gets another name", File: segmentName(name, s)})
		}
	}
}

// newest returns which of the kept segments is the first of the newest ones that last so long together.
func (r *rendition) newest(ticks int64) int {
	i := len(r.kept)
	for ; i > 0 && ticks > 0; i-- {
		ticks -= r.kept[i-1].Duration
	}
	return i
}

// matches reports whether a segment's file is what its record says.
func (d *Dir) matches(name string, r *rendition, i int) bool {
	sum, err := d.checksum(name, r.kept[i])
	return err == nil && sum == r.sums[i]
}

// unseal takes back the newest record. The index is written again without it before anything follows.
func (d *Dir) unseal(st *timeline.State, name string, r *rendition) {
	n := len(r.kept) - 1
	if s := r.kept[n]; !s.Gap {
		st.Unsealed[name] = append(st.Unsealed[name], media.Segment{Number: s.Number, Epoch: s.Epoch})
	}
	r.kept, r.sums, r.stale = r.kept[:n:n], r.sums[:n:n], true
}
