package fsstore_test

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"headwater.stream/archive"
	"headwater.stream/archive/fsstore"
	"headwater.stream/archive/storetest"
)

// TestCopy: a copy, and a clip, are sound recordings of their own that serve the same bytes under the same names.
func TestCopy(t *testing.T) {
	const ms = time.Millisecond
	anchor := storetest.Header().Anchor
	media := func(d time.Duration) fsstore.Point { return fsstore.Point{Media: d, Set: true} }
	for name, c := range map[string]struct {
		o     fsstore.CopyOptions
		segs  int // of 10
		first string
	}{
		"all":           {fsstore.CopyOptions{}, 10, "v1/seg-100-1.m4s"},
		"copied":        {fsstore.CopyOptions{Copy: true}, 10, "v1/seg-100-1.m4s"},
		"media time":    {fsstore.CopyOptions{From: media(400 * ms), To: media(1200 * ms)}, 4, "v1/seg-100-2.m4s"},
		"inside":        {fsstore.CopyOptions{From: media(399 * ms), To: media(401 * ms)}, 4, "v1/seg-100-1.m4s"},
		"wall clock":    {fsstore.CopyOptions{From: fsstore.Point{UTC: anchor.Add(1600 * ms), Set: true}}, 4, "v1/seg-100-5.m4s"},
		"over a gap":    {fsstore.CopyOptions{From: media(800 * ms), To: media(1700 * ms)}, 4, "v1/seg-100-3.m4s"},
		"to the middle": {fsstore.CopyOptions{To: fsstore.Point{UTC: anchor.Add(time.Second), Set: true}}, 6, "v1/seg-100-1.m4s"},
	} {
		t.Run(name, func(t *testing.T) {
			src := recorded(t, true)
			all := served(t, src)
			dst := filepath.Join(filepath.Dir(src), "copy")
			c.o.Manifests = listing
			done := int64(0)
			c.o.Progress = func(d, total int64) { done = d - total }
			info, err := fsstore.Copy(t.Context(), src, dst, c.o)
			if err != nil || !info.Ended || info.ManifestName != "show" || done != 0 {
				t.Fatalf("%+v, %v, %d", info, err, done)
			}
			if r := check(t, dst, fsstore.CheckOptions{}); len(r.Findings) > 0 || r.Segments != c.segs {
				t.Errorf("%d segments, %+v", r.Segments, r.Findings)
			}
			got := served(t, dst)
			if len(got) != c.segs+2 || got[c.first] == "" {
				t.Errorf("%d objects", len(got))
			}
			for name, b := range got {
				if all[name] != b {
					t.Errorf("%s differs", name)
				}
			}
			a, errA := os.Stat(filepath.Join(src, c.first))
			b, errB := os.Stat(filepath.Join(dst, c.first))
			if errA != nil || errB != nil || os.SameFile(a, b) == c.o.Copy {
				t.Errorf("linked: %v, %v, %v", os.SameFile(a, b), errA, errB)
			}
			// The one event is at 500 ms.
			if events, begins := len(open(t, dst).View().Events), open(t, dst).View().Renditions[0].Segments[0].Start; (events == 1) != (begins <= 500) {
				t.Errorf("%d events of a copy that begins at %d ms", events, begins)
			}
			if err := fsstore.Discard(src); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(src); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the source is still there: %v", err)
			}
			if !maps.Equal(served(t, dst), got) {
				t.Error("the copy needs its source")
			}
		})
	}
}

// TestCopyUnended: of what is being recorded a clip has what is sealed; an import also the rest, to the last whole chunk. The
// source stays as it was.
func TestCopyUnended(t *testing.T) {
	src := recorded(t, false)
	torn := storetest.Part(t, recordedSegments*400, 2, "open").Body
	if err := os.WriteFile(filepath.Join(src, "v1", "seg-100-7.m4s"), append(torn, torn[:20]...), 0o644); err != nil {
		t.Fatal(err)
	}
	before := files(t, src)
	clip, whole := filepath.Join(filepath.Dir(src), "clip"), filepath.Join(filepath.Dir(src), "whole")
	if info, err := fsstore.Copy(t.Context(), src, clip, fsstore.CopyOptions{Manifests: listing}); err != nil || !info.Ended {
		t.Fatal(info, err)
	}
	if info, err := fsstore.Copy(t.Context(), src, whole, fsstore.CopyOptions{Tail: true, Manifests: listing}); err != nil || info.Ended {
		t.Fatal(info, err)
	}
	if got := served(t, clip); len(got) != 12 || got["v1/seg-100-7.m4s"] != "" {
		t.Errorf("the clip has %d objects", len(got))
	}
	if got := served(t, whole); len(got) != 13 || got["v1/seg-100-7.m4s"] != string(torn) {
		t.Errorf("the import has %d objects", len(got))
	}
	for _, dir := range []string{clip, whole} {
		if r := check(t, dir, fsstore.CheckOptions{}); len(r.Findings) > 0 {
			t.Errorf("%s: %+v", dir, r.Findings)
		}
	}
	if !maps.Equal(files(t, src), before) {
		t.Error("the source was changed")
	}
}

// TestCopyFails: nothing is left behind.
func TestCopyFails(t *testing.T) {
	src := recorded(t, true)
	dst := filepath.Join(filepath.Dir(src), "copy")
	for name, c := range map[string]struct {
		src  string
		o    fsstore.CopyOptions
		want string
	}{
		"no asset": {t.TempDir(), fsstore.CopyOptions{}, fsstore.ErrNoAsset.Error()},
		"nothing":  {src, fsstore.CopyOptions{From: fsstore.Point{Media: time.Hour, Set: true}}, "2026-11-25T12:00:00Z to 2026-11-25T12:00:02.4Z, media time 0s to 2.4s"},
	} {
		if _, err := fsstore.Copy(t.Context(), c.src, dst, c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := os.Stat(dst); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: left behind: %v", name, err)
		}
	}
	// What the source lost is a gap.
	if err := os.Remove(filepath.Join(src, "a1", "seg-100-2.m4s")); err != nil {
		t.Fatal(err)
	}
	if _, err := fsstore.Copy(t.Context(), src, dst, fsstore.CopyOptions{Manifests: listing}); err != nil {
		t.Fatal(err)
	}
	if r := check(t, dst, fsstore.CheckOptions{}); len(r.Findings) > 0 || r.Segments != 9 {
		t.Errorf("%+v", r)
	}
	if _, err := fsstore.Copy(t.Context(), src, dst, fsstore.CopyOptions{}); !errors.Is(err, os.ErrExist) {
		t.Errorf("onto what exists: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dst, archive.HeaderName)); err != nil {
		t.Error(err)
	}
}
