package main

import (
	"context"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"headwater.stream/api"
	"headwater.stream/internal/control"
	"headwater.stream/internal/doctor"
	"headwater.stream/internal/state/memstate"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"headwater": main})
}

// stillRuntime is a Runtime that is always where it should be and never sees an encoder.
type stillRuntime struct{}

func (stillRuntime) Apply(context.Context, control.Desired) map[string]error { return nil }
func (stillRuntime) Examine(string) *doctor.Report                           { return nil }

func (stillRuntime) AssetTracks(string) ([]control.RecordedTrack, error) {
	return nil, nil
}
func (stillRuntime) EventStatus(string) (control.EventStatus, bool) {
	return control.EventStatus{}, false
}

const scriptToken = "feedfacefeedfacefeedfacefeedface"

// controlPlane starts a control plane without media.
func controlPlane(runtime control.Runtime) (url string, stop func(), err error) {
	log := slog.New(slog.DiscardHandler)
	svc, err := control.New(memstate.New(), runtime, control.Options{IngestBases: []string{"rtmp://media.example:1935"}, OriginBase: "http://media.example:8080", Log: log})
	if err != nil {
		return "", nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = svc.Run(ctx)
	}()
	server := httptest.NewServer(api.Handler(svc, api.HandlerOptions{Tokens: api.SingleToken(scriptToken), Log: log}))
	return server.URL, func() {
		server.Close()
		cancel()
		<-done
	}, nil
}

// TestScripts runs the command lines of testdata/script against a control plane without media.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"),
		Setup: func(env *testscript.Env) error {
			url, stop, err := controlPlane(stillRuntime{})
			if err != nil {
				return err
			}
			env.Defer(stop)
			// As a server leaves its data directory.
			dir := filepath.Join(env.WorkDir, "data")
			if err := os.MkdirAll(dir, 0o700); err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(dir, "ready.json"), []byte(`{"control":"`+url+`"}`), 0o600); err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(dir, "control.token"), []byte(scriptToken+"\n"), 0o600); err != nil {
				return err
			}
			env.Setenv("HEADWATER_DATA_DIR", dir)
			env.Setenv("CONTROL", url)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"code": code},
	})
}

// code runs headwater and checks its exit code: code 3 event show nothing.
func code(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec("headwater", args[1:]...)
	got := exitOK
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	stderr := ts.ReadFile("stderr")
	if strconv.Itoa(got) != args[0] {
		ts.Fatalf("headwater %s: exit code %d, want %s\n%s", strings.Join(args[1:], " "), got, args[0], stderr)
	}
	if got != exitOK && !strings.HasPrefix(stderr, "headwater: ") {
		ts.Fatalf("headwater %s: no message: %q", strings.Join(args[1:], " "), stderr)
	}
}

// TestOwnCertificate: a server that made its own certificate is trusted through its data directory, and not without.
func TestOwnCertificate(t *testing.T) {
	svc, err := control.New(memstate.New(), stillRuntime{}, control.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(api.Handler(svc, api.HandlerOptions{Tokens: api.SingleToken(scriptToken), Log: slog.New(slog.DiscardHandler)}))
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.StartTLS()
	defer server.Close()
	dir := t.TempDir()
	args := []string{"endpoint", "list", "--data-dir", dir, "--control", server.URL, "--token", scriptToken}
	if code := run(t.Context(), args, io.Discard, io.Discard); code != exitUnreachable {
		t.Errorf("an unknown certificate: exit code %d", code)
	}
	own := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(filepath.Join(dir, certificateName), own, 0o600); err != nil {
		t.Fatal(err)
	}
	var stderr strings.Builder
	if code := run(t.Context(), args, io.Discard, &stderr); code != exitOK {
		t.Errorf("the server's own certificate: exit code %d %s", code, stderr.String())
	}
}

// lines passes each line on.
type lines chan string

func (l lines) Write(b []byte) (int, error) {
	l <- string(b)
	return len(b), nil
}

// TestWatch: a line for each change, until it is interrupted, which is no error.
func TestWatch(t *testing.T) {
	url, stop, err := controlPlane(stillRuntime{})
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	flags := []string{"--control", url, "--token", scriptToken}
	do := func(args ...string) {
		t.Helper()
		var stderr strings.Builder
		if code := run(t.Context(), append(args, flags...), io.Discard, &stderr); code != exitOK {
			t.Fatalf("%v: %d %s", args, code, stderr.String())
		}
	}
	do("event", "create", "show")
	ctx, interrupt := context.WithCancel(t.Context())
	out := make(lines, 10)
	exit := make(chan int, 1)
	go func() {
		exit <- run(ctx, append([]string{"event", "show", "show", "--watch"}, flags...), out, io.Discard)
	}()
	for _, want := range []string{"Stopped  encoder: none", "Running  encoder: none"} {
		select {
		case line := <-out:
			if !strings.Contains(line, want) {
				t.Errorf("the line is %q, want %q", line, want)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("no line %q", want)
		}
		if strings.HasPrefix(want, api.Stopped) {
			do("event", "start", "show")
		}
	}
	interrupt()
	if code := <-exit; code != exitOK {
		t.Errorf("exit code %d", code)
	}
}

// TestServe starts and stops the real server through its command, and finds it through its data directory.
func TestServe(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	settings := filepath.Join(t.TempDir(), "headwater.yaml")
	content := "# where to listen\norigin-listen: \"127.0.0.1:0\"\ncontrol-listen: 127.0.0.1:0 # any port\nrtmp-listen: '256.0.0.1:0'\nlog-format: json\n"
	if err := os.WriteFile(settings, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("HEADWATER_RTMP_LISTEN", "127.0.0.1:0") // wins over the file
	stop, stderr := serving(t, "--data-dir", dir, "--config", settings)
	var out, errs strings.Builder
	if code := run(t.Context(), []string{"--data-dir", dir, "live", "start", "show", "--json"}, &out, &errs); code != 0 || !strings.Contains(out.String(), `"server": "rtmp://127.0.0.1:`) {
		t.Errorf("live start: %d %s %s", code, out.String(), errs.String())
	}
	backup := filepath.Join(t.TempDir(), "backup.tar")
	for _, want := range []int{exitOK, exitFailed} { // never over another
		if code := run(t.Context(), []string{"--data-dir", dir, "backup", backup}, &out, &errs); code != want {
			t.Errorf("backup: %d, want %d: %s", code, want, errs.String())
		}
	}
	stop()
	if !strings.Contains(stderr.String(), `{"time":`) || strings.Contains(stderr.String(), "control.token") && strings.Contains(stderr.String(), tokenIn(t, dir)) {
		t.Errorf("the log: %s", stderr.String())
	}
	if info, err := os.Stat(backup); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the backup: %v %v", info, err)
	}
	restored := filepath.Join(t.TempDir(), "restored")
	for _, want := range []int{exitOK, exitFailed} {
		if code := run(t.Context(), []string{"--data-dir", restored, "restore", backup}, &out, &errs); code != want {
			t.Errorf("restore: %d, want %d: %s", code, want, errs.String())
		}
	}
	stop, _ = serving(t, "--data-dir", restored, "--config", settings)
	defer stop()
	out.Reset()
	if code := run(t.Context(), []string{"--data-dir", restored, "event", "show", "show"}, &out, &errs); code != 0 || !strings.Contains(out.String(), "Running") || tokenIn(t, restored) != tokenIn(t, dir) {
		t.Errorf("what was restored: %d %s %s", code, out.String(), errs.String())
	}
}

// serving runs a server until stop is called, which returns when it has ended.
func serving(t *testing.T, flags ...string) (stop func(), stderr *strings.Builder) {
	t.Helper()
	ready := filepath.Join(t.TempDir(), "ready.json")
	ctx, cancel := context.WithCancel(t.Context())
	stderr = &strings.Builder{}
	exit := make(chan int, 1)
	go func() {
		exit <- run(ctx, append([]string{"serve", "--ready-file", ready}, flags...), os.Stdout, stderr)
	}()
	deadline := time.Now().Add(20 * time.Second)
	for {
		if _, err := os.Stat(ready); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the server is not ready")
		}
		select {
		case code := <-exit:
			t.Fatalf("the server ended with %d: %s", code, stderr.String())
		case <-time.After(10 * time.Millisecond):
		}
	}
	return func() {
		cancel()
		if code := <-exit; code != exitOK {
			t.Errorf("the server ended with %d: %s", code, stderr.String())
		}
	}, stderr
}

func tokenIn(t *testing.T, dir string) string {
	b, err := os.ReadFile(filepath.Join(dir, "control.token"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}
