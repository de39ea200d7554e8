package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestDemo runs what `make run` runs, twice on the same data, and ends it with Ctrl-C.
func TestDemo(t *testing.T) {
	t.Parallel()
	begin(t, 2*time.Minute)
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "demo")
	first := demo(t, path, dir)
	second := demo(t, path, dir)
	for u := range first.segments {
		if !second.segments[u] {
			t.Errorf("the second run has lost %s", u)
		}
	}
	if len(second.segments) <= len(first.segments) {
		t.Errorf("the second run adds nothing: %d segments, before %d", len(second.segments), len(first.segments))
	}
}

// demoRun is what one run showed: the paths of the published segments.
type demoRun struct{ segments map[string]bool }

func demo(t *testing.T, binary, dir string) demoRun {
	t.Helper()
	cmd := exec.Command("../../scripts/demo.sh")
	cmd.Env = append(os.Environ(), "HEADWATER="+binary, "HEADWATER_DEMO_DIR="+dir, "HEADWATER_DEMO_PORTS=free")
	var out tail
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var exit error
	go func() {
		exit = cmd.Wait()
		close(done)
	}()
	stop := func(d time.Duration) bool {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGINT)
		return waitFor(d, func() bool { return closed(done) })
	}
	defer func() {
		if !closed(done) {
			stop(20 * time.Second)
		}
	}()

	watch := regexp.MustCompile(`http://\S+/watch/?\?src=\S+`)
	if !waitFor(40*time.Second, func() bool { return watch.MatchString(out.String()) || closed(done) }) || closed(done) {
		t.Fatalf("the demo did not come up:\n%s", out.String())
	}
	text := out.String()
	for _, wanted := range []string{"rtmp://", "master.m3u8", "manifest.mpd", "preview.ism/"} {
		if !strings.Contains(text, wanted) && !(strings.HasPrefix(wanted, "ma") && strings.Contains(text, "manifest(format=")) {
			t.Errorf("the demo does not print %s:\n%s", wanted, text)
		}
	}
	page := watch.FindString(text)
	origin, src, _ := strings.Cut(page, "/watch")
	_, src, _ = strings.Cut(src, "src=")
	run := demoRun{segments: map[string]bool{}}
	public := origin + base(src)
	c := &Channel{}
	c.Shows(t, public, 4*time.Second, 30*time.Second)
	p := playlist(t, renditions(t, HLS(public))["video"])
	for _, s := range p.Segments {
		run.segments[strings.TrimPrefix(s.URL, origin)] = true
	}
	get(t, origin+"/watch/?src="+src)
	if !stop(30 * time.Second) {
		t.Fatalf("Ctrl-C did not end the demo:\n%s", out.String())
	}
	if exit != nil {
		t.Errorf("the demo ended with %v:\n%s", exit, out.String())
	}
	return run
}
