package cmaf

import "headwater.stream/internal/media"

// partFill is the least percentage of PART-TARGET that a part fills, but for the last of a segment (RFC 8216bis 4.4.4.9).
const partFill = 85

// full says whether the chunk is complete: no other frame fits, or it has its share of what is left of the segment.
func (t *track) full(frame int64) bool {
	switch dur := t.chunk.dur; {
	case dur+frame > t.part:
		return true
	case dur*100 < t.part*partFill || t.part == t.limit: // one chunk per segment
		return false
	default:
		return dur+frame/2 >= share(t.end()-t.chunk.start, frame, t.part)
	}
}

// share returns how long the next part should be so that the rest of a segment comes out in parts of even length, the last
// one too (docs/adr/0007).
func share(rest, frame, part int64) int64 {
	n, most := (rest+(frame-1)/2)/frame, part/frame // as followers are cut: half a frame before the end is the end
	if n <= 0 || most <= 0 {
		return part // it is longer than was expected
	}
	parts := (n + most - 1) / most
	return min(max(n/parts, leastFrames(frame, part)), most, n) * frame
}

// leastFrames returns how many frames fill a part.
func leastFrames(frame, part int64) int64 { return (part*partFill + 100*frame - 1) / (100 * frame) }

// end returns where the track's open segment ends, as far as one can tell.
func (t *track) end() int64 {
	p := t.p
	if t != p.lead && t.cuts < len(p.borders) {
		return convert(p.borders[t.cuts], p.lead.ts, t.ts)
	}
	return convert(p.predicted(), p.lead.ts, t.ts)
}

// predicted returns where the lead is expected to end its segment, in its ticks.
func (p *Packager) predicted() int64 {
	t := p.lead
	if t.kind == media.Audio {
		frame := t.audio.frame
		return t.segStart + (t.aim-frame/2+frame-1)/frame*frame
	}
	if !t.gopKnown || t.gop <= 0 {
		return t.segStart + t.aim
	}
	period := t.video.period()
	at := t.lastIDR + t.gop
	for at-t.segStart < t.aim-period/2 && at-t.segStart+t.gop <= t.limit && !p.splicesAt(t, at) {
		at += t.gop
	}
	return min(at, t.segStart+t.limit/period*period) // cut between key frames
}
