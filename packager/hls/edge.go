package hls

import "headwater.stream/internal/media"

// Edge returns the newest thing that a rendition's media playlist lists: part index part of segment msn, or, when that
// segment's parts are not listed, the whole segment with part -1. ok is false while it lists nothing.
func Edge(v *media.View, r *media.Rendition) (msn uint64, part int, ok bool) {
	if open := openParts(v, r); len(open) > 0 {
		return r.Open.Number, len(open) - 1, true
	}
	msn, ok = r.LastNumber()
	if !ok {
		return 0, -1, false
	}
	return msn, len(listedParts(v, r, msn)) - 1, true
}

// listedParts returns the parts that the playlist lists for a segment: all of them, or none when the first is forgotten.
func listedParts(v *media.View, r *media.Rendition, number uint64) []media.Part {
	if v.Ended || v.PartTarget == 0 {
		return nil
	}
	if parts := r.PartsOf(number); len(parts) > 0 && parts[0].Part == 0 {
		return parts
	}
	return nil
}

func openParts(v *media.View, r *media.Rendition) []media.Part {
	if r.Open == nil {
		return nil
	}
	return listedParts(v, r, r.Open.Number)
}
