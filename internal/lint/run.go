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

	mu     sync.Mutex
	newest []*Playlist // by rendition; nil until it was seen
}

// Run looks at the stream and returns what it found. An error means that there was nothing to look at.
func Run(ctx context.Context, o Options) (*Report, error) {
	began := time.Now()
	f := &fetcher{http: o.Client, judge: newJudge()}
	w := &follower{fetcher: f, until: began.Add(o.For)}
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
}

// object fetches and judges a segment with its initialization section. next says that it follows the segment under after.
func (w *follower) object(ctx context.Context, l *timeline, x Exchange, byteRange, init, key, after string, declared float64, listedAt float64) *Exchange {
	if init != "" && l.inits[init] == nil && len(l.inits) < 100 {
		uri, r, _ := strings.Cut(init, "#")
		ix, err := w.fetchMedia(ctx, Exchange{URL: uri, For: forInit, Live: x.Live}, r)
		if err != nil {
			w.judge.note("%v", err)
		}
		if ix != nil {
			w.judge.exchange(ix)
			if ix.Status/100 == 2 {
				o := parseInit(ix.URL, ix.body)
				w.judge.object(o)
				l.inits[init] = o.Init
			}
		}
	}
	got, err := w.fetchMedia(ctx, x, byteRange)
	if err != nil && ctx.Err() == nil {
		w.judge.note("%v", err)
	}
	if got == nil {
		return nil
	}
	w.judge.exchange(got)
	if got.Status/100 != 2 {
		return got
	}
	if init == "" && !isMP4(got.body) {
		w.judge.note("segments that are not fragmented MP4 are fetched, and not taken apart")
		return got
	}
	o := parseSegment(got.URL, got.body, l.inits[init], declared)
	if l.key != "" && l.key == after {
		o.PrevEnd = l.end
	}
	if listedAt >= 0 && o.Init != nil {
		o.ListedStart = int64(listedAt * float64(o.Init.Timescale))
	}
	w.judge.object(o)
	l.key, l.end = "", 0
	if o.Err == "" && o.Fragments > 0 {
		l.key, l.end = key, o.End
	}
	return got
}
