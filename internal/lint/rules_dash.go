package lint

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// dynamic limits a rule to live MPDs that could be read.
func dynamic(check func(m *Manifest) string) func(*Manifest) string {
	return readable(func(m *Manifest) string {
		if !m.live() {
			return nothing
		}
		return check(m)
	})
}

func readable(check func(m *Manifest) string) func(*Manifest) string {
	return func(m *Manifest) string {
		if m.Err != "" {
			return nothing
		}
		return check(m)
	}
}

// each asks of every Representation.
func each(check func(t timed) string) func(*Manifest) string {
	return func(m *Manifest) string {
		for _, t := range m.templates() {
			if why := check(t); why != "" {
				return fmt.Sprintf("Representation %s: %s", t.rep.ID, why)
			}
		}
		return ""
	}
}

// mpdRules are sections G, H and I of media-rules.md, but for the timelines.
func mpdRules() []Rule {
	return []Rule{
		{ID: "MPD-SYNTAX", Level: Must, Says: "The MPD is well-formed XML with an MPD element and a Period", Hurts: "No player can read it", Clause: "ISO 23009-1 5.3", Fix: "Escape &, <, > in attributes; declare namespaces", mpd: func(m *Manifest) string {
			if m.Err == "" && len(m.Periods) == 0 {
				return "no Period"
			}
			return m.Err
		}},
		{ID: "MPD-TYPE", Level: Must, Says: "A static MPD says how long it is, and has no minimumUpdatePeriod", Hurts: "Players show no duration, or reload a recording for ever", Clause: "ISO 23009-1 5.3.1.2", Fix: "mediaPresentationDuration, or a duration on the last Period; drop minimumUpdatePeriod at the end",
			mpd: readable(func(m *Manifest) string {
				switch {
				case m.live() || len(m.Periods) == 0:
				case m.Duration == "" && m.Periods[len(m.Periods)-1].Duration == "":
					return "neither mediaPresentationDuration nor a duration of the last Period"
				case m.MUP != "":
					return "minimumUpdatePeriod in a static MPD"
				}
				return ""
			})},
		{ID: "MPD-AST", Level: Must, Says: "A live MPD has an availabilityStartTime", Hurts: "Players cannot compute the live edge", Clause: "ISO 23009-1 5.3.1.2", Fix: "Write the time that media time 0 stands for, and never change it", mpd: dynamic(func(m *Manifest) string {
			if _, err := instantOf(m.AST); err != nil {
				return fmt.Sprintf("availabilityStartTime is %q", m.AST)
			}
			return ""
		})},
		{ID: "MPD-PUB", Level: Must, Says: "A live MPD has a publishTime", Hurts: "Players that compare versions keep an old MPD", Clause: "ISO 23009-1 5.3.1.2", Fix: "Write when this version was made", mpd: dynamic(func(m *Manifest) string {
			if _, err := instantOf(m.Publish); err != nil {
				return fmt.Sprintf("publishTime is %q", m.Publish)
			}
			return ""
		})},
		{ID: "MPD-MUP", Level: Must, Says: "A live MPD with timelines has a minimumUpdatePeriod", Hurts: "Players never learn of new segments and stop", Clause: "ISO 23009-1 5.3.1.2; DASH-IF timing model 4.6", Fix: "About a segment's duration", mpd: dynamic(func(m *Manifest) string {
			if _, err := seconds(m.MUP); err != nil {
				return fmt.Sprintf("minimumUpdatePeriod is %q", m.MUP)
			}
			return ""
		})},
		{ID: "MPD-UTC", Level: Must, Says: "A live MPD says where the time is (UTCTiming)", Hurts: "A viewer whose clock is off asks for what is not there yet, or sits far behind", Clause: "DASH-IF timing model 4.7", Fix: "UTCTiming urn:mpeg:dash:utc:http-iso:2014 with a URL that pages may read", mpd: dynamic(func(m *Manifest) string {
			if len(m.UTCTiming) == 0 {
				return "no UTCTiming"
			}
			return ""
		})},
		{ID: "MPD-ATTR", Level: Must, Says: "The MPD has profiles and a minBufferTime above zero", Hurts: "Strict players refuse it", Clause: "ISO 23009-1 5.3.1.2", Fix: "urn:mpeg:dash:profile:isoff-live:2011 and the buffer that BANDWIDTH is meant for", mpd: readable(func(m *Manifest) string {
			if d, err := seconds(m.MinBuffer); m.Profiles == "" || err != nil || d <= 0 {
				return fmt.Sprintf("profiles %q, minBufferTime %q", m.Profiles, m.MinBuffer)
			}
			return ""
		})},
		{ID: "MPD-TSBD", Level: Should, Says: "A live MPD says how far back one may seek", Hurts: "Players offer all of the past, and requests for it fail", Clause: "ISO 23009-1 5.3.1.2; DASH-IF timing model 4.3", Fix: "timeShiftBufferDepth", mpd: dynamic(func(m *Manifest) string {
			if _, err := seconds(m.TSBD); err != nil {
				return "no timeShiftBufferDepth"
			}
			return ""
		})},
		{ID: "MPD-SPD", Level: Should, Says: "A live MPD suggests a delay, less than timeShiftBufferDepth", Hurts: "Shaka takes a delay of 0 on low-latency streams and asks for segments that do not exist yet", Clause: "ISO 23009-1 5.3.1.2", Fix: "suggestedPresentationDelay equal to Latency@target", mpd: dynamic(func(m *Manifest) string {
			spd, err := seconds(m.SPD)
			if tsbd, err2 := seconds(m.TSBD); err != nil || err2 == nil && spd >= tsbd {
				return fmt.Sprintf("suggestedPresentationDelay is %q, timeShiftBufferDepth %q", m.SPD, m.TSBD)
			}
			return ""
		})},
		{ID: "MPD-IDS", Level: Must, Says: "Periods have ids, and so have Representations, each its own within the Period", Hurts: "After an update players cannot tell what goes on: they restart or stop", Clause: "ISO 23009-1 5.3.2.2, 5.3.5.2", Fix: "Give ids that stay over updates", mpd: readable(checkIDs)},
		{ID: "MPD-CODECS", Level: Must, Says: "Every Representation has codecs and mimeType, itself or by its set", Hurts: "MSE players cannot make buffers and leave it out", Clause: "ISO 23009-1 5.3.7.2; DASH-IF IOP", Fix: "The RFC 6381 name from the initialization section", mpd: readable(each(func(t timed) string {
			if t.rep.Codecs+t.set.Codecs == "" || t.rep.MimeType+t.set.MimeType == "" {
				return "no codecs or no mimeType"
			}
			return ""
		}))},
		{ID: "MPD-BW", Level: Must, Says: "Every Representation has a bandwidth", Hurts: "ABR cannot choose", Clause: "ISO 23009-1 5.3.5.2", Fix: "Peak bits per second over minBufferTime", mpd: readable(each(func(t timed) string {
			if integer(t.rep.Bandwidth, 0) < 1 {
				return fmt.Sprintf("bandwidth is %q", t.rep.Bandwidth)
			}
			return ""
		}))},
		{ID: "MPD-VIDEO", Level: Should, Says: "Video says its width and frameRate", Hurts: "Players cannot cap by the size of the screen", Clause: "DASH-IF IOP 5", Fix: "width, height, frameRate on the Representation or the set", mpd: readable(each(func(t timed) string {
			video := t.set.Kind == "video" || strings.HasPrefix(t.rep.MimeType+t.set.MimeType, "video/")
			if video && (t.rep.Width+t.set.Width == "" || t.rep.FrameRate+t.set.FrameRate == "") {
				return "no width or no frameRate"
			}
			return ""
		}))},
		{ID: "LLD-ATO", Level: Must, Says: "availabilityTimeOffset is less than a segment's duration, and the same in all Representations", Hurts: "dash.js and Shaka ask for segments that do not exist yet, or stay behind", Clause: "DASH-IF low latency 9.X.4; ISO 23009-1 5.3.9.5", Fix: "Segment duration minus the longest chunk", mpd: dynamic(checkATO)},
		{ID: "LLD-ATC", Level: Must, Says: "With an availabilityTimeOffset goes availabilityTimeComplete=false", Hurts: "Players take segments in flight for complete ones and measure the encoder instead of the line", Clause: "DASH-IF low latency 9.X.4", Fix: "availabilityTimeComplete=\"false\" on the template", mpd: dynamic(each(func(t timed) string {
			if ato, _ := strconv.ParseFloat(t.ATO, 64); ato > 0 && t.Complete != "false" {
				return fmt.Sprintf("availabilityTimeOffset %s, availabilityTimeComplete %q", t.ATO, t.Complete)
			}
			return ""
		}))},
		{ID: "LLD-SD", Level: Must, Says: "A low-latency MPD has ServiceDescription with Latency@target", Hurts: "dash.js and Shaka do not steer towards a latency", Clause: "DASH-IF low latency 9.X.4", Fix: "ServiceDescription/Latency target in ms, with min, max and PlaybackRate", mpd: dynamic(func(m *Manifest) string {
			if !m.low() {
				return nothing
			}
			for _, s := range m.Service {
				for _, l := range s.Latency {
					if integer(l.Target, 0) > 0 {
						return ""
					}
				}
			}
			return "no Latency@target"
		})},
		{ID: "LLD-FLOW", Level: Must, Says: "A segment that is being made can be had, and comes as it is made", Hurts: "dash.js and Shaka get 404 or wait for its end: latency is a segment more, or they stall", Clause: "DASH-IF low latency 9.X.4; ISO 23009-1 5.3.9.5",
			Fix: "Send each chunk as soon as it is complete (HTTP/1.1 chunked, HTTP/2 DATA); let caches pass it on unbuffered", exchange: on(func(x *Exchange) string {
				if x.Status/100 != 2 {
					return status(200)(x)
				}
				if x.First > 300*time.Millisecond && x.First > x.Took-50*time.Millisecond {
					return fmt.Sprintf("nothing came for %s, and then all of it", x.First.Round(time.Millisecond))
				}
				return ""
			}, forFlight)},
		{ID: "LLD-PRT", Level: Must, Says: "A low-latency MPD has a ProducerReferenceTime in each set", Hurts: "Players cannot tell how late they really are", Clause: "DASH-IF low latency 9.X.4", Fix: "ProducerReferenceTime with wallClockTime and presentationTime of one anchor", mpd: dynamic(func(m *Manifest) string {
			if !m.low() {
				return nothing
			}
			return each(func(t timed) string {
				if len(t.set.Producer)+len(t.rep.Producer) == 0 {
					return "no ProducerReferenceTime"
				}
				return ""
			})(m)
		})},
	}
}

func checkIDs(m *Manifest) string {
	for _, p := range m.Periods {
		if p.ID == "" && m.live() {
			return "a Period has no id"
		}
		seen := map[string]bool{}
		for _, s := range p.Sets {
			for _, r := range s.Reps {
				if r.ID == "" || seen[r.ID] {
					return fmt.Sprintf("Period %q: the Representation id %q is missing or there twice", p.ID, r.ID)
				}
				seen[r.ID] = true
			}
		}
	}
	return ""
}

func checkATO(m *Manifest) string {
	first := ""
	for i, t := range m.templates() {
		if i == 0 {
			first = t.ATO
		}
		if t.ATO != first {
			return fmt.Sprintf("%q, and %q in Representation %s", first, t.ATO, t.rep.ID)
		}
		ato, _ := strconv.ParseFloat(t.ATO, 64)
		longest := integer(t.Duration, 0)
		for _, s := range t.Timeline {
			longest = max(longest, integer(s.D, 0))
		}
		if d := float64(longest) / float64(t.scale()); ato > 0 && longest > 0 && ato >= d {
			return fmt.Sprintf("Representation %s: availabilityTimeOffset %s, segments last %.3f s", t.rep.ID, t.ATO, d)
		}
	}
	return ""
}

// timelineRules are G5 and G6, and what must stay over updates.
func timelineRules() []Rule {
	return []Rule{
		{ID: "TL-GAP", Level: Must, Says: "A SegmentTimeline has no gap and no overlap", Hurts: "dash.js and Shaka stall at it", Clause: "DASH-IF timing model 4.4; ISO 23009-1 5.3.9.6", Fix: "Begin a new Period where media is missing", mpd: readable(each(func(t timed) string {
			all := t.segments()
			for i := 1; i < len(all); i++ {
				if end := all[i-1].T + all[i-1].D; end != all[i].T {
					return fmt.Sprintf("a segment ends at %d, the next begins at %d", end, all[i].T)
				}
			}
			return ""
		}))},
		{ID: "TL-DUR", Level: Must, Says: "Every S has a duration", Hurts: "Players loop or stop", Clause: "ISO 23009-1 5.3.9.6.2", Fix: "S@d in the timescale", mpd: readable(each(func(t timed) string {
			for _, s := range t.Timeline {
				if integer(s.D, 0) < 1 {
					return fmt.Sprintf("S@d is %q", s.D)
				}
			}
			return ""
		}))},
		{ID: "AVAIL-EARLY", Level: Must, Says: "No segment is listed before it is available", Hurts: "Players ask at once and get 404", Clause: "DASH-IF timing model 4.3, 4.4", Fix: "List a segment when it is complete, or set availabilityTimeOffset; check the clock and availabilityStartTime", mpd: dynamic(func(m *Manifest) string {
			return each(func(t timed) string {
				all := t.segments()
				if len(all) == 0 || m.At.IsZero() {
					return ""
				}
				// A second is for this clock.
				if at, err := m.edge(t, all[len(all)-1]); err == nil && at.After(m.At.Add(time.Second)) {
					return fmt.Sprintf("the newest becomes available %.1f s after the MPD was fetched", at.Sub(m.At).Seconds())
				}
				return ""
			})(m)
		})},
		{ID: "AVAIL-LATE", Level: Should, Says: "The newest listed segment is not long past", Hurts: "Players start far behind, or take the stream for ended", Clause: "DASH-IF timing model 4.3", Fix: "Anchor availabilityStartTime to the clock; end the MPD when the encoder is gone", mpd: dynamic(func(m *Manifest) string {
			templates := m.templates()
			if len(templates) == 0 || m.At.IsZero() {
				return ""
			}
			t := templates[len(templates)-1]
			all := t.segments()
			if len(all) == 0 {
				return ""
			}
			late := 10.0
			if d := 5 * float64(all[len(all)-1].D) / float64(t.scale()); d > late {
				late = d
			}
			if at, err := m.edge(t, all[len(all)-1]); err == nil && m.At.Sub(at).Seconds() > late {
				return fmt.Sprintf("Representation %s: it became available %.1f s before the MPD was fetched", t.rep.ID, m.At.Sub(at).Seconds())
			}
			return ""
		})},
		{ID: "MPD-AST-CONST", Level: Must, Says: "availabilityStartTime never changes", Hurts: "Every player jumps or restarts", Clause: "ISO 23009-1 5.4.1", Fix: "Persist it over restarts", mpdChange: func(old, m *Manifest) string {
			if old.AST != m.AST && m.live() {
				return fmt.Sprintf("it was %s and is %s", old.AST, m.AST)
			}
			return ""
		}},
		{ID: "MPD-PUB-RISES", Level: Must, Says: "publishTime does not fall", Hurts: "Players keep the newer one and miss segments", Clause: "ISO 23009-1 5.3.1.2", Fix: "Answer from one place, or from the media", mpdChange: func(old, m *Manifest) string {
			a, err := instantOf(old.Publish)
			b, err2 := instantOf(m.Publish)
			if err == nil && err2 == nil && b.Before(a) {
				return fmt.Sprintf("it was %s and is %s", old.Publish, m.Publish)
			}
			return ""
		}},
		{ID: "TL-STABLE", Level: Must, Says: "A segment that was listed keeps its time and duration", Hurts: "Players fetch it again or leave a gap", Clause: "ISO 23009-1 5.4.1; DASH-IF timing model 4.4", Fix: "Never edit published S, but for the number of repeats of the last", mpdChange: checkTimelines},
		{ID: "MPD-PERIOD", Level: Must, Says: "Within a Period, Representations stay", Hurts: "Players lose the one they play", Clause: "DASH-IF timing model 4.6", Fix: "Begin a new Period for another set of Representations", mpdChange: func(old, m *Manifest) string {
			now := map[string]bool{}
			periods := map[string]bool{}
			for _, t := range m.templates() {
				now[t.period.ID+"/"+t.rep.ID] = true
				periods[t.period.ID] = true
			}
			for _, t := range old.templates() {
				if periods[t.period.ID] && !now[t.period.ID+"/"+t.rep.ID] {
					return fmt.Sprintf("Representation %s has left Period %q", t.rep.ID, t.period.ID)
				}
			}
			return ""
		}},
	}
}

// checkTimelines compares the complete segments of two snapshots: the newest of a low-latency MPD is a plan.
func checkTimelines(old, m *Manifest) string {
	type key struct {
		period, rep string
		t           int64
	}
	have := map[key]int64{}
	first, last := map[key]int64{}, map[key]int64{}
	for _, t := range m.templates() {
		all := t.segments()
		if len(all) == 0 {
			continue
		}
		of := key{t.period.ID, t.rep.ID, 0}
		first[of], last[of] = all[0].T, all[len(all)-1].T
		for _, s := range all {
			have[key{t.period.ID, t.rep.ID, s.T}] = s.D
		}
	}
	for _, t := range old.templates() {
		of := key{t.period.ID, t.rep.ID, 0}
		all := t.segments()
		if len(all) > 0 {
			all = all[:len(all)-1]
		}
		for _, s := range all {
			d, ok := have[key{t.period.ID, t.rep.ID, s.T}]
			if within := s.T >= first[of] && s.T <= last[of]; within && (!ok || d != s.D) {
				return fmt.Sprintf("Representation %s: the segment at %d lasted %d, and now %d", t.rep.ID, s.T, s.D, d)
			}
		}
	}
	return ""
}
