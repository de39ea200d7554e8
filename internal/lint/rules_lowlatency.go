package lint

import (
	"fmt"
	"math"
)

// low limits a rule to playlists with parts.
func low(check func(p *Playlist) string) func(*Playlist) string {
	return func(p *Playlist) string {
		if p.PartTarget == 0 || !p.live() {
			return nothing
		}
		return check(p)
	}
}

// allParts returns the parts of a playlist in order, with those of the segment that is being made.
func (p *Playlist) allParts() []Part {
	var all []Part
	for _, s := range p.Segments {
		all = append(all, s.Parts...)
	}
	return append(all, p.Open...)
}

// lowLatencyRules are section C of media-rules.md, as far as playlists show them.
func lowLatencyRules() []Rule {
	return []Rule{
		{ID: "LL-PARTINF", Level: Must, Says: "A playlist with EXT-X-PART has EXT-X-PART-INF", Hurts: "AVPlayer refuses the playlist; others ignore the parts", Clause: "8216bis 4.4.3.7, 4.4.4.9", Fix: "Write EXT-X-PART-INF:PART-TARGET",
			list: func(p *Playlist) string {
				if p.PartTarget == 0 && len(p.allParts()) > 0 {
					return "parts without EXT-X-PART-INF"
				}
				return ""
			}},
		{ID: "LL-BLOCKTAG", Level: Must, Says: "A low-latency playlist offers blocking reload", Hurts: "Players poll, and stay seconds behind", Clause: "8216bis B.1, 4.4.3.8", Fix: "EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES, and hold requests with _HLS_msn",
			list: low(func(p *Playlist) string {
				if p.Control.text("CAN-BLOCK-RELOAD") != "YES" {
					return "no CAN-BLOCK-RELOAD=YES"
				}
				return ""
			})},
		{ID: "LL-PHB", Level: Must, Says: "PART-HOLD-BACK is there and at least twice PART-TARGET", Hurts: "Players sit so near to the edge that they stall; AVPlayer refuses the playlist", Clause: "8216bis 4.4.3.8", Fix: "Write three times PART-TARGET",
			list: low(func(p *Playlist) string {
				if have := p.Control.number("PART-HOLD-BACK"); have < 2*p.PartTarget-1e-9 {
					return fmt.Sprintf("PART-HOLD-BACK is %q, PART-TARGET %.5f", p.Control.text("PART-HOLD-BACK"), p.PartTarget)
				}
				return ""
			})},
		{ID: "LL-PHB3", Level: Should, Says: "PART-HOLD-BACK is at least three times PART-TARGET", Hurts: "A late part stalls players", Clause: "8216bis 4.4.3.8; Apple authoring 14.3", Fix: "Write three times PART-TARGET",
			list: low(func(p *Playlist) string {
				if have := p.Control.number("PART-HOLD-BACK"); have >= 2*p.PartTarget-1e-9 && have < 3*p.PartTarget-1e-9 {
					return fmt.Sprintf("PART-HOLD-BACK is %.5f, PART-TARGET %.5f", have, p.PartTarget)
				}
				return ""
			})},
		{ID: "LL-HB", Level: Must, Says: "HOLD-BACK is at least three target durations", Hurts: "Players that do not use parts stall at the edge", Clause: "8216bis 4.4.3.8", Fix: "Raise it, or leave it out",
			list: func(p *Playlist) string {
				if have := p.Control.number("HOLD-BACK"); p.Control.has("HOLD-BACK") && have < 3*float64(p.Target) {
					return fmt.Sprintf("HOLD-BACK is %s, the target duration %d", p.Control.text("HOLD-BACK"), p.Target)
				}
				return ""
			}},
		{ID: "LL-SKIPUNTIL", Level: Must, Says: "CAN-SKIP-UNTIL is at least six target durations", Hurts: "Delta updates leave out what players do not have yet", Clause: "8216bis 4.4.3.8", Fix: "Write six target durations or more",
			list: func(p *Playlist) string {
				if have := p.Control.number("CAN-SKIP-UNTIL"); p.Control.has("CAN-SKIP-UNTIL") && have < 6*float64(p.Target) {
					return fmt.Sprintf("CAN-SKIP-UNTIL is %s, the target duration %d", p.Control.text("CAN-SKIP-UNTIL"), p.Target)
				}
				return ""
			}},
		{ID: "LL-PART-MAX", Level: Must, Says: "No part is longer than PART-TARGET", Hurts: "AVPlayer rejects the asset (-12642, exceeds PART-TARGET)", Clause: "8216bis 4.4.3.7, 4.4.4.9", Fix: "Choose PART-TARGET as the longest part that the frame rate and the audio frames can give, rounded up",
			list: func(p *Playlist) string {
				for _, part := range p.allParts() {
					if p.PartTarget > 0 && part.Duration > p.PartTarget+1e-9 {
						return fmt.Sprintf("%s lasts %.5f, PART-TARGET is %.5f", part.URI, part.Duration, p.PartTarget)
					}
				}
				return ""
			}},
		{ID: "LL-PART-85", Level: Must, Says: "Parts last 85 % of PART-TARGET or more, but for the last of a segment and independent ones", Hurts: "Players ask more often than the server announced; their estimates of the edge go wrong", Clause: "8216bis 4.4.4.9",
			Fix: "Close parts on the grid, and cut early only at the end of a segment", list: low(checkShortParts)},
		{ID: "LL-PART-SUM", Level: Must, Says: "The parts of a segment last as long as the segment", Hurts: "Players that switch between parts and segments jump in time", Clause: "8216bis 4.4.4.9", Fix: "Derive both from the same ticks; list all parts of a segment, or none",
			list: low(func(p *Playlist) string {
				if len(p.Segments) == 0 {
					return ""
				}
				s := p.Segments[len(p.Segments)-1]
				sum := 0.0
				for _, part := range s.Parts {
					sum += part.Duration
				}
				if len(s.Parts) > 0 && math.Abs(sum-s.Duration) > 0.01 {
					return fmt.Sprintf("segment %d lasts %.5f s, its %d parts %.5f s", s.MSN, s.Duration, len(s.Parts), sum)
				}
				return ""
			})},
		{ID: "LL-PART-INDEP", Level: Should, Says: "The first part of a segment is INDEPENDENT", Hurts: "Players cannot join at it and wait for a whole segment", Clause: "8216bis 4.4.4.9", Fix: "INDEPENDENT=YES on every part that holds a sync sample",
			list: low(func(p *Playlist) string {
				for _, s := range p.Segments {
					if len(s.Parts) > 0 && !s.Parts[0].Independent && !s.Parts[0].Gap {
						return fmt.Sprintf("the first part of segment %d is not", s.MSN)
					}
				}
				return ""
			})},
		{ID: "MP-ORDER", Level: Must, Says: "Map, discontinuity, date and key of a segment come before its first part", Hurts: "Players give the first parts to the wrong decoder or timeline", Clause: "8216bis 4.4.4.9", Fix: "Write these tags when the segment opens",
			list: func(p *Playlist) string {
				if len(p.OutOfOrder) > 0 {
					return p.OutOfOrder[0] + " comes after a part of its segment"
				}
				return ""
			}},
		{ID: "LL-HINT", Level: Should, Says: "A low-latency playlist hints at the next part", Hurts: "Safari stays a round trip further behind", Clause: "8216bis B.1, 4.4.5.3", Fix: "EXT-X-PRELOAD-HINT:TYPE=PART with the URI that the next part will have",
			list: low(func(p *Playlist) string {
				if hint(p) == "" && len(p.allParts()) > 0 {
					return "no EXT-X-PRELOAD-HINT of TYPE=PART"
				}
				return ""
			})},
		{ID: "LL-HINT-ONE", Level: Must, Says: "There is at most one hint per TYPE", Hurts: "Players ask for something that never comes", Clause: "8216bis 4.4.5.3", Fix: "Hint at the next part only", list: func(p *Playlist) string {
			seen := map[string]bool{}
			for _, h := range p.Hints {
				if seen[h.text("TYPE")] {
					return "two of TYPE=" + h.text("TYPE")
				}
				seen[h.text("TYPE")] = true
			}
			return ""
		}},
		{ID: "LL-RR", Level: Must, Says: "A low-latency playlist reports on the other renditions", Hurts: "Switching costs a round trip; Safari plays at three target durations of latency", Clause: "8216bis 6.2.1, B.1; 4.4.5.4", Fix: "One EXT-X-RENDITION-REPORT per other media playlist, with its edge as it is now",
			list: low(func(p *Playlist) string {
				if p.Demuxed && len(p.Reports) == 0 {
					return "no EXT-X-RENDITION-REPORT"
				}
				return ""
			})},
		{ID: "LL-HINT-TRUE", Level: Must, Says: "The hinted part is the one that comes next", Hurts: "Players load something that they throw away, and stall", Clause: "8216bis 4.4.5.3", Fix: "Name parts so that the next name is known; at the end of a segment hint at the first part of the next",
			change: checkHint},
		{ID: "MP-TD-SAME", Level: Must, Says: "All renditions have the same target duration", Hurts: "Players reload some renditions too late after a switch", Clause: "8216bis 6.2.4; Apple authoring 7.4", Fix: "Use one for the presentation", set: func(all []*Playlist) string {
			for _, p := range all[1:] {
				if p.Target != all[0].Target {
					return fmt.Sprintf("%d, and %d in %s", all[0].Target, p.Target, p.URL)
				}
			}
			return ""
		}},
		{ID: "LL-CTRLSAME", Level: Must, Says: "All renditions have the same EXT-X-SERVER-CONTROL", Hurts: "Players apply one rendition's distances to the other and stall", Clause: "8216bis 4.4.3.8, 6.2.4", Fix: "Compute it for the presentation, from the longest part of any rendition", set: func(all []*Playlist) string {
			for _, p := range all[1:] {
				for _, name := range []string{"CAN-BLOCK-RELOAD", "CAN-SKIP-UNTIL", "HOLD-BACK", "PART-HOLD-BACK"} {
					if a, b := all[0].Control.text(name), p.Control.text(name); a != b {
						return fmt.Sprintf("%s is %q, and %q in %s", name, a, b, p.URL)
					}
				}
			}
			return ""
		}},
		{ID: "LL-RR-TRUE", Level: Must, Says: "Rendition reports name the other playlists and say where their edge is", Hurts: "After a switch players ask for what is long past or never comes", Clause: "8216bis 4.4.5.4", Fix: "Read the edge when the playlist is written; use URIs that lead to the playlist", set: checkReports},
	}
}

// hint returns the URI of the hinted part, "" when there is none.
func hint(p *Playlist) string {
	for _, h := range p.Hints {
		if h.text("TYPE") == "PART" {
			return resolve(p.URL, h.text("URI"))
		}
	}
	return ""
}

func checkShortParts(p *Playlist) string {
	lists := make([][]Part, 0, len(p.Segments)+1)
	for _, s := range p.Segments {
		if len(s.Parts) > 0 {
			lists = append(lists, s.Parts[:len(s.Parts)-1]) // the last of a segment may be short
		}
	}
	if len(p.Open) > 0 {
		lists = append(lists, p.Open[:len(p.Open)-1]) // it may be the last one
	}
	for _, parts := range lists {
		for i, part := range parts {
			beforeGap := i+1 < len(parts) && parts[i+1].Gap
			if part.Duration < 0.85*p.PartTarget-1e-9 && !part.Gap && !part.Independent && !beforeGap {
				return fmt.Sprintf("%s lasts %.5f, PART-TARGET is %.5f", part.URI, part.Duration, p.PartTarget)
			}
		}
	}
	return ""
}

func checkHint(old, p *Playlist) string {
	hinted, before, now := hint(old), old.allParts(), p.allParts()
	if hinted == "" || len(before) == 0 || p.End {
		return ""
	}
	for i, part := range now {
		if part.URI != before[len(before)-1].URI || part.ByteRange != before[len(before)-1].ByteRange {
			continue
		}
		if i+1 < len(now) && now[i+1].URI != hinted && !now[i+1].Gap {
			return fmt.Sprintf("hinted at %s, then came %s", hinted, now[i+1].URI)
		}
		return ""
	}
	return ""
}

func checkReports(all []*Playlist) string {
	for _, p := range all {
		for _, r := range p.Reports {
			target := resolve(p.URL, r.text("URI"))
			for _, other := range all {
				if other.URL != target {
					continue
				}
				// A report that leaves LAST-MSN out means the carrying playlist's own. The snapshots are not of one moment.
				msn := r.integer("LAST-MSN")
				if !r.has("LAST-MSN") {
					msn = p.last()
				}
				edge := other.last()
				if len(other.Open) > 0 {
					edge++
				}
				if between := p.At.Sub(other.At).Seconds(); math.Abs(float64(msn-edge)) > 2+math.Abs(between)/float64(max(1, other.Target)) {
					return fmt.Sprintf("%s is said to be at %d, and is at %d", target, msn, edge)
				}
			}
		}
		if p.PartTarget > 0 && p.live() && len(p.Reports) > 0 {
			for _, other := range all {
				if other.URL != p.URL && !reported(p, other.URL) {
					return fmt.Sprintf("%s has no report on %s", p.URL, other.URL)
				}
			}
		}
	}
	return ""
}

func reported(p *Playlist, target string) bool {
	for _, r := range p.Reports {
		if resolve(p.URL, r.text("URI")) == target {
			return true
		}
	}
	return false
}
