package node

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"headwater.stream/api"
	"headwater.stream/ingest"
	"headwater.stream/internal/control"
)

// clip returns the numbers of the segments that HLS and DASH list for a query on a locator's manifests, and the media
// playlist's text.
func (r *faultRig) clip(t *testing.T, id, query string) (hls, dash [2]int, list string) {
	t.Helper()
	status, master := r.filteredView(id, "master.m3u8?"+query)
	if status != http.StatusOK {
		t.Errorf("%s: status %d %s", query, status, master)
		return hls, dash, ""
	}
	uris := r.playlists(master)
	if strings.Contains(uris["v1"], "?") || !strings.Contains(uris["v1"], "(") {
		t.Errorf("%s: the media playlist is %s", query, uris["v1"])
	}
	status, list = r.filteredView(id, uris["v1"])
	if status != http.StatusOK {
		t.Errorf("%s: status %d %s", uris["v1"], status, list)
	}
	if m := segmentNumber.FindAllStringSubmatch(list, -1); len(m) > 0 {
		fmt.Sscan(m[0][1], &hls[0])
		fmt.Sscan(m[len(m)-1][1], &hls[1])
	}
	_, dash = r.listed(id, "manifest(format=mpd-time-cmaf)?"+query)
	return hls, dash, list
}

// TestSpans cuts a recording by start and end in the query, in media time and in time of day, live and replayed.
func TestSpans(t *testing.T) {
	faults(t, func(r *faultRig) {
		tried := false
		s := r.send(publisher{audio: 48000, beforeSend: func(_ ingest.Session, ms float64) {
			if ms < 60_000 || tried {
				return
			}
			tried = true // a span to come
			for _, manifest := range []string{"master.m3u8", "manifest.mpd", "v1/media.m3u8"} {
				if status, body := r.filteredView(faultLocator, manifest+"?start=70&end=76"); status != http.StatusNotFound || code(body) != "MPE_LIVE_MEDIA_ENTRIES_NOT_FOUND" {
					t.Errorf("a span to come, %s: %d %s", manifest, status, body)
				}
			}
		}}, 81*time.Second)
		whole, _ := r.listed(faultLocator, "manifest.mpd")
		first, last := whole[0], whole[1]
		at := func(seconds int) int { return first + seconds/2 } // segments are two seconds, from media time 0
		anchor := r.rt.events["e"].tl.View().Anchor
		day := func(seconds int, layout string) string {
			return anchor.Add(time.Duration(seconds) * time.Second).UTC().Format(layout)
		}
		check := func(when, query string, from, to int, ends bool) string {
			t.Helper()
			hls, dash, list := r.clip(t, faultLocator, query)
			if hls != [2]int{from, to} || ends && dash != hls || dash[0] != from || strings.Contains(list, "#EXT-X-ENDLIST") != ends {
				t.Errorf("%s, %s: HLS %v, DASH %v, want %d to %d, ended %v\n%s", when, query, hls, dash, from, to, ends, list)
			}
			return list
		}
		both := func(when string, end int, ended bool) {
			t.Helper()
			check(when, "start=21&end=40", at(20), at(40)-1, true) // all that was asked for, in whole segments
			check(when, "start=20&end=41", at(20), at(41), true)
			check(when, "start=20.5&end=20.75", at(20), at(20), true)
			check(when, "start="+day(20, time.RFC3339)+"&end="+day(40, time.RFC3339Nano), at(20), at(40)-1, true)
			check(when, "start="+day(20, "20060102T150405Z")+"&end=40", at(20), at(40)-1, true)
			check(when, "start=20&_x=1", at(20), end, ended)
			check(when, "start=70&end=76", at(70), at(76)-1, true) // was to come when it was asked for first
			check(when, "end=10", first, at(10)-1, true)
			check(when, "start="+anchor.Add(-time.Hour).UTC().Format(time.RFC3339)+"&end=10", first, at(10)-1, true)
			check(when, "start=20&end=100000", at(20), end, ended)
			for query, want := range map[string]string{
				"start=10&end=10": "400 MPE_BAD_URL_SYNTAX", "start=soon": "400 MPE_BAD_URL_SYNTAX", "end=0": "400 MPE_BAD_URL_SYNTAX",
				"start=70&end=" + day(60, time.RFC3339):                    "415 MPE_FILTER_RANGE_ATTRIBUTE_INVALID",
				"end=" + anchor.Add(-time.Hour).UTC().Format(time.RFC3339): "404 MPE_EGRESS_TIMESTAMP_NOT_FOUND",
			} {
				for _, manifest := range []string{"master.m3u8", "manifest.mpd", "manifest(format=m3u8-cmaf)", "v1/media.m3u8"} {
					status, body := r.filteredView(faultLocator, manifest+"?"+query)
					if got := fmt.Sprintf("%d %s", status, code(body)); got != want {
						t.Errorf("%s, %s?%s: %s, want %s", when, manifest, query, got, want)
					}
				}
			}
		}
		both("live", last, false)
		if list := check("live", "start=20", at(20), last, false); !strings.Contains(list, "#EXT-X-PRELOAD-HINT") || !strings.Contains(list, `URI="../a1/media(start=20).m3u8"`) {
			t.Errorf("no low latency:\n%s", list)
		}
		// With a filter of the URL too.
		r.desired.Filters = []control.FilterSpec{rangeFilter("a", "late", api.PresentationTimeRange{StartTimestamp: filterSeconds(30)})}
		r.apply()
		_, master := r.filteredView(faultLocator, "manifest(format=m3u8-cmaf,filter=LATE)?end=40")
		uri := r.playlists(master)["v1"]
		_, list := r.filteredView(faultLocator, uri)
		if uri != "v1/media(filter=late,end=40).m3u8" || !strings.Contains(list, fmt.Sprintf("#EXT-X-MEDIA-SEQUENCE:%d\n", at(30))) || !strings.Contains(list, "#EXT-X-ENDLIST") {
			t.Errorf("%s:\n%s", uri, list)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		r.desired.Outputs = nil
		r.apply()
		whole, _ = r.listed(faultLocator, "manifest.mpd")
		both("replay", whole[1], true)
		if status, body := r.filteredView(faultLocator, "master.m3u8?start=1000"); status != http.StatusNotFound || code(body) != "MPE_EGRESS_TIMESTAMP_NOT_FOUND" {
			t.Errorf("after the end: %d %s", status, body)
		}
		// Viewers cannot make it remember more than so many.
		for i := range 3 * maxSpans {
			if status, _ := r.filteredView(faultLocator, fmt.Sprintf("master.m3u8?start=%d", i+1)); status != http.StatusOK {
				t.Fatalf("start=%d: status %d", i+1, status)
			}
		}
		n := 0
		for _, c := range *r.rt.byAsset["a"].shown.Load().byKey.Load() {
			if c.spans() {
				n++
			}
		}
		if n != maxSpans {
			t.Errorf("%d channels are kept", n)
		}
		// Nor of many presentations more than so many in all: those asked for least lately go, whosever they are.
		const most = 10
		r.rt.filtered.most = most
		shownOnes := []*shown{r.rt.byAsset["a"].shown.Load(), r.rt.events["e"].shown}
		for i := range 2 * most {
			base := []string{"/" + faultLocator + "/show.ism/", "/" + faultPreview + "/preview.ism/"}[i%2]
			w := httptest.NewRecorder()
			r.handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, fmt.Sprintf("%smaster.m3u8?start=%d", base, 40+i), nil))
			if w.Code != http.StatusOK {
				t.Errorf("start=%d: status %d %s", 40+i, w.Code, w.Body)
			}
		}
		n = 0
		for i, s := range shownOnes {
			for key, c := range *s.byKey.Load() {
				if n++; c.used.Load() <= r.rt.filtered.clock.Load()-2*most { // each request counts twice when the channel is new
					t.Errorf("channel %q of %d is kept", key, i)
				}
			}
		}
		if n > most || n < most/2 {
			t.Errorf("%d channels are kept in all, want %d at most", n, most)
		}
	})
}

var codeOf = regexp.MustCompile(`"code":"([A-Z_]+)"`)

// code returns the code in an error's body.
func code(body string) string {
	if m := codeOf.FindStringSubmatch(body); m != nil {
		return m[1]
	}
	return ""
}

// TestWindowFilters: what a live presentation's own window makes of filters and spans.
func TestWindowFilters(t *testing.T) {
	faults(t, func(r *faultRig) {
		yes := true
		id := filteredLocator(9)
		r.desired.Assets = append(r.desired.Assets, control.AssetSpec{ID: id, Name: "w", Container: "window", ManifestName: "show"})
		r.desired.Outputs = append(r.desired.Outputs, control.OutputSpec{ID: id, Name: "w", EventID: "e", AssetID: id, ManifestName: "show", ArchiveWindow: time.Minute})
		r.desired.Locators = append(r.desired.Locators, control.LocatorSpec{ID: id, AssetID: id, HLS: true, DASH: true})
		r.desired.Filters = []control.FilterSpec{
			rangeFilter("", "forced", api.PresentationTimeRange{StartTimestamp: filterSeconds(4), EndTimestamp: filterSeconds(20), ForceEndTimestamp: &yes}),
			rangeFilter("", "plain", api.PresentationTimeRange{StartTimestamp: filterSeconds(4), EndTimestamp: filterSeconds(20)}),
			rangeFilter("", "back", api.PresentationTimeRange{LiveBackoffDuration: filterSeconds(60)}),
			rangeFilter("", "window", api.PresentationTimeRange{PresentationWindowDuration: filterSeconds(60)}),
			rangeFilter("", "short", api.PresentationTimeRange{EndTimestamp: filterSeconds(3)}),
		}
		// Of another event, whose segments are too long for a window of a minute.
		r.desired.Events = append(r.desired.Events, control.EventSpec{ID: "slow", Name: "slow", Token: "slow", PreviewID: filteredLocator(1), Running: true, SegmentTarget: 20 * time.Second})
		r.apply()
		expect := func(when string, want map[string]string) {
			t.Helper()
			for name, want := range want {
				for _, url := range []string{"manifest(format=m3u8-cmaf,%s)", "manifest(format=mpd-time-cmaf,%s)", "v1/media(%s).m3u8", "a1/media(%s).m3u8"} {
					url = fmt.Sprintf(url, name)
					status, body := r.filteredView(id, url)
					if got := strings.TrimSpace(fmt.Sprintf("%d %s", status, code(body))); got != want {
						t.Errorf("%s, %s: %s, want %s", when, url, got, want)
					}
				}
			}
		}
		const gone, over, ranges = "410 MPE_FILTER_FORCE_END_LEFT_EDGE_CROSSED_DVR_WINDOW", "415 MPE_FILTER_LIVE_BACKOFF_OVER_DVRWINDOW", "415 MPE_FILTER_RANGE_ATTRIBUTE_INVALID"
		s := r.send(publisher{audio: 48000}, 41*time.Second)
		expect("in the window", map[string]string{"filter=forced": "200", "filter=plain": "200", "start=4,end=20": "200", "filter=back": over, "filter=forced;short": ranges,
			"filter=window": "200", "filter=window;back": "415 MPE_FILTER_LIVE_BACKOFF_OVER_PRESENTATION_WINDOW"})
		r.feed(s, &publisher{audio: 48000, start: 41_000}, 35*time.Second) // the window begins at about 16 s
		expect("partly left", map[string]string{"filter=forced": gone, "end=40": gone, "end=1000": "200", "filter=plain": "200", "start=4,end=20": gone, "start=4": "200", "start=4,end=1000": "200", "start=40,end=50": "200"})
		r.feed(s, &publisher{audio: 48000, start: 76_000}, 20*time.Second)
		expect("left", map[string]string{"filter=forced": gone, "filter=plain": "200", "start=4,end=20": gone, "end=20": gone, "start=4": "200"})
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		r.desired.Outputs = nil
		r.apply()
		// A recording keeps what it has.
		expect("replay", map[string]string{"filter=forced": "415 MPE_FILTER_REMOVED_ALL_STREAMS", "filter=back": "200", "start=4,end=20": "404 MPE_EGRESS_TIMESTAMP_NOT_FOUND", "start=4": "200"})

		session, err := r.rt.Admit(t.Context(), ingest.Request{Remote: netip.MustParseAddrPort("192.0.2.2:1000"), App: "live/slow", Stream: "key", Kick: func(*ingest.Refusal) {}})
		if err != nil {
			t.Fatal(err)
		}
		r.feed(session, &publisher{gop: 600}, 41*time.Second)
		w := httptest.NewRecorder()
		r.handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/"+filteredLocator(1)+"/preview.ism/manifest(format=m3u8-cmaf,filter=window)", nil))
		if w.Code != http.StatusUnsupportedMediaType || code(w.Body.String()) != "MPE_HLS_SEGMENT_TOO_LARGE" {
			t.Errorf("long segments: %d %s", w.Code, w.Body)
		}
		w = httptest.NewRecorder()
		r.handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/"+filteredLocator(1)+"/preview.ism/manifest(format=mpd-time-cmaf,filter=window)", nil))
		if w.Code != http.StatusOK {
			t.Errorf("long segments in DASH: %d %s", w.Code, w.Body)
		}
		if err := session.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestFilteredReload: blocking reloads, delta updates and rendition reports work on a playlist whose filter is in its URL,
// and what holds back the live edge has none of it.
func TestFilteredReload(t *testing.T) {
	faults(t, func(r *faultRig) {
		r.desired.Filters = []control.FilterSpec{
			rangeFilter("a", "late", api.PresentationTimeRange{StartTimestamp: filterSeconds(4)}),
			rangeFilter("a", "back", api.PresentationTimeRange{LiveBackoffDuration: filterSeconds(10)}),
		}
		r.apply()
		s := r.send(publisher{audio: 48000}, 41*time.Second)
		const name = "v1/media(filter=late).m3u8"
		_, list := r.filteredView(faultLocator, name)
		_, plain := r.filteredView(faultLocator, "v1/media.m3u8")
		hint := regexp.MustCompile(`PRELOAD-HINT:TYPE=PART,URI="part-[0-9]+-([0-9]+)-([0-9]+)\.m4s"`)
		next := hint.FindStringSubmatch(list)
		if next == nil || next[0] != hint.FindString(plain) {
			t.Fatalf("the hint is %v", next)
		}
		delta := func(name, directives string) string {
			_, body := r.filteredView(faultLocator, name+"?"+directives)
			return body
		}
		if got := delta(name, "_HLS_skip=YES"); !strings.Contains(got, "#EXT-X-SKIP:SKIPPED-SEGMENTS=") {
			t.Errorf("no delta update:\n%s", got)
		}
		reports := regexp.MustCompile(`RENDITION-REPORT:URI="\.\./([^"]+)",LAST-MSN=([0-9]+),LAST-PART=([0-9]+)`).FindAllStringSubmatch(list, -1)
		if len(reports) != 1 || reports[0][1] != "a1/media(filter=late).m3u8" {
			t.Errorf("reports: %v", reports)
		} else if body := delta(reports[0][1], "_HLS_msn="+reports[0][2]+"&_HLS_part="+reports[0][3]); !strings.Contains(body, "part-") {
			t.Errorf("what is reported is not there:\n%s", body)
		}
		query := "?_HLS_msn=" + next[1] + "&_HLS_part=" + next[2]
		held := make(chan string, 1)
		go func() {
			_, body := r.filteredView(faultLocator, name+query)
			held <- body
		}()
		r.wait(50 * time.Millisecond)
		select {
		case body := <-held:
			t.Errorf("not held back:\n%s", body)
		default:
		}
		r.feed(s, &publisher{audio: 48000, start: 41_000}, time.Second)
		if body := <-held; !strings.Contains(body, fmt.Sprintf("-%s-%s.m4s", next[1], next[2])) {
			t.Errorf("answered without the part:\n%s", body)
		}
		_, list = r.filteredView(faultLocator, "v1/media(filter=back).m3u8")
		for _, tag := range []string{"PRELOAD-HINT", "EXT-X-PART", "PART-HOLD-BACK"} {
			if strings.Contains(list, tag) {
				t.Errorf("%s behind the live edge:\n%s", tag, list)
			}
		}
		if !strings.Contains(list, "CAN-BLOCK-RELOAD=YES") || !strings.Contains(list, `URI="../a1/media(filter=back).m3u8"`) {
			t.Errorf("behind the live edge:\n%s", list)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}
