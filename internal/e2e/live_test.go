package e2e

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestLive watches one live 1080p30 event with everything a viewer may have. It runs alone, because it is about time.
func TestLive(t *testing.T) {
	begin(t, 5*time.Minute)
	file := testClip(t)
	if _, err := conform(); err != nil {
		t.Fatal(err)
	}
	d := StartDaemon(t)
	c := NewChannel(t, d, "arena")
	encoder := Publish(t, c.Ingest+"/main", file, true)
	c.Shows(t, c.Preview, 2*time.Second, 20*time.Second)
	c.Shows(t, c.Public, 2*time.Second, 20*time.Second)

	t.Run("objects", func(t *testing.T) { sameEverywhere(t, c) })
	t.Run("players", func(t *testing.T) { playersPlay(t, c) })
	// The low-latency rules (LL, LLD) are TestLowLatency's.
	spared := []string{"LL-", "LLD-"}
	t.Run("together", func(t *testing.T) {
		for name, test := range map[string]func(t *testing.T){
			"vlc": func(t *testing.T) { vlcPlays(t, HLS(c.Public), 8) },
			"ffprobe": func(t *testing.T) {
				for _, u := range []string{HLS(c.Preview), DASH(c.Preview)} {
					packets, _ := probe(5*time.Second, u) // a live stream has no end: it is stopped
					contiguous(t, u, asOfFFmpeg(packets))
				}
			},
			"conformance of HLS":  func(t *testing.T) { check(t, 80*time.Second, spared, "hls", HLS(c.Public), "-for", "25s", "-ll") },
			"conformance of DASH": func(t *testing.T) { check(t, 80*time.Second, spared, "dash", DASH(c.Public), "-for", "25s") },
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				test(t)
			})
		}
	})
	encoder.Alive(t)
	d.Alive(t)
}

// sameEverywhere checks that the parts of a segment are the segment, that HLS and DASH name the same objects, and that
// preview and locator hand out the same bytes.
func sameEverywhere(t *testing.T, c *Channel) {
	tracks := renditions(t, HLS(c.Public))
	compared := 0
	for kind, u := range tracks {
		var p Playlist
		// Wait for a complete segment that still lists its parts.
		if !waitFor(15*time.Second, func() bool {
			p = playlist(t, u)
			return len(p.Segments) > 2 && len(p.Segments[len(p.Segments)-1].Parts) > 0
		}) {
			t.Errorf("%s: no segment with parts in:\n%s", kind, p.Text)
			continue
		}
		for _, s := range p.Segments {
			if len(s.Parts) == 0 {
				continue
			}
			var joined []byte
			for _, part := range s.Parts {
				joined = append(joined, get(t, part).Body...)
			}
			whole := get(t, s.URL).Body
			if sum(joined) != sum(whole) {
				t.Errorf("%s: the %d parts have %d bytes, the segment %d, or others", s.URL, len(s.Parts), len(joined), len(whole))
			}
			compared++
		}
	}
	if compared < 4 {
		t.Errorf("only %d segments with parts were compared", compared)
	}

	m := manifest(t, DASH(c.Public))
	if m.Type != "dynamic" {
		t.Errorf("the live MPD is %s", m.Type)
	}
	media, inits := m.segments(t, DASH(c.Public))
	for kind, u := range tracks {
		// DASH also names the segment that is being made; HLS will when it is complete.
		var p Playlist
		if !waitFor(8*time.Second, func() bool {
			p = playlist(t, u)
			return len(media[kind]) > 2 && containsAll(segmentURLs(p), media[kind])
		}) {
			t.Errorf("%s: DASH names other segments than HLS:\n%v\nHLS:\n%v", kind, media[kind], segmentURLs(p))
		}
		for _, i := range inits[kind] {
			if i != p.Segments[0].Map {
				t.Errorf("%s: DASH initializes from %s, HLS from %s", kind, i, p.Segments[0].Map)
			}
		}
		// The same object in the preview: another address, the same bytes.
		for _, s := range p.Segments[max(0, len(p.Segments)-2):] {
			preview := c.Preview + s.URL[len(c.Public):]
			if sum(get(t, preview).Body) != sum(get(t, s.URL).Body) {
				t.Errorf("%s and %s differ", preview, s.URL)
			}
		}
	}
	// Every spelling of a manifest's address gives the same manifest.
	for _, names := range [][]string{
		{"master.m3u8", "manifest(format=m3u8-cmaf)", "manifest(format=m3u8-cmaf).m3u8"},
		{"manifest.mpd", "manifest(format=mpd-time-cmaf)", "manifest(format=mpd-time-cmaf).mpd"},
	} {
		if !waitFor(10*time.Second, func() bool {
			first := sum(get(t, c.Public+names[0]).Body)
			for _, name := range names[1:] {
				if sum(get(t, c.Public+name).Body) != first {
					return false // a live manifest may have changed in between
				}
			}
			return true
		}) {
			t.Errorf("%v are not the same", names)
		}
	}
}

// tellsHowItPlays checks what the origin knows of the last minute's players by CMCD, of which this is one.
func tellsHowItPlays(t *testing.T, c *Channel, player string, latency float64) {
	t.Helper()
	var w struct {
		Viewers, Requests, Reports, Stalls, Bitrate int
		Latency, Buffer                             string
	}
	decode(t, c.d.CLI(t, "locator", "audience", c.Locator, "--json"), &w)
	t.Logf("%s is %.2f s behind by itself; by CMCD: %+v", player, latency, w)
	told, err := time.ParseDuration(strings.ToLower(strings.TrimPrefix(w.Latency, "PT")))
	if err != nil || math.Abs(told.Seconds()-latency) > 8 || w.Viewers < 1 || w.Viewers > 4 || w.Reports < 5 || w.Reports > w.Requests || w.Bitrate < 100_000 {
		t.Errorf("%s: by CMCD %+v, %v; it is %.2f s behind", player, w, err, latency)
	}
}

func containsAll(all, some []string) bool {
	for _, s := range some {
		if !slices.Contains(all, s) {
			return false
		}
	}
	return true
}

// playersPlay plays preview and locator in Chromium: hls.js and dash.js in the watch page, Shaka in a page of another
// origin, which needs CORS. Shaka takes whole segments: with parts, 5.2.12 freezes the picture of any stream whose first
// listed segment is later than media time 0, because it resets the decoder in mid-segment (it adds 1 ms to negative
// timestamp offsets and then finds them changed by 1 ms).
func playersPlay(t *testing.T, c *Channel) {
	b := NewBrowser(t)
	elsewhere := plainOrigin(t, t.TempDir())
	for _, urls := range [][]string{
		{c.Watch(HLS(c.Preview)), c.Watch(DASH(c.Public)) + "&cmcd"},
		{c.Watch(HLS(c.Public)) + "&cmcd", c.Watch(DASH(c.Preview))},
		{elsewhere.URL + "/players/defaults.html?player=shaka&src=" + HLS(c.Public), elsewhere.URL + "/players/defaults.html?player=shaka&src=" + DASH(c.Public)},
	} {
		var pages []*Page
		for _, u := range urls {
			pages = append(pages, b.Open(t, u))
		}
		for _, p := range pages {
			// Two 1080p pages on two busy cores: the first seconds may stutter, fatal errors may not be.
			p.Until(t, 40*time.Second, "the start", func(s Stats) bool { return s.Played > 1 || s.Fatal > 0 })
			s := p.Plays(t, 6, 40*time.Second)
			if s.Latency == nil || *s.Latency < 0 || *s.Latency > 20 {
				t.Errorf("%s: live latency %v", s.Player, s.Latency)
			} else {
				t.Logf("%s %s: latency %.2f s, %d stalls, %d of %d frames dropped, %d errors", s.Player, s.URL, *s.Latency, s.Stalls, s.Dropped, s.Frames, len(s.Errors))
			}
			if s.Width != 1920 {
				t.Errorf("%s: the picture is %d wide", s.Player, s.Width)
			}
			if s.Starts != 1 {
				t.Errorf("%s: started %d times\n%s", s.Player, s.Starts, p)
			}
		}
		for i, p := range pages {
			if s := p.Stats(); strings.HasSuffix(urls[i], "&cmcd") && s.Latency != nil {
				tellsHowItPlays(t, c, s.Player, *s.Latency)
			}
			p.Close()
		}
	}
}
