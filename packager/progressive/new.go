package progressive

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/Eyevinn/mp4ff/mp4"

	"headwater.stream/internal/media"
)

// maxTables bounds the sample tables of a file: 128 MiB are about three days of video and audio.
const maxTables = 128 << 20

// movieScale is the timescale of the movie: edits can begin on any tick of the video.
const movieScale = media.VideoTimescale

// New lays out the file of what v lists, a track per rendition. It reads the moof boxes of every segment. progress is told of how
// many segments of how many have been read; nil: nobody.
func New(ctx context.Context, v *media.View, src Source, progress func(done, total int)) (*File, error) {
	if !v.Ended {
		return nil, ErrLive
	}
	var tracks []*track
	total := 0
	for i := range v.Renditions {
		t, err := newTrack(&v.Renditions[i])
		if err != nil {
			return nil, err
		}
		if t.trak != nil {
			tracks = append(tracks, t)
			total += len(t.r.Segments)
		}
	}
	f := &File{}
	if err := f.scanAll(ctx, tracks, src, total, progress); err != nil {
		return nil, err
	}
	live := tracks[:0]
	for _, t := range tracks {
		if t.count > 0 {
			t.lasts(uint32(t.dur))
			live = append(live, t)
		}
	}
	if len(live) == 0 {
		return nil, ErrEmpty
	}
	return f, f.write(live)
}

// scanAll reads the segments in the order of the file: by number, and the renditions of a number in turn.
func (f *File) scanAll(ctx context.Context, tracks []*track, src Source, total int, progress func(done, total int)) error {
	var samples []sample
	next := make([]int, len(tracks))
	for done := 0; ; {
		number, more := uint64(math.MaxUint64), false
		for i, t := range tracks {
			if next[i] < len(t.r.Segments) {
				number, more = min(number, t.r.Segments[next[i]].Number), true
			}
		}
		if !more {
			return nil
		}
		tables := 0
		for i, t := range tracks {
			tables += t.cost()
			if next[i] >= len(t.r.Segments) || t.r.Segments[next[i]].Number != number {
				continue
			}
			s := t.r.Segments[next[i]]
			next[i]++
			done++
			if progress != nil {
				progress(done, total)
			}
			in := t.r.Init(s.Init)
			if s.Gap || in == nil {
				continue
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			p := piece{ref: media.Ref{Rendition: t.r.Name, Kind: media.ObjectSegment, Epoch: s.Epoch, Number: s.Number}}
			var err error
			if samples, p.size, p.file, err = scan(ctx, src, p.ref, samples); err != nil {
				return err
			}
			if len(samples) == 0 {
				continue
			}
			if err := t.add(samples, in.Track.Timescale, t.descs[s.Init], len(f.pieces)); err != nil {
				return err
			}
			f.pieces = append(f.pieces, p)
		}
		if tables > maxTables {
			return ErrTooLong
		}
	}
}

// write makes the head and gives the pieces their places.
func (f *File) write(tracks []*track) error {
	media := int64(0)
	for i := range f.pieces {
		media += f.pieces[i].size
	}
	// Where the pieces are depends on how large the head is, but not the other way round: only how wide offsets are.
	wide := media+maxTables+1<<20 > math.MaxUint32
	moov, err := movie(tracks, nil, wide)
	if err != nil {
		return err
	}
	ftyp := mp4.NewFtyp("isom", 0x200, []string{"isom", "iso6", "mp41"})
	head := int64(ftyp.Size()) + int64(moov.Size()) + 8
	if wide {
		head += 8
	}
	at := head
	for i := range f.pieces {
		f.pieces[i].at = at
		at += f.pieces[i].size
	}
	f.size = at
	if moov, err = movie(tracks, f.pieces, wide); err != nil {
		return err
	}
	var b bytes.Buffer
	b.Grow(int(head))
	if err := ftyp.Encode(&b); err != nil {
		return err
	}
	if err := moov.Encode(&b); err != nil {
		return err
	}
	f.head = b.Bytes()
	if wide {
		f.head = binary.BigEndian.AppendUint32(f.head, 1)
		f.head = append(f.head, "mdat"...)
		f.head = binary.BigEndian.AppendUint64(f.head, uint64(media+16))
	} else {
		f.head = binary.BigEndian.AppendUint32(f.head, uint32(media+8))
		f.head = append(f.head, "mdat"...)
	}
	if int64(len(f.head)) != head {
		return fmt.Errorf("progressive: the head has %d bytes, %d were planned", len(f.head), head)
	}
	f.seal()
	return nil
}
