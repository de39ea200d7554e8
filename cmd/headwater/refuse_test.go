package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// serveFlags are those of a server on a data directory and on ports of its own.
func serveFlags(dir string) []string {
	return []string{"serve", "--data-dir", dir, "--origin-listen", "127.0.0.1:0", "--control-listen", "127.0.0.1:0", "--rtmp-listen", "127.0.0.1:0"}
}

// refusesToServe runs a server in a process of its own, which has to end by itself, and returns what it said.
func refusesToServe(t *testing.T, dir string) (code int, said string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "headwater", serveFlags(dir)...).CombinedOutput()
	exit := (*exec.ExitError)(nil)
	if !errors.As(err, &exit) || ctx.Err() != nil {
		t.Errorf("it served: %v\n%s", err, out)
		return exitOK, string(out)
	}
	return exit.ExitCode(), string(out)
}

// TestServeRefuses is case 67 of the acceptance list at the command: on a state that it cannot read whole, or that another
// process has, the server does not start, says why, and touches nothing.
func TestServeRefuses(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, serveFlags(dir), io.Discard, io.Discard)
	}()
	for deadline := time.Now().Add(30 * time.Second); ; <-time.After(10 * time.Millisecond) {
		if _, err := os.Stat(filepath.Join(dir, "ready.json")); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the server is not ready")
		}
	}
	if code, said := refusesToServe(t, dir); code != exitFailed || !strings.Contains(said, "in use by another process") {
		t.Errorf("a second process: exit code %d, %s", code, said)
	}
	stop()
	if code := <-ended; code != exitOK {
		t.Errorf("the first process ended with %d", code)
	}
	state := filepath.Join(dir, "state.db")
	good, err := os.ReadFile(state)
	if err != nil {
		t.Fatal(err)
	}
	flipped := []byte(string(good))
	for i := 8192; i < len(flipped); i++ { // behind the two meta pages
		flipped[i] ^= 1
	}
	token := filepath.Join(dir, "control.token")
	secret := readTestFile(t, token)
	for what, c := range map[string]struct {
		file, content string
		says          string
	}{
		"cut":           {state, string(good[:len(good)/2]), "it was left as it is"},
		"damaged":       {state, string(flipped), "it was left as it is"},
		"empty":         {state, "", "is empty"},
		"no database":   {state, strings.Repeat("not a database ", 1000), "it was left as it is"},
		"no token":      {token, "", "holds no token"},
		"a short token": {token, "1234", "holds no token"},
	} {
		if err := os.WriteFile(state, good, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(token, []byte(secret), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(c.file, []byte(c.content), 0o600); err != nil {
			t.Fatal(err)
		}
		code, said := refusesToServe(t, dir)
		if code != exitFailed || !strings.Contains(said, c.says) {
			t.Errorf("%s: exit code %d, %s", what, code, said)
		}
		if now := readTestFile(t, c.file); now != c.content {
			t.Errorf("%s: the file was touched", what)
		}
	}
}

func readTestFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
