package node

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"

	"headwater.stream/archive/fsstore"
	"headwater.stream/internal/control"
)

// staging moves directories that are whole to the containers of their assets, which are recorded before: a crash between the
// two leaves an asset whose directory the next start moves, one before leaves a directory that the next start removes. What
// else is among the assets is nobody's here, and is left alone.
type staging struct {
	from, to *fsstore.Store
	left     []string // by the process before
}

func openStaging(from, to *fsstore.Store) (*staging, error) {
	left, err := from.List()
	return &staging{from, to, left}, err
}

// place moves the directories of the assets that are there, and removes what the process before left of others.
func (s *staging) place(assets []control.AssetSpec) (failed map[string]error, err error) {
	names, err := s.from.List()
	if err != nil {
		return nil, err
	}
	owner := make(map[string]string, len(assets))
	for _, a := range assets {
		owner[a.Container] = a.ID
	}
	failed = map[string]error{}
	var errs []error
	for _, name := range names {
		if id, ok := owner[name]; ok {
			if err := rename(s.from.Path(name), s.to.Path(name)); err != nil {
				failed[id] = err
			}
		} else if slices.Contains(s.left, name) {
			errs = append(errs, s.from.Remove(name))
		}
	}
	return failed, errors.Join(errs...)
}

// placeStaged moves what was made for new assets before anybody asks for them. r.mu is held.
func (r *runtime) placeStaged(ctx context.Context, d control.Desired, fail func(string, error)) {
	if r.staging == nil {
		return
	}
	wanted := !r.placed
	for _, a := range d.Assets {
		wanted = wanted || r.byAsset[a.ID] == nil
	}
	if !wanted {
		return
	}
	failed, err := attempt(ctx, &r.attempts, "staging", "moving recordings in place", func() (map[string]error, error) { return r.staging.place(d.Assets) }, nil)
	r.placed = err == nil && len(failed) == 0
	if err != nil {
		fail("staging", err)
	}
	for id, err := range failed {
		fail(id, err)
	}
}

// rename renames a directory, durably.
func rename(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	return syncDirectory(filepath.Dir(to))
}
