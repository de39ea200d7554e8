package storyboard_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/Eyevinn/mp4ff/mp4"

	"headwater.stream/archive"
	"headwater.stream/internal/media"
	"headwater.stream/internal/storyboard"
)

// recording is one in memory, made by ffmpeg: seconds of red, then green, blue and white, with black in front.
type recording struct {
	view     *media.View
	segments map[media.Ref][]byte
	opened   int64
}

func (r *recording) OpenBoxes(_ context.Context, ref media.Ref) (media.Object, error) {
	b, ok := r.segments[ref]
	if !ok {
		return media.Object{}, media.ErrNotFound
	}
	r.opened++
	return media.Object{Size: int64(len(b)), Data: [][]byte{b[:100], b[100:]}}, nil
}

var colours = []string{"black", "red", "green", "blue", "white"}

// record makes a recording of encoders with these sizes, each of which sends every colour for a second, in segments of a second.
func record(t *testing.T, sizes ...string) *recording {
	t.Helper()
	rec := &recording{segments: map[media.Ref][]byte{}}
	m := media.Rendition{Name: "v1", Kind: media.Video, Timescale: media.VideoTimescale}
	number := uint64(7)
	for i, size := range sizes {
		args := []string{"-nostdin", "-v", "error"}
		graph := ""
		for k, c := range colours {
			// A frame in another colour, so that a picture is not of one brightness but for the black.
			args = append(args, "-f", "lavfi", "-i", fmt.Sprintf("color=%s:size=%s:rate=10:duration=1", c, size))
			graph += fmt.Sprintf("[%d:v]", k)
		}
		graph += fmt.Sprintf("concat=n=%d,drawbox=x=0:y=0:w=iw/2:h=ih:color=gray:t=fill:enable='gte(t,1)'[v]", len(colours))
		file := filepath.Join(t.TempDir(), "clip.mp4")
		args = append(args, "-filter_complex", graph, "-map", "[v]", "-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-g", "10", "-keyint_min", "10", "-sc_threshold", "0",
			"-pix_fmt", "yuv420p", "-video_track_timescale", fmt.Sprint(media.VideoTimescale), "-movflags", "empty_moov+default_base_moof+frag_keyframe", file)
		if out, err := exec.Command("ffmpeg", args...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		head := bytes.Index(b, []byte("moof")) - 4
		var w, h int
		if _, err := fmt.Sscanf(size, "%dx%d", &w, &h); err != nil {
			t.Fatal(err)
		}
		in := media.Init{ID: uint32(100 + i), Track: media.Track{Kind: media.Video, Timescale: media.VideoTimescale, Width: w, Height: h}, Body: b[:head]}
		m.Inits = append(m.Inits, in)
		for rest := b[head:]; len(rest) > 8 && string(rest[4:8]) == "moof"; number++ {
			moof := binary.BigEndian.Uint32(rest)
			size := moof + binary.BigEndian.Uint32(rest[moof:])
			box, err := mp4.DecodeBox(0, bytes.NewReader(rest[:moof]))
			if err != nil {
				t.Fatal(err)
			}
			ref := media.Ref{Rendition: "v1", Kind: media.ObjectSegment, Epoch: in.ID, Number: number}
			rec.segments[ref] = rest[:size]
			m.Segments = append(m.Segments, media.Segment{Number: number, Start: int64(number+uint64(10*i)) * media.VideoTimescale, Duration: media.VideoTimescale, Size: size, Epoch: in.ID, Init: in.ID,
				KeySize: moof + 8 + firstSize(box.(*mp4.MoofBox))})
			rest = rest[size:]
		}
	}
	rec.view = &media.View{Ended: true, Renditions: []media.Rendition{m}}
	return rec
}

// firstSize is the size of the first sample; ffmpeg may say it in the tfhd.
func firstSize(m *mp4.MoofBox) uint32 {
	m.Traf.Trun.AddSampleDefaultValues(m.Traf.Tfhd, nil)
	return m.Traf.Trun.Samples[0].Size
}

func ffmpeg(t *testing.T) storyboard.Decoder {
	t.Helper()
	path, err := exec.LookPath("ffmpeg")
	if err != nil {
		t.Fatal(err)
	}
	return storyboard.Decoder{Path: path}
}

// colourAt returns the colour of a picture at a point.
func colourAt(t *testing.T, b []byte, x, y int) string {
	t.Helper()
	p, err := jpeg.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	r, g, bl, _ := p.At(x, y).RGBA()
	name := ""
	for _, v := range []uint32{r, g, bl} {
		name += string("0.1"[min(v/0x5556, 2)])
	}
	return map[string]string{"000": "black", "100": "red", "0.0": "green", "001": "blue", "111": "white"}[name]
}

func size(t *testing.T, b []byte) image.Point {
	t.Helper()
	c, err := jpeg.DecodeConfig(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return image.Pt(c.Width, c.Height)
}

// TestMake: each thumbnail shows what the recording shows then, also behind a change of encoder and of shape; the poster is no
// black picture; the text says when and where.
func TestMake(t *testing.T) {
	rec := record(t, "320x180", "180x320")
	delete(rec.segments, media.Ref{Rendition: "v1", Kind: media.ObjectSegment, Epoch: 100, Number: 9}) // green is damaged: red stands for it
	rec.view.Renditions[0].Segments[3].Gap = true                                                      // blue was never recorded
	b, err := storyboard.Make(context.Background(), ffmpeg(t), rec.view, rec)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"black", "red", "red", "white", "black", "red", "green", "blue", "white"}
	if len(b.Sheets) != 1 || len(b.Thumbnails) != len(want) || size(t, b.Sheets[0]) != image.Pt(9*160, 90) {
		t.Fatalf("%d sheets, %v, %d thumbnails", len(b.Sheets), size(t, b.Sheets[0]), len(b.Thumbnails))
	}
	for i, th := range b.Thumbnails {
		if th.W != 160 || th.H != 90 || th.X != i*160 || th.Y != 0 {
			t.Errorf("thumbnail %d is at %+v", i, th)
		}
		if got := colourAt(t, b.Sheets[0], th.X+th.W/2+10, th.H/2); got != want[i] {
			t.Errorf("thumbnail %d is %q, want %s", i, got, want[i])
		}
	}
	if x := b.Thumbnails[8].X; colourAt(t, b.Sheets[0], x+5, 45) != "black" {
		t.Error("the upright picture has no bars")
	}
	if size(t, b.Poster) != image.Pt(320, 180) || colourAt(t, b.Poster, 200, 90) != "red" {
		t.Errorf("the poster is %v and %s", size(t, b.Poster), colourAt(t, b.Poster, 200, 90))
	}
	files := b.Files()
	text := string(files[len(files)-1].Body)
	sheet := media.SheetName(archive.Checksum(0, b.Sheets[0]))
	for _, cue := range []string{
		"WEBVTT\n\n00:00:00.000 --> 00:00:01.000\n" + sheet + "#xywh=0,0,160,90\n\n",
		"\n00:00:02.000 --> 00:00:04.000\n" + sheet + "#xywh=320,0,160,90\n\n", // the gap takes its time
		"\n00:00:09.000 --> 00:00:10.000\n" + sheet + "#xywh=1280,0,160,90\n\n",
	} {
		if !strings.Contains(text, cue) {
			t.Errorf("no %q in\n%s", cue, text)
		}
	}
	sums, err := archive.ParseStoryboard([]byte(text))
	if err != nil || len(sums) != 2 || sums[sheet] != archive.Checksum(0, b.Sheets[0]) || sums[media.PosterName] != archive.Checksum(0, b.Poster) {
		t.Errorf("%v, %v", sums, err)
	}
	for i := range text {
		torn := []byte(text)
		torn[i] ^= 4
		if _, err := archive.ParseStoryboard(torn); err == nil && i < len(text)-1 {
			t.Errorf("byte %d changed, and nobody sees it", i)
		}
	}
}

// TestLong: of a day there are as many thumbnails as of an hour, and only their segments are read.
func TestLong(t *testing.T) {
	rec := record(t, "64x36")
	m := &rec.view.Renditions[0]
	few := m.Segments
	m.Segments = nil
	for i := range uint64(43_200) { // 24 h of 2 s
		s := few[i%uint64(len(few))]
		ref := media.Ref{Rendition: "v1", Kind: media.ObjectSegment, Epoch: s.Epoch, Number: s.Number}
		body := rec.segments[ref]
		ref.Number = 1000 + i
		rec.segments[ref] = body
		s.Number, s.Duration = ref.Number, 2*media.VideoTimescale
		m.Segments = append(m.Segments, s)
	}
	b, err := storyboard.Make(context.Background(), ffmpeg(t), rec.view, rec)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(b.Thumbnails); n != 288 || len(b.Sheets) != 3 || rec.opened > 290 {
		t.Errorf("%d thumbnails on %d sheets of %d segments", n, len(b.Sheets), rec.opened)
	}
	if last := b.Thumbnails[287]; last.Start != 24*time.Hour-5*time.Minute || last.End != 24*time.Hour || last.Sheet != 2 || size(t, b.Sheets[2]) != image.Pt(640, 9*36) {
		t.Errorf("the last is %+v", last)
	}
}

// TestNothing: a recording without key frames is told from one that cannot be decoded.
func TestNothing(t *testing.T) {
	rec := record(t, "64x36")
	for i := range rec.view.Renditions[0].Segments {
		rec.view.Renditions[0].Segments[i].KeySize = 0
	}
	if _, err := storyboard.Make(context.Background(), ffmpeg(t), rec.view, rec); !errors.Is(err, storyboard.ErrNoKeyFrames) {
		t.Errorf("no key frames: %v", err)
	}
	rec = record(t, "64x36")
	for _, b := range rec.segments {
		clear(b[bytes.Index(b, []byte("mdat"))+4:])
	}
	if _, err := storyboard.Make(context.Background(), ffmpeg(t), rec.view, rec); err == nil || errors.Is(err, storyboard.ErrNoKeyFrames) {
		t.Errorf("zeros for pictures: %v", err)
	}
}

// script makes a program that stands in for ffmpeg.
func script(t *testing.T, text string) storyboard.Decoder {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ffmpeg")
	if err := os.WriteFile(path, []byte("#!/bin/sh\nPATH=/usr/bin:/bin\n"+text), 0o755); err != nil {
		t.Fatal(err)
	}
	return storyboard.Decoder{Path: path}
}

// TestHostileFFmpeg: one that fails, lies or says nothing is an error; what it writes is never handed on as it is; one that
// hangs is killed with all it started.
func TestHostileFFmpeg(t *testing.T) {
	rec := record(t, "64x36")
	for name, c := range map[string]struct{ text, want string }{
		"fails":         {"echo no such codec >&2; exit 1", "no such codec"},
		"is not there":  {"exec /nowhere", ""},
		"too little":    {"cat >/dev/null; head -c 5000 /dev/zero", "gave 1 pictures of 5"},
		"reads nothing": {"exec 0<&-; exit 0", "gave 0 pictures of 5"},
		"talks":         {"yes talk | head -c 10000000 >&2; exit 3", "talk"},
	} {
		_, err := storyboard.Make(context.Background(), script(t, c.text), rec.view, rec)
		if err == nil || !strings.Contains(err.Error(), c.want) || len(err.Error()) > 4000 {
			t.Errorf("%s: %.200v", name, err)
		}
	}
	b, err := storyboard.Make(context.Background(), script(t, "yes nonsense"), rec.view, rec)
	if err != nil || size(t, b.Poster) != image.Pt(64, 36) || size(t, b.Sheets[0]) != image.Pt(5*64, 36) {
		t.Errorf("nonsense without end: %v", err)
	}

	pids := filepath.Join(t.TempDir(), "pids")
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		_, err := storyboard.Make(ctx, script(t, "sleep 1000 & echo $$ $! >"+pids+"; wait"), rec.view, rec)
		ended <- err
	}()
	var parent, child int
	poll(t, "the process", func() bool {
		b, _ := os.ReadFile(pids)
		n, _ := fmt.Sscan(string(b), &parent, &child)
		return n == 2
	})
	if nice, err := syscall.Getpriority(syscall.PRIO_PROCESS, parent); err != nil || nice != 1 { // the system call's 20-nice
		t.Errorf("its priority is %d, %v", nice, err)
	}
	cancel()
	select {
	case err := <-ended:
		if err == nil {
			t.Error("killed, and nothing said")
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it still hangs")
	}
	poll(t, "the end of its children", func() bool {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", child))
		return err != nil || strings.Contains(string(b), ") Z ")
	})
}

func poll(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	late := time.After(10 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("%s does not come", what)
		}
	}
}
