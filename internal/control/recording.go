package control

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"headwater.stream/api"
)

// Archive makes recordings of recordings: the part of the data plane that knows directories.
type Archive interface {
	// Import makes the container, which must not exist, of an asset directory of this machine, by hard links unless copied is
	// to be. It returns the recording's manifest name. The error wraps ErrSource when the directory is to blame. The container
	// is in place when Apply has returned that knew its asset; after a crash before that was stored there is none.
	Import(ctx context.Context, container, directory string, copied bool) (manifestName string, err error)
	// Clip makes the container of a part of another, which may be recorded meanwhile.
	Clip(ctx context.Context, container, source string, from, to Moment) (manifestName string, err error)
	// Discard removes a container that came to nothing.
	Discard(container string) error
	// Release removes the recording from the directory of an Import.
	Release(directory string) error
}

// ErrSource is wrapped by errors that the caller's source is to blame for.
var ErrSource = errors.New("the recording cannot be used")

// Moment is a time of the wall clock or, where that is zero, of the media. The zero Moment is none.
type Moment struct {
	UTC   time.Time
	Media time.Duration
	Set   bool
}

// imported stands for the output of an asset that got its recording in another way: it gets no other.
const imported = "imported"

// ImportAsset implements api.Service.
func (s *Service) ImportAsset(ctx context.Context, name string, v *api.AssetImport) (*api.Asset, error) {
	if !filepath.IsAbs(v.Directory) {
		return nil, bad("directory", "'directory' has to be an absolute path on the server's machine.")
	}
	switch v.Mode {
	case "", api.ImportLink, api.ImportCopy, api.ImportMove:
	default:
		return nil, bad("mode", "'mode' is link, copy or move.")
	}
	p := api.AssetProperties{Description: v.Description, AlternateID: v.AlternateID, Expires: v.Expires}
	a, err := s.makeAsset(ctx, name, p, func(container string) (string, error) {
		return s.o.Archive.Import(ctx, container, v.Directory, v.Mode == api.ImportCopy)
	})
	if err != nil {
		return nil, err
	}
	if v.Mode == api.ImportMove {
		if err := s.o.Archive.Release(v.Directory); err != nil {
			s.o.Log.Error("an imported directory could not be removed", "directory", v.Directory, "error", err)
		}
	}
	return a, nil
}

// ClipAsset implements api.Service.
func (s *Service) ClipAsset(ctx context.Context, name string, v *api.AssetClip) (*api.Asset, error) {
	from, err := moment("start", v.Start)
	if err != nil {
		return nil, err
	}
	to, err := moment("end", v.End)
	if err != nil {
		return nil, err
	}
	if v.AssetName == "" {
		return nil, bad("assetName", "The property 'assetName' is required.")
	}
	source, err := s.asset(v.AssetName)
	if err != nil {
		return nil, &api.Error{Code: api.CodeBadRequest, Target: "assetName", Message: "The asset '" + v.AssetName + "' does not exist."}
	}
	p := api.AssetProperties{Description: v.Description, AlternateID: v.AlternateID, Expires: v.Expires}
	return s.makeAsset(ctx, name, p, func(container string) (string, error) {
		return s.o.Archive.Clip(ctx, container, source.rec.Properties.Container, from, to)
	})
}

func moment(target, text string) (Moment, error) {
	if text == "" {
		return Moment{}, nil
	}
	utc, d, err := api.ParseMoment(text)
	if err != nil {
		return Moment{}, bad(target, "'%s' is wrong: %v.", target, err)
	}
	return Moment{UTC: utc, Media: d, Set: true}, nil
}

// makeAsset makes an asset whose files fill makes first, so that an asset that can be seen is complete.
func (s *Service) makeAsset(ctx context.Context, name string, p api.AssetProperties, fill func(container string) (string, error)) (*api.Asset, error) {
	if s.o.Archive == nil {
		return nil, unsupported(name, "This server cannot make recordings of recordings.", "")
	}
	if err := checkName(name); err != nil {
		return nil, err
	}
	if err := prepareAsset(&p); err != nil {
		return nil, err
	}
	s.mu.RLock()
	err := s.freeAsset(name)
	s.mu.RUnlock()
	if err != nil {
		return nil, err // before the work
	}
	rec := assetRec{stamp: s.stamp(ctx, name), Properties: p, Output: imported, Ended: s.o.Now().UTC()}
	rec.Properties.Container = "asset-" + rec.ID
	if rec.ManifestName, err = fill(rec.Properties.Container); err != nil {
		if errors.Is(err, ErrSource) {
			return nil, bad("", "%s.", err)
		}
		return nil, err
	}
	r, err := s.storeAsset(ctx, name, rec)
	if err != nil {
		return nil, errors.Join(err, s.o.Archive.Discard(rec.Properties.Container))
	}
	s.settle(ctx)
	return s.assetWire(r), nil
}

func (s *Service) storeAsset(ctx context.Context, name string, rec assetRec) (*row[assetRec], error) {
	x := s.begin()
	defer x.end()
	if err := s.freeAsset(name); err != nil {
		return nil, err
	}
	r := put(x, &s.assets, key(name), rec)
	return r, x.commit(ctx)
}

// freeAsset says whether an asset of that name can be made; the caller has a lock.
func (s *Service) freeAsset(name string) error {
	if old := s.assets.find(name); old != nil {
		return conflict(name, "Take another name.", "The asset '%s' exists.", old.rec.Name)
	}
	return checkQuota(len(s.assets.rows), s.o.Quotas.Assets, "assets")
}
