package node

import (
	"fmt"
	"slices"
	"time"

	"headwater.stream/ingest"
	"headwater.stream/internal/control"
	"headwater.stream/internal/media"
	"headwater.stream/internal/timeline"
	"headwater.stream/packager/cmaf"
)

// Causes of a discontinuity that are no repair; the others are kinds of cmaf.Repair.
const (
	causeEncoder    = "encoder"    // another connection
	causeParameters = "parameters" // tracks, or their parameters
)

// cause is why the next discontinuity range will begin.
type cause struct {
	kind  string
	track int // -1: of none
	gap   time.Duration
}

// ranges is a timeline that tells a session when a discontinuity range begins.
type ranges struct {
	*timeline.Timeline
	session *session
}

var _ cmaf.Sink = ranges{}

// Begin implements cmaf.Sink.
func (r ranges) Begin(names []string, inits []media.Init, at time.Duration) (time.Duration, error) {
	first := true
	for _, rendition := range r.View().Renditions {
		first = first && len(rendition.Segments) == 0
	}
	start, err := r.Timeline.Begin(names, inits, at)
	r.session.lead = max(0, slices.IndexFunc(inits, func(i media.Init) bool { return i.Track.Kind == media.Video }))
	if err == nil {
		r.session.rangeBegan(first, start)
	}
	return start, err
}

// Part implements cmaf.Sink.
func (r ranges) Part(i int, p media.Part, last bool) error {
	err := r.Timeline.Part(i, p, last)
	if i == r.session.lead {
		e, now := r.session.event, r.session.event.clock.now()
		r.session.meter.Part(now.Sub(r.session.since))
		if edge, ok := e.edge(); ok {
			e.metrics.late.Observe(max(0, now.Sub(edge)))
		}
	}
	return err
}

// End implements cmaf.Sink.
func (r ranges) End() error {
	if !r.session.left {
		return r.Timeline.End()
	}
	r.session.event.linger.start()
	return nil
}

// rangeBegan tells of a discontinuity, unless it is the first range of the event. s.mu is held.
func (s *session) rangeBegan(first bool, start time.Duration) {
	c := s.cause
	s.cause = cause{track: -1}
	if first {
		return
	}
	e := s.happened("Discontinuity", "Warning", c.track)
	e.Code, e.At, e.Gap = "MPE_INGEST_DISCONTINUITY", start, c.gap
	switch c.kind {
	case causeEncoder:
		e.Level, e.Reason = "Information", "An encoder connected; its media follow what was there."
	case causeParameters:
		e.Level, e.Reason = "Information", "The tracks, or their parameters, changed."
	case string(cmaf.RepairTimeJump):
		e.Reason = "The timestamps jumped."
	case string(cmaf.RepairFrameRate):
		e.Level, e.Reason = "Information", "The frame rate became too low for parts, or no longer is."
	case string(cmaf.RepairTrackStall):
		e.Reason = "The track stopped; the rest goes on without it."
	case string(cmaf.RepairTrackReturn):
		e.Reason = "The track is back."
	}
	s.event.metrics.discontinuities.WithLabelValues(c.kind).Inc()
	s.event.trail.note("range "+c.kind, e)
}

// happened returns a stream event about a track, by its index, or about the stream. s.mu is held.
func (s *session) happened(kind, level string, track int) control.StreamEvent {
	e := control.StreamEvent{Time: s.event.clock.now(), Type: kind, Level: level, Stream: s.stream, Remote: s.remote}
	if track >= 0 && track < len(s.tracks) {
		t := s.tracks[track]
		e.Track, e.Codec, e.Bitrate = t.Kind.String(), t.Codec, t.Bitrate
	}
	return e
}

// repaired counts a repair and notes it for the stream events: under AMS's name where it has one (ams-v3 §10), else as
// MediaRepaired. s.mu is held.
func (s *session) repaired(r cmaf.Repair) {
	s.event.metrics.repairs.WithLabelValues(string(r.Kind)).Inc()
	s.meter.Repaired(s.event.clock.now().Sub(s.since), string(r.Kind), r.Size)
	e := s.happened("MediaRepaired", "Warning", r.Track)
	e.At, e.Gap = r.At, r.Size
	counts := &counted{}
	if r.Track >= 0 && r.Track < len(s.pulse.counts) {
		counts = &s.pulse.counts[r.Track]
	}
	switch r.Kind {
	case cmaf.RepairTimeJump:
		if r.Size == 0 {
			e.Type, e.Reason = "ChunkDropped", "A timestamp that is none."
			break
		}
		counts.discontinuities++
		fallthrough
	case cmaf.RepairTrackStall, cmaf.RepairTrackReturn, cmaf.RepairFrameRate: // the range that begins for it is the event
		s.event.log.Warn("input repaired", "kind", string(r.Kind), "track", r.Track, "at", r.At, "by", r.Size)
		if s.cause.kind == causeEncoder && r.Kind == cmaf.RepairTrackStall { // it has not begun yet
			e.Reason = "The track does not come; the rest begins without it."
			break
		}
		if s.cause.kind == "" {
			s.cause = cause{string(r.Kind), r.Track, r.Size}
		}
		return
	case cmaf.RepairAudioDrop:
		counts.overlaps++
		e.Type, e.Code, e.Reason = "ChunkDropped", "FragmentDrop_OverlapTimestamp", "Audio overlapped what was there."
	case cmaf.RepairOverflow:
		e.Type, e.Code, e.Reason = "ChunkDropped", codeCapacity, "Samples waited too long for another track."
	case cmaf.RepairNoKeyframe:
		e.Type, e.Reason = "ChunkDropped", "Pictures before the first key frame."
	case cmaf.RepairForcedCut:
		e.Code, e.Reason = "MPE_KEY_FRAME_INTERVAL_TOO_LARGE", "A segment was cut between key frames."
	case cmaf.RepairAudioFill:
		e.Reason = "Missing audio was filled with silence."
	case cmaf.RepairFrameTime:
		e.Level, e.Reason = "Information", "A picture's time was off the frame grid."
	case cmaf.RepairEmpty:
		e.Reason = "A picture without content."
	}
	s.event.trail.note(string(r.Kind), e)
}

// dropped counts what the connection has dropped since it was last asked. s.mu is held.
func (s *session) dropped() {
	if s.counters == nil {
		return
	}
	s.counters.Drops(func(d ingest.Drop, n uint64) {
		new := n - s.drops[d]
		if new == 0 {
			return
		}
		s.drops[d] = n
		s.event.metrics.dropped.WithLabelValues(d.String()).Add(float64(new))
		if d == ingest.DropEmpty || d == ingest.DropUnknown {
			return // nobody misses them
		}
		if s.meter != nil {
			s.meter.Dropped(s.event.clock.now().Sub(s.since), int(new))
		}
		e := s.happened("ChunkDropped", "Warning", -1)
		if e.Reason = fmt.Sprintf("%d messages were dropped: %s.", new, d); d == ingest.DropCodec {
			e.Code = codeCodec
		}
		s.event.trail.note("drop "+d.String(), e)
	})
}
