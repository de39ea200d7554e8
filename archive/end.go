package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"headwater.stream/internal/media"
	"headwater.stream/internal/timeline"
)

// endAsset ends a recording that did not end in order, by the same means as a timeline after a crash. When the disk does not
// take the end, the recording is served as it was found.
func endAsset(dir Dir, before timeline.State, manifests func(*media.View) (map[string][]byte, error)) (*Asset, error) {
	const everything = 100 * 365 * 24 * time.Hour
	t, err := timeline.Open(dir, timeline.Options{Window: everything / 4})
	if err != nil {
		return nil, fmt.Errorf("ending the recording: %w", err)
	}
	var a *Asset
	if err = t.Close(); err == nil {
		a, err = writeEnd(dir, t.Health(), manifests)
	}
	if err == nil || errors.Is(err, ErrEmpty) {
		return a, err
	}
	a, empty := NewAsset(found{dir, t}, foundState(t.View(), before), dir.Info())
	if empty != nil {
		return nil, empty
	}
	a.unended = fmt.Errorf("ending the recording: %w", err)
	return a, nil
}

// writeEnd writes what makes a recording an ended one.
func writeEnd(dir Dir, spool timeline.Health, manifests func(*media.View) (map[string][]byte, error)) (*Asset, error) {
	if spool.Degraded {
		return nil, &timeline.Fault{Reason: spool.Cause, Err: errors.New(spool.Reason)}
	}
	st, _, err := dir.Load()
	if err != nil {
		return nil, err
	}
	a, err := NewAsset(dir, st, dir.Info())
	if err != nil {
		return nil, err
	}
	if manifests != nil {
		files, err := manifests(a.view)
		if err != nil {
			return nil, fmt.Errorf("static manifests: %w", err)
		}
		for name, body := range files {
			if err := dir.WriteFile(name, body); err != nil {
				return nil, err
			}
		}
	}
	a.info.Ended = true
	return a, dir.SaveInfo(a.info)
}

// found are the files of a recording that could not be ended, and what a timeline has in memory instead.
type found struct {
	Dir
	timeline *timeline.Timeline
}

// Open implements Files.
func (f found) Open(rendition string, s media.Segment) (media.File, error) {
	o, err := f.timeline.Open(context.Background(), ref(rendition, s))
	if err != nil || o.File != nil {
		return o.File, err
	}
	return memoryFile{bytes.NewReader(bytes.Join(o.Data, nil))}, nil
}

// Close implements Files.
func (f found) Close() error {
	f.timeline.Wait()
	return f.Dir.Close()
}

type memoryFile struct{ *bytes.Reader }

// Close implements media.File.
func (memoryFile) Close() error { return nil }

// foundState makes the state of a View, with the checksums that are known from before.
func foundState(v *media.View, before timeline.State) timeline.State {
	st := timeline.State{Header: headerOf(v), Segments: map[string][]media.Segment{}, Sums: map[string][]uint32{}, Events: v.Events}
	for i := range v.Renditions {
		r := &v.Renditions[i]
		sums, known := make([]uint32, len(r.Segments)), before.Segments[r.Name]
		for k, s := range r.Segments {
			if n := len(known); n > 0 && s.Number >= known[0].Number && s.Number-known[0].Number < uint64(n) && known[s.Number-known[0].Number] == s {
				sums[k] = before.Sums[r.Name][s.Number-known[0].Number]
			}
		}
		st.Segments[r.Name], st.Sums[r.Name] = r.Segments, sums
	}
	return st
}
