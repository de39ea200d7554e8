package e2e

import (
	"fmt"
	"os"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if dir := scratchDir(); dir != "" {
		_ = os.RemoveAll(dir)
	}
	os.Exit(code)
}

// scratch is the directory of what is made once per run: the binary, the clips, the checker.
func scratch() string {
	dir := scratchDir()
	// 0755, not 0700: VLC runs as another user.
	if err := os.MkdirAll(dir, 0o755); err != nil {
		panic(err)
	}
	return dir
}

func scratchDir() string { return fmt.Sprintf("%s/headwater-e2e-%d", os.TempDir(), os.Getpid()) }

// begin comes first in every test here, after t.Parallel: it lets -short leave the test out, and ends the test binary
// with a goroutine dump when the test outlives its deadline, which is a defect of test or product.
func begin(t *testing.T, deadline time.Duration) {
	t.Helper()
	if testing.Short() {
		t.Skip("end-to-end tests need ffmpeg, Chromium and VLC: run without -short")
	}
	timer := time.AfterFunc(deadline, func() { panic(t.Name() + " outlived its deadline of " + deadline.String()) })
	t.Cleanup(func() { timer.Stop() })
}
