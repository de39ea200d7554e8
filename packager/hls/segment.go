package hls

import "headwater.stream/internal/media"

// needsMap reports whether a segment's text has an EXT-X-MAP: at the start of a range, and wherever the initialization
// section is another than that of the segment before (8216bis 4.4.4.5). prev is nil when it is not known.
func needsMap(prev *media.Segment, seg media.Segment) bool {
	return seg.Init != 0 && (seg.First || prev != nil && prev.Init != seg.Init)
}

// appendOpening appends the tags of a segment that precede its first EXT-X-PART (8216bis 4.4.4.9: DISCONTINUITY, MAP and
// PROGRAM-DATE-TIME of a segment come before its parts).
func appendOpening(dst []byte, v *media.View, r *media.Rendition, seg media.Segment, mapped bool) []byte {
	if seg.First && seg.Disc > 0 {
		dst = append(dst, "#EXT-X-DISCONTINUITY\n"...)
	}
	if mapped {
		dst = appendMap(dst, seg.Init)
	}
	dst = append(dst, "#EXT-X-PROGRAM-DATE-TIME:"...)
	dst = appendDate(dst, v.Anchor.Add(r.Time(seg.Start)))
	return append(dst, '\n')
}

// appendSegment appends all lines of a sealed segment.
func appendSegment(dst []byte, v *media.View, r *media.Rendition, seg media.Segment, mapped bool, parts []media.Part) []byte {
	dst = appendOpening(dst, v, r, seg, mapped)
	if seg.Gap {
		dst = append(dst, "#EXT-X-GAP\n"...)
	}
	return appendResource(appendParts(dst, r, parts), r, seg)
}

// appendResource appends the lines that end a segment: its duration and its name.
func appendResource(dst []byte, r *media.Rendition, seg media.Segment) []byte {
	dst = append(dst, "#EXTINF:"...)
	dst = appendSpan(dst, seg.Start, seg.End(), r.Timescale)
	dst = append(dst, ",\n"...)
	dst = media.Ref{Kind: media.ObjectSegment, Epoch: seg.Epoch, Number: seg.Number}.AppendFile(dst)
	return append(dst, '\n')
}

func appendParts(dst []byte, r *media.Rendition, parts []media.Part) []byte {
	for _, p := range parts {
		dst = append(dst, "#EXT-X-PART:DURATION="...)
		dst = appendSpan(dst, p.Start, p.Start+p.Duration, r.Timescale)
		dst = append(dst, ',')
		dst = appendURI(dst, partRef(p.PartID))
		if p.Independent {
			dst = append(dst, ",INDEPENDENT=YES"...)
		}
		dst = append(dst, '\n')
	}
	return dst
}

func appendMap(dst []byte, init uint32) []byte {
	dst = append(dst, "#EXT-X-MAP:"...)
	dst = appendURI(dst, media.Ref{Kind: media.ObjectInit, Epoch: init})
	return append(dst, '\n')
}

func partRef(id media.PartID) media.Ref {
	return media.Ref{Kind: media.ObjectPart, Epoch: id.Epoch, Number: id.Number, Part: id.Part}
}
