package fsstore_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"headwater.stream/archive"
	"headwater.stream/archive/fsstore"
	"headwater.stream/archive/storetest"
	"headwater.stream/internal/media"
)

// TestLinkAcrossFileSystems: where no link can be made a sealed segment is copied, and one that is not whole is not.
func TestLinkAcrossFileSystems(t *testing.T) {
	var disk storetest.Disk
	from, to := tmpfs(t), t.TempDir()
	disk.Fail(func(_ int, op, _ string) error { // also where both are of one file system
		if op == "link" {
			return syscall.EXDEV
		}
		return nil
	})
	open := func(path string, ask func(op, path string) error) archive.Dir {
		s, err := fsstore.New(path, fsstore.Options{Sync: time.Hour, Fault: ask})
		if err != nil {
			t.Fatal(err)
		}
		d, err := s.Open("d")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { d.Close(); s.Close() })
		if err := d.SaveHeader(storetest.Header()); err != nil {
			t.Fatal(err)
		}
		return d
	}
	src, dst := open(from, nil), open(to, disk.Ask)
	part := storetest.Part(t, 0, 2, "payload")
	s := media.Segment{Number: 1, Epoch: 100, Init: 100}
	if err := src.Append("v1", s, 0, part.Body); err != nil {
		t.Fatal(err)
	}
	if err := dst.Link(src, "v1", s); err != nil { // it grows: later
		t.Fatal(err)
	}
	file := media.Ref{Rendition: "v1", Kind: media.ObjectSegment, Epoch: 100, Number: 1}.Name()
	if _, err := os.Stat(filepath.Join(to, "d", file)); err == nil {
		t.Error("a segment that grows was copied")
	}
	torn := s
	torn.Size = part.Size + 1
	if err := dst.Link(src, "v1", torn); !errors.Is(err, media.ErrNotFound) {
		t.Errorf("a torn segment is linked: %v", err)
	}
	s.Size, s.Duration = part.Size, part.Duration
	if err := errors.Join(src.Seal("v1", s), dst.Link(src, "v1", s), dst.Seal("v1", s)); err != nil {
		t.Fatal(err)
	}
	a, errA := os.Stat(filepath.Join(from, "d", file))
	b, errB := os.Stat(filepath.Join(to, "d", file))
	if errA != nil || errB != nil || os.SameFile(a, b) {
		t.Errorf("no copy: %v, %v", errA, errB)
	}
	f, err := dst.Open("v1", s)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got, err := io.ReadAll(f); err != nil || string(got) != string(part.Body) {
		t.Errorf("%d bytes of %d: %v", len(got), len(part.Body), err)
	}
}
