package archive

import (
	"context"
	"errors"
	"fmt"

	"headwater.stream/internal/media"
	"headwater.stream/internal/timeline"
)

// Asset is a recording that gets nothing more: a Presentation whose View never changes.
type Asset struct {
	files Files
	view  *media.View
	info  Info

	verifier *verifier
	unended  error
}

// Files are the segments' files of a recording.
type Files interface {
	// Open opens a segment's file; media.ErrNotFound when there is none.
	Open(rendition string, s media.Segment) (media.File, error)
	Close() error
}

// ErrEmpty is returned by OpenAsset for a directory without a recording.
var ErrEmpty = errors.New("asset has no recording")

// OpenAsset opens the recording in a directory. One that did not end in order (it was copied while it was recorded, or its
// event is gone) is ended first, if the disk takes that: what is whole is kept. manifests makes the static manifests then; nil:
// none.
func OpenAsset(dir Dir, manifests func(*media.View) (map[string][]byte, error)) (*Asset, error) {
	st, ok, err := dir.Load()
	if err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	if !ok {
		return nil, ErrEmpty
	}
	var a *Asset
	if info := dir.Info(); info.Ended {
		a, err = NewAsset(dir, st, info)
	} else {
		a, err = endAsset(dir, st, manifests)
	}
	if err != nil && !errors.Is(err, ErrEmpty) {
		err = fmt.Errorf("archive: %w", err)
	}
	return a, err
}

// NewAsset returns the recording that st says is in the files. The Asset closes them.
func NewAsset(files Files, st timeline.State, info Info) (*Asset, error) {
	a := &Asset{files: files, view: endedView(st), info: info, verifier: newVerifier()}
	if len(a.view.Renditions) == 0 {
		return nil, ErrEmpty
	}
	for i := range a.view.Renditions {
		r := &a.view.Renditions[i]
		a.verifier.know(r.Name, r.Segments[0].Number, st.Sums[r.Name], len(r.Segments))
	}
	return a, nil
}

// OnDamage has f told of each damaged segment that is asked for. It is called before the Asset is used.
func (a *Asset) OnDamage(f func(error)) { a.verifier.damaged = f }

// Unended returns why the end of a recording that did not end in order could not be written: it is served as it was found,
// and is ended when it is opened again. nil: it has ended.
func (a *Asset) Unended() error { return a.unended }

func endedView(st timeline.State) *media.View {
	h := st.Header
	v := &media.View{Revision: 1, Anchor: h.Anchor, SegmentTarget: h.SegmentTarget, Ranges: h.Ranges, Events: st.Events, Ended: true}
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

// Open opens an object. A segment whose file is not what was recorded does not exist: nobody gets it for whole.
func (a *Asset) Open(_ context.Context, ref media.Ref) (media.Object, error) {
	o, err := a.open(ref)
	return a.verifier.verified(ref, o, err)
}

// OpenBoxes is Open for who only looks at boxes: it does not hold a segment to its checksum, for which all of it is read.
func (a *Asset) OpenBoxes(_ context.Context, ref media.Ref) (media.Object, error) {
	if is, _ := a.verifier.verdict(ref); ref.Kind == media.ObjectSegment && is == broken {
		return media.Object{}, media.ErrNotFound
	}
	return a.open(ref)
}

func (a *Asset) open(ref media.Ref) (media.Object, error) {
	m := a.view.Find(ref.Rendition)
	if m == nil {
		return media.Object{}, media.ErrNotFound
	}
	return openFrom(a.files, m.Segments, m, ref)
}

// Close closes the directory.
func (a *Asset) Close() error { return a.files.Close() }
