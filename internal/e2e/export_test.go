package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// exported is how much media TestExport records; HEADWATER_EXPORT says how much.
const exported = 15 * time.Second

// TestExport records two encoders, the second with another picture size and sampling rate, and takes the recording away:
// every frame that was sent is in the replay, in the MP4 file and in the static copy on a plain web server, in HLS and in DASH;
// ffmpeg decodes the file without a word; a download goes on where it was; a clip has its part.
func TestExport(t *testing.T) {
	t.Parallel()
	length := exported
	if s := os.Getenv("HEADWATER_EXPORT"); s != "" {
		var err error
		if length, err = time.ParseDuration(s); err != nil {
			t.Fatal(err)
		}
	}
	begin(t, 4*time.Minute+4*length)
	limit := time.Minute + length
	tmp := t.TempDir()
	files := twoEncoders(t, tmp, length)
	d := StartDaemon(t)
	c := NewChannel(t, d, "away")
	sent := make([][]Packet, len(files))
	for i, file := range files {
		var err error
		if sent[i], err = probe(limit, file); err != nil {
			t.Fatal(err)
		}
		Publish(t, c.Ingest+"/main", file, false).Wait(t, length+30*time.Second)
	}
	d.CLI(t, "locator", "create", "download", "--asset", c.Asset, "--policy", "Predefined_DownloadAndClearStreaming")
	u := find(t, d.CLI(t, "locator", "paths", "download"), d.Origin, "download.mp4")
	if r, err := fetch(u); err != nil || r.Status != http.StatusNotFound {
		t.Errorf("a download while it is live: %d, %v", r.Status, err)
	}
	c.End(t)
	if r, err := fetch(c.Public + "download.mp4"); err != nil || r.Status != http.StatusForbidden {
		t.Errorf("a download that the policy does not allow: %d, %v", r.Status, err)
	}

	file := filepath.Join(tmp, "whole.mp4")
	whole, etag := download(t, limit, u, 0, "")
	if err := os.WriteFile(file, whole, 0o644); err != nil {
		t.Fatal(err)
	}
	d.CLI(t, "asset", "export", c.Asset, "--static", filepath.Join(tmp, "static"))
	want := everyFrame(t, "the origin", limit, c.Public, sent)
	everyFrame(t, "nginx", limit, staticNginx(t, tmp)+"/static/", sent)
	got, err := probe(limit, file)
	if err != nil {
		t.Error(err)
	}
	for kind, stream := range map[string]string{"video": "0:v", "audio": "0:a"} {
		if g, w := hashes(t, limit, file, stream, "copy"), of(want, kind); len(g) != len(w) || slices.ContainsFunc(w, func(p Packet) bool { return !slices.Contains(g, strings.TrimPrefix(p.Hash, "MD5:")) }) {
			t.Errorf("MP4: %d %s frames, the replay has %d, or others", len(g), kind, len(w))
		}
	}
	// The file has the time between the encoders too: it is as long as the time from the first to the last frame.
	list := playlist(t, renditions(t, HLS(c.Public))["video"]).Segments
	last := list[len(list)-1]
	if is, long := duration(t, file), last.Date.Sub(list[0].Date).Seconds()+last.Duration; diff(is, long) > 0.1 {
		t.Errorf("the file lasts %.3f s, the recording %.3f s", is, long)
	}
	before := fromEncoder(got, sent[0])
	sameFrames(t, "MP4, the first encoder", before, sent[0], audioMissing)
	inStep(t, "MP4", before, sent[0])
	// The pictures, decoded over the change of size: those of what was sent.
	decoded := hashes(t, limit, file, "0:v", "rawvideo", "-vf", "scale=160:90")
	second := hashes(t, limit, files[1], "0:v", "rawvideo", "-vf", "scale=160:90")
	if n := len(of(before, "video")); len(decoded) != n+len(second) || !slices.Equal(decoded[n:], second) {
		t.Errorf("decoded: %d pictures of %d and %d; those of the second encoder differ", len(decoded), n, len(second))
	}
	half := len(whole) / 2
	if rest, _ := download(t, limit, u, half, etag); !bytes.Equal(rest, whole[half:]) {
		t.Error("the second half of a download is not that of the file")
	}

	export := filepath.Join(tmp, "export.mp4")
	if err := os.WriteFile(export+".part", whole[:half], 0o644); err != nil {
		t.Fatal(err)
	}
	d.CLI(t, "asset", "export", c.Asset, "--mp4", export)
	if b, err := os.ReadFile(export); err != nil || !bytes.Equal(b, whole) {
		t.Errorf("the exported file is not the download: %d bytes, %d, %v", len(b), len(whole), err)
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

// twoEncoders makes what two encoders send, together of some length: a clip over and over, and one of another size and rate.
func twoEncoders(t *testing.T, dir string, length time.Duration) []string {
	t.Helper()
	half := fmt.Sprint((length / 2).Seconds())
	small := filepath.Join(dir, "small.mp4")
	files := []string{filepath.Join(dir, "first.mp4"), filepath.Join(dir, "second.mp4")}
	for _, args := range [][]string{
		// A whole number of audio frames, as in the other clip.
		{"-t", fmt.Sprint(min(clipSeconds, (length/2).Seconds()+1)), "-i", testClip(t), "-vf", "scale=640:360", "-c:v", "libx264", "-preset", "ultrafast", "-bf", "2",
			"-g", "60", "-keyint_min", "60", "-sc_threshold", "0", "-c:a", "aac", "-ar", "32000", "-frames:a", fmt.Sprint(clipSeconds * 32000 / 1024), small},
		{"-stream_loop", "-1", "-t", half, "-i", testClip(t), "-c", "copy", files[0]},
		{"-stream_loop", "-1", "-t", half, "-i", small, "-c", "copy", files[1]},
	} {
		if _, err := tryRun(time.Minute+length, "ffmpeg", append([]string{"-nostdin", "-v", "error"}, args...)...); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// duration returns how long ffprobe says a file is, in seconds.
func duration(t *testing.T, file string) float64 {
	t.Helper()
	out, err := tryRun(time.Minute, "ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", file)
	if err != nil {
		t.Fatal(err)
	}
	d, err := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// everyFrame checks that a recording of encoders one after the other has every frame of each, once and in order, in HLS and
// in DASH; that playlists and MPD are as long as what was sent. It returns the frames of HLS.
func everyFrame(t *testing.T, what string, limit time.Duration, base string, sent [][]Packet) []Packet {
	t.Helper()
	hls, err := probe(limit, HLS(base))
	if err != nil {
		t.Errorf("%s: HLS: %v", what, err)
	}
	dash, err := probe(limit, DASH(base))
	if err != nil {
		t.Errorf("%s: DASH: %v", what, err)
	}
	dash = asOfFFmpeg(dash)
	periods := assemblePeriods(t, DASH(base))
	if len(periods) != len(sent) {
		t.Fatalf("%s: %d Periods, want %d", what, len(periods), len(sent))
	}
	ofOne := false
	frames, length := 0, 0.0
	for i := range sent {
		// By the MPD with times; ffmpeg's HLS reader has no good ones at a discontinuity.
		sameFrames(t, fmt.Sprintf("%s, Period %d", what, i+1), periods[i], sent[i], audioMissing)
		list := of(sent[i], "video")
		for k, p := range of(hls, "video")[min(frames, len(of(hls, "video"))):] {
			if k < len(list) && p.Hash != list[k].Hash {
				t.Errorf("%s: HLS: video frame %d of encoder %d is another", what, k, i+1)
				break
			}
		}
		frames += len(list)
		length += float64(len(list)) / 30
		if n := len(of(dash, "video")); n > 0 && of(dash, "video")[0].Hash == list[0].Hash { // ffmpeg reads one Period, the longest
			ofOne = true
			sameFrames(t, what+", DASH", dash, sentFor(dash, sent[i]), audioMissing)
		}
	}
	if n := len(of(hls, "video")); n != frames || !ofOne {
		t.Errorf("%s: %d video frames in HLS, want %d; DASH is of one encoder: %v", what, n, frames, ofOne)
	}
	listed := 0
	for _, p := range periods {
		listed += len(of(p, "audio"))
	}
	if n := len(of(hls, "audio")); n != listed {
		t.Errorf("%s: %d audio frames in HLS, %d in DASH", what, n, listed)
	}
	for kind, u := range renditions(t, HLS(base)) {
		slack := 0.05
		if kind == "audio" { // its frames end elsewhere, and some lack at the ends of an encoder
			slack = 0.3
		}
		if p := playlist(t, u); !p.Ended || diff(p.Length().Seconds(), length) > slack {
			t.Errorf("%s: the %s playlist has %v of media, %.3f s were sent; ended: %v", what, kind, p.Length(), length, p.Ended)
		}
	}
	if d := manifest(t, DASH(base)).Length; diff(isoSeconds(t, d), length) > 0.1 {
		t.Errorf("%s: the MPD lasts %s, %.3f s were sent", what, d, length)
	}
	return hls
}

// isoSeconds reads a duration as our MPDs have it.
func isoSeconds(t *testing.T, s string) float64 {
	t.Helper()
	d, err := time.ParseDuration(strings.ToLower(strings.TrimPrefix(s, "PT")))
	if err != nil {
		t.Fatal(err)
	}
	return d.Seconds()
}

// download gets a file from a byte on, if it still has this entity tag, and returns its tag.
func download(t *testing.T, limit time.Duration, u string, from int, etag string) (body []byte, tag string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, u, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := http.StatusOK
	if from > 0 {
		want = http.StatusPartialContent
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", from))
		req.Header.Set("If-Range", etag)
	}
	res, err := (&http.Client{Timeout: limit, Transport: anyCertificate}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err = io.ReadAll(res.Body)
	if err != nil || res.StatusCode != want {
		t.Fatalf("status %d, %v", res.StatusCode, err)
	}
	return body, res.Header.Get("ETag")
}

// hashes returns the MD5 of every frame of a stream as ffmpeg copies or decodes it. Unlike ffprobe it has them also of packets that
// bring other parameters.
func hashes(t *testing.T, limit time.Duration, file, stream, codec string, options ...string) []string {
	t.Helper()
	args := append([]string{"-nostdin", "-v", "quiet", "-i", file, "-map", stream, "-c", codec}, options...)
	out, err := tryRun(limit, "ffmpeg", append(args, "-fps_mode", "passthrough", "-f", "framehash", "-hash", "md5", "-")...)
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
