package cmaf

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/Eyevinn/mp4ff/bits"
	"github.com/Eyevinn/mp4ff/mp4"

	"headwater.stream/internal/media"
)

// Bounds of the events that wait: for a range, or for the chunk that has their moment.
const (
	maxEarly   = 16
	maxPending = 64
)

// How far from now an event may be. An encoder announces a splice some seconds ahead; what is further away is on another
// clock, and what is long past helps no player.
const (
	eventAhead  = 10 * time.Minute
	eventBehind = 30 * time.Second
)

// unknownDuration is event_duration of an event whose end is not known (ISO/IEC 23009-1 5.10.3.3.4).
const unknownDuration = math.MaxUint32

// pendingEvent is an event that some tracks have not carried yet.
type pendingEvent struct {
	media.Event
	tracks []string // their names
}

// Event takes an event whose Start is on the encoder's clock, as decoding time plus offset. It is announced to the sink at
// once and put into the media before the chunk that has its moment; when it comes late, before the next one. taken is false
// for an event that is too far away or that the sink does not want. Before the first range it waits.
func (p *Packager) Event(e media.Event) (taken bool, err error) {
	if p.err != nil {
		return false, p.err
	}
	if p.lead == nil {
		if len(p.early) == maxEarly {
			return false, nil
		}
		p.early = append(p.early, e)
		return true, nil
	}
	taken, err = p.event(e)
	return taken, p.fail(err)
}

func (p *Packager) event(e media.Event) (bool, error) {
	t := p.lead
	scale := uint32(t.ts)
	e.Start += media.Duration(t.base, scale) - media.Duration(t.origin, scale)
	now := media.Duration(t.next(), scale)
	if e.Start < 0 || e.Start < now-eventBehind || e.Start > now+eventAhead {
		return false, nil
	}
	e.SetID()
	if taken, err := p.sink.Event(e); !taken || err != nil {
		return false, err
	}
	w := pendingEvent{Event: e}
	for _, t := range p.active {
		if t.kind == p.lead.kind { // the pictures carry them; sound does where there are none
			w.tracks = append(w.tracks, t.name)
		}
	}
	if len(p.pending) < maxPending { // manifests have it all the same
		p.pending = append(p.pending, w)
	}
	return true, nil
}

// announceEarly takes up what came before the range.
func (p *Packager) announceEarly() error {
	early := p.early
	p.early = nil
	for _, e := range early {
		if _, err := p.event(e); err != nil {
			return err
		}
	}
	return nil
}

// due returns, and forgets, the events that belong before a track's chunk that ends at end. Times are only good to half a
// frame: one that near to the end belongs to the next chunk.
func (p *Packager) due(t *track, end int64) (list []media.Event) {
	if len(p.pending) == 0 {
		return nil
	}
	until := media.Duration(end-t.step()/2, uint32(t.ts))
	p.pending = slices.DeleteFunc(p.pending, func(w pendingEvent) bool { return w.Start < until-2*eventBehind })
	for i := range p.pending {
		w := &p.pending[i]
		if k := slices.Index(w.tracks, t.name); k >= 0 && w.Start < until {
			list = append(list, w.Event)
			w.tracks = slices.Delete(w.tracks, k, k+1)
		}
	}
	p.pending = slices.DeleteFunc(p.pending, func(w pendingEvent) bool { return len(w.tracks) == 0 })
	return list
}

// splicesAt says whether a splice is due at t, where a key frame is: "segments are split there" (ams-v3 §12).
func (p *Packager) splicesAt(t *track, at int64) bool {
	return slices.ContainsFunc(p.pending, func(w pendingEvent) bool {
		cue := w.Splice != media.NoSplice || w.Scheme == media.SchemeSimple
		return cue && abs(media.Ticks(w.Start, uint32(t.ts))-at) <= t.video.period()/2
	})
}

// emsg makes the event's box: "the timescale … shall match the value in the MediaHeaderBox" (CMAF 7.4.5).
func emsg(e *media.Event, timescale uint32) *mp4.EmsgBox {
	duration := media.Ticks(e.Duration, timescale)
	if duration >= unknownDuration || duration == 0 && e.Splice == media.SpliceOut {
		duration = unknownDuration
	}
	return &mp4.EmsgBox{
		Version: 1, TimeScale: timescale, PresentationTime: uint64(media.Ticks(e.Start, timescale)), EventDuration: uint32(duration),
		ID: e.Number(), SchemeIDURI: e.Scheme, Value: e.Value, MessageData: e.Data,
	}
}

// encodeChunk encodes the events' boxes and the chunk in one exact block.
func encodeChunk(events []media.Event, timescale uint32, frag *mp4.Fragment) ([]byte, error) {
	size := frag.Size()
	boxes := make([]*mp4.EmsgBox, len(events))
	for i := range events {
		boxes[i] = emsg(&events[i], timescale)
		size += boxes[i].Size()
	}
	sw := bits.NewFixedSliceWriter(int(size))
	for _, b := range boxes {
		if err := b.EncodeSW(sw); err != nil {
			return nil, fmt.Errorf("cmaf: encoding emsg: %w", err)
		}
	}
	if err := frag.EncodeSW(sw); err != nil {
		return nil, fmt.Errorf("cmaf: encoding part: %w", err)
	}
	return sw.Bytes(), nil
}
