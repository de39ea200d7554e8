package e2e

import (
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// threeSegments is how soon after the media is back every player goes on.
const threeSegments = 3 * 2 * time.Second

// TestEncoderReturns: the encoder is cut off without a word and comes back after five seconds, then with another picture size,
// then after the origin was killed as well. The playlists go on with one discontinuity each time, no viewer gets an error, and
// the players, with their own defaults on a page of somebody else's, go on within three segments and without a reload.
func TestEncoderReturns(t *testing.T) {
	t.Parallel()
	begin(t, 5*time.Minute)
	small := filepath.Join(t.TempDir(), "small.flv")
	if out, err := exec.Command("ffmpeg", "-nostdin", "-v", "error", "-i", "../../testdata/demo.flv", "-vf", "scale=640:360", "-c:v", "libx264", "-preset", "ultrafast",
		"-bf", "2", "-g", "30", "-keyint_min", "30", "-sc_threshold", "0", "-c:a", "copy", small).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	d := StartDaemon(t)
	c := NewChannel(t, d, "field")
	encoder := Publish(t, c.Ingest+"/main", "../../testdata/demo.flv", true)
	c.Shows(t, c.Public, 6*time.Second, 30*time.Second)
	pages := players(t, c)
	tracks := renditions(t, HLS(c.Public))
	var late []string // those who took longer than three segments
	for _, step := range []struct {
		name, clip string
		killed     bool // the origin as well
	}{
		{"the same encoder", "../../testdata/demo.flv", false},
		{"another picture size", small, false},
		{"after the origin was killed", small, true},
	} {
		// A viewer whom a busy machine has put behind as far as the outage is long comes to the hole when it is over, and dash.js then
		// waits for as long as it is (docs/adr/0004).
		_ = waitFor(10*time.Second, func() bool { l := pages["dash"].Stats().Latency; return l != nil && *l < 4 })
		before := map[string]Playlist{}
		for kind, u := range tracks {
			before[kind] = playlist(t, u)
		}
		encoder.Kill()
		if step.killed {
			d.Kill(t)
			d.Start(t)
		}
		stays(t, step.name, tracks, before, 5*time.Second)
		encoder = Publish(t, c.Ingest+"/main", step.clip, true)
		if !waitFor(20*time.Second, func() bool { return discontinuities(playlist(t, tracks["video"])) > discontinuities(before["video"]) }) {
			t.Fatalf("%s: the media is not back", step.name)
		}
		soon := time.Now().Add(threeSegments)
		stood := map[string]float64{}
		for name, p := range pages {
			stood[name] = p.Stats().Played
		}
		for name, p := range pages {
			goes := func(s Stats) bool { return s.Played > stood[name]+0.2 }
			if !waitFor(time.Until(soon), func() bool { return goes(p.Stats()) }) {
				late = append(late, step.name+": "+name)
				p.Until(t, 20*time.Second, "going on at all", goes)
			}
		}
		for kind, u := range tracks {
			var p Playlist
			if !waitFor(30*time.Second, func() bool {
				p = playlist(t, u)
				last := p.Segments[len(p.Segments)-1]
				// The picture has another initialization section where its size is new; the sound, unchanged, may keep its own.
				changed := last.Map != before[kind].Segments[len(before[kind].Segments)-1].Map || kind == "audio" || step.name != "another picture size"
				return p.Last() >= before[kind].Last()+2 && !last.Gap && changed
			}) {
				t.Errorf("%s: %s does not go on:\n%s", step.name, kind, p.Text)
				continue
			}
			goesOn(t, kind, before[kind], p)
		}
		for name, p := range pages {
			s := p.Plays(t, 2, 20*time.Second)
			if step.clip == small { // a viewer who is behind the live edge comes to it later
				behind := time.Duration(0)
				if s.Latency != nil {
					behind = time.Duration(*s.Latency * float64(time.Second))
				}
				s = p.Until(t, 20*time.Second+behind, "the new picture size", func(s Stats) bool { return s.Width == 640 })
			}
			if s.Starts != 1 {
				t.Errorf("%s: %s started %d times", step.name, name, s.Starts)
			}
			t.Logf("%s: %s went on, %d stalls, errors %v", step.name, s.Player, s.Stalls, s.Errors)
		}
	}
	if len(late) > 0 {
		t.Errorf("later than three segments after the media was back: %v", late)
	}
}

// players opens a page of somebody else's for each player and waits until it plays.
func players(t *testing.T, c *Channel) map[string]*Page {
	t.Helper()
	b, elsewhere := NewBrowser(t), plainOrigin(t, t.TempDir())
	pages := map[string]*Page{}
	for name, manifest := range map[string]string{"hls": HLS(c.Public), "dash": DASH(c.Public), "shaka": DASH(c.Public)} {
		pages[name] = b.Open(t, elsewhere.URL+"/players/defaults.html?player="+name+"&src="+url.QueryEscape(manifest))
	}
	for _, p := range pages {
		p.Plays(t, 2, 30*time.Second)
	}
	return pages
}

// stays sees for a while that every playlist is answered and nothing that was listed is gone.
func stays(t *testing.T, step string, tracks map[string]string, before map[string]Playlist, d time.Duration) {
	t.Helper()
	until := time.Now().Add(d)
	_ = waitFor(d, func() bool {
		for kind, u := range tracks {
			if p := playlist(t, u); p.Ended || p.Last() < before[kind].Last() {
				t.Errorf("%s: %s while the encoder is away: ended %v, last %d, before %d", step, kind, p.Ended, p.Last(), before[kind].Last())
				return true
			}
		}
		return time.Now().After(until)
	})
}

// discontinuities counts the tags of a playlist, also that of a segment which is being made.
func discontinuities(p Playlist) int { return strings.Count(p.Text, "#EXT-X-DISCONTINUITY\n") }
