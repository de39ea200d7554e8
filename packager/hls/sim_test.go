package hls_test

import (
	"slices"
	"time"

	"headwater.stream/internal/media"
)

// sim is a presentation made of arithmetic: 30 fps video and 48 kHz audio in segments of two seconds and parts of a fifth.
type sim struct {
	v      media.View
	window int    // listed segments at most
	keep   uint64 // segments before the last whose parts are known
	epoch  uint32
	disc   uint32
	number uint64
	first  bool
	part   int
	clock  int64 // parts and gaps so far, in parts
}

const (
	partsPerSegment = 10
	videoPart       = 24_000 // ticks
	audioFrame      = 1024
)

func newSim(parts bool, window int) *sim {
	s := &sim{window: window, keep: 2, epoch: 1_764_077_000, number: 0, first: true}
	s.v = media.View{
		Anchor: time.Date(2026, 11, 25, 13, 0, 0, 123_400_000, time.UTC), SegmentTarget: 2 * time.Second,
		Renditions: []media.Rendition{
			{Name: "v1", Kind: media.Video, Timescale: media.VideoTimescale, Bandwidth: 6_000_000, AverageBandwidth: 5_500_000},
			{Name: "a1", Kind: media.Audio, Timescale: 48_000, Bandwidth: 130_000, AverageBandwidth: 128_000},
		},
	}
	if parts {
		s.v.PartTarget = 213_333_334 * time.Nanosecond
	}
	s.inits()
	return s
}

func (s *sim) inits() {
	tracks := []media.Track{
		{Kind: media.Video, Codec: "avc1.640028", Timescale: media.VideoTimescale, Width: 1920, Height: 1080, FrameRate: media.Rational{Num: 30, Den: 1}},
		{Kind: media.Audio, Codec: "mp4a.40.2", Timescale: 48_000, Language: "und", SampleRate: 48_000, Channels: 2, FrameSamples: audioFrame},
	}
	for i := range s.v.Renditions {
		r := &s.v.Renditions[i]
		r.Inits = append(slices.Clone(r.Inits), media.Init{ID: s.epoch, Track: tracks[i]})
	}
}

// border returns the time of part border n of the whole presentation in a rendition's ticks: audio goes to the nearest frame.
func border(r *media.Rendition, n int64) int64 {
	if r.Kind == media.Video {
		return n * videoPart
	}
	return (n*videoPart*2/5 + audioFrame/2) / audioFrame * audioFrame
}

// step adds one part to every rendition and returns the View.
func (s *sim) step() *media.View {
	s.v.Revision++
	for i := range s.v.Renditions {
		r := &s.v.Renditions[i]
		n := s.clock
		if s.part == 0 {
			r.Open = &media.Segment{Number: s.number, Start: border(r, n), Epoch: s.epoch, Init: s.epoch, Disc: s.disc, First: s.first, KeySize: 700 + uint32(s.number)%3}
		}
		open := *r.Open
		start, end := border(r, n), border(r, n+1)
		open.Duration = end - open.Start
		open.Size += 1000
		r.Open = &open
		r.Parts = append(slices.Clone(r.Parts), media.Part{
			PartID: media.PartID{Epoch: s.epoch, Number: s.number, Part: s.part}, Start: start, Duration: end - start, Size: 1000,
			Independent: s.part == 0 || r.Kind == media.Audio,
		})
		r.Hint = media.PartID{Epoch: s.epoch, Number: s.number, Part: s.part + 1}
		if s.part == partsPerSegment-1 {
			s.seal(r)
			r.Hint = media.PartID{Epoch: s.epoch, Number: s.number + 1}
		}
	}
	s.part++
	s.clock++
	if s.part == partsPerSegment {
		s.part, s.number, s.first = 0, s.number+1, false
	}
	return s.view()
}

func (s *sim) seal(r *media.Rendition) {
	r.Segments = append(slices.Clone(r.Segments), *r.Open)
	r.Open = nil
	s.slide(r)
}

func (s *sim) slide(r *media.Rendition) {
	r.Segments = r.Segments[max(0, len(r.Segments)-s.window):]
	last, _ := r.LastNumber()
	r.Parts = slices.DeleteFunc(slices.Clone(r.Parts), func(p media.Part) bool { return p.Number+s.keep < last })
}

// segment steps to the end of the segment.
func (s *sim) segment() *media.View {
	v := s.step()
	for s.part != 0 {
		v = s.step()
	}
	return v
}

// outage seals what is open, adds gaps and begins a new range.
func (s *sim) outage(gaps int) *media.View {
	s.v.Revision++
	cut := s.part > 0
	for i := range s.v.Renditions {
		r := &s.v.Renditions[i]
		r.Hint = media.PartID{}
		next := s.number
		if cut {
			s.seal(r)
			next++
		}
		for g := range uint64(gaps) {
			last := r.Segments[len(r.Segments)-1]
			r.Segments = append(slices.Clone(r.Segments), media.Segment{
				Number: next + g, Start: last.End(), Duration: border(r, s.clock+int64(g+1)*partsPerSegment) - last.End(), Epoch: s.epoch, Init: s.epoch, Disc: s.disc, Gap: true,
			})
			s.slide(r)
		}
	}
	if cut {
		s.number++
	}
	s.number += uint64(gaps)
	s.clock += int64(gaps) * partsPerSegment
	s.part, s.first = 0, true
	s.epoch += 100
	s.disc++
	s.inits()
	return s.view()
}

func (s *sim) end() *media.View {
	s.v.Revision++
	for i := range s.v.Renditions {
		r := &s.v.Renditions[i]
		if r.Open != nil {
			s.seal(r)
		}
		r.Parts, r.Hint = nil, media.PartID{}
	}
	s.v.Ended = true
	return s.view()
}

// view returns a copy that later steps leave alone.
func (s *sim) view() *media.View {
	v := s.v
	v.Renditions = slices.Clone(v.Renditions)
	for i := range v.Renditions {
		r := &v.Renditions[i]
		if v.PartTarget == 0 {
			r.Parts, r.Hint = nil, media.PartID{}
		}
	}
	return &v
}
