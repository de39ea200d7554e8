package e2e

import (
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestKillThrice is case 57: three times kill -9 in mid segment. Each time the encoder is back within five seconds, no viewer
// gets a 5xx, numbers go on beyond everything ever listed, and nothing changes; the recording replays to the last crash, and ends.
func TestKillThrice(t *testing.T) {
	t.Parallel()
	begin(t, 3*time.Minute)
	d := StartDaemon(t)
	c := NewChannel(t, d, "gale")
	known := map[string]string{}
	names := map[string]bool{}
	top := map[string]uint64{}
	for round := range 3 {
		before := time.Now()
		e := Publish(t, c.Ingest+"/main", "../../testdata/demo.flv", true)
		if round == 0 {
			c.Shows(t, c.Public, 5*time.Second, 30*time.Second)
		}
		for kind, u := range renditions(t, HLS(c.Public)) {
			if !waitFor(20*time.Second, func() bool { return playlist(t, u).Last() >= top[kind]+2 }) {
				t.Fatalf("round %d: %s does not go on", round, kind)
			}
		}
		t.Logf("round %d: media %v after the encoder was started", round, time.Since(before).Round(100*time.Millisecond))
		for kind, u := range renditions(t, HLS(c.Public)) {
			p := playlist(t, u)
			for u, s := range objects(t, p) {
				if was, ok := known[u]; ok && was != s {
					t.Errorf("round %d: %s changed", round, u)
				}
				known[u] = s
			}
			for _, part := range p.OpenParts {
				known[part] = sum(get(t, part).Body)
			}
			for _, s := range p.Segments {
				names[s.URL] = true
			}
			if p.Last() < top[kind] {
				t.Errorf("round %d: %s goes back from %d to %d", round, kind, top[kind], p.Last())
			}
			top[kind] = p.Last()
		}
		d.Kill(t)
		_ = waitFor(10*time.Second, func() bool { return closed(e.done) })
		e.Stop(t)
		d.Start(t)
		for _, u := range []string{HLS(c.Public), DASH(c.Public), HLS(c.Preview)} {
			if s := status(u); s != 200 && s != 404 {
				t.Errorf("round %d: %s is answered %d", round, u, s)
			}
		}
		sameObjects(t, "after a kill", known)
	}
	c.End(t)
	for kind, u := range renditions(t, HLS(c.Public)) {
		p := playlist(t, u)
		if !p.Ended || p.Last() < top[kind] {
			t.Errorf("%s: ended %v, to segment %d, live to %d", kind, p.Ended, p.Last(), top[kind])
		}
		is := segmentURLs(p)
		for name := range names {
			if strings.HasPrefix(name, u[:strings.LastIndex(u, "/")+1]) && !slices.Contains(is, name) {
				t.Errorf("%s is not in the recording", name)
			}
		}
		objects(t, p)
	}
}

// TestSuspended is case 58: the daemon is stopped for eight seconds, as a virtual machine is. The encoder is still connected
// afterwards, what was listed is unchanged, and the playlists go on.
func TestSuspended(t *testing.T) {
	t.Parallel()
	begin(t, 2*time.Minute)
	d := StartDaemon(t)
	c := NewChannel(t, d, "pause")
	e := Publish(t, c.Ingest+"/main", "../../testdata/demo.flv", true)
	c.Shows(t, c.Public, 5*time.Second, 30*time.Second)
	tracks := renditions(t, HLS(c.Public))
	known := map[string]string{}
	before := map[string]Playlist{}
	for kind, u := range tracks {
		before[kind] = playlist(t, u)
		for u, s := range objects(t, before[kind]) {
			known[u] = s
		}
	}
	if err := d.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	stopped := time.Now()
	waitFor(8*time.Second, func() bool { return false })
	if err := d.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	stopFor := time.Since(stopped)
	for kind, u := range tracks {
		var p Playlist
		if !waitFor(20*time.Second, func() bool { p = playlist(t, u); return p.Last() >= before[kind].Last()+6 }) {
			t.Fatalf("%s does not go on after %v:\n%s", kind, stopFor, p.Text)
		}
		if p.Sequence != before[kind].Sequence || p.Target != before[kind].Target {
			t.Errorf("%s: sequence %d, target %d, before %d, %d", kind, p.Sequence, p.Target, before[kind].Sequence, before[kind].Target)
		}
		discs := 0
		for _, s := range p.Segments {
			if s.Disc {
				discs++
			}
			if s.Duration > float64(p.Target)+0.5 {
				t.Errorf("%s: a segment of %v s", kind, s.Duration)
			}
		}
		t.Logf("%s: %d discontinuities", kind, discs)
		if discs > 1 {
			t.Errorf("%s: %d discontinuities:\n%s", kind, discs, p.Text)
		}
		objects(t, p)
	}
	sameObjects(t, "after the suspension", known)
	e.Alive(t)
	d.Alive(t)
}
