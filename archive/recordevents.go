package archive

import (
	"time"

	"headwater.stream/internal/media"
)

// eventMargin is how long events are kept, in target durations, after what they concern has left the window: live playlists
// say for a while what they list no more (8216bis 4.4.5.2).
const eventMargin = 12

// followEvents takes over the events the source announced since. r.mu is held.
func (r *Recorder) followEvents(from *media.View) {
	next := 0
	if n := len(r.events); n > 0 {
		for i := range from.Events {
			if from.Events[i].ID == r.events[n-1].ID {
				next = i + 1
			}
		}
	}
	if next == len(from.Events) {
		return
	}
	size := 0
	for i := range r.events {
		size += len(r.events[i].Data)
	}
	for _, e := range from.Events[next:] {
		if size += len(e.Data); len(r.events) >= media.MaxEvents || size > media.MaxEventBytes {
			return
		}
		r.events = append(r.events[:len(r.events):len(r.events)], e)
	}
}

// trimEvents forgets events that were over long before the first segment kept. r.mu is held.
func (r *Recorder) trimEvents(lead *recording, target time.Duration) {
	r.events = media.PruneEvents(r.events, media.Duration(lead.segments[0].Start, lead.scale)-eventMargin*target)
}

// writeEvents stores the events of a View; before the first segment it is not known which ones concern the recording.
func (r *Recorder) writeEvents(v *media.View) error {
	if len(v.Events) == 0 || len(v.Renditions) == 0 || len(v.Renditions[0].Segments) == 0 {
		return nil
	}
	return r.dir.SaveEvents(v.Events)
}
