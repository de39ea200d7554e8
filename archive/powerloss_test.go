package archive_test

import (
	"bytes"
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

	"headwater.stream/internal/media"
)

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
	step := 8
	if exact {
		step = 5
	}
	m.each = func(n int, m *memoryDisk) {
		if !live || n%step != 0 {
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
