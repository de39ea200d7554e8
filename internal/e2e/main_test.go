package e2e

import (
	"net/url"
	"testing"
	"time"
)

func queryEscape(s string) string { return url.QueryEscape(s) }

// begin is the first line of every test here: it lets -short leave the test out, and ends the test binary with a
// goroutine dump when the test outlives its deadline, which is a defect of test or product.
func begin(t *testing.T, deadline time.Duration) {
	t.Helper()
	if testing.Short() {
		t.Skip("end-to-end tests need ffmpeg, Chromium and VLC: run without -short")
	}
	timer := time.AfterFunc(deadline, func() { panic(t.Name() + " outlived its deadline of " + deadline.String()) })
	t.Cleanup(func() { timer.Stop() })
}
