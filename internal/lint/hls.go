package lint

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// rendition is a media playlist to follow.
type rendition struct{ url, kind string }

// multivariant judges a multivariant playlist and follows what it names; it returns what the stream is.
func (w *follower) multivariant(ctx context.Context, x *Exchange) string {
	x.For = forMultivariant
	m := parseMultivariant(x.URL, string(x.body))
	w.judge.exchange(x)
	w.judge.multivariant(m)
	var all []rendition
	add := func(url, kind string) {
		if !slices.ContainsFunc(all, func(r rendition) bool { return r.url == url }) {
			all = append(all, rendition{url, kind})
		}
	}
	for _, v := range m.Variants {
		kind := "audio"
		if v.hasVideo() {
			kind = "video"
		}
		add(v.URI, kind)
	}
	for _, a := range m.Media {
		if a.text("URI") != "" && a.text("TYPE") == "AUDIO" {
			add(resolve(m.URL, a.text("URI")), "audio")
		}
	}
	if len(all) > maxRenditions {
		w.judge.note("%d renditions; the first %d were followed", len(all), maxRenditions)
		all = all[:maxRenditions]
	}
	if len(all) == 0 {
		return "HLS without a rendition"
	}
	kind := w.renditions(ctx, all)
	w.tricks(ctx, m)
	w.variants(m, strings.HasSuffix(kind, "live"))
	return kind
}

// variants judges what a multivariant playlist declares by what was measured: of a variant the playlist with the dearest of its
// audio group.
func (w *follower) variants(m *Multivariant, live bool) {
	for _, v := range m.Variants {
		var best *Rate
		sound := []string{""}
		for _, a := range m.Media {
			if a.text("URI") != "" && a.text("TYPE") == "AUDIO" && a.text("GROUP-ID") == v.text("AUDIO") {
				sound = append(sound, resolve(m.URL, a.text("URI")))
			}
		}
		for _, a := range sound {
			r := &Rate{URL: m.URL, Live: live, Name: v.URI, Peak: v.number("BANDWIDTH"), Average: v.number("AVERAGE-BANDWIDTH"), Codecs: v.text("CODECS")}
			if w.meter.sum(r, v.URI) && (a == "" || a == v.URI || w.meter.sum(r, a)) && (best == nil || r.Measured.Peak > best.Measured.Peak) {
				best = r
			}
		}
		if best != nil {
			w.judge.rate(best)
		}
	}
}

// renditions follows media playlists side by side.
func (w *follower) renditions(ctx context.Context, all []rendition) string {
	w.newest = make([]*Playlist, len(all))
	var wg sync.WaitGroup
	for i, r := range all {
		wg.Go(func() { w.follow(ctx, i, r) })
	}
	wg.Wait()
	kind := "HLS recorded"
	for _, p := range w.newest {
		switch {
		case p == nil:
		case p.live() && p.PartTarget > 0:
			kind = "LL-HLS live"
		case p.live() && kind == "HLS recorded":
			kind = "HLS live"
		}
	}
	return kind
}

// following is what is known of one rendition while it is followed.
type following struct {
	*follower
	i       int
	r       rendition
	line    timeline
	fetched int64 // media sequence number of the last segment that was fetched
	removed int   // probes for removed segments
	others  bool
	extra   sync.WaitGroup
	pace    cadence
}

// follow follows one media playlist until it or the run ends.
func (w *follower) follow(ctx context.Context, i int, r rendition) {
	f := &following{follower: w, i: i, r: r, fetched: -1, others: len(w.newest) > 1, line: timeline{inits: map[string]*Init{}}}
	defer f.extra.Wait()
	defer func() {
		f.judge.pace(r.url, &f.pace)
	}()
	p := f.load(ctx, Exchange{URL: r.url, For: forPlaylist, WantPart: -1}, nil)
	if p == nil {
		return
	}
	f.begin(ctx, p)
	for failed := 0; p.live() && failed < 3; {
		next, ok := f.next(ctx, p)
		if !ok {
			return
		}
		if next == nil {
			failed++
			if !f.pause(ctx, time.Duration(max(1, p.Target))*time.Second) {
				return
			}
			continue
		}
		failed = 0
		f.news(ctx, p, next)
		p = next
	}
}

// load gets a playlist and judges it against the one before.
func (f *following) load(ctx context.Context, x Exchange, old *Playlist) *Playlist {
	got := f.send(ctx, x, http.MethodGet)
	if got == nil {
		return nil
	}
	var p *Playlist
	if got.Status == http.StatusOK {
		p = parsePlaylist(got.URL, string(got.body))
		p.URL, p.At, p.Kind, p.Demuxed = x.URL, time.Now(), f.r.kind, f.others
		if x.For != forPlaylist {
			p.URL = f.r.url
		}
		p.NewAt = p.At
		if old != nil && old.last() >= p.last() {
			p.NewAt = old.NewAt
		}
		got.List, got.Live, got.Target = p, p.live(), p.Target
		if x.For == probeNext && x.WantPart >= 0 {
			f.pace.note(got.Took, p.PartTarget)
		}
	}
	f.judge.exchange(got)
	if p == nil {
		return nil
	}
	f.judge.list(old, p)
	f.mu.Lock()
	f.newest[f.i] = p
	all := slices.Clone(f.newest)
	f.mu.Unlock()
	if len(all) > 1 && !slices.Contains(all, nil) {
		f.judge.set(all)
	}
	return p
}

// begin looks at what is there when the rendition is first seen, and probes the server.
func (f *following) begin(ctx context.Context, p *Playlist) {
	n := len(p.Segments)
	picked := []int{0, 1, n / 2, n - 2, n - 1}
	if p.live() {
		picked = []int{0, n - 2, n - 1}
	}
	last := -1
	for _, i := range picked {
		if i > last && i < n {
			f.segment(ctx, p, p.Segments[i])
			last = i
		}
	}
	f.probeHTTP(ctx, p)
	if p.live() && p.Control.text("CAN-BLOCK-RELOAD") == "YES" {
		f.probeBlocking(ctx, p)
	}
}

// segment fetches and judges a segment.
func (f *following) segment(ctx context.Context, p *Playlist, s Segment) {
	if s.Gap || s.URI == "" {
		return
	}
	after := ""
	if !s.Disc {
		after = fmt.Sprint(s.MSN - 1)
	}
	f.fetched = max(f.fetched, s.MSN)
	f.object(ctx, &f.line, listing{Exchange: Exchange{URL: s.URI, For: forSegment, Live: p.live()}, rendition: f.r.url, byteRange: s.ByteRange, init: s.Map,
		key: fmt.Sprint(s.MSN), after: after, declared: s.Duration, at: -1, date: s.PDT, dseq: s.DSeq})
}

// next waits for the next playlist the way a player does; false when the run is over.
func (f *following) next(ctx context.Context, p *Playlist) (*Playlist, bool) {
	if !time.Now().Before(f.until) || ctx.Err() != nil {
		return nil, false
	}
	x := Exchange{URL: f.r.url, For: forPlaylist, WantPart: -1}
	if p.Control.text("CAN-BLOCK-RELOAD") != "YES" {
		wait := time.Duration(max(1, p.Target)) * time.Second
		if p.At.Sub(p.NewAt) > 0 {
			wait /= 2 // 8216bis 6.3.4: half the target duration when nothing was new
		}
		if !f.pause(ctx, wait) {
			return nil, false
		}
		return f.load(ctx, x, p), true
	}
	x.For, x.WantMSN = probeNext, p.last()+1
	x.URL = withQuery(f.r.url, fmt.Sprintf("_HLS_msn=%d", x.WantMSN))
	const long = 2000 // segments: such a playlist is not asked for with every part
	if p.PartTarget > 0 && len(p.Segments) < long {
		x.WantPart = int64(len(p.Open))
		x.URL += fmt.Sprintf("&_HLS_part=%d", x.WantPart)
	}
	next := f.load(ctx, x, p)
	if next != nil && next.last() <= p.last() && len(next.Open) <= len(p.Open) {
		// The server does not hold requests: it must not be asked without end.
		f.pause(ctx, time.Second)
	}
	return next, true
}

// news looks at what has come and what has gone between two playlists.
func (f *following) news(ctx context.Context, old, p *Playlist) {
	if p.MSN > old.MSN && len(old.Segments) > 0 && f.removed < 3 && !old.Segments[0].Gap {
		f.removed++
		if x := f.send(ctx, Exchange{URL: old.Segments[0].URI, For: probeRemoved}, http.MethodGet, "Range", "bytes=0-0"); x != nil {
			f.judge.exchange(x)
		}
	}
	const most = 3 // of the newest: a slow line must not make the follower fall behind
	for i, s := range p.Segments {
		if s.MSN > f.fetched && i >= len(p.Segments)-most {
			f.segment(ctx, p, s)
		}
	}
}

// probeHTTP asks once, of the first rendition, for what players and caches do besides playing.
func (f *following) probeHTTP(ctx context.Context, p *Playlist) {
	if f.i != 0 || len(p.Segments) == 0 {
		return
	}
	s := p.Segments[len(p.Segments)-1]
	whole := f.send(ctx, Exchange{URL: s.URI, For: "a segment again"}, http.MethodGet)
	if whole == nil || whole.Status != http.StatusOK {
		return
	}
	for _, probe := range []struct {
		x      Exchange
		method string
		header []string
	}{
		{Exchange{URL: missing(s.URI), For: probeMissing}, http.MethodGet, nil},
		{Exchange{URL: s.URI, For: probeHead, Whole: whole.Size}, http.MethodHead, nil},
		{Exchange{URL: s.URI, For: probeRange, Whole: whole.Size}, http.MethodGet, []string{"Range", "bytes=0-9"}},
		{Exchange{URL: f.r.url, For: probeIdentity}, http.MethodGet, []string{"Accept-Encoding", "identity"}},
	} {
		if x := f.send(ctx, probe.x, probe.method, probe.header...); x != nil {
			f.judge.exchange(x)
		}
	}
}

// probeBlocking asks for what blocking reload has to refuse or answer at once.
func (f *following) probeBlocking(ctx context.Context, p *Playlist) {
	ask := func(what, param string) {
		x := f.send(ctx, Exchange{URL: withQuery(f.r.url, param), For: what, WantPart: -1, Before: p}, http.MethodGet)
		if x == nil {
			return
		}
		if x.Status == http.StatusOK {
			x.List = parsePlaylist(f.r.url, string(x.body))
		}
		if what != probeSkip || x.List != nil {
			f.judge.exchange(x)
		}
	}
	ask(probePast, fmt.Sprintf("_HLS_msn=%d", max(0, p.MSN-1)))
	if p.PartTarget > 0 {
		ask(probeNoMSN, "_HLS_part=0")
	}
	if p.Control.has("CAN-SKIP-UNTIL") {
		ask(probeSkip, "_HLS_skip=YES")
	}
	// A server that holds this one holds up nothing but itself.
	f.extra.Go(func() {
		ctx, cancel := context.WithDeadline(ctx, f.until.Add(time.Second))
		defer cancel()
		if x := f.send(ctx, Exchange{URL: withQuery(f.r.url, fmt.Sprintf("_HLS_msn=%d", p.last()+100)), For: probeFar}, http.MethodGet); x != nil {
			f.judge.exchange(x)
		}
	})
	if h := hint(p); h != "" {
		f.extra.Go(func() { f.probeHint(ctx, p, h) })
	}
	f.joinParts(ctx, p)
}

// probeHint asks for the hinted part and, at the same time, for the playlist that lists it.
func (f *following) probeHint(ctx context.Context, p *Playlist, h string) {
	began := time.Now()
	var listed *Exchange
	var after time.Duration
	var wg sync.WaitGroup
	wg.Go(func() {
		x := Exchange{URL: withQuery(f.r.url, fmt.Sprintf("_HLS_msn=%d&_HLS_part=%d", p.last()+1, len(p.Open))), For: probeTogether, PartTarget: p.PartTarget}
		listed = f.send(ctx, x, http.MethodGet)
		after = time.Since(began)
	})
	x := f.send(ctx, Exchange{URL: h, For: forHint}, http.MethodGet)
	here := time.Since(began)
	wg.Wait()
	if x == nil {
		return
	}
	f.judge.exchange(x)
	if listed != nil && listed.Status == http.StatusOK && x.Status/100 == 2 {
		listed.After = after - here
		f.judge.exchange(listed)
	}
}

// cadence counts blocking reloads for the next part, and those that were held for longer than it may take to come.
type cadence struct{ total, late int }

// slack is what a network may add.
const slack = 200 * time.Millisecond

func (c *cadence) note(held time.Duration, partTarget float64) {
	c.total++
	if held > time.Duration(partTarget*float64(time.Second))+slack {
		c.late++
	}
}

// joinParts compares the newest complete segment with its parts.
func (f *following) joinParts(ctx context.Context, p *Playlist) {
	for i := len(p.Segments) - 1; i >= 0; i-- {
		s := p.Segments[i]
		if len(s.Parts) == 0 || s.ByteRange != "" {
			continue
		}
		sum := sha256.New()
		x := Exchange{URL: s.URI, For: probeParts}
		for _, part := range s.Parts {
			if part.Gap || part.ByteRange != "" {
				return
			}
			got, err := f.fetchMedia(ctx, Exchange{URL: part.URI, For: forPart, Live: true}, "")
			if err != nil || got == nil {
				return
			}
			f.judge.exchange(got)
			if got.Status/100 != 2 {
				return
			}
			sum.Write(got.body)
			x.Size += got.Size
		}
		whole, err := f.fetchMedia(ctx, Exchange{URL: s.URI, For: forSegment}, "")
		if err != nil || whole == nil || whole.Status/100 != 2 {
			return
		}
		x.Whole, x.Differs = whole.Size, whole.Sum != [sha256.Size]byte(sum.Sum(nil))
		x.Header, x.Status = whole.Header, http.StatusOK
		f.judge.exchange(&x)
		return
	}
}
