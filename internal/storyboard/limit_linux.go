package storyboard

import (
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// niceness is the lowest priority there is.
const niceness = 19

// confine gives a process a group of its own, which is killed with it, and lets it end with this one.
func confine(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}

// limit bounds what a process may take. Where the system does not let it, time still does.
func limit(pid int) {
	_ = unix.Setpriority(unix.PRIO_PGRP, pid, niceness)
	_ = unix.Prlimit(pid, unix.RLIMIT_AS, &unix.Rlimit{Cur: maxMemory, Max: maxMemory}, nil)
	_ = unix.Prlimit(pid, unix.RLIMIT_CPU, &unix.Rlimit{Cur: maxCPU, Max: maxCPU}, nil)
}
