package state

import (
	"context"
	"sync"
)

// Notifier implements the waiting half of Store for implementations in one process. The zero value is ready to use.
type Notifier struct {
	mu       sync.Mutex
	revision uint64
	closed   bool
	changed  chan struct{}
}

// Set announces a revision.
func (n *Notifier) Set(revision uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if revision > n.revision {
		n.revision = revision
		n.wake()
	}
}

// Close ends all waiting.
func (n *Notifier) Close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.closed = true
	n.wake()
}

func (n *Notifier) wake() {
	if n.changed != nil {
		close(n.changed)
		n.changed = nil
	}
}

// Watch implements Store.Watch.
func (n *Notifier) Watch(ctx context.Context, after uint64) (uint64, error) {
	for {
		n.mu.Lock()
		revision, closed := n.revision, n.closed
		if n.changed == nil {
			n.changed = make(chan struct{})
		}
		changed := n.changed
		n.mu.Unlock()
		switch {
		case closed:
			return 0, ErrClosed
		case revision > after:
			return revision, nil
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-changed:
		}
	}
}
