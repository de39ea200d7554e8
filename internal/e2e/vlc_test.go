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

// vlcPlays lets VLC play a URL until it has decoded some seconds of picture and of sound: it writes every 30th picture
// and all of the sound to files.
func vlcPlays(t *testing.T, url string, seconds int) {
	t.Helper()
	dir, err := os.MkdirTemp(scratch(), "vlc")
	if err != nil {
		t.Fatal(err)
	}
	sound := filepath.Join(dir, "sound.wav")
	cmd := exec.Command("cvlc", "-I", "dummy", "--no-metadata-network-access", "--vout=dummy", "--video-filter=scene", "--scene-format=png",
		"--scene-prefix=picture", "--scene-path="+dir, "--scene-ratio=30", "--aout=afile", "--audiofile-file="+sound, "--play-and-exit", url, "vlc://quit")
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
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = cmd.Wait()
	}()
	const bytesPerSecond = 48000 * 2 * 2
	pictures, heard := 0, 0
	played := waitFor(time.Duration(seconds+45)*time.Second, func() bool {
		files, err := filepath.Glob(filepath.Join(dir, "picture*.png"))
		if err != nil {
			t.Fatal(err)
		}
		pictures = len(files)
		if wav, err := os.Stat(sound); err == nil {
			heard = int(wav.Size()) / bytesPerSecond
		}
		return pictures >= seconds && heard >= seconds || closed(done)
	}) && !closed(done)
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	<-done
	if !played {
		t.Errorf("VLC played %d s of picture and %d s of sound, want %d:\n%s", pictures, heard, seconds, lastLines(output.String(), 30))
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
