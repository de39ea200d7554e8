//go:build !linux

package storyboard

import "os/exec"

// confine and limit do nothing where the system has other means: time still bounds ffmpeg.
func confine(*exec.Cmd) {}
func limit(int)         {}
