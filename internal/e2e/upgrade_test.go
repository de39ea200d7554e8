package e2e

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestUpgrade replaces the binary of a server whose sockets systemd holds, with players watching and others coming: nobody is
// refused, nobody has to reload, and the encoder that reconnects at once only waits.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	begin(t, 3*time.Minute)
	built, err := build()
	if err != nil {
		t.Fatal(err)
	}
	installed := filepath.Join(t.TempDir(), "headwater")
	install(t, built, installed)
	d := &Daemon{Dir: filepath.Join(t.TempDir(), "data"), path: installed}
	for _, at := range []struct {
		scheme string
		base   *string
	}{{"http", &d.Origin}, {"http", &d.Control}, {"rtmp", &d.RTMP}} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		f, err := l.(*net.TCPListener).File()
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		*at.base = at.scheme + "://" + l.Addr().String()
		d.sockets = append(d.sockets, f)
	}
	d.begin(t)
	c := NewChannel(t, d, "relay")
	encoder := Publish(t, c.Ingest+"/main", "../../testdata/demo.flv", true)
	c.Shows(t, c.Public, 6*time.Second, 30*time.Second)
	b := NewBrowser(t)
	pages := []*Page{b.Open(t, c.Watch(HLS(c.Public))), b.Open(t, c.Watch(DASH(c.Public)))}
	for _, p := range pages {
		p.Plays(t, 2, 30*time.Second)
	}
	before := playlist(t, renditions(t, HLS(c.Public))["video"])

	newcomers := keepComing(HLS(c.Public))
	install(t, built, installed)
	began := time.Now()
	d.Stop(t)
	encoder.Stop(t)
	encoder = Publish(t, c.Ingest+"/main", "../../testdata/demo.flv", true) // while nobody accepts
	d.Start(t)
	t.Logf("upgraded in %v", time.Since(began).Round(time.Millisecond))
	var after Playlist
	if !waitFor(30*time.Second, func() bool {
		after = playlist(t, renditions(t, HLS(c.Public))["video"])
		return after.Last() >= before.Last()+3
	}) {
		t.Fatalf("the stream does not go on:\n%s", after.Text)
	}
	encoder.Alive(t)
	for _, p := range pages {
		s := p.Plays(t, 3, 30*time.Second)
		t.Logf("%s: %d stalls", s.Player, s.Stalls)
		if s.Starts != 1 || s.Fatal > 0 {
			t.Errorf("the player had to be started again:\n%s", p)
		}
	}
	came, refused := newcomers()
	if len(refused) > 0 || came < 200 {
		t.Errorf("of %d who came during the upgrade %d were refused: %v", came, len(refused), refused)
	}
}

// install puts the binary where an installed one is, as a package manager does: a new file under the old name.
func install(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to+".new", b, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(to+".new", to); err != nil {
		t.Fatal(err)
	}
}

// keepComing asks for u a hundred times a second, as long as answers come, over a new connection each time, until the function returned is called; that says
// how many came and what those got who did not get it.
func keepComing(u string) (end func() (int, []string)) {
	client := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	stop, done := make(chan struct{}), make(chan struct{})
	came, refused := 0, []string(nil)
	go func() {
		defer close(done)
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			came++
			began := time.Now()
			res, err := client.Get(u)
			if err == nil {
				_, err = io.Copy(io.Discard, res.Body)
				_ = res.Body.Close()
				if res.StatusCode != http.StatusOK {
					err = fmt.Errorf("status %d", res.StatusCode)
				}
			}
			if err != nil {
				refused = append(refused, fmt.Sprintf("after %v: %v", time.Since(began).Round(time.Millisecond), err))
			}
			select {
			case <-stop:
				return
			case <-tick.C:
			}
		}
	}()
	return func() (int, []string) {
		close(stop)
		<-done
		return came, refused
	}
}
