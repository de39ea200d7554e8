package archive_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"headwater.stream/archive"
	"headwater.stream/archive/fsstore"
	"headwater.stream/archive/storetest"
	"headwater.stream/internal/media"
	"headwater.stream/internal/timeline"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a timeline with a recorder on it, both in one directory.
type rig struct {
	t     *testing.T
	base  string
	spool archive.Dir
	dir   archive.Dir
	tl    *timeline.Timeline
	rec   *archive.Recorder
	done  chan error
	stop  context.CancelFunc
	at    int64
	opt   archive.RecorderOptions
}

func newRig(t *testing.T, opt archive.RecorderOptions) *rig {
	r := &rig{t: t, base: t.TempDir(), opt: opt}
	opt.ManifestName = "show"
	if r.opt.Window == 0 {
		r.opt.Window = time.Hour
	}
	r.openTimeline()
	r.tl.Freeze(time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC), 3*time.Second, 210*time.Millisecond, true)
	return r
}

func (r *rig) store(name string) archive.Dir {
	r.t.Helper()
	s, err := fsstore.New(r.base, fsstore.Options{Sync: time.Hour})
	if err != nil {
		r.t.Fatal(err)
	}
	d, err := s.Open(name)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { s.Close() })
	return d
}

func (r *rig) openTimeline() {
	r.t.Helper()
	r.spool = r.store("spool")
	tl, err := timeline.Open(r.spool, timeline.Options{Window: 20 * time.Second})
	if err != nil {
		r.t.Fatal(err)
	}
	r.tl = tl
}

func (r *rig) record() {
	r.t.Helper()
	r.dir = r.store("asset")
	rec, err := archive.NewRecorder(r.tl, r.spool, r.dir, r.opt)
	if err != nil {
		r.t.Fatal(err)
	}
	r.rec = rec
	ctx, cancel := context.WithCancel(context.Background())
	r.stop, r.done = cancel, make(chan error, 1)
	go func() { r.done <- rec.Run(ctx) }()
}

func (r *rig) begin() {
	r.t.Helper()
	r.at = begin(r.t, r.tl, r.at)
}

// begin begins a range of a picture and a sound at ms, or as soon afterwards as the timeline allows, and returns when.
func begin(t *testing.T, tl *timeline.Timeline, ms int64) int64 {
	t.Helper()
	track := func(k media.Kind) media.Track { return media.Track{Kind: k, Timescale: storetest.Scale, Codec: "x"} }
	start, err := tl.Begin([]string{"v1", "a1"}, []media.Init{{Track: track(media.Video), Body: []byte("v")}, {Track: track(media.Audio), Body: []byte("a")}}, time.Duration(ms)*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	return start.Milliseconds()
}

// feed writes n parts of 200 ms to both renditions, ten to a segment.
func (r *rig) feed(n int) {
	r.t.Helper()
	for i := range n {
		for k := range 2 {
			if err := r.tl.Part(k, storetest.Part(r.t, r.at, 2, fmt.Sprintf("at %d of %d", r.at, k)), false); err != nil {
				r.t.Fatal(err)
			}
		}
		r.at += 200
		if i%10 == 9 {
			for k := range 2 {
				if err := r.tl.Cut(k); err != nil {
					r.t.Fatal(err)
				}
			}
		}
	}
}

// written waits until the recorder's files have segment number of both renditions.
func (r *rig) written(number uint64) {
	r.t.Helper()
	for end := time.Now().Add(20 * time.Second); ; {
		n := 0
		for _, name := range []string{"v1", "a1"} {
			b, err := os.ReadFile(filepath.Join(r.base, "asset", name, "index.hwx"))
			if err != nil {
				continue
			}
			x, err := archive.ParseIndex(b)
			if err != nil {
				r.t.Fatal(err)
			}
			if k := len(x.Segments); k > 0 && x.Segments[k-1].Number >= number {
				n++
			}
		}
		if n == 2 {
			return
		}
		if time.Now().After(end) {
			r.t.Fatalf("segment %d is not recorded", number)
		}
		<-time.After(time.Millisecond)
	}
}

// spooled waits until the spool has everything: a part whose write takes long is announced before.
func (r *rig) spooled() {
	r.t.Helper()
	for end := time.Now().Add(20 * time.Second); r.tl.Health().Degraded; <-time.After(time.Millisecond) {
		if time.Now().After(end) {
			r.t.Fatalf("the spool does not catch up: %+v", r.tl.Health())
		}
	}
}

func (r *rig) finish() *archive.Asset {
	r.t.Helper()
	r.rec.Finish()
	if err := <-r.done; err != nil {
		r.t.Fatal(err)
	}
	r.stop()
	if err := r.dir.Close(); err != nil {
		r.t.Fatal(err)
	}
	return r.open("asset")
}

func (r *rig) open(name string) *archive.Asset {
	r.t.Helper()
	a, err := archive.OpenAsset(r.store(name), nil)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { a.Close() })
	return a
}

func (r *rig) close() {
	r.t.Helper()
	if err := errors.Join(r.tl.Close(), r.spool.Close()); err != nil {
		r.t.Fatal(err)
	}
}

type presentation interface {
	View() *media.View
	Open(context.Context, media.Ref) (media.Object, error)
}

// segments returns the bytes of every listed segment by name.
func segments(t *testing.T, p presentation) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	for _, m := range p.View().Renditions {
		for _, s := range m.Segments {
			if s.Gap {
				continue
			}
			ref := media.Ref{Rendition: m.Name, Kind: media.ObjectSegment, Epoch: s.Epoch, Number: s.Number}
			o, err := p.Open(context.Background(), ref)
			if err != nil {
				t.Errorf("%s: %v", ref.Name(), err)
				continue
			}
			b := bytes.Join(o.Data, nil)
			if o.File != nil {
				b = make([]byte, o.Size)
				if _, err := o.File.Seek(o.Offset, io.SeekStart); err != nil {
					t.Fatal(err)
				}
				if _, err := io.ReadFull(o.File, b); err != nil {
					t.Errorf("%s: %v", ref.Name(), err)
				}
			}
			o.Close()
			if int64(len(b)) != o.Size || o.Size != int64(s.Size) {
				t.Errorf("%s: %d bytes, object %d, segment %d", ref.Name(), len(b), o.Size, s.Size)
			}
			out[ref.Name()] = b
		}
	}
	return out
}

func same(t *testing.T, want, got map[string][]byte) {
	t.Helper()
	for name, b := range want {
		if !bytes.Equal(b, got[name]) {
			t.Errorf("%s: %d bytes, then %d", name, len(b), len(got[name]))
		}
	}
}

// TestRecordAndReplay records from the middle of a stream, over a reconnect, to the middle of a segment.
func TestRecordAndReplay(t *testing.T) {
	r := newRig(t, archive.RecorderOptions{})
	defer r.close()
	r.begin()
	r.feed(23) // segments 0 and 1 are before the recording, 2 is open
	r.record()
	r.feed(20)
	if err := r.tl.End(); err != nil {
		t.Fatal(err)
	}
	r.at += 5000
	r.begin()
	r.feed(34)
	live := r.rec.View()
	for _, m := range live.Renditions {
		if m.Segments[0].Number != 2 || m.Open == nil || len(m.Parts) == 0 {
			t.Errorf("%s: first segment %d, open %v, %d parts", m.Name, m.Segments[0].Number, m.Open, len(m.Parts))
		}
	}
	before := segments(t, r.rec)
	waiting := make(chan *media.View)
	go func() {
		v, err := r.rec.Next(context.Background(), live.Revision)
		if err != nil {
			t.Error(err)
		}
		waiting <- v
	}()
	r.rec.Finish()
	if v := <-waiting; !v.Ended {
		t.Error("who waits is not told that the recording ended")
	}
	ending := segments(t, r.rec) // before or while the files get there
	same(t, before, ending)
	a := r.finish()
	same(t, ending, segments(t, a))
	v := a.View()
	for _, m := range v.Renditions {
		last := m.Segments[len(m.Segments)-1]
		if !v.Ended || m.Time(last.Duration) != 800*time.Millisecond || m.Time(last.End()).Milliseconds() != r.at {
			t.Errorf("%s ends with %+v, want the end at %d", m.Name, last, r.at)
		}
		discontinuities := 0
		for _, s := range m.Segments {
			if s.First && s.Disc > 0 {
				discontinuities++
			}
		}
		if discontinuities != 1 {
			t.Errorf("%s has %d discontinuities", m.Name, discontinuities)
		}
		if m.Bandwidth == 0 || m.AverageBandwidth == 0 || len(m.Inits) != 1 {
			t.Errorf("%s: bandwidth %d, average %d, %d inits", m.Name, m.Bandwidth, m.AverageBandwidth, len(m.Inits))
		}
	}
	r.feed(20) // the event goes on: the asset does not
	same(t, ending, segments(t, a))
}

// TestRecordingResumes kills the process (as far as files go) while it records and goes on in a new one.
func TestRecordingResumes(t *testing.T) {
	r := newRig(t, archive.RecorderOptions{})
	r.record()
	r.begin()
	r.feed(35)
	r.written(2)
	before := segments(t, r.rec)
	r.stop()
	<-r.done
	r.dir.Close()
	r.close() // ends the open segment, which the recorder has not seen
	r.openTimeline()
	defer func() { r.close() }()
	r.record()
	same(t, before, segments(t, r.rec))
	r.at += 1000
	r.begin()
	r.feed(20)
	a := r.finish()
	same(t, before, segments(t, a))
	for _, m := range a.View().Renditions {
		var got string
		for i, s := range m.Segments {
			if s.Number != uint64(i) {
				t.Errorf("%s: segment %d has number %d", m.Name, i, s.Number)
			}
			got += map[bool]string{true: "D", false: "."}[s.First && s.Disc > 0]
		}
		if got != "....D." {
			t.Errorf("%s: %s", m.Name, got)
		}
	}
}

// TestCopiedWhileRecorded opens a copy of an asset directory that never ended: what is whole plays.
func TestCopiedWhileRecorded(t *testing.T) {
	r := newRig(t, archive.RecorderOptions{})
	defer r.close()
	r.record()
	r.begin()
	r.feed(20)
	if err := r.tl.End(); err != nil {
		t.Fatal(err)
	}
	r.at += 1000
	r.begin()
	r.feed(13)
	r.written(2)
	r.spooled()
	before := segments(t, r.rec)
	for end := time.Now().Add(20 * time.Second); ; { // the open segment is linked as soon as it opens
		if m, _ := filepath.Glob(filepath.Join(r.base, "asset", "*", "seg-*-3.m4s")); len(m) == 2 {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the open segment is not in the asset directory")
		}
		<-time.After(time.Millisecond)
	}
	if err := os.CopyFS(filepath.Join(r.base, "copy"), os.DirFS(filepath.Join(r.base, "asset"))); err != nil {
		t.Fatal(err)
	}
	a := r.open("copy")
	same(t, before, segments(t, a))
	for _, m := range a.View().Renditions {
		if n := len(m.Segments); n != 4 || m.Time(m.Segments[3].Duration) != 600*time.Millisecond || m.Segments[2].Disc != 1 || m.Segments[3].Disc != 1 {
			t.Errorf("%s: %+v", m.Name, m.Segments)
		}
	}
	same(t, before, segments(t, r.rec))
	r.finish()
}

// TestWindows verifies that what leaves the archive window is gone, from disk too, and that the rewind window only
// shortens what is listed live.
func TestWindows(t *testing.T) {
	r := newRig(t, archive.RecorderOptions{Window: 20 * time.Second, Rewind: 8 * time.Second})
	defer r.close()
	r.record()
	r.begin()
	for n := range uint64(30) { // in real time the directory keeps up: the spool forgets what is 43 s old
		r.feed(10)
		r.written(n)
	}
	r.feed(5)
	v := r.rec.View()
	for _, m := range v.Renditions {
		if n := len(m.Segments); n != 4 {
			t.Errorf("%s lists %d segments live", m.Name, n)
		}
	}
	a := r.finish()
	for _, m := range a.View().Renditions {
		if n := len(m.Segments); n != 11 {
			t.Errorf("%s keeps %d segments", m.Name, n)
		}
		files, err := filepath.Glob(filepath.Join(r.base, "asset", m.Name, "seg-*"))
		if err != nil || len(files) != 11 {
			t.Errorf("%s: %d files, %v", m.Name, len(files), err)
		}
	}
	segments(t, a)
}

// TestOutputsShareBytes verifies that two recordings of one event cost no more bytes than one.
func TestOutputsShareBytes(t *testing.T) {
	r := newRig(t, archive.RecorderOptions{})
	defer r.close()
	r.record()
	r.begin()
	r.feed(20)
	r.written(1)
	name := filepath.Join("v1", fmt.Sprintf("seg-%d-1.m4s", r.tl.View().Renditions[0].Segments[0].Epoch))
	a, err := os.Stat(filepath.Join(r.base, "asset", name))
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.Stat(filepath.Join(r.base, "spool", name))
	if err != nil {
		t.Fatal(err)
	}
	if !os.SameFile(a, b) {
		t.Error("the recording is a copy")
	}
	r.finish()
}
