package media

import (
	"strings"
	"time"
)

// View is an immutable snapshot of everything a viewer can ask of one presentation. Nobody changes a View, or anything
// reachable from it, once it is published; a new one replaces it.
type View struct {
	Revision  uint64    // rises with each View of a presentation, also over a restart
	Published time.Time // when it was announced; zero: it is not live

	// Frozen when the first timeline of an event starts (invariant I4).
	Anchor        time.Time     // wall-clock time of media time 0 of every rendition
	SegmentTarget time.Duration // EXT-X-TARGETDURATION, whole seconds; no segment is longer
	PartTarget    time.Duration // PART-TARGET; no part is longer. 0: the presentation has no parts

	Renditions []Rendition // video first; order and names never change, new ones are appended
	Ranges     []Range     // the discontinuity ranges of the segments, oldest first
	Events     []Event     // timed metadata, in the order announced; also such as has left the window. Shared: never append to it
	Ended      bool        // nothing will be added: ENDLIST, type="static"
	Trimmed    bool        // media before the first segments was there, and has left the window

	PlaylistFile string // name of the media playlists in the directory of their rendition, as URLs have it; "": MediaPlaylistName
}

// MediaPlaylist returns the path of a rendition's media playlist, relative to the presentation's root.
func (v *View) MediaPlaylist(rendition string) string {
	if v.PlaylistFile != "" {
		return rendition + "/" + v.PlaylistFile
	}
	return rendition + "/" + MediaPlaylistName
}

// IFramePlaylist returns the path of a rendition's I-frame playlist, relative to the presentation's root.
func (v *View) IFramePlaylist(rendition string) string {
	return rendition + "/" + IFramePrefix + strings.TrimPrefix(v.MediaPlaylist(rendition), rendition+"/"+MediaPrefix)
}

// Rendition is one track of a presentation over its whole life, encoder changes included.
type Rendition struct {
	Name      string // path element: "v1", "a1"
	Kind      Kind
	Timescale uint32 // of all times here: RenditionTimescale(Kind). In the media they are in Init.Track.Timescale

	Inits    []Init    // every initialization section a listed segment needs, oldest first
	Segments []Segment // sealed segments in the window: consecutive numbers, ascending. Shared backing: never append to it
	Open     *Segment  // the segment being written (Duration and Size so far), nil while there is none
	Parts    []Part    // parts of the newest segments, Open's included, in order; older segments' parts are forgotten
	Hint     PartID    // the part expected next; zero Epoch: none (no parts, or no encoder connected)

	// Lost counts the listed segments that became gaps after they were listed. What is kept of them is stale when it rises.
	Lost int

	Bandwidth        int // peak segment bit rate, bit/s (EXT-X-STREAM-INF BANDWIDTH share); at least the declared rate
	AverageBandwidth int // average bit rate over the window, bit/s
}

// Segment is one CMAF segment of one rendition. It holds no pointers, so that a day of them costs the collector nothing.
// Segments with the same Number in other renditions cover the same time and belong to the same Epoch.
type Segment struct {
	Number   uint64 // media sequence number, +1 per segment for the life of the event, over reconnects and restarts
	Start    int64  // of the first sample: decoding time = earliest presentation time, rendition timescale
	Duration int64  // sum of the sample durations, rendition timescale
	Size     uint32 // bytes, 0 for a gap
	Epoch    uint32 // the discontinuity range it belongs to: see Epoch in the doc of Init
	Init     uint32 // Init.ID of its initialization section
	Disc     uint32 // discontinuity sequence number (RFC 8216bis 4.4.3.3), counted from the event's first range = 0
	KeySize  uint32 // bytes up to the end of its first sample, from its first byte; 0: that is no sync sample, or it is not known
	First    bool   // first of its range: carries EXT-X-DISCONTINUITY unless Disc is 0, for as long as it is listed
	Gap      bool   // no media: EXT-X-GAP; there is no object behind it
	Reason   GapReason
}

// End returns Start+Duration.
func (s Segment) End() int64 { return s.Start + s.Duration }

// Init is an initialization section together with what its track is. ID is the epoch in which it first appeared: a
// discontinuity range is named by its epoch, the Unix time in seconds at which it began (but always greater than the
// epoch before), so that names never repeat, not even after an event was deleted and made again.
type Init struct {
	ID    uint32
	Track Track
	Body  []byte // ftyp + moov
}

// Range says where a discontinuity range began, also when its first segment has left the window.
type Range struct {
	Epoch uint32
	Start time.Duration // media time
}

// PartID names a part: index Part of segment Number in range Epoch.
type PartID struct {
	Epoch  uint32
	Number uint64
	Part   int
}

// Part is one CMAF chunk: moof+mdat, byte-identical to its place in the segment.
type Part struct {
	PartID
	Start       int64  // rendition timescale
	Duration    int64  // rendition timescale
	Offset      uint32 // of its first byte in the segment
	Size        uint32
	KeySize     uint32 // as in Segment, of the part's bytes
	Independent bool   // begins with a sync sample
	Body        []byte // never written again; nil when it has left memory (the segment's file has it)
}

// Find returns the rendition called name, or nil.
func (v *View) Find(name string) *Rendition {
	for i := range v.Renditions {
		if v.Renditions[i].Name == name {
			return &v.Renditions[i]
		}
	}
	return nil
}

// Segment returns the sealed segment with that number, or nil.
func (r *Rendition) Segment(number uint64) *Segment {
	if len(r.Segments) == 0 || number < r.Segments[0].Number {
		return nil
	}
	if i := number - r.Segments[0].Number; i < uint64(len(r.Segments)) {
		return &r.Segments[i]
	}
	return nil
}

// Init returns the initialization section with that ID, or nil.
func (r *Rendition) Init(id uint32) *Init {
	for i := range r.Inits {
		if r.Inits[i].ID == id {
			return &r.Inits[i]
		}
	}
	return nil
}

// LastNumber returns the number of the newest sealed segment; ok is false when there is none.
func (r *Rendition) LastNumber() (n uint64, ok bool) {
	if len(r.Segments) == 0 {
		return 0, false
	}
	return r.Segments[len(r.Segments)-1].Number, true
}

// PartsOf returns the parts of segment number that are still known, in order.
func (r *Rendition) PartsOf(number uint64) []Part {
	lo := 0
	for lo < len(r.Parts) && r.Parts[lo].Number < number {
		lo++
	}
	hi := lo
	for hi < len(r.Parts) && r.Parts[hi].Number == number {
		hi++
	}
	return r.Parts[lo:hi:hi]
}

// Time converts ticks of the rendition to a duration since media time 0. It is exact to the nanosecond for 292 years.
func (r *Rendition) Time(ticks int64) time.Duration { return Duration(ticks, r.Timescale) }

// Duration converts ticks to a time.Duration without losing precision or overflowing.
func Duration(ticks int64, timescale uint32) time.Duration {
	ts := int64(timescale)
	return time.Duration(ticks/ts)*time.Second + time.Duration(ticks%ts*int64(time.Second)/ts)
}

// Ticks converts a duration to ticks, rounded to the nearest.
func Ticks(d time.Duration, timescale uint32) int64 {
	ts := int64(timescale)
	sec, rem := int64(d/time.Second), int64(d%time.Second)
	half := int64(time.Second / 2)
	if rem < 0 {
		half = -half
	}
	return sec*ts + (rem*ts+half)/int64(time.Second)
}
