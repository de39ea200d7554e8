package hls_test

import (
	"bytes"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/grafov/m3u8"

	"headwater.stream/internal/media"
	"headwater.stream/packager/hls"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; got:\n%s", name, got)
	}
}

func join(pieces [][]byte) []byte {
	if pieces == nil {
		return nil
	}
	return bytes.Join(pieces, nil)
}

// render returns the playlist of one rendition by a new renderer.
func render(v *media.View, rendition string) (full, delta []byte) {
	f, d := hls.NewPlaylist(rendition).Render(v)
	return join(f), join(d)
}

func TestGolden(t *testing.T) {
	s := newSim(true, 20)
	for range 3 {
		s.step()
	}
	early := s.view()
	for range 9 {
		s.segment()
	}
	s.step()
	s.outage(1)
	for range 13 {
		s.step()
	}
	live := s.view()
	ended := s.end()
	plain := newSim(false, 5)
	for range 9 {
		plain.segment()
	}
	for name, v := range map[string]*media.View{"early": early, "live": live, "plain": plain.view(), "recorded": ended} {
		golden(t, name+".master.m3u8", hls.Multivariant(v, false))
		golden(t, name+".trick.m3u8", hls.Multivariant(v, true))
		for _, r := range []string{"v1", "a1"} {
			full, delta := render(v, r)
			golden(t, name+"."+r+".m3u8", full)
			if name == "live" {
				golden(t, name+"."+r+".delta.m3u8", delta)
			} else if delta != nil {
				t.Errorf("%s %s has a delta update, nothing lies before the boundary", name, r)
			}
		}
		full, _ := hls.NewIFramePlaylist("v1").Render(v)
		if golden(t, name+".iframes.m3u8", join(full)); full == nil != (name == "early") {
			t.Errorf("%s: I-frames %q, there are %d sealed segments", name, join(full), len(v.Renditions[0].Segments))
		}
	}
}

func TestNothingToList(t *testing.T) {
	s := newSim(true, 5)
	v := s.view()
	if full, delta := hls.NewPlaylist("v1").Render(v); full != nil || delta != nil {
		t.Errorf("an empty View gives %q, %q", join(full), join(delta))
	}
	if full, _ := hls.NewPlaylist("v9").Render(s.segment()); full != nil {
		t.Errorf("an unknown rendition gives %q", join(full))
	}
	if got := hls.Multivariant(v, true); got != nil {
		t.Errorf("an empty View gives %q", got)
	}
	// A player reads the multivariant playlist once: it waits for the audio.
	v = s.view()
	v.Renditions[1].Segments, v.Renditions[1].Parts, v.Renditions[1].Open = nil, nil, nil
	if got := hls.Multivariant(v, true); got != nil {
		t.Errorf("audio has nothing yet, the playlist is %q", got)
	}
	s.segment()
	v = s.view()
	v.Renditions[1].Segments, v.Renditions[1].Parts, v.Renditions[1].Open = nil, nil, nil
	if got := hls.Multivariant(v, true); got == nil || bytes.Contains(got, []byte("AUDIO")) {
		t.Errorf("audio does not come, the playlist is %q", got)
	}
}

// follow drives one renderer over a long life with outages and checks each View against a new renderer and against what
// was listed before.
func TestFollow(t *testing.T) {
	for _, parts := range []bool{true, false} {
		t.Run(fmt.Sprintf("parts=%v", parts), func(t *testing.T) {
			s := newSim(parts, 150) // more than a block of lines
			kept := hls.NewPlaylist("a1")
			seen := map[uint64]string{}
			keys, keysSeen := hls.NewIFramePlaylist("v1"), map[uint64]string{}
			for i := range 4000 {
				switch {
				case i%1311 == 1310:
					s.outage(i % 3)
				default:
					s.step()
				}
				if i%20 != 9 && i%31 != 0 {
					continue // a renderer sees only the Views that somebody asked for
				}
				v := s.view()
				full, delta := kept.Render(v)
				if len(full) == 0 {
					continue
				}
				fresh, _ := render(v, "a1")
				if got := join(full); !bytes.Equal(got, fresh) {
					t.Fatalf("step %d: kept text differs from a new render:\n%s\n---\n%s", i, got, fresh)
				}
				checkStable(t, seen, fresh)
				checkDelta(t, fresh, join(delta))
				full, delta = keys.Render(v)
				again, _ := hls.NewIFramePlaylist("v1").Render(v)
				if !bytes.Equal(join(full), join(again)) {
					t.Fatalf("step %d: kept text of I-frames differs from a new render:\n%s\n---\n%s", i, join(full), join(again))
				}
				checkStable(t, keysSeen, join(full))
				checkDelta(t, join(full), join(delta))
			}
		})
	}
}

// segments maps media sequence number to the discontinuity sequence number and lines of each segment.
func segments(playlist []byte) map[uint64]string {
	list := map[uint64]string{}
	var number, disc uint64
	var lines, uri string
	for line := range strings.Lines(string(playlist)) {
		line = strings.TrimSpace(line)
		switch tag, value, _ := strings.Cut(line, ":"); {
		case tag == "#EXT-X-MEDIA-SEQUENCE":
			fmt.Sscan(value, &number)
		case tag == "#EXT-X-DISCONTINUITY-SEQUENCE":
			fmt.Sscan(value, &disc)
		case tag == "#EXT-X-SKIP":
			var n uint64
			fmt.Sscanf(value, "SKIPPED-SEGMENTS=%d", &n)
			number += n
		case tag == "#EXT-X-DISCONTINUITY":
			disc++
			lines += line + "\n"
		case tag == "#EXT-X-MAP":
			uri = line
		case tag == "#EXTINF", tag == "#EXT-X-PROGRAM-DATE-TIME", tag == "#EXT-X-GAP", tag == "#EXT-X-BYTERANGE":
			lines += line + "\n"
		case line != "" && line[0] != '#':
			list[number] = fmt.Sprintf("%d\n%s%s\n%s", disc, lines, uri, line)
			number, lines = number+1, ""
		}
	}
	return list
}

// checkStable is 8216bis 6.2.1: nothing that a playlist says of a segment ever changes.
func checkStable(t *testing.T, seen map[uint64]string, playlist []byte) {
	t.Helper()
	for number, text := range segments(playlist) {
		if was, ok := seen[number]; ok && was != text {
			t.Fatalf("segment %d was\n%s\nis\n%s", number, was, text)
		}
		seen[number] = text
	}
}

// checkDelta is 8216bis 6.2.5.1: the update is the playlist but for the skipped segments.
func checkDelta(t *testing.T, full, delta []byte) {
	t.Helper()
	if delta == nil {
		return
	}
	all, some := segments(full), segments(delta)
	lowest := uint64(math.MaxUint64)
	for number, text := range some {
		lowest = min(lowest, number)
		// The numbers of discontinuities need the tags that were skipped.
		_, got, _ := strings.Cut(text, "\n")
		_, want, _ := strings.Cut(all[number], "\n")
		if i, j := strings.LastIndex(got, "\n#EXT-X-MAP"), strings.LastIndex(want, "\n#EXT-X-MAP"); i < 0 {
			want = want[:j] // the skipped text had it
		}
		if got != want {
			t.Fatalf("segment %d is\n%s\nin full\n%s", number, got, want)
		}
	}
	tail := func(b []byte) string {
		i := bytes.Index(b, []byte(fmt.Sprintf("-%d.m4s\n", lowest)))
		if i < 0 {
			t.Fatalf("segment %d is not listed:\n%s", lowest, b)
		}
		return string(b[i:])
	}
	if tail(full) != tail(delta) {
		t.Fatalf("the update ends in\n%s\nthe playlist in\n%s", tail(delta), tail(full))
	}
	if !bytes.Contains(delta, []byte(fmt.Sprintf("SKIPPED-SEGMENTS=%d\n", len(all)-len(some)))) {
		t.Fatalf("%d of %d segments are listed after\n%.400s", len(some), len(all), delta)
	}
}

// TestEnd: at the end of a live playlist what is constant stays; a recording has nothing of live delivery.
func TestEnd(t *testing.T) {
	s := newSim(true, 20)
	followed := hls.NewPlaylist("v1")
	followed.Render(s.segment())
	v := s.end()
	after, delta := followed.Render(v)
	v.PartTarget = 0 // a recording has no parts
	replayed, _ := followed.Clone().Render(v)
	recorded, _ := render(v, "v1")
	for name, b := range map[string][]byte{"followed": join(after), "replayed": join(replayed), "recorded": recorded} {
		if !bytes.HasSuffix(b, []byte("#EXT-X-ENDLIST\n")) || !bytes.Contains(b, []byte("#EXT-X-PLAYLIST-TYPE:VOD\n")) || delta != nil {
			t.Errorf("%s ends as\n%s", name, b)
		}
		for _, tag := range []string{"PRELOAD-HINT", "#EXT-X-PART:", "SERVER-CONTROL", "RENDITION-REPORT"} {
			if bytes.Contains(b, []byte(tag)) {
				t.Errorf("%s has %s at the end", name, tag)
			}
		}
		if got, want := bytes.Contains(b, []byte("#EXT-X-PART-INF:PART-TARGET=0.21334\n")), name != "recorded"; got != want {
			t.Errorf("%s has PART-INF: %v, want %v", name, got, want)
		}
	}
}

// TestIFrames: a segment without a known key frame is a gap of the I-frame playlist; who has none has no such playlist, but
// one that was listed stays.
func TestIFrames(t *testing.T) {
	s := newSim(true, 3)
	s.segment()
	p := hls.NewIFramePlaylist("v1")
	for range 4 {
		s.segment()
		r := &s.v.Renditions[0]
		r.Segments[len(r.Segments)-1].KeySize = 0
	}
	v := s.view()
	if full, _ := p.Render(v); full != nil || bytes.Contains(hls.Multivariant(v, true), []byte("I-FRAME")) {
		t.Errorf("no key frame is known, there is\n%s\n%s", join(full), hls.Multivariant(v, true))
	}
	v = s.segment()
	full, _ := p.Render(v)
	if text := string(join(full)); strings.Count(text, "#EXT-X-GAP\n#EXTINF:2.00000,\n") != 2 || !strings.Contains(text, "#EXT-X-BYTERANGE:702@0\n#EXTINF:2.00000,\nseg-1764077000-5.m4s\n") {
		t.Errorf("two of three segments begin without a key frame:\n%s", text)
	}
	if !bytes.Contains(hls.Multivariant(v, true), []byte(`#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=2808,`)) {
		t.Errorf("a key frame is listed, but\n%s", hls.Multivariant(v, true))
	}
	s.v.Renditions[0].Segments[2].KeySize = 0
	next := p.Clone()
	for _, p := range []*hls.Playlist{p, next} {
		if full, _ := p.Render(s.end()); !bytes.HasSuffix(join(full), []byte("#EXT-X-ENDLIST\n")) {
			t.Errorf("it ends as %q", join(full))
		}
	}
	if full, _ := hls.NewIFramePlaylist("a1").Render(s.view()); full != nil {
		t.Errorf("sound has I-frames:\n%s", join(full))
	}
}

// TestOldParts: parts leave the playlist three target durations from the live edge, but two segments keep theirs.
func TestOldParts(t *testing.T) {
	s := newSim(true, 20)
	s.keep = 9
	for range 8 {
		s.segment()
	}
	s.step()
	v := s.view()
	full, _ := render(v, "v1")
	for number, want := range map[int]bool{8: true, 7: true, 6: true, 5: true, 4: false, 3: false} { // 5 ends 4.2 s before the edge
		if got := bytes.Contains(full, []byte(fmt.Sprintf("-%d-0.m4s", number))); got != want {
			t.Errorf("parts of segment %d are listed: %v, want %v", number, got, want)
		}
	}
	v.SegmentTarget /= 2 // now all but the last is too old
	full, _ = render(v, "v1")
	for number, want := range map[int]bool{8: true, 7: true, 6: true, 5: false} {
		if got := bytes.Contains(full, []byte(fmt.Sprintf("-%d-0.m4s", number))); got != want {
			t.Errorf("short targets: parts of segment %d are listed: %v, want %v", number, got, want)
		}
	}
}

// TestDurations is rule B3: any run of EXTINF adds up to the media time, and no part is longer than PART-TARGET.
func TestDurations(t *testing.T) {
	s := newSim(true, 4000)
	for range 3000 {
		s.segment()
	}
	v := s.view()
	full, _ := render(v, "a1")
	list, kind, err := m3u8.DecodeFrom(bytes.NewReader(full), true)
	if err != nil || kind != m3u8.MEDIA {
		t.Fatalf("reading it back: %v, %v", kind, err)
	}
	var sum float64
	n := 0
	for _, seg := range list.(*m3u8.MediaPlaylist).Segments {
		if seg == nil {
			break
		}
		sum += seg.Duration
		n++
	}
	r := v.Find("a1")
	want := r.Time(r.Segments[len(r.Segments)-1].End()).Seconds()
	if n != 3000 || math.Abs(sum-want) > 0.0001 {
		t.Errorf("%d segments last %.6f s, media %.6f s", n, sum, want)
	}
	for line := range strings.Lines(string(full)) {
		var d float64
		if _, err := fmt.Sscanf(line, "#EXT-X-PART:DURATION=%f", &d); err == nil && d > 0.21334 {
			t.Errorf("a part lasts %v s, PART-TARGET is 0.21334 s", d)
		}
	}
}

func TestMultivariantIsReadable(t *testing.T) {
	s := newSim(true, 5)
	list, kind, err := m3u8.DecodeFrom(bytes.NewReader(hls.Multivariant(s.segment(), true)), true)
	if err != nil || kind != m3u8.MASTER {
		t.Fatalf("reading it back: %v, %v", kind, err)
	}
	variants := list.(*m3u8.MasterPlaylist).Variants
	if len(variants) != 2 || variants[0].Bandwidth != 6_130_000 || variants[0].Codecs != "avc1.640028,mp4a.40.2" || !variants[1].Iframe || variants[1].URI != "v1/iframes.m3u8" || variants[1].Bandwidth != 2800 {
		t.Errorf("variants: %+v", variants)
	}
}

// BenchmarkDay renders a day of two-second segments after each part.
func BenchmarkDay(b *testing.B) {
	s := newSim(true, 43_200)
	v := s.segment()
	for i := range v.Renditions {
		r := &v.Renditions[i]
		one := r.Segments[0]
		r.Segments = nil
		for n := range uint64(43_200) {
			one.Number, one.Start, one.First = n, int64(n)*one.Duration, n == 0
			r.Segments = append(r.Segments, one)
		}
		for p := range r.Parts {
			r.Parts[p].Number = one.Number
		}
	}
	b.Run("first", func(b *testing.B) {
		for b.Loop() {
			hls.NewPlaylist("v1").Render(v)
		}
	})
	b.Run("next", func(b *testing.B) {
		p := hls.NewPlaylist("v1")
		for b.Loop() {
			p.Render(v)
		}
	})
}
