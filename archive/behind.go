package archive

import (
	"time"

	"headwater.stream/internal/media"
)

// Behind returns the time of day at which the oldest segment begins that is listed and not yet in the directory; zero when all are.
func (r *Recorder) Behind() (oldest time.Time) {
	v := r.View()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, rec := range r.rends {
		for i := len(rec.segments) - 1; i >= 0 && rec.segments[i].Number >= rec.next; i-- {
			if s := rec.segments[i]; !s.Gap {
				if t := v.Anchor.Add(media.Duration(s.Start, rec.scale)); oldest.IsZero() || t.Before(oldest) {
					oldest = t
				}
			}
		}
	}
	return oldest
}
