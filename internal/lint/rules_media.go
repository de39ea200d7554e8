package lint

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// mediaRules are section F of media-rules.md, and what the manifest says of media (B3, G5).
func mediaRules() []Rule {
	return []Rule{
		{ID: "CMAF-INIT", Level: Must, Says: "An initialization section is ftyp and moov with mvex, one track, and a timescale",
			Hurts: "MSE players (hls.js, dash.js, Shaka) cannot make a source buffer; nothing plays", Clause: "CMAF 7.3.1; ISO BMFF byte stream format 3",
			Fix:    "Write one initialization section per track with mvex/trex and no samples",
			object: checkInit},
		{ID: "CMAF-PARSE", Level: Must, Says: "A segment is whole boxes: fragments of moof and mdat",
			Hurts: "Decoders stop at the first segment like this, in every player", Clause: "CMAF 7.3.2; 8216bis 3.1.2", Fix: "Serve complete segments; look for truncated files and error pages with status 200",
			object: func(o *Object) string {
				if o.For == forSegment {
					return o.Err
				}
				return ""
			}},
		{ID: "CMAF-TFDT", Level: Must, Says: "Every fragment says its decode time (tfdt)", Hurts: "Players cannot place the segment on the timeline; seeking and ABR fail",
			Clause: "8216bis 3.1.2; CMAF 7.5.16", Fix: "Write a tfdt into each traf", object: func(o *Object) string {
				if o.NoTime {
					return "a fragment without tfdt"
				}
				return ""
			}},
		{ID: "CMAF-ONETRAF", Level: Should, Says: "A fragment has one track", Hurts: "DASH players refuse muxed segments; HLS players take them but cannot switch audio",
			Clause: "CMAF 7.3.2.3; Apple authoring 9.5", Fix: "Demultiplex audio and video into renditions of their own", object: func(o *Object) string {
				if o.Trafs > 1 {
					return fmt.Sprintf("%d trafs in one moof", o.Trafs)
				}
				return ""
			}},
		{ID: "CMAF-CONT", Level: Must, Says: "Decode times go on to the tick, within a segment and from one to the next",
			Hurts: "Gaps stall hls.js and dash.js; overlaps drop frames; audio drifts against video", Clause: "CMAF 7.3.2.2; 8216bis 4.4.4.3",
			Fix: "Compute tfdt from the sum of the sample durations; where the timeline breaks, mark a discontinuity or begin a Period", object: checkContinuity},
		{ID: "CMAF-IDR", Level: Must, Says: "A video segment begins with a sync sample", Hurts: "Joining, seeking and switching show grey or broken pictures, or stall, in every player",
			Clause: "8216bis 4.3.5.1; CMAF 7.3.2.3", Fix: "Cut segments at IDR pictures and flag them as sync samples", object: func(o *Object) string {
				if o.For == forSegment && o.Init != nil && o.Init.Kind == "video" && o.Fragments > 0 && !o.Sync {
					return "the first sample is not a sync sample"
				}
				return ""
			}},
		{ID: "CMAF-EMSG", Level: Must, Says: "An emsg box is before its moof, has a scheme and a timescale, and outside of DASH is of version 1", Hurts: "Cues and metadata are lost, or fired at the wrong time; some demultiplexers stop", Clause: "CMAF 7.4.5; ISO 23009-1 5.10.3.3",
			Fix: "Write emsg version 1 in front of the fragment whose time it concerns", object: checkEvents},
		{ID: "MPD-EVENT", Level: Must, Says: "The schemes of emsg boxes are declared by InbandEventStream", Hurts: "DASH players do not look for the boxes and fire nothing", Clause: "ISO 23009-1 5.10.3.3", Fix: "One InbandEventStream per scheme in the AdaptationSet",
			object: func(o *Object) string {
				if !o.DASH || len(o.Events) == 0 {
					return nothing
				}
				for _, e := range o.Events {
					if !slices.Contains(o.Declares, e.Scheme) {
						return fmt.Sprintf("%q is not declared", e.Scheme)
					}
				}
				return ""
			}},
		{ID: "CMAF-PRFT", Level: Should, Says: "A prft box is before its moof, of its track, and says a time that can be", Hurts: "Players show a wrong latency and steer to it", Clause: "ISO 14496-12 8.16.5; CMAF 7.3.2.4", Fix: "Write the decode time of the fragment's first sample and when it was encoded, as NTP time",
			object: checkClocks},
		{ID: "LLD-PRFT", Level: Must, Says: "ProducerReferenceTime with inband=true goes with prft boxes", Hurts: "Players that wait for them never know how late they are", Clause: "ISO 23009-1 5.12.2", Fix: "Write prft boxes, or inband=false", object: func(o *Object) string {
			if !o.Inband || o.For != forSegment || o.Err != "" {
				return nothing
			}
			if len(o.Clocks) == 0 {
				return "a segment without prft"
			}
			return ""
		}},
		{ID: "MP-PDT-TFDT", Level: Must, Says: "Between discontinuities, dates go on as media time does, within 100 ms", Hurts: "Latency creeps; hls.js and Shaka, which place segments by date, make gaps and overlaps", Clause: "8216bis 6.2.4", Fix: "Date by one anchor plus media time",
			object: func(o *Object) string {
				if !o.Dated {
					return nothing
				}
				if math.Abs(o.DateOff) > 0.1 {
					return fmt.Sprintf("date and media time have parted by %.3f s", o.DateOff)
				}
				return ""
			}},
		{ID: "MP-EXTINF-TRUE", Level: Must, Says: "The duration in the manifest is that of the media, within a frame",
			Hurts: "Errors add up: seek bars drift, live latency creeps, AVPlayer skips", Clause: "8216bis 4.4.4.1; Apple authoring 8.1",
			Fix: "Derive EXTINF (and S@d) from ticks, with five decimals", object: checkDuration},
		{ID: "TL-TRUE", Level: Must, Says: "S@t is the presentation time at which the segment begins", Hurts: "dash.js and Shaka put the segment elsewhere than its media: gaps and endless requests",
			Clause: "ISO 23009-1 5.3.9.6; DASH-IF timing model 4.4", Fix: "Take S@t from tfdt, and set presentationTimeOffset to the Period's first", object: func(o *Object) string {
				if o.ListedStart < 0 || o.Init == nil || o.Fragments == 0 {
					return ""
				}
				if off := o.seconds(o.Start) - o.seconds(o.ListedStart); math.Abs(off) > 0.2 {
					return fmt.Sprintf("listed at %d, tfdt %d: %.3f s apart", o.ListedStart, o.Start, off)
				}
				return ""
			}},
	}
}

func checkEvents(o *Object) string {
	if len(o.Events) == 0 {
		return nothing
	}
	for _, e := range o.Events {
		switch {
		case e.Version > 1 || e.Version == 0 && !o.DASH:
			return fmt.Sprintf("version %d", e.Version)
		case e.Timescale == 0 || e.Scheme == "":
			return fmt.Sprintf("scheme %q, timescale %d", e.Scheme, e.Timescale)
		}
	}
	if strings.Contains(o.Misplaced, "emsg") {
		return o.Misplaced
	}
	return ""
}

// year2000 and year2100 are NTP times in seconds.
const year2000, year2100 = 3_155_673_600, 6_311_433_600

func checkClocks(o *Object) string {
	if len(o.Clocks) == 0 {
		return nothing
	}
	for _, c := range o.Clocks {
		switch seconds := c.NTP >> 32; {
		case c.Track != o.TrackID:
			return fmt.Sprintf("it is of track %d, the fragment of track %d", c.Track, o.TrackID)
		case seconds < year2000 || seconds > year2100:
			return fmt.Sprintf("NTP time %d", seconds)
		case o.Init != nil && (o.seconds(c.Media) < o.seconds(o.Start)-1 || o.seconds(c.Media) > o.seconds(o.End)+1):
			return fmt.Sprintf("media time %d, the segment is from %d to %d", c.Media, o.Start, o.End)
		}
	}
	if strings.Contains(o.Misplaced, "prft") {
		return o.Misplaced
	}
	return ""
}

func checkInit(o *Object) string {
	switch {
	case o.For != forInit:
		return ""
	case o.Err != "":
		return o.Err
	case o.Init.Tracks < 1:
		return "no track"
	case !o.Init.Fragments:
		return "no mvex"
	case o.Init.Timescale < 1:
		return "no timescale"
	}
	return ""
}

func checkContinuity(o *Object) string {
	switch {
	case o.Inside != "":
		return o.Inside
	case o.PrevEnd >= 0 && o.Fragments > 0 && o.Start != o.PrevEnd:
		return fmt.Sprintf("it begins at %d, the segment before ends at %d", o.Start, o.PrevEnd)
	}
	return ""
}

// frame is how far a duration may be off: the longest frame that is usual, 1/24 s of video or 2048 samples of audio.
const frame = 0.05

func checkDuration(o *Object) string {
	if o.For != forSegment || o.Init == nil || o.Init.Timescale < 1 || o.Fragments == 0 || o.Declared <= 0 {
		return ""
	}
	if have := o.seconds(o.End - o.Start); math.Abs(have-o.Declared) > frame {
		return fmt.Sprintf("the manifest says %.5f s, the media lasts %.5f s", o.Declared, have)
	}
	return ""
}
