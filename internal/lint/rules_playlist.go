package lint

import (
	"fmt"
	"math"
	"time"
)

// playlistRules are section B of media-rules.md, as far as one snapshot shows them.
func playlistRules() []Rule {
	return []Rule{
		{ID: "MP-SYNTAX", Level: Must, Says: "The media playlist is strict M3U8", Hurts: "AVPlayer refuses it; others drop what they cannot read", Clause: "8216bis 4.1, 4.2, 4.4", Fix: "Write the tag as the grammar has it",
			list: func(p *Playlist) string { return first(p.Problems) }},
		{ID: "MP-VERSION", Level: Must, Says: "EXT-X-VERSION is as high as what is used needs", Hurts: "A client may refuse tags of a later version, or misread the playlist", Clause: "8216bis 8",
			Fix: "6 for EXT-X-MAP in media playlists, 9 for EXT-X-SKIP", list: func(p *Playlist) string {
				need, why := 1, ""
				for _, s := range p.Segments {
					if s.Map != "" {
						need, why = 6, "EXT-X-MAP"
					}
				}
				if p.Skipped >= 0 {
					need, why = 9, "EXT-X-SKIP"
				}
				if p.Version < need {
					return fmt.Sprintf("version %d, and %s needs %d", p.Version, why, need)
				}
				return ""
			}},
		{ID: "MP-TD", Level: Must, Says: "There is an EXT-X-TARGETDURATION of one second or more", Hurts: "No player knows when to reload; AVPlayer refuses the playlist", Clause: "8216bis 4.4.3.1",
			Fix: "Write the longest segment duration that can occur, rounded", list: func(p *Playlist) string {
				if p.Target < 1 {
					return "no EXT-X-TARGETDURATION, or 0"
				}
				return ""
			}},
		{ID: "MP-EXTINF-MAX", Level: Must, Says: "No segment is longer than EXT-X-TARGETDURATION, rounded", Hurts: "AVPlayer stops with an error; players reload too late and stall", Clause: "8216bis 4.4.3.1",
			Fix: "Raise the target duration at the start of the stream, or let the encoder send key frames more often", list: func(p *Playlist) string {
				for _, s := range p.Segments {
					if p.Target > 0 && math.Round(s.Duration) > float64(p.Target) {
						return fmt.Sprintf("segment %d lasts %.3f s, the target duration is %d", s.MSN, s.Duration, p.Target)
					}
				}
				return ""
			}},
		{ID: "MP-PTYPE", Level: Should, Says: "A playlist that has ended says EXT-X-PLAYLIST-TYPE", Hurts: "Some players treat the recording as a live stream that came to an end and join at its end", Clause: "Apple authoring 8.6",
			Fix: "Write VOD for a recording; EVENT for one whose live playlist never dropped a segment", list: func(p *Playlist) string {
				if p.End && p.Type == "" && p.MSN == 0 {
					return "EXT-X-ENDLIST without EXT-X-PLAYLIST-TYPE"
				}
				return ""
			}},
		{ID: "MP-DSEQ", Level: Must, Says: "A sliding playlist with discontinuities has EXT-X-DISCONTINUITY-SEQUENCE", Hurts: "Renditions get out of step: hls.js joins audio and video of different ranges", Clause: "8216bis 6.2.2; Apple authoring 8.17",
			Fix: "Count the discontinuities that have left the playlist", list: func(p *Playlist) string {
				if p.HasDSeq || p.MSN == 0 || !p.live() {
					return ""
				}
				for _, s := range p.Segments {
					if s.Disc {
						return fmt.Sprintf("segment %d is a discontinuity, segments were removed, and there is no EXT-X-DISCONTINUITY-SEQUENCE", s.MSN)
					}
				}
				return ""
			}},
		{ID: "MP-WINDOW", Level: Must, Says: "A live playlist lists at least three target durations", Hurts: "Players cannot keep the distance from the edge that they have to, and stall", Clause: "8216bis 6.2.2",
			Fix: "Keep more segments; six or more are better", list: func(p *Playlist) string {
				if p.live() && p.MSN > 0 && p.Skipped <= 0 && p.length() < 3*float64(p.Target) {
					return fmt.Sprintf("%.1f s are listed, three target durations are %d s", p.length(), 3*p.Target)
				}
				return ""
			}},
		{ID: "MP-PDT", Level: Should, Says: "A live playlist dates its segments", Hurts: "Players cannot show latency or align renditions; Safari leaves low-latency mode", Clause: "Apple authoring 8.4; 8216bis B.1",
			Fix: "Write EXT-X-PROGRAM-DATE-TIME, at best on every segment, from one anchor", list: func(p *Playlist) string {
				if !p.live() || len(p.Segments) == 0 {
					return ""
				}
				for _, s := range p.Segments {
					if !s.PDT.IsZero() {
						return ""
					}
				}
				return "no EXT-X-PROGRAM-DATE-TIME"
			}},
		{ID: "MP-PDT-EXTINF", Level: Should, Says: "Dates go on by the durations between discontinuities", Hurts: "hls.js and Shaka place segments by date: gaps, overlaps, jumps after a switch", Clause: "8216bis 4.4.4.6; Apple authoring 8.4",
			Fix: "Date by one anchor plus media time, not by when a segment was written", list: checkDates},
		{ID: "MP-MAP", Level: Must, Says: "Fragmented MP4 segments have an EXT-X-MAP", Hurts: "Nothing can be decoded, in any player", Clause: "8216bis 3.1.2, 4.4.4.5", Fix: "Write EXT-X-MAP before the first segment, and again where it changes",
			list: func(p *Playlist) string {
				for _, s := range p.Segments {
					if s.Map == "" && fragmentedName(s.URI) && p.Skipped <= 0 {
						return fmt.Sprintf("segment %d has none: %s", s.MSN, s.URI)
					}
				}
				return ""
			}},
		{ID: "MP-DATERANGE", Level: Must, Says: "A date range has an ID and a START-DATE, durations are not negative, and END-ON-NEXT goes with CLASS and without an end", Hurts: "Players drop ad breaks and metadata, or never end them", Clause: "8216bis 4.4.5.1",
			Fix: "Give what is missing; one ID has one set of values", list: checkRanges},
		{ID: "MP-MAP-DISC", Level: Must, Says: "Another EXT-X-MAP comes with a discontinuity", Hurts: "Players keep the old decoder configuration and show broken pictures", Clause: "8216bis 4.4.4.3, 4.4.4.5",
			Fix: "Write EXT-X-DISCONTINUITY where the initialization section changes", list: func(p *Playlist) string {
				for i := 1; i < len(p.Segments); i++ {
					if a, b := p.Segments[i-1], p.Segments[i]; a.Map != "" && b.Map != a.Map && !b.Disc {
						return fmt.Sprintf("segment %d has another map and no discontinuity", b.MSN)
					}
				}
				return ""
			}},
	}
}

func checkRanges(p *Playlist) string {
	known := map[string]Attrs{}
	for _, a := range p.Ranges {
		id := a.text("ID")
		end := a.has("DURATION") || a.has("END-DATE")
		switch before := known[id]; {
		case id == "":
			return "an EXT-X-DATERANGE has no ID"
		case before == nil && !a.has("START-DATE"):
			return fmt.Sprintf("%q has no START-DATE", id)
		case a.has("DURATION") && a.number("DURATION") < 0, a.has("PLANNED-DURATION") && a.number("PLANNED-DURATION") < 0:
			return fmt.Sprintf("%q has a duration that is no number or negative", id)
		case a.text("END-ON-NEXT") == "YES" && (end || !a.has("CLASS")):
			return fmt.Sprintf("%q has END-ON-NEXT and no CLASS, or an end", id)
		default:
			for name, v := range a {
				if had, ok := before[name]; ok && had != v {
					return fmt.Sprintf("%q has two values of %s: %q and %q", id, name, had.Value, v.Value)
				}
			}
		}
		known[id] = a
	}
	return ""
}

func checkDates(p *Playlist) string {
	var at time.Time
	for _, s := range p.Segments {
		if s.Disc || s.Gap {
			at = time.Time{}
		}
		if !s.PDT.IsZero() {
			if off := s.PDT.Sub(at).Seconds(); !at.IsZero() && math.Abs(off) > 0.1 {
				return fmt.Sprintf("segment %d is dated %.3f s off from where the one before ends", s.MSN, off)
			}
			at = s.PDT
		}
		if !at.IsZero() {
			at = at.Add(time.Duration(s.Duration * float64(time.Second)))
		}
	}
	return ""
}

// changeRules are those of section B that two snapshots show.
func changeRules() []Rule {
	return []Rule{
		{ID: "MP-TD-CONST", Level: Must, Says: "EXT-X-TARGETDURATION never changes", Hurts: "Players compute reload times and distances once; AVPlayer gives up", Clause: "8216bis 4.4.3.1, 6.2.1",
			Fix: "Choose it from the configuration, with room for long GOPs, and keep it over reconnects", change: func(old, p *Playlist) string {
				if old.Target != p.Target {
					return fmt.Sprintf("it was %d and is %d", old.Target, p.Target)
				}
				return ""
			}},
		{ID: "LL-PT-CONST", Level: Must, Says: "PART-TARGET never changes", Hurts: "AVPlayer gives up; players compute their distance from the edge once", Clause: "8216bis 4.4.3.7, 6.2.1", Fix: "Choose it from the configuration and keep it over reconnects",
			change: func(old, p *Playlist) string {
				if old.PartTarget != p.PartTarget {
					return fmt.Sprintf("it was %.5f and is %.5f", old.PartTarget, p.PartTarget)
				}
				return ""
			}},
		{ID: "MP-MSEQ", Level: Must, Says: "Media sequence numbers never fall, nor does the last segment", Hurts: "Players lose their place, play again or stall; AVPlayer stops", Clause: "8216bis 6.2.2",
			Fix: "Persist the numbering over reconnects and restarts, and answer from one place only", change: func(old, p *Playlist) string {
				switch {
				case p.MSN < old.MSN:
					return fmt.Sprintf("EXT-X-MEDIA-SEQUENCE was %d and is %d", old.MSN, p.MSN)
				case p.last() < old.last() && p.Skipped < 0 && old.Skipped < 0:
					return fmt.Sprintf("the last segment was %d and is %d", old.last(), p.last())
				}
				return ""
			}},
		{ID: "MP-STABLE", Level: Must, Says: "What is listed under a number does not change", Hurts: "Players that have fetched the segment play something else than those that have not; caches serve the wrong one", Clause: "8216bis 6.2.1",
			Fix: "Never edit a segment's URI, duration, map, gap, discontinuity or date once it is listed", change: checkStable},
		{ID: "MP-DSEQ-SET", Level: Must, Says: "A segment keeps its discontinuity sequence number", Hurts: "Renditions get out of step after a discontinuity leaves the playlist", Clause: "8216bis 6.2.2, 4.4.3.3",
			Fix: "Raise EXT-X-DISCONTINUITY-SEQUENCE exactly when the segment with the tag leaves", change: func(old, p *Playlist) string {
				for _, pair := range common(old, p) {
					if a, b := pair[0], pair[1]; a.DSeq != b.DSeq {
						return fmt.Sprintf("segment %d had %d and has %d", a.MSN, a.DSeq, b.DSeq)
					}
				}
				return ""
			}},
		{ID: "MP-UPDATE", Level: Must, Says: "A live playlist gets a new segment within one and a half target durations", Hurts: "Players run dry and stall; hls.js reports levels that do not update", Clause: "8216bis 6.2.1",
			Fix: "Write EXT-X-GAP segments while the encoder is silent, or end the playlist", change: func(old, p *Playlist) string {
				if !p.live() || p.last() > old.last() || len(p.Segments) == 0 {
					return ""
				}
				if waited := p.At.Sub(old.NewAt).Seconds(); !old.NewAt.IsZero() && waited > 1.5*float64(p.Target)+1 {
					return fmt.Sprintf("nothing new for %.1f s, the target duration is %d", waited, p.Target)
				}
				return ""
			}},
		{ID: "MP-END", Level: Must, Says: "Nothing changes after EXT-X-ENDLIST", Hurts: "Players have stopped reloading and never see it", Clause: "8216bis 6.2.1, 4.4.3.4", Fix: "End a playlist only when nothing can come any more; go on under another URL",
			change: func(old, p *Playlist) string {
				switch {
				case old.End && !p.End:
					return "EXT-X-ENDLIST was there and is gone"
				case old.End && p.last() != old.last():
					return fmt.Sprintf("the last segment was %d and is %d", old.last(), p.last())
				}
				return ""
			}},
	}
}

// common returns the segments that two snapshots have both, in pairs.
func common(old, p *Playlist) [][2]Segment {
	if len(old.Segments) == 0 || len(p.Segments) == 0 {
		return nil
	}
	var pairs [][2]Segment
	from := old.Segments[0].MSN
	for _, s := range p.Segments {
		if i := s.MSN - from; i >= 0 && i < int64(len(old.Segments)) {
			pairs = append(pairs, [2]Segment{old.Segments[i], s})
		}
	}
	return pairs
}

func checkStable(old, p *Playlist) string {
	for _, pair := range common(old, p) {
		a, b := pair[0], pair[1]
		switch {
		case a.URI != b.URI || a.ByteRange != b.ByteRange:
			return fmt.Sprintf("segment %d was %s and is %s", a.MSN, a.URI, b.URI)
		case a.Duration != b.Duration:
			return fmt.Sprintf("segment %d lasted %.5f s and lasts %.5f s", a.MSN, a.Duration, b.Duration)
		case a.Map != b.Map && a.Map != "" && b.Map != "": // a delta update may leave it out
			return fmt.Sprintf("segment %d had the map %s and has %s", a.MSN, a.Map, b.Map)
		case a.Gap != b.Gap || a.Disc != b.Disc:
			return fmt.Sprintf("segment %d changed its gap or discontinuity", a.MSN)
		case !a.PDT.Equal(b.PDT) && !a.PDT.IsZero() && !b.PDT.IsZero():
			return fmt.Sprintf("segment %d was dated %s and is dated %s", a.MSN, a.PDT.Format(time.RFC3339Nano), b.PDT.Format(time.RFC3339Nano))
		}
	}
	return ""
}
