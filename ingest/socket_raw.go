//go:build linux && !race

package ingest

import (
	"io"
	"net"
	"syscall"
	"unsafe"
)

// socket reads from a TCP socket without telling Go's scheduler of the system call: it never blocks, and each announced one
// on a machine with time to spare wakes the scheduler's monitor, which costs more than the reading (docs/benchmarks.md).
type socket struct {
	raw syscall.RawConn
	p   []byte
	n   int
	err syscall.Errno
	try func(fd uintptr) bool
}

// newSocket returns what reads from nc.
func newSocket(nc net.Conn) io.Reader {
	c, ok := nc.(*net.TCPConn)
	if !ok {
		return nc
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return nc
	}
	s := &socket{raw: raw}
	s.try = s.attempt
	return s
}

// attempt reads once; it returns false when there is nothing yet.
func (s *socket) attempt(fd uintptr) bool {
	for {
		n, _, err := syscall.RawSyscall(syscall.SYS_READ, fd, uintptr(unsafe.Pointer(unsafe.SliceData(s.p))), uintptr(len(s.p)))
		switch err {
		case 0:
			s.n, s.err = int(n), 0
		case syscall.EINTR:
			continue
		default:
			s.n, s.err = 0, err
		}
		return err != syscall.EAGAIN
	}
}

// Read implements io.Reader.
func (s *socket) Read(p []byte) (int, error) {
	s.p = p
	err := s.raw.Read(s.try)
	s.p = nil
	switch {
	case err != nil:
		return 0, err
	case s.err != 0:
		return 0, s.err
	case s.n == 0 && len(p) > 0:
		return 0, io.EOF
	}
	return s.n, nil
}
