package archive_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"headwater.stream/archive"
	"headwater.stream/archive/fsstore"
	"headwater.stream/archive/storetest"
	"headwater.stream/internal/media"
	"headwater.stream/internal/timeline"
)

// faultRig is a timeline with a recorder on a disk that a test controls, and what was given to them.
type faultRig struct {
	t      *testing.T
	base   string
	sync   time.Duration
	ask    func(op, path string) error
	stores []*fsstore.Store
	spool  archive.Dir
	dir    archive.Dir
	tl     *timeline.Timeline
	rec    *archive.Recorder
	at     int64
	pace   time.Duration     // between parts
	fed    map[string][]byte // by name of the segment
	mu     sync.Mutex        // of told
	told   []toldPart
}

// toldPart is a part that was announced.
type toldPart struct {
	rendition string
	number    uint64
	end       int // of it in its segment
	at        time.Time
}

func newFaultRig(t *testing.T, base string, sync time.Duration, boot string, ask func(op, path string) error) (*faultRig, error) {
	r := &faultRig{t: t, base: base, sync: sync, ask: ask, fed: map[string][]byte{}}
	store, err := fsstore.New(base, fsstore.Options{Sync: sync, Boot: boot, Fault: ask})
	if err != nil {
		return nil, err
	}
	r.stores = append(r.stores, store)
	if r.spool, err = store.Open("spool"); err != nil {
		return r, err
	}
	if r.tl, err = timeline.Open(r.spool, timeline.Options{Window: 20 * time.Second}); err != nil {
		return r, err
	}
	r.tl.Freeze(time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC), 3*time.Second, 210*time.Millisecond, true)
	if r.dir, err = store.Open("asset"); err != nil {
		return r, err
	}
	r.rec, err = archive.NewRecorder(r.tl, r.spool, r.dir, archive.RecorderOptions{ManifestName: "show", Window: time.Hour})
	return r, err
}

func (r *faultRig) begin() {
	r.t.Helper()
	r.at = begin(r.t, r.tl, r.at)
}

// feed writes n parts of 200 ms to both renditions, ten to a segment.
func (r *faultRig) feed(n int) {
	r.t.Helper()
	for i := range n {
		for k, name := range []string{"v1", "a1"} {
			p := storetest.Part(r.t, r.at, 2, fmt.Sprintf("at %d of %d", r.at, k))
			if err := r.tl.Part(k, p, false); err != nil {
				r.t.Fatal(err)
			}
			open := r.tl.View().Find(name).Open
			id := media.Ref{Rendition: name, Kind: media.ObjectSegment, Epoch: open.Epoch, Number: open.Number}.Name()
			r.fed[id] = append(r.fed[id], p.Body...)
			r.mu.Lock()
			r.told = append(r.told, toldPart{name, open.Number, len(r.fed[id]), time.Now()})
			r.mu.Unlock()
		}
		r.at += 200
		if r.pace > 0 {
			<-time.After(r.pace)
		}
		if i%10 == 9 {
			for k := range 2 {
				if err := r.tl.Cut(k); err != nil {
					r.t.Fatal(err)
				}
			}
		}
	}
}

// holds verifies that every segment that p lists has the bytes that were fed, and returns how many are gaps.
func (r *faultRig) holds(when string, p presentation) (gaps int) {
	r.t.Helper()
	for _, m := range p.View().Renditions {
		for _, s := range m.Segments {
			if s.Gap {
				gaps++
				continue
			}
			id := media.Ref{Rendition: m.Name, Kind: media.ObjectSegment, Epoch: s.Epoch, Number: s.Number}
			got, err := readAll(p, id)
			want, known := r.fed[id.Name()]
			if !known && r.rescued(m.Name, got) {
				continue
			}
			if err != nil || !bytes.Equal(got, want) {
				r.t.Errorf("%s: %s has %d bytes, %d were sent (%v)", when, id.Name(), len(got), len(want), err)
			}
		}
	}
	return gaps
}

// rescued reports whether b is the beginning of a segment that was fed.
func (r *faultRig) rescued(rendition string, b []byte) bool {
	for name, all := range r.fed {
		if strings.HasPrefix(name, rendition+"/") && len(b) > 0 && bytes.HasPrefix(all, b) {
			return true
		}
	}
	return false
}

// costs verifies that p has every part that was announced before a moment, under whichever name.
func (r *faultRig) costs(when string, p presentation, told []toldPart, before time.Time) {
	r.t.Helper()
	for _, x := range told {
		if !x.at.Before(before) {
			continue
		}
		s := p.View().Find(x.rendition).Segment(x.number)
		if s == nil || int(s.Size) < x.end {
			r.t.Errorf("%s: of segment %d of %s, %d bytes were announced %v before the last sync interval: %+v is left", when, x.number, x.rendition, x.end, before.Sub(x.at), s)
			return
		}
	}
}

func readAll(p presentation, ref media.Ref) ([]byte, error) {
	o, err := p.Open(context.Background(), ref)
	if err != nil {
		return nil, err
	}
	defer o.Close()
	b := bytes.Join(o.Data, nil)
	if o.File != nil {
		b = make([]byte, o.Size)
		if _, err := o.File.Seek(o.Offset, 0); err != nil {
			return nil, err
		}
		n := 0
		for n < len(b) {
			k, err := o.File.Read(b[n:])
			if n += k; err != nil {
				return b[:n], err
			}
		}
	}
	return b, nil
}

func (r *faultRig) close() {
	if r.tl != nil {
		r.tl.Close()
	}
	for _, d := range []archive.Dir{r.dir, r.spool} {
		if d != nil {
			d.Close()
		}
	}
	for _, s := range r.stores {
		s.Close()
	}
}

// run records three ranges, with ask between, to the end, and reopens everything.
func (r *faultRig) run(when string) (gaps int) {
	r.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.rec.Run(ctx) }()
	r.begin()
	r.feed(25)
	r.holds(when+", live", r.tl)
	r.holds(when+", recording", r.rec)
	if err := r.tl.End(); err != nil {
		r.t.Fatal(err)
	}
	r.begin()
	r.feed(13)
	r.rec.Finish()
	select {
	case err := <-done:
		if err != nil {
			r.t.Errorf("%s: the recording ended with %v", when, err)
		}
	case <-time.After(time.Minute):
		r.t.Errorf("%s: the recording does not end", when)
	}
	cancel()
	r.holds(when+", live", r.tl)
	r.holds(when+", ended", r.rec)
	r.close()
	return r.reopened(when)
}

// replay opens the recording alone; nil if there is none.
func (r *faultRig) replay(when string) (*archive.Asset, *fsstore.Store) {
	r.t.Helper()
	store, err := fsstore.New(r.base, fsstore.Options{Sync: time.Hour})
	if err != nil {
		r.t.Fatal(err)
	}
	dir, err := store.Open("asset")
	if err != nil {
		r.t.Fatal(err)
	}
	a, err := archive.OpenAsset(dir, nil)
	if err != nil {
		if !errors.Is(err, archive.ErrEmpty) {
			r.t.Errorf("%s: opening the asset: %v", when, err)
		}
		dir.Close()
		return nil, store
	}
	return a, store
}

// reopened verifies what a later process finds.
func (r *faultRig) reopened(when string) (gaps int) {
	r.t.Helper()
	a, store := r.replay(when)
	defer store.Close()
	if a != nil {
		gaps = r.holds(when+", replayed", a)
		defer a.Close()
	}
	spool, err := store.Open("spool")
	if err != nil {
		r.t.Fatal(err)
	}
	defer spool.Close()
	tl, err := timeline.Open(spool, timeline.Options{Window: 20 * time.Second})
	if err != nil {
		r.t.Errorf("%s: opening the spool: %v", when, err)
		return gaps
	}
	r.holds(when+", restarted", tl)
	if err := tl.Close(); err != nil {
		r.t.Errorf("%s: %v", when, err)
	}
	return gaps
}

// shm returns a directory in memory, where a sync costs nothing.
func shm(t *testing.T) string {
	dir, err := os.MkdirTemp("/dev/shm", "headwater")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// TestEveryCallFails is case 61: the n-th call that changes the disk fails, for every n, once or from then on for a while.
// Nothing that is listed, live, in the recording, in the replay or after a restart is torn, and nothing ends.
func TestEveryCallFails(t *testing.T) {
	for _, c := range []struct {
		name string
		sync time.Duration
		many int
		step int
		err  error
	}{
		{"once", 0, 1, 1, syscall.EIO},
		{"once, synced later", time.Millisecond, 1, 6, syscall.EIO},
		{"forty times", time.Hour, 40, 4, syscall.ENOSPC},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			base, ops, most, mu := shm(t), map[string]int{}, 0, sync.Mutex{}
			for n, last := 1, false; !last; n += c.step {
				once := func(t *testing.T) {
					var disk storetest.Disk
					hit := ""
					disk.Fail(func(call int, op, file string) error {
						if call < n || call >= n+c.many {
							return nil
						}
						mu.Lock()
						defer mu.Unlock()
						hit += op + " " + path.Base(file) + "; "
						ops[op]++
						return c.err
					})
					dir := filepath.Join(base, fmt.Sprint(n))
					defer os.RemoveAll(dir)
					r, err := newFaultRig(t, dir, c.sync, "", disk.Ask)
					if err != nil { // said so at once: nothing was promised
						r.close()
						return
					}
					most = max(most, r.run(fmt.Sprintf("call %d fails", n)))
					last = disk.Calls() < n || t.Failed()
					if t.Failed() {
						t.Logf("call %d was %s", n, hit)
					}
				}
				if c.sync == time.Millisecond {
					once(t) // in fake time nothing would be synced while it is written
				} else {
					synctest.Test(t, once) // a recording that has ended tries once a second
				}
			}
			t.Logf("failed: %v; at most %d gaps", ops, most)
			if c.many == 1 && most > 2 { // one number, in both renditions
				t.Errorf("one failure made %d gaps", most)
			}
			for _, op := range []string{"create", "write", "sync", "rename", "mkdir", "link"} {
				if ops[op] == 0 && c.sync == 0 {
					t.Errorf("no %s failed", op)
				}
			}
		})
	}
}

// memoryDisk notes what a disk would have after a power loss: of each file what was there when it was synced last, of each
// directory the names it had when it was synced last.
type memoryDisk struct {
	base string
	mu   sync.Mutex
	at   int
	data map[uint64][]byte            // by inode
	dirs map[string]map[string]uint64 // path -> name -> inode
	each func(n int, m *memoryDisk)
}

func inode(i fs.FileInfo) uint64 { return i.Sys().(*syscall.Stat_t).Ino }

func (m *memoryDisk) ask(op, file string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.at++
	switch op {
	case "sync":
		if i, err := os.Stat(file); err == nil {
			if b, err := os.ReadFile(file); err == nil {
				m.data[inode(i)] = b
			}
		}
	case "syncdir":
		names := map[string]uint64{}
		list, _ := os.ReadDir(file)
		for _, e := range list {
			if i, err := e.Info(); err == nil {
				names[e.Name()] = inode(i)
			}
		}
		m.dirs[path.Clean(file)] = names
	}
	m.each(m.at, m)
	return nil
}

// write makes the disk as it is now in another place.
func (m *memoryDisk) write(t *testing.T, to string) {
	t.Helper()
	var put func(from, to string)
	put = func(from, to string) {
		if err := os.MkdirAll(to, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, ino := range m.dirs[from] {
			if i, err := os.Stat(filepath.Join(from, name)); err == nil && i.IsDir() {
				put(filepath.Join(from, name), filepath.Join(to, name))
				continue
			}
			if err := os.WriteFile(filepath.Join(to, name), m.data[ino], 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	put(m.base, to)
}

// TestPowerLossAtEveryCall loses everything that was not synced before the n-th call. What is left is whole, in the spool, in
// the recording that goes on and in the recording alone; no name stands for other bytes than before, no number comes twice, and
// what is lost was announced within the sync interval.
func TestPowerLossAtEveryCall(t *testing.T) {
	for _, c := range []struct {
		every, pace time.Duration
		fake        bool // in fake time: however long the disk takes, nothing is announced before it should be
	}{
		{0, 0, true}, {time.Second, 200 * time.Millisecond, true}, {3 * time.Millisecond, 0, false},
	} {
		t.Run(c.every.String(), func(t *testing.T) {
			t.Parallel()
			lose := func(t *testing.T) { powerLosses(t, c.every, c.pace, c.fake) }
			if c.fake {
				synctest.Test(t, lose)
			} else {
				lose(t)
			}
		})
	}
}

// loss is a moment at which the power is lost, and what there was.
type loss struct {
	dir       string
	at        time.Time
	told      []toldPart
	announced []media.Ref
	open      uint64 // the highest number announced
}

func powerLosses(t *testing.T, every, pace time.Duration, exact bool) {
	base := shm(t)
	var losses []loss
	var r *faultRig
	m := &memoryDisk{base: filepath.Join(base, "disk"), data: map[uint64][]byte{}, dirs: map[string]map[string]uint64{}}
	live := false
	m.each = func(n int, m *memoryDisk) {
		if !live || n%4 != 0 {
			return
		}
		l := loss{dir: filepath.Join(base, fmt.Sprint(n)), at: time.Now()}
		if exact {
			r.mu.Lock()
			l.told = r.told[:len(r.told):len(r.told)]
			r.mu.Unlock()
		}
		for _, x := range r.tl.View().Renditions {
			for _, s := range x.Segments {
				l.announced = append(l.announced, media.Ref{Rendition: x.Name, Kind: media.ObjectSegment, Epoch: s.Epoch, Number: s.Number})
				l.open = max(l.open, s.Number)
			}
			for _, p := range x.Parts {
				l.open = max(l.open, p.Number)
			}
		}
		m.write(t, l.dir)
		losses = append(losses, l)
	}
	var err error
	if r, err = newFaultRig(t, m.base, every, "first", m.ask); err != nil {
		t.Fatal(err)
	}
	r.pace = pace
	m.mu.Lock()
	live = true
	m.mu.Unlock()
	r.run("without a loss")
	if len(losses) < 20 {
		t.Fatalf("%d losses", len(losses))
	}
	renamed, listed := 0, 0
	for _, l := range losses {
		listed += len(l.announced)
		renamed += l.survived(t, r.fed, every)
		os.RemoveAll(l.dir)
		if t.Failed() {
			return
		}
	}
	t.Logf("%d losses; %d names of %d in the lists are gone", len(losses), renamed, listed)
	if exact && renamed > len(losses) {
		t.Error("too many")
	}
}

// survived verifies what another start of the machine finds, and returns how many names of segments announced before
// are gone.
func (l loss) survived(t *testing.T, fed map[string][]byte, every time.Duration) (renamed int) {
	t.Helper()
	when := "lost before " + path.Base(l.dir)
	alone := l.dir + "-alone"
	if err := os.CopyFS(alone, os.DirFS(l.dir)); err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(alone)
	b, err := newFaultRig(t, l.dir, time.Hour, "second", nil)
	if err != nil {
		t.Fatalf("%s: %v", when, err)
	}
	b.fed = maps.Clone(fed)
	b.holds(when+", live", b.tl)
	b.holds(when+", recording", b.rec)
	before := l.at.Add(-every)
	if every == 0 {
		before = l.at.Add(1)
	}
	b.costs(when+", live", b.tl, l.told, before)
	b.costs(when+", recording", b.rec, l.told, before)
	for _, ref := range l.announced {
		got, err := readAll(b.tl, ref)
		switch {
		case err == nil && bytes.Equal(fed[ref.Name()], got):
		case errors.Is(err, media.ErrNotFound):
			renamed++
		default:
			t.Errorf("%s: %s has %d bytes now, %d before: %v", when, ref.Name(), len(got), len(fed[ref.Name()]), err)
		}
	}
	b.begin()
	b.feed(1)
	if n := b.tl.View().Renditions[0].Open.Number; len(l.announced) > 0 && n <= l.open {
		t.Errorf("%s: goes on with %d after %d was announced", when, n, l.open)
	}
	b.close()
	b.base = alone
	a, store := b.replay(when)
	defer store.Close()
	if a != nil {
		defer a.Close()
		b.holds(when+", alone", a)
		if every > 0 { // a recording follows what is announced
			b.costs(when+", alone", a, l.told, before)
		}
	} else if every > 0 && len(l.told) > 0 && l.told[0].at.Before(before) {
		t.Errorf("%s: the recording is empty", when)
	}
	return renamed
}

// TestEndedBeforeWritten: a recording ends while the spool is in the middle of a segment, whose file the recording has already.
// Viewers get the segment whole.
func TestEndedBeforeWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var disk storetest.Disk // the spool's
		ask := func(op, file string) error {
			if strings.Contains(file, "/spool/") {
				return disk.Ask(op, file)
			}
			return nil
		}
		r, err := newFaultRig(t, t.TempDir(), time.Hour, "", ask)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		done := make(chan error, 1)
		go func() { done <- r.rec.Run(ctx) }()
		r.begin()
		r.feed(12) // one segment and the beginning of the next
		synctest.Wait()
		if m, _ := filepath.Glob(filepath.Join(r.base, "asset/v1/seg-*-1.m4s")); len(m) != 1 {
			t.Error("the segment is not linked while it is made")
		}
		disk.Hang()
		r.feed(12)
		r.holds("live", r.rec)
		r.rec.Finish()
		synctest.Wait()
		r.holds("ended, not written", r.rec)
		disk.Release()
		if err := <-done; err != nil {
			t.Error(err)
		}
		r.holds("written", r.rec)
		r.close()
		if gaps := r.reopened("written"); gaps > 0 {
			t.Errorf("%d gaps", gaps)
		}
	})
}
