package timeline

import (
	"context"
	"errors"
	"sync"
	"time"

	"headwater.stream/internal/media"
)

// errOverrun is the reason for parts that did not fit the queue of a spool that does not answer.
var errOverrun = errors.New("the spool does not answer and its queue is full")

type opKind uint8

const (
	opHeader opKind = iota
	opAppend
	opSeal
	opDrop
	opEvents
)

type op struct {
	kind      opKind
	seq       uint64
	at        time.Time
	rendition string
	seg       media.Segment
	offset    uint32
	below     uint64
	body      []byte
	header    *Header
	events    []media.Event
	done      chan struct{}
}

// segKey names a segment of the spool.
type segKey struct {
	rendition string
	number    uint64
}

// spooler does a Spool's work on a goroutine of its own, in order, so that the writer can stop waiting for it.
type spooler struct {
	spool Spool
	more  chan struct{} // says that something was queued
	timer *time.Timer   // of the writer

	mu       sync.Mutex
	queue    []op
	seq      uint64 // of the last operation queued
	done     uint64 // of the last operation done
	bytes    int
	lost     map[segKey]bool // segments with a hole
	oldest   time.Time       // when the oldest operation that waits was queued
	degraded bool
	failing  bool // the last append did not work
	since    time.Time
	reason   string
	lostN    uint64
}

func newSpooler(s Spool) *spooler {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return &spooler{spool: s, more: make(chan struct{}, 1), timer: t, lost: map[segKey]bool{}}
}

// run does operations until ctx ends and the queue is empty or drain has passed.
func (s *spooler) run(ctx context.Context, drain time.Duration) {
	for ctx.Err() == nil {
		for o, ok := s.take(); ok && ctx.Err() == nil; o, ok = s.take() {
			s.do(o)
		}
		select {
		case <-s.more:
		case <-ctx.Done():
		}
	}
	for end := time.Now().Add(drain); time.Now().Before(end); {
		o, ok := s.take()
		if !ok {
			return
		}
		s.do(o)
	}
}

// take takes the oldest operation off the queue.
func (s *spooler) take() (op, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 {
		s.queue = nil // what a disk that stood still made grow
		return op{}, false
	}
	o := s.queue[0]
	s.queue[0] = op{}
	s.queue = s.queue[1:]
	return o, true
}

// submit queues an operation and waits for it, but no longer than bound (0: not at all), and not while the spool is known
// not to answer.
func (s *spooler) submit(o op, bound time.Duration) {
	o.at = time.Now()
	s.mu.Lock()
	key := segKey{o.rendition, o.seg.Number}
	if o.kind == opAppend && (s.lost[key] || s.bytes+len(o.body) > spoolBytes || len(s.queue) >= spoolQueue) {
		s.lose(key, errOverrun)
		s.mu.Unlock()
		return
	}
	if len(s.queue) >= spoolQueue {
		s.degrade(errOverrun)
		s.mu.Unlock()
		return
	}
	s.seq++
	o.seq = s.seq
	s.bytes += len(o.body)
	wait := !s.degraded && bound > 0
	if wait {
		o.done = make(chan struct{})
	}
	s.queue = append(s.queue, o)
	s.mu.Unlock()
	select {
	case s.more <- struct{}{}:
	default:
	}
	if !wait {
		return
	}
	s.timer.Reset(bound)
	select {
	case <-o.done:
		s.timer.Stop()
	case <-s.timer.C:
		s.mu.Lock()
		s.degrade(errors.New("the spool took longer than " + bound.String()))
		s.mu.Unlock()
	}
}

// lose marks a segment as having a hole in the spool. s.mu is held.
func (s *spooler) lose(key segKey, err error) {
	s.lost[key] = true
	s.lostN++
	s.degrade(err)
}

func (s *spooler) degrade(err error) {
	if !s.degraded {
		s.degraded, s.since = true, time.Now()
	}
	s.reason = err.Error()
}

func (s *spooler) do(o op) {
	var err error
	key := segKey{o.rendition, o.seg.Number}
	s.mu.Lock()
	hole := s.lost[key]
	s.mu.Unlock()
	switch o.kind {
	case opHeader:
		err = s.spool.SaveHeader(*o.header)
	case opAppend:
		if !hole {
			err = s.spool.Append(o.rendition, o.seg, o.offset, o.body)
		}
	case opSeal:
		if hole { // after a restart the hole is a gap
			o.seg.Gap, o.seg.Size = true, 0
		}
		err = s.spool.Seal(o.rendition, o.seg)
	case opDrop:
		err = s.spool.Drop(o.rendition, o.below)
	case opEvents: // what fails is in the next list too
		err = s.spool.SaveEvents(o.events)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done = o.seq
	s.bytes -= len(o.body)
	switch {
	case err != nil && o.kind == opAppend:
		s.lose(key, err)
		s.failing = true
	case err != nil:
		s.degrade(err)
	default:
		s.failing = s.failing && (o.kind != opAppend || hole)
		if o.kind == opAppend && hole {
			s.lostN++
		}
		if s.done == s.seq && !s.failing {
			s.degraded = false // it has caught up and takes bytes again
		}
	}
	if o.kind == opDrop {
		for k := range s.lost {
			if k.rendition == o.rendition && k.number < o.below {
				delete(s.lost, k)
			}
		}
	}
	if o.done != nil {
		close(o.done)
	}
	s.oldest = o.at
}

// kept says whether everything up to operation seq is done and the segment has no hole: its bytes may leave memory.
func (s *spooler) kept(rendition string, number, seq uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.done >= seq && !s.lost[segKey{rendition, number}]
}

// queued returns the number of the last operation queued.
func (s *spooler) queued() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seq
}

func (s *spooler) health() Health {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := Health{Degraded: s.degraded, Since: s.since, Reason: s.reason, LostParts: s.lostN}
	if s.done < s.seq && !s.oldest.IsZero() {
		h.Lag = time.Since(s.oldest)
	}
	return h
}
