package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"headwater.stream/internal/media"
	"headwater.stream/internal/timeline"
)

// confirmAfter is how many segments later a recorded one is looked at again: its bytes are the spool's, and a sync of them
// may have failed since.
const confirmAfter = 3

// admit asks whether the asset may take a segment.
func (r *Recorder) admit(s media.Segment, before []media.Segment) error {
	if r.opt.Admit == nil {
		return nil
	}
	var has int64
	for i := range before {
		has += int64(before[i].Size)
	}
	return r.opt.Admit(has, int64(s.Size))
}

// bring makes the file of a sealed segment: a link where the spool has it, a copy of what is in memory where it has not.
func (r *Recorder) bring(rec *recording, s media.Segment, tail []media.Part) error {
	if len(tail) > 0 && tail[0].Number == s.Number {
		var data [][]byte
		for _, p := range tail {
			data = append(data, p.Body)
		}
		return r.replace(rec.name, s, data)
	}
	switch fate, reason := r.src.Fate(rec.name, s); fate {
	case timeline.FatePending:
		return errPending
	case timeline.FateLost:
		return r.rescue(rec.name, s, reason)
	}
	return r.dir.Link(r.spool, rec.name, s)
}

// rescue writes a segment from memory that the spool has lost; media.ErrNotFound if it is not there any more.
func (r *Recorder) rescue(name string, s media.Segment, reason media.GapReason) error {
	o, err := r.src.Open(context.Background(), ref(name, s))
	if err == nil {
		defer o.Close()
		data := o.Data
		if o.File != nil { // a sync of it failed, but it can still be read: as it is served, it is recorded
			if data, err = readWhole(o, s); err != nil {
				return &timeline.Fault{Reason: reason, Err: errors.Join(media.ErrNotFound, err)}
			}
		}
		return r.replace(name, s, data)
	}
	return &timeline.Fault{Reason: reason, Err: media.ErrNotFound}
}

// readWhole reads a segment from a file that may not be whole.
func readWhole(o media.Object, s media.Segment) ([][]byte, error) {
	b := make([]byte, o.Size)
	if _, err := o.File.Seek(o.Offset, io.SeekStart); err != nil {
		return nil, fmt.Errorf("reading a segment: %w", err)
	}
	if _, err := io.ReadFull(o.File, b); err != nil {
		return nil, fmt.Errorf("reading a segment: %w", err)
	}
	if _, end, err := ScanParts(bytes.NewReader(b), o.Size, s); err != nil || end != o.Size {
		return nil, fmt.Errorf("%w: a segment is torn at %d of %d bytes", ErrDamaged, end, o.Size)
	}
	return [][]byte{b}, nil
}

func (r *Recorder) replace(name string, s media.Segment, data [][]byte) error {
	readers, size := make([]io.Reader, len(data)), 0
	for i, b := range data {
		readers[i] = bytes.NewReader(b)
		size += len(b)
	}
	if size != int(s.Size) {
		return media.ErrNotFound
	}
	return r.dir.Replace(name, s, io.MultiReader(readers...))
}

// has says whether a segment can still be brought.
func (r *Recorder) has(name string, s media.Segment, tail []media.Part) bool {
	if len(tail) > 0 && tail[0].Number == s.Number {
		return true
	}
	o, err := r.src.Open(context.Background(), ref(name, s))
	if err != nil {
		return false
	}
	o.Close()
	return true
}

func ref(name string, s media.Segment) media.Ref {
	return media.Ref{Rendition: name, Kind: media.ObjectSegment, Epoch: s.Epoch, Number: s.Number}
}

// confirm looks again at segments recorded some time ago, or at all when the recording has ended. A file that was
// condemned since is written again from memory, or given up.
func (r *Recorder) confirm(rec *recording, kept []media.Segment, ended bool) error {
	end := rec.next
	if !ended {
		end -= min(end, confirmAfter)
	}
	for rec.confirmed = max(rec.confirmed, kept[0].Number); rec.confirmed < end; rec.confirmed++ {
		s := kept[rec.confirmed-kept[0].Number]
		if s.Gap {
			continue
		}
		fate, reason := r.src.Fate(rec.name, s)
		if err := r.dir.Condemned(rec.name, s); err != nil && fate == timeline.FateKept {
			fate, reason = timeline.FateLost, timeline.ReasonOf(err)
		}
		if fate != timeline.FateLost {
			continue
		}
		if err := r.rescue(rec.name, s, reason); !errors.Is(err, media.ErrNotFound) {
			if err != nil {
				return err
			}
			r.verifier.set(rec.name, s.Number, 0)
			continue
		}
		if err := r.dir.Discard(rec.name, s); err != nil {
			return err
		}
		r.lose(rec, s, reason)
	}
	return nil
}

// lose makes a segment a gap that was listed as media, and returns it.
func (r *Recorder) lose(rec *recording, s media.Segment, why media.GapReason) media.Segment {
	s.Gap, s.Size, s.Reason = true, 0, why
	r.mu.Lock()
	if first := rec.segments[0].Number; s.Number >= first { // the window may have moved on
		if was := rec.segments[s.Number-first]; was.Gap { // the other goroutine has found out
			r.mu.Unlock()
			return was
		}
		rec.segments = slices.Clone(rec.segments) // Views have the old ones
		rec.segments[s.Number-first] = s
		rec.lost++
	}
	if r.final != nil {
		v := *r.final
		v.Revision++
		v.Renditions = slices.Clone(v.Renditions)
		if m := v.Find(rec.name); m != nil {
			m.Segments, m.Lost = rec.segments[:len(rec.segments):len(rec.segments)], rec.lost
		}
		r.final = &v
		r.now.Store(&recorded{r.now.Load().from, &v})
	}
	r.mu.Unlock()
	r.src.Touch() // viewers are to know
	if r.opt.Lost != nil {
		r.opt.Lost(rec.name, s)
	}
	return s
}

// firstReason returns the first that says something.
func firstReason(a, b media.GapReason) media.GapReason {
	if a != media.GapUnknown {
		return a
	}
	return b
}
