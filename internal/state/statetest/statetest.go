// Package statetest holds the conformance suite of state.Store.
package statetest

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"
	"time"

	"headwater.stream/internal/state"
)

// Test runs the suite against stores that open makes empty.
func Test(t *testing.T, open func(t *testing.T) state.Store) {
	for name, test := range map[string]func(*testing.T, state.Store){
		"Records":    records,
		"Atomic":     atomic,
		"Swap":       swap,
		"Concurrent": concurrent,
		"Watch":      watch,
		"Closed":     closed,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

func commit(t *testing.T, s state.Store, changes ...state.Change) uint64 {
	t.Helper()
	r, err := s.Commit(t.Context(), changes...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func records(t *testing.T, s state.Store) {
	if _, err := s.Get(t.Context(), "k", "a"); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("Get of nothing: %v", err)
	}
	if all, err := s.List(t.Context(), "k"); err != nil || len(all) != 0 {
		t.Errorf("List of nothing: %v, %v", all, err)
	}
	body := []byte("1")
	r := commit(t, s, state.Change{Kind: "k", Key: "b", Body: body}, state.Change{Kind: "k", Key: "a", Body: []byte("2")},
		state.Change{Kind: "other", Key: "a", Body: []byte{}})
	body[0] = 'x'
	all, err := s.List(t.Context(), "k")
	if err != nil || len(all) != 2 || all[0].Key != "a" || all[1].Key != "b" || string(all[1].Body) != "1" || all[0].Revision != r || all[0].Kind != "k" {
		t.Errorf("List: %+v, %v", all, err)
	}
	if got, err := s.Get(t.Context(), "other", "a"); err != nil || len(got.Body) != 0 {
		t.Errorf("an empty body: %+v, %v", got, err)
	}
	commit(t, s, state.Change{Kind: "k", Key: "b", Expect: r})
	if _, err := s.Get(t.Context(), "k", "b"); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("Get after delete: %v", err)
	}
	if again := commit(t, s, state.Change{Kind: "k", Key: "b", Body: []byte("3")}); again <= r+1 {
		t.Errorf("revision %d does not rise", again)
	}
}

func atomic(t *testing.T, s state.Store) {
	r := commit(t, s, state.Change{Kind: "k", Key: "a", Body: []byte("1")})
	_, err := s.Commit(t.Context(), state.Change{Kind: "k", Key: "b", Body: []byte("2")}, state.Change{Kind: "k", Key: "a", Expect: r + 7, Body: []byte("3")})
	if !errors.Is(err, state.ErrConflict) {
		t.Errorf("a stale commit: %v", err)
	}
	if _, err := s.Get(t.Context(), "k", "b"); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("half of a refused commit was made: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Commit(ctx, state.Change{Kind: "k", Key: "c", Body: []byte("2")}); !errors.Is(err, context.Canceled) {
		t.Errorf("a commit of a caller that is gone: %v", err)
	}
}

func swap(t *testing.T, s state.Store) {
	r := commit(t, s, state.Change{Kind: "k", Key: "a", Body: []byte("1")})
	for name, c := range map[string]state.Change{
		"create of what exists":  {Kind: "k", Key: "a", Body: []byte("2")},
		"update of a stale one":  {Kind: "k", Key: "a", Expect: r + 1, Body: []byte("2")},
		"update of nothing":      {Kind: "k", Key: "b", Expect: r, Body: []byte("2")},
		"delete of a stale one":  {Kind: "k", Key: "a", Expect: r + 1},
		"delete of nothing":      {Kind: "k", Key: "b", Expect: r},
		"delete, not expected":   {Kind: "k", Key: "a"},
		"update of another kind": {Kind: "l", Key: "a", Expect: r, Body: []byte("2")},
	} {
		if _, err := s.Commit(t.Context(), c); !errors.Is(err, state.ErrConflict) {
			t.Errorf("%s: %v, want ErrConflict", name, err)
		}
	}
	if r2 := commit(t, s, state.Change{Kind: "k", Key: "a", Expect: r, Body: []byte("2")}); r2 <= r {
		t.Errorf("revision %d after %d", r2, r)
	}
}

// concurrent: of many creators of one name one wins, and counting up by compare and swap loses no step.
func concurrent(t *testing.T, s state.Store) {
	const workers, steps = 8, 5
	var mu sync.Mutex
	won := 0
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			if _, err := s.Commit(t.Context(), state.Change{Kind: "k", Key: "one", Body: []byte("0")}); err == nil {
				mu.Lock()
				won++
				mu.Unlock()
			}
			for done := 0; done < steps; {
				r, err := s.Get(t.Context(), "k", "one")
				if err != nil {
					t.Error(err)
					return
				}
				n, err := strconv.Atoi(string(r.Body))
				if err != nil {
					t.Error(err)
					return
				}
				_, err = s.Commit(t.Context(), state.Change{Kind: "k", Key: "one", Expect: r.Revision, Body: strconv.AppendInt(nil, int64(n+1), 10)})
				if err == nil {
					done++
				} else if !errors.Is(err, state.ErrConflict) {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	if r, err := s.Get(t.Context(), "k", "one"); err != nil || string(r.Body) != strconv.Itoa(workers*steps) || won != 1 {
		t.Errorf("%d creators won; counted %s, %v", won, r.Body, err)
	}
}

func watch(t *testing.T, s state.Store) {
	r := commit(t, s, state.Change{Kind: "k", Key: "a", Body: []byte("1")})
	if got, err := s.Watch(t.Context(), r-1); err != nil || got != r {
		t.Errorf("Watch of the past: %d, %v", got, err)
	}
	type answer struct {
		revision uint64
		err      error
	}
	answers := make(chan answer, 1)
	go func() {
		got, err := s.Watch(t.Context(), r)
		answers <- answer{got, err}
	}()
	r2 := commit(t, s, state.Change{Kind: "k", Key: "b", Body: []byte("1")})
	select {
	case a := <-answers:
		if a.err != nil || a.revision != r2 {
			t.Errorf("Watch: %+v", a)
		}
	case <-time.After(10 * time.Second):
		t.Error("a commit did not wake a Watch")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Watch(ctx, r2); !errors.Is(err, context.Canceled) {
		t.Errorf("Watch of a caller that is gone: %v", err)
	}
}

func closed(t *testing.T, s state.Store) {
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(t.Context(), "k", "a"); !errors.Is(err, state.ErrClosed) {
		t.Errorf("Get: %v", err)
	}
	if _, err := s.List(t.Context(), "k"); !errors.Is(err, state.ErrClosed) {
		t.Errorf("List: %v", err)
	}
	if _, err := s.Commit(t.Context(), state.Change{Kind: "k", Key: "a", Body: []byte("1")}); !errors.Is(err, state.ErrClosed) {
		t.Errorf("Commit: %v", err)
	}
	if _, err := s.Watch(t.Context(), 0); !errors.Is(err, state.ErrClosed) {
		t.Errorf("Watch: %v", err)
	}
}
