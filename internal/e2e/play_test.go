package e2e

import (
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// numberedSeconds is how long the numbered clip is: whole numbers of frames of both tracks, as of clip; numberedRate is its frame
// rate, low because many pages play it at once.
const numberedSeconds, numberedRate = 32, 15

// numbered makes a small clip whose frames have their numbers drawn into them, a white square for each bit that is set; count.js
// reads them.
func numbered(t *testing.T) string {
	t.Helper()
	var squares strings.Builder
	for bit := range 10 {
		fmt.Fprintf(&squares, ",drawbox=x=%d:y=0:w=32:h=32:color=white:t=fill:enable='mod(floor(n/%d)\\,2)'", 32*bit, 1<<bit)
	}
	path := filepath.Join(t.TempDir(), "numbered.mp4")
	out, err := exec.Command("ffmpeg", "-nostdin", "-v", "error", "-y",
		"-f", "lavfi", "-i", fmt.Sprintf("color=black:size=320x180:rate=%d%s", numberedRate, squares.String()), "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000", "-map", "0:v", "-map", "1:a",
		"-t", fmt.Sprint(numberedSeconds), "-c:v", "libx264", "-preset", "ultrafast", "-profile:v", "high", "-bf", "2", "-b_strategy", "0", "-pix_fmt", "yuv420p",
		"-g", fmt.Sprint(2*numberedRate), "-keyint_min", fmt.Sprint(2*numberedRate), "-sc_threshold", "0", "-c:a", "aac", "-b:a", "64k", "-ac", "2", "-frames:a", fmt.Sprint(numberedSeconds*48000/1024), path).CombinedOutput()
	if err != nil {
		t.Fatalf("making the clip: %v\n%s", err, out)
	}
	return path
}

// seat is one way to watch: a player and what it is given.
type seat struct {
	name, query string
	channel     *Channel
	hls         bool
}

// seats are the three players at a low-latency event and at one without parts. Shaka's low-latency mode is not asked to play
// LL-HLS: see playersPlay.
func seats(low, plain *Channel) []seat {
	list := []seat{
		{"hls.js, LL-HLS", "player=hls", low, true}, {"dash.js, LL-DASH", "player=dash", low, false},
		{"Shaka, LL-DASH", "player=shaka&ll=1", low, false}, {"Shaka, HLS with parts", "player=shaka", low, true},
	}
	if plain != nil {
		list = append(list, seat{"hls.js, HLS", "player=hls", plain, true}, seat{"dash.js, DASH", "player=dash", plain, false},
			seat{"Shaka, HLS", "player=shaka", plain, true}, seat{"Shaka, DASH", "player=shaka", plain, false})
	}
	return list
}

// take opens a page on a seat.
func (s seat) take(t *testing.T, b *Browser, pages string) *Page {
	manifest := DASH(s.channel.Public)
	if s.hls {
		manifest = HLS(s.channel.Public)
	}
	return b.Open(t, pages+"/players/defaults.html?count=1&"+s.query+"&src="+url.QueryEscape(manifest))
}

// zero returns when the first frame of a channel was, as its playlist dates it; call it before the window slides.
func zero(t *testing.T, c *Channel) time.Time {
	t.Helper()
	p := playlist(t, renditions(t, HLS(c.Public))["video"])
	if p.Sequence != 0 {
		t.Fatalf("the first segments are gone:\n%s", p.Text)
	}
	return p.Segments[0].Date
}

// wrong returns how far, in seconds, the picture that a page shows is from what its date asks for.
func (s Stats) wrong(zero time.Time) float64 {
	if s.Picture == nil {
		return math.NaN()
	}
	want := s.Picture.Date/1000 - float64(zero.UnixMilli())/1000
	return math.Remainder(float64(s.Picture.Number)/numberedRate-want, numberedSeconds)
}

// seeks moves a page to the start of the window, to its middle and back to the live edge, and sees it play there, with the
// picture that belongs there. Of a window that slides, the start is where margin seconds are left before it has gone.
func seeks(t *testing.T, name string, p *Page, zero time.Time, margin float64) {
	t.Helper()
	for _, to := range []struct {
		where, script string
		at            func(from, to float64) float64
	}{
		{"the start", fmt.Sprintf("player.seek(player.window()[0] + %g)", margin), func(from, _ float64) float64 { return from + margin }},
		{"the middle", "player.seek((player.window()[0] + player.window()[1]) / 2)", func(from, to float64) float64 { return (from + to) / 2 }},
		{"the live edge", "player.toLive()", func(_, to float64) float64 { return to }},
	} {
		before := p.Stats()
		var window [2]float64
		if err := json.Unmarshal(p.Eval(t, "{ const w = player.window(); "+to.script+"; w }"), &window); err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
		want := to.at(window[0], window[1])
		there := func(s Stats) bool {
			if s.Seeks == before.Seeks || s.Picture == nil || s.Picture.Seeks != s.Seeks || s.Played < before.Played+1.5 || !(math.Abs(s.wrong(zero)) < 0.1) {
				return false
			}
			if to.where == "the live edge" {
				return s.Latency != nil && *s.Latency > 0 && *s.Latency < 20
			}
			return s.CurrentTime > want+1 && s.CurrentTime < want+12 // what was asked for and played since
		}
		if !waitFor(20*time.Second, func() bool { return there(p.Stats()) }) {
			t.Errorf("%s: after a seek to %s, %.2f of %.2f to %.2f, it does not play there (the picture is %.2f s off)\n%s", name, to.where, want, window[0], window[1], p.Stats().wrong(zero), p)
			return
		}
	}
	t.Logf("%s: %s", name, tally(p.Stats()))
}

func tally(s Stats) string {
	errors := map[string]int{}
	for _, e := range s.Errors {
		errors[e.Words]++
	}
	return fmt.Sprintf("%d stalls, %.1f s of still pictures, %.1f s without a processor, %d of %d appends lost, %d refused, %d of %d frames dropped, errors %v", s.Stalls, s.Still, s.Starved, s.Lost, s.Appends, s.Refused, s.Dropped, s.Frames, errors)
}

// TestSeek lets the three players join an event late and move in its window.
func TestSeek(t *testing.T) {
	t.Parallel()
	begin(t, 6*time.Minute) // of a busy machine
	d := StartDaemon(t)
	c := NewChannel(t, d, "court")
	encoder := Publish(t, c.Ingest+"/main", numbered(t), true)
	c.Shows(t, c.Public, 12*time.Second, 40*time.Second)
	first := zero(t, c)
	b, pages := NewBrowser(t), plainOrigin(t, t.TempDir())
	var wg sync.WaitGroup
	for _, s := range seats(c, nil) {
		wg.Go(func() { lateComer(t, s, b, pages.URL, first, 1) })
	}
	wg.Go(func() { controls(t, b.Open(t, c.Watch(DASH(c.Public)))) })
	wg.Wait()
	encoder.Alive(t)
	d.Alive(t)
}

// lateComer joins an event that has been going on, near its live edge, and moves about.
func lateComer(t *testing.T, s seat, b *Browser, pages string, zero time.Time, margin float64) {
	p := s.take(t, b, pages)
	defer p.Close()
	if !waitFor(40*time.Second, func() bool { s := p.Stats(); return s.Played > 2 && math.Abs(s.wrong(zero)) < 0.1 }) {
		t.Errorf("%s: a late comer does not see what is on\n%s", s.name, p)
		return
	}
	if l := p.Stats().Latency; l == nil || *l < 0 || *l > 20 {
		t.Errorf("%s: joined %v s from the live edge", s.name, l)
	}
	seeks(t, s.name, p, zero, margin)
}

// controls moves dash.js in the watch page as the controls of the browser do, which tell it nothing: it stays there.
func controls(t *testing.T, p *Page) {
	p.Plays(t, 2, 40*time.Second)
	for _, to := range []float64{1, 7, 2} {
		p.Eval(t, fmt.Sprintf("{ document.getElementById('video').currentTime = %f; }", to))
		before := p.Stats()
		if !waitFor(20*time.Second, func() bool { return p.Stats().Played > before.Played+2 }) {
			t.Errorf("a seek to %.0f in the watch page: it does not go on\n%s", to, p)
		} else if s := p.Stats(); s.CurrentTime < to || s.CurrentTime > to+5 {
			t.Errorf("a seek to %.0f in the watch page: it plays %.2f\n%s", to, s.CurrentTime, p)
		}
	}
	p.Close()
}

// TestPlay watches for HEADWATER_PLAY, a duration, with all players, a low-latency event and one without parts whose windows
// slide; half-way others join and move about.
func TestPlay(t *testing.T) {
	length, err := time.ParseDuration(os.Getenv("HEADWATER_PLAY"))
	if err != nil || testing.Short() {
		return // for `make soak`
	}
	begin(t, length+10*time.Minute)
	d := StartDaemon(t)
	low := NewChannel(t, d, "low", "--archive-window", "2m")
	plain := NewChannel(t, d, "plain", "--latency", "normal", "--archive-window", "2m")
	file := numbered(t)
	zeros := map[*Channel]time.Time{}
	for _, c := range []*Channel{low, plain} {
		Publish(t, c.Ingest+"/main", file, true)
		c.Shows(t, c.Public, 12*time.Second, 40*time.Second)
		zeros[c] = zero(t, c)
	}
	b, pages := NewBrowser(t), plainOrigin(t, t.TempDir())
	began := time.Now()
	var wg sync.WaitGroup
	for _, s := range seats(low, plain) {
		wg.Go(func() { stay(t, s, s.take(t, b, pages.URL), zeros[s.channel], length) })
	}
	<-time.After(length / 2)
	for _, s := range seats(low, plain) { // one after the other: two cores
		lateComer(t, s, b, pages.URL, zeros[s.channel], 6)
	}
	wg.Wait()
	t.Logf("all that in %v", time.Since(began))
	d.Alive(t)
}

// stay watches a page for a while and reports what it counts from the tenth second on.
func stay(t *testing.T, s seat, p *Page, zero time.Time, length time.Duration) {
	p.Until(t, 40*time.Second, s.name+" playing", func(s Stats) bool { return s.Played > 10 || s.Fatal > 0 })
	first := p.Stats()
	var latency []float64 // once a second
	off, looks := 0, 0
	began := time.Now()
	for time.Since(began) < length-10*time.Second {
		<-time.After(time.Second)
		now := p.Stats()
		if now.Latency != nil {
			latency = append(latency, *now.Latency)
		}
		if looks++; !(math.Abs(now.wrong(zero)) < 0.1) {
			off++
		}
	}
	last := p.Stats()
	watched := time.Since(began).Seconds()
	t.Logf("%s (%s), %.0f s: played %.1f s, %s; latency %s; %d of %d pictures wrong", s.name, last.Player, watched, last.Played-first.Played, tally(last), course(latency), off, looks)
	starved := last.Starved - first.Starved
	switch {
	case last.Fatal > 0 || last.Refused > 0 || last.Played-first.Played < 0.95*(watched-starved)-2:
		t.Errorf("%s: it did not play on, starved for %.0f s\n%s", s.name, starved, p)
	case off > looks/50: // a page that gets no processor reads a picture later than its time
		t.Errorf("%s: %d of %d pictures are wrong\n%s", s.name, off, looks, p)
	case last.Stalls > first.Stalls && starved < watched/100:
		t.Errorf("%s: %d stalls, and the machine had time for it\n%s", s.name, last.Stalls-first.Stalls, p)
	}
}

// course tells how a latency went: first, least, most, last.
func course(l []float64) string {
	if len(l) == 0 {
		return "unknown"
	}
	low, high := l[0], l[0]
	for _, x := range l {
		low, high = min(low, x), max(high, x)
	}
	return fmt.Sprintf("%.2f s at first, %.2f at last, %.2f to %.2f", l[0], l[len(l)-1], low, high)
}
