package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"headwater.stream/api"
	"headwater.stream/internal/journal"
	"headwater.stream/internal/state"
)

// row is one stored record as it is in memory. A row is replaced, never changed, so that it may be read without lock once
// it was found.
type row[T any] struct {
	key      string
	revision uint64
	rec      T
}

func (r *row[T]) etag() string { return fmt.Sprintf("%q", fmt.Sprintf("%x", r.revision)) }

// table holds the rows of one kind by key.
type table[T any] struct {
	kind string
	rows map[string]*row[T]
}

// key folds names: they are matched without regard to case. No name can hold a slash.
func key(names ...string) string { return strings.ToLower(strings.Join(names, "/")) }

func (t *table[T]) find(names ...string) *row[T] { return t.rows[key(names...)] }

func (t *table[T]) load(ctx context.Context, store state.Store) error {
	records, err := store.List(ctx, t.kind)
	if err != nil {
		return fmt.Errorf("reading the %s records: %w", t.kind, err)
	}
	t.rows = make(map[string]*row[T], len(records))
	for _, r := range records {
		w := &row[T]{key: r.Key, revision: r.Revision}
		if err := json.Unmarshal(r.Body, &w.rec); err != nil {
			return fmt.Errorf("reading the %s record %q: %w", t.kind, r.Key, err)
		}
		t.rows[r.Key] = w
	}
	return nil
}

// tx is one change of the model: its writes reach the store together, and memory only after the store. It holds the
// write lock from begin to end; readers go on reading what was there before.
type tx struct {
	s       *Service
	changes []state.Change
	apply   []func(revision uint64)
	notices []journal.Event // told when it is stored
	err     error
}

// begin waits for other changes to end. The caller has to call end.
func (s *Service) begin() *tx {
	s.write.Lock()
	return &tx{s: s}
}

func (x *tx) end() { x.s.write.Unlock() }

// put stores rec under key, once per transaction and key.
func put[T any](x *tx, t *table[T], key string, rec T) *row[T] {
	w := &row[T]{key: key, rec: rec}
	body, err := json.Marshal(rec)
	if err != nil {
		x.err = fmt.Errorf("writing the %s record %q: %w", t.kind, key, err)
	}
	c := state.Change{Kind: t.kind, Key: key, Body: body}
	if old := t.rows[key]; old != nil {
		c.Expect = old.revision
		x.lived(&old.rec, &rec)
	} else {
		x.lived(nil, &rec)
	}
	x.changes = append(x.changes, c)
	x.apply = append(x.apply, func(revision uint64) {
		w.revision = revision
		t.rows[key] = w
	})
	return w
}

// drop deletes the record under key.
func drop[T any](x *tx, t *table[T], key string) {
	old := t.rows[key]
	if old == nil {
		return
	}
	x.lived(&old.rec, nil)
	x.changes = append(x.changes, state.Change{Kind: t.kind, Key: key, Expect: old.revision})
	x.apply = append(x.apply, func(uint64) { delete(t.rows, key) })
}

// commit makes the change durable, then visible. The write is finished even when the caller has gone: half an answer is
// worse than an unread one.
func (x *tx) commit(ctx context.Context) error {
	if x.err != nil {
		return x.err
	}
	if len(x.changes) == 0 {
		return nil
	}
	ctx = context.WithoutCancel(ctx)
	revision, err := x.s.store.Commit(ctx, x.changes...)
	if err != nil {
		// What the store holds now is not known, so memory is read from it anew.
		if reloadErr := x.s.reload(ctx); reloadErr != nil {
			err = errors.Join(err, reloadErr)
		}
		x.s.o.Log.Error("a change could not be stored", "error", err)
		return fmt.Errorf("%w: %w", unstored(err), err)
	}
	x.s.mu.Lock()
	for _, f := range x.apply {
		f(revision)
	}
	x.s.mu.Unlock()
	if x.s.o.Journal != nil {
		x.s.o.Journal.Append(x.notices...)
	}
	x.s.wake()
	return nil
}

// unstored says to the caller that a change was not made.
func unstored(err error) *api.Error {
	for _, full := range []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, fs.ErrPermission} {
		if errors.Is(err, full) {
			return &api.Error{Code: api.CodeInsufficientStorage, Message: "The change could not be stored: " + full.Error() + ". Nothing was changed.",
				Hint: "Make room on the disk of the data directory, or make it writable, and repeat the change."}
		}
	}
	if errors.Is(err, state.ErrCondemned) {
		return &api.Error{Code: api.CodeServiceUnavailable, Message: "The disk did not make a change durable, so none is accepted any more. What is live goes on.",
			Hint: "Look at the disk of the data directory, then restart the server."}
	}
	return &api.Error{Code: api.CodeServiceUnavailable, Message: "The change could not be stored; the server's log says why."}
}
