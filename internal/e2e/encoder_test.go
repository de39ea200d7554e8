package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// clipSeconds is a whole number of video frames (960) and of audio frames (1500), so that the clip loops without a hole.
const clipSeconds = 32

// clip makes the test clip once.
var clip = sync.OnceValues(func() (string, error) {
	path := filepath.Join(scratch(), "clip.mp4")
	return path, makeClip(path, clipSeconds)
})

// makeClip makes a moving test picture: 1080p30, H.264 with B-frames, a keyframe every two seconds, AAC stereo.
func makeClip(path string, seconds int) error {
	out, err := exec.Command("ffmpeg", "-nostdin", "-v", "error", "-y",
		"-f", "lavfi", "-i", "testsrc2=size=1920x1080:rate=30", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000", "-map", "0:v", "-map", "1:a",
		"-t", fmt.Sprint(seconds), "-c:v", "libx264", "-preset", "ultrafast", "-profile:v", "high", "-bf", "2", "-b_strategy", "0", "-pix_fmt", "yuv420p",
		"-g", "60", "-keyint_min", "60", "-sc_threshold", "0", "-b:v", "3M", "-maxrate", "4M", "-bufsize", "4M",
		"-c:a", "aac", "-b:a", "128k", "-ac", "2", "-frames:a", fmt.Sprint(seconds*48000/1024), path).CombinedOutput()
	if err != nil {
		return fmt.Errorf("making the clip: %w\n%s", err, out)
	}
	return nil
}

// testClip returns the path of clip.
func testClip(t *testing.T) string {
	t.Helper()
	path, err := clip()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// Encoder is a running ffmpeg that publishes.
type Encoder struct {
	cmd    *exec.Cmd
	done   chan struct{}
	exit   error // valid once done is closed
	stderr tail
}

// Publish sends a file to url in real time without encoding it anew. Options stand before the output.
func Publish(t *testing.T, url, file string, loop bool, options ...string) *Encoder {
	t.Helper()
	args := []string{"-nostdin", "-hide_banner", "-v", "warning", "-re"}
	if loop {
		args = append(args, "-stream_loop", "-1")
	}
	args = append(args, "-i", file, "-map", "0", "-c", "copy")
	args = append(args, options...)
	args = append(args, "-f", "flv", url)
	e := &Encoder{cmd: exec.Command("ffmpeg", args...), done: make(chan struct{})}
	e.cmd.Stderr = &e.stderr
	e.cmd.SysProcAttr = endsWithUs()
	if err := e.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		e.exit = e.cmd.Wait()
		close(e.done)
	}()
	t.Cleanup(func() {
		e.Stop(t)
		if t.Failed() {
			t.Logf("ffmpeg said:\n%s", e.stderr.String())
		}
	})
	return e
}

// Stop ends ffmpeg the way a person does, with the ending commands of RTMP.
func (e *Encoder) Stop(t *testing.T) {
	t.Helper()
	if closed(e.done) {
		return
	}
	_ = e.cmd.Process.Signal(os.Interrupt)
	if !waitFor(10*time.Second, func() bool { return closed(e.done) }) {
		_ = e.cmd.Process.Kill()
		<-e.done
	}
}

// Kill ends it without a word.
func (e *Encoder) Kill() {
	_ = e.cmd.Process.Signal(syscall.SIGKILL)
	<-e.done
}

// Wait waits for the end of the file and wants ffmpeg to be content.
func (e *Encoder) Wait(t *testing.T, d time.Duration) {
	t.Helper()
	if !waitFor(d, func() bool { return closed(e.done) }) {
		t.Fatalf("ffmpeg did not end within %v:\n%s", d, e.stderr.String())
	}
	if e.exit != nil {
		t.Fatalf("ffmpeg ended with %v:\n%s", e.exit, e.stderr.String())
	}
}

// Alive fails the test when ffmpeg was sent away.
func (e *Encoder) Alive(t *testing.T) {
	t.Helper()
	if closed(e.done) {
		t.Fatalf("the encoder has ended: %v\n%s", e.exit, e.stderr.String())
	}
}

// tryRun runs a program to its end, at most for d, and returns what it printed.
func tryRun(d time.Duration, name string, args ...string) ([]byte, error) {
	cmd := exec.Command(name, args...)
	var stdout bytes.Buffer
	var stderr tail
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	// A group of its own, so that nothing a wrapper script started is left behind.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	timer := time.AfterFunc(d, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	defer timer.Stop()
	if err := cmd.Wait(); err != nil {
		return stdout.Bytes(), fmt.Errorf("%s %v: %w (limit %v)\n%s", name, args, err, d, stderr.String())
	}
	return stdout.Bytes(), nil
}
