package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"headwater.stream/archive"
	"headwater.stream/archive/fsstore"
	"headwater.stream/archive/storetest"
)

// recordedAsset makes the asset directory <data-dir>/assets/show, not ended, and returns the data directory.
func recordedAsset(t *testing.T) (dataDir, dir string) {
	t.Helper()
	dataDir = t.TempDir()
	store, err := fsstore.New(filepath.Join(dataDir, "assets"), fsstore.Options{Sync: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	d, err := store.Open("show")
	if err != nil {
		t.Fatal(err)
	}
	storetest.Record(t, d, 6)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	return dataDir, filepath.Join(dataDir, "assets", "show")
}

// headwater runs a command line and returns its exit code and output.
func headwater(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(t.Context(), args, &o, &e)
	return code, o.String(), e.String()
}

// TestAssetCheck: a sound recording, one with a bit flipped, and that one repaired; text, JSON and exit codes.
func TestAssetCheck(t *testing.T) {
	data, dir := recordedAsset(t)
	if code, out, errs := headwater(t, "asset", "check", dir); code != exitOK || !strings.Contains(out, "not ended, 10 segments") || !strings.Contains(out, "gap: segment 4 of v1, 2026-11-25 12:00:01.200 to 12:00:01.600 UTC") {
		t.Errorf("%d %s %s", code, out, errs)
	}
	if code, out, errs := headwater(t, "asset", "check", "show", "--data-dir", data, "--repair"); code != exitOK || !strings.Contains(out, "repaired: end it with the last whole chunk") {
		t.Errorf("%d %s %s", code, out, errs)
	}
	segment := filepath.Join(dir, "v1", "seg-100-2.m4s")
	b, err := os.ReadFile(segment)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)-1] ^= 1
	if err := os.WriteFile(segment, b, 0o644); err != nil {
		t.Fatal(err)
	}
	code, out, errs := headwater(t, "asset", "check", dir)
	if code != exitDamaged || !strings.Contains(out, "v1/seg-100-2.m4s has the checksum ") || !strings.Contains(out, "lost: segment 2 of v1, 2026-11-25 12:00:00.400 to 12:00:00.800 UTC (400ms from 400ms on)") || errs != "headwater: the asset is damaged\n" {
		t.Errorf("%d %s %s", code, out, errs)
	}
	code, out, _ = headwater(t, "asset", "check", dir, "--json", "--repair")
	var report fsstore.Report
	if err := json.Unmarshal([]byte(out), &report); err != nil || code != exitOK || report.Damaged || report.Lost != 400*time.Millisecond || !report.Findings[0].Done {
		t.Errorf("%d %v %s", code, err, out)
	}
	if code, out, errs := headwater(t, "asset", "check", dir); code != exitOK || !strings.Contains(out, "0 problems, 0s of media lost") {
		t.Errorf("%d %s %s", code, out, errs)
	}
	if code, _, errs := headwater(t, "asset", "check", data); code != exitFailed || !strings.Contains(errs, "not an asset directory") {
		t.Errorf("%d %s", code, errs)
	}
}

// TestAssetCheckRecorded: what this machine may be recording is not repaired.
func TestAssetCheckRecorded(t *testing.T) {
	_, dir := recordedAsset(t)
	name := filepath.Join(dir, archive.HeaderName)
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
	if err := os.WriteFile(name, b, 0o644); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := headwater(t, "asset", "check", dir, "--repair"); code != exitFailed || !strings.Contains(errs, "has not ended") {
		t.Errorf("%d %s", code, errs)
	}
	if code, _, errs := headwater(t, "asset", "check", dir, "--repair", "--force"); code != exitOK {
		t.Errorf("%d %s", code, errs)
	}
}

func TestProgressLine(t *testing.T) {
	b := newProgress(new(bytes.Buffer), "checking")
	if got := b.line(25e6, 100e6, time.Second); got != "checking [#######.......................]  25 %  25 MB/s  3s left" {
		t.Errorf("%q", got)
	}
	b.at(1, 2) // no terminal: nothing is written
	b.end()
}
