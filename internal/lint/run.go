package lint

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

// maxRenditions bounds how many media playlists or Representations are followed.
const maxRenditions = 8

// Options says what Run looks at.
type Options struct {
	URL    string
	For    time.Duration // how long a live stream is followed
	Client Doer
}

// follower follows one presentation.
type follower struct {
	*fetcher
	until time.Time

	meter *meter

	mu     sync.Mutex
	newest []*Playlist // by rendition; nil until it was seen
}

// Run looks at the stream and returns what it found. An error means that there was nothing to look at.
func Run(ctx context.Context, o Options) (*Report, error) {
	began := time.Now()
	f := &fetcher{http: o.Client, judge: newJudge()}
	w := &follower{fetcher: f, until: began.Add(o.For), meter: &meter{by: map[string]*reading{}}}
	x, err := f.get(ctx, Exchange{URL: o.URL, For: forPlaylist}, http.MethodGet)
	if err != nil {
		return nil, err
	}
	if x.Status != http.StatusOK {
		return nil, fmt.Errorf("GET %s: status %d: %.200s", o.URL, x.Status, x.body)
	}
	report := &Report{URL: o.URL}
	switch text := string(x.body); {
	case bytes.Contains(x.body[:min(len(x.body), 4096)], []byte("<MPD")):
		report.Kind = w.dash(ctx, x)
	case strings.HasPrefix(strings.TrimPrefix(text, "\ufeff"), "#EXTM3U") && isMultivariant(text):
		report.Kind = w.multivariant(ctx, x)
	case strings.Contains(text, "#EXTM3U") || strings.Contains(text, "#EXTINF"):
		report.Kind = w.renditions(ctx, []rendition{{url: x.URL}})
	default:
		return nil, fmt.Errorf("%s is neither an HLS playlist nor an MPD: it begins with %.40q", o.URL, text)
	}
	report.Watched, report.Requests, report.Bytes = time.Since(began), int(f.requests.Load()), f.bytes.Load()
	f.judge.fill(report)
	return report, ctx.Err()
}

// pause waits, until the run ends at the latest.
func (w *follower) pause(ctx context.Context, d time.Duration) bool {
	d = min(d, time.Until(w.until))
	if d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
			return false
		}
	}
	return time.Now().Before(w.until) && ctx.Err() == nil
}

// send does a request and hands the exchange to the rules; nil when there is none.
func (w *follower) send(ctx context.Context, x Exchange, method string, header ...string) *Exchange {
	got, err := w.get(ctx, x, method, header...)
	if err != nil {
		if ctx.Err() == nil {
			w.judge.note("%v", err)
		}
		return nil
	}
	return got
}

// withQuery adds a parameter to a URL.
func withQuery(u, param string) string {
	if strings.Contains(u, "?") {
		return u + "&" + param
	}
	return u + "?" + param
}

// timeline remembers where the media of a rendition was, to see that it goes on.
type timeline struct {
	inits map[string]*Init
	key   string // of the segment that was last fetched
	end   int64

	dated  bool    // a segment of this range was dated
	dseq   int64   // of the range
	anchor float64 // Unix time of its media time 0, by the first date
}

// listing is a segment as a manifest lists it.
type listing struct {
	Exchange
	rendition  string // whose bit rate it counts for
	byteRange  string
	init       string
	key, after string // its own name, and that of the one that it goes on from
	declared   float64
	at         float64 // of DASH: where it is, in seconds; -1: unknown
	date       time.Time
	dseq       int64
	set        *Set // of DASH
}

// initialize fetches and judges an initialization section, once.
func (w *follower) initialize(ctx context.Context, l *timeline, init string, live bool) {
	if init == "" || l.inits[init] != nil || len(l.inits) >= 100 {
		return
	}
	uri, r, _ := strings.Cut(init, "#")
	x, err := w.fetchMedia(ctx, Exchange{URL: uri, For: forInit, Live: live}, r)
	if err != nil {
		w.judge.note("%v", err)
	}
	if x == nil {
		return
	}
	w.judge.exchange(x)
	if x.Status/100 == 2 {
		o := parseInit(x.URL, x.body)
		w.judge.object(o)
		l.inits[init] = o.Init
	}
}

// object fetches and judges a segment with its initialization section.
func (w *follower) object(ctx context.Context, l *timeline, s listing) {
	w.initialize(ctx, l, s.init, s.Live)
	got, err := w.fetchMedia(ctx, s.Exchange, s.byteRange)
	if err != nil && ctx.Err() == nil {
		w.judge.note("%v", err)
	}
	if got == nil {
		return
	}
	w.judge.exchange(got)
	if got.Status/100 != 2 {
		return
	}
	init := l.inits[s.init]
	w.meter.add(s.rendition, got.Size, s.declared, init)
	if s.init == "" && !isMP4(got.body) {
		w.judge.note("segments that are not fragmented MP4 are fetched, and not taken apart")
		return
	}
	o := parseSegment(got.URL, got.body, init, s.declared)
	if l.key != "" && l.key == s.after {
		o.PrevEnd = l.end
	}
	if s.at >= 0 && o.Init != nil {
		o.ListedStart = int64(s.at * float64(o.Init.Timescale))
	}
	if s.set != nil {
		o.DASH = true
		for _, e := range s.set.Events {
			o.Declares = append(o.Declares, e.Scheme)
		}
		for _, p := range s.set.Producer {
			o.Inband = o.Inband || p.Inband == "true"
		}
	}
	l.date(o, s)
	w.judge.object(o)
	l.key, l.end = "", 0
	if o.Err == "" && o.Fragments > 0 {
		l.key, l.end = s.key, o.End
	}
}

// date tells an object how far its date is from what the first date of its range and its media time say.
func (l *timeline) date(o *Object, s listing) {
	if s.date.IsZero() || o.Init == nil || o.Err != "" || o.Fragments == 0 {
		return
	}
	zero := float64(s.date.UnixMicro())/1e6 - o.seconds(o.Start)
	if !l.dated || l.dseq != s.dseq {
		l.dated, l.dseq, l.anchor = true, s.dseq, zero
	}
	o.Dated, o.DateOff = true, zero-l.anchor
}
