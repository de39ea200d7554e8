package node

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"headwater.stream/archive/storetest"
	"headwater.stream/ingest"
	"headwater.stream/internal/control"
)

// TestOneRecordingHangs: the disk does not answer for one recording when that is ended. Viewers do not notice, what is asked of
// others is answered at once, and when the disk answers the recording is whole; or the process ends in time without it.
func TestOneRecordingHangs(t *testing.T) {
	for _, c := range []struct {
		name  string
		hangs func(op, path string) bool
		ends  bool // the process, before the disk answers
	}{
		{"all", func(string, string) bool { return true }, false},
		{"syncs", func(op, _ string) bool { return strings.HasPrefix(op, "sync") }, false},
		{"syncs of indexes", func(op, path string) bool { return op == "sync" && strings.HasSuffix(path, "index.hwx") }, false},
		{"syncs, to the end", func(op, _ string) bool { return strings.HasPrefix(op, "sync") }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			var disk storetest.Disk
			synctestRig(t, t.TempDir(), &disk, func(r *faultRig) { hangOne(t, r, &disk, c.hangs, c.ends) })
		})
	}
}

func hangOne(t *testing.T, r *faultRig, disk *storetest.Disk, hangs func(op, path string) bool, ends bool) {
	took := func(what string, limit time.Duration, f func()) {
		t.Helper()
		at := time.Now()
		f()
		if d := time.Since(at); d > limit {
			t.Errorf("%s took %v", what, d)
		}
	}
	late, began := time.Duration(0), time.Now()
	p := publisher{audio: 48000}
	p.beforeSend = func(_ ingest.Session, ms float64) {
		if v := r.rt.events["e"].tl.View(); len(v.Renditions) > 0 && v.Renditions[0].Open != nil {
			m := v.Renditions[0]
			late = max(late, time.Since(began)-m.Time(m.Open.End()))
		}
	}
	s := r.send(p, 11*time.Second)
	release := make(chan struct{})
	disk.Fail(func(_ int, op, path string) error {
		if strings.Contains(path, "assets/asset") && hangs(op, path) {
			<-release
		}
		return nil
	})
	r.wait(900 * time.Millisecond) // the disk is synced every second
	began = began.Add(933 * time.Millisecond)
	p.start = 11_033
	before := late
	late = 0

	took("ending the output", 5*time.Second, func() { r.desired.Outputs = nil; r.apply() })
	began = time.Now().Add(-11_033 * time.Millisecond)
	if _, body := r.get("v1/media.m3u8"); !strings.Contains(body, "#EXT-X-ENDLIST") {
		t.Error("the recording has not ended for its viewers")
	}
	r.whole("ended")
	took("what is asked of others", 100*time.Millisecond, func() {
		r.desired.Events = append(r.desired.Events, control.EventSpec{ID: "f", Name: "f", Token: "other", PreviewID: faultLocator, Running: true, SegmentTarget: 2 * time.Second, Parts: true})
		r.desired.Assets = append(r.desired.Assets, control.AssetSpec{ID: "b", Name: "b", Container: "other", ManifestName: "show"}, control.AssetSpec{ID: "c", Name: "c", Container: "third", ManifestName: "show"})
		r.desired.Outputs = []control.OutputSpec{
			{ID: "p", Name: "p", EventID: "f", AssetID: "b", ManifestName: "show", ArchiveWindow: time.Minute},
			{ID: "q", Name: "q", EventID: "e", AssetID: "c", ManifestName: "show", ArchiveWindow: time.Minute},
		}
		r.apply()
		r.desired.Outputs = r.desired.Outputs[1:]
		r.desired.Events[1].Running = false
		r.apply()
	})
	r.feed(s, &p, 8*time.Second)
	if late > before+50*time.Millisecond {
		t.Errorf("parts are %v late, %v before", late, before)
	}
	s.Close()
	took("ending another output of the event", 5*time.Second, func() { r.desired.Outputs = nil; r.apply() })
	if v := r.rt.byAsset["c"].shown.Load().presentation.View(); !v.Ended || len(v.Renditions[0].Segments) < 3 {
		t.Error("the other recording of the event suffers")
	}
	if ends {
		took("the end", 10*time.Second, func() {
			if err := r.rt.close(); err == nil {
				t.Error("nobody says that not everything is on the disk")
			}
		})
		close(release)
		synctest.Wait()
		return
	}
	close(release)
	<-time.After(2 * time.Second) // what was refused is tried again
	synctest.Wait()
	if a := r.rt.byAsset["a"]; a.recorded() || a.replay == nil {
		t.Error("the recording does not replay")
	}
	r.finish()
	if err := r.rt.close(); err != nil {
		t.Error(err)
	}
}
