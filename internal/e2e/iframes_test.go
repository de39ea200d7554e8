package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// trick returns the address of the multivariant playlist that names I-frame playlists.
func trick(base string) string { return base + "manifest(format=m3u8-cmaf,iframes=yes)" }

// trickDASH returns the address of the MPD with a trick-mode AdaptationSet.
func trickDASH(base string) string { return base + "manifest(format=mpd-time-cmaf,iframes=yes)" }

// iframes returns the I-frame playlist that a multivariant playlist names, or of a static server the one that lies there.
func iframes(t *testing.T, base string) Playlist {
	t.Helper()
	master, err := fetch(trick(base))
	if err != nil {
		t.Fatal(err)
	}
	if master.Status == http.StatusNotFound {
		return playlist(t, base+"v1/iframes.m3u8")
	}
	for line := range strings.Lines(string(master.Body)) {
		if list, ok := strings.CutPrefix(line, "#EXT-X-I-FRAME-STREAM-INF:"); ok {
			return playlist(t, resolve(t, base, attributes(list)["URI"]))
		}
	}
	t.Fatalf("%s names no I-frame playlist:\n%s", trick(base), master.Body)
	return Playlist{}
}

// keyFrames checks an I-frame playlist: it has the segments of the media playlist with their times, and what it names of the
// first, the last and a segment between decodes to the first picture of the segment and to no other. It returns how many
// key frames it lists.
func keyFrames(t *testing.T, what, base string) (listed int) {
	t.Helper()
	var keys, video Playlist
	same := func() bool { // a live one may go on in between
		keys, video = iframes(t, base), playlist(t, renditions(t, HLS(base))["video"])
		return keys.Sequence == video.Sequence && len(keys.Segments) == len(video.Segments)
	}
	if !waitFor(10*time.Second, same) || len(keys.Segments) == 0 || keys.Ended != video.Ended || keys.Discontinuity != video.Discontinuity {
		t.Errorf("%s: I-frames\n%s\nbut the media playlist is\n%s", what, keys.Text, video.Text)
		return 0
	}
	if !strings.Contains(keys.Text, "\n#EXT-X-I-FRAMES-ONLY\n") || strings.Contains(keys.Text, "#EXT-X-PART") {
		t.Errorf("%s: the I-frame playlist is\n%s", what, keys.Text)
	}
	var some []PlaylistSegment
	for i, k := range keys.Segments {
		v := video.Segments[i]
		if k.URL != v.URL || k.Map != v.Map || k.Duration != v.Duration || !k.Date.Equal(v.Date) || k.Disc != v.Disc || k.Gap != (k.Range == 0) {
			t.Errorf("%s: key frame %d is %+v of segment %+v", what, i, k, v)
		}
		if !k.Gap {
			some = append(some, k)
		}
	}
	listed = len(some)
	if listed > 3 {
		some = []PlaylistSegment{some[0], some[listed/2], some[listed-1]}
	}
	for _, k := range some {
		part, err := fetch(k.URL, "Range", fmt.Sprintf("bytes=0-%d", k.Range-1))
		if err != nil || part.Status != http.StatusPartialContent || len(part.Body) != k.Range {
			t.Errorf("%s: bytes 0 to %d of %s: %d, %d bytes, %v", what, k.Range-1, k.URL, part.Status, len(part.Body), err)
			continue
		}
		in := get(t, k.Map).Body
		got, want := pictures(t, append(in[:len(in):len(in)], part.Body...)), pictures(t, append(in[:len(in):len(in)], get(t, k.URL).Body...))
		if len(got) != 1 || len(want) < 2 || got[0] != want[0] {
			t.Errorf("%s: the first %d bytes of %s decode to %v, the segment to %d pictures from %v", what, k.Range, k.URL, got, len(want), want)
		}
	}
	return listed
}

// pictures decodes a fragmented MP4 file, which may end in mid-fragment, and returns a sum of each picture.
func pictures(t *testing.T, file []byte) (sums []string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pictures.mp4")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := tryRun(20*time.Second, "ffmpeg", "-nostdin", "-v", "error", "-i", path, "-vsync", "passthrough", "-f", "framemd5", "-")
	if err != nil {
		t.Error(err)
	}
	for line := range strings.Lines(string(out)) {
		if fields := strings.Split(line, ","); line[0] != '#' && len(fields) == 6 {
			sums = append(sums, strings.TrimSpace(fields[5]))
		}
	}
	return sums
}

// trickFrames checks that the trick-mode AdaptationSet of a recording of one encoder has its key frames, with their times, and
// that Shaka moves through it by them.
func trickFrames(t *testing.T, shaka *Page, base string, sent []Packet) {
	t.Helper()
	u := trickDASH(base)
	m := manifest(t, u)
	m.Periods[0].Sets = slices.DeleteFunc(m.Periods[0].Sets, func(s adaptationSet) bool { return s.Essential.Scheme != "http://dashif.org/guidelines/trickmode" })
	segments, inits := m.segments(t, u)
	if len(inits["video"]) != 1 {
		t.Fatalf("%s has no trick-mode AdaptationSet", u)
	}
	whole := get(t, inits["video"][0]).Body
	for _, s := range segments["video"] {
		whole = append(whole, get(t, s).Body...)
	}
	file := filepath.Join(t.TempDir(), "keys.mp4")
	if err := os.WriteFile(file, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := probe(time.Minute, file)
	if err != nil {
		t.Error(err)
	}
	var want []Packet
	for _, p := range of(sent, "video") {
		if p.Key {
			want = append(want, p)
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%d key frames, want %d", len(got), len(want))
	}
	for i := range got {
		if got[i].Hash != want[i].Hash || !got[i].Key || diff(got[i].PTS-got[0].PTS, want[i].PTS-want[0].PTS) > 0.001 {
			t.Errorf("key frame %d is %+v, want %+v", i, got[i], want[i])
		}
	}
	shaka.Plays(t, 1, 30*time.Second)
	shaka.Eval(t, `{ video.currentTime = 4; shakaPlayer.trickPlay(6); }`)
	if !waitFor(20*time.Second, func() bool {
		var at struct {
			Time float64
			Keys int
		}
		decode(t, string(shaka.Eval(t, `({ time: video.currentTime, keys: performance.getEntriesByType('resource').filter((r) => r.name.includes('/key-')).length })`)), &at)
		return at.Time > 16 && at.Keys > 2
	}) {
		t.Errorf("Shaka does not move by key frames:\n%s", shaka)
	}
}
