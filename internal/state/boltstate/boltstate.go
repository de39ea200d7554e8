// Package boltstate keeps records in one bbolt file.
package boltstate

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc64"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"headwater.stream/internal/state"
)

// FileName is the name of the state file in a data directory.
const FileName = "state.db"

// format is the version of the file: bucket "records" holds one bucket per kind, whose values are an 8-byte big-endian
// revision and the body; bucket "meta" holds "format", "revision" and "sum": the sum of the checksums of all records, which
// finds damage that bbolt, whose data pages have none, does not see.
const format = 1

// lockWait is how long Open waits for another process to let go of the file, as one that is shutting down does.
const lockWait = 2 * time.Second

// checkWait is how long the check of the pages may take: damage can send it round and round.
const checkWait = 30 * time.Second

var errEndless = errors.New("the check of its pages does not end")

// ErrLocked: another process has the file open.
var ErrLocked = errors.New("the data directory is in use by another process")

// Names of the buckets and keys.
const (
	metaBucket, recordBucket = "meta", "records"
	formatKey, revisionKey   = "format", "revision"
	sumKey                   = "sum"
)

// Store is a state.Store in a file, locked against other processes.
type Store struct {
	notify state.Notifier
	db     *bbolt.DB

	commits   sync.Mutex // one at a time: none begins before it is known that the one before failed
	condemned error      // why there may be no more
}

var _ state.Store = (*Store)(nil)

// Open opens the state file at path and makes it when it does not exist. A file it cannot read whole it leaves untouched.
func Open(path string) (*Store, error) {
	made := false
	if info, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		made = true
	} else if err != nil {
		return nil, fmt.Errorf("opening the state file: %w", err)
	} else if info.Size() == 0 {
		// bbolt would begin anew; but an empty file where state was means that it is lost, not that there was none.
		return nil, fmt.Errorf("the state file %s is empty: restore it from a backup, or remove it to begin with nothing", path)
	}
	if made {
		if err := create(path); err != nil {
			return nil, err
		}
	}
	s := &Store{}
	if err := s.open(path); err != nil {
		return nil, err
	}
	return s, nil
}

// create makes an empty state file whole before it gets its name, so that a crash leaves none or a good one.
func create(path string) error {
	tmp := path + ".new"
	// The lock on the temporary keeps two first starts apart.
	db, err := bbolt.Open(tmp, 0o600, &bbolt.Options{Timeout: lockWait})
	if err != nil {
		return locked(path, err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		meta, err := tx.CreateBucketIfNotExists([]byte(metaBucket))
		if err != nil {
			return err
		}
		if _, err := tx.CreateBucketIfNotExists([]byte(recordBucket)); err != nil {
			return err
		}
		return meta.Put([]byte(formatKey), number(format))
	})
	if err == nil {
		if _, statErr := os.Stat(path); errors.Is(statErr, fs.ErrNotExist) {
			err = os.Rename(tmp, path)
		}
	}
	if err := errors.Join(err, db.Close(), syncDir(filepath.Dir(path))); err != nil {
		return fmt.Errorf("making the state file: %w", err)
	}
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func locked(path string, err error) error {
	if errors.Is(err, berrors.ErrTimeout) {
		return fmt.Errorf("%w (%s is locked)", ErrLocked, path)
	}
	return fmt.Errorf("the state file %s cannot be opened; it was left as it is: %w", path, err)
}

func (s *Store) open(path string) (err error) {
	// bbolt reads through a memory map: a damaged page makes it panic, or read where nothing is mapped.
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	checking := false
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the state file %s is damaged; it was left as it is, restore it from a backup: %v", path, p)
		}
		if err != nil && s.db != nil && !checking {
			_ = s.db.Close()
		}
	}()
	s.db, err = bbolt.Open(path, 0o600, &bbolt.Options{Timeout: lockWait})
	if err != nil {
		return locked(path, err)
	}
	if err := s.db.View(func(tx *bbolt.Tx) error { return s.read(path, tx) }); err != nil {
		return err
	}
	// bbolt checks the list of free pages in a goroutine of its own, where nobody recovers: so what it will read was read
	// before. After an error it goes on, perhaps for ever, so the map stays then until the process ends, which is soon.
	tx, err := s.db.Begin(false)
	if err != nil {
		return locked(path, err)
	}
	limit := time.NewTimer(checkWait)
	defer limit.Stop()
	err = errEndless
	select {
	case problem, found := <-tx.Check():
		if !found {
			return tx.Rollback()
		}
		err = problem
	case <-limit.C:
	}
	checking = true
	return fmt.Errorf("the state file %s is damaged; it was left as it is, restore it from a backup: %w", path, err)
}

// read reads all of the file, and what it says of itself.
func (s *Store) read(path string, tx *bbolt.Tx) error {
	meta := tx.Bucket([]byte(metaBucket))
	if meta == nil || tx.Bucket([]byte(recordBucket)) == nil {
		return fmt.Errorf("%s is not a state file of Headwater", path)
	}
	if v := value(meta.Get([]byte(formatKey))); v != format {
		return fmt.Errorf("the state file %s has format %d and this version reads %d: use the version that wrote it", path, v, format)
	}
	if total, err := sum(tx.Bucket([]byte(recordBucket))); err != nil || total != value(meta.Get([]byte(sumKey))) {
		return fmt.Errorf("the state file %s is damaged (its checksum is wrong); it was left as it is, restore it from a backup", path)
	}
	if err := tx.ForEach(func(_ []byte, b *bbolt.Bucket) error { return touch(b) }); err != nil {
		return fmt.Errorf("the state file %s is damaged; it was left as it is, restore it from a backup: %w", path, err)
	}
	s.notify.Set(value(meta.Get([]byte(revisionKey))))
	return nil
}

// touch reads all pages of a bucket: the leaves one after the other, and by looking for each key the branches above.
func touch(b *bbolt.Bucket) error {
	seek := b.Cursor()
	return b.ForEach(func(k, v []byte) error {
		if found, _ := seek.Seek(k); !bytes.Equal(found, k) {
			return errors.New("a record cannot be found by its key")
		}
		if v != nil {
			return nil
		}
		inner := b.Bucket(k)
		if inner == nil {
			return errors.New("a bucket cannot be opened")
		}
		return touch(inner)
	})
}

// checksum is that of one record, its place included.
func checksum(kind, key string, stored []byte) uint64 {
	if stored == nil {
		return 0
	}
	h := crc64.New(crc64.MakeTable(crc64.ECMA))
	_, _ = fmt.Fprintf(h, "%q/%q/", kind, key) // a hash does not fail
	_, _ = h.Write(stored)
	return h.Sum64()
}

func sum(records *bbolt.Bucket) (total uint64, err error) {
	err = records.ForEachBucket(func(kind []byte) error {
		return records.Bucket(kind).ForEach(func(k, v []byte) error {
			total += checksum(string(kind), string(k), v)
			return nil
		})
	})
	return total, err
}

func number(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

func value(b []byte) uint64 {
	if len(b) < 8 {
		return 0
	}
	return binary.BigEndian.Uint64(b)
}

func record(kind string, key, stored []byte) state.Record {
	return state.Record{Kind: kind, Key: string(key), Revision: value(stored), Body: bytes.Clone(stored[min(8, len(stored)):])}
}

func closed(err error) error {
	if errors.Is(err, berrors.ErrDatabaseNotOpen) {
		return state.ErrClosed
	}
	return err
}

// Snapshot calls f with the size of the state file as it is now, in bytes, and a function that writes it; changes made meanwhile
// are not in it. Open takes what was written.
func (s *Store) Snapshot(f func(size int64, write func(io.Writer) error) error) error {
	return closed(s.db.View(func(tx *bbolt.Tx) error {
		return f(tx.Size(), func(w io.Writer) error {
			_, err := tx.WriteTo(w)
			return err
		})
	}))
}

// Get implements state.Store.
func (s *Store) Get(_ context.Context, kind, key string) (r state.Record, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte(recordBucket)).Bucket([]byte(kind))
		if b == nil {
			return state.ErrNotFound
		}
		stored := b.Get([]byte(key))
		if stored == nil {
			return state.ErrNotFound
		}
		r = record(kind, []byte(key), stored)
		return nil
	})
	return r, closed(err)
}

// List implements state.Store.
func (s *Store) List(_ context.Context, kind string) (all []state.Record, err error) {
	err = s.db.View(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte(recordBucket)).Bucket([]byte(kind))
		if b == nil {
			return nil
		}
		return b.ForEach(func(k, v []byte) error {
			all = append(all, record(kind, k, v))
			return nil
		})
	})
	return all, closed(err)
}

// Commit implements state.Store.
func (s *Store) Commit(ctx context.Context, changes ...state.Change) (revision uint64, err error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	s.commits.Lock()
	defer s.commits.Unlock()
	if s.condemned != nil {
		return 0, s.condemned
	}
	changed := false
	err = s.db.Update(func(tx *bbolt.Tx) error {
		meta, records := tx.Bucket([]byte(metaBucket)), tx.Bucket([]byte(recordBucket))
		revision = value(meta.Get([]byte(revisionKey))) + 1
		total := value(meta.Get([]byte(sumKey)))
		for _, c := range changes {
			b, err := records.CreateBucketIfNotExists([]byte(c.Kind))
			if err != nil {
				return err
			}
			before := b.Get([]byte(c.Key))
			if value(before) != c.Expect {
				return state.ErrConflict
			}
			total -= checksum(c.Kind, c.Key, before)
			if c.Body == nil {
				err = b.Delete([]byte(c.Key))
			} else {
				stored := slices.Concat(number(revision), c.Body)
				total += checksum(c.Kind, c.Key, stored)
				err = b.Put([]byte(c.Key), stored)
			}
			if err != nil {
				return err
			}
		}
		if err := meta.Put([]byte(sumKey), number(total)); err != nil {
			return err
		}
		changed = true
		return meta.Put([]byte(revisionKey), number(revision))
	})
	if changed && err != nil && !refused(err) {
		s.condemned = fmt.Errorf("%w: %w", state.ErrCondemned, err)
		return 0, s.condemned
	}
	if err != nil {
		return 0, closed(err)
	}
	s.notify.Set(revision)
	return revision, nil
}

// refused reports whether the disk did not take what was to be written, which it may take another time. After a failed sync it is
// not known what the disk has, and the next sync would say nothing of it: Linux marks the pages clean.
func refused(err error) bool {
	var path *fs.PathError
	return errors.As(err, &path) && path.Op != "sync"
}

// Watch implements state.Store.
func (s *Store) Watch(ctx context.Context, after uint64) (uint64, error) {
	return s.notify.Watch(ctx, after)
}

// Close implements state.Store.
func (s *Store) Close() error {
	s.notify.Close()
	return s.db.Close()
}
