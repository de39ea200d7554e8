package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"headwater.stream/internal/media"
	"headwater.stream/packager/cmaf"
)

// cmafSession is a Session that packages what it gets, as an event does, and keeps the files.
type cmafSession struct {
	t    testing.TB
	p    *cmaf.Packager
	at   time.Duration
	done chan struct{}

	tracks   [][]media.Track
	repairs  map[cmaf.RepairKind]int
	ranges   []cmafRange
	end      time.Duration
	starts   []time.Duration // of the ranges
	partOver int
}

// cmafRange is what became of a discontinuity range: for each rendition a file of initialization section and chunks.
type cmafRange struct {
	names    []string
	tracks   []media.Track
	files    [][]byte
	segments []int
	length   []time.Duration
	first    []bool // the segments open so far each began with a sync sample
	open     []bool
}

func newCMAFSession(t testing.TB) *cmafSession {
	s := &cmafSession{t: t, done: make(chan struct{}), repairs: map[cmaf.RepairKind]int{}}
	s.p = cmaf.New(cmaf.Config{Aim: time.Second, Limit: 1500 * time.Millisecond, Part: 210 * time.Millisecond,
		Repair: func(r cmaf.Repair) { s.repairs[r.Kind]++ }}, s)
	return s
}

func (s *cmafSession) SetTracks(t []media.Track) error {
	s.tracks = append(s.tracks, t)
	return s.p.SetTracks(t)
}

func (s *cmafSession) WriteSample(m media.Sample) error { return s.p.Write(m, s.at) }

func (s *cmafSession) Close() error {
	defer close(s.done)
	return s.p.Close()
}

func (s *cmafSession) Begin(names []string, inits []media.Init, at time.Duration) (time.Duration, error) {
	r := cmafRange{names: names, segments: make([]int, len(names)), open: make([]bool, len(names)), first: make([]bool, len(names)),
		length: make([]time.Duration, len(names))}
	for i, in := range inits {
		r.tracks = append(r.tracks, in.Track)
		r.files = append(r.files, append([]byte(nil), in.Body...))
		r.first[i] = true
	}
	s.ranges = append(s.ranges, r)
	s.starts = append(s.starts, max(at, s.end))
	return s.starts[len(s.starts)-1], nil
}

func (s *cmafSession) Part(i int, p media.Part, _ bool) error {
	r := &s.ranges[len(s.ranges)-1]
	if !r.open[i] {
		r.open[i] = true
		r.segments[i]++
		r.first[i] = r.first[i] && p.Independent
	}
	r.files[i] = append(r.files[i], p.Body...)
	scale := r.tracks[i].Timescale
	r.length[i] += media.Duration(p.Duration, scale)
	s.end = max(s.end, media.Duration(p.Start+p.Duration, scale))
	if media.Duration(p.Duration, scale) > 210*time.Millisecond {
		s.partOver++
	}
	return nil
}

func (s *cmafSession) Event(media.Event) (bool, error) { return true, nil }

func (s *cmafSession) WriteEvent(e media.Event) error { _, err := s.p.Event(e); return err }

func (s *cmafSession) Cut(i int) error {
	s.ranges[len(s.ranges)-1].open[i] = false
	return nil
}

func (s *cmafSession) End() error { return nil }

// write writes what a rendition of a range became to a file and returns its name.
func (s *cmafSession) write(rng int, kind media.Kind) string {
	s.t.Helper()
	r := s.ranges[rng]
	for i, tr := range r.tracks {
		if tr.Kind == kind {
			name := filepath.Join(s.t.TempDir(), fmt.Sprintf("%d-%v.mp4", rng, kind))
			if err := os.WriteFile(name, r.files[i], 0o600); err != nil {
				s.t.Fatal(err)
			}
			return name
		}
	}
	s.t.Fatalf("range %d has no %v", rng, kind)
	return ""
}

// cmafGate admits everybody to one session after the other.
type cmafGate struct {
	t        testing.TB
	sessions chan *cmafSession
}

func (g *cmafGate) Admit(context.Context, Request) (Session, error) {
	s := newCMAFSession(g.t)
	g.sessions <- s
	return s, nil
}

// packaged publishes a file to a server over a real connection and returns what was packaged of it.
func packaged(t testing.TB, path string) *cmafSession {
	t.Helper()
	src, err := OpenSource(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = src.Close() }()
	gate := &cmafGate{t: t, sessions: make(chan *cmafSession, 1)}
	s := startServerFor(t, gate)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := Publish(ctx, "rtmp://"+s+"/live/x", src, PublishOptions{Unpaced: true}); err != nil {
		t.Fatal(err)
	}
	session := <-gate.sessions
	select {
	case <-session.done:
	case <-ctx.Done():
		t.Fatal("the publish did not end")
	}
	return session
}

// made encodes a clip of three seconds and returns its path.
func made(t testing.TB, name string, args ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	all := []string{"-f", "lavfi", "-i", "testsrc2=size=192x108:rate=30", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000", "-t", "3"}
	if out, ok := ffmpeg(t, append(append(all, args...), "-strict", "-2", path)...); !ok {
		t.Fatal(out)
	}
	return path
}

// streamInfo is what ffprobe says of the first stream of a kind.
type streamInfo struct {
	Codec    string `json:"codec_name"`
	Tag      string `json:"codec_tag_string"`
	Width    int
	Height   int
	Channels int
	Rate     string `json:"sample_rate"`
	Frames   string `json:"nb_read_frames"`
}

func inspect(t testing.TB, path string, kind media.Kind) streamInfo {
	t.Helper()
	out, err := exec.Command("ffprobe", "-v", "error", "-select_streams", kind.String()[:1]+":0", "-count_frames",
		"-show_streams", "-of", "json", path).Output()
	if err != nil {
		t.Fatalf("ffprobe: %v", err)
	}
	var v struct{ Streams []streamInfo }
	if err := json.Unmarshal(out, &v); err != nil || len(v.Streams) != 1 {
		t.Fatalf("%s: %v", out, err)
	}
	return v.Streams[0]
}

// digests returns a digest of each decoded frame of a kind or, for audio, of each packet: decoders begin at other places
// where a file says so.
func digests(t testing.TB, path string, kind media.Kind) []string {
	t.Helper()
	args := []string{"-v", "error", "-xerror", "-i", path, "-map", "0:" + kind.String()[:1] + ":0"}
	if kind == media.Audio {
		args = append(args, "-c", "copy")
	}
	out, err := exec.Command("ffmpeg", append(args, "-f", "framehash", "-hash", "md5", "-")...).CombinedOutput()
	if err != nil {
		t.Fatalf("ffmpeg: %v: %s", err, out)
	}
	var list []string
	for line := range strings.Lines(string(out)) {
		if !strings.HasPrefix(line, "#") {
			list = append(list, strings.Split(line, ",")[5][:33]) // without what it says of side data
		}
	}
	return list
}

func decodes(t testing.TB, path string) {
	t.Helper()
	if out, err := exec.Command("ffmpeg", "-v", "error", "-xerror", "-i", path, "-f", "null", "-").CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("decoding %s: %v: %s", filepath.Base(path), err, out)
	}
}

// Every codec from a file over RTMP through the packager to a player: all frames, bit for bit, with exact durations.
func TestCodecsFromEncoderToPlayer(t *testing.T) {
	for _, c := range []struct {
		name         string
		args         []string
		video, audio string // codecs parameters, the beginning
		tags         [2]string
		channels     int
	}{
		{"HEVC with B-frames and Opus", []string{"-c:v", "libx265", "-preset", "ultrafast", "-g", "30", "-bf", "3", "-x265-params", "log-level=error:open-gop=0", "-tag:v", "hvc1",
			"-c:a", "libopus", "-ac", "2"}, "hvc1.1.6.L", "opus", [2]string{"hvc1", "Opus"}, 2},
		{"HEVC with open GOPs and 5.1 AAC", []string{"-c:v", "libx265", "-preset", "ultrafast", "-g", "30", "-bf", "3", "-x265-params", "log-level=error:open-gop=1", "-tag:v", "hvc1",
			"-c:a", "aac", "-ac", "6"}, "hvc1.1.6.L", "mp4a.40.2", [2]string{"hvc1", "mp4a"}, 6},
		{"HEVC of 10 bit, MP4 with parameter sets in-band, and mono Opus in short packets", []string{"-c:v", "libx265", "-preset", "ultrafast", "-g", "30", "-pix_fmt", "yuv420p10le",
			"-x265-params", "log-level=error:open-gop=0:repeat-headers=1", "-tag:v", "hev1", "-c:a", "libopus", "-ac", "1", "-frame_duration", "2.5"}, "hvc1.2.4.L", "opus", [2]string{"hvc1", "Opus"}, 1},
		{"AV1 and FLAC", []string{"-c:v", "libaom-av1", "-cpu-used", "8", "-usage", "realtime", "-g", "30", "-row-mt", "1", "-c:a", "flac"}, "av01.0.", "fLaC", [2]string{"av01", "fLaC"}, 1},
		{"VP9 with hidden frames and E-AC-3", []string{"-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "6", "-g", "30", "-lag-in-frames", "10", "-auto-alt-ref", "1", "-b:v", "300k",
			"-c:a", "eac3", "-ac", "6"}, "vp09.00.1", "ec-3", [2]string{"vp09", "ec-3"}, 6},
		{"H.264 and AC-3", []string{"-c:v", "libx264", "-preset", "veryfast", "-g", "30", "-bf", "2", "-pix_fmt", "yuv420p", "-c:a", "ac3", "-ac", "2"}, "avc1.64", "ac-3", [2]string{"avc1", "ac-3"}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := made(t, "clip.mp4", c.args...)
			s := packaged(t, path)
			if len(s.ranges) != 1 || len(s.ranges[0].names) != 2 {
				t.Fatalf("%d ranges, tracks %+v", len(s.ranges), s.tracks)
			}
			tracks := s.ranges[0].tracks
			if !strings.HasPrefix(tracks[0].Codec, c.video) || !strings.HasPrefix(tracks[1].Codec, c.audio) {
				t.Errorf("codecs %s and %s", tracks[0].Codec, tracks[1].Codec)
			}
			if len(s.repairs) > 0 || s.partOver > 0 {
				t.Errorf("repairs %v, %d parts too long", s.repairs, s.partOver)
			}
			if r := s.ranges[0]; r.segments[0] != 3 || !r.first[0] || !r.first[1] {
				t.Errorf("%v segments, beginning with sync samples: %v", r.segments, r.first)
			}
			for i, kind := range []media.Kind{media.Video, media.Audio} {
				out := s.write(0, kind)
				got, want := inspect(t, out, kind), inspect(t, path, kind)
				if got.Codec != want.Codec || got.Tag != c.tags[i] ||
					got.Width != want.Width || got.Height != want.Height || got.Channels != want.Channels || got.Rate != want.Rate {
					t.Errorf("%v: %+v, was %+v", kind, got, want)
				}
				if kind == media.Audio && got.Channels != c.channels {
					t.Errorf("%d channels", got.Channels)
				}
				if kind == media.Video && got.Frames != "90" {
					t.Errorf("%s frames", got.Frames)
				}
				was, is := digests(t, path, kind), digests(t, out, kind)
				early := len(was) - len(is) // audio from before the first picture
				if early < 0 || early > 1 || kind == media.Video && early > 0 || !slices.Equal(was[early:], is) {
					t.Errorf("%v: %d frames became %d, or others", kind, len(was), len(is))
				}
				if d := (s.ranges[0].length[i] - 3*time.Second).Abs(); d > 130*time.Millisecond || kind == media.Video && d > time.Microsecond {
					t.Errorf("%v lasts %v", kind, s.ranges[0].length[i])
				}
				decodes(t, out)
			}
		})
	}
}

// body makes the RTMP body of a packet, with an FLV header or an enhanced one.
func body(p Packet) []byte {
	switch {
	case p.FourCC == "mp4a" && p.Config:
		return audioConfig(p.Data...)
	case p.FourCC == "mp4a":
		return audioFrame(p.Data...)
	case p.FourCC == "avc1" && p.Config:
		return videoConfig(p.Data)
	case p.FourCC == "avc1":
		return append(videoFrame(p.Sync, p.CTS), p.Data...)
	case p.Config:
		return exVideo(exSequenceStart, p.FourCC, p.Data...)
	}
	return exVideo(exCodedFrames, p.FourCC, append([]byte{byte(p.CTS >> 16), byte(p.CTS >> 8), byte(p.CTS)}, p.Data...)...)
}

// parameterSetsOf returns the parameter sets in a record as NAL units with lengths.
func parameterSetsOf(t *testing.T, fourCC string, record []byte) []byte {
	t.Helper()
	if fourCC == "avc1" {
		r, err := parseAVCRecord(record)
		if err != nil {
			t.Fatal(err)
		}
		return withLengths(append(r.sps, r.pps...)...)
	}
	r, err := parseHEVCRecord(record)
	if err != nil {
		t.Fatal(err)
	}
	return withLengths(r.sets(hevcVPS)[0], r.sets(hevcSPS)[0], r.sets(hevcPPS)[0])
}

// An encoder that goes on with another picture size, told by a new record or by parameter sets in the key frames alone,
// makes a new range with a new initialization section at that key frame: nothing is lost, nothing decodes wrongly.
func TestParametersChangeInMidStream(t *testing.T) {
	for fourCC, args := range map[string][]string{
		"avc1": {"-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-g", "30", "-pix_fmt", "yuv420p"},
		"hvc1": {"-c:v", "libx265", "-preset", "ultrafast", "-bf", "2", "-g", "30", "-tag:v", "hvc1", "-x265-params", "log-level=error:open-gop=0"},
	} {
		small := made(t, "small.mp4", append(args, "-vf", "scale=160:90", "-c:a", "aac")...)
		large := made(t, "large.mp4", append(args, "-c:a", "aac")...)
		for _, inBand := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/in-band=%v", fourCC, inBand), func(t *testing.T) {
				s := newCMAFSession(t)
				limits := Limits{}.withDefaults()
				d := newDemuxer(s, &limits, new(Counters), "")
				base := int64(0)
				for n, path := range []string{small, large} {
					src, err := OpenSource(path)
					if err != nil {
						t.Fatal(err)
					}
					var sets []byte
					for {
						p, err := src.Next()
						if errors.Is(err, io.EOF) {
							break
						} else if err != nil {
							t.Fatal(err)
						}
						if p.Config && p.Kind == media.Video && inBand && n == 1 {
							sets = parameterSetsOf(t, fourCC, p.Data)
							continue
						}
						if p.Sync && p.Kind == media.Video {
							p.Data = append(sets[:len(sets):len(sets)], p.Data...)
						}
						ts := base + p.DTS
						s.at = time.Duration(ts) * time.Millisecond
						if err := d.message(p.Kind, uint32(ts), body(p)); err != nil {
							t.Fatal(err)
						}
					}
					base += 3000
					_ = src.Close()
				}
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				if len(s.ranges) != 2 {
					t.Fatalf("%d ranges, repairs %v", len(s.ranges), s.repairs)
				}
				for i, width := range []int{160, 192} {
					video, audio := s.write(i, media.Video), s.write(i, media.Audio)
					if got := inspect(t, video, media.Video); got.Width != width || got.Frames != "90" {
						t.Errorf("range %d: %+v", i, got)
					}
					decodes(t, video)
					if got := inspect(t, audio, media.Audio); got.Frames < "135" || got.Frames > "143" {
						t.Errorf("range %d: %+v", i, got)
					}
				}
				if gap := s.starts[1] - s.starts[0] - 3*time.Second; gap < 0 || gap > 100*time.Millisecond {
					t.Errorf("the second range begins %v late", gap)
				}
			})
		}
	}
}
