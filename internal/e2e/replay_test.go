package e2e

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"
)

// audioMissing is how many audio frames may lack at the start: sound before the first picture.
const audioMissing = 4

// TestRecordAndReplay follows half a minute of media from the encoder to a copy of the recording: every frame arrives
// once at readers of the live HLS and DASH; the replay has the same bytes under the same URLs; the asset's directory
// plays from any file server.
func TestRecordAndReplay(t *testing.T) {
	t.Parallel()
	begin(t, 5*time.Minute)
	sent, err := probe(time.Minute, testClip(t))
	if err != nil {
		t.Fatal(err)
	}
	d := StartDaemon(t)
	c := NewChannel(t, d, "match")
	encoder := Publish(t, c.Ingest+"/main", testClip(t), false)
	c.Shows(t, c.Public, time.Second, 20*time.Second)

	var read sync.WaitGroup
	var hls, dash []Packet
	var hlsErr error
	read.Go(func() { hls, hlsErr = probe(90*time.Second, HLS(c.Public), "-live_start_index", "0") })
	// ffprobe never leaves a live MPD by itself: it is stopped when the recording has ended.
	read.Go(func() {
		dash, _ = probe((clipSeconds+15)*time.Second, DASH(c.Public))
		dash = asOfFFmpeg(dash)
	})

	encoder.Wait(t, (clipSeconds+20)*time.Second)
	c.Shows(t, c.Public, clipSeconds*time.Second, 10*time.Second)
	tracks := renditions(t, HLS(c.Public))
	before := map[string]Playlist{}
	live := map[string]string{}
	for kind, u := range tracks {
		before[kind] = playlist(t, u)
		for u, s := range objects(t, before[kind]) {
			live[u] = s
		}
		if before[kind].Ended {
			t.Errorf("%s: ENDLIST although the output lives", u)
		}
	}
	keyFrames(t, "live", c.Public)
	sameFrames(t, "live DASH, by its manifest", assemble(t, DASH(c.Public)), sent, audioMissing)
	c.End(t)
	read.Wait()
	if hlsErr != nil {
		t.Errorf("ffprobe did not come to the end of the live HLS: %v", hlsErr)
	}
	sameFrames(t, "live HLS", hls, sent, audioMissing)
	sameFrames(t, "live DASH", dash, sentFor(dash, sent), audioMissing)

	for kind, u := range tracks {
		p := playlist(t, u)
		if !p.Ended {
			t.Errorf("%s: no ENDLIST after the output's end", u)
		}
		was, is := segmentURLs(before[kind]), segmentURLs(p)
		if !slices.Equal(was, is) {
			t.Errorf("%s: other segments after the end:\n%v\nbefore:\n%v", u, is, was)
		}
	}
	sameObjects(t, "replay", live)
	if m := manifest(t, DASH(c.Public)); m.Type != "static" {
		t.Errorf("the MPD of the recording is %s", m.Type)
	}
	wholePresentation(t, "replay", c.Public, sent)
	if n := keyFrames(t, "replay", c.Public); n < clipSeconds/2-2 {
		t.Errorf("the recording of %d s has %d key frames", clipSeconds, n)
	}
	check(t, time.Minute, nil, "hls", HLS(c.Public), "-vod")
	// docs/conformance.md: the two that no list of single pictures out of segments can pass.
	if s := check(t, time.Minute, []string{"CMAF-PARSE", "MP-DISC-TS"}, "hls", trick(c.Public), "-vod"); s["MV-IFRAME"] != "PASS" || s["MV-IFRAME-ATTR"] != "PASS" {
		t.Errorf("I-frame playlists: %s, %s", s["MV-IFRAME"], s["MV-IFRAME-ATTR"])
	}
	check(t, time.Minute, nil, "dash", DASH(c.Public), "-vod")
	check(t, time.Minute, nil, "dash", trickDASH(c.Public), "-vod")

	// The copy, below a name that the watch page knows to have both manifests.
	elsewhere := t.TempDir()
	if err := os.CopyFS(filepath.Join(elsewhere, "copy.ism"), os.DirFS(c.Files(t))); err != nil {
		t.Fatal(err)
	}
	origin := plainOrigin(t, elsewhere)
	wholePresentation(t, "the copy", origin.URL+"/copy.ism/", sent)
	keyFrames(t, "the copy", origin.URL+"/copy.ism/")
	b := NewBrowser(t)
	for _, u := range []string{
		origin.URL + "/watch/?src=/copy.ism/master.m3u8", origin.URL + "/watch/?src=/copy.ism/manifest.mpd",
		c.Watch(HLS(c.Public)), c.Watch(DASH(c.Public)), c.Watch(trick(c.Public)),
	} {
		p := b.Open(t, u)
		if s := p.Plays(t, 3, 30*time.Second); s.CurrentTime > 15 {
			t.Errorf("%s: a recording starts at its beginning, not at %.1f s", u, s.CurrentTime)
		}
		// Seek, play to the end and stay there.
		p.Eval(t, `{ document.getElementById('video').currentTime = 29; }`)
		s := p.Until(t, 30*time.Second, "the end", func(s Stats) bool { return s.State == "ended" || s.Fatal > 0 })
		if diff(s.CurrentTime, clipSeconds) > 0.2 || s.Starts != 1 || s.Fatal > 0 {
			t.Errorf("%s: ended at %.2f s\n%s", u, s.CurrentTime, p)
		}
		p.Close()
	}
	shaka := b.Open(t, origin.URL+"/players/defaults.html?player=shaka&src="+trick(c.Public))
	shaka.Plays(t, 3, 30*time.Second)
	thumbnails(t, shaka, c.Public)
	shaka.Close()
	shaka = b.Open(t, origin.URL+"/players/defaults.html?player=shaka&src="+trickDASH(c.Public))
	trickFrames(t, shaka, c.Public, sent)
	shaka.Close()
}

// thumbnails checks that Shaka finds the thumbnail for a time in the storyboard, and that the browser shows the poster.
func thumbnails(t *testing.T, p *Page, base string) {
	t.Helper()
	var got struct {
		StartTime, Duration       float64
		PositionX, Width, Height  int
		URIs                      []string
		PosterWidth, PosterHeight int
	}
	decode(t, string(p.Eval(t, fmt.Sprintf(`(async () => {
		const track = await shakaPlayer.addThumbnailsTrack(%q);
		const { startTime, duration, positionX, width, height, uris } = await shakaPlayer.getThumbnails(track.id, 9);
		const poster = new Image();
		poster.src = %q;
		await poster.decode();
		return { startTime, duration, positionX, width, height, uris, posterWidth: poster.naturalWidth, posterHeight: poster.naturalHeight };
	})()`, base+"storyboard.vtt", base+"poster.jpg"))), &got)
	if got.StartTime != 8 || got.Duration != 2 || got.PositionX != 4*160 || got.Width != 160 || got.Height != 90 || len(got.URIs) != 1 || got.PosterWidth != 1280 || got.PosterHeight != 720 {
		t.Errorf("the thumbnail at 9 s is %+v", got)
	}
	if r, err := fetch(got.URIs[0]); err != nil || r.Status != 200 || r.Header.Get("Content-Type") != "image/jpeg" {
		t.Errorf("%s: %d, %v", got.URIs[0], r.Status, err)
	}
}

// wholePresentation checks that a recording has every frame once in HLS and in DASH.
func wholePresentation(t *testing.T, what, base string, sent []Packet) {
	t.Helper()
	hls, err := probe(time.Minute, HLS(base))
	if err != nil {
		t.Errorf("%s: HLS: %v", what, err)
	}
	sameFrames(t, what+", HLS", hls, sent, audioMissing)
	dash, err := probe(time.Minute, DASH(base))
	if err != nil {
		t.Errorf("%s: DASH: %v", what, err)
	}
	dash = asOfFFmpeg(dash)
	sameFrames(t, what+", DASH", dash, sentFor(dash, sent), audioMissing)
	sameFrames(t, what+", DASH by its manifest", assemble(t, DASH(base)), sent, audioMissing)
}

// asOfFFmpeg takes out what ffmpeg's own DASH reader does wrong, also with what ffmpeg's DASH writer writes (5.1): of a
// live MPD it fetches segments again that do not start at a whole second. What it should have read is in assemble.
func asOfFFmpeg(packets []Packet) []Packet {
	newest := map[string]float64{}
	var once []Packet
	for _, p := range packets {
		if last, any := newest[p.Kind]; any && p.DTS <= last {
			continue
		}
		newest[p.Kind] = p.DTS
		once = append(once, p)
	}
	return once
}

// sentFor leaves the last video frames out of what was sent when that reader stopped early: it reads durations as whole
// seconds, and stops a frame before their end.
func sentFor(got, sent []Packet) []Packet {
	all := of(sent, "video")
	missing := len(all) - len(of(got, "video"))
	whole := math.Floor(float64(len(all))/30 + 0.001)
	if missing < 1 || missing > len(all)-int(30*whole)+1 {
		return sent
	}
	return append(all[:len(all)-missing:len(all)-missing], of(sent, "audio")...)
}

func segmentURLs(p Playlist) []string {
	var urls []string
	for _, s := range p.Segments {
		urls = append(urls, s.URL)
	}
	return urls
}

// TestExtendedTimestamps: an encoder that has run for more than 4 h 39 min sends timestamps that need RTMP's extended
// field in every chunk.
func TestExtendedTimestamps(t *testing.T) {
	t.Parallel()
	begin(t, 2*time.Minute)
	d := StartDaemon(t)
	c := NewChannel(t, d, "long")
	sent, err := probe(time.Minute, "../../testdata/demo.flv")
	if err != nil {
		t.Fatal(err)
	}
	encoder := Publish(t, c.Ingest+"/main", "../../testdata/demo.flv", false, "-output_ts_offset", "20000")
	c.Shows(t, c.Preview, 2*time.Second, 20*time.Second)
	p := NewBrowser(t).Open(t, c.Watch(HLS(c.Preview)))
	p.Plays(t, 4, 30*time.Second)
	encoder.Wait(t, 40*time.Second)
	c.Shows(t, c.Public, 16*time.Second, 10*time.Second)
	c.End(t)
	got, err := probe(time.Minute, HLS(c.Public))
	if err != nil {
		t.Error(err)
	}
	onGrid(sent)
	sameFrames(t, "replay", got, sent, audioMissing)
}

// onGrid puts the demo clip's times, which FLV rounds to milliseconds, back on the grid they came from.
func onGrid(packets []Packet) {
	video, audio := 0, 0
	for i := range packets {
		p := &packets[i]
		offset := p.PTS - p.DTS
		if p.Kind == "video" {
			p.DTS = float64(video) / 30
			offset = float64(int(offset*30+0.5)) / 30
			video++
		} else {
			p.DTS = float64(audio) * 1024 / 48000
			audio++
		}
		p.PTS = p.DTS + offset
	}
}
