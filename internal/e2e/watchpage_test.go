package e2e

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"headwater.stream/internal/watch"
)

// plainOrigin serves a directory the way any file server does, the watch page, the Shaka page and the time.
func plainOrigin(t *testing.T, dir string) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle("/watch/", watch.Handler())
	mux.Handle("/node_modules/", http.StripPrefix("/node_modules/", http.FileServer(http.Dir("../../node_modules"))))
	mux.Handle("/players/", http.StripPrefix("/players/", http.FileServer(http.Dir("players"))))
	mux.HandleFunc("/time", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(time.Now().UTC().Format("2006-01-02T15:04:05.000Z")))
	})
	files := http.FileServer(http.Dir(dir))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-cache")
		files.ServeHTTP(w, r)
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

// muxLive lets ffmpeg write plain live HLS and DASH of the demo clip into dir until stopped.
func muxLive(t *testing.T, origin, dir string) (stop func()) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("ffmpeg", "-nostdin", "-v", "error", "-y", "-re", "-stream_loop", "-1", "-i", "../../testdata/demo.flv",
		"-map", "0", "-c", "copy", "-f", "hls", "-hls_time", "1", "-hls_list_size", "10", "-hls_segment_type", "fmp4", "-master_pl_name", "master.m3u8",
		"-hls_flags", "program_date_time+temp_file", filepath.Join(dir, "media.m3u8"),
		"-map", "0", "-c", "copy", "-f", "dash", "-seg_duration", "1", "-window_size", "10", "-extra_window_size", "10",
		"-utc_timing_url", origin+"/time", filepath.Join(dir, "manifest.mpd"))
	var stderr tail
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = cmd.Wait()
	}()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		_ = cmd.Process.Signal(os.Interrupt)
		if !waitFor(10*time.Second, func() bool { return closed(done) }) {
			_ = cmd.Process.Kill()
			<-done
		}
		if t.Failed() {
			t.Logf("ffmpeg: %s", stderr.String())
		}
	}
	t.Cleanup(stop)
	return stop
}

// TestWatchPage tries the page on a plain origin: it must wait for a stream that is not there yet, play it with each
// player, survive its end and play again when it comes back, all without a reload.
func TestWatchPage(t *testing.T) {
	t.Parallel()
	begin(t, 2*time.Minute)
	dir := t.TempDir()
	origin := plainOrigin(t, dir)
	live := filepath.Join(dir, "live.ism")
	b := NewBrowser(t)

	hls := b.Open(t, origin.URL+"/watch/?src=/live.ism/master.m3u8")
	dash := b.Open(t, origin.URL+"/watch/?src=/live.ism/manifest.mpd")
	for _, p := range []*Page{hls, dash} {
		p.Until(t, 10*time.Second, "waiting for a stream that is not there", func(s Stats) bool { return s.State == "waiting" })
	}
	stop := muxLive(t, origin.URL, live)
	hls.Plays(t, 5, 40*time.Second)
	s := dash.Plays(t, 5, 40*time.Second)
	for _, s := range []Stats{s, hls.Stats()} {
		if s.Latency == nil || *s.Latency < 0 || *s.Latency > 20 || s.Width != 1280 || s.Bitrate == nil || s.Starts != 1 {
			shown, _ := json.Marshal(s)
			t.Errorf("figures of %s: %s", s.Player, shown)
		}
	}
	// A picture that stands still while the sound goes on is no playing.
	hls.Eval(t, `{ const p = HTMLVideoElement.prototype; window.counted = p.getVideoPlaybackQuality; p.getVideoPlaybackQuality = () => ({ totalVideoFrames: 7, droppedVideoFrames: 0 }); }`)
	hls.Until(t, 20*time.Second, "another start", func(s Stats) bool { return s.Starts == 2 })
	hls.Eval(t, `{ HTMLVideoElement.prototype.getVideoPlaybackQuality = window.counted; }`)
	hls.Plays(t, 2, 20*time.Second)
	shaka := b.Open(t, origin.URL+"/players/defaults.html?player=shaka&src=/live.ism/manifest.mpd")
	shaka.Plays(t, 3, 30*time.Second)
	shaka.Close()

	// Both end, vanish, and are other streams under the same address then.
	stop()
	if err := os.RemoveAll(live); err != nil {
		t.Fatal(err)
	}
	muxLive(t, origin.URL, live)
	hls.Plays(t, 3, 40*time.Second)
	dash.Plays(t, 3, 40*time.Second)
}

// TestWatchPageRefusesForeignSources: the page requests nothing but paths of its own origin, and shows hostile text as text.
func TestWatchPageRefusesForeignSources(t *testing.T) {
	t.Parallel()
	begin(t, time.Minute)
	asked := make(chan string, 16)
	foreign := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { asked <- r.URL.String() }))
	t.Cleanup(foreign.Close)
	origin := plainOrigin(t, t.TempDir())
	b := NewBrowser(t)
	for _, src := range []string{
		foreign.URL + "/x.m3u8", "//" + foreign.URL[len("http://"):] + "/x.m3u8", "/\\" + foreign.URL[len("http://"):] + "/x.m3u8",
		"javascript:alert(1)//.m3u8", "/%3Cimg%20src=x%20onerror=alert(1)%3E", "", "data:,.mpd", "../x.m3u8", "/x.m3u8#y",
	} {
		p := b.Open(t, origin.URL+"/watch/?src="+url.QueryEscape(src))
		p.Until(t, 10*time.Second, "refusing "+src, func(s Stats) bool { return s.State == "failed" })
		if got := string(p.Eval(t, `document.getElementById('open').hidden`)); got != "false" {
			t.Errorf("%s: the form is hidden", src)
		}
		p.Close()
	}
	select {
	case url := <-asked:
		t.Errorf("the page asked another origin for %s", url)
	default:
	}
}

// TestWatchPageSources: whichever of a presentation's addresses is given, the page finds both manifests.
func TestWatchPageSources(t *testing.T) {
	t.Parallel()
	begin(t, time.Minute)
	origin := plainOrigin(t, t.TempDir())
	p := NewBrowser(t).Open(t, origin.URL+"/watch/")
	const home = "/6d1c0a4e-4a64-4c0a-9a43-0c4b0d1d2a11/show.ism/"
	for src, want := range map[string]string{
		home + "master.m3u8":                `[hls] ` + home + `master.m3u8 ` + home + `manifest.mpd`,
		home + "manifest.mpd":               `[dash] ` + home + `master.m3u8 ` + home + `manifest.mpd`,
		home:                                `[hls] ` + home + `master.m3u8 ` + home + `manifest.mpd`,
		home + "manifest":                   `[hls] ` + home + `master.m3u8 ` + home + `manifest.mpd`,
		home + "manifest(format=m3u8-cmaf)": `[hls] ` + home + `manifest(format=m3u8-cmaf) ` + home + `manifest(format=mpd-time-cmaf)`,
		home + "manifest(format=m3u8-cmaf,filter=a).m3u8": `[hls] ` + home + `manifest(format=m3u8-cmaf,filter=a).m3u8 ` + home + `manifest(format=mpd-time-cmaf,filter=a)`,
		home + "manifest(format=mpd-time-cmaf)":           `[dash] ` + home + `manifest(format=m3u8-cmaf) ` + home + `manifest(format=mpd-time-cmaf)`,
		origin.URL + home + "master.m3u8?token=x":         `[hls] ` + home + `master.m3u8?token=x ` + home + `manifest.mpd?token=x`,
		"/elsewhere/a.m3u8":                               `[hls] /elsewhere/a.m3u8 `,
		"/elsewhere/a.mpd":                                `[dash]  /elsewhere/a.mpd`,
		"/elsewhere/a.mp4":                                `none`,
	} {
		argument, err := json.Marshal(src)
		if err != nil {
			t.Fatal(err)
		}
		got := string(p.Eval(t, `import('/watch/source.js').then((m) => {
			const s = m.parseSource(`+string(argument)+`, location.origin);
			return s ? '[' + s.prefers + '] ' + s.hls + ' ' + s.dash : 'none';
		})`))
		if wanted, err := json.Marshal(want); err != nil || got != string(wanted) {
			t.Errorf("%s: %s, want %s", src, got, wanted)
		}
	}
}
