package e2e

import (
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// vlcPlays lets VLC play a URL for some seconds and checks that it decoded pictures and sound: it writes every 30th
// picture and all of the sound to files.
func vlcPlays(t *testing.T, url string, seconds int) {
	t.Helper()
	dir, err := os.MkdirTemp(scratch(), "vlc")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("cvlc", "-I", "dummy", "--no-metadata-network-access", "--vout=dummy", "--video-filter=scene", "--scene-format=png",
		"--scene-prefix=picture", "--scene-path="+dir, "--scene-ratio=30", "--aout=afile", "--audiofile-file="+filepath.Join(dir, "sound.wav"),
		"--run-time="+strconv.Itoa(seconds), "--play-and-exit", url, "vlc://quit")
	cmd.Env = append(os.Environ(), "HOME="+dir)
	var output tail
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if os.Geteuid() == 0 {
		// VLC refuses to run as root.
		cmd.SysProcAttr.Credential = nobody(t)
		if err := os.Chmod(dir, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(time.Duration(seconds+45)*time.Second, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	defer timer.Stop()
	if err := cmd.Wait(); err != nil {
		t.Errorf("VLC: %v\n%s", err, lastLines(output.String(), 20))
	}
	pictures, err := filepath.Glob(filepath.Join(dir, "picture*.png"))
	if err != nil {
		t.Fatal(err)
	}
	sound, err := os.Stat(filepath.Join(dir, "sound.wav"))
	const bytesPerSecond = 48000 * 2 * 2
	if len(pictures) < seconds/2 || err != nil || sound.Size() < int64(seconds/2*bytesPerSecond) {
		t.Errorf("VLC played %d seconds of picture and %v of sound (%v) in %d s:\n%s", len(pictures), sound, err, seconds, lastLines(output.String(), 30))
	}
}

func nobody(t *testing.T) *syscall.Credential {
	t.Helper()
	u, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}
