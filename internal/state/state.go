// Package state is the seam to where durable records are kept: small JSON documents by kind and key, changed together or
// not at all.
package state

import (
	"context"
	"errors"
)

// Errors that a Store wraps.
var (
	ErrNotFound = errors.New("no such record")
	// ErrConflict: a record of a commit was not at the revision it was expected at. Nothing was changed.
	ErrConflict = errors.New("the record was changed by someone else")
	ErrClosed   = errors.New("the state store is closed")
	// ErrCondemned: what an earlier commit wrote may not be durable, and nothing can be built on it. Opening the store again
	// tells what there is.
	ErrCondemned = errors.New("it is not known what of a commit is durable: the state takes no changes until it is opened again")
)

// Record is a document at one revision.
type Record struct {
	Kind, Key string
	Revision  uint64 // of the commit that wrote it
	Body      []byte // not to be changed by the caller
}

// Change is one write of a commit.
type Change struct {
	Kind, Key string
	Expect    uint64 // revision the record has to have now; 0: it does not exist
	Body      []byte // new content; nil deletes
}

// Store keeps records. Its methods are safe for concurrent use.
type Store interface {
	// Get returns a record, or ErrNotFound.
	Get(ctx context.Context, kind, key string) (Record, error)
	// List returns the records of a kind in the order of their keys' bytes, all as of one moment.
	List(ctx context.Context, kind string) ([]Record, error)
	// Commit makes all changes or none, and they are durable when it returns nil. On ErrConflict none was made; after any
	// other error the caller has to read to know. After ErrCondemned there are no more commits. It returns the revision of the commit, greater than all before.
	Commit(ctx context.Context, changes ...Change) (uint64, error)
	// Watch returns as soon as the revision of the last commit is greater than after, and that revision.
	Watch(ctx context.Context, after uint64) (uint64, error)
	// Close releases the store; what was committed stays. Waiting Watches return ErrClosed.
	Close() error
}
