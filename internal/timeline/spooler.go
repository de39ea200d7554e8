package timeline

import (
	"context"
	"errors"
	"sync"
	"time"

	"headwater.stream/internal/media"
)

// errOverrun is the reason for parts that did not fit the queue of a spool that does not answer.
var errOverrun = &Fault{media.GapDiskSlow, errors.New("the spool does not answer and its queue is full")}

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

	notify  func(Health)
	telling sync.Mutex // held while notify is called
	told    Health

	mu       sync.Mutex
	queue    []op
	seq      uint64 // of the last operation queued
	done     uint64 // of the last operation done
	bytes    int
	lost     map[segKey]media.GapReason // segments with a hole
	settled  map[string]uint64          // by rendition: segments below are sealed, as far as their bytes go
	oldest   time.Time                  // when the oldest operation that waits was queued
	degraded bool
	failing  bool // the last append did not work
	since    time.Time
	reason   string
	cause    media.GapReason
	lostN    uint64
	failed   time.Time // when something failed last

	// What the spool refused and is owed, in order; of the one goroutine that calls the spool.
	header *Header
	seals  map[string][]media.Segment
	events []media.Event
}

func newSpooler(s Spool, notify func(Health)) *spooler {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return &spooler{spool: s, notify: notify, more: make(chan struct{}, 1), timer: t, lost: map[segKey]media.GapReason{}, settled: map[string]uint64{}, seals: map[string][]media.Segment{}}
}

// run does operations until ctx ends and the queue is empty or drain has passed.
func (s *spooler) run(ctx context.Context, drain time.Duration) {
	for ctx.Err() == nil {
		if o, ok := s.take(); ok {
			s.do(o)
			s.tell()
			continue
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
	_, hole := s.lost[key]
	if o.kind == opAppend && hole { // the reason is known
		s.lostN++
		s.mu.Unlock()
		return
	}
	if o.kind == opAppend && (s.bytes+len(o.body) > spoolBytes || len(s.queue) >= spoolQueue) {
		s.lose(key, errOverrun)
		s.mu.Unlock()
		return
	}
	if len(s.queue) >= spoolQueue+spoolSeals {
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
		s.degrade(&Fault{media.GapDiskSlow, errors.New("the spool took longer than " + bound.String())})
		s.mu.Unlock()
		s.tell()
	}
}

// lose marks a segment as having a hole in the spool. s.mu is held.
func (s *spooler) lose(key segKey, err error) {
	if _, ok := s.lost[key]; !ok {
		s.lost[key] = ReasonOf(err)
	}
	s.lostN++
	s.degrade(err)
}

func (s *spooler) degrade(err error) {
	if !s.degraded {
		s.degraded, s.since = true, time.Now()
	}
	s.reason, s.cause, s.failed = err.Error(), ReasonOf(err), time.Now()
}

// calm is how long the spool has to keep up before that is told.
const calm = 5 * time.Second

// tell tells what has changed.
func (s *spooler) tell() {
	if s.notify == nil {
		return
	}
	s.telling.Lock()
	defer s.telling.Unlock()
	s.mu.Lock()
	quiet := time.Since(s.failed) >= calm
	s.mu.Unlock()
	h := s.health()
	if h.Degraded == s.told.Degraded && (!h.Degraded || h.Cause == s.told.Cause) || !h.Degraded && !quiet {
		return
	}
	s.told = h
	s.notify(h)
}

// saveEvents saves the events that are not saved yet.
func (s *spooler) saveEvents() error {
	if s.events == nil {
		return nil
	}
	if err := s.spool.SaveEvents(s.events); err != nil {
		return err
	}
	s.events = nil
	return nil
}

func (s *spooler) do(o op) {
	key := segKey{o.rendition, o.seg.Number}
	s.mu.Lock()
	reason, hole := s.lost[key]
	s.mu.Unlock()
	err := s.call(o, hole, reason)
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
		if s.done == s.seq && !s.failing && s.owes() == 0 {
			s.degraded = false // it has caught up and takes bytes again
		}
	}
	switch o.kind {
	case opSeal:
		s.settled[o.rendition] = max(s.settled[o.rendition], o.seg.Number+1)
	case opDrop:
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

// call does one operation, after what the spool is owed from before.
func (s *spooler) call(o op, hole bool, reason media.GapReason) error {
	switch o.kind {
	case opHeader:
		s.header = o.header
		return s.saveHeader()
	case opAppend:
		if err := s.saveHeader(); err != nil || hole {
			return err
		}
		return s.spool.Append(o.rendition, o.seg, o.offset, o.body)
	case opSeal:
		if hole { // after a restart the hole is a gap
			o.seg.Gap, o.seg.Size, o.seg.Reason = true, 0, reason
		}
		if s.owes() < spoolSeals {
			s.seals[o.rendition] = append(s.seals[o.rendition], o.seg)
		}
		return errors.Join(s.seal(o.rendition), s.saveEvents())
	case opDrop:
		// Dropping makes room for what is owed.
		return errors.Join(s.spool.Drop(o.rendition, o.below), s.seal(o.rendition))
	case opEvents:
		s.events = o.events
		return s.saveEvents()
	}
	return nil
}

// saveHeader saves the newest header unless that is done.
func (s *spooler) saveHeader() error {
	if s.header == nil {
		return nil
	}
	if err := s.spool.SaveHeader(*s.header); err != nil {
		return err
	}
	s.header = nil
	return nil
}

// seal records the sealed segments that the index of a rendition lacks, in order: an index has no holes.
func (s *spooler) seal(rendition string) error {
	if err := s.saveHeader(); err != nil {
		return err
	}
	for len(s.seals[rendition]) > 0 {
		if err := s.spool.Seal(rendition, s.seals[rendition][0]); err != nil {
			return err
		}
		s.seals[rendition] = s.seals[rendition][1:]
	}
	delete(s.seals, rendition)
	return nil
}

// owes counts what the spool refused and is to have yet.
func (s *spooler) owes() (n int) {
	if s.header != nil {
		n++
	}
	if s.events != nil {
		n++
	}
	for _, list := range s.seals {
		n += len(list)
	}
	return n
}

// fate tells what has become of a sealed segment, and why it is lost.
func (s *spooler) fate(rendition string, seg media.Segment) (Fate, media.GapReason) {
	s.mu.Lock()
	reason, lost := s.lost[segKey{rendition, seg.Number}]
	settled := seg.Number < s.settled[rendition]
	s.mu.Unlock()
	switch {
	case lost:
		return FateLost, reason
	case !settled:
		return FatePending, media.GapUnknown
	}
	if err := s.spool.Condemned(rendition, seg); err != nil {
		return FateLost, ReasonOf(err)
	}
	return FateKept, media.GapUnknown
}

// settle notes that segments below number were in the spool from the beginning.
func (s *spooler) settle(rendition string, number uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settled[rendition] = number
}

// fail notes an error that was met while the spool was read.
func (s *spooler) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.degrade(err)
}

// behind reports whether something that was queued has not been done.
func (s *spooler) behind() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.done < s.seq
}

func (s *spooler) health() Health {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := Health{Degraded: s.degraded, Since: s.since, Reason: s.reason, Cause: s.cause, LostParts: s.lostN}
	if s.done < s.seq && !s.oldest.IsZero() {
		h.Lag = time.Since(s.oldest)
	}
	return h
}
