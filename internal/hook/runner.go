package hook

import (
	"context"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"time"

	"headwater.stream/internal/journal"
)

// Limits of a hook.
const (
	window      = 1024 // events looked at beyond the first that is not delivered
	maxUnderway = 8    // requests at a time, of different lanes
	keepLog     = 100  // attempts remembered

	maxDelay = 5 * time.Minute
	giveUp   = 24 * time.Hour   // after which an event is delivered no more
	restEach = 10 * time.Second // a place that moved over events that are not for the hook is stored as often
)

// Log is the journal, for its readers.
type Log interface {
	Read(p journal.Position) (list []journal.Event, lost bool, err error)
	Changed(p journal.Position) <-chan struct{}
}

// runner delivers to one hook. What is not guarded by mu belongs to run.
type runner struct {
	sender
	events Log
	root   *os.Root
	log    *slog.Logger
	retry  time.Duration
	cancel context.CancelFunc
	done   chan struct{}

	place   place
	read    journal.Position // looked at up to here
	waiting []*item          // not delivered, oldest first; those delivered since are cut off with the first
	lanes   map[string]*lane
	busy    int // requests under way
	moved   bool
	stored  time.Time
	results chan result

	mu     sync.Mutex
	status Status
	recent []Delivery
}

// item is an event to be delivered.
type item struct {
	event journal.Event
	done  bool
}

// lane is what has to be delivered in order.
type lane struct {
	queue   []*item
	attempt int // of the first
	busy    bool
	due     time.Time
	waits   bool // after a failure
}

type result struct {
	lane  *lane
	d     Delivery
	after time.Duration
}

// run delivers until ctx ends. Requests under way are cut off then.
func (r *runner) run(ctx context.Context) {
	defer close(r.done)
	defer func() {
		for ; r.busy > 0; r.busy-- {
			if res := <-r.results; res.d.Result != Retrying {
				r.took(res)
			}
		}
		r.store()
	}()
	if !r.validated(ctx) {
		return
	}
	for {
		readable := r.fill()
		next := r.start(ctx)
		r.show()
		var more <-chan struct{}
		if readable && len(r.waiting) < window {
			more = r.events.Changed(r.read)
		}
		timer := time.NewTimer(next)
		select {
		case res := <-r.results:
			r.busy--
			r.took(res)
		case <-more:
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
		timer.Stop()
		if r.moved || time.Since(r.stored) > restEach {
			r.store()
		}
	}
}

// validated does the handshake of Event Grid until it succeeds.
func (r *runner) validated(ctx context.Context) bool {
	for n := 1; r.spec.Schema == EventGrid && !r.place.Validated; n++ {
		d := r.validate(ctx)
		if ctx.Err() != nil {
			return false
		}
		d.Attempt = n
		r.note(d)
		if r.place.Validated = d.Result == Delivered; r.place.Validated {
			r.store()
			break
		}
		select {
		case <-time.After(r.delay(n)):
		case <-ctx.Done():
			return false
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status.Validated = true
	return true
}

// delay is how long to wait after n attempts: half of it is chance, so that hooks do not come together.
func (r *runner) delay(n int) time.Duration {
	d := maxDelay
	if n < 20 {
		d = min(d, r.retry<<(n-1))
	}
	return d/2 + rand.N(d/2)
}

// fill reads what comes next. It returns false when that should not be tried again at once.
func (r *runner) fill() bool {
	for len(r.waiting) < window {
		list, lost, err := r.events.Read(r.read)
		if err != nil {
			r.log.Error("reading the event log for a webhook", "err", err)
			return false
		}
		if lost {
			r.log.Error("the event log no longer has what a webhook has not got", "after", uint64(r.read))
			r.note(Delivery{Time: r.now(), Result: Lost, Error: "older events are not kept any more"})
		}
		if len(list) == 0 {
			return !lost
		}
		for _, e := range list {
			r.read = e.Position()
			if e.Time.Before(r.spec.Since) || !r.spec.Filter.Match(&e) || slices.Contains(r.place.Ahead, r.read) {
				continue
			}
			it := &item{event: e}
			r.waiting = append(r.waiting, it)
			l := r.lanes[e.Lane()]
			if l == nil {
				l = &lane{}
				r.lanes[e.Lane()] = l
			}
			l.queue = append(l.queue, it)
		}
	}
	return true
}

// start makes the requests that are due and returns how long until the next is.
func (r *runner) start(ctx context.Context) (next time.Duration) {
	now := r.now()
	next = restEach
	for name, l := range r.lanes {
		if len(l.queue) == 0 && !l.busy {
			delete(r.lanes, name)
			continue
		}
		if l.busy || r.busy == maxUnderway {
			continue
		}
		if wait := l.due.Sub(now); l.waits && wait > 0 {
			next = min(next, wait)
			continue
		}
		l.busy, l.attempt = true, l.attempt+1
		r.busy++
		e, attempt := l.queue[0].event, l.attempt
		go func() {
			d, after := r.send(ctx, &e)
			d.Attempt = attempt
			r.results <- result{l, d, after}
		}()
	}
	return next
}

// took notes what came of a request.
func (r *runner) took(res result) {
	l, d := res.lane, res.d
	l.busy = false
	first := l.queue[0]
	if d.Result == Retrying && r.now().Sub(first.event.Time) > giveUp {
		d.Result = Expired
	}
	r.note(d)
	if d.Result == Retrying {
		l.waits, l.due = true, r.now().Add(max(res.after, r.delay(l.attempt)))
		return
	}
	if d.Result == Delivered { // it is there again: nobody waits for long
		for _, other := range r.lanes {
			other.waits = false
		}
	} else {
		r.log.Error("an event was not delivered to a webhook", "id", d.ID, "type", d.Type, "result", d.Result, "status", d.Status, "err", d.Error)
	}
	first.done, l.queue, l.attempt, l.waits = true, l.queue[1:], 0, false
	r.moved = true
	r.place.Ahead = append(r.place.Ahead, first.event.Position())
	for len(r.waiting) > 0 && r.waiting[0].done {
		r.waiting = r.waiting[1:]
	}
}

// store writes how far the hook is.
func (r *runner) store() {
	done := r.read
	if len(r.waiting) > 0 {
		done = r.waiting[0].event.Position() - 1
	}
	r.stored = r.now()
	if done == r.place.Done && !r.moved {
		return
	}
	r.place.Done = max(done, r.place.Done)
	r.place.Ahead = slices.DeleteFunc(r.place.Ahead, func(p journal.Position) bool { return p <= r.place.Done })
	r.moved = false
	if err := r.place.store(r.root, r.spec.ID); err != nil {
		r.log.Error("events may come twice after a restart", "err", err)
	}
}

// note remembers an attempt.
func (r *runner) note(d Delivery) {
	r.mu.Lock()
	was := r.status.Failing
	r.status.Failing = d.Result != Delivered
	r.status.Counts[d.Result]++
	r.status.Last = &d
	if r.recent = append(r.recent, d); len(r.recent) > keepLog {
		r.recent = slices.Delete(r.recent, 0, 1)
	}
	r.mu.Unlock()
	if d.Result == Retrying && !was {
		r.log.Warn("a webhook does not take an event; it is tried again", "id", d.ID, "type", d.Type, "status", d.Status, "err", d.Error)
	} else if d.Result == Delivered && was {
		r.log.Info("a webhook takes events again")
	}
}

// show publishes what waits.
func (r *runner) show() {
	n := 0
	for _, it := range r.waiting {
		if !it.done {
			n++
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status.Pending, r.status.Oldest = n, time.Time{}
	if len(r.waiting) > 0 {
		r.status.Oldest = r.waiting[0].event.Time
	}
}

func (r *runner) snapshot() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.status
	s.Counts = maps.Clone(s.Counts)
	return s
}

func (r *runner) deliveries() []Delivery {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.recent)
}
