package node

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"headwater.stream/archive"
	"headwater.stream/ingest"
	"headwater.stream/internal/control"
	"headwater.stream/internal/doctor"
	"headwater.stream/internal/media"
	"headwater.stream/internal/timeline"
	"headwater.stream/origin"
	"headwater.stream/packager/cmaf"
)

// partLength is the length of parts aimed at; PART-TARGET follows from it (cmaf.Plan).
const partLength = 200 * time.Millisecond

// event is a live event whose timeline is open: it runs, or outputs record it.
type event struct {
	log     *slog.Logger
	clock   clock
	metrics *metrics
	dir     archive.Dir
	tl      *timeline.Timeline
	shown   *shown        // the preview
	delay   *origin.Delay // of answers about it and its outputs

	spec    atomic.Pointer[control.EventSpec]
	running atomic.Bool

	trail    trail
	archived time.Time // when the last heartbeat of its recordings was; of runtime.beat alone
	silence  silence
	linger   linger
	alarms   alarms

	mu      sync.Mutex
	cur     *session // the publisher, nil while there is none
	last    control.EventStatus
	contest time.Time // when two encoders last wanted the event at the same time
}

// Two encoders that both reconnect by themselves must not throw each other out for ever (docs/adr/0008).
const (
	// alive is how long ago the last sample of an encoder may be for it to count as publishing.
	alive = time.Second
	// rematch is how long nobody else must have tried before a publishing encoder is replaced again.
	rematch = 30 * time.Second
)

// openEvent opens the timeline in the event's spool.
func openEvent(spec control.EventSpec, dir archive.Dir, cfg Config, c clock, m *metrics, known *filteredChannels, log *slog.Logger, v voice) (*event, error) {
	e := &event{log: log.With("event", spec.Name), clock: c, metrics: m, dir: dir, delay: origin.NewDelay(c.now), trail: trail{voice: v}}
	e.silence = silence{after: cfg.InputLost, now: c.now, tell: func(ev control.StreamEvent) {
		e.log.Warn("input", "event", ev.Type, "reason", ev.Reason)
		e.trail.add(ev)
	}}
	e.spec.Store(&spec)
	var err error
	if e.tl, err = timeline.Open(dir, timeline.Options{Window: cfg.PreviewSpan, Now: c.now, Notify: e.spoolHealth}); err != nil {
		return nil, errors.Join(err, dir.Close())
	}
	e.linger.end = func() {
		defer func() { // it runs on a goroutine of its own, not the connection's
			if p := recover(); p != nil {
				e.log.Error("panic while the last segment was ended", "value", p, "stack", string(debug.Stack()))
			}
		}()
		if err := e.tl.End(); err != nil {
			e.log.Error("ending the last segment", "err", err)
		}
	}
	e.shown = show(e.tl, cfg.PreviewSpan, nil, known)
	e.shown.delay = e.delay
	e.recovered(spoolAlarm, dir.Repairs())
	return e, nil
}

// admit makes a publisher the event's: the newest wins, the one before is told and cut off (docs/adr/0008).
func (e *event) admit(r ingest.Request) (ingest.Session, error) {
	spec := e.spec.Load()
	if !spec.IngestAllow.Admits(r.Remote.Addr()) {
		return nil, e.refuse(r, codeDenied, notAllowed)
	}
	s := &session{event: e, kick: r.Kick, stream: r.Stream, remote: r.Remote.String(), addr: r.Remote.Addr(), encoder: r.Encoder, counters: r.Counters, since: e.clock.now(),
		cause: cause{kind: causeEncoder, track: -1}, drops: map[ingest.Drop]uint64{}}
	heard, _ := e.silence.since()
	e.mu.Lock()
	old := e.cur
	if old != nil && s.since.Sub(heard) < alive {
		contested := s.since.Sub(e.contest) < rematch
		if e.contest = s.since; contested {
			e.mu.Unlock()
			return nil, e.refuse(r, codeDenied, &ingest.Refusal{Code: ingest.CodeFailed, Description: fmt.Sprintf("another encoder took over %v ago and is publishing: stop it first", s.since.Sub(old.since).Round(time.Second))})
		}
	}
	if !e.running.Load() {
		e.mu.Unlock()
		return nil, e.refuse(r, codeStopped, &ingest.Refusal{Code: ingest.CodeFailed, Description: fmt.Sprintf("live event %q is stopped: start it, then publish again", spec.Name)})
	}
	e.cur = s
	e.mu.Unlock()
	if old != nil {
		e.log.Info("another encoder takes over", "from", old.remote, "to", s.remote)
		old.replace(codeEnded, &ingest.Refusal{Code: ingest.CodeBadName, Description: "another encoder is publishing to this live event now"})
	}
	e.trail.add(control.StreamEvent{Time: s.since, Type: "BeginIngest", Level: "Information", Stream: s.stream, Remote: s.remote, Code: "S_OK"})
	e.log.Info("encoder connected", "remote", s.remote, "encoder", s.encoder)
	return s, nil
}

// refuse notes that a publisher was refused, and returns the refusal.
func (e *event) refuse(r ingest.Request, code string, why *ingest.Refusal) error {
	e.trail.note(code, control.StreamEvent{Time: e.clock.now(), Type: "InvalidConnection", Level: "Error", Stream: r.Stream, Remote: r.Remote.String(), Code: code, Reason: why.Description + "."})
	return why
}

// enforce disconnects a publisher whose address is not allowed any more.
func (e *event) enforce() {
	e.mu.Lock()
	cur := e.cur
	e.mu.Unlock()
	if cur != nil && !e.spec.Load().IngestAllow.Admits(cur.addr) {
		e.log.Warn("encoder disconnected: its address is not allowed any more", "remote", cur.remote)
		cur.replace(codeDenied, notAllowed)
	}
}

// Result codes of stream events (ams-v3 §10.1, §11.2).
const (
	codeEnded   = "MPE_CLIENT_TERMINATED_SESSION"
	codeStopped = "MPI_REST_API_CHANNEL_STOP"
	codeDenied  = "MPE_INGEST_ENCODER_CONNECTION_DENIED"
	codeCodec   = "MPE_INGEST_CODEC_NOT_SUPPORTED"

	codeCapacity = "MPE_CAPACITY_LIMIT_REACHED"
)

// notAllowed is what an encoder is told whose address is not in the event's list.
var notAllowed = &ingest.Refusal{Code: ingest.CodeFailed, Description: "this address is not in the live event's ingest allow list"}

// gone notes that s publishes no more. Only the present publisher's end counts.
func (e *event) gone(s *session) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.cur != s {
		return
	}
	e.cur = nil
	e.last = control.EventStatus{Since: e.clock.now(), Remote: s.remote}
	e.log.Info("encoder disconnected", "remote", s.remote)
}

// stop refuses publishers from now on and ends the present one.
func (e *event) stop() {
	e.running.Store(false)
	e.silence.stop()
	e.mu.Lock()
	cur := e.cur
	e.cur = nil
	if cur != nil {
		e.last = control.EventStatus{Since: e.clock.now(), Remote: cur.remote}
	}
	e.mu.Unlock()
	if cur != nil {
		cur.replace(codeStopped, &ingest.Refusal{Code: ingest.CodeFailed, Description: fmt.Sprintf("live event %q was stopped", e.spec.Load().Name)})
	}
	e.linger.finish()
	e.trail.rest()
}

// close ends everything and closes the spool.
func (e *event) close() error {
	e.stop()
	err := e.tl.Close()
	if errors.Is(err, timeline.ErrStuck) {
		e.log.Error("closing the timeline", "err", err)
		e.tl.Wait()
		e.dir.Doubt()
	}
	return errors.Join(err, e.dir.Close())
}

func (e *event) status() control.EventStatus {
	heard, lost := e.silence.since()
	e.mu.Lock()
	defer e.mu.Unlock()
	st := e.last
	if e.cur != nil {
		st = control.EventStatus{Connected: true, Since: e.cur.since, Remote: e.cur.remote}
		tracks, key := e.cur.announced()
		if st.Tracks = describe(tracks); !key.IsZero() {
			st.NoKeyFrame = e.clock.now().Sub(key)
		}
	}
	if st.Lost = lost; !heard.IsZero() {
		st.Silent = e.clock.now().Sub(heard)
	}
	return st
}

// session is one publish: it packages what the encoder sends into the event's timeline, on the connection's goroutine.
type session struct {
	event           *event
	kick            func(*ingest.Refusal)
	remote, encoder string
	stream          string
	addr            netip.Addr
	counters        *ingest.Counters // of the connection; nil: none
	since           time.Time

	mu     sync.Mutex // contended only when another encoder takes over
	pack   *cmaf.Packager
	tracks []media.Track
	pulse  pulse
	meter  *doctor.Meter // nil before the tracks
	lead   int           // slot of the rendition whose parts it watches
	cues   cueRate
	anchor time.Time
	key    time.Time // when the last key frame came, or the tracks; zero: no video
	cause  cause
	drops  map[ingest.Drop]uint64 // counted so far
	ended  *ingest.Refusal        // why it takes nothing more
	left   bool                   // it is over, though the event goes on
}

// SetTracks implements ingest.Session.
func (s *session) SetTracks(tracks []media.Track) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended != nil {
		return s.ended
	}
	e := s.event
	if s.pack == nil {
		e.linger.finish()
		spec := e.spec.Load()
		limits := cmaf.Plan(tracks, spec.SegmentTarget, partLength)
		// The first track list of an event's life freezes its limits and its clock (invariant I4).
		e.tl.Freeze(e.clock.now().Truncate(time.Millisecond), limits.SegmentTarget, limits.PartTarget, spec.Parts)
		frozen, _ := e.tl.Frozen()
		s.anchor = frozen.Anchor
		s.meter = doctor.NewMeter(doctor.Config{Parts: spec.Parts, SegmentAim: spec.SegmentTarget, SegmentLimit: frozen.SegmentTarget, PartTarget: frozen.PartTarget})
		s.pack = cmaf.New(cmaf.Config{Aim: spec.SegmentTarget, Limit: frozen.SegmentTarget, Part: frozen.PartTarget, Repair: s.repaired}, ranges{e.tl, s})
	}
	if s.cause.kind == "" {
		s.cause.kind = causeParameters
	}
	if err := s.pack.SetTracks(tracks); err != nil {
		e.trail.add(control.StreamEvent{Time: e.clock.now(), Type: "InvalidConnection", Level: "Error", Stream: s.stream, Remote: s.remote, Code: codeCodec, Reason: err.Error()})
		return &ingest.Refusal{Code: ingest.CodeFailed, Description: err.Error()}
	}
	s.tracks = tracks
	now := e.clock.now()
	s.pulse.start(now, tracks)
	s.meter.Start(now.Sub(s.since), tracks)
	s.key = time.Time{}
	for i, t := range tracks {
		if t.Kind == media.Video {
			s.key = now
		}
		e.trail.add(s.happened("FirstChunkReceived", "Information", i))
	}
	e.log.Info("tracks", "remote", s.remote, "tracks", describe(tracks))
	return nil
}

// WriteSample implements ingest.Session.
func (s *session) WriteSample(sample media.Sample) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended != nil {
		return s.ended
	}
	if s.pack == nil {
		return cmaf.ErrNoTracks
	}
	now := s.event.clock.now()
	s.event.silence.hear(now)
	s.pulse.sample(now, sample)
	s.meter.Sample(now.Sub(s.since), &sample)
	if now.Sub(s.pulse.since) >= beat {
		s.dropped()
		s.event.trail.beat(s.pulse.take(now))
	}
	if sample.Sync && sample.Track >= 0 && sample.Track < len(s.tracks) && s.tracks[sample.Track].Kind == media.Video {
		s.key = now
	}
	return s.pack.Write(sample, now.Sub(s.anchor))
}

// Close implements ingest.Session.
func (s *session) Close() error {
	err := s.end(codeEnded, &ingest.Refusal{Code: ingest.CodeFailed, Description: "the publish has ended"})
	s.event.gone(s)
	return err
}

// end takes nothing more and flushes what is complete; code is what the stream event says of it.
func (s *session) end(code string, why *ingest.Refusal) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended != nil {
		return nil
	}
	s.ended, s.left = why, code != codeStopped
	s.dropped()
	var err error
	if s.pack != nil {
		err = s.pack.Close()
	}
	e := s.happened("EndIngest", "Information", -1)
	e.Code, e.Reason = code, why.Description
	s.event.trail.end(e)
	return err
}

// replace ends the publish from outside: media of two encoders never mix.
func (s *session) replace(code string, why *ingest.Refusal) {
	if err := s.end(code, why); err != nil {
		s.event.log.Error("ending a publish", "remote", s.remote, "err", err)
	}
	s.kick(why)
}

// announced returns the tracks, and when the last picture came that decoding can begin with.
func (s *session) announced() ([]media.Track, time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tracks, s.key
}

// describe says in one line each what the tracks are.
func describe(tracks []media.Track) []string {
	var out []string
	for _, t := range tracks {
		switch t.Kind {
		case media.Video:
			line := fmt.Sprintf("video %s %dx%d", t.Codec, t.Width, t.Height)
			if f := t.FrameRate.Float(); f > 0 {
				line += fmt.Sprintf(" %.5g fps", f)
			}
			out = append(out, line)
		case media.Audio:
			out = append(out, fmt.Sprintf("audio %s %d Hz %d ch", t.Codec, t.SampleRate, t.Channels))
		}
	}
	return out
}

var _ ingest.Session = (*session)(nil)
