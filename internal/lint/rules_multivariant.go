package lint

import (
	"fmt"
	"strings"
)

// first returns the first of some problems.
func first(problems []string) string {
	if len(problems) == 0 {
		return ""
	}
	return problems[0]
}

// anyVariant returns what say says of the first variant it objects to.
func anyVariant(say func(v Variant) string) func(*Multivariant) string {
	return func(m *Multivariant) string {
		for i, v := range m.Variants {
			if why := say(v); why != "" {
				return fmt.Sprintf("variant %d: %s", i+1, why)
			}
		}
		return ""
	}
}

// hasVideo guesses from CODECS, or RESOLUTION, whether a variant has pictures.
func (v Variant) hasVideo() bool {
	if v.has("RESOLUTION") {
		return true
	}
	for c := range strings.SplitSeq(v.text("CODECS"), ",") {
		switch kind, _, _ := strings.Cut(strings.TrimSpace(c), "."); kind {
		case "avc1", "avc3", "hvc1", "hev1", "dvh1", "dvhe", "av01", "vp09":
			return true
		}
	}
	return false
}

// multivariantRules are section A of media-rules.md.
func multivariantRules() []Rule {
	return []Rule{
		{ID: "MV-SYNTAX", Level: Must, Says: "The multivariant playlist is strict M3U8: #EXTM3U first, only its own tags, attribute lists without spaces or duplicates and quoted where the type says so",
			Hurts: "AVPlayer refuses the whole presentation; hls.js and Shaka drop what they cannot read", Clause: "8216bis 4.1, 4.2, 4.4.6", Fix: "Write the tag as the grammar has it",
			multivariant: func(m *Multivariant) string { return first(m.Problems) }},
		{ID: "MV-BW", Level: Must, Says: "Every variant has BANDWIDTH", Hurts: "No player can choose among variants; AVPlayer refuses the playlist", Clause: "8216bis 4.4.6.2",
			Fix: "Give the peak bit rate of a segment, audio included", multivariant: anyVariant(func(v Variant) string {
				if v.integer("BANDWIDTH") < 1 {
					return fmt.Sprintf("BANDWIDTH is %q", v.text("BANDWIDTH"))
				}
				return ""
			})},
		{ID: "MV-AVGBW", Level: Should, Says: "Every variant has an AVERAGE-BANDWIDTH that is not above BANDWIDTH", Hurts: "Players choose by the peak and take a lower quality than the line carries; App Store review asks for it",
			Clause: "Apple authoring 9.13, 9.14", Fix: "Give the average of all segments", multivariant: anyVariant(func(v Variant) string {
				switch avg := v.integer("AVERAGE-BANDWIDTH"); {
				case avg < 1:
					return "no AVERAGE-BANDWIDTH"
				case avg > v.integer("BANDWIDTH") && v.integer("BANDWIDTH") > 0:
					return fmt.Sprintf("AVERAGE-BANDWIDTH %d is above BANDWIDTH %d", avg, v.integer("BANDWIDTH"))
				}
				return ""
			})},
		{ID: "MV-CODECS", Level: Should, Says: "Every variant has CODECS", Hurts: "MSE players have to fetch a segment before they can make buffers; AVPlayer cannot leave out what it cannot decode",
			Clause: "8216bis 4.4.6.2; Apple authoring 9.1", Fix: "List the RFC 6381 names of all formats, taken from the initialization sections", multivariant: anyVariant(func(v Variant) string {
				if v.text("CODECS") == "" {
					return "no CODECS"
				}
				return ""
			})},
		{ID: "MV-RES", Level: Should, Says: "Variants with video have RESOLUTION", Hurts: "Players cannot cap by the size of the screen and start with the wrong variant", Clause: "Apple authoring 9.2",
			Fix: "Give the display size as WxH", multivariant: videoHas("RESOLUTION")},
		{ID: "MV-FPS", Level: Should, Says: "Variants with video have FRAME-RATE", Hurts: "Apple TV cannot match the display; variants above 30 fps may be chosen on devices that cannot play them", Clause: "Apple authoring 9.15",
			Fix: "Give the highest frame rate with three decimals", multivariant: videoHas("FRAME-RATE")},
		{ID: "MV-GROUP", Level: Must, Says: "AUDIO, VIDEO, SUBTITLES and CLOSED-CAPTIONS name groups that exist", Hurts: "AVPlayer refuses the playlist; hls.js plays without sound", Clause: "8216bis 4.4.6.2.1",
			Fix: "Add the EXT-X-MEDIA of that TYPE and GROUP-ID, or drop the attribute", multivariant: checkGroups},
		{ID: "MV-MEDIA", Level: Must, Says: "EXT-X-MEDIA has TYPE, GROUP-ID and a NAME that is unique in its group", Hurts: "Audio and subtitle menus are wrong or empty; AVPlayer refuses the playlist", Clause: "8216bis 4.4.6.1",
			Fix: "Give the missing attribute, or another NAME", multivariant: checkMedia},
		{ID: "MV-LANG", Level: Should, Says: "Audio and subtitles say their LANGUAGE", Hurts: "Players cannot choose the viewer's language", Clause: "Apple authoring 8.10", Fix: "Give a BCP 47 tag; und when it is not known",
			multivariant: func(m *Multivariant) string {
				for _, a := range m.Media {
					if t := a.text("TYPE"); (t == "AUDIO" || t == "SUBTITLES") && a.text("LANGUAGE") == "" {
						return fmt.Sprintf("%s %q has no LANGUAGE", t, a.text("NAME"))
					}
				}
				return ""
			}},
		{ID: "MV-CC", Level: Should, Says: "Variants say CLOSED-CAPTIONS, NONE when there are none", Hurts: "Safari shows a captions menu that leads nowhere", Clause: "8216bis 4.4.6.2; Apple authoring 8.9",
			Fix: "Add CLOSED-CAPTIONS=NONE, without quotes, to every variant", multivariant: videoHas("CLOSED-CAPTIONS")},
		{ID: "MV-INDEP", Level: Should, Says: "The multivariant playlist has EXT-X-INDEPENDENT-SEGMENTS", Hurts: "AVPlayer switches and seeks more slowly, because it may not begin at any segment", Clause: "8216bis 4.4.2.1; Apple authoring 9.11",
			Fix: "Add the tag when every segment begins with a sync sample", multivariant: func(m *Multivariant) string {
				if !m.Independent {
					return "no EXT-X-INDEPENDENT-SEGMENTS"
				}
				return ""
			}},
	}
}

func checkGroups(m *Multivariant) string {
	have := map[string]bool{}
	for _, a := range m.Media {
		have[a.text("TYPE")+"/"+a.text("GROUP-ID")] = true
	}
	for i, v := range m.Variants {
		for _, kind := range []string{"AUDIO", "VIDEO", "SUBTITLES", "CLOSED-CAPTIONS"} {
			group, ok := v.Attrs[kind]
			if ok && (kind != "CLOSED-CAPTIONS" || group.Quoted) && !have[kind+"/"+group.Value] {
				return fmt.Sprintf("variant %d: there is no %s group %q", i+1, kind, group.Value)
			}
		}
	}
	return ""
}

func checkMedia(m *Multivariant) string {
	names := map[string]bool{}
	defaults := map[string]bool{}
	for i, a := range m.Media {
		for _, name := range []string{"TYPE", "GROUP-ID", "NAME"} {
			if a.text(name) == "" {
				return fmt.Sprintf("EXT-X-MEDIA %d has no %s", i+1, name)
			}
		}
		group := a.text("TYPE") + "/" + a.text("GROUP-ID")
		name := group + "/" + a.text("NAME")
		switch {
		case names[name]:
			return fmt.Sprintf("the NAME %q is twice in group %q", a.text("NAME"), a.text("GROUP-ID"))
		case a.text("DEFAULT") == "YES" && a.text("AUTOSELECT") == "NO":
			return fmt.Sprintf("%q is DEFAULT=YES and AUTOSELECT=NO", a.text("NAME"))
		case a.text("DEFAULT") == "YES" && defaults[group]:
			return fmt.Sprintf("group %q has two with DEFAULT=YES", a.text("GROUP-ID"))
		case a.text("TYPE") == "SUBTITLES" && a.text("URI") == "":
			return fmt.Sprintf("the subtitles %q have no URI", a.text("NAME"))
		case a.text("TYPE") == "CLOSED-CAPTIONS" && (a.has("URI") || !a.has("INSTREAM-ID")):
			return fmt.Sprintf("the captions %q have a URI or no INSTREAM-ID", a.text("NAME"))
		}
		names[name] = true
		defaults[group] = defaults[group] || a.text("DEFAULT") == "YES"
	}
	return ""
}

// videoHas finds variants with video that lack an attribute.
func videoHas(attribute string) func(*Multivariant) string {
	return anyVariant(func(v Variant) string {
		if v.hasVideo() && !v.has(attribute) {
			return "no " + attribute
		}
		return ""
	})
}
