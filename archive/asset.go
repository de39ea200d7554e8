package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"headwater.stream/internal/media"
	"headwater.stream/internal/timeline"
)

// Asset is a recording that gets nothing more: a Presentation whose View never changes.
type Asset struct {
	files Files
	view  *media.View
	info  Info
	sums  map[string][]uint32 // of the View's segments, by rendition; 0: not known

	damaged func(error)

	mu      sync.Mutex // of checked
	checked map[string][]verdict
}

// Files are the segments' files of a recording.
type Files interface {
	// Open opens a segment's file; media.ErrNotFound when there is none.
	Open(rendition string, s media.Segment) (media.File, error)
	Close() error
}

// verdict says whether a segment's file is what was recorded: it is looked at when it is asked for the first time.
type verdict uint8

const (
	sound verdict = iota + 1
	broken
)

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
	a, err := NewAsset(dir, st, info)
	if err != nil {
		return nil, err
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

// NewAsset returns the recording that st says is in the files. The Asset closes them.
func NewAsset(files Files, st timeline.State, info Info) (*Asset, error) {
	a := &Asset{files: files, view: endedView(st), info: info, sums: st.Sums, damaged: func(error) {}, checked: map[string][]verdict{}}
	if len(a.view.Renditions) == 0 {
		return nil, ErrEmpty
	}
	for i := range a.view.Renditions {
		r := &a.view.Renditions[i]
		a.checked[r.Name] = make([]verdict, len(r.Segments))
	}
	return a, nil
}

// OnDamage has f told of each damaged segment that is asked for. It is called before the Asset is used.
func (a *Asset) OnDamage(f func(error)) { a.damaged = f }

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
	return a.open(ref, a.verify)
}

// OpenBoxes is Open for who only looks at boxes: it does not hold a segment to its checksum, for which all of it is read.
func (a *Asset) OpenBoxes(_ context.Context, ref media.Ref) (media.Object, error) {
	return a.open(ref, func(m *media.Rendition, ref media.Ref, _ media.Object) error {
		if a.verdict(m, ref) == broken {
			return media.ErrNotFound
		}
		return nil
	})
}

// open opens an object; a file only when check finds nothing.
func (a *Asset) open(ref media.Ref, check func(*media.Rendition, media.Ref, media.Object) error) (media.Object, error) {
	m := a.view.Find(ref.Rendition)
	if m == nil {
		return media.Object{}, media.ErrNotFound
	}
	o, err := openFrom(a.files, m.Segments, m, ref)
	if err != nil || o.File == nil {
		return o, err
	}
	if err := check(m, ref, o); err != nil {
		return media.Object{}, errors.Join(err, o.Close())
	}
	return o, nil
}

// verdict returns what is known of a segment, 0 when nothing is.
func (a *Asset) verdict(m *media.Rendition, ref media.Ref) verdict {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.checked[ref.Rendition][ref.Number-m.Segments[0].Number]
}

// verify holds a segment to its checksum, once while the asset is open.
func (a *Asset) verify(m *media.Rendition, ref media.Ref, o media.Object) error {
	i := int(ref.Number - m.Segments[0].Number)
	v := a.verdict(m, ref)
	if v == 0 {
		problem, err := differs(o, a.sum(ref.Rendition, i))
		if err != nil {
			return fmt.Errorf("archive: reading %s: %w", ref.Name(), err)
		}
		if v = sound; problem != "" {
			v = broken
			a.damaged(fmt.Errorf("%w: %s: %s", ErrDamaged, ref.Name(), problem))
		}
		a.mu.Lock()
		a.checked[ref.Rendition][i] = v
		a.mu.Unlock()
	}
	if v == broken {
		return fmt.Errorf("%w: %s is damaged", media.ErrNotFound, ref.Name())
	}
	return nil
}

func (a *Asset) sum(rendition string, i int) uint32 {
	if s := a.sums[rendition]; i < len(s) {
		return s[i]
	}
	return 0
}

// differs says what is wrong with the file of an object that should have that checksum; sum 0: none is known.
func differs(o media.Object, sum uint32) (problem string, err error) {
	size, err := o.File.Seek(0, io.SeekEnd)
	if err != nil {
		return "", err
	}
	if size < o.Offset+o.Size {
		return fmt.Sprintf("its file has %d bytes of %d", size-o.Offset, o.Size), nil
	}
	if _, err := o.File.Seek(o.Offset, io.SeekStart); err != nil || sum == 0 {
		return "", err
	}
	got, err := ChecksumOf(io.LimitReader(o.File, o.Size))
	if err != nil {
		return "", err
	}
	if got != sum {
		return fmt.Sprintf("its checksum is %08x, not %08x", got, sum), nil
	}
	_, err = o.File.Seek(o.Offset, io.SeekStart)
	return "", err
}

// Close closes the directory.
func (a *Asset) Close() error { return a.files.Close() }
