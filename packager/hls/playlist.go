package hls

import (
	"math"
	"strconv"
	"time"

	"headwater.stream/internal/media"
)

// Protocol versions (8216bis 8): EXT-X-MAP outside I-frame playlists needs 6, in them 5, EXT-X-SKIP 9. A client must refuse a version
// it does not know, so neither is higher than needed. RECENTLY-REMOVED-DATERANGES needs 10.
const (
	versionFull    = 6
	versionIFrames = 5
	versionDelta   = 9
	versionRanges  = 10
)

// skipTargets is CAN-SKIP-UNTIL in target durations, the least that 8216bis 4.4.3.8 allows.
const skipTargets = 6

// Playlist renders the media playlist, or the I-frame playlist, of one rendition, View after View. It keeps the text of what does not change, so a
// new View costs the same however long the window is. One goroutine at a time may use it.
//
// A View that has ended makes the playlist of a recording: PLAYLIST-TYPE VOD and EXT-X-ENDLIST, no parts. Only players that
// have followed it live, under the same Playlist or one cloned from it, still find PART-TARGET in it, which never changes in
// the life of a playlist (8216bis 4.4.3.7).
type Playlist struct {
	rendition  string
	iframes    bool
	offered    bool // an I-frame playlist that was listed before stays
	lines      lines
	ranges     ranges
	compact    [][]byte // see Compact
	anchor     time.Time
	lost       int           // Rendition.Lost of the lines
	partTarget time.Duration // of the live playlist that was written, 0 when none was
}

// NewPlaylist returns the Playlist of the rendition with that name.
func NewPlaylist(rendition string) *Playlist { return &Playlist{rendition: rendition} }

// Clone returns a Playlist that goes on from where p is, for a presentation that takes over its URL.
func (p *Playlist) Clone() *Playlist {
	return &Playlist{rendition: p.rendition, iframes: p.iframes, offered: p.offered, partTarget: p.partTarget}
}

// Render returns the playlist of a View as consecutive pieces that nobody ever writes again; long pieces recur, as the same
// memory, in the renders that follow. delta is the delta update (8216bis 6.2.5.1), nil when nothing can be skipped. full is
// nil as long as the View has nothing to list. Views must come in the order of their revisions.
func (p *Playlist) Render(v *media.View) (full, delta [][]byte) {
	r := v.Find(p.rendition)
	if r == nil || !p.lists(v, r) {
		return nil, nil
	}
	if !v.Ended && !p.iframes { // "SHOULD NOT" have parts (Apple 6.1); their target is not of use without
		p.partTarget = v.PartTarget
	}
	p.update(v, r)
	p.ranges.update(v)
	tail := p.tail(v, r)
	first := p.firstNumber(r)
	full = append(full, p.header(v, r, first, 0, nil))
	if len(p.ranges.text) > 0 {
		full = append(full, p.ranges.text)
	}
	full = p.lines.pieces(full, first)
	full = append(full, tail)
	p.compact = nil
	if skip := skippable(v, r); skip > 0 {
		delta = p.delta(p.header(v, r, first, skip, nil), p.ranges.text, first+uint64(skip), tail)
		if len(v.Events) > 0 {
			removed, text := p.ranges.delta(v, r)
			p.compact = p.delta(p.header(v, r, first, skip, &removed), text, first+uint64(skip), tail)
		}
	}
	return full, delta
}

// lists reports whether there is anything to list.
func (p *Playlist) lists(v *media.View, r *media.Rendition) bool {
	if !p.iframes {
		_, _, ok := Edge(v, r)
		return ok
	}
	p.offered = p.offered || IFrames(r)
	return p.offered && len(r.Segments) > 0
}

// Compact returns the delta update of the View rendered last for clients that let it skip date ranges too
// (_HLS_skip=v2). It is nil when that is the same as for those that do not.
func (p *Playlist) Compact() [][]byte { return p.compact }

// delta joins a delta update.
func (p *Playlist) delta(text, ranges []byte, from uint64, tail []byte) [][]byte {
	text = append(text, ranges...)
	for _, piece := range p.lines.pieces(nil, from) {
		text = append(text, piece...)
	}
	return [][]byte{append(text, tail...)}
}

// update brings the kept lines to the View.
func (p *Playlist) update(v *media.View, r *media.Rendition) {
	if !v.Anchor.Equal(p.anchor) || r.Lost != p.lost {
		p.lines, p.anchor, p.lost = lines{iframes: p.iframes}, v.Anchor, r.Lost
	}
	first := p.firstNumber(r)
	p.lines.slide(first)
	end := uint64(math.MaxUint64)
	if !p.iframes {
		end = partsFrom(v, r)
	}
	for i := int(p.lines.next - first); i < len(r.Segments) && r.Segments[i].Number < end; i++ { // numbers are consecutive
		p.lines.add(v, r, before(r, i), r.Segments[i])
	}
}

func (p *Playlist) firstNumber(r *media.Rendition) uint64 {
	if len(r.Segments) > 0 {
		return r.Segments[0].Number
	}
	return r.Open.Number
}

// before returns the listed segment before r.Segments[i], nil if there is none.
func before(r *media.Rendition, i int) *media.Segment {
	if i == 0 || i > len(r.Segments) {
		return nil
	}
	return &r.Segments[i-1]
}

// header appends everything up to the first listed segment; skip > 0 makes it that of a delta update,
// removed of one that skips date ranges.
func (p *Playlist) header(v *media.View, r *media.Rendition, first uint64, skip int, removed *[]byte) []byte {
	version := versionFull
	switch {
	case p.iframes && skip == 0:
		version = versionIFrames
	case removed != nil:
		version = versionRanges
	case skip > 0:
		version = versionDelta
	}
	b := make([]byte, 0, 1024)
	b = append(b, "#EXTM3U\n#EXT-X-VERSION:"...)
	b = strconv.AppendInt(b, int64(version), 10)
	b = append(b, "\n#EXT-X-TARGETDURATION:"...)
	b = strconv.AppendInt(b, targetDuration(v), 10)
	b = append(b, "\n#EXT-X-INDEPENDENT-SEGMENTS\n"...)
	if p.iframes {
		b = append(b, "#EXT-X-I-FRAMES-ONLY\n"...)
	}
	if v.Ended {
		b = append(b, "#EXT-X-PLAYLIST-TYPE:VOD\n"...)
	} else {
		b = appendControl(b, v)
	}
	if p.partTarget > 0 {
		b = append(b, "#EXT-X-PART-INF:PART-TARGET="...)
		b = appendUnits(b, unitsUp(p.partTarget))
		b = append(b, '\n')
	}
	b = append(b, "#EXT-X-MEDIA-SEQUENCE:"...)
	b = strconv.AppendUint(b, first, 10)
	b = append(b, "\n#EXT-X-DISCONTINUITY-SEQUENCE:"...)
	b = strconv.AppendUint(b, discontinuitySequence(r), 10)
	b = append(b, '\n')
	if skip > 0 {
		b = append(b, "#EXT-X-SKIP:SKIPPED-SEGMENTS="...)
		b = strconv.AppendInt(b, int64(skip), 10)
		if removed != nil { // REQUIRED then, "MAY be empty" (8216bis 4.4.5.2)
			b = append(b, `,RECENTLY-REMOVED-DATERANGES="`...)
			b = append(append(b, *removed...), '"')
		}
		b = append(b, '\n')
	}
	return p.headerMap(b, r, first, skip)
}

// headerMap appends the EXT-X-MAP that applies to the first segment written, unless its own text has it.
func (p *Playlist) headerMap(b []byte, r *media.Rendition, first uint64, skip int) []byte {
	seg := r.Open
	if skip < len(r.Segments) {
		seg = &r.Segments[skip]
	}
	mapped := needsMap(before(r, skip), *seg)
	if number := first + uint64(skip); number < p.lines.next {
		mapped = p.lines.mapped(number)
	}
	if mapped || seg.Init == 0 {
		return b
	}
	return appendMap(b, seg.Init)
}

// discontinuitySequence returns the value of EXT-X-DISCONTINUITY-SEQUENCE. A segment's number is this value plus the tags
// up to and including its own (8216bis 6.2.1), so it is one less while the first listed segment carries a tag, and rises
// when that segment leaves.
func discontinuitySequence(r *media.Rendition) uint64 {
	seg := r.Open
	if len(r.Segments) > 0 {
		seg = &r.Segments[0]
	}
	if seg.First && seg.Disc > 0 {
		return uint64(seg.Disc) - 1
	}
	return uint64(seg.Disc)
}

func targetDuration(v *media.View) int64 {
	return max(1, int64((v.SegmentTarget+time.Second-1)/time.Second))
}

// appendControl appends EXT-X-SERVER-CONTROL. Its values come from what is frozen for the life of the event, so they never
// change and are the same in all renditions (8216bis 4.4.3.8).
func appendControl(b []byte, v *media.View) []byte {
	td := targetDuration(v)
	b = append(b, "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL="...)
	b = strconv.AppendInt(b, skipTargets*td, 10)
	b = append(b, ".0,CAN-SKIP-DATERANGES=YES,HOLD-BACK="...)
	b = strconv.AppendInt(b, 3*td, 10)
	b = append(b, ".0"...)
	if v.PartTarget > 0 {
		b = append(b, ",PART-HOLD-BACK="...)
		b = appendUnits(b, 3*unitsUp(v.PartTarget))
	}
	return append(b, '\n')
}

// tail renders what follows the kept lines: segments with their parts, the open segment, the hint and the reports.
func (p *Playlist) tail(v *media.View, r *media.Rendition) []byte {
	b := make([]byte, 0, 8192)
	for i := int(p.lines.next - p.firstNumber(r)); i < len(r.Segments); i++ {
		seg := r.Segments[i]
		b = appendSegment(b, v, r, seg, needsMap(before(r, i), seg), Parts(v, r, seg.Number))
	}
	if v.Ended {
		return append(b, "#EXT-X-ENDLIST\n"...)
	}
	if p.iframes {
		return b
	}
	if parts := openParts(v, r); len(parts) > 0 {
		b = appendOpening(b, v, r, *r.Open, needsMap(before(r, len(r.Segments)), *r.Open))
		b = appendParts(b, r, parts)
	}
	if v.PartTarget > 0 && r.Hint != (media.PartID{}) {
		b = append(b, "#EXT-X-PRELOAD-HINT:TYPE=PART,"...)
		b = appendURI(b, partRef(r.Hint))
		b = append(b, '\n')
	}
	return appendReports(b, v, r)
}

// appendReports appends one EXT-X-RENDITION-REPORT per other media playlist (8216bis 4.4.5.4).
func appendReports(b []byte, v *media.View, r *media.Rendition) []byte {
	for i := range v.Renditions {
		other := &v.Renditions[i]
		msn, part, ok := Edge(v, other)
		if other == r || !ok {
			continue
		}
		b = append(b, `#EXT-X-RENDITION-REPORT:URI="../`...)
		b = append(b, v.MediaPlaylist(other.Name)...)
		b = append(b, `",LAST-MSN=`...)
		b = strconv.AppendUint(b, msn, 10)
		if part >= 0 {
			b = append(b, ",LAST-PART="...)
			b = strconv.AppendInt(b, int64(part), 10)
		}
		b = append(b, '\n')
	}
	return b
}

// skippable returns how many of the oldest listed segments lie wholly before the skip boundary, counted from the end of
// the last complete segment (8216bis 4.4.3.8).
func skippable(v *media.View, r *media.Rendition) int {
	if v.Ended {
		return 0
	}
	boundary := skipTargets * targetDuration(v) * unitsPerSecond
	var after int64
	for i := len(r.Segments) - 1; i >= 0; i-- {
		if after > boundary {
			return i + 1
		}
		after += units(r.Segments[i].End(), r.Timescale) - units(r.Segments[i].Start, r.Timescale)
	}
	return 0
}
