package ingest

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"headwater.stream/internal/media"
)

// clip makes a short clip with B-frames and AAC once per test run, without -re: encoding costs most.
func clip(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "clip.flv")
	out, ok := ffmpeg(t, "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=30", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000",
		"-t", "4", "-c:v", "libx264", "-preset", "veryfast", "-bf", "3", "-g", "30", "-pix_fmt", "yuv420p", "-c:a", "aac", "-f", "flv", path)
	if !ok {
		t.Fatal(out)
	}
	return path
}

type packetInfo struct {
	kind     media.Kind
	dts, pts int64 // ms
	size     int
}

// probe lists the packets of a file.
func probe(t testing.TB, path string) []packetInfo {
	t.Helper()
	out, err := exec.Command("ffprobe", "-v", "error", "-show_entries", "packet=codec_type,dts,pts,size", "-of", "json", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	var v struct {
		Packets []struct {
			Type     string `json:"codec_type"`
			DTS, PTS int64
			Size     string
		}
	}
	if err := json.Unmarshal(out, &v); err != nil {
		t.Fatal(err)
	}
	var list []packetInfo
	for _, p := range v.Packets {
		k := media.Audio
		if p.Type == "video" {
			k = media.Video
		}
		n, _ := strconv.Atoi(p.Size)
		list = append(list, packetInfo{k, p.DTS, p.PTS, n})
	}
	return list
}

// checkClip compares what a session got with the packets of the file, shifted by a constant.
func checkClip(t *testing.T, s *memSession, packets []packetInfo) {
	t.Helper()
	tr := s.tracks()
	if len(tr) != 2 || tr[0].Kind != media.Video || tr[1].Kind != media.Audio {
		t.Fatalf("tracks %+v", tr)
	}
	v, a := tr[0], tr[1]
	if v.Width != 320 || v.Height != 180 || v.FrameRate.Float() != 30 || v.Timescale != media.VideoTimescale ||
		!strings.HasPrefix(v.Codec, "avc1.64") || len(v.Config) == 0 || v.Language != "und" {
		t.Errorf("video track %+v", v)
	}
	if a.SampleRate != 48000 || a.Timescale != 48000 || a.Channels != 1 || a.FrameSamples != 1024 || a.Codec != "mp4a.40.2" {
		t.Errorf("audio track %+v", a)
	}
	if n := len(s.setups); n != 1 {
		t.Errorf("SetTracks called %d times", n)
	}
	for _, tr := range tr {
		got := s.of(tr.Kind)
		var want []packetInfo
		for _, p := range packets {
			if p.kind == tr.Kind {
				want = append(want, p)
			}
		}
		if len(got) != len(want) {
			t.Errorf("%d %v samples arrived, %d were sent", len(got), tr.Kind, len(want))
			continue
		}
		offsets := 0
		scale := int64(tr.Timescale)
		for i, g := range got {
			if tr.Kind == media.Video {
				if d := g.DTS - got[0].DTS; d != (want[i].dts-want[0].dts)*scale/1000 {
					t.Fatalf("frame %d has DTS %d", i, g.DTS)
				}
			}
			if i > 0 && g.DTS <= got[i-1].DTS {
				t.Fatalf("%v sample %d steps back", tr.Kind, i)
			}
			if int64(g.Offset) != (want[i].pts-want[i].dts)*scale/1000 {
				t.Fatalf("%v sample %d has offset %d, want %d ms", tr.Kind, i, g.Offset, want[i].pts-want[i].dts)
			}
			if g.Offset != 0 {
				offsets++
			}
			if len(g.Data) != want[i].size {
				t.Fatalf("%v sample %d has %d bytes, want %d", tr.Kind, i, len(g.Data), want[i].size)
			}
		}
		if tr.Kind == media.Video && offsets == 0 {
			t.Error("no composition offsets: the clip has no B-frames")
		}
	}
}

func TestFFmpegPublishes(t *testing.T) {
	path := clip(t)
	packets := probe(t, path)
	for _, c := range []struct {
		name string
		args []string
		from int64 // lowest DTS to expect, ms
	}{
		{name: "plain"},
		{name: "app and playpath as options", args: []string{"-rtmp_app", "live/0123456789abcdef0123456789abcdef/", "-rtmp_playpath", "cam?videodatarate=512"}},
		{name: "extended timestamps", args: []string{"-output_ts_offset", "20000"}, from: 20000_000},
		{name: "crossing 2^24", args: []string{"-output_ts_offset", "16775"}, from: 16775_000},
		{name: "crossing 2^31", args: []string{"-output_ts_offset", "2147481"}, from: 2147481_000},
	} {
		t.Run(c.name, func(t *testing.T) {
			gate := &memGate{keep: true}
			s := startServer(t, gate, Limits{})
			args := append([]string{"-i", path, "-c", "copy"}, c.args...)
			out, ok := ffmpeg(t, append(args, "-f", "flv", "rtmp://"+s.addr+"/live/0123456789abcdef0123456789abcdef/cam?videodatarate=512")...)
			if !ok {
				t.Fatal(out)
			}
			session := gate.session(t, 0)
			eventually(t, "the end of the publish", func() bool { return session.closed() == 1 })
			checkClip(t, session, packets)
			r := session.request
			if r.App != "live/0123456789abcdef0123456789abcdef" || r.Stream != "cam" || r.Query != "videodatarate=512" ||
				!r.Remote.Addr().IsLoopback() || r.Encoder == "" {
				t.Errorf("request %+v", r)
			}
			if d := session.of(media.Video)[0].DTS / (media.VideoTimescale / 1000); d < c.from-100 || d > c.from+100 {
				t.Errorf("first DTS %d ms", d)
			}
			s.stop()
			if strings.Contains(s.logs.String(), "0123456789abcdef") {
				t.Errorf("the key is in the log:\n%s", s.logs)
			}
			if session.closed() != 1 {
				t.Errorf("closed %d times", session.closed())
			}
		})
	}
}

func TestFFmpegIsToldWhy(t *testing.T) {
	path := clip(t)
	gate := &memGate{refuse: func(Request) error {
		return &Refusal{CodeBadName, "No live event has this access token."}
	}}
	s := startServer(t, gate, Limits{})
	out, ok := ffmpeg(t, "-i", path, "-c", "copy", "-f", "flv", "rtmp://"+s.addr+"/live/wrong/cam")
	if ok || !strings.Contains(out, "No live event has this access token.") {
		t.Errorf("ffmpeg said: %s", out)
	}
	s = startServer(t, new(memGate), Limits{})
	out, ok = ffmpeg(t, "-re", "-f", "lavfi", "-i", "sine", "-t", "3", "-c:a", "libmp3lame", "-ar", "44100", "-f", "flv", "rtmp://"+s.addr+"/live/t/cam")
	if ok || !strings.Contains(out, "The audio codec MP3 is not supported") {
		t.Errorf("ffmpeg said: %s", out)
	}

	// In mid-stream, as a takeover does.
	gate = new(memGate)
	s = startServer(t, gate, Limits{})
	type result struct {
		out string
		ok  bool
	}
	done := make(chan result, 1)
	go func() {
		out, ok := ffmpeg(t, "-re", "-i", path, "-c", "copy", "-f", "flv", "rtmp://"+s.addr+"/live/t/cam")
		done <- result{out, ok}
	}()
	session := gate.session(t, 0)
	eventually(t, "media", func() bool { return session.count() > 10 })
	session.request.Kick(&Refusal{CodeBadName, "Another encoder has taken over."})
	if r := <-done; r.ok || !strings.Contains(r.out, "Another encoder has taken over.") {
		t.Errorf("ffmpeg said: %s", r.out)
	}
}
