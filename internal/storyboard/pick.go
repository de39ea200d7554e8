package storyboard

import (
	"time"

	"headwater.stream/internal/media"
)

// maxThumbnails bounds the thumbnails of a recording: four sheets.
const maxThumbnails = 400

// keyFrame is a key frame that a thumbnail is made of.
type keyFrame struct {
	at   time.Duration // in the time of players: outages have none
	ref  media.Ref
	size int64 // KeySize
	init *media.Init
}

// pick chooses key frames of the first video rendition that has any, as far apart as makes them few enough; end is where the
// recording ends.
func pick(v *media.View) (list []keyFrame, end time.Duration) {
	for i := range v.Renditions {
		r := &v.Renditions[i]
		if r.Kind != media.Video {
			continue
		}
		ticks := int64(0)
		for _, s := range r.Segments {
			ticks += s.Duration
		}
		if list, end = pickOf(r, step(r.Time(ticks))), r.Time(ticks); len(list) > 0 {
			return list, end
		}
	}
	return nil, 0
}

// step returns how far apart the thumbnails of a recording are at least.
func step(length time.Duration) time.Duration {
	for _, seconds := range []time.Duration{1, 2, 5, 10, 20, 30, 60, 120, 300, 600} {
		if every := seconds * time.Second; length/every < maxThumbnails {
			return every
		}
	}
	return length/maxThumbnails + 1
}

func pickOf(r *media.Rendition, every time.Duration) (list []keyFrame) {
	ticks, next := int64(0), time.Duration(0)
	for _, s := range r.Segments {
		at := r.Time(ticks)
		ticks += s.Duration
		if s.Gap || s.KeySize == 0 || at < next {
			continue
		}
		in := r.Init(s.Init)
		if in == nil {
			continue
		}
		list = append(list, keyFrame{at, media.Ref{Rendition: r.Name, Kind: media.ObjectSegment, Epoch: s.Epoch, Number: s.Number}, int64(s.KeySize), in})
		next = at - at%every + every
	}
	return list
}
