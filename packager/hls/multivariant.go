package hls

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"github.com/grafov/m3u8"

	"headwater.stream/internal/media"
)

// audioGroup is the GROUP-ID of all audio renditions.
const audioGroup = "audio"

// Multivariant renders the multivariant playlist of a View: one variant per video rendition, each with all audio
// renditions as alternatives; one per audio rendition when there is no video; iframes says to name the I-frame playlists too. It
// returns nil while there is nothing to play.
func Multivariant(v *media.View, iframes bool) []byte {
	videos, audios := playable(v)
	list := m3u8.NewMasterPlaylist()
	list.SetIndependentSegments(true)
	var audioPeak, audioAverage int
	var audioCodecs []string
	for _, a := range audios {
		audioPeak, audioAverage = max(audioPeak, peak(a)), max(audioAverage, average(a))
		audioCodecs = appendNew(audioCodecs, newest(a).Track.Codec)
	}
	for _, r := range videos {
		track := newest(r).Track
		params := m3u8.VariantParams{
			Bandwidth:        uint32(peak(r) + audioPeak),
			AverageBandwidth: uint32(average(r) + audioAverage),
			Codecs:           strings.Join(append([]string{track.Codec}, audioCodecs...), ","),
			Resolution:       fmt.Sprintf("%dx%d", track.Width, track.Height),
			FrameRate:        track.FrameRate.Float(),
			Captions:         "NONE", // without it Safari shows a phantom caption track
		}
		if len(audios) > 0 {
			params.Audio = audioGroup
		}
		list.Append(v.MediaPlaylist(r.Name), nil, params)
	}
	for _, r := range videos {
		if !iframes || !IFrames(r) {
			continue
		}
		peak, average := iframeRates(r)
		track := newest(r).Track
		list.Append(v.IFramePlaylist(r.Name), nil, m3u8.VariantParams{
			Bandwidth: uint32(peak), AverageBandwidth: uint32(average), Codecs: track.Codec, Resolution: fmt.Sprintf("%dx%d", track.Width, track.Height), Iframe: true,
		})
	}
	if len(videos) > 0 && len(audios) > 0 {
		list.SetCustomTag(audioTags(v, audios))
	}
	if len(videos) == 0 {
		for _, r := range audios {
			list.Append(v.MediaPlaylist(r.Name), nil, m3u8.VariantParams{
				Bandwidth: uint32(peak(r)), AverageBandwidth: uint32(average(r)), Codecs: newest(r).Track.Codec,
			})
		}
	}
	if len(list.Variants) == 0 {
		return nil
	}
	// The library writes an attribute that version 6 of the protocol removed.
	return bytes.ReplaceAll(list.Encode().Bytes(), []byte("PROGRAM-ID=0,"), nil)
}

// playable returns the renditions that belong in the multivariant playlist, or nothing while some have no media yet: a
// player reads the list once, so one that came too early would miss them for good. A rendition that still has none when
// another has two segments is left out.
func playable(v *media.View) (videos, audios []*media.Rendition) {
	missing, late := false, false
	for i := range v.Renditions {
		r := &v.Renditions[i]
		if _, _, ok := Edge(v, r); !ok || len(r.Inits) == 0 {
			missing = true
			continue
		}
		late = late || len(r.Segments) >= 2
		if r.Kind == media.Video {
			videos = append(videos, r)
		} else {
			audios = append(audios, r)
		}
	}
	if missing && !late && !v.Ended {
		return nil, nil
	}
	return videos, audios
}

func newest(r *media.Rendition) *media.Init { return &r.Inits[len(r.Inits)-1] }

// peak and average never return 0, because BANDWIDTH must not be, and average never exceeds peak.
func peak(r *media.Rendition) int { return max(1, r.Bandwidth, r.AverageBandwidth) }

func average(r *media.Rendition) int { return max(1, r.AverageBandwidth) }

// language returns a BCP 47 tag that is safe in a quoted string; it comes from the encoder.
func language(tag string) string {
	unsafe := func(c rune) bool {
		return c != '-' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z')
	}
	if tag == "" || len(tag) > 35 || strings.ContainsFunc(tag, unsafe) {
		return "und"
	}
	return tag
}

func appendNew(list []string, s string) []string {
	for _, have := range list {
		if have == s {
			return list
		}
	}
	return append(list, s)
}

// mediaTags is a custom tag of the library that prints the EXT-X-MEDIA lines, because its own lack CHANNELS.
type mediaTags string

var _ m3u8.CustomTag = mediaTags("")

// TagName implements m3u8.CustomTag.
func (mediaTags) TagName() string { return "#EXT-X-MEDIA:" }

// Encode implements m3u8.CustomTag.
func (t mediaTags) Encode() *bytes.Buffer { return bytes.NewBufferString(string(t)) }

// String implements m3u8.CustomTag.
func (t mediaTags) String() string { return string(t) }

func audioTags(v *media.View, audios []*media.Rendition) mediaTags {
	var lines []string
	languages := map[string]int{}
	for i, r := range audios {
		track := newest(r).Track
		language := language(track.Language)
		// NAME is unique in its group (8216bis 4.4.6.1.1).
		name := language
		if languages[language]++; languages[language] > 1 {
			name += " " + strconv.Itoa(languages[language])
		}
		isDefault := "NO"
		if i == 0 {
			isDefault = "YES"
		}
		lines = append(lines, fmt.Sprintf(`#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="%s",NAME="%s",LANGUAGE="%s",DEFAULT=%s,AUTOSELECT=YES,CHANNELS="%d",URI="%s"`,
			audioGroup, name, language, isDefault, max(1, track.Channels), v.MediaPlaylist(r.Name)))
	}
	return mediaTags(strings.Join(lines, "\n"))
}
