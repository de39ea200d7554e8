package node

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Eyevinn/mp4ff/mp4"

	"headwater.stream/archive/fsstore"
	"headwater.stream/ingest"
	"headwater.stream/internal/control"
	"headwater.stream/internal/media"
	"headwater.stream/origin"
)

// faultRig is the data plane in fake time: a session is fed as an encoder would feed it, a viewer looks at everything that
// HLS and DASH say every 200 ms, and what he sees is held to what must be true whatever the encoder does.
type faultRig struct {
	t       *testing.T
	rt      *runtime
	desired control.Desired
	handler http.Handler
	base    string
	dir     string
	began   time.Time
	pipes   *pipes                          // to the ingest server, when there is one
	stop    func()                          // ends it
	connect func() net.Conn                 // to it, instead of by pipes
	remote  func(path string) (int, string) // fetches through a socket, instead of by calling the handler
	next    time.Time                       // when the viewer looks next
	every   time.Duration                   // how often he looks

	lists   map[string]*seenList // by rendition
	objects map[string]seenMedia // every segment ever fetched, by name: it never changes
	mpd     string
	bad     map[string]bool // complaints made, so that each is made once
	ended   bool            // the test ends everything itself
	mayLose bool            // segments may become gaps after they were listed
}

// seenList is what the viewer has seen of one media playlist.
type seenList struct {
	msn, dseq int
	target    int
	segments  map[int]seenSegment // by media sequence number
	last      int
}

type seenSegment struct {
	uri, init, pdt string
	duration       float64
	disc           int
	gap            bool
}

// seenMedia is what the viewer has seen of a segment.
type seenMedia struct {
	sum        [sha256.Size]byte
	start, end int64
	err        error
}

const (
	faultPreview = "11111111-2222-3333-4444-555555555555"
	faultLocator = "22222222-2222-3333-4444-555555555555"
)

// faults runs f in fake time on a running event that is recorded and published, watched throughout.
func faults(t *testing.T, f func(r *faultRig)) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) { watched(t, dir, 10*time.Minute, f) })
}

// watched runs f on a running event that is recorded with the given window and published, watched throughout.
func watched(t *testing.T, dir string, window time.Duration, f func(r *faultRig)) {
	watchedOn(t, dir, nil, Config{}, window, f)
}

// faultsOn does what faults does in a directory, on a disk that ask speaks for, with the limits of cfg.
func faultsOn(t *testing.T, dir string, ask func(op, path string) error, cfg Config, f func(r *faultRig)) {
	synctest.Test(t, func(t *testing.T) { watchedOn(t, dir, ask, cfg, 10*time.Minute, f) })
}

func watchedOn(t *testing.T, dir string, ask func(op, path string) error, cfg Config, window time.Duration, f func(r *faultRig)) {
	r := &faultRig{t: t, dir: dir, began: time.Now(), next: time.Now(), every: 200 * time.Millisecond, lists: map[string]*seenList{}, objects: map[string]seenMedia{}, bad: map[string]bool{}}
	cfg.Log, cfg.PreviewSpan, cfg.InputLost = slog.New(slog.DiscardHandler), time.Minute, 10*time.Second
	opt := fsstore.Options{Sync: time.Second, Fault: ask}
	spools, err := fsstore.New(dir+"/events", opt)
	if err != nil {
		t.Fatal(err)
	}
	assets, err := fsstore.New(dir+"/assets", opt)
	if err != nil {
		t.Fatal(err)
	}
	r.rt = newRuntime(t.Context(), newClock(), spools, assets, newMetrics(), cfg)
	r.desired = control.Desired{
		EndpointRunning: true,
		Events:          []control.EventSpec{{ID: "e", Name: "e", Token: "token", PreviewID: faultPreview, Running: true, SegmentTarget: 2 * time.Second, Parts: true}},
		Assets:          []control.AssetSpec{{ID: "a", Name: "a", Container: "asset", ManifestName: "show"}},
		Outputs:         []control.OutputSpec{{ID: "o", Name: "o", EventID: "e", AssetID: "a", ManifestName: "show", ArchiveWindow: window}},
		Locators:        []control.LocatorSpec{{ID: faultLocator, AssetID: "a", HLS: true, DASH: true}},
	}
	r.apply()
	r.handler = origin.NewHandler(origin.Options{Resolver: r.rt})
	r.base = "/" + faultLocator + "/show.ism/"
	f(r)
	if !r.ended {
		r.finish()
		if r.stop != nil {
			r.stop()
		}
		if err := r.rt.close(); err != nil {
			t.Error(err)
		}
	}
	spools.Close()
	assets.Close()
}

func (r *faultRig) apply() {
	r.t.Helper()
	for id, err := range r.rt.Apply(r.t.Context(), r.desired) {
		r.t.Fatalf("%s: %v", id, err)
	}
}

// finish ends the recording and looks at the replay: everything that was ever seen is there, unchanged.
func (r *faultRig) finish() {
	r.t.Helper()
	r.desired.Outputs = nil
	r.apply()
	for name := range r.lists {
		_, body := r.get(name + "/media.m3u8")
		if !strings.Contains(body, "#EXT-X-ENDLIST") {
			r.complain("the replay has no end")
		}
		if r.mayLose {
			r.whole("in the replay")
			continue
		}
		for _, file := range regexp.MustCompile(`(?m)^seg-.*$`).FindAllString(body, -1) {
			file = path.Join(name, file)
			want, ok := r.objects[file]
			if !ok {
				continue // the last one, or a gap
			}
			if status, got := r.get(file); status != http.StatusOK || sha256.Sum256([]byte(got)) != want.sum {
				r.t.Errorf("%s: in the replay status %d, %d bytes, other than live", file, status, len(got)) // each: which tells more
			}
		}
	}
}

func (r *faultRig) complain(format string, args ...any) {
	r.t.Helper()
	text := fmt.Sprintf(format, args...)
	if key := regexp.MustCompile(`[0-9]+`).ReplaceAllString(text, "#"); !r.bad[key] {
		r.bad[key] = true
		r.t.Errorf("after %v: %s", time.Since(r.began), text)
	}
}

func (r *faultRig) get(name string) (int, string) {
	if r.remote != nil {
		return r.remote(r.base + name)
	}
	w := httptest.NewRecorder()
	r.handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, r.base+name, nil))
	return w.Code, w.Body.String()
}

// admit asks to publish.
func (r *faultRig) admit(remote string) (ingest.Session, error) {
	return r.rt.Admit(r.t.Context(), ingest.Request{Remote: netip.MustParseAddrPort(remote), App: "live/token", Stream: "key", Kick: func(*ingest.Refusal) {}})
}

// publisher is a generated encoder.
type publisher struct {
	fps        float64
	declared   float64 // frame rate of the track; 0: fps
	gop        int
	audio      int // Hz, 0: none
	noVideo    bool
	size       string // of the picture: another one is another configuration
	start      int64  // ms: its first timestamp
	tracks     []media.Track
	mutate     func(ms float64, track int, s *media.Sample) (keep bool)
	keyframe   func(i int) bool // instead of gop
	perAudio   int              // samples per access unit, 1024
	beforeSend func(s ingest.Session, ms float64)
	describe   func(tracks []media.Track) // changes what is announced
	speed      float64                    // how fast media come, 1 if it is 0
}

// send publishes for the given time and returns the session, still open.
func (r *faultRig) send(p publisher, d time.Duration) ingest.Session {
	r.t.Helper()
	s, err := r.admit("192.0.2.1:1000")
	if err != nil {
		r.t.Fatal(err)
	}
	r.feed(s, &p, d)
	return s
}

// feed sends to a session in real (fake) time, with the viewer looking.
func (r *faultRig) feed(s ingest.Session, p *publisher, d time.Duration) {
	r.t.Helper()
	if p.fps == 0 {
		p.fps = 30
	}
	if p.gop == 0 {
		p.gop = 60
	}
	if p.perAudio == 0 {
		p.perAudio = 1024
	}
	video, audio := -1, -1
	p.tracks = nil
	if !p.noVideo {
		video = len(p.tracks)
		p.tracks = append(p.tracks, faultVideo(cmp.Or(p.declared, p.fps), p.size))
	}
	if p.audio > 0 {
		audio = len(p.tracks)
		p.tracks = append(p.tracks, faultAudio(p.audio))
	}
	if p.describe != nil {
		p.describe(p.tracks)
	}
	if err := s.SetTracks(p.tracks); err != nil {
		r.t.Fatal(err)
	}
	began := time.Now()
	for i, k := 0, 0; ; {
		vms, ams := math.Inf(1), math.Inf(1)
		if video >= 0 {
			vms = float64(i) * 1000 / p.fps
		}
		if audio >= 0 {
			ams = float64(k) * float64(p.perAudio) * 1000 / float64(p.audio)
		}
		ms := min(vms, ams)
		if ms > float64(d.Milliseconds()) {
			return
		}
		r.until(began.Add(time.Duration(ms * float64(time.Millisecond) / cmp.Or(p.speed, 1))))
		var sample media.Sample
		if vms <= ams {
			key := i%p.gop == 0
			if p.keyframe != nil {
				key = p.keyframe(i)
			}
			sample = media.Sample{Track: video, DTS: (int64(vms) + p.start) * 120, Sync: key, Data: faultFrame(i, key)}
			i++
		} else {
			sample = media.Sample{Track: audio, DTS: ((int64(ams)+p.start)*int64(p.audio) + 500) / 1000, Sync: true, Data: fmt.Appendf(nil, "audio %d", k)}
			k++
		}
		if p.beforeSend != nil {
			p.beforeSend(s, ms)
		}
		if p.mutate != nil && !p.mutate(ms, sample.Track, &sample) {
			continue
		}
		if err := s.WriteSample(sample); err != nil {
			r.complain("the publisher was thrown out: %v", err)
			return
		}
	}
}

// until lets time pass, with the viewer looking every 200 ms.
func (r *faultRig) until(t time.Time) {
	for {
		at := t
		if r.next.Before(at) {
			at = r.next
		}
		if d := time.Until(at); d > 0 {
			<-time.After(d)
		}
		if !time.Now().Before(r.next) {
			r.look()
			r.next = r.next.Add(r.every)
			continue
		}
		return
	}
}

func (r *faultRig) wait(d time.Duration) { r.until(time.Now().Add(d)) }

func faultVideo(fps float64, size string) media.Track {
	sps, pps := "6764000dacd941419f9f0110000003001000000303c0f1429960", "68ebe3cb22c0" // x264, 320x180
	w, h := 320, 180
	if size == "other" {
		sps, pps, w, h = "674d401eeca05017fcb808800000030080000019078b16cb", "68ebe3cb20", 640, 360
	}
	s, _ := hex.DecodeString(sps)
	q, _ := hex.DecodeString(pps)
	avcc := append([]byte{1, s[1], s[2], s[3], 0xff, 0xe1}, binary.BigEndian.AppendUint16(nil, uint16(len(s)))...)
	avcc = append(append(avcc, s...), 1)
	avcc = append(binary.BigEndian.AppendUint16(avcc, uint16(len(q))), q...)
	return media.Track{Kind: media.Video, Codec: fmt.Sprintf("avc1.%02x%02x%02x", s[1], s[2], s[3]), Timescale: media.VideoTimescale, Config: avcc,
		Width: w, Height: h, FrameRate: media.Rational{Num: uint32(fps * 1000), Den: 1000}, Language: "und"}
}

func faultAudio(rate int) media.Track {
	asc := map[int][]byte{48000: {0x11, 0x90}, 44100: {0x12, 0x10}, 32000: {0x12, 0x90}}[rate]
	return media.Track{Kind: media.Audio, Codec: "mp4a.40.2", Timescale: uint32(rate), Config: asc, SampleRate: rate, Channels: 2, FrameSamples: 1024, Language: "und"}
}

func faultFrame(i int, key bool) []byte {
	nal := byte(0x41)
	if key {
		nal = 0x65
	}
	body := append([]byte{nal}, fmt.Appendf(nil, "frame %d", i)...)
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
}

// examine asks the doctor, now and then: whatever comes in, he has an answer.
func (r *faultRig) examine() {
	if time.Since(r.began)%(5*time.Second) >= r.every {
		return
	}
	report := r.rt.Examine("e")
	if report == nil {
		return
	}
	for _, f := range report.Findings {
		if f.Text == "" || strings.Contains(f.Text, "%!") || math.IsNaN(f.Value) || math.IsInf(f.Value, 0) {
			r.complain("the doctor says %q, %v", f.Text, f.Value)
		}
	}
	for _, l := range report.Lines() {
		if strings.Contains(l.Text, "NaN") || strings.Contains(l.Text, "Inf") {
			r.complain("the doctor measures %s %s", l.Name, l.Text)
		}
	}
}

// look is one look of the viewer at everything.
func (r *faultRig) look() {
	r.examine()
	for _, name := range []string{"v1", "a1"} {
		status, body := r.get(name + "/media.m3u8")
		if r.lists[name] == nil && status == http.StatusNotFound {
			continue // not there yet
		}
		if status != http.StatusOK {
			r.complain("%s playlist: status %d", name, status)
			continue
		}
		r.list(name, body)
	}
	switch status, body := r.get(media.MPDName); {
	case status == http.StatusOK:
		r.mpd = body
	case r.mpd != "" || status != http.StatusNotFound:
		r.complain("MPD: status %d", status)
	}
}

var partDuration = regexp.MustCompile(`DURATION=([0-9.]+)`)

// list holds one media playlist to what was seen before and to the rules.
func (r *faultRig) list(name, body string) {
	l := r.lists[name]
	if l == nil {
		l = &seenList{segments: map[int]seenSegment{}, last: -1}
		r.lists[name] = l
	}
	number := func(tag string) int {
		_, rest, _ := strings.Cut(body, tag)
		n, _ := strconv.Atoi(strings.TrimSpace(strings.SplitN(rest, "\n", 2)[0]))
		return n
	}
	msn, dseq, target := number("#EXT-X-MEDIA-SEQUENCE:"), number("#EXT-X-DISCONTINUITY-SEQUENCE:"), number("#EXT-X-TARGETDURATION:")
	if msn < l.msn || dseq < l.dseq || l.target != 0 && target != l.target {
		r.complain("%s: sequence %d after %d, discontinuities %d after %d, target %d after %d", name, msn, l.msn, dseq, l.dseq, target, l.target)
	}
	l.msn, l.dseq, l.target = msn, dseq, target
	var s seenSegment
	_, rest, _ := strings.Cut(body, "PART-TARGET=")
	longest, _ := strconv.ParseFloat(strings.SplitN(rest, "\n", 2)[0], 64)
	init, n, part := "", msn, 0.0
	for line := range strings.Lines(body) {
		line = strings.Clone(strings.TrimSpace(line)) // what is kept must not keep the playlist
		tag, value, _ := strings.Cut(line, ":")
		switch tag {
		case "#EXT-X-DISCONTINUITY":
			dseq++
		case "#EXT-X-MAP":
			init = value
		case "#EXT-X-PROGRAM-DATE-TIME":
			s.pdt = value
		case "#EXT-X-GAP":
			s.gap = true
		case "#EXTINF":
			s.duration, _ = strconv.ParseFloat(strings.TrimSuffix(value, ","), 64)
			if int(s.duration+0.5) > target {
				r.complain("%s: segment %d lasts %v s, target %d", name, n, s.duration, target)
			}
		case "#EXT-X-PART":
			// 8216bis 4.4.4.9: at most PART-TARGET, and 85 % of it but for the last of a segment.
			d, _ := strconv.ParseFloat(partDuration.FindStringSubmatch(value)[1], 64)
			if d > longest || part > 0 && part < 0.85*longest {
				r.complain("%s: segment %d has a part of %v s after one of %v", name, n, d, part)
			}
			part = d
		}
		if line == "" || line[0] == '#' {
			continue
		}
		s.uri, s.init, s.disc = line, init, dseq
		part = 0
		if was, ok := l.segments[n]; ok && was != s && r.mayLose && s.gap {
			was.gap = true
			l.segments[n] = was
		}
		if was, ok := l.segments[n]; ok && was != s {
			r.complain("%s: segment %d was %+v, is %+v", name, n, was, s)
		} else if !ok {
			if n != l.last+1 && l.last >= 0 {
				r.complain("%s: segment %d comes after %d", name, n, l.last)
			}
			l.segments[n], l.last = s, n
			r.segment(name, l, n)
		}
		s, n = seenSegment{}, n+1
	}
}

// segment fetches a segment that is new and checks its media against the one before it.
func (r *faultRig) segment(name string, l *seenList, n int) {
	s := l.segments[n]
	if s.gap {
		return
	}
	file := path.Join(name, s.uri)
	status, body := r.get(file)
	if status != http.StatusOK {
		r.complain("%s: status %d", file, status)
		return
	}
	m := seenMedia{sum: sha256.Sum256([]byte(body))}
	m.start, m.end, m.err = mediaTimes([]byte(body))
	if was, ok := r.objects[file]; ok && was.sum != m.sum {
		r.complain("%s changed", file)
	}
	r.objects[file] = m
	if m.err != nil {
		r.complain("%s: %v", file, m.err)
		return
	}
	start, end := m.start, m.end
	ts := int64(media.VideoTimescale)
	if name[0] == 'a' {
		ts = 0
	}
	if prev, ok := l.segments[n-1]; ok && prev.disc == s.disc && !prev.gap {
		if was, ok := r.objects[path.Join(name, prev.uri)]; ok && was.end != start {
			r.complain("%s: starts at %d, the segment before ends at %d", file, start, was.end)
		}
		if prev.init != s.init {
			r.complain("%s: the initialization section changes without a discontinuity", file)
		}
	}
	if ts > 0 {
		if d := float64(end-start) / float64(ts); math.Abs(d-s.duration) > 0.04 {
			r.complain("%s lasts %v s, EXTINF says %v", file, d, s.duration)
		}
	}
}

// mediaTimes returns the first decoding time of a segment and the end of its last sample; inside it is continuous.
func mediaTimes(b []byte) (start, end int64, err error) {
	f, err := mp4.DecodeFile(bytes.NewReader(b))
	if err != nil {
		return 0, 0, err
	}
	start = -1
	for _, seg := range f.Segments {
		for _, frag := range seg.Fragments {
			at := int64(frag.Moof.Traf.Tfdt.BaseMediaDecodeTime())
			if start < 0 {
				start, end = at, at
			}
			if at != end {
				return 0, 0, fmt.Errorf("a chunk starts at %d, the one before ends at %d", at, end)
			}
			for _, s := range frag.Moof.Traf.Trun.Samples {
				end += int64(s.Dur)
			}
		}
	}
	return start, end, nil
}

// discontinuities returns how many the viewer has seen.
func (r *faultRig) discontinuities() int {
	top := 0
	if r.lists["v1"] == nil {
		return 0
	}
	for _, s := range r.lists["v1"].segments {
		top = max(top, s.disc)
	}
	return top
}

// seconds returns how much media of a rendition the viewer has seen, gaps not counted.
func (r *faultRig) seconds(name string) (d float64) {
	if r.lists[name] == nil {
		return 0
	}
	for _, s := range r.lists[name].segments {
		if !s.gap {
			d += s.duration
		}
	}
	return d
}
