package e2e

import (
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"
)

// viewer notes everything that the playlists of some outputs announce, and the bytes of all of it that it got.
type viewer struct {
	t     *testing.T
	lists []string

	mu        sync.Mutex
	announced map[string]bool
	got       map[string]string
	parts     map[string]bool // those of announced that were parts at the last look
	newest    map[string]int  // by playlist: segments and parts listed
}

// watch looks at one playlist, over and over, until stop is closed or the daemon is gone.
func (v *viewer) watch(list string, stop chan struct{}) {
	for !closed(stop) {
		r, err := fetch(list)
		if err != nil {
			return
		}
		if r.Status != 200 {
			v.t.Errorf("%s is answered %d", list, r.Status)
			return
		}
		p, err := parsePlaylist(list, string(r.Body))
		if err != nil {
			v.t.Error(err)
			return
		}
		for _, s := range p.Segments[max(0, len(p.Segments)-20):] {
			if !s.Gap {
				v.fetch(s.URL, false)
				v.fetch(s.Map, false)
			}
			for _, part := range s.Parts {
				v.fetch(part, true)
			}
		}
		for _, part := range p.OpenParts {
			v.fetch(part, true)
		}
		v.mu.Lock()
		v.newest[list] = 1000*int(p.Last()+1) + len(p.OpenParts)
		v.mu.Unlock()
		<-time.After(30 * time.Millisecond)
	}
}

func (v *viewer) fetch(u string, part bool) {
	if u == "" {
		return
	}
	v.mu.Lock()
	v.announced[u] = true
	if part {
		v.parts[u] = true
	}
	known := v.got[u] != ""
	v.mu.Unlock()
	if known {
		return
	}
	r, err := fetch(u)
	if err != nil {
		return // the daemon is gone
	}
	if r.Status != 200 {
		v.t.Errorf("%s was announced and is answered %d", u, r.Status)
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if was := v.got[u]; was != "" && was != sum(r.Body) {
		v.t.Errorf("%s has other bytes than before", u)
	}
	v.got[u] = sum(r.Body)
}

// verify fetches what was announced again: everything but parts, and the parts that were listed last; with all false only
// what was announced in the last round.
func (v *viewer) verify(round int, since map[string]bool, all bool) {
	v.t.Helper()
	for u := range v.announced {
		if since[u] && !all {
			continue
		}
		r, err := fetch(u)
		if err != nil {
			v.t.Errorf("after kill %d: %v", round, err)
			return
		}
		if r.Status != 200 {
			v.t.Errorf("after kill %d: %s was announced and is answered %d", round, u, r.Status)
		} else if was := v.got[u]; was != "" && was != sum(r.Body) {
			v.t.Errorf("after kill %d: %s has other bytes", round, u)
		}
	}
	for u := range v.parts { // they leave when their segment is old
		delete(v.announced, u)
		delete(v.got, u)
	}
	v.parts = map[string]bool{}
}

// TestRandomKills kills the daemon at random moments while it records an event into three outputs and a viewer of each
// notes every byte: nothing that was announced is missing or different afterwards. HEADWATER_KILLS says how often.
func TestRandomKills(t *testing.T) {
	t.Parallel()
	kills := 5
	if s := os.Getenv("HEADWATER_KILLS"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		kills = n
	}
	begin(t, 2*time.Minute+time.Duration(kills)*15*time.Second)
	d := StartDaemon(t)
	c := NewChannel(t, d, "kills")
	bases := []string{c.Public}
	for _, name := range []string{"two", "three"} {
		d.CLI(t, "asset", "create", name)
		d.CLI(t, "output", "create", c.Name, name, "--asset", name, "--manifest", name)
		d.CLI(t, "locator", "create", name, "--asset", name)
		bases = append(bases, base(find(t, d.CLI(t, "locator", "paths", name), d.Origin, "format=m3u8-cmaf")))
	}
	v := &viewer{t: t, announced: map[string]bool{}, got: map[string]string{}, parts: map[string]bool{}, newest: map[string]int{}}
	rnd := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 6))
	for round := range kills {
		since := map[string]bool{}
		for u := range v.announced {
			since[u] = true
		}
		before := v.newest
		v.newest = map[string]int{}
		encoder := Publish(t, c.Ingest+"/main", "../../testdata/demo.flv", true)
		if v.lists == nil {
			for _, b := range bases {
				c.Shows(t, b, 2*time.Second, 30*time.Second)
				for _, u := range renditions(t, HLS(b)) {
					v.lists = append(v.lists, u)
				}
			}
		}
		stop := make(chan struct{})
		var wg sync.WaitGroup
		for _, u := range v.lists {
			wg.Go(func() { v.watch(u, stop) })
		}
		if !waitFor(30*time.Second, func() bool { // new media
			v.mu.Lock()
			defer v.mu.Unlock()
			for _, u := range v.lists {
				if v.newest[u] <= before[u] {
					return false
				}
			}
			return true
		}) {
			t.Fatalf("before kill %d nothing comes: %v after %v", round+1, v.newest, before)
		}
		<-time.After(time.Duration(rnd.IntN(2500)) * time.Millisecond)
		d.Kill(t)
		close(stop)
		wg.Wait()
		encoder.Kill()
		d.Start(t)
		v.verify(round+1, since, false)
		if t.Failed() {
			return
		}
	}
	v.verify(kills, nil, true)
	t.Logf("%d kills, %d objects known, all as they were", kills, len(v.got))
	for _, name := range []string{"two", "three"} {
		d.CLI(t, "output", "delete", c.Name, name)
	}
	c.End(t)
	v.verify(kills, nil, true)
}
