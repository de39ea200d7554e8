package node

import (
	"bytes"
	"context"
	"fmt"
	"image/jpeg"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"headwater.stream/api"
)

// TestPictures: poster and storyboard of a recording are there when it has ended, under the rules of all its paths; they are
// made once, with ffmpeg, and go with the recording from then on.
func TestPictures(t *testing.T) {
	const published, cut, away = "22222222-2222-3333-4444-555555555555", "33333333-2222-3333-4444-555555555555", "44444444-2222-3333-4444-555555555555"
	base := "/" + published + "/show.ism/"
	dir := t.TempDir()
	r := start(t, dir)
	defer func() { r.end() }()
	endPublish := r.live(published)
	r.until("four segments", func() bool { return len(r.objects(base)) >= 8 })
	refused := func(path string, status int, why string) {
		t.Helper()
		resp, body, _ := r.ask(path)
		if resp.StatusCode != status || !strings.Contains(body, why) || resp.Header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: %d %s, want %d and %q", path, resp.StatusCode, body, status, why)
		}
	}
	refused(base+"poster.jpg", http.StatusNotFound, "recordings that have ended")
	refused(base+"storyboard.vtt", http.StatusNotFound, "recordings that have ended")
	endPublish()
	if _, err := r.client.DeleteLiveOutput(t.Context(), "ev", "out"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.client.PutFilter(t.Context(), "", "second", &api.Filter{Properties: api.FilterProperties{
		PresentationTimeRange: &api.PresentationTimeRange{StartTimestamp: pointer(api.Int64(10_000_000))}}}); err != nil {
		t.Fatal(err)
	}
	for id, l := range map[string]api.StreamingLocatorProperties{cut: {StreamingPolicyName: "Predefined_ClearStreamingOnly", Filters: []string{"second"}}, away: {StreamingPolicyName: "Predefined_DownloadOnly"}} {
		l.AssetName, l.StreamingLocatorID = "as", id
		if _, err := r.client.CreateStreamingLocator(t.Context(), "l"+id[:8], &api.StreamingLocator{Properties: l}); err != nil {
			t.Fatal(err)
		}
	}
	refused("/"+cut+"/show.ism/poster.jpg", http.StatusNotFound, "filters hide")
	refused("/"+away+"/show.ism/poster.jpg", http.StatusForbidden, "policy")

	// Several at once: one is made.
	answers := make(chan string, 8)
	for range cap(answers) {
		go func() {
			_, body, err := r.ask(base + "poster.jpg")
			answers <- fmt.Sprint(body, err)
		}()
	}
	first := <-answers
	for range cap(answers) - 1 {
		if a := <-answers; a != first {
			t.Errorf("another poster: %.100s, %.100s", a, first)
		}
	}
	resp, poster, _ := r.ask(base + "poster.jpg")
	if c, err := jpeg.DecodeConfig(strings.NewReader(poster)); err != nil || c.Width < 320 || resp.Header.Get("Content-Type") != "image/jpeg" || resp.Header.Get("Cache-Control") != "public, max-age=60" {
		t.Errorf("poster: %d %v %v, %v", resp.StatusCode, resp.Header, c, err)
	}
	if resp, _, _ := r.ask(base+"poster.jpg", "If-None-Match", resp.Header.Get("ETag")); resp.StatusCode != http.StatusNotModified {
		t.Errorf("unchanged: %d", resp.StatusCode)
	}
	resp, text, _ := r.ask(base + "storyboard.vtt")
	if resp.StatusCode != http.StatusOK || !strings.HasPrefix(text, "WEBVTT\n\n00:00:00.000 --> 00:00:0") || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/vtt") {
		t.Fatalf("storyboard: %d %v\n%s", resp.StatusCode, resp.Header, text)
	}
	sheet, _, _ := strings.Cut(strings.Split(text, "\n")[3], "#")
	resp, thumbs, _ := r.ask(base + sheet)
	if _, err := jpeg.Decode(strings.NewReader(thumbs)); err != nil || !strings.Contains(resp.Header.Get("Cache-Control"), "immutable") {
		t.Errorf("sheet %s: %d %v, %v", sheet, resp.StatusCode, resp.Header, err)
	}
	refused(base+"storyboard-00000000.jpg", http.StatusNotFound, "")
	paths, err := r.client.StreamingLocatorPaths(t.Context(), "l"+away[:8])
	if err != nil || paths.ThumbnailPaths != nil {
		t.Errorf("paths of a locator for downloads: %+v, %v", paths, err)
	}
	if paths, err = r.client.StreamingLocatorPaths(t.Context(), "l"+cut[:8]); err != nil || len(paths.ThumbnailPaths) != 2 {
		t.Errorf("paths: %+v, %v", paths, err)
	}

	dirs, err := filepath.Glob(filepath.Join(dir, "assets", "*"))
	if err != nil || len(dirs) != 1 {
		t.Fatal(dirs, err)
	}
	asset := dirs[0]
	report, err := CheckAsset(t.Context(), asset, AssetCheck{})
	if err != nil || len(report.Findings) > 0 {
		t.Errorf("check: %+v, %v", report.Findings, err)
	}
	static := filepath.Join(t.TempDir(), "static")
	if err := ExportStatic(t.Context(), asset, static, AssetExport{}); err != nil {
		t.Error(err)
	}
	for name, want := range map[string]string{"poster.jpg": poster, "storyboard.vtt": text, sheet: thumbs} {
		if b, err := os.ReadFile(filepath.Join(static, name)); err != nil || string(b) != want {
			t.Errorf("static copy: %s: %d bytes, %v", name, len(b), err)
		}
	}

	// What is there needs no ffmpeg.
	again := func(cfg Config) {
		r.end()
		r = startWith(t, dir, cfg)
	}
	again(Config{Storyboard: StoryboardOff})
	if _, body, _ := r.ask(base + "poster.jpg"); body != poster {
		t.Error("after a restart the poster is another")
	}
	// Damage: found, told and set aside, and another is made.
	flip(t, filepath.Join(asset, sheet))
	refused(base+sheet, http.StatusNotFound, "damaged")
	if report, err = CheckAsset(t.Context(), asset, AssetCheck{Repair: true}); err != nil || len(report.Findings) != 1 || report.Damaged {
		t.Errorf("check: %+v, %v", report, err)
	}
	if report, err = CheckAsset(t.Context(), asset, AssetCheck{}); err != nil || len(report.Findings) != 0 {
		t.Errorf("check after the repair: %+v, %v", report, err)
	}
	refused(base+"storyboard.vtt", http.StatusNotFound, "--storyboard off")
	again(Config{})
	if _, body, _ := r.ask(base + "storyboard.vtt"); body != text {
		t.Errorf("made again it is another: %s", body)
	}

	withoutFFmpeg(t, asset, again, func() *running { return r }, refused, base)
}

// withoutFFmpeg asks for the storyboard of a recording that has none where ffmpeg is not there, fails or hangs.
func withoutFFmpeg(t *testing.T, asset string, again func(Config), node func() *running, refused func(string, int, string), base string) {
	t.Helper()
	gone := func() {
		t.Helper()
		if err := os.Remove(filepath.Join(asset, "storyboard.vtt")); err != nil {
			t.Fatal(err)
		}
	}
	script := func(text string) string {
		path := filepath.Join(t.TempDir(), "ffmpeg")
		if err := os.WriteFile(path, []byte("#!/bin/sh\nPATH=/usr/bin:/bin\n"+text), 0o755); err != nil {
			t.Fatal(err)
		}
		return path
	}
	gone()
	// What is left of one that was being made when its server was killed is no damage.
	if err := os.WriteFile(filepath.Join(asset, "storyboard.vtt.tmp"), []byte("WEBVTT"), 0o644); err != nil {
		t.Fatal(err)
	}
	if report, err := CheckAsset(t.Context(), asset, AssetCheck{}); err != nil || len(report.Findings) > 0 {
		t.Errorf("check: %+v, %v", report.Findings, err)
	}
	again(Config{Storyboard: "/nowhere/ffmpeg"})
	refused(base+"poster.jpg", http.StatusNotFound, "found no ffmpeg")
	again(Config{Storyboard: script("echo broken >&2; exit 1")})
	refused(base+"poster.jpg", http.StatusNotFound, "log says why")
	refused(base+"poster.jpg", http.StatusNotFound, "log says why") // at once: it is not tried again
	again(Config{Storyboard: script("yes garbage")})
	if _, body, _ := node().ask(base + "poster.jpg"); !strings.HasPrefix(body, "\xff\xd8\xff") {
		t.Errorf("of garbage nothing but pictures is made, not %.40q", body)
	}
	gone()
	pid := filepath.Join(t.TempDir(), "pid")
	again(Config{Storyboard: script("echo $$ >" + pid + "; sleep 1000")})
	ctx, leave := context.WithCancel(t.Context())
	asked := make(chan error, 1)
	go func() {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, node().ready.Origin+base+"poster.jpg", nil)
		if err == nil {
			_, err = node().http.Do(req)
		}
		asked <- err
	}()
	var n int
	node().until("ffmpeg", func() bool {
		b, _ := os.ReadFile(pid)
		got, _ := fmt.Sscan(string(b), &n)
		return got == 1
	})
	leave()
	if err := <-asked; err == nil {
		t.Error("a poster of nothing")
	}
	began := time.Now()
	again(Config{}) // a restart does not wait for it
	if took := time.Since(began); took > 10*time.Second || syscall.Kill(n, 0) == nil {
		t.Errorf("the restart took %v; ffmpeg lives: %v", took, syscall.Kill(n, 0) == nil)
	}
	if names, err := filepath.Glob(filepath.Join(asset, "*.tmp")); err != nil || len(names) > 0 {
		t.Error(names, err)
	}
}

func pointer[T any](v T) *T { return &v }

// flip damages a file.
func flip(t *testing.T, name string) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	b = bytes.Clone(b)
	b[len(b)/2] ^= 4
	if err := os.WriteFile(name, b, 0o644); err != nil {
		t.Fatal(err)
	}
}
