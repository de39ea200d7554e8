package hook

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"headwater.stream/internal/journal"
)

// Options of a Manager.
type Options struct {
	Source string           // of the events: the account
	Allow  []netip.Prefix   // addresses that are not public and may be connected to
	Retry  time.Duration    // before the second attempt; it doubles. 0: 1 s
	Wait   time.Duration    // for an answer. 0: 10 s
	Now    func() time.Time // nil: time.Now
	Log    *slog.Logger     // nil: slog.Default
}

// Manager runs the webhooks there are to be.
type Manager struct {
	o      Options
	events Log
	root   *os.Root
	guard  guard
	client *http.Client

	mu      sync.Mutex
	runners map[string]*runner
	closed  bool
}

// New returns a Manager that keeps how far its hooks are in a directory, which is made if it does not exist.
func New(dir string, events Log, o Options) (*Manager, error) {
	if o.Retry == 0 {
		o.Retry = time.Second
	}
	if o.Wait == 0 {
		o.Wait = 10 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("webhooks: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("webhooks: %w", err)
	}
	m := &Manager{o: o, events: events, root: root, guard: o.Allow, runners: map[string]*runner{}}
	m.client = m.guard.client(o.Wait)
	return m, nil
}

// Apply makes these hooks the ones that run. What is not delivered to one that is gone is forgotten.
func (m *Manager) Apply(specs []Spec) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil
	}
	wanted := map[string]bool{}
	for _, s := range specs {
		wanted[s.ID] = true
		if r := m.runners[s.ID]; r != nil {
			if r.spec.equal(&s) {
				continue
			}
			r.stop()
			delete(m.runners, s.ID)
		}
		m.runners[s.ID] = m.begin(s)
	}
	for id, r := range m.runners {
		if !wanted[id] {
			r.stop()
			delete(m.runners, id)
		}
	}
	return m.sweep(wanted)
}

// sweep removes the places of hooks that are gone.
func (m *Manager) sweep(wanted map[string]bool) error {
	entries, err := fs.ReadDir(m.root.FS(), ".")
	if err != nil {
		return fmt.Errorf("webhooks: %w", err)
	}
	var errs []error
	for _, e := range entries {
		id, _, _ := strings.Cut(e.Name(), ".")
		if !wanted[id] {
			errs = append(errs, m.root.Remove(e.Name()))
		}
	}
	return errors.Join(errs...)
}

func (m *Manager) sender(s *Spec) sender {
	return sender{spec: s, source: m.o.Source, client: m.client, now: m.o.Now}
}

func (m *Manager) begin(s Spec) *runner {
	p, found, err := loadPlace(m.root, s.ID)
	if err != nil {
		m.o.Log.Error("a webhook gets again what it had", "webhook", s.Name, "err", err)
	}
	if !found { // from its creation on, also when the process was killed before it came here
		p.Done = journal.Position(max(0, s.Since.UnixMicro()-1))
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &runner{
		sender: m.sender(&s), events: m.events, root: m.root, log: m.o.Log.With("webhook", s.Name), cancel: cancel, done: make(chan struct{}),
		place: p, read: p.Done, lanes: map[string]*lane{}, results: make(chan result, maxUnderway), retry: m.o.Retry, stored: m.o.Now(),
		status: Status{Counts: map[Result]uint64{}},
	}
	go r.run(ctx)
	return r
}

func (r *runner) stop() {
	r.cancel()
	<-r.done
}

// Status returns how a hook does; false when there is none with that ID.
func (m *Manager) Status(id string) (Status, bool) {
	m.mu.Lock()
	r := m.runners[id]
	m.mu.Unlock()
	if r == nil {
		return Status{}, false
	}
	return r.snapshot(), true
}

// All returns how all hooks do.
func (m *Manager) All() (all []Status) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.runners {
		all = append(all, r.snapshot())
	}
	return all
}

// Deliveries returns the last attempts of a hook, oldest first.
func (m *Manager) Deliveries(id string) []Delivery {
	m.mu.Lock()
	r := m.runners[id]
	m.mu.Unlock()
	if r == nil {
		return nil
	}
	return r.deliveries()
}

// Test sends an event that says that it is a test, once.
func (m *Manager) Test(ctx context.Context, s Spec) Delivery {
	send := m.sender(&s)
	return send.test(ctx)
}

// Close stops all hooks; they go on at the next start.
func (m *Manager) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil
	}
	m.closed = true
	for _, r := range m.runners {
		r.cancel()
	}
	for _, r := range m.runners {
		<-r.done
	}
	m.client.CloseIdleConnections()
	return m.root.Close()
}
