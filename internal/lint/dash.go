package lint

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"net/http"
	"time"
)

// dash follows an MPD; it returns what the stream is.
func (w *follower) dash(ctx context.Context, x *Exchange) string {
	lines := map[string]*timeline{} // by Period and Representation
	var old *Manifest
	for first := true; ; first = false {
		x.For = forMPD
		m := parseMPD(x.URL, x.body)
		m.At = time.Now()
		x.Live = m.live()
		w.judge.exchange(x)
		w.judge.manifest(old, m)
		if m.Err != "" {
			return "DASH that cannot be read"
		}
		w.representations(ctx, m, lines, first)
		if first {
			w.probeDASH(ctx, m)
			w.probeFlight(ctx, m)
		}
		if old = m; !m.live() {
			break
		}
		wait, err := seconds(m.MUP)
		if err != nil || !w.pause(ctx, time.Duration(math.Min(math.Max(wait, 1), 30)*float64(time.Second))) {
			break
		}
		next := w.send(ctx, Exchange{URL: x.URL}, http.MethodGet)
		if next == nil || next.Status != http.StatusOK {
			if next != nil {
				next.For = forMPD
				w.judge.exchange(next)
				w.judge.note("the MPD was answered with status %d, and not followed further", next.Status)
			}
			break
		}
		x = next
	}
	w.rates(old)
	switch {
	case !old.live():
		return "DASH recorded"
	case old.low():
		return "LL-DASH live"
	}
	return "DASH live"
}

// representations fetches segments of the newest Period: the last complete ones, and at first those at both ends.
func (w *follower) representations(ctx context.Context, m *Manifest, lines map[string]*timeline, first bool) {
	all := m.templates()
	followed := 0
	for _, t := range all {
		if m.live() && t.period != &m.Periods[len(m.Periods)-1] {
			continue
		}
		if followed++; followed > maxRenditions {
			w.judge.note("more than %d Representations; the others were not followed", maxRenditions)
			return
		}
		id := t.period.ID + "/" + t.rep.ID
		l := lines[id]
		if l == nil {
			if len(lines) >= 100 {
				return
			}
			l = &timeline{inits: map[string]*Init{}}
			lines[id] = l
		}
		complete := m.complete(t)
		n := len(complete)
		picked := []int{n - 2, n - 1}
		if first {
			picked = []int{0, n - 2, n - 1}
		}
		last := -1
		for _, i := range picked {
			if i <= last || i < 0 {
				continue
			}
			last = i
			s := complete[i]
			if integer(l.key, -1) >= s.T+s.D {
				continue // it was looked at
			}
			init := ""
			if t.Init != "" {
				init = t.url(m, t.Init, s)
			}
			after := fmt.Sprint(s.T)
			scale := float64(t.scale())
			at := float64(s.T) / scale
			if len(t.Timeline) == 0 {
				at = -1
			}
			w.object(ctx, l, listing{Exchange: Exchange{URL: t.url(m, t.Media, s), For: forSegment, Live: m.live()}, rendition: t.rep.ID, init: init,
				key: fmt.Sprint(s.T + s.D), after: after, declared: float64(s.D) / scale, at: at, set: t.set})
		}
	}
	if len(all) == 0 && len(m.Periods) > 0 {
		w.judge.note("no SegmentTemplate: segments were not looked at")
	}
}

// complete returns the segments that are there by now, in full.
func (m *Manifest) complete(t timed) []listed {
	all := t.segments()
	if len(all) == 0 {
		return m.computed(t)
	}
	for m.live() && len(all) > 0 {
		full := t
		whole := *t.Template
		whole.ATO = ""
		full.Template = &whole
		at, err := m.edge(full, all[len(all)-1])
		if err != nil || !at.After(m.At) {
			break
		}
		all = all[:len(all)-1]
	}
	return all
}

// probeDASH asks once for what players and caches do besides playing.
func (w *follower) probeDASH(ctx context.Context, m *Manifest) {
	for _, t := range m.templates() {
		complete := m.complete(t)
		if len(complete) == 0 || t.Media == "" {
			continue
		}
		u := t.url(m, t.Media, complete[len(complete)-1])
		whole := w.send(ctx, Exchange{URL: u, For: "a segment again"}, http.MethodGet)
		if whole == nil || whole.Status != http.StatusOK {
			return
		}
		for _, probe := range []struct {
			x      Exchange
			method string
			header []string
		}{
			{Exchange{URL: missing(u), For: probeMissing}, http.MethodGet, nil},
			{Exchange{URL: u, For: probeHead, Whole: whole.Size}, http.MethodHead, nil},
			{Exchange{URL: u, For: probeRange, Whole: whole.Size}, http.MethodGet, []string{"Range", "bytes=0-9"}},
			{Exchange{URL: m.URL, For: probeIdentity}, http.MethodGet, []string{"Accept-Encoding", "identity"}},
		} {
			if x := w.send(ctx, probe.x, probe.method, probe.header...); x != nil {
				w.judge.exchange(x)
			}
		}
		return
	}
}

// probeFlight asks for a segment that is being made.
func (w *follower) probeFlight(ctx context.Context, m *Manifest) {
	if !m.live() || !m.low() {
		return
	}
	for _, t := range m.templates() {
		all := t.segments()
		if t.period != &m.Periods[len(m.Periods)-1] || len(all) == 0 || len(m.complete(t)) == len(all) {
			continue
		}
		x, err := w.fetchMedia(ctx, Exchange{URL: t.url(m, t.Media, all[len(all)-1]), For: forFlight, Live: true}, "")
		if err != nil && ctx.Err() == nil {
			w.judge.note("%v", err)
		}
		if x != nil {
			w.judge.exchange(x)
		}
		return
	}
}

// rates judges what the MPD declares by what was measured.
func (w *follower) rates(m *Manifest) {
	seen := map[string]bool{}
	for _, t := range m.templates() {
		r := &Rate{URL: m.URL, MPD: true, Live: m.live(), Name: t.rep.ID, Peak: float64(integer(t.rep.Bandwidth, -1)), Average: -1, Codecs: cmp.Or(t.rep.Codecs, t.set.Codecs)}
		if !seen[r.Name] && w.meter.sum(r, r.Name) {
			w.judge.rate(r)
		}
		seen[r.Name] = true
	}
}
