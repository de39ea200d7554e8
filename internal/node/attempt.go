package node

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// attempts keeps what a disk that hangs holds up from being begun twice.
type attempts struct {
	mu   sync.Mutex
	busy map[string]bool
}

// attempt runs f, which may hang with the disk, and returns what it returns, or an error when it takes longer than
// waitTimeout; f goes on then, and undo gets what comes of it. Nothing else is begun under the same id meanwhile.
func attempt[T any](ctx context.Context, a *attempts, id, what string, f func() (T, error), undo func(T)) (T, error) {
	var none T
	a.mu.Lock()
	if a.busy[id] {
		a.mu.Unlock()
		return none, fmt.Errorf("%s: the disk does not answer", what)
	}
	if a.busy == nil {
		a.busy = map[string]bool{}
	}
	a.busy[id] = true
	a.mu.Unlock()
	type result struct {
		v   T
		err error
	}
	done, late := make(chan result), make(chan struct{})
	go func() {
		v, err := f()
		a.mu.Lock()
		delete(a.busy, id)
		a.mu.Unlock()
		select {
		case done <- result{v, err}:
		case <-late:
			if err == nil && undo != nil {
				undo(v)
			}
		}
	}()
	t := time.NewTimer(waitTimeout)
	defer t.Stop()
	select {
	case r := <-done:
		return r.v, r.err
	case <-t.C:
		close(late)
		return none, fmt.Errorf("%s takes longer than %v", what, waitTimeout)
	case <-ctx.Done():
		close(late)
		return none, ctx.Err()
	}
}
