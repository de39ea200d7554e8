package timeline_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"headwater.stream/archive"
	"headwater.stream/archive/fsstore"
	"headwater.stream/archive/storetest"
	"headwater.stream/internal/media"
	"headwater.stream/internal/timeline"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var anchor = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

func inits(variant string) ([]string, []media.Init) {
	track := func(k media.Kind) media.Track {
		return media.Track{Kind: k, Timescale: storetest.Scale, Codec: "x." + variant, Bitrate: 1000}
	}
	return []string{"v1", "a1"}, []media.Init{{Track: track(media.Video), Body: []byte("v" + variant)}, {Track: track(media.Audio), Body: []byte("a" + variant)}}
}

// store returns a function that opens the same spool again, as after a restart.
func store(t *testing.T) func() archive.Dir {
	dir := t.TempDir()
	return func() archive.Dir {
		s, err := fsstore.New(dir, fsstore.Options{Sync: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		d, err := s.Open("spool")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { d.Close(); s.Close() })
		return d
	}
}

func open(t *testing.T, s timeline.Spool, opt timeline.Options) *timeline.Timeline {
	t.Helper()
	tl, err := timeline.Open(s, opt)
	if err != nil {
		t.Fatal(err)
	}
	tl.Freeze(anchor, 3*time.Second, 210*time.Millisecond, true)
	return tl
}

// feed writes n segments of 2 s in parts of 200 ms to both renditions, from media time start, leaving the last one open
// when cut is false.
func feed(t *testing.T, tl *timeline.Timeline, start time.Duration, n int, cut bool) time.Duration {
	t.Helper()
	at := start.Milliseconds()
	for seg := range n {
		for range 10 {
			for r := range 2 {
				check(t, tl.Part(r, storetest.Part(t, at, 2, "payload"), false))
			}
			at += 200
		}
		if seg < n-1 || cut {
			check(t, tl.Cut(0))
			check(t, tl.Cut(1))
		}
	}
	return time.Duration(at) * time.Millisecond
}

func begin(t *testing.T, tl *timeline.Timeline, variant string, at time.Duration) time.Duration {
	t.Helper()
	names, in := inits(variant)
	start, err := tl.Begin(names, in, at)
	check(t, err)
	return start
}

// everything opens every object that v announces and returns their bytes by name.
func everything(t *testing.T, p opener, v *media.View) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	get := func(ref media.Ref) {
		t.Helper()
		b, err := read(p, ref)
		if err != nil {
			t.Errorf("%s: %v", ref.Name(), err)
		}
		out[ref.Name()] = b
	}
	for _, r := range v.Renditions {
		for _, in := range r.Inits {
			get(media.Ref{Rendition: r.Name, Kind: media.ObjectInit, Epoch: in.ID})
		}
		for _, s := range r.Segments {
			if !s.Gap {
				get(media.Ref{Rendition: r.Name, Kind: media.ObjectSegment, Epoch: s.Epoch, Number: s.Number})
			}
		}
		for _, p := range r.Parts {
			get(media.Ref{Rendition: r.Name, Kind: media.ObjectPart, Epoch: p.Epoch, Number: p.Number, Part: p.PartID.Part})
		}
	}
	return out
}

// TestViewAndObjects: what is listed, and what left the list not long ago, is served, however far the disk has got.
func TestViewAndObjects(t *testing.T) {
	t.Run("the disk keeps up", func(t *testing.T) { synctest.Test(t, func(t *testing.T) { viewAndObjects(t, false) }) })
	t.Run("the disk stands still", func(t *testing.T) { synctest.Test(t, func(t *testing.T) { viewAndObjects(t, true) }) })
}

func viewAndObjects(t *testing.T, still bool) {
	spool := &slowSpool{Dir: store(t)()}
	tl := open(t, spool, timeline.Options{Window: 20 * time.Second})
	start := begin(t, tl, "1", time.Minute)
	gate := make(chan struct{})
	if still {
		spool.set(gate, nil)
	}
	defer func() { close(gate); check(t, tl.Close()) }()
	if start != time.Minute {
		t.Errorf("range starts at %v", start)
	}
	feed(t, tl, start, 40, false)
	v := tl.View()
	for _, r := range v.Renditions {
		if n := len(r.Segments); n != 10 {
			t.Errorf("%s lists %d segments", r.Name, n)
		}
		if r.Open == nil || r.Open.Number != 39 || r.Hint != (media.PartID{Epoch: r.Open.Epoch, Number: 39, Part: 10}) {
			t.Errorf("%s: open %+v, hint %+v", r.Name, r.Open, r.Hint)
		}
		if !v.Anchor.Add(r.Time(r.Segments[0].Start)).Equal(anchor.Add(time.Minute + 58*time.Second)) {
			t.Errorf("%s starts at %v", r.Name, r.Time(r.Segments[0].Start))
		}
	}
	objects := everything(t, tl, v)
	for _, r := range v.Renditions {
		for _, s := range r.Segments {
			var parts []byte
			for _, p := range r.PartsOf(s.Number) {
				parts = append(parts, objects[media.Ref{Rendition: r.Name, Kind: media.ObjectPart, Epoch: s.Epoch, Number: s.Number, Part: p.PartID.Part}.Name()]...)
			}
			if whole := objects[media.Ref{Rendition: r.Name, Kind: media.ObjectSegment, Epoch: s.Epoch, Number: s.Number}.Name()]; len(parts) > 0 && !bytes.Equal(parts, whole) {
				t.Errorf("%s segment %d is not its parts", r.Name, s.Number)
			}
		}
	}
	// What left the playlist is still there for as long again, what left that is gone, from disk too.
	get := func(n uint64) error {
		o, err := tl.Open(context.Background(), media.Ref{Rendition: "v1", Kind: media.ObjectSegment, Epoch: v.Renditions[0].Segments[0].Epoch, Number: n})
		if err == nil {
			o.Close()
		}
		return err
	}
	if err := get(24); err != nil {
		t.Errorf("a segment that just left: %v", err)
	}
	if err := get(4); !errors.Is(err, media.ErrNotFound) {
		t.Errorf("a segment long gone: %v", err)
	}
}

// TestRangeStart: ranges start at whole milliseconds, never before the end of the one before.
func TestRangeStart(t *testing.T) {
	tl := open(t, store(t)(), timeline.Options{})
	defer tl.Close()
	names, in := inits("a")
	for _, c := range []struct{ at, want time.Duration }{{0, 0}, {7*time.Second + 1, 7*time.Second + time.Millisecond}, {time.Second, 9*time.Second + time.Millisecond}} {
		start, err := tl.Begin(names, in, c.at)
		check(t, err)
		if start != c.want {
			t.Errorf("a range that may begin at %v begins at %v, want %v", c.at, start, c.want)
		}
		feed(t, tl, start, 1, true)
		check(t, tl.End())
	}
}

// TestReconnect ends ranges in every state and begins new ones: numbers and discontinuities go on.
func TestReconnect(t *testing.T) {
	again := store(t)
	tl := open(t, again(), timeline.Options{})
	at := feed(t, tl, begin(t, tl, "1", 0), 3, false)
	check(t, tl.End())
	at = feed(t, tl, begin(t, tl, "1", at+5*time.Second), 2, true)
	check(t, tl.Part(0, storetest.Part(t, at.Milliseconds(), 2, "only video"), false)) // audio never gets this segment
	check(t, tl.End())
	begin(t, tl, "2", 0) // a range without a segment does not count
	check(t, tl.End())
	feed(t, tl, begin(t, tl, "2", 0), 1, true)
	verify := func(v *media.View) {
		t.Helper()
		for _, r := range v.Renditions {
			var got []string
			for i, s := range r.Segments {
				if s.Number != uint64(i) {
					t.Errorf("%s: segment %d has number %d", r.Name, i, s.Number)
				}
				mark := "."
				if s.First && s.Disc > 0 {
					mark = "D"
				}
				if s.Gap {
					mark += "g"
				}
				got = append(got, mark)
			}
			want := []string{".", ".", ".", "D", ".", ".", "D"}
			if r.Name == "a1" {
				want[5] = ".g"
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s: %v, want %v", r.Name, got, want)
			}
			if d := r.Segments[6].Disc; d != 2 {
				t.Errorf("%s: discontinuity %d", r.Name, d)
			}
			if len(r.Inits) != 2 || r.Segments[3].Init != r.Segments[0].Init || r.Segments[6].Init == r.Segments[0].Init {
				t.Errorf("%s: inits %v, segments use %d %d %d", r.Name, len(r.Inits), r.Segments[0].Init, r.Segments[3].Init, r.Segments[6].Init)
			}
		}
	}
	verify(tl.View())
	before := everything(t, tl, tl.View())
	revision := tl.View().Revision
	check(t, tl.Close())
	tl = open(t, again(), timeline.Options{})
	defer tl.Close()
	verify(tl.View())
	same(t, before, tl)
	if tl.View().Revision <= revision {
		t.Error("revision fell over a restart")
	}
	if start := begin(t, tl, "2", 0); start < at {
		t.Errorf("new range starts at %v, before the end of the old", start)
	}
}

// same verifies that every object of before still has the same bytes, listed or not.
func same(t *testing.T, before map[string][]byte, p opener) {
	t.Helper()
	for name, want := range before {
		ref, ok := media.ParseName(name)
		if !ok {
			t.Fatalf("name %q", name)
		}
		if got, err := read(p, ref); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes before, %d after (%v)", name, len(want), len(got), err)
		}
	}
}

type opener interface {
	Open(context.Context, media.Ref) (media.Object, error)
}

func read(p opener, ref media.Ref) ([]byte, error) {
	o, err := p.Open(context.Background(), ref)
	if err != nil {
		return nil, err
	}
	defer o.Close()
	b := bytes.Join(o.Data, nil)
	if o.File != nil {
		b = make([]byte, o.Size)
		if _, err := o.File.Seek(o.Offset, io.SeekStart); err != nil {
			return nil, err
		}
		if _, err := io.ReadFull(o.File, b); err != nil {
			return nil, err
		}
	}
	if int64(len(b)) != o.Size {
		return nil, fmt.Errorf("%d bytes, size %d", len(b), o.Size)
	}
	return b, nil
}

// TestCrash abandons the timeline at every part, as kill -9 does, and verifies that all that was announced is served again
// under the same names (invariants I1, I2, I3).
func TestCrash(t *testing.T) {
	for crash := range 45 {
		again := store(t)
		tl := open(t, again(), timeline.Options{})
		at := begin(t, tl, "1", 0).Milliseconds()
		n := 0
	feeding:
		for range 3 {
			for range 10 {
				for r := range 2 {
					if n++; n > crash {
						break feeding
					}
					check(t, tl.Part(r, storetest.Part(t, at, 2, "payload"), false))
				}
				at += 200
			}
			check(t, tl.Cut(0))
			check(t, tl.Cut(1))
		}
		v := tl.View()
		before := everything(t, tl, v)
		tl.Abandon()
		next := open(t, again(), timeline.Options{})
		after := next.View()
		same(t, before, next)
		for i, r := range after.Renditions {
			if len(r.Segments) != len(after.Renditions[0].Segments) {
				t.Errorf("crash at %d: %d and %d segments", crash, len(r.Segments), len(after.Renditions[0].Segments))
			}
			for k, s := range v.Renditions[i].Segments {
				if r.Segments[k] != s {
					t.Errorf("crash at %d: segment %+v became %+v", crash, s, r.Segments[k])
				}
			}
			if o := v.Renditions[i].Open; o != nil && (o.KeySize == 0 || r.Segment(o.Number).KeySize != o.KeySize) {
				t.Errorf("crash at %d: the open segment's key frame ends at %d, then at %d", crash, o.KeySize, r.Segment(o.Number).KeySize)
			}
			for k, p := range v.Renditions[i].Parts {
				p.Body = nil
				if q := r.Parts[k]; q.PartID != p.PartID || q.Start != p.Start || q.Duration != p.Duration || q.KeySize != p.KeySize || q.Independent != p.Independent {
					t.Errorf("crash at %d: part %+v became %+v", crash, p, q)
				}
			}
		}
		begin(t, next, "1", 0)
		check(t, next.Part(0, storetest.Part(t, 10_000, 2, "after"), false))
		check(t, next.Close())
	}
}

// slowSpool is a Spool on another that can stand still or fail.
type slowSpool struct {
	archive.Dir
	mu    sync.Mutex
	gate  chan struct{} // closed: goes on
	fails error
}

func (s *slowSpool) Append(r string, seg media.Segment, offset uint32, body []byte) error {
	s.mu.Lock()
	gate, err := s.gate, s.fails
	s.mu.Unlock()
	if gate != nil {
		<-gate
	}
	if err != nil {
		return err
	}
	return s.Dir.Append(r, seg, offset, body)
}

func (s *slowSpool) SaveEvents(list []media.Event) error {
	s.mu.Lock()
	err := s.fails
	s.mu.Unlock()
	if err != nil {
		return err
	}
	return s.Dir.SaveEvents(list)
}

func (s *slowSpool) set(gate chan struct{}, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gate, s.fails = gate, err
}

// TestDiskStandsStill verifies that a disk that does not answer delays the live edge by a bound once and not again, that
// all objects are served meanwhile, and that what was written later is complete.
func TestDiskStandsStill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		again := store(t)
		spool := &slowSpool{Dir: again()}
		tl := open(t, spool, timeline.Options{Now: time.Now})
		at := feed(t, tl, begin(t, tl, "1", 0), 2, true)
		gate := make(chan struct{})
		spool.set(gate, nil)
		began := time.Now()
		at = feed(t, tl, at, 3, true)
		if d := time.Since(began); d > 100*time.Millisecond {
			t.Errorf("a disk that stands still held up the live edge for %v", d)
		}
		if h := tl.Health(); !h.Degraded {
			t.Error("the event is not marked as degraded")
		}
		v := tl.View()
		before := everything(t, tl, v)
		close(gate)
		spool.set(nil, nil)
		synctest.Wait()
		feed(t, tl, at, 1, true)
		if h := tl.Health(); h.Degraded || h.LostParts != 0 {
			t.Errorf("after the disk came back: %+v", h)
		}
		same(t, before, tl)
		check(t, tl.Close())
		tl = open(t, again(), timeline.Options{})
		same(t, before, tl)
		check(t, tl.Close())
	})
}

// TestCondemnedAnytime: whenever it turns out that a file cannot be trusted, each part is served as what it was.
func TestCondemnedAnytime(t *testing.T) {
	for n := range 25 {
		spool := &doubtful{Dir: store(t)(), good: n}
		tl := open(t, spool, timeline.Options{Window: 20 * time.Second})
		feed(t, tl, begin(t, tl, "1", 0), 9, true)
		v := tl.View()
		for _, r := range v.Renditions {
			for _, s := range r.Segments {
				whole, err := read(tl, media.Ref{Rendition: r.Name, Kind: media.ObjectSegment, Epoch: s.Epoch, Number: s.Number})
				check(t, err)
				var parts []byte
				for i := range 10 {
					b, err := read(tl, media.Ref{Rendition: r.Name, Kind: media.ObjectPart, Epoch: s.Epoch, Number: s.Number, Part: i})
					check(t, err)
					parts = append(parts, b...)
				}
				if !bytes.Equal(parts, whole) {
					t.Errorf("condemned after %d questions: %s segment %d is not its parts", n, r.Name, s.Number)
				}
			}
		}
		check(t, tl.Close())
	}
}

// doubtful is a spool whose files are good for so many questions.
type doubtful struct {
	archive.Dir
	mu   sync.Mutex
	good int
}

func (d *doubtful) Condemned(string, media.Segment) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.good--; d.good >= 0 {
		return nil
	}
	return errors.New("a sync failed")
}

// TestDiskFails verifies that the live edge goes on from memory while the disk refuses, and that after a restart what was
// lost is a gap and the rest is there.
func TestDiskFails(t *testing.T) {
	again := store(t)
	spool := &slowSpool{Dir: again()}
	tl := open(t, spool, timeline.Options{})
	at := feed(t, tl, begin(t, tl, "1", 0), 2, true)
	spool.set(nil, errors.New("no space left on device"))
	at = feed(t, tl, at, 1, true)
	everything(t, tl, tl.View())
	for end := time.Now().Add(5 * time.Second); tl.Health().LostParts < 20; <-time.After(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("health %+v", tl.Health())
		}
	}
	if !tl.Health().Degraded {
		t.Error("not degraded while the disk refuses")
	}
	spool.set(nil, nil)
	feed(t, tl, at, 1, true)
	for end := time.Now().Add(5 * time.Second); tl.Health().Degraded; <-time.After(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("still degraded after the disk came back")
		}
	}
	check(t, tl.Close())
	tl = open(t, again(), timeline.Options{})
	defer tl.Close()
	for _, r := range tl.View().Renditions {
		var gaps []uint64
		for _, s := range r.Segments {
			if s.Gap {
				gaps = append(gaps, s.Number)
			}
		}
		if !reflect.DeepEqual(gaps, []uint64{2}) {
			t.Errorf("%s: gaps %v", r.Name, gaps)
		}
	}
	everything(t, tl, tl.View())
}

// TestNext verifies that a waiter is woken by the next View and by its context.
func TestNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tl := open(t, store(t)(), timeline.Options{Now: time.Now})
		begin(t, tl, "1", 0)
		v := tl.View()
		got := make(chan *media.View)
		for range 100 {
			go func() {
				n, err := tl.Next(t.Context(), v.Revision)
				if err != nil {
					t.Error(err)
				}
				got <- n
			}()
		}
		synctest.Wait()
		check(t, tl.Part(0, storetest.Part(t, 0, 2, "x"), false))
		for range 100 {
			if n := <-got; n.Revision <= v.Revision {
				t.Error("woken by an old View")
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := tl.Next(ctx, tl.View().Revision); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Next: %v", err)
		}
		check(t, tl.Close())
	})
}

func BenchmarkPart(b *testing.B) {
	dir, err := fsstore.New(b.TempDir(), fsstore.Options{Sync: time.Second})
	if err != nil {
		b.Fatal(err)
	}
	d, err := dir.Open("spool")
	if err != nil {
		b.Fatal(err)
	}
	tl, err := timeline.Open(d, timeline.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer tl.Close()
	tl.Freeze(anchor, 3*time.Second, 210*time.Millisecond, true)
	names, in := inits("1")
	if _, err := tl.Begin(names, in, 0); err != nil {
		b.Fatal(err)
	}
	body := make([]byte, 150_000)
	b.ReportAllocs()
	i := int64(0)
	for b.Loop() {
		if err := tl.Part(0, media.Part{Start: i * 200, Duration: 200, Body: body}, false); err != nil {
			b.Fatal(err)
		}
		if i++; i%10 == 0 {
			if err := tl.Cut(0); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
