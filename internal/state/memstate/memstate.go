// Package memstate keeps records in memory: the state store of tests.
package memstate

import (
	"context"
	"slices"
	"strings"
	"sync"

	"headwater.stream/internal/state"
)

// Store is a state.Store in memory. It forgets everything with the process.
type Store struct {
	notify state.Notifier

	mu       sync.Mutex
	closed   bool
	revision uint64
	records  map[[2]string]state.Record
}

var _ state.Store = (*Store)(nil)

// New returns an empty store.
func New() *Store { return &Store{records: map[[2]string]state.Record{}} }

// Get implements state.Store.
func (s *Store) Get(_ context.Context, kind, key string) (state.Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return state.Record{}, state.ErrClosed
	}
	r, ok := s.records[[2]string{kind, key}]
	if !ok {
		return state.Record{}, state.ErrNotFound
	}
	return r, nil
}

// List implements state.Store.
func (s *Store) List(_ context.Context, kind string) ([]state.Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, state.ErrClosed
	}
	var all []state.Record
	for k, r := range s.records {
		if k[0] == kind {
			all = append(all, r)
		}
	}
	slices.SortFunc(all, func(a, b state.Record) int { return strings.Compare(a.Key, b.Key) })
	return all, nil
}

// Commit implements state.Store.
func (s *Store) Commit(ctx context.Context, changes ...state.Change) (uint64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, state.ErrClosed
	}
	for _, c := range changes {
		if s.records[[2]string{c.Kind, c.Key}].Revision != c.Expect {
			return 0, state.ErrConflict
		}
	}
	s.revision++
	for _, c := range changes {
		k := [2]string{c.Kind, c.Key}
		if c.Body == nil {
			delete(s.records, k)
		} else {
			s.records[k] = state.Record{Kind: c.Kind, Key: c.Key, Revision: s.revision, Body: slices.Clone(c.Body)}
		}
	}
	s.notify.Set(s.revision)
	return s.revision, nil
}

// Watch implements state.Store.
func (s *Store) Watch(ctx context.Context, after uint64) (uint64, error) {
	return s.notify.Watch(ctx, after)
}

// Close implements state.Store.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.notify.Close()
	return nil
}
