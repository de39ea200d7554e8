package archive

import (
	"context"
	"errors"
	"fmt"
	"time"

	"headwater.stream/internal/media"
	"headwater.stream/internal/timeline"
)

// Asset is a recording that gets nothing more: a Presentation whose View never changes.
type Asset struct {
	dir  Dir
	view *media.View
	info Info
}

// ErrEmpty is returned by OpenAsset for a directory without a recording.
var ErrEmpty = errors.New("asset has no recording")

// OpenAsset opens the recording in a directory. One that did not end in order (it was copied while it was recorded, or its
// event is gone) is ended first: what is whole is kept. manifests makes the static manifests then; nil: none.
func OpenAsset(dir Dir, manifests func(*media.View) (map[string][]byte, error)) (*Asset, error) {
	st, ok, err := dir.Load()
	if err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	if !ok {
		return nil, ErrEmpty
	}
	info := dir.Info()
	if !info.Ended {
		if st, err = repair(dir); err != nil {
			return nil, fmt.Errorf("archive: ending the recording: %w", err)
		}
	}
	a := &Asset{dir: dir, view: endedView(st), info: info}
	if len(a.view.Renditions) == 0 {
		return nil, ErrEmpty
	}
	if !info.Ended && manifests != nil {
		files, err := manifests(a.view)
		if err != nil {
			return nil, fmt.Errorf("archive: static manifests: %w", err)
		}
		for name, body := range files {
			if err := dir.WriteFile(name, body); err != nil {
				return nil, fmt.Errorf("archive: %w", err)
			}
		}
	}
	if !info.Ended {
		a.info.Ended = true
		if err := dir.SaveInfo(a.info); err != nil {
			return nil, fmt.Errorf("archive: %w", err)
		}
	}
	return a, nil
}

// repair seals what a recording left open, by the same means as a timeline does after a crash.
func repair(dir Dir) (timeline.State, error) {
	const everything = 100 * 365 * 24 * time.Hour
	t, err := timeline.Open(dir, timeline.Options{Window: everything / 4})
	if err != nil {
		return timeline.State{}, err
	}
	if err := t.Close(); err != nil {
		return timeline.State{}, err
	}
	st, _, err := dir.Load()
	return st, err
}

func endedView(st timeline.State) *media.View {
	h := st.Header
	v := &media.View{Revision: 1, Anchor: h.Anchor, SegmentTarget: h.SegmentTarget, Ranges: h.Ranges, Ended: true}
	for _, r := range h.Renditions {
		segs := st.Segments[r.Name]
		if len(segs) == 0 {
			continue
		}
		v.Revision += uint64(segs[len(segs)-1].Epoch)<<20 + uint64(len(segs))
		v.Renditions = append(v.Renditions, ended(media.Rendition{Name: r.Name, Kind: r.Kind, Timescale: r.Timescale, Inits: r.Inits, Segments: segs}))
	}
	return v
}

// Info returns what the directory says about the recording.
func (a *Asset) Info() Info { return a.info }

// View returns the recording.
func (a *Asset) View() *media.View { return a.view }

// Next returns the View if its revision is above after; there is no later one, so otherwise it waits for ctx.
func (a *Asset) Next(ctx context.Context, after uint64) (*media.View, error) {
	if a.view.Revision > after {
		return a.view, nil
	}
	<-ctx.Done()
	return nil, ctx.Err()
}

// Open opens an object.
func (a *Asset) Open(_ context.Context, ref media.Ref) (media.Object, error) {
	m := a.view.Find(ref.Rendition)
	if m == nil {
		return media.Object{}, media.ErrNotFound
	}
	return openFrom(a.dir, m.Segments, m, ref)
}

// Close closes the directory.
func (a *Asset) Close() error { return a.dir.Close() }
