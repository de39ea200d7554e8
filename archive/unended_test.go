package archive_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
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

// unended makes a directory with a recording that nobody ended, and returns what is in its segments.
func unended(t *testing.T, base, boot string) (want map[string][]byte) {
	t.Helper()
	store, err := fsstore.New(base, fsstore.Options{Sync: time.Hour, Boot: boot})
	if err != nil {
		t.Fatal(err)
	}
	d, err := store.Open("asset")
	if err != nil {
		t.Fatal(err)
	}
	storetest.Record(t, d, 6)
	torn := storetest.Part(t, 6*400, 2, "open").Body
	if err := errors.Join(d.Close(), store.Close()); err != nil {
		t.Fatal(err)
	}
	// A kill: nobody has said that it was closed.
	name := filepath.Join(base, "asset", archive.HeaderName)
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	h, info, err := archive.DecodeHeader(b)
	if err != nil {
		t.Fatal(err)
	}
	info.Clean = false
	if b, err = archive.EncodeHeader(h, info); err != nil {
		t.Fatal(err)
	}
	open := filepath.Join(base, "asset", "v1", "seg-100-7.m4s")
	if err := errors.Join(os.WriteFile(name, b, 0o644), os.WriteFile(open, append(torn[:len(torn):len(torn)], torn[:20]...), 0o644)); err != nil {
		t.Fatal(err)
	}
	want = map[string][]byte{}
	files, _ := filepath.Glob(filepath.Join(base, "asset", "*", "seg-*"))
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		ref, _ := media.ParseFile(filepath.Base(filepath.Dir(f)), filepath.Base(f))
		want[fmt.Sprintf("%s %d", ref.Rendition, ref.Number)] = b
	}
	want["v1 7"] = torn
	return want
}

// found returns the bytes of every listed segment.
func found(t *testing.T, a *archive.Asset) map[string][]byte {
	t.Helper()
	got := map[string][]byte{}
	for _, r := range a.View().Renditions {
		for _, s := range r.Segments {
			if s.Gap {
				continue
			}
			b, err := readAll(a, media.Ref{Rendition: r.Name, Kind: media.ObjectSegment, Epoch: s.Epoch, Number: s.Number})
			if err != nil {
				t.Errorf("%s segment %d: %v", r.Name, s.Number, err)
			}
			got[fmt.Sprintf("%s %d", r.Name, s.Number)] = b
		}
	}
	return got
}

// TestUnendedOnABadDisk: a recording that nobody ended is on a disk that takes nothing, or fails at the n-th call. It opens and
// everything in it is served; when the disk is well again it ends.
func TestUnendedOnABadDisk(t *testing.T) {
	for _, boot := range []string{"first", "second"} { // the machine is the same, or has lost its power
		for _, why := range []struct {
			err    error
			reason media.GapReason
		}{{syscall.EROFS, media.GapReadOnly}, {syscall.ENOSPC, media.GapDiskFull}, {syscall.EIO, media.GapDiskError}} {
			t.Run(boot+" "+why.err.Error(), func(t *testing.T) {
				t.Parallel()
				base := shm(t)
				for n, last := 1, false; !last && !t.Failed(); n += 3 {
					dir := filepath.Join(base, fmt.Sprint(n))
					want := unended(t, dir, "first")
					synctest.Test(t, func(t *testing.T) { last = openBad(t, dir, boot, n, why.err, why.reason, want) })
					os.RemoveAll(dir)
				}
			})
		}
	}
}

func openBad(t *testing.T, base, boot string, n int, fails error, reason media.GapReason, want map[string][]byte) (last bool) {
	var disk storetest.Disk
	disk.Fail(func(call int, op, path string) error {
		full, sync := fails == syscall.ENOSPC && (op == "remove" || op == "truncate"), strings.HasPrefix(op, "sync")
		if call < n || full || sync && (fails != syscall.EIO || boot == "second") { // a sync that fails condemns
			return nil
		}
		return fails
	})
	store, err := fsstore.New(base, fsstore.Options{Sync: time.Hour, Boot: boot, Fault: disk.Ask})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	for _, well := range []bool{false, true} {
		if well {
			disk.Fail(nil)
		}
		d, err := store.Open("asset")
		if err != nil {
			t.Fatal(err)
		}
		a, err := archive.OpenAsset(d, nil)
		if err != nil {
			d.Close()
			t.Fatalf("call %d fails: %v", n, err)
		}
		got := found(t, a)
		if !maps.EqualFunc(got, want, bytes.Equal) {
			t.Errorf("call %d fails, well again: %v: %d segments are served, want %d", n, well, len(got), len(want))
		}
		switch why := a.Unended(); {
		case well && (why != nil || !a.Info().Ended):
			t.Errorf("on a good disk it does not end: %v", why)
		case !well && why == nil:
			last = true
		case !well && timeline.ReasonOf(why) != reason:
			t.Errorf("call %d fails: the reason is %v: %v", n, timeline.ReasonOf(why), why)
		}
		_ = a.Close() // it says so when the disk does not take that
	}
	if r, err := fsstore.Check(t.Context(), filepath.Join(base, "asset"), fsstore.CheckOptions{}); err != nil || len(r.Findings) > 0 {
		t.Errorf("call %d failed: %+v, %v", n, r, err)
	}
	return last
}

// TestUnendedReadOnly is the same on a real file system that is mounted read-only, which changes nothing.
func TestUnendedReadOnly(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=4m"); err != nil {
		t.Logf("no real file system: %v", err)
		return
	}
	defer syscall.Unmount(dir, syscall.MNT_DETACH)
	want := unended(t, filepath.Join(dir, "assets"), fsstore.BootID())
	if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	store, err := fsstore.New(filepath.Join(dir, "assets"), fsstore.Options{Sync: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	d, err := store.Open("asset")
	if err != nil {
		t.Fatal(err)
	}
	a, err := archive.OpenAsset(d, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if got := found(t, a); !maps.EqualFunc(got, want, bytes.Equal) || timeline.ReasonOf(a.Unended()) != media.GapReadOnly {
		t.Errorf("%d segments are served, want %d; %v", len(got), len(want), a.Unended())
	}
	_ = filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || strings.HasSuffix(path, ".tmp") || strings.HasSuffix(path, ".m3u8") {
			t.Errorf("%s is there: %v", path, err)
		}
		return nil
	})
}
