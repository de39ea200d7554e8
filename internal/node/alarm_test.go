package node

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"headwater.stream/archive/fsstore"
	"headwater.stream/archive/storetest"
	"headwater.stream/internal/media"
	"headwater.stream/origin"
)

// sum returns the sum of a metric's values, of one label if that is given.
func (r *faultRig) sum(name, label string) (v float64) {
	r.t.Helper()
	families, err := r.rt.metrics.registry.Gather()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name && (label == "" || len(m.GetLabel()) == 1 && m.GetLabel()[0].GetValue() == label) {
				v += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return v
}

// TestStorageAlarms: a disk that takes nothing is told once for the spool and once for the recording, and once more for each
// other reason, in the stream events and the metrics; the alarms name what, why and since when, and go when the disk is well.
func TestStorageAlarms(t *testing.T) {
	var disk storetest.Disk
	synctestRig(t, t.TempDir(), &disk, func(r *faultRig) {
		r.mayLose, r.every = true, 2*time.Second
		r.rt.metrics.watch(r.rt)
		p := publisher{audio: 48000}
		s := r.send(p, 10*time.Second)
		defer s.Close()
		at := int64(10_033)
		feed := func(d time.Duration) {
			p.start = at
			r.feed(s, &p, d)
			at += d.Milliseconds() + 33
		}
		if n := r.sum("headwater_storage_alarms", ""); n != 0 || r.alarmed() != "" {
			t.Errorf("%v alarms on a good disk", n)
		}
		spoilt := time.Now()
		for _, why := range []struct {
			err    error
			reason string
		}{{syscall.ENOSPC, "disk_full"}, {syscall.EROFS, "read_only"}} {
			disk.Fail(func(int, string, string) error { return why.err })
			feed(100 * time.Second)
			st, _ := r.rt.EventStatus("e")
			if len(st.Alarms) != 2 || st.Alarms[0].What == st.Alarms[1].What {
				t.Fatalf("%s: alarms %+v", why.reason, st.Alarms)
			}
			for _, a := range st.Alarms {
				if a.Reason != why.reason || !strings.Contains(a.Detail, why.err.Error()) || a.Since.Before(spoilt) || a.Since.Sub(spoilt) > 5*time.Second {
					t.Errorf("%s: %+v, spoilt at %v", why.reason, a, spoilt)
				}
				if a.What != spoolAlarm && a.What != `the recording of live output "o"` {
					t.Errorf("an alarm about %q", a.What)
				}
			}
			if n := r.sum("headwater_storage_faults_total", why.reason); n != 2 {
				t.Errorf("%s: counted %v times", why.reason, n)
			}
			if n := r.sum("headwater_storage_alarms", ""); n != 2 {
				t.Errorf("%s: %v alarms", why.reason, n)
			}
			if n := len(r.events("StorageDegraded", why.reason)); n != 2 {
				t.Errorf("%s: told %d times", why.reason, n)
			}
		}
		if n := r.sum("headwater_spools_degraded", ""); n != 1 {
			t.Errorf("%v spools are degraded", n)
		}
		disk.Fail(nil)
		feed(20 * time.Second)
		st, _ := r.rt.EventStatus("e")
		if n := r.sum("headwater_storage_alarms", "") + r.sum("headwater_spools_degraded", ""); n != 0 || len(st.Alarms) != 0 {
			t.Errorf("the disk is well: %v alarms, %+v", n, st.Alarms)
		}
		if n := len(r.events("StorageRecovered", "is written again")); n != 2 {
			t.Errorf("told %d times that it is well", n)
		}
		synctest.Wait()
		gaps := map[string]int{}
		for _, m := range r.rt.byAsset["a"].shown.Load().presentation.View().Renditions {
			for _, s := range m.Segments {
				if s.Gap && s.Reason != media.GapUnknown { // the encoder's own
					gaps[s.Reason.String()]++
				}
			}
		}
		for reason, n := range gaps {
			if m := r.sum("headwater_record_gaps_total", reason); int(m) != n {
				t.Errorf("%s: there are %d gaps, %v are counted", reason, n, m)
			}
		}
		if len(gaps) == 0 {
			t.Error("nothing is lost")
		}
		r.finish()
		if err := r.rt.close(); err != nil {
			t.Error(err)
		}
	})
}

// TestTornEndsAreReported: what a crash left half written, in spool and recording, is in the stream events and counted, with
// the file and how many bytes are gone; a start that finds nothing reports nothing.
func TestTornEndsAreReported(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		watchedOn(t, dir, nil, Config{}, 10*time.Minute, func(r *faultRig) {
			s := r.send(publisher{audio: 48000}, 9*time.Second)
			synctest.Wait()
			crashed := t.TempDir()
			if err := copyKilled(crashed, dir); err != nil {
				t.Fatal(err)
			}
			s.Close()
			r.restart(0)
			if n := r.sum("headwater_storage_repairs_total", ""); n != 0 || len(r.events("StorageRepaired", "")) > 0 {
				t.Errorf("after an orderly end %v repairs are counted", n)
			}
			var want []string
			tear := func(pattern, what string, bytes int) {
				t.Helper()
				list, err := filepath.Glob(filepath.Join(crashed, pattern))
				if err != nil || len(list) == 0 {
					t.Fatalf("%s: %v", pattern, err)
				}
				slices.Sort(list)
				name := list[len(list)-1] // the segment that is open
				f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND, 0)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := f.Write(make([]byte, bytes)); err != nil {
					t.Fatal(err)
				}
				f.Close()
				want = append(want, fmt.Sprintf("%s: %s, %d bytes", filepath.Join(filepath.Base(filepath.Dir(name)), filepath.Base(name)), what, bytes))
			}
			tear("events/e/v1/seg-*", "torn end of a segment", 111)
			tear("events/e/a1/index.hwx", "torn end of the index", 7)
			tear("assets/asset/v1/index.hwx", "torn end of the index", 63)
			var stores [2]*fsstore.Store
			for i, kind := range []string{"events", "assets"} {
				var err error
				if stores[i], err = fsstore.New(filepath.Join(crashed, kind), fsstore.Options{Sync: time.Second}); err != nil {
					t.Fatal(err)
				}
				defer stores[i].Close()
			}
			old := *r
			r.rt = newRuntime(r.t.Context(), newClock(), stores[0], stores[1], newMetrics(), old.rt.cfg)
			r.handler = origin.NewHandler(origin.Options{Resolver: r.rt})
			r.apply()
			told := r.events("StorageRepaired", "")
			for _, text := range want {
				if len(r.events("StorageRepaired", text)) != 1 {
					t.Errorf("nobody is told of %q: %+v", text, told)
				}
			}
			if n := r.sum("headwater_storage_repairs_total", ""); len(told) != len(want) || int(n) != len(want) {
				t.Errorf("told of %d, counted %v, want %d: %+v", len(told), n, len(want), told)
			}
			if err := r.rt.close(); err != nil {
				t.Error(err)
			}
			r.rt, r.handler = old.rt, old.handler
		})
	})
}
