package timeline

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"headwater.stream/internal/media"
)

// Options are a timeline's settings.
type Options struct {
	Window time.Duration // media listed in the View, at least; twice as much is kept. Default 60 s
	Memory int           // sealed segments per rendition whose bytes stay in memory. Default 1
	Now    func() time.Time
	// Notify is told when the spool stops to keep up, why if that changes, and when it has kept up again for a while; on the
	// goroutines of the writer and the spooler. nil: nobody.
	Notify func(Health)
}

// minListed is the least number of segments listed (Apple HLS authoring 8.11).
const minListed = 6

// drainBound is how long Close waits for a spool that does not answer.
const drainBound = 2 * time.Second

// ErrStuck is returned by Close when the spool does not answer: what it was given last may be lost.
var ErrStuck = errors.New("timeline: the spool does not answer; what it was given last may be lost")

// ErrClosed is returned by the writer's calls, and by Next, after Close.
var ErrClosed = errors.New("timeline is closed")

// Timeline implements the packager's Sink for its one writer, and a Presentation for its readers.
type Timeline struct {
	opt     Options
	spooler *spooler
	cancel  context.CancelFunc
	wg      sync.WaitGroup
	wake    chan *gate

	now atomic.Pointer[state]

	mu     sync.Mutex // the writer's: one publisher follows another
	closed bool
	header Header
	rends  []*rendition
	slots  []*rendition // of the open range
	rev    uint64
	events []media.Event // shared with Views: only appended to and cut from the front

	servable uint64 // below it segments may be nowhere: they are not listed
}

// state is what readers load: a View, what is kept beyond it, and the gate that the next state opens.
type state struct {
	view *media.View
	kept []kept // by rendition
	gate *gate
	over bool // there will be no other: the timeline is closed
}

// kept is what can still be opened though it may be listed no more.
type kept struct {
	segments []media.Segment
	parts    [][]media.Part      // of each of segments, without bodies
	held     map[uint64][][]byte // media that only memory has
}

// Open returns the timeline that the spool holds, or a new one. What a crash left unsealed is sealed.
func Open(spool Spool, opt Options) (*Timeline, error) {
	if opt.Window == 0 {
		opt.Window = 60 * time.Second
	}
	if opt.Memory == 0 {
		opt.Memory = 1
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	t := &Timeline{opt: opt, spooler: newSpooler(spool, opt.Notify), wake: make(chan *gate, 64)}
	// Revisions are microseconds: views are made far slower, so they rise over restarts without being stored.
	t.rev = uint64(opt.Now().UnixMicro())
	ctx, cancel := context.WithCancel(context.Background())
	t.cancel = cancel
	t.wg.Go(func() { t.spooler.run(ctx, drainBound) })
	if err := t.load(spool); err != nil {
		cancel()
		t.wg.Wait()
		return nil, fmt.Errorf("timeline: %w", err)
	}
	t.wg.Go(func() { t.waker(ctx) })
	t.publish()
	return t, nil
}

// waker opens gates, so that a crowd is not woken on the writer's goroutine.
func (t *Timeline) waker(ctx context.Context) {
	for {
		select {
		case g := <-t.wake:
			g.open(true)
		case <-ctx.Done():
			for {
				select {
				case g := <-t.wake:
					g.open(false)
				default:
					return
				}
			}
		}
	}
}

// Close ends the open range and stops the timeline's goroutines; readers can go on with what there is. It returns within
// a bound even if the spool does not answer.
func (t *Timeline) Close() error {
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		return nil
	}
	err := t.end()
	t.closed = true
	t.publish()
	t.mu.Unlock()
	t.cancel()
	done := make(chan struct{})
	go func() { t.wg.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(drainBound + time.Second):
		return ErrStuck
	}
	if t.spooler.behind() {
		return ErrStuck
	}
	return err
}

// Wait waits, after Close, until the spool is not used any more.
func (t *Timeline) Wait() { t.wg.Wait() }

// View returns the current View. It never blocks.
func (t *Timeline) View() *media.View { return t.now.Load().view }

// Next returns the first View with a revision above after, waiting for it. It returns ErrClosed when there will be none.
func (t *Timeline) Next(ctx context.Context, after uint64) (*media.View, error) {
	for {
		s := t.now.Load()
		if s.view.Revision > after {
			return s.view, nil
		}
		if s.over {
			return nil, ErrClosed
		}
		room := s.gate.enter()
		select {
		case <-room.door:
		case <-ctx.Done():
			room.leave()
			return nil, ctx.Err()
		}
	}
}

// Open opens an object: from memory at the live edge, from the spool behind it.
func (t *Timeline) Open(_ context.Context, ref media.Ref) (media.Object, error) {
	s := t.now.Load()
	for i := range s.view.Renditions {
		if r := &s.view.Renditions[i]; r.Name == ref.Rendition {
			return t.open(r, s.kept[i], ref)
		}
	}
	return media.Object{}, media.ErrNotFound
}

func (t *Timeline) open(r *media.Rendition, k kept, ref media.Ref) (media.Object, error) {
	switch ref.Kind {
	case media.ObjectInit:
		if in := r.Init(ref.Epoch); in != nil {
			return media.Object{Size: int64(len(in.Body)), Data: [][]byte{in.Body}}, nil
		}
	case media.ObjectPart:
		for _, p := range r.PartsOf(ref.Number) {
			if p.Part == ref.Part && p.Epoch == ref.Epoch {
				if p.Body != nil {
					return media.Object{Size: int64(len(p.Body)), Data: [][]byte{p.Body}}, nil
				}
			}
		}
		if i, ok := k.find(ref); ok && ref.Part >= 0 && ref.Part < len(k.parts[i]) {
			if data, ok := k.held[ref.Number]; ok && ref.Part < len(data) {
				return media.Object{Size: int64(len(data[ref.Part])), Data: data[ref.Part : ref.Part+1]}, nil
			}
			p := k.parts[i][ref.Part]
			return t.openFile(r.Name, k.segments[i], int64(p.Offset), int64(p.Size))
		}
	case media.ObjectSegment:
		i, ok := k.find(ref)
		if !ok {
			return media.Object{}, media.ErrNotFound
		}
		seg := k.segments[i]
		if parts := r.PartsOf(ref.Number); len(parts) == len(k.parts[i]) && len(parts) > 0 {
			if data, ok := bodies(parts); ok {
				return media.Object{Size: int64(seg.Size), Data: data}, nil
			}
		}
		if data, ok := k.held[ref.Number]; ok && size(data) == int(seg.Size) {
			return media.Object{Size: int64(seg.Size), Data: data}, nil
		}
		return t.openFile(r.Name, seg, 0, int64(seg.Size))
	}
	return media.Object{}, media.ErrNotFound
}

func bodies(parts []media.Part) (data [][]byte, ok bool) {
	for _, p := range parts {
		if p.Body == nil {
			return nil, false
		}
		data = append(data, p.Body)
	}
	return data, true
}

func (k kept) find(ref media.Ref) (int, bool) {
	if len(k.segments) == 0 || ref.Number < k.segments[0].Number {
		return 0, false
	}
	i := ref.Number - k.segments[0].Number
	if i >= uint64(len(k.segments)) || k.segments[i].Epoch != ref.Epoch || k.segments[i].Gap {
		return 0, false
	}
	return int(i), true
}

func (t *Timeline) openFile(rendition string, s media.Segment, offset, size int64) (media.Object, error) {
	f, err := t.spooler.spool.Open(rendition, s)
	if err != nil {
		return media.Object{}, fmt.Errorf("opening %s segment %d: %w", rendition, s.Number, err)
	}
	return media.Object{Size: size, File: f, Offset: offset}, nil
}

// Fate tells what has become of a segment in the spool, and why if it is lost.
func (t *Timeline) Fate(rendition string, s media.Segment) (Fate, media.GapReason) {
	return t.spooler.fate(rendition, s)
}

// Health reports how the spool keeps up.
func (t *Timeline) Health() Health { return t.spooler.health() }

// Frozen returns the header's frozen values; ok is false before Freeze.
func (t *Timeline) Frozen() (h Header, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.header, !t.header.Anchor.IsZero()
}

// Freeze sets what never changes again (invariant I4). It does nothing when that was done before.
func (t *Timeline) Freeze(anchor time.Time, segment, part time.Duration, parts bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.header.Anchor.IsZero() {
		t.header.Anchor, t.header.SegmentTarget, t.header.PartTarget, t.header.Parts = anchor, segment, part, parts
	}
}
