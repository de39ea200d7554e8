package node

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"headwater.stream/internal/state/boltstate"
)

// TestRestoreRefuses: what is no backup, is a damaged one or wants to write somewhere else leaves the directory without a state, and
// a state that is there stays.
func TestRestoreRefuses(t *testing.T) {
	good := emptyState(t)
	damaged := bytes.Clone(good)
	for i := 4096; i < len(damaged); i += 64 {
		damaged[i] ^= 0xff
	}
	file := func(name string, body []byte) tar.Header {
		return tar.Header{Name: name, Size: int64(len(body)), Mode: 0o600, Typeflag: tar.TypeReg, PAXRecords: map[string]string{"x.body": string(body)}}
	}
	for name, files := range map[string][]tar.Header{
		"nothing":          nil,
		"no state":         {file(tokenName, []byte("x"))},
		"a damaged state":  {file(stateName, damaged)},
		"an empty state":   {file(stateName, nil)},
		"the state twice":  {file(stateName, good), file(stateName, good)},
		"a token twice":    {file(stateName, good), file(tokenName, nil), file(tokenName, nil)},
		"another file":     {file(stateName, good), file("events/x", nil)},
		"a path out of it": {file(stateName, good), file("acme/../../x", nil)},
		"an absolute path": {file(stateName, good), file("/etc/x", nil)},
		"a link":           {file(stateName, good), {Name: tokenName, Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}},
	} {
		dir := filepath.Join(t.TempDir(), "data")
		if err := Restore(dir, bytes.NewReader(archived(t, files))); err == nil {
			t.Errorf("%s: restored", name)
		}
		left, err := filepath.Glob(filepath.Join(dir, "*"))
		hidden, _ := filepath.Glob(filepath.Join(dir, ".*"))
		if err != nil || len(left)+len(hidden) > 0 {
			t.Errorf("%s left %v %v: %v", name, left, hidden, err)
		}
	}
	whole := archived(t, []tar.Header{file(stateName, good), file(tokenName, []byte("secret")), file("acme/account", []byte("key"))})
	dir := t.TempDir()
	if err := Restore(dir, bytes.NewReader(whole[:len(good)/2])); err == nil {
		t.Error("half a backup was restored")
	}
	if err := Restore(dir, bytes.NewReader(whole)); err != nil {
		t.Error(err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "acme", "account")); err != nil || string(b) != "key" {
		t.Errorf("the account is %q: %v", b, err)
	}
	if err := Restore(dir, bytes.NewReader(whole)); !errors.Is(err, ErrNotEmpty) {
		t.Errorf("over a state: %v", err)
	}
}

// emptyState returns a state file.
func emptyState(t *testing.T) []byte {
	t.Helper()
	store, err := boltstate.Open(filepath.Join(t.TempDir(), stateName))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	var b bytes.Buffer
	if err := store.Snapshot(func(size int64, write func(io.Writer) error) error { return write(&b) }); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// archived makes a tar archive; the body of a file is in its PAX record "x.body".
func archived(t *testing.T, files []tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range files {
		body := h.PAXRecords["x.body"]
		h.PAXRecords = nil
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
