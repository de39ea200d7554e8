package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"headwater.stream/internal/lint"
)

// TestLint: the exit code says how bad it is, the report why.
func TestLint(t *testing.T) {
	const good = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXTINF:2.0,\nseg.ts\n#EXT-X-ENDLIST\n"
	files := map[string]string{
		"/good.m3u8": good, "/should.m3u8": strings.Replace(good, "#EXT-X-PLAYLIST-TYPE:VOD\n", "", 1), "/must.m3u8": strings.Replace(good, "INF:2.0", "INF:4.0", 1),
		"/page": "<html>", "/seg.ts": "media",
	}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.Header().Set("Cache-Control", "max-age=60")
		w.Header().Set("Content-Type", "video/mp2t")
		if strings.HasSuffix(r.URL.Path, ".m3u8") {
			w.Header().Set("Content-Type", "application/vnd.apple.mpegurl")
		}
		text, ok := files[r.URL.Path]
		if !ok {
			w.Header().Set("Cache-Control", "no-store")
			w.WriteHeader(http.StatusNotFound)
		}
		if r.Header.Get("Range") == "bytes=0-9" {
			w.Header().Set("Content-Range", "bytes 0-4/5")
			w.WriteHeader(http.StatusPartialContent)
		}
		_, _ = io.WriteString(w, text)
	}))
	defer server.Close()
	dir := t.TempDir()
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{server.URL + "/good.m3u8", "--insecure"}, exitOK, "Nothing found."},
		{[]string{server.URL + "/should.m3u8", "--insecure"}, exitShould, "SHOULD MP-PTYPE"},
		{[]string{server.URL + "/must.m3u8", "--insecure"}, exitMust, "MUST   MP-EXTINF-MAX"},
		{[]string{server.URL + "/good.m3u8"}, exitFailed, "certificate"},
		{[]string{server.URL + "/page", "--insecure"}, exitFailed, "neither an HLS playlist nor an MPD"},
		{[]string{server.URL + "/none.m3u8", "--insecure"}, exitFailed, "status 404"},
		{[]string{"rtmp://x/live"}, exitUsage, "not an http"},
		{[]string{server.URL, "--for", "2h"}, exitUsage, "--for"},
		{nil, exitUsage, "accepts 1 arg"},
	} {
		var out strings.Builder
		if code := run(t.Context(), append([]string{"lint", "--data-dir", dir}, c.args...), &out, &out); code != c.code || !strings.Contains(out.String(), c.says) {
			t.Errorf("lint %v: exit code %d, want %d\n%s", c.args, code, c.code, &out)
		}
	}
	var out strings.Builder
	var report lint.Report
	if code := run(t.Context(), []string{"lint", "--json", "--insecure", server.URL + "/must.m3u8"}, &out, io.Discard); code != exitMust || json.Unmarshal([]byte(out.String()), &report) != nil || report.Findings[0].Rule != "MP-EXTINF-MAX" {
		t.Errorf("exit code %d\n%s", code, &out)
	}
}
