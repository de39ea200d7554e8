package fsstore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"headwater.stream/archive"
	"headwater.stream/archive/fsstore"
	"headwater.stream/archive/storetest"
	"headwater.stream/internal/media"
)

const recordedSegments = 6

// recorded makes an asset directory of two renditions with six segments of 400 ms, the fourth a gap. It returns its path.
func recorded(t *testing.T, ended bool) string {
	t.Helper()
	base := tmpfs(t) // a repair syncs much
	store, err := fsstore.New(base, fsstore.Options{Sync: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	d, err := store.Open("torn")
	if err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	storetest.Record(t, d, recordedSegments)
	dir := filepath.Join(base, "torn")
	if ended {
		must(d.SaveInfo(archive.Info{ManifestName: "show", First: 1, Ended: true}))
		must(d.Close())
		a := open(t, dir)
		files, err := listing(a.View())
		must(err)
		for name, body := range files {
			must(os.WriteFile(filepath.Join(dir, name), body, 0o644))
		}
		return dir
	}
	must(d.Close())
	return dir
}

// listing stands for the manifests: what is in them follows from the View.
func listing(v *media.View) (map[string][]byte, error) {
	files := map[string][]byte{media.MultivariantName: []byte("all"), media.MPDName: []byte("all")}
	for _, r := range v.Renditions {
		files[r.Name+"/"+media.MediaPlaylistName] = fmt.Appendf(nil, "%+v", r.Segments)
	}
	return files, nil
}

func open(t *testing.T, dir string) *archive.Asset {
	t.Helper()
	r, err := fsstore.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	a, err := r.Asset(fsstore.Point{}, fsstore.Point{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	return a
}

// served returns what viewers get of a recording, by name, as a server opens it.
func served(t *testing.T, dir string) map[string]string {
	t.Helper()
	store, err := fsstore.New(filepath.Dir(dir), fsstore.Options{Sync: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	d, err := store.Open(filepath.Base(dir))
	if err != nil {
		t.Fatal(err)
	}
	a, err := archive.OpenAsset(d, listing)
	if err != nil {
		d.Close()
		t.Fatal(err)
	}
	defer a.Close()
	all := map[string]string{}
	for _, m := range a.View().Renditions {
		refs := []media.Ref{{Rendition: m.Name, Kind: media.ObjectInit, Epoch: 100}}
		for _, s := range m.Segments {
			refs = append(refs, media.Ref{Rendition: m.Name, Kind: media.ObjectSegment, Epoch: s.Epoch, Number: s.Number})
		}
		for _, ref := range refs {
			o, err := a.Open(context.Background(), ref)
			if err != nil {
				continue
			}
			b := bytes.Join(o.Data, nil)
			if o.File != nil {
				if b, err = io.ReadAll(io.LimitReader(o.File, o.Size)); err != nil {
					t.Fatal(err)
				}
			}
			all[ref.Name()] = string(b)
			o.Close()
		}
	}
	return all
}

func check(t *testing.T, dir string, o fsstore.CheckOptions) *fsstore.Report {
	t.Helper()
	o.Manifests = listing
	r, err := fsstore.Check(t.Context(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		all[name] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// restoreAll puts a directory back to what files returned.
func restoreAll(t *testing.T, dir string, all map[string]string) {
	t.Helper()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	for name, body := range all {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(body), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCheckSound(t *testing.T) {
	r := check(t, recorded(t, true), fsstore.CheckOptions{})
	if r.Damaged || len(r.Findings) > 0 || r.Segments != 2*(recordedSegments-1) || r.Lost != 0 || !r.Ended {
		t.Errorf("%+v", r)
	}
	if len(r.Gaps) != 2 || r.Gaps[0].First != 4 || r.Gaps[0].Duration != 400*time.Millisecond {
		t.Errorf("gaps %+v", r.Gaps)
	}
}

// TestBitFlips flips a bit in every file of an asset, one after the other, at many places: it is found, in that file; nobody
// gets a byte that was not recorded, everybody all segments that are whole; after a repair the directory is sound, and what
// was whole is as it was.
func TestBitFlips(t *testing.T) {
	dir := recorded(t, true)
	whole, all := files(t, dir), served(t, dir)
	if len(all) != 2*recordedSegments { // an initialization section, and a gap
		t.Fatalf("served %d objects", len(all))
	}
	for _, name := range slices.Sorted(maps.Keys(whole)) {
		for at := 0; at < len(whole[name]); at += 1 + len(whole[name])/12 {
			restoreAll(t, dir, whole)
			body := []byte(whole[name])
			body[at] ^= 1 << (at % 8)
			if err := os.WriteFile(filepath.Join(dir, name), body, 0o644); err != nil {
				t.Fatal(err)
			}
			r := check(t, dir, fsstore.CheckOptions{})
			if !r.Damaged || !slices.ContainsFunc(r.Findings, func(f fsstore.Finding) bool { return f.File == name }) {
				t.Errorf("%s, byte %d: not found: %+v", name, at, r.Findings)
			}
			segment := strings.Contains(name, "/seg-")
			gap := strings.HasSuffix(name, "index.hwx") && at/archive.RecordSize == 4 // whose record is all that there is of it
			if (r.Lost > 0) != (segment || gap) {
				t.Errorf("%s, byte %d: %v lost", name, at, r.Lost)
			}
			missing := 0
			got := served(t, dir)
			for object, want := range all {
				b, ok := got[object]
				if ok && b != want {
					t.Errorf("%s, byte %d: %s is served with other bytes", name, at, object)
				}
				// Of the last record of an index nobody can tell that it was ever whole.
				if !ok && (object == name || strings.HasSuffix(name, "index.hwx") && at >= len(body)-archive.RecordSize) {
					missing++
				} else if !ok {
					t.Errorf("%s, byte %d: %s is not served", name, at, object)
				}
			}
			if segment && missing != 1 {
				t.Errorf("%s, byte %d: it is served", name, at)
			}
			if r = check(t, dir, fsstore.CheckOptions{Repair: true}); r.Damaged {
				t.Errorf("%s, byte %d: after repair %+v", name, at, r.Findings)
			}
			if r = check(t, dir, fsstore.CheckOptions{}); len(r.Findings) > 0 {
				t.Errorf("%s, byte %d: after repair: %+v", name, at, r.Findings)
			}
			for file, is := range files(t, dir) {
				if strings.Contains(file, "/seg-") && !strings.HasPrefix(file, "set-aside") && is != whole[file] {
					t.Errorf("%s, byte %d: repair changed %s", name, at, file)
				}
			}
			want := len(all)
			if segment {
				want--
			}
			if got := served(t, dir); len(got) != want {
				t.Errorf("%s, byte %d: %d objects are served after repair, want %d", name, at, len(got), want)
			}
		}
	}
}

// TestCheckFiles: missing, short, long and foreign files are told apart and set right.
func TestCheckFiles(t *testing.T) {
	for name, c := range map[string]struct {
		harm   func(dir string) error
		file   string
		lost   time.Duration
		served int // of 12
	}{
		"missing segment": {func(dir string) error { return os.Remove(dir + "/v1/seg-100-2.m4s") }, "v1/seg-100-2.m4s", 400 * time.Millisecond, 11},
		"short segment":   {func(dir string) error { return os.Truncate(dir+"/v1/seg-100-2.m4s", 200) }, "v1/seg-100-2.m4s", 400 * time.Millisecond, 11},
		"long segment": {func(dir string) error {
			b, err := os.ReadFile(dir + "/a1/seg-100-6.m4s")
			if err != nil {
				return err
			}
			return os.WriteFile(dir+"/a1/seg-100-6.m4s", append(b, "surplus"...), 0o644)
		}, "a1/seg-100-6.m4s", 0, 12},
		"foreign file":     {func(dir string) error { return os.WriteFile(dir+"/v1/notes.txt", nil, 0o644) }, "v1/notes.txt", 0, 12},
		"foreign segment":  {func(dir string) error { return os.WriteFile(dir+"/v1/seg-100-0.m4s", nil, 0o644) }, "v1/seg-100-0.m4s", 0, 12},
		"temporary file":   {func(dir string) error { return os.WriteFile(dir+"/asset.json.tmp", nil, 0o644) }, "asset.json.tmp", 0, 12},
		"missing init":     {func(dir string) error { return os.Remove(dir + "/v1/init-100.mp4") }, "v1/init-100.mp4", 0, 12},
		"missing playlist": {func(dir string) error { return os.Remove(dir + "/v1/media.m3u8") }, "v1/media.m3u8", 0, 12},
		"missing copy":     {func(dir string) error { return os.Remove(dir + "/asset-copy.json") }, "asset-copy.json", 0, 12},
		"missing header":   {func(dir string) error { return os.Remove(dir + "/asset.json") }, "asset.json", 0, 12},
		"torn index": {func(dir string) error {
			return os.Truncate(dir+"/v1/index.hwx", (recordedSegments+1)*archive.RecordSize-5)
		}, "v1/seg-100-6.m4s", 0, 12},
		"lost end": {func(dir string) error {
			return errors.Join(os.Remove(dir+"/a1/seg-100-6.m4s"), os.Truncate(dir+"/a1/index.hwx", (recordedSegments)*archive.RecordSize))
		}, "a1/index.hwx", 400 * time.Millisecond, 11},
		"segment of another time": {func(dir string) error {
			return rewritten(dir+"/v1/index.hwx", func(s *media.Segment) { s.Start += 100 })
		}, "v1/seg-100-2.m4s", 400 * time.Millisecond, 11},
		"segment of another length": {func(dir string) error {
			return rewritten(dir+"/v1/index.hwx", func(s *media.Segment) { s.Duration -= 100 })
		}, "v1/seg-100-2.m4s", 300 * time.Millisecond, 11},
		"another segment's bytes": {func(dir string) error {
			b, err := os.ReadFile(dir + "/v1/seg-100-3.m4s")
			if err != nil {
				return err
			}
			return os.WriteFile(dir+"/v1/seg-100-2.m4s", b, 0o644)
		}, "v1/seg-100-2.m4s", 400 * time.Millisecond, 11},
	} {
		t.Run(name, func(t *testing.T) {
			dir := recorded(t, true)
			if err := c.harm(dir); err != nil {
				t.Fatal(err)
			}
			r := check(t, dir, fsstore.CheckOptions{})
			if !r.Damaged || r.Lost != c.lost || !slices.ContainsFunc(r.Findings, func(f fsstore.Finding) bool { return f.File == c.file }) {
				t.Errorf("lost %v; %+v", r.Lost, r.Findings)
			}
			if r = check(t, dir, fsstore.CheckOptions{Repair: true}); r.Damaged {
				t.Errorf("after repair %+v", r.Findings)
			}
			if r = check(t, dir, fsstore.CheckOptions{}); len(r.Findings) > 0 {
				t.Errorf("after repair: %+v", r.Findings)
			}
			if got := served(t, dir); len(got) != c.served {
				t.Errorf("%d objects are served, want %d", len(got), c.served)
			}
		})
	}
}

// rewritten changes what an index says about its second segment.
func rewritten(name string, change func(*media.Segment)) error {
	b, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	x, err := archive.ParseIndex(b)
	if err != nil {
		return err
	}
	change(&x.Segments[1])
	copy(b[2*archive.RecordSize:], archive.SegmentRecord(x.Segments[1], time.Unix(0, 0), x.Sums[1]))
	return os.WriteFile(name, b, 0o644)
}

// TestCheckUnended: what is recorded is looked at but not touched; a copy of it is ended at its last whole chunk.
func TestCheckUnended(t *testing.T) {
	dir := recorded(t, false)
	body, err := os.ReadFile(filepath.Join(dir, "v1", "seg-100-6.m4s"))
	if err != nil {
		t.Fatal(err)
	}
	torn := storetest.Part(t, recordedSegments*400, 2, "open").Body
	if err := os.WriteFile(filepath.Join(dir, "v1", "seg-100-7.m4s"), append(torn, body[:20]...), 0o644); err != nil {
		t.Fatal(err)
	}
	before := files(t, dir)
	if r := check(t, dir, fsstore.CheckOptions{}); r.Damaged || r.Ended {
		t.Errorf("%+v", r)
	}
	if !maps.Equal(files(t, dir), before) {
		t.Error("looking changed something")
	}
	r := check(t, dir, fsstore.CheckOptions{Repair: true, Force: true})
	if r.Damaged || !r.Ended || len(r.Findings) != 1 || r.Findings[0].File != archive.HeaderName {
		t.Errorf("%+v", r)
	}
	if got := served(t, dir)["v1/seg-100-7.m4s"]; got != string(torn) {
		t.Errorf("the open segment has %d bytes, want %d", len(got), len(torn))
	}
	if r := check(t, dir, fsstore.CheckOptions{}); len(r.Findings) > 0 {
		t.Errorf("after repair: %+v", r.Findings)
	}
}

// TestCheckHole: media that is missing between two whole segments is found, though nothing brings it back.
func TestCheckHole(t *testing.T) {
	base := t.TempDir()
	store, err := fsstore.New(base, fsstore.Options{Sync: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	d := mustOpen(t, store)
	h := storetest.Header()
	h.Renditions = h.Renditions[:1]
	if err := d.SaveHeader(h); err != nil {
		t.Fatal(err)
	}
	for n, start := range []int64{0, 300} {
		s := media.Segment{Number: uint64(n) + 1, Epoch: 100, Init: 100, Start: start, First: n == 0}
		p := storetest.Part(t, start, 2, "x")
		s.Size, s.Duration = p.Size, p.Duration
		if err := errors.Join(d.Append("v1", s, 0, p.Body), d.Seal("v1", s)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(d.SaveInfo(archive.Info{ManifestName: "show", First: 1, Ended: true}), d.Close()); err != nil {
		t.Fatal(err)
	}
	r, err := fsstore.Check(t.Context(), filepath.Join(base, "torn"), fsstore.CheckOptions{Repair: true})
	if err != nil || !r.Damaged || r.Lost != 100*time.Millisecond || len(r.Findings) != 1 || r.Findings[0].Lost.Start != 200*time.Millisecond {
		t.Errorf("%+v, %v", r, err)
	}
}
