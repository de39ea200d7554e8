package lint

import (
	"fmt"
	"math"
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
				if o.Init != nil && o.Init.Kind == "video" && o.Fragments > 0 && !o.Sync {
					return "the first sample is not a sync sample"
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
