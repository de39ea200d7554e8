package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"headwater.stream/archive"
	"headwater.stream/archive/fsstore"
	"headwater.stream/internal/control"
)

// recordings makes asset directories of others, in the staging store. Once their assets are recorded the runtime moves them to
// their containers (staging).
type recordings struct {
	assets, staging *fsstore.Store
}

var _ control.Archive = (*recordings)(nil)

// Import implements control.Archive.
func (r *recordings) Import(ctx context.Context, container, directory string, copied bool) (string, error) {
	return r.make(ctx, container, directory, fsstore.CopyOptions{Copy: copied, Tail: true})
}

// Clip implements control.Archive.
func (r *recordings) Clip(ctx context.Context, container, source string, from, to control.Moment) (string, error) {
	return r.make(ctx, container, r.assets.Path(source), fsstore.CopyOptions{From: fsstore.Point(from), To: fsstore.Point(to)})
}

func (r *recordings) make(ctx context.Context, container, source string, o fsstore.CopyOptions) (string, error) {
	o.Manifests = manifests
	stage := r.staging.Path(container)
	info, err := fsstore.Copy(ctx, source, stage, o)
	switch {
	case errors.Is(err, fsstore.ErrNoAsset), errors.Is(err, fsstore.ErrRange), errors.Is(err, archive.ErrEmpty), errors.Is(err, archive.ErrDamaged),
		errors.Is(err, archive.ErrHeaderVersion), errors.Is(err, archive.ErrIndexVersion), errors.Is(err, os.ErrPermission):
		return "", fmt.Errorf("%w: %w", control.ErrSource, err)
	case err != nil:
		return "", err
	}
	if info.ManifestName == "" {
		return "", errors.Join(fmt.Errorf("%w: it is the buffer of a live event, not an asset", control.ErrSource), r.staging.Remove(container))
	}
	if !info.Ended {
		if err := r.finish(container); err != nil {
			return "", errors.Join(err, r.staging.Remove(container))
		}
	}
	if err := syncDirectory(filepath.Dir(stage)); err != nil {
		return "", errors.Join(err, r.staging.Remove(container))
	}
	return info.ManifestName, nil
}

// finish ends a recording that was not.
func (r *recordings) finish(container string) error {
	dir, err := r.staging.Open(container)
	if err != nil {
		return err
	}
	a, err := archive.OpenAsset(dir, manifests)
	if err != nil {
		return errors.Join(err, dir.Close())
	}
	return errors.Join(a.Unended(), a.Close())
}

// Discard implements control.Archive.
func (r *recordings) Discard(container string) error { return r.staging.Remove(container) }

// Release implements control.Archive. A directory of this server's own belongs to an asset, which is deleted by other means.
func (r *recordings) Release(directory string) error {
	own, err := filepath.EvalSymlinks(filepath.Dir(r.assets.Path("x")))
	if err != nil {
		return err
	}
	if directory, err = filepath.EvalSymlinks(directory); err != nil {
		return err
	}
	if in, err := filepath.Rel(own, directory); err == nil && filepath.IsLocal(in) {
		return errors.New("it is in this server's data directory")
	}
	return fsstore.Discard(directory)
}
