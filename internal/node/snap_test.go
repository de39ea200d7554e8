package node

import (
	"strings"
	"testing"
	"time"

	"headwater.stream/internal/control"
)

// TestSnapTime records into assets whose outputs start at times of the encoder's clock: one is made before the encoder
// comes, others while it publishes; the clock begins at 5 s and its segments are two seconds long.
func TestSnapTime(t *testing.T) {
	faults(t, func(r *faultRig) {
		const second = 10_000_000
		record := func(n int, snap int64) {
			id := filteredLocator(n)
			r.desired.Assets = append(r.desired.Assets, control.AssetSpec{ID: id, Name: id, Container: "asset" + id, ManifestName: "show"})
			r.desired.Outputs = append(r.desired.Outputs, control.OutputSpec{ID: id, Name: id, EventID: "e", AssetID: id, ManifestName: "show", ArchiveWindow: 10 * time.Minute, SnapTime: snap})
			r.desired.Locators = append(r.desired.Locators, control.LocatorSpec{ID: id, AssetID: id, HLS: true, DASH: true})
		}
		record(1, 25*second)
		record(2, 26*second)
		record(3, 1000*second)
		record(4, 1)
		r.apply()
		p := publisher{audio: 48000, start: 5000}
		s := r.send(p, 11*time.Second)
		record(5, 9*second) // that was: from now on
		record(6, 25*second)
		r.apply()
		if status, _ := r.filteredView(filteredLocator(1), "master.m3u8"); status != 404 {
			t.Errorf("before its time a recording answers %d", status)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		p.start = 16_000
		s = r.send(p, 20*time.Second)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		whole, _ := r.listed(faultLocator, "manifest.mpd")
		// The second range begins with 16 s on the encoder's clock.
		second2 := 0
		for n, seg := range r.lists["v1"].segments {
			if seg.disc == 1 && (second2 == 0 || n < second2) {
				second2 = n
			}
		}
		check := func(when string) {
			t.Helper()
			for n, want := range map[int]int{1: second2 + 5, 2: second2 + 5, 4: whole[0], 5: whole[0] + 5, 6: second2 + 5} {
				if got, _ := r.listed(filteredLocator(n), "manifest.mpd"); got[0] != want || got[1] != whole[1] {
					t.Errorf("%s: recording %d has segments %v, want %d to %d", when, n, got, want, whole[1])
				}
			}
			if status, body := r.filteredView(filteredLocator(3), "master.m3u8"); status != 404 || !strings.Contains(body, "MPE_LIVE_MEDIA_ENTRIES_NOT_FOUND") {
				t.Errorf("%s: what never began answers %d %s", when, status, body)
			}
		}
		check("live")
		r.desired.Outputs = nil
		r.apply()
		whole, _ = r.listed(faultLocator, "manifest.mpd")
		check("replay")
	})
}
