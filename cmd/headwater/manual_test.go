package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSettingsPage holds docs/settings.md to the flags.
func TestSettingsPage(t *testing.T) {
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"manual", "settings"}, &out, &errs); code != exitOK {
		t.Fatalf("exit %d: %s", code, errs.String())
	}
	want, err := os.ReadFile("../../docs/settings.md")
	if err != nil {
		t.Fatal(err)
	}
	if out.String() != string(want) {
		t.Error("docs/settings.md is not what the flags say: go run ./cmd/headwater manual settings > docs/settings.md")
	}
}

// TestManPages: every command that help shows has a page, and none of them names a directory of this machine.
func TestManPages(t *testing.T) {
	dir := t.TempDir()
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"manual", "pages", dir}, &out, &errs); code != exitOK {
		t.Fatalf("exit %d: %s", code, errs.String())
	}
	for _, name := range []string{"headwater", "headwater-serve", "headwater-live-start", "headwater-asset-export"} {
		page, err := os.ReadFile(filepath.Join(dir, name+".1"))
		if err != nil || !strings.Contains(string(page), ".SH SYNOPSIS") || strings.Contains(string(page), dir) {
			t.Errorf("%s: %v\n%s", name, err, page)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "headwater-manual.1")); err == nil {
		t.Error("a hidden command has a page")
	}
}
