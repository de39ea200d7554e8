package node

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// attempts keeps what a disk that hangs holds up from being begun twice, and from being waited for again and again.
type attempts struct {
	mu    sync.Mutex
	busy  map[string]bool
	hangs bool // something took too long since renew
}

// waitTimeout bounds what the control plane waits for one resource: a disk that hangs holds up no answer for longer than 5 s.
// Once it has, the others of the same call are given hangTimeout.
const (
	waitTimeout = 4 * time.Second
	hangTimeout = 250 * time.Millisecond
)

// renew gives the disk its time again.
func (a *attempts) renew() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.hangs = false
}

// patience is how long to wait for the disk.
func (a *attempts) patience() time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.hangs {
		return hangTimeout
	}
	return waitTimeout
}

// late notes that the disk took too long.
func (a *attempts) late() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.hangs = true
}

// attempt runs f, which may hang with the disk, and returns what it returns, or an error when it takes longer than there is
// patience for; f goes on then, and undo gets what comes of it. Nothing else is begun under the same id meanwhile.
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
	wait := a.patience()
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case r := <-done:
		return r.v, r.err
	case <-t.C:
		close(late)
		a.late()
		return none, fmt.Errorf("%s takes longer than %v", what, wait)
	case <-ctx.Done():
		close(late)
		return none, ctx.Err()
	}
}
