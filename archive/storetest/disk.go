package storetest

import "sync"

// Disk is a disk that can fail and hang: its Ask is the Fault of a file system store. The zero value works well.
type Disk struct {
	mu    sync.Mutex
	calls int
	fail  func(call int, op, path string) error
	gate  chan struct{} // closed: goes on
}

// Ask answers for one call that changes the disk.
func (d *Disk) Ask(op, path string) error {
	d.mu.Lock()
	d.calls++
	call, fail, gate := d.calls, d.fail, d.gate
	d.mu.Unlock()
	if gate != nil {
		<-gate
	}
	if fail != nil {
		return fail(call, op, path)
	}
	return nil
}

// Calls returns how many there have been.
func (d *Disk) Calls() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.calls
}

// Fail makes calls fail with what f returns; nil: with nothing any more. The first call has number 1.
func (d *Disk) Fail(f func(call int, op, path string) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fail = f
}

// Hang makes all calls wait until Release.
func (d *Disk) Hang() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.gate == nil {
		d.gate = make(chan struct{})
	}
}

// Release lets what hangs go on.
func (d *Disk) Release() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.gate != nil {
		close(d.gate)
		d.gate = nil
	}
}
