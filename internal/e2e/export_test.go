package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestExport records two encoders, the second with another picture size and sampling rate, and takes the recording away:
// ffprobe reads the same frames from the MP4 file and from the static copy as from the replay; ffmpeg decodes the file without a
// word; a download goes on where it was; a clip has its part.
func TestExport(t *testing.T) {
	t.Parallel()
	begin(t, 4*time.Minute)
	tmp := t.TempDir()
	other := filepath.Join(tmp, "other.flv")
	if _, err := tryRun(time.Minute, "ffmpeg", "-nostdin", "-v", "error", "-t", "8", "-i", testClip(t), "-vf", "scale=640:360", "-c:v", "libx264", "-preset", "ultrafast", "-bf", "2",
		"-g", "60", "-keyint_min", "60", "-sc_threshold", "0", "-c:a", "aac", "-ar", "44100", other); err != nil {
		t.Fatal(err)
	}
	d := StartDaemon(t)
	c := NewChannel(t, d, "away")
	Publish(t, c.Ingest+"/main", testClip(t), false, "-t", "7").Wait(t, 40*time.Second)
	Publish(t, c.Ingest+"/main", other, false).Wait(t, 40*time.Second)
	d.CLI(t, "locator", "create", "download", "--asset", c.Asset, "--policy", "Predefined_DownloadAndClearStreaming")
	u := find(t, d.CLI(t, "locator", "paths", "download"), d.Origin, "download.mp4")
	if r, err := fetch(u); err != nil || r.Status != http.StatusNotFound {
		t.Errorf("a download while it is live: %d, %v", r.Status, err)
	}
	c.End(t)
	want, err := probe(time.Minute, HLS(c.Public))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(of(want, "video")); n < 14*25 {
		t.Fatalf("only %d video frames", n)
	}
	if r, err := fetch(c.Public + "download.mp4"); err != nil || r.Status != http.StatusForbidden {
		t.Errorf("a download that the policy does not allow: %d, %v", r.Status, err)
	}

	whole := get(t, u)
	file := filepath.Join(tmp, "whole.mp4")
	if err := os.WriteFile(file, whole.Body, 0o644); err != nil {
		t.Fatal(err)
	}
	got, err := probe(time.Minute, file)
	if err != nil {
		t.Error(err)
	}
	for kind, stream := range map[string]string{"video": "0:v", "audio": "0:a"} {
		if g, w := hashes(t, file, stream, "copy"), of(want, kind); len(g) != len(w) || slices.ContainsFunc(w, func(p Packet) bool { return !slices.Contains(g, strings.TrimPrefix(p.Hash, "MD5:")) }) {
			t.Errorf("MP4: %d %s frames, the replay has %d, or others", len(g), kind, len(w))
		}
	}
	sent, err := probe(time.Minute, testClip(t))
	if err != nil {
		t.Fatal(err)
	}
	before := fromEncoder(got, sent)
	sameFrames(t, "MP4, the first encoder", before, fromEncoder(sent, before), audioMissing)
	inStep(t, "MP4", before, sent)
	// The pictures, decoded over the change of size: those of what was sent.
	decoded := hashes(t, file, "0:v", "rawvideo", "-vf", "scale=160:90")
	second := hashes(t, other, "0:v", "rawvideo", "-vf", "scale=160:90")
	if n := len(of(before, "video")); len(decoded) != n+len(second) || !slices.Equal(decoded[n:], second) {
		t.Errorf("decoded: %d pictures of %d and %d; those of the second encoder differ", len(decoded), n, len(second))
	}
	half := len(whole.Body) / 2
	if rest := ranged(t, u, half, whole.Header.Get("ETag")); !bytes.Equal(rest, whole.Body[half:]) {
		t.Error("the second half of a download is not that of the file")
	}

	export := filepath.Join(tmp, "export.mp4")
	if err := os.WriteFile(export+".part", whole.Body[:half], 0o644); err != nil {
		t.Fatal(err)
	}
	d.CLI(t, "asset", "export", c.Asset, "--mp4", export)
	if b, err := os.ReadFile(export); err != nil || !bytes.Equal(b, whole.Body) {
		t.Errorf("the exported file is not the download: %d bytes, %d, %v", len(b), len(whole.Body), err)
	}
	d.CLI(t, "asset", "export", c.Asset, "--static", filepath.Join(tmp, "static"))
	origin := plainOrigin(t, tmp)
	static, err := probe(time.Minute, origin.URL+"/static/master.m3u8")
	if err != nil {
		t.Error(err)
	}
	for _, kind := range []string{"video", "audio"} { // ffmpeg's HLS reader has no good times at a discontinuity
		if g, w := of(static, kind), of(want, kind); len(g) != len(w) || firstDifference(g, w) != firstDifference(w, w) {
			t.Errorf("static copy: %d %s frames, want %d: %s", len(g), kind, len(w), firstDifference(g, w))
		}
	}

	d.CLI(t, "asset", "clip", c.Asset, "part", "--from", "2s", "--to", "4s")
	d.CLI(t, "locator", "create", "part", "--asset", "part", "--policy", "Predefined_DownloadAndClearStreaming")
	part, err := probe(time.Minute, find(t, d.CLI(t, "locator", "paths", "part"), d.Origin, "download.mp4"))
	if err != nil {
		t.Error(err)
	}
	first := of(part, "video")[0].Hash
	for i, p := range want {
		if p.Hash == first {
			if i == 0 {
				t.Error("the clip begins at the beginning")
			}
			clip := of(want[i:], "video")[:len(of(part, "video"))]
			sameFrames(t, "clip", of(part, "video"), clip, 0)
			break
		}
	}
	if out := d.CLI(t, "asset", "check", filepath.Base(c.Files(t))); !strings.Contains(out, "0 problems") {
		t.Error(out)
	}
}

// ranged resumes a download.
func ranged(t *testing.T, u string, from int, etag string) []byte {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, u, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Range", fmt.Sprintf("bytes=%d-", from))
	req.Header.Set("If-Range", etag)
	res, err := (&http.Client{Timeout: 20 * time.Second, Transport: anyCertificate}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusPartialContent {
		t.Fatalf("status %d, %v", res.StatusCode, err)
	}
	return b
}

// hashes returns the MD5 of every frame of a stream as ffmpeg copies or decodes it. Unlike ffprobe it has them also of packets that
// bring other parameters.
func hashes(t *testing.T, file, stream, codec string, options ...string) []string {
	t.Helper()
	args := append([]string{"-nostdin", "-v", "quiet", "-i", file, "-map", stream, "-c", codec}, options...)
	out, err := tryRun(time.Minute, "ffmpeg", append(args, "-fps_mode", "passthrough", "-f", "framehash", "-hash", "md5", "-")...)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for line := range strings.Lines(string(out)) {
		if f := strings.Split(strings.TrimSpace(line), ","); !strings.HasPrefix(line, "#") {
			list = append(list, strings.TrimSpace(f[5])) // side data follows
		}
	}
	return list
}

// fromEncoder returns the packets that are also among others.
func fromEncoder(packets, others []Packet) (list []Packet) {
	known := map[string]bool{}
	for _, p := range others {
		known[p.Hash] = true
	}
	for _, p := range packets {
		if known[p.Hash] {
			list = append(list, p)
		}
	}
	return list
}

// inStep checks that sound and picture are as far apart as in want.
func inStep(t *testing.T, what string, got, want []Packet) {
	t.Helper()
	same := fromEncoder(want, got)
	apart := func(p []Packet) float64 { return of(p, "audio")[0].PTS - of(p, "video")[0].PTS }
	if want = same; diff(apart(got), apart(want)) > 0.001 {
		t.Errorf("%s: the sound begins %.4f s after the picture, want %.4f", what, apart(got), apart(want))
	}
}
