package node

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
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
	"headwater.stream/archive/storetest"
	"headwater.stream/ingest"
	"headwater.stream/internal/media"
)

// badDisk is a disk that can be spoilt: a small tmpfs where mounting is allowed, a double elsewhere.
type badDisk struct {
	t      *testing.T
	dir    string
	real   bool
	double storetest.Disk
}

func newBadDisk(t *testing.T) *badDisk {
	d := &badDisk{t: t, dir: t.TempDir()}
	if err := syscall.Mount("tmpfs", d.dir, "tmpfs", 0, "size=40m,nr_inodes=300"); err == nil {
		d.real = true
		t.Cleanup(func() {
			if err := syscall.Unmount(d.dir, syscall.MNT_DETACH); err != nil {
				t.Error(err)
			}
		})
	}
	t.Logf("a real file system: %v", d.real)
	return d
}

// fill takes all room, or all inodes.
func (d *badDisk) fill(inodes bool) {
	d.t.Helper()
	if !d.real {
		d.refuse(syscall.ENOSPC)
		return
	}
	junk := filepath.Join(d.dir, "junk")
	if err := os.Mkdir(junk, 0o755); err != nil {
		d.t.Fatal(err)
	}
	for i := 0; ; i++ {
		f, err := os.Create(filepath.Join(junk, fmt.Sprint(i)))
		for b := make([]byte, 1<<16); err == nil && !inodes; {
			if _, err = f.Write(b); err != nil && len(b) > 1 {
				b, err = b[:len(b)/2], nil
			}
		}
		f.Close()
		if errors.Is(err, syscall.ENOSPC) {
			return
		}
		if err != nil {
			d.t.Fatal(err)
		}
	}
}

// refuse makes every call that changes the disk fail, as on a disk that was mounted read-only after an error.
func (d *badDisk) refuse(err error) {
	d.double.Fail(func(_ int, op, _ string) error {
		if op == "remove" && err == syscall.ENOSPC {
			return nil
		}
		return err
	})
}

// free makes room again.
func (d *badDisk) free() {
	d.t.Helper()
	d.double.Fail(nil)
	if err := os.RemoveAll(filepath.Join(d.dir, "junk")); err != nil {
		d.t.Fatal(err)
	}
}

// whole fetches everything that is listed.
func (r *faultRig) whole(when string) (gaps int) {
	r.t.Helper()
	synctest.Wait() // the recorder has seen what the viewer will see
	for name := range r.lists {
		_, body := r.get(name + "/media.m3u8")
		gap := false
		for line := range strings.Lines(body) {
			line = strings.TrimSpace(line)
			switch {
			case line == "#EXT-X-GAP":
				gap = true
				gaps++
			case gap && !strings.HasPrefix(line, "#"):
				gap = false
			case strings.HasPrefix(line, "seg-"):
				status, got := r.get(path.Join(name, line))
				if want, ok := r.objects[path.Join(name, line)]; status != http.StatusOK || ok && sha256.Sum256([]byte(got)) != want.sum {
					r.complain("%s: %s is listed: status %d, %d bytes", when, line, status, len(got))
				}
			}
		}
	}
	return gaps
}

// alarmed returns the reasons of the alarms that are on.
func (r *faultRig) alarmed() (reasons string) {
	r.t.Helper()
	st, ok := r.rt.EventStatus("e")
	if !ok {
		r.t.Fatal("the event does not run")
	}
	for _, a := range st.Alarms {
		reasons += a.Reason + " "
	}
	return reasons
}

// recordedGaps counts the gaps in the index of the recording, by reason.
func (r *faultRig) recordedGaps() map[string]int {
	r.t.Helper()
	b, err := os.ReadFile(filepath.Join(r.dir, "assets/asset/a1/index.hwx"))
	if err != nil {
		r.t.Fatal(err)
	}
	x, err := archive.ParseIndex(b)
	if err != nil {
		r.t.Fatal(err)
	}
	gaps := map[string]int{}
	for _, s := range x.Segments {
		if s.Gap {
			gaps[s.Reason.String()]++
		}
	}
	return gaps
}

// TestDiskRefuses is case 59: the disk is full, has no inodes, is read-only, or forbids writing. Live goes on, everything
// that is listed is served, an alarm says why; a short time of it costs the recording nothing, of a long one it has gaps
// with the reason; it goes on by itself.
func TestDiskRefuses(t *testing.T) {
	for _, c := range []struct {
		name, reason string
		spoil        func(d *badDisk)
	}{
		{"full", "disk_full", func(d *badDisk) { d.fill(false) }},
		{"inodes", "no_inodes", func(d *badDisk) { d.fill(d.real) }},
		{"read-only", "read_only", func(d *badDisk) { d.refuse(syscall.EROFS) }},
		{"permission", "permission", func(d *badDisk) { d.refuse(syscall.EACCES) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := newBadDisk(t)
			reason := c.reason
			if c.name == "inodes" && !d.real {
				reason = "disk_full"
			}
			faultsOn(t, d.dir, d.double.Ask, Config{}, func(r *faultRig) {
				r.mayLose, r.every = true, time.Second
				s := r.send(publisher{audio: 48000}, 20*time.Second)
				defer s.Close()
				at := int64(20_033)
				feed := func(length time.Duration) {
					r.feed(s, &publisher{audio: 48000, start: at}, length)
					at += length.Milliseconds() + 33
				}
				c.spoil(d)
				feed(20 * time.Second)
				r.whole("the disk refuses")
				if got := r.alarmed(); !strings.Contains(got, reason) {
					t.Errorf("alarms %q, want %s", got, reason)
				}
				d.free()
				feed(20 * time.Second)
				if gaps := r.whole("the disk takes bytes again"); gaps > 0 || r.alarmed() != "" {
					t.Errorf("after a short time: %d gaps, alarms %q, recorded %v", gaps, r.alarmed(), r.recordedGaps())
				}
				c.spoil(d)
				feed(150 * time.Second)
				r.whole("the disk refuses for long")
				d.free()
				feed(20 * time.Second)
				if gaps := r.whole("long after"); gaps == 0 || r.alarmed() != "" {
					t.Errorf("after a long time: %d gaps, alarms %q", gaps, r.alarmed())
				}
				r.finish()
				if gaps := r.recordedGaps(); len(gaps) != 1 || gaps[reason] < 1 || gaps[reason] > 80 {
					t.Errorf("recorded gaps: %v", gaps)
				}
				told := map[string]int{}
				for _, e := range r.rt.events["e"].trail.events {
					told[e.Type+" "+e.Code]++
				}
				if told["StorageDegraded "+reason] == 0 || told["StorageRecovered "+reason] == 0 {
					t.Errorf("stream events %v", told)
				}
			})
		})
	}
}

// TestDiskLimits: the reserve and the quotas act before the disk is full, and only on the recording.
func TestDiskLimits(t *testing.T) {
	for _, c := range []struct {
		name, reason string
		cfg          Config
	}{
		{"asset quota", "quota", Config{AssetQuota: 20_000}},
		{"archive quota", "quota", Config{ArchiveQuota: 20_000}},
		{"reserve", "disk_reserve", Config{ArchiveMinFree: 1 << 60}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if c.name == "reserve" {
				d := newBadDisk(t)
				if dir = d.dir; d.real {
					if err := os.WriteFile(filepath.Join(dir, "junk"), make([]byte, 39<<20), 0o644); err != nil {
						t.Fatal(err)
					}
				} else {
					t.Log("the disk has too much room to touch the reserve: the budget alone is asked")
					b := budget{store: fakeSpace{}, minFree: 1 << 60}
					if err := b.admit("a", 0, 1, time.Now()); err == nil {
						t.Error("the reserve can be used up")
					}
					return
				}
			}
			faultsOn(t, dir, nil, c.cfg, func(r *faultRig) {
				r.mayLose, r.every = true, 2*time.Second
				s := r.send(publisher{audio: 48000}, 190*time.Second)
				defer s.Close()
				gaps := r.whole("beyond the limit")
				if gaps == 0 || !strings.Contains(r.alarmed(), c.reason) {
					t.Errorf("%d gaps, alarms %q", gaps, r.alarmed())
				}
				if h := r.rt.events["e"].tl.Health(); h.Degraded || h.LostParts > 0 {
					t.Errorf("the live event suffers: %+v", h)
				}
				if got := r.recordedGaps(); len(got) != 1 || got[c.reason] == 0 {
					t.Errorf("recorded gaps: %v", got)
				}
			})
		})
	}
}

// fakeSpace is a disk that is nearly full.
type fakeSpace struct{}

func (fakeSpace) Space() (free, size int64, err error) { return 1 << 20, 1 << 30, nil }
func (fakeSpace) List() ([]string, error)              { return nil, nil }
func (fakeSpace) Size(string) (int64, error)           { return 0, nil }

// TestDiskHangs is case 60: every call that changes the disk hangs. Live is as fast as before, memory is bounded, ending
// the output and the event takes less than 5 s each, and everything ends within 10 s.
func TestDiskHangs(t *testing.T) {
	var disk storetest.Disk
	dir := t.TempDir()
	synctestRig(t, dir, &disk, func(r *faultRig) {
		r.every, r.mayLose = time.Second, true
		late := time.Duration(0)
		began := time.Now()
		p := publisher{audio: 48000}
		p.beforeSend = func(_ ingest.Session, ms float64) {
			if v := r.rt.events["e"].tl.View(); len(v.Renditions) > 0 && v.Renditions[0].Open != nil && ms > 3000 {
				m := v.Renditions[0]
				late = max(late, time.Since(began)-m.Time(m.Open.End()))
			}
		}
		s := r.send(p, 20*time.Second)
		before := late
		disk.Hang()
		late, began = 0, time.Now().Add(-20*time.Second-33*time.Millisecond)
		p.start = 20_033
		r.feed(s, &p, 180*time.Second)
		if late > before+50*time.Millisecond {
			t.Errorf("parts are %v late while the disk hangs, %v before", late, before)
		}
		r.whole("the disk hangs")
		if got := r.alarmed(); !strings.Contains(got, "disk_slow") {
			t.Errorf("alarms %q", got)
		}
		took := func(what string, limit time.Duration, f func()) {
			t.Helper()
			at := time.Now()
			f()
			if d := time.Since(at); d > limit {
				t.Errorf("%s took %v", what, d)
			}
		}
		took("deleting the output", 5*time.Second, func() {
			r.desired.Outputs = nil
			r.rt.Apply(r.t.Context(), r.desired)
		})
		if _, body := r.get("v1/media.m3u8"); !strings.Contains(body, "#EXT-X-ENDLIST") {
			t.Error("the recording has not ended for its viewers")
		}
		r.whole("ended while the disk hangs")
		took("stopping the event", 5*time.Second, func() {
			r.desired.Events[0].Running = false
			r.rt.Apply(r.t.Context(), r.desired)
		})
		took("deleting the asset", 5*time.Second, func() {
			r.desired.Assets, r.desired.Locators = nil, nil
			r.rt.Apply(r.t.Context(), r.desired)
		})
		took("the end", 10*time.Second, func() {
			if err := r.rt.close(); err == nil {
				t.Error("nobody says that not everything is on the disk")
			}
		})
		disk.Release()
		synctest.Wait()
	})
}

// TestQueueOverflows: what a disk that hangs is owed is bounded; what does not fit is a gap later.
func TestQueueOverflows(t *testing.T) {
	var disk storetest.Disk
	synctestRig(t, t.TempDir(), &disk, func(r *faultRig) {
		r.mayLose, r.every = true, time.Second
		big := make([]byte, 400_000)
		copy(big, faultFrame(0, true))
		p := publisher{mutate: func(_ float64, _ int, s *media.Sample) bool {
			s.Data = append([]byte{0, 6, 26, 124}, big[4:]...) // its length in front
			return true
		}}
		s := r.send(p, 4*time.Second)
		disk.Hang()
		p.start = 4_033
		r.feed(s, &p, 15*time.Second) // 180 MB
		if h := r.rt.events["e"].tl.Health(); h.LostParts == 0 {
			t.Errorf("nothing is given up: %+v", h)
		}
		r.whole("the queue is full")
		disk.Release()
		synctest.Wait()
		p.start = 19_066
		r.feed(s, &p, 8*time.Second)
		if got := r.alarmed(); got != "" {
			t.Errorf("alarms %q", got)
		}
		s.Close()
		r.finish()
		if err := r.rt.close(); err != nil {
			t.Error(err)
		}
	})
}

// synctestRig is faultsOn without its end.
func synctestRig(t *testing.T, dir string, disk *storetest.Disk, f func(r *faultRig)) {
	t.Parallel()
	faultsOn(t, dir, disk.Ask, Config{}, func(r *faultRig) {
		r.ended = true
		f(r)
	})
}

// TestDiskIsSlow: a disk that is late again and again, and stands still for seconds now and then, but takes everything, costs
// neither a viewer nor the recording anything: what was seen live is in the replay.
func TestDiskIsSlow(t *testing.T) {
	for _, slow := range []string{"all", "spool", "recording"} {
		t.Run(slow, func(t *testing.T) {
			t.Parallel()
			var disk storetest.Disk
			dir := t.TempDir()
			rnd := rand.New(rand.NewPCG(13, 0))
			var mu sync.Mutex
			disk.Fail(func(call int, op, path string) error {
				// Not syncs: who closes a directory waits for one with a mutex, which stops fake time.
				if strings.HasPrefix(op, "sync") || slow == "spool" && !strings.Contains(path, "events/") || slow == "recording" && !strings.Contains(path, "assets/") {
					return nil
				}
				mu.Lock()
				wait := time.Duration(rnd.IntN(60)) * time.Millisecond // the spool's bound is 40 ms
				if rnd.IntN(100) == 0 {
					wait = time.Duration(rnd.IntN(8000)) * time.Millisecond
				}
				mu.Unlock()
				<-time.After(wait)
				return nil
			})
			faultsOn(t, dir, disk.Ask, Config{}, func(r *faultRig) {
				lagged := false
				for i := range 12 {
					p := publisher{audio: []int{48000, 44100, 0}[i%3], size: []string{"", "other"}[i/2%2], start: int64(i) * 1000}
					p.beforeSend = func(ingest.Session, float64) { lagged = lagged || r.rt.events["e"].tl.Health().Degraded }
					s := r.send(p, time.Duration(1+i*5%13)*time.Second)
					if err := s.Close(); err != nil {
						t.Error(err)
					}
					r.wait(time.Duration(i%4) * time.Second)
				}
				if slow != "recording" && !lagged {
					t.Error("the spool was never behind")
				}
				r.finish()
				<-time.After(time.Minute)
				r.finish() // from the files now
				disk.Fail(nil)
				<-time.After(10 * time.Second)
			})
		})
	}
}

// TestStartOnAFullDisk: a server that starts on a disk without room serves its recordings and takes encoders, whose media viewers get
// from memory; what it could not write follows by itself when there is room.
func TestStartOnAFullDisk(t *testing.T) {
	const published = "22222222-2222-3333-4444-555555555555"
	d := newBadDisk(t)
	if !d.real {
		t.Log("file systems cannot be mounted here: nothing can be seen")
		return
	}
	dir, base := filepath.Join(d.dir, "data"), "/"+published+"/show.ism/"
	r := start(t, dir)
	endPublish := r.live(published)
	r.until("two segments", func() bool { return len(r.objects(base)) >= 4 })
	r.end()
	endPublish()
	d.fill(false)
	r = start(t, dir)
	defer func() { r.end() }()
	before := len(r.objects(base))
	if before < 4 {
		t.Fatalf("%d segments are left", before)
	}
	e, err := r.client.GetLiveEvent(t.Context(), "ev")
	if err != nil {
		t.Fatal(err)
	}
	endPublish = r.publish(strings.TrimSuffix(e.Properties.Input.Endpoints[0].URL, "/"))
	defer func() { endPublish() }()
	r.until("media on a full disk", func() bool { return len(r.objects(base)) >= before+2 })
	d.free()
	r.until("the ready file", func() bool { _, err := os.Stat(filepath.Join(dir, ReadyName)); return err == nil })
}
