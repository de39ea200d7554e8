package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// build builds the product once, with the race detector unless the players shall have the processor (TestPlay), and returns its
// path.
var build = sync.OnceValues(func() (string, error) {
	path := filepath.Join(scratch(), "headwater")
	race := fmt.Sprintf("-race=%t", os.Getenv("HEADWATER_PLAY") == "")
	out, err := exec.Command("go", "build", race, "-o", path, "headwater.stream/cmd/headwater").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("building headwater: %w\n%s", err, out)
	}
	return path, nil
})

// Daemon is one `headwater serve` on a data directory.
type Daemon struct {
	Origin, Control, RTMP string // base URLs, constant over restarts
	Dir                   string // data directory
	path                  string
	flags                 []string   // of serve, beside those that every test needs
	sockets               []*os.File // listeners that stay open over restarts, as systemd's do
	log                   tail
	cmd                   *exec.Cmd
	done                  chan struct{}
	exit                  error // valid once done is closed
}

// StartDaemon starts one on an empty data directory and on ports the kernel picks, with more flags if given; it ends with the
// test.
func StartDaemon(t *testing.T, flags ...string) *Daemon {
	t.Helper()
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	d := &Daemon{Dir: filepath.Join(t.TempDir(), "data"), path: path, flags: flags}
	d.begin(t)
	return d
}

// begin starts the daemon for the first time and until the test ends.
func (d *Daemon) begin(t *testing.T) {
	t.Helper()
	d.Start(t)
	t.Cleanup(func() {
		if d.cmd != nil {
			d.Stop(t)
		}
		if log := d.log.String(); strings.Contains(log, "DATA RACE") {
			t.Errorf("the race detector found something:\n%s", log)
		} else if t.Failed() {
			t.Logf("the end of the daemon's log:\n%s", lastLines(log, 60))
		}
	})
}

// Start starts the daemon again after Stop or Kill, on the same ports.
func (d *Daemon) Start(t *testing.T) {
	t.Helper()
	origin, control, rtmp := "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	if d.Origin != "" {
		origin, control, rtmp = host(d.Origin), host(d.Control), host(d.RTMP)
	}
	ready := filepath.Join(filepath.Dir(d.Dir), "ready.json")
	if err := os.RemoveAll(ready); err != nil {
		t.Fatal(err)
	}
	args := append([]string{d.path, "serve", "--data-dir", d.Dir, "--origin-listen", origin, "--control-listen", control,
		"--rtmp-listen", rtmp, "--public-host", "127.0.0.1", "--ready-file", ready}, d.flags...)
	if d.sockets != nil { // sd_listen_fds(3): the process itself has to be named
		args = append([]string{"sh", "-c", fmt.Sprintf(`LISTEN_PID=$$ LISTEN_FDS=%d exec "$@"`, len(d.sockets)), "sh"}, args...)
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.ExtraFiles = d.sockets
	cmd.Stdout, cmd.Stderr = &d.log, &d.log
	cmd.SysProcAttr = endsWithUs()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	d.cmd, d.done = cmd, done
	go func() {
		d.exit = cmd.Wait()
		close(done)
	}()
	var file struct{ Origin, Control, RTMP, TokenFile string }
	if !waitFor(30*time.Second, func() bool {
		b, err := os.ReadFile(ready)
		return err == nil && json.Unmarshal(b, &file) == nil || closed(done)
	}) || closed(done) {
		t.Fatalf("headwater serve did not become ready:\n%s", d.log.String())
	}
	if file.Origin == "" || file.Control == "" || file.RTMP == "" || file.TokenFile == "" {
		t.Fatalf("the ready file lacks something: %+v", file)
	}
	if d.Origin != "" && (d.Origin != file.Origin || d.Control != file.Control || d.RTMP != file.RTMP) {
		t.Fatalf("another address after the restart: %+v", file)
	}
	d.Origin, d.Control, d.RTMP = file.Origin, file.Control, file.RTMP
}

// Stop ends the daemon with SIGTERM and wants an orderly end.
func (d *Daemon) Stop(t *testing.T) {
	t.Helper()
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil && !closed(d.done) {
		t.Fatal(err)
	}
	if !waitFor(30*time.Second, func() bool { return closed(d.done) }) {
		_ = d.cmd.Process.Signal(syscall.SIGQUIT) // prints the goroutines
		if !waitFor(10*time.Second, func() bool { return closed(d.done) }) {
			_ = d.cmd.Process.Kill()
			<-d.done
		}
		t.Errorf("headwater serve did not end within 30 s of SIGTERM")
	} else if d.exit != nil {
		t.Errorf("headwater serve ended with %v", d.exit)
	}
	d.cmd = nil
}

// Kill ends the daemon as a power cut would end the process.
func (d *Daemon) Kill(t *testing.T) {
	t.Helper()
	if err := d.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-d.done
	d.cmd = nil
}

// Alive fails the test when the daemon has ended by itself.
func (d *Daemon) Alive(t *testing.T) {
	t.Helper()
	if closed(d.done) {
		t.Fatalf("the daemon has ended: %v\n%s", d.exit, d.log.String())
	}
}

// Peak returns the most resident memory the daemon has had, in MiB.
func (d *Daemon) Peak(t *testing.T) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", d.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "VmHWM:" {
			kib, err := strconv.Atoi(f[1])
			if err != nil {
				t.Fatal(err)
			}
			return kib >> 10
		}
	}
	t.Fatal("no VmHWM")
	return 0
}

// Try runs a command of the CLI against the daemon.
func (d *Daemon) Try(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, d.path, append([]string{"--data-dir", d.Dir, "--control", d.Control}, args...)...)
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("headwater %s: %w\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return stdout.String(), nil
}

// CLI runs a command that must succeed.
func (d *Daemon) CLI(t *testing.T, args ...string) string {
	t.Helper()
	out, err := d.Try(args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// host returns host:port of a URL.
func host(url string) string {
	_, rest, _ := strings.Cut(url, "://")
	h, _, _ := strings.Cut(rest, "/")
	return h
}

func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
