package e2e

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// TestKillAndRestart kills the daemon in the middle of a live event: what viewers were told of is served again with the
// same bytes, the playlists go on under the same URLs, and players go on without a reload.
func TestKillAndRestart(t *testing.T) {
	t.Parallel()
	begin(t, 4*time.Minute)
	d := StartDaemon(t)
	c := NewChannel(t, d, "storm")
	first := Publish(t, c.Ingest+"/main", "../../testdata/demo.flv", true)
	c.Shows(t, c.Public, 6*time.Second, 30*time.Second)
	b := NewBrowser(t)
	pages := []*Page{b.Open(t, c.Watch(HLS(c.Public))), b.Open(t, c.Watch(DASH(c.Public)))}
	for _, p := range pages {
		p.Plays(t, 2, 30*time.Second)
	}

	tracks := renditions(t, HLS(c.Public))
	before := map[string]Playlist{}
	known := map[string]string{}
	for kind, u := range tracks {
		before[kind] = playlist(t, u)
		for u, s := range objects(t, before[kind]) {
			known[u] = s
		}
		for _, part := range before[kind].OpenParts {
			known[part] = sum(get(t, part).Body)
		}
	}
	d.Kill(t)
	_ = waitFor(10*time.Second, func() bool { return closed(first.done) })
	first.Stop(t)
	d.Start(t)

	// No encoder yet, and everything is there already.
	sameObjects(t, "after kill -9", known)
	for kind, u := range tracks {
		p := playlist(t, u)
		if p.Target != before[kind].Target || p.Sequence < before[kind].Sequence || p.Last() < before[kind].Last() || p.Ended {
			t.Errorf("%s after the restart: target %d, segments %d to %d, ended %v; before: target %d, %d to %d", kind, p.Target, p.Sequence, p.Last(), p.Ended,
				before[kind].Target, before[kind].Sequence, before[kind].Last())
		}
	}
	was := *c
	c.read(t)
	if c.Ingest != was.Ingest || c.Public != was.Public || c.Preview != was.Preview {
		t.Errorf("other addresses after the restart: %+v, before %+v", *c, was)
	}

	Publish(t, c.Ingest+"/main", "../../testdata/demo.flv", true)
	for kind, u := range tracks {
		var p Playlist
		if !waitFor(30*time.Second, func() bool {
			p = playlist(t, u)
			return p.Last() >= before[kind].Last()+3
		}) {
			t.Errorf("%s does not go on:\n%s", kind, p.Text)
			continue
		}
		goesOn(t, kind, before[kind], p)
	}
	sameObjects(t, "after the encoder's return", known)
	for _, p := range pages {
		s := p.Plays(t, 3, 60*time.Second)
		t.Logf("%s went on after %d starts, %d stalls", s.Player, s.Starts, s.Stalls)
		if string(p.Eval(t, "performance.getEntriesByType('navigation').length")) != "1" {
			t.Errorf("%s: the page was loaded again", s.Player)
		}
	}
}

// goesOn checks that a later playlist continues an earlier one: the same segments under the same numbers, then exactly
// one discontinuity more, and numbers that add up.
func goesOn(t *testing.T, kind string, before, after Playlist) {
	t.Helper()
	if after.Sequence != before.Sequence {
		t.Errorf("%s: the window has moved from %d to %d although the archive is longer", kind, before.Sequence, after.Sequence)
		return
	}
	was, is := segmentURLs(before), segmentURLs(after)
	if len(is) < len(was) || !slices.Equal(was, is[:len(was)]) {
		t.Errorf("%s: segments changed:\n%v\nbefore:\n%v", kind, is, was)
		return
	}
	if marks := discontinuities(after) - discontinuities(before); marks != 1 {
		t.Errorf("%s: %d discontinuities, want 1:\n%s", kind, marks, after.Text)
	}
	seen := map[string]bool{}
	for _, u := range is {
		if seen[u] {
			t.Errorf("%s: %s stands twice", kind, u)
		}
		seen[u] = true
	}
}

// TestShutdown: SIGTERM with an encoder connected, viewers waiting and a player that never reads ends the daemon soon
// and in order (exit status 0), and the next start has everything.
func TestShutdown(t *testing.T) {
	t.Parallel()
	begin(t, 2*time.Minute)
	d := StartDaemon(t)
	c := NewChannel(t, d, "evening")
	Publish(t, c.Ingest+"/main", "../../testdata/demo.flv", true)
	c.Shows(t, c.Public, 4*time.Second, 20*time.Second)
	tracks := renditions(t, HLS(c.Public))
	p := playlist(t, tracks["video"])
	known := objects(t, p)
	waiters := make(chan struct{}, 20)
	for range cap(waiters) {
		go func() {
			// Far enough ahead to wait, whatever is answered when the daemon ends.
			_, _ = fetch(tracks["video"] + "?_HLS_msn=" + fmt.Sprint(p.Last()+2))
			waiters <- struct{}{}
		}()
	}
	began := time.Now()
	d.Stop(t)
	t.Logf("ended after %v", time.Since(began).Round(time.Millisecond))
	for range cap(waiters) {
		select {
		case <-waiters:
		case <-time.After(10 * time.Second):
			t.Fatal("a viewer is still waiting")
		}
	}
	d.Start(t)
	sameObjects(t, "after a restart", known)
	if after := playlist(t, tracks["video"]); after.Ended || after.Last() < p.Last() {
		t.Errorf("after a restart: ended %v, last segment %d, before %d", after.Ended, after.Last(), p.Last())
	}
}
