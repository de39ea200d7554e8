package lint

import (
	"context"
	"fmt"
	"net/http"
)

// Trick is an I-frame playlist with a media playlist of the presentation.
type Trick struct {
	List  *Playlist
	Media *Playlist // nil: none was seen
}

// tricks looks once at the I-frame playlists that a multivariant playlist names, and at the ends and the middle of each.
func (w *follower) tricks(ctx context.Context, m *Multivariant) {
	for i, a := range m.IFrames {
		if i == maxRenditions {
			w.judge.note("more than %d I-frame playlists; the others were not looked at", maxRenditions)
			return
		}
		x := w.send(ctx, Exchange{URL: resolve(m.URL, a.text("URI")), For: forIFrames}, http.MethodGet)
		if x == nil {
			continue
		}
		w.judge.exchange(x)
		if x.Status != http.StatusOK {
			continue
		}
		t := &Trick{List: parsePlaylist(x.URL, string(x.body))}
		w.mu.Lock()
		for _, p := range w.newest {
			if p != nil && p.Kind == "video" {
				t.Media = p
			}
		}
		w.mu.Unlock()
		w.judge.trick(t)
		line := &timeline{inits: map[string]*Init{}}
		n, last := len(t.List.Segments), -1
		for _, i := range []int{0, n / 2, n - 1} {
			if i > last && i < n {
				w.picture(ctx, line, t.List.Segments[i])
				last = i
			}
		}
	}
}

// picture fetches and judges one entry of an I-frame playlist.
func (w *follower) picture(ctx context.Context, l *timeline, s Segment) {
	if s.Gap || s.URI == "" {
		return
	}
	w.initialize(ctx, l, s.Map, false)
	x, err := w.fetchMedia(ctx, Exchange{URL: s.URI, For: forPicture}, s.ByteRange)
	if err != nil && ctx.Err() == nil {
		w.judge.note("%v", err)
	}
	if x == nil {
		return
	}
	w.judge.exchange(x)
	if x.Status/100 != 2 || s.Map == "" && !isMP4(x.body) {
		return
	}
	o := parseSegment(x.URL, shorten(x.body), l.inits[s.Map], 0)
	o.For = forPicture
	w.judge.object(o)
}

// iframeRules are about I-frame playlists (A14 of media-rules.md); whether there are any is not judged.
func iframeRules() []Rule {
	return []Rule{
		{ID: "MV-IFRAME-ATTR", Level: Must, Says: "EXT-X-I-FRAME-STREAM-INF has URI and BANDWIDTH, and CODECS and RESOLUTION", Hurts: "Scrubbing shows no pictures in Safari and on Apple TV", Clause: "8216bis 4.4.6.3; Apple authoring 9.3, 9.4",
			Fix: "Give the attributes of the variant, with the bit rate of the pictures", multivariant: func(m *Multivariant) string {
				for _, a := range m.IFrames {
					for _, name := range []string{"URI", "BANDWIDTH", "CODECS", "RESOLUTION"} {
						if a.text(name) == "" {
							return fmt.Sprintf("%q has no %s", a.text("URI"), name)
						}
					}
				}
				if len(m.IFrames) == 0 {
					return nothing
				}
				return ""
			}},
		{ID: "IF-ONLY", Level: Must, Says: "An I-frame playlist has EXT-X-I-FRAMES-ONLY, and version 4 or later", Hurts: "Players take pictures for segments, and show them at the wrong pace or not at all", Clause: "8216bis 4.4.3.6, 8", Fix: "Add the tag",
			trick: func(t *Trick) string {
				if !t.List.IFramesOnly {
					return "it has no EXT-X-I-FRAMES-ONLY"
				}
				if t.List.Version < 4 {
					return fmt.Sprintf("its version is %d", t.List.Version)
				}
				return ""
			}},
		{ID: "IF-TD", Level: Must, Says: "An I-frame playlist has the target duration of the media playlists", Hurts: "Players reload it too late and scrub in old pictures", Clause: "8216bis 6.2.4; Apple authoring 7.4", Fix: "Use one for the presentation",
			trick: func(t *Trick) string {
				if t.Media == nil || t.Media.Target < 1 {
					return nothing
				}
				if t.List.Target != t.Media.Target {
					return fmt.Sprintf("%d, and %d in %s", t.List.Target, t.Media.Target, t.Media.URL)
				}
				return ""
			}},
		{ID: "IF-KEY", Level: Must, Says: "What an I-frame playlist lists is one whole key frame", Hurts: "Scrubbing shows grey or broken pictures, or none", Clause: "8216bis 4.4.3.6", Fix: "List the bytes from the start of the fragment to the end of its key frame",
			object: func(o *Object) string {
				switch {
				case o.For != forPicture:
					return nothing
				case o.Err != "":
					return o.Err
				case !o.Sync:
					return "the first sample is not a sync sample"
				case o.Cut:
					return "the range ends inside of the picture"
				}
				return ""
			}},
	}
}
