package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"headwater.stream/archive"
	"headwater.stream/ingest"
	"headwater.stream/internal/control"
	"headwater.stream/internal/media"
	"headwater.stream/internal/timeline"
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
	shown   *shown // the preview

	spec    atomic.Pointer[control.EventSpec]
	running atomic.Bool

	mu     sync.Mutex
	cur    *session // the publisher, nil while there is none
	last   control.EventStatus
	trail  trail
	loser  netip.Addr // whose encoder was replaced last, and when
	lostAt time.Time
}

// rematch is how long an encoder that was replaced by one of another address cannot take the event back while that one
// publishes: two encoders that both reconnect by themselves must not throw each other out for ever.
const rematch = 30 * time.Second

// openEvent opens the timeline in the event's spool.
func openEvent(spec control.EventSpec, dir archive.Dir, span time.Duration, c clock, m *metrics, log *slog.Logger) (*event, error) {
	tl, err := timeline.Open(dir, timeline.Options{Window: span, Now: c.now})
	if err != nil {
		return nil, errors.Join(err, dir.Close())
	}
	e := &event{log: log.With("event", spec.Name), clock: c, metrics: m, dir: dir, tl: tl, shown: show(tl, nil)}
	e.spec.Store(&spec)
	return e, nil
}

// admit makes a publisher the event's: the newest wins, the one before is told and cut off (docs/adr/0008).
func (e *event) admit(r ingest.Request) (ingest.Session, error) {
	spec := e.spec.Load()
	deny := func(why *ingest.Refusal) error {
		e.trail.add(control.StreamEvent{Time: e.clock.now(), Type: "InvalidConnection", Level: "Error", Stream: r.Stream, Remote: r.Remote.String(),
			Code: codeDenied, Reason: why.Description})
		return why
	}
	if !spec.IngestAllow.Admits(r.Remote.Addr()) {
		return nil, deny(notAllowed)
	}
	s := &session{event: e, kick: r.Kick, stream: r.Stream, remote: r.Remote.String(), addr: r.Remote.Addr(), encoder: r.Encoder, since: e.clock.now()}
	e.mu.Lock()
	if e.cur != nil && s.addr == e.loser && s.addr != e.cur.addr && s.since.Sub(e.lostAt) < rematch {
		cur := e.cur
		e.mu.Unlock()
		return nil, deny(&ingest.Refusal{Code: ingest.CodeBadName, Description: fmt.Sprintf("another encoder took over %v ago and is publishing: stop it first", s.since.Sub(cur.since).Round(time.Second))})
	}
	if !e.running.Load() {
		e.mu.Unlock()
		return nil, &ingest.Refusal{Code: ingest.CodeFailed, Description: fmt.Sprintf("live event %q is stopped: start it, then publish again", spec.Name)}
	}
	old := e.cur
	e.cur = s
	if old != nil && old.addr != s.addr {
		e.loser, e.lostAt = old.addr, s.since
	}
	e.mu.Unlock()
	if old != nil {
		e.log.Info("another encoder takes over", "from", old.remote, "to", s.remote)
		old.replace(codeEnded, &ingest.Refusal{Code: ingest.CodeBadName, Description: "another encoder is publishing to this live event now"})
	}
	e.trail.add(control.StreamEvent{Time: s.since, Type: "BeginIngest", Level: "Information", Stream: s.stream, Remote: s.remote, Code: "S_OK"})
	e.log.Info("encoder connected", "remote", s.remote, "encoder", s.encoder)
	return s, nil
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
}

// close ends everything and closes the spool.
func (e *event) close() error {
	e.stop()
	return errors.Join(e.tl.Close(), e.dir.Close())
}

func (e *event) status() control.EventStatus {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.cur == nil {
		return e.last
	}
	return control.EventStatus{Connected: true, Since: e.cur.since, Remote: e.cur.remote, Tracks: describe(e.cur.announced())}
}

// session is one publish: it packages what the encoder sends into the event's timeline, on the connection's goroutine.
type session struct {
	event           *event
	kick            func(*ingest.Refusal)
	remote, encoder string
	stream          string
	addr            netip.Addr
	since           time.Time

	mu     sync.Mutex // contended only when another encoder takes over
	pack   *cmaf.Packager
	tracks []media.Track
	pulse  pulse
	anchor time.Time
	ended  *ingest.Refusal // why it takes nothing more
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
		spec := e.spec.Load()
		limits := cmaf.Plan(tracks, spec.SegmentTarget, partLength)
		// The first track list of an event's life freezes its limits and its clock (invariant I4).
		e.tl.Freeze(e.clock.now().Truncate(time.Millisecond), limits.SegmentTarget, limits.PartTarget, spec.Parts)
		frozen, _ := e.tl.Frozen()
		s.anchor = frozen.Anchor
		s.pack = cmaf.New(cmaf.Config{Aim: spec.SegmentTarget, Limit: frozen.SegmentTarget, Part: frozen.PartTarget, Repair: s.repaired}, e.tl)
	}
	if err := s.pack.SetTracks(tracks); err != nil {
		e.trail.add(control.StreamEvent{Time: e.clock.now(), Type: "InvalidConnection", Level: "Error", Stream: s.stream, Remote: s.remote, Code: codeCodec, Reason: err.Error()})
		return &ingest.Refusal{Code: ingest.CodeFailed, Description: err.Error()}
	}
	s.tracks = tracks
	s.pulse.start(e.clock.now(), tracks)
	for _, t := range tracks {
		e.trail.add(control.StreamEvent{Time: e.clock.now(), Type: "FirstChunkReceived", Level: "Information", Stream: s.stream, Remote: s.remote, Track: t.Kind.String(), Codec: t.Codec, Bitrate: t.Bitrate})
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
	s.pulse.sample(now, sample)
	if now.Sub(s.pulse.since) >= beat {
		s.event.trail.beat(s.pulse.take(now))
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
	s.ended = why
	s.event.trail.add(control.StreamEvent{Time: s.event.clock.now(), Type: "EndIngest", Level: "Information", Stream: s.stream, Remote: s.remote, Code: code, Reason: why.Description})
	if s.pack == nil {
		return nil
	}
	return s.pack.Close()
}

// replace ends the publish from outside: media of two encoders never mix.
func (s *session) replace(code string, why *ingest.Refusal) {
	if err := s.end(code, why); err != nil {
		s.event.log.Error("ending a publish", "remote", s.remote, "err", err)
	}
	s.kick(why)
}

func (s *session) repaired(r cmaf.Repair) {
	s.event.metrics.repairs.WithLabelValues(string(r.Kind)).Inc()
	s.note(r)
	switch r.Kind {
	case cmaf.RepairTimeJump, cmaf.RepairTrackStall, cmaf.RepairTrackReturn:
		s.event.log.Warn("input repaired", "kind", string(r.Kind), "track", r.Track, "at", r.At, "by", r.Size)
	}
}

func (s *session) announced() []media.Track {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tracks
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

// waitTimeout bounds what the control plane waits for one resource.
const waitTimeout = 10 * time.Second

// bounded runs f and returns its error, or ctx's when f takes longer than waitTimeout; f goes on then.
func bounded(ctx context.Context, what string, f func() error) error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	t := time.NewTimer(waitTimeout)
	defer t.Stop()
	select {
	case err := <-done:
		return err
	case <-t.C:
		return fmt.Errorf("%s takes longer than %v", what, waitTimeout)
	case <-ctx.Done():
		return ctx.Err()
	}
}
