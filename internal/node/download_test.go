package node

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"headwater.stream/api"
)

// ask sends a GET with header fields and returns the answer and what came of its body.
func (r *running) ask(path string, fields ...string) (*http.Response, string, error) {
	r.t.Helper()
	req, err := http.NewRequest(http.MethodGet, r.ready.Origin+path, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	for i := 0; i < len(fields); i += 2 {
		req.Header.Set(fields[i], fields[i+1])
	}
	resp, err := r.http.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp, string(b), err
}

// TestDownload records a moment, damages a segment and downloads: nobody gets the damaged segment, everybody the rest; the
// download that meets the damage ends early, the next does without it, and can be resumed.
func TestDownload(t *testing.T) {
	const published, free = "22222222-2222-3333-4444-555555555555", "33333333-2222-3333-4444-555555555555"
	base, freeBase := "/"+published+"/show.ism/", "/"+free+"/show.ism/"
	dir := t.TempDir()
	r := start(t, dir)
	defer func() { r.end() }()
	endPublish := r.live(published)
	r.until("four segments", func() bool { return len(r.objects(base)) >= 8 })
	_, err := r.client.CreateStreamingLocator(t.Context(), "free", &api.StreamingLocator{Properties: api.StreamingLocatorProperties{
		AssetName: "as", StreamingPolicyName: "Predefined_DownloadAndClearStreaming", StreamingLocatorID: free}})
	if err != nil {
		t.Fatal(err)
	}
	paths, err := r.client.StreamingLocatorPaths(t.Context(), "free")
	if err != nil || !slices.Equal(paths.DownloadPaths, []string{freeBase + "download.mp4"}) {
		t.Errorf("%+v, %v", paths, err)
	}
	if resp, body, _ := r.ask(freeBase + "download.mp4"); resp.StatusCode != http.StatusNotFound || !strings.Contains(body, "still being recorded") {
		t.Errorf("live: %d %s", resp.StatusCode, body)
	}
	if resp, _, _ := r.ask(base + "download.mp4"); resp.StatusCode != http.StatusForbidden {
		t.Errorf("without download: %d", resp.StatusCode)
	}
	if _, err := r.client.DeleteLiveOutput(t.Context(), "ev", "out"); err != nil {
		t.Fatal(err)
	}
	resp, whole, err := r.ask(freeBase + "download.mp4")
	if err != nil || resp.StatusCode != http.StatusOK || !strings.HasPrefix(whole[4:], "ftyp") || resp.Header.Get("Content-Disposition") != "attachment; filename=\"show.mp4\"; filename*=UTF-8''show.mp4" {
		t.Fatalf("%d %v %v", resp.StatusCode, resp.Header, err)
	}
	etag := resp.Header.Get("ETag")
	if resp, part, err := r.ask(freeBase+"download.mp4", "Range", "bytes=1000-", "If-Range", etag); err != nil || resp.StatusCode != http.StatusPartialContent || part != whole[1000:] {
		t.Errorf("resumed: %d, %d bytes, %v", resp.StatusCode, len(part), err)
	}
	if resp, _, _ := r.ask(freeBase+"download.mp4", "If-None-Match", etag); resp.StatusCode != http.StatusNotModified {
		t.Errorf("unchanged: %d", resp.StatusCode)
	}
	if resp, clip, err := r.ask(freeBase + "download.mp4?start=1&end=2"); err != nil || resp.StatusCode != http.StatusOK || len(clip) >= len(whole) || resp.Header.Get("ETag") == etag {
		t.Errorf("clip: %d, %d bytes of %d, %v", resp.StatusCode, len(clip), len(whole), err)
	}

	exports(t, dir, whole)

	// A restart, so that nobody has looked at the segment yet.
	good := r.objects(base)
	endPublish()
	r.end()
	damaged, err := filepath.Glob(filepath.Join(dir, "assets", "*", "v1", "seg-*-1.m4s"))
	if err != nil || len(damaged) != 1 {
		t.Fatal(damaged, err)
	}
	b, err := os.ReadFile(damaged[0])
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)-1] ^= 4
	if err := os.WriteFile(damaged[0], b, 0o644); err != nil {
		t.Fatal(err)
	}
	r = start(t, dir)
	if resp, body, err := r.ask(freeBase + "download.mp4"); err == nil || resp.StatusCode != http.StatusOK || len(body) >= len(whole) {
		t.Errorf("a download that meets the damage: %d, %d bytes of %d, %v", resp.StatusCode, len(body), len(whole), err)
	}
	resp, body, err := r.ask(freeBase + "download.mp4")
	if err != nil || resp.StatusCode != http.StatusOK || len(body) >= len(whole) || resp.Header.Get("ETag") == etag {
		t.Errorf("the next download: %d, %d bytes of %d, %v", resp.StatusCode, len(body), len(whole), err)
	}
	for name, want := range good {
		status, got := r.get(base + name)
		if bad := strings.HasSuffix(damaged[0], "/"+name); bad && status != http.StatusNotFound || !bad && (status != http.StatusOK || got != want) {
			t.Errorf("%s: status %d, %d bytes", name, status, len(got))
		}
	}
}

// exports exports a recording over what exports before have left, which may be anything.
func exports(t *testing.T, dir, whole string) {
	t.Helper()
	assets, err := filepath.Glob(filepath.Join(dir, "assets", "*"))
	if err != nil || len(assets) != 1 {
		t.Fatal(assets, err)
	}
	half := len(whole) / 2
	for what, left := range map[string]string{
		"nothing": "", "the head": whole[:100], "half": whole[:half], "all": whole, "more": whole + "more", "another": strings.Repeat("another", half),
		"half, and zeros behind": whole[:half] + strings.Repeat("\x00", half/2), "a flipped bit": whole[:half-9] + string(whole[half-9]^1) + whole[half-8:half],
	} {
		name := filepath.Join(t.TempDir(), "file.mp4")
		if err := os.WriteFile(name+partSuffix, []byte(left), 0o644); err != nil {
			t.Fatal(err)
		}
		err := ExportMP4(t.Context(), assets[0], name, AssetExport{})
		if got, _ := os.ReadFile(name); err != nil || string(got) != whole {
			t.Errorf("%s was there: %d bytes of %d, %v", what, len(got), len(whole), err)
		}
	}
	var b bytes.Buffer
	if err := WriteMP4(t.Context(), assets[0], &b, AssetExport{}); err != nil || b.String() != whole {
		t.Errorf("written: %d bytes of %d, %v", b.Len(), len(whole), err)
	}
}
