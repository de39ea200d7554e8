package journal

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// Bounds of a journal.
const (
	batchSize = 256                    // events written, or read from a file, at a time
	patience  = 500 * time.Millisecond // which the disk has for a write before readers get the events without
	syncEvery = time.Second            // what a power loss may cost
)

// Options of a journal.
type Options struct {
	FileSize int64            // bytes of a file, about. 0: 4 MiB
	Files    int              // as many are kept. 0: 16
	Recent   int              // events in memory: what followers read, and what waits for a disk that is slow. 0: 2048
	Now      func() time.Time // nil: time.Now
	Log      *slog.Logger     // nil: slog.Default
}

// disk keeps events. write, sync and close are called by one goroutine, which may wait for them; the others by any.
type disk interface {
	write([]Event) error
	sync() error
	close() error
	read(after, end Position) (list []Event, lost bool, err error) // up to batchSize
	tail(end Position, n int) (Position, error)
}

// Journal is the log of a node's events. Its methods are safe for concurrent use; Run writes what is appended.
type Journal struct {
	o      Options
	files  disk
	run    uint32 // in the IDs of this process, so that two nodes have no ID in common
	failed bool   // the last write did; of Run alone

	mu       sync.Mutex // held for microseconds, never across I/O
	recent   []Event    // the newest, oldest first
	floor    Position   // of the event before recent
	last     Position   // given
	written  Position   // tried to write up to here
	shown    Position   // what readers see
	late     bool       // the disk has been waited for too long: readers see all at once
	unstored uint64     // events that are not on disk
	changed  chan struct{}
	wake     chan struct{} // holds one token while there may be something to write
}

// Open opens the journal in a directory, which is made if it does not exist.
func Open(dir string, o Options) (*Journal, error) {
	if o.FileSize == 0 {
		o.FileSize = 4 << 20
	}
	if o.Files == 0 {
		o.Files = 16
	}
	if o.Recent == 0 {
		o.Recent = 2048
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	f, last, err := openFiles(dir, o)
	if err != nil {
		return nil, err
	}
	j := &Journal{o: o, files: f, run: rand.Uint32(), floor: last, last: last, written: last, shown: last, changed: make(chan struct{}), wake: make(chan struct{}, 1)}
	return j, nil
}

// Append adds events, and gives them their IDs; it never blocks. Readers see them when they are on disk, or when the disk has
// been waited for long enough.
func (j *Journal) Append(list ...Event) {
	if len(list) == 0 {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, e := range list {
		// Positions are microseconds where they can be, so that a restart that lost the end of the log goes on beyond it.
		j.last = max(j.last+1, Position(max(0, j.o.Now().UnixMicro())))
		e.ID = makeID(j.last, j.run)
		j.recent = append(j.recent, e)
	}
	j.trim()
	if j.late {
		j.show(j.last)
	}
	select {
	case j.wake <- struct{}{}:
	default:
	}
}

// trim forgets old events, many at a time. j.mu is held.
func (j *Journal) trim() {
	n := len(j.recent) - j.o.Recent
	if n < j.o.Recent/2 {
		return
	}
	from, _ := slices.BinarySearchFunc(j.recent[:n], j.written+1, comparePosition)
	j.unstored += uint64(n - from)
	j.floor = j.recent[n-1].Position()
	j.recent = append(make([]Event, 0, 2*j.o.Recent), j.recent[n:]...)
}

// show lets readers see the events up to p. j.mu is held.
func (j *Journal) show(p Position) {
	if p > j.shown {
		j.shown = p
		close(j.changed)
		j.changed = make(chan struct{})
	}
}

// Last returns the position of the newest event that can be read.
func (j *Journal) Last() Position {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.shown
}

// Unstored returns how many events could not be written to disk.
func (j *Journal) Unstored() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.unstored
}

// Changed returns a channel that is closed when there is an event after p; it may be closed already.
func (j *Journal) Changed(p Position) <-chan struct{} {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.shown > p {
		now := make(chan struct{})
		close(now)
		return now
	}
	return j.changed
}

// Read returns some events after p, oldest first, none when there are no more yet; lost reports that others came between,
// which are not kept any more.
func (j *Journal) Read(p Position) (list []Event, lost bool, err error) {
	j.mu.Lock()
	floor := j.floor
	if p >= floor {
		defer j.mu.Unlock()
		return j.after(p, j.shown), false, nil
	}
	j.mu.Unlock()
	if list, lost, err = j.files.read(p, floor); err != nil || len(list) > 0 {
		return list, lost, err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.after(floor, j.shown), lost, nil
}

// after returns a batch of what is in memory after p, up to end. j.mu is held.
func (j *Journal) after(p, end Position) []Event {
	from, _ := slices.BinarySearchFunc(j.recent, p+1, comparePosition)
	to, _ := slices.BinarySearchFunc(j.recent, end+1, comparePosition)
	return slices.Clone(j.recent[from:min(max(from, to), from+batchSize)])
}

func comparePosition(e Event, p Position) int {
	switch q := e.Position(); {
	case q < p:
		return -1
	case q > p:
		return 1
	}
	return 0
}

// Tail returns the position before the last n events, or fewer when there are not as many.
func (j *Journal) Tail(n int) (Position, error) {
	j.mu.Lock()
	end, _ := slices.BinarySearchFunc(j.recent, j.shown+1, comparePosition)
	if n < end {
		p := j.recent[end-n-1].Position()
		j.mu.Unlock()
		return p, nil
	}
	n, p := n-end, j.floor
	j.mu.Unlock()
	if n == 0 {
		return p, nil
	}
	return j.files.tail(p, n)
}

// Run writes what is appended until ctx ends, and then the rest.
func (j *Journal) Run(ctx context.Context) error {
	tick := time.NewTicker(syncEvery)
	defer tick.Stop()
	for {
		select {
		case <-j.wake:
			j.write()
		case <-tick.C:
			j.report(j.files.sync())
		case <-ctx.Done():
			j.write()
			return errors.Join(j.files.sync(), j.files.close())
		}
	}
}

// write writes all that was appended.
func (j *Journal) write() {
	for {
		j.mu.Lock()
		batch := j.after(j.written, j.last)
		j.mu.Unlock()
		if len(batch) == 0 {
			return
		}
		slow := time.AfterFunc(patience, func() {
			j.mu.Lock()
			defer j.mu.Unlock()
			j.late = true
			j.show(j.last)
		})
		err := j.files.write(batch)
		slow.Stop()
		j.failed = j.failed && err != nil
		j.mu.Lock()
		if err != nil {
			j.unstored += uint64(len(batch))
		}
		j.written, j.late = batch[len(batch)-1].Position(), false
		j.show(j.written)
		j.mu.Unlock()
		j.report(err)
	}
}

// report logs what is wrong with the disk, once.
func (j *Journal) report(err error) {
	if err != nil && !j.failed {
		j.failed = true
		j.o.Log.Error("the event log cannot be written; events are kept in memory", "err", err)
	}
}
