package node

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"headwater.stream/api"
	"headwater.stream/internal/control"
	"headwater.stream/internal/media"
)

// seconds makes a timestamp in the default timescale.
func filterSeconds(n int64) *api.Int64 {
	v := api.Int64(n * 10_000_000)
	return &v
}

func rangeFilter(asset, name string, r api.PresentationTimeRange) control.FilterSpec {
	return control.FilterSpec{AssetID: asset, Name: name, Properties: api.FilterProperties{PresentationTimeRange: &r}}
}

func filteredLocator(n int) string { return fmt.Sprintf("33333333-0000-0000-0000-%012d", n) }

// filteredView fetches from a published locator.
func (r *faultRig) filteredView(id, name string) (int, string) {
	w := httptest.NewRecorder()
	r.handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/"+id+"/show.ism/"+name, nil))
	return w.Code, w.Body.String()
}

var segmentNumber = regexp.MustCompile(`(?m)^seg-[0-9]+-([0-9]+)\.m4s$`)

// listed returns the first and last segment number that HLS lists, and what DASH lists.
func (r *faultRig) listed(id, mpd string) (hls, dash [2]int) {
	_, body := r.filteredView(id, "v1/media.m3u8")
	if m := segmentNumber.FindAllStringSubmatch(body, -1); len(m) > 0 {
		hls[0], _ = strconv.Atoi(m[0][1])
		hls[1], _ = strconv.Atoi(m[len(m)-1][1])
	}
	_, body = r.filteredView(id, mpd)
	if m := regexp.MustCompile(`startNumber="([0-9]+)"`).FindStringSubmatch(body); m != nil {
		dash[0], _ = strconv.Atoi(m[1])
		n := 0
		first, _, _ := strings.Cut(body, "</SegmentTimeline>")
		for _, s := range regexp.MustCompile(`<S [^>]*>`).FindAllString(first, -1) {
			n++
			if m := regexp.MustCompile(`r="([0-9]+)"`).FindStringSubmatch(s); m != nil {
				k, _ := strconv.Atoi(m[1])
				n += k
			}
		}
		dash[1] = dash[0] + n - 1
	}
	return hls, dash
}

var playlistURI = regexp.MustCompile(`[a-z0-9]+/media[^"\n]*\.m3u8`)

// playlists returns the media playlists that a multivariant playlist names, by what each is called without parameters.
func (r *faultRig) playlists(multivariant string) map[string]string {
	all := map[string]string{}
	for _, uri := range playlistURI.FindAllString(multivariant, -1) {
		all[strings.Split(uri, "/")[0]] = uri
	}
	return all
}

// sameHLS holds what an HLS URL gives, playlist by playlist, to what a locator with those filters gives.
func (r *faultRig) sameHLS(when, url, id string) {
	r.t.Helper()
	status, byURL := r.filteredView(faultLocator, url)
	_, byLocator := r.filteredView(id, "master.m3u8")
	if status != http.StatusOK || len(r.playlists(byURL)) == 0 || len(r.playlists(byURL)) != len(r.playlists(byLocator)) {
		r.t.Errorf("%s, %s: status %d\n%s", when, url, status, byURL)
	}
	file := ""
	for _, uri := range r.playlists(byURL) {
		file = path.Base(uri)
	}
	iframes := media.IFramePrefix + strings.TrimPrefix(file, media.MediaPrefix)
	plain := func(s string) string {
		return strings.ReplaceAll(strings.ReplaceAll(s, file, media.MediaPlaylistName), iframes, media.IFramePlaylistName)
	}
	if plain(byURL) != byLocator || file == media.MediaPlaylistName {
		r.t.Errorf("%s, %s: the multivariant playlist is\n%s, by locator\n%s", when, url, byURL, byLocator)
	}
	for name, uri := range r.playlists(byURL) {
		status, got := r.filteredView(faultLocator, uri)
		_, want := r.filteredView(id, name+"/"+media.MediaPlaylistName)
		if status != http.StatusOK || plain(got) != want {
			r.t.Errorf("%s, %s: status %d\n%s, by locator\n%s", when, uri, status, got, want)
		}
	}
	if strings.Contains(byURL, "/v1/") || strings.Contains(byURL, "\nv1/") {
		status, got := r.filteredView(faultLocator, "v1/"+iframes)
		_, want := r.filteredView(id, "v1/"+media.IFramePlaylistName)
		if status != http.StatusOK || got != want || !strings.Contains(got, "#EXT-X-BYTERANGE:") {
			r.t.Errorf("%s, v1/%s: status %d\n%s, by locator\n%s", when, iframes, status, got, want)
		}
	}
}

// TestFilters watches one recording through filters, live and replayed, by HLS and DASH.
func TestFilters(t *testing.T) {
	faults(t, func(r *faultRig) {
		yes := true
		r.desired.Filters = []control.FilterSpec{
			rangeFilter("", "Late", api.PresentationTimeRange{StartTimestamp: filterSeconds(4)}),
			rangeFilter("a", "late", api.PresentationTimeRange{StartTimestamp: filterSeconds(20)}),
			rangeFilter("a", "back", api.PresentationTimeRange{LiveBackoffDuration: filterSeconds(10)}),
			rangeFilter("a", "end", api.PresentationTimeRange{EndTimestamp: filterSeconds(40)}),
			rangeFilter("a", "forced", api.PresentationTimeRange{EndTimestamp: filterSeconds(40), ForceEndTimestamp: &yes}),
			rangeFilter("a", "window", api.PresentationTimeRange{PresentationWindowDuration: filterSeconds(60)}),
			rangeFilter("a", "short", api.PresentationTimeRange{PresentationWindowDuration: filterSeconds(10)}),
			{AssetID: "a", Name: "video", Properties: api.FilterProperties{Tracks: []api.FilterTrack{{TrackSelections: []api.TrackCondition{{Property: "Type", Operation: "Equal", Value: "Video"}}}}}},
			{AssetID: "a", Name: "none", Properties: api.FilterProperties{Tracks: []api.FilterTrack{{TrackSelections: []api.TrackCondition{{Property: "Type", Operation: "Equal", Value: "Text"}}}}}},
		}
		names := [][]string{{"late"}, {"back"}, {"end"}, {"forced"}, {"late", "back"}, {"video"}, {"none"}, {"short"}, {"window"}}
		for i, list := range names {
			r.desired.Locators = append(r.desired.Locators, control.LocatorSpec{ID: filteredLocator(i), AssetID: "a", HLS: true, DASH: true, Filters: list})
		}
		r.apply()
		s := r.send(publisher{audio: 48000}, 81*time.Second)

		whole, wholeDASH := r.listed(faultLocator, "manifest.mpd")
		if whole[1]-whole[0] < 35 {
			t.Fatalf("segments %v", whole)
		}
		first, last := whole[0], whole[1]
		at := func(seconds int) int { return first + seconds/2 } // segments are two seconds, from media time 0
		check := func(when string, i int, hls, dash [2]int) {
			t.Helper()
			gotHLS, gotDASH := r.listed(filteredLocator(i), "manifest.mpd")
			if gotHLS != hls || gotDASH != dash {
				t.Errorf("%s, %v: HLS %v, DASH %v; want %v, %v (whole %v)", when, names[i], gotHLS, gotDASH, hls, dash, whole)
			}
			if status, byURL := r.filteredView(faultLocator, "manifest(format=mpd-time-cmaf,filter="+strings.Join(names[i], ";")+")"); status == http.StatusOK {
				if _, byLocator := r.filteredView(filteredLocator(i), "manifest.mpd"); byURL != byLocator {
					t.Errorf("%s, %v: the MPD by URL is another than by the locator", when, names[i])
				}
			} else {
				t.Errorf("%s, %v: MPD by URL: status %d", when, names[i], status)
			}
			r.sameHLS(when, "manifest(format=m3u8-cmaf,filter="+strings.Join(names[i], ";")+")", filteredLocator(i))
		}
		open := wholeDASH[1] // the MPD lists the segment being made
		check("live", 0, [2]int{at(20), last}, [2]int{at(20), open})
		check("live", 1, [2]int{first, last - 5}, [2]int{first, last - 5})
		check("live", 2, whole, wholeDASH)
		check("live", 3, [2]int{first, at(40) - 1}, [2]int{first, at(40) - 1})
		check("live", 4, [2]int{at(20), last - 5}, [2]int{at(20), last - 5})
		check("live", 8, [2]int{last - 29, last}, [2]int{last - 29, open})

		_, list := r.filteredView(filteredLocator(1), "v1/media.m3u8")
		if strings.Contains(list, "EXT-X-PART") || strings.Contains(list, "PRELOAD-HINT") {
			t.Errorf("parts behind the live edge:\n%s", list)
		}
		if _, list = r.filteredView(filteredLocator(0), "v1/media.m3u8"); !strings.Contains(list, "#EXT-X-PRELOAD-HINT") {
			t.Errorf("no parts at the live edge:\n%s", list)
		}
		if _, list = r.filteredView(filteredLocator(3), "v1/media.m3u8"); !strings.Contains(list, "#EXT-X-ENDLIST") {
			t.Error("the forced end does not end the playlist")
		}
		// The same object, but not what the locator's filters hide.
		seg := segmentNumber.FindString(list)
		if status, body := r.filteredView(filteredLocator(3), "v1/"+seg); status != http.StatusOK {
			t.Errorf("%s: status %d", seg, status)
		} else if _, same := r.filteredView(faultLocator, "v1/"+seg); same != body {
			t.Errorf("%s is not the same object", seg)
		}
		if status, _ := r.filteredView(filteredLocator(0), "v1/"+seg); status != http.StatusNotFound {
			t.Errorf("what the locator's filter hides: status %d", status)
		}
		if status, body := r.filteredView(filteredLocator(5), "master.m3u8"); status != http.StatusOK || strings.Contains(body, "a1/") || !strings.Contains(body, "v1/") {
			t.Errorf("only video: status %d\n%s", status, body)
		}
		if status, _ := r.filteredView(filteredLocator(5), "a1/media.m3u8"); status != http.StatusNotFound {
			t.Errorf("a hidden track: status %d", status)
		}

		for _, c := range []struct {
			id, name string
			status   int
			code     string
		}{
			{filteredLocator(6), "master.m3u8", http.StatusUnsupportedMediaType, "MPE_FILTER_REMOVED_ALL_STREAMS"},
			{filteredLocator(7), "manifest.mpd", http.StatusUnsupportedMediaType, "MPE_FILTER_PRESENTATION_WINDOW_INVALID"},
			{faultLocator, "manifest(format=mpd-time-cmaf,filter=nix)", http.StatusNotFound, "MPE_EGRESS_FILTER_NOT_FOUND"},
			{faultLocator, "manifest(format=mpd-time-cmaf,filter=a;b;c;d)", http.StatusUnsupportedMediaType, "MPE_FILTER_COMPOSITION_FILTER_COUNT_OVER_LIMIT"},
			{faultLocator, "manifest(format=m3u8-cmaf,filter=a;b;c;d)", http.StatusUnsupportedMediaType, "MPE_FILTER_COMPOSITION_FILTER_COUNT_OVER_LIMIT"},
			{faultLocator, "manifest(format=m3u8-cmaf,filter=nix)", http.StatusNotFound, "MPE_EGRESS_FILTER_NOT_FOUND"},
			{faultLocator, "v1/media(filter=nix).m3u8", http.StatusNotFound, "MPE_EGRESS_FILTER_NOT_FOUND"},
			{faultLocator, "manifest(format=m3u8-cmaf,filter)", http.StatusBadRequest, "MPE_BAD_URL_SYNTAX"},
			{faultLocator, "a1/media(filter=video).m3u8", http.StatusNotFound, "MPE_EGRESS_TRACK_NOT_FOUND"},
			{faultLocator, "manifest(format=m3u8-cmaf,filter=VIDEO)", http.StatusOK, ""},
			{filteredLocator(5), "manifest(format=mpd-time-cmaf,filter=none)", http.StatusUnsupportedMediaType, "MPE_FILTER_REMOVED_ALL_STREAMS"},
			{filteredLocator(5), "manifest(format=m3u8-cmaf,filter=none)", http.StatusUnsupportedMediaType, "MPE_FILTER_REMOVED_ALL_STREAMS"},
		} {
			if status, body := r.filteredView(c.id, c.name); status != c.status || !strings.Contains(body, c.code) {
				t.Errorf("%s/%s: %d %s, want %d %s", c.id, c.name, status, body, c.status, c.code)
			}
		}

		// A filter that is changed counts at once.
		r.desired.Filters[1] = rangeFilter("a", "late", api.PresentationTimeRange{StartTimestamp: filterSeconds(30)})
		r.apply()
		check("changed", 0, [2]int{at(30), last}, [2]int{at(30), open})

		if err := s.Close(); err != nil {
			t.Error(err)
		}
		r.desired.Outputs = nil
		r.apply()
		whole, wholeDASH = r.listed(faultLocator, "manifest.mpd")
		if whole != wholeDASH {
			t.Fatalf("replay: HLS %v, DASH %v", whole, wholeDASH)
		}
		last = whole[1]
		check("replay", 0, [2]int{at(30), last}, [2]int{at(30), last})
		check("replay", 1, whole, whole)
		check("replay", 2, [2]int{first, at(40) - 1}, [2]int{first, at(40) - 1})
		check("replay", 3, [2]int{first, at(40) - 1}, [2]int{first, at(40) - 1})
		check("replay", 8, whole, whole)
	})
}
