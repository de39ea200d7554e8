package archive_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
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
		if errors.Is(r.tl.Close(), timeline.ErrStuck) {
			r.tl.Wait()
			r.spool.Doubt()
		}
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
