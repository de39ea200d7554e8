package e2e

import (
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// TestEncoderReturns: the encoder is cut off without a word and comes back five seconds later with another picture size.
// The playlists go on with one discontinuity, no viewer gets an error, and the players go on without a reload.
func TestEncoderReturns(t *testing.T) {
	t.Parallel()
	begin(t, 3*time.Minute)
	small := filepath.Join(t.TempDir(), "small.flv")
	if out, err := exec.Command("ffmpeg", "-nostdin", "-v", "error", "-i", "../../testdata/demo.flv", "-vf", "scale=640:360", "-c:v", "libx264", "-preset", "ultrafast",
		"-bf", "2", "-g", "30", "-keyint_min", "30", "-sc_threshold", "0", "-c:a", "copy", small).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	d := StartDaemon(t)
	c := NewChannel(t, d, "field")
	first := Publish(t, c.Ingest+"/main", "../../testdata/demo.flv", true)
	c.Shows(t, c.Public, 6*time.Second, 30*time.Second)
	b := NewBrowser(t)
	pages := []*Page{b.Open(t, c.Watch(HLS(c.Public))), b.Open(t, c.Watch(DASH(c.Public)))}
	for _, p := range pages {
		p.Plays(t, 2, 30*time.Second)
	}
	tracks := renditions(t, HLS(c.Public))
	before := map[string]Playlist{}
	for kind, u := range tracks {
		before[kind] = playlist(t, u)
	}
	first.Kill()

	// Five seconds without an encoder: every playlist is answered, and nothing that was listed is gone.
	away := time.Now().Add(5 * time.Second)
	waitFor(5*time.Second, func() bool {
		for kind, u := range tracks {
			if p := playlist(t, u); p.Ended || p.Last() < before[kind].Last() {
				t.Errorf("%s while the encoder is away: ended %v, last %d, before %d", kind, p.Ended, p.Last(), before[kind].Last())
				return true
			}
		}
		return time.Now().After(away)
	})
	Publish(t, c.Ingest+"/main", small, true)
	for kind, u := range tracks {
		var p Playlist
		if !waitFor(30*time.Second, func() bool {
			p = playlist(t, u)
			last := p.Segments[len(p.Segments)-1]
			// The picture has another initialization section; the sound, unchanged, may keep its own.
			changed := last.Map != before[kind].Segments[0].Map || kind == "audio"
			return p.Last() >= before[kind].Last()+3 && !last.Gap && changed
		}) {
			t.Errorf("%s does not go on:\n%s", kind, p.Text)
			continue
		}
		goesOn(t, kind, before[kind], p)
	}
	for _, p := range pages {
		p.Until(t, 40*time.Second, "the new picture size", func(s Stats) bool { return s.Width == 640 || s.Fatal > 0 })
		s := p.Plays(t, 3, 40*time.Second)
		t.Logf("%s went on after %d starts, %d stalls, errors %v", s.Player, s.Starts, s.Stalls, s.Errors)
	}
}
