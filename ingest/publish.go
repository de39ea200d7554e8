package ingest

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"headwater.stream/internal/media"
)

// PublishOptions says how Publish plays a Source.
type PublishOptions struct {
	Loop      bool         // start over at the end, with continuous timestamps
	Reconnect bool         // connect again, with back-off, after anything but a refusal
	Unpaced   bool         // as fast as the server takes it, not in real time
	Log       *slog.Logger // nil: silent
	TLS       *tls.Config  // for rtmps://; nil: the system's roots
}

// Publish plays src to an RTMP server in real time, as an encoder would. It returns nil when src has ended, or ctx; a
// *Refusal (as by errors.As) when the server said why it does not want the stream; or what else went wrong. It does not
// close src.
func Publish(ctx context.Context, url string, src Source, opt PublishOptions) error {
	t, err := parseTarget(url)
	if err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	log := opt.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	const first, last = 500 * time.Millisecond, 5 * time.Second
	pause := first
	p := &player{src: src, loop: opt.Loop}
	for {
		begun := time.Now()
		err := p.session(ctx, t, opt, log)
		if err == nil || ctx.Err() != nil {
			return nil
		}
		var r *Refusal
		if !opt.Reconnect || errors.Is(err, errSource) || (errors.As(err, &r) && r.Code != CodeShutdown && r.Code != CodeIdle) {
			return fmt.Errorf("publish to %s: %w", t.address, err)
		}
		if time.Since(begun) > time.Minute {
			pause = first
		}
		log.Warn("connection to the server lost, trying again", "server", t.address, "err", err, "in", pause)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
		pause = min(2*pause, last)
	}
}

// errSource marks errors of the Source, which trying again does not cure.
var errSource = errors.New("read the clip")

// player reads a Source in loops and sends it over one connection after another.
type player struct {
	src    Source
	loop   bool
	offset int64 // ms, of the current loop
	spans  [2]span
	config [2]*Packet // the last configuration of each kind, for the next connection
	broken bool       // a connection was lost: begin the next one at a sync sample
}

// span measures a track over one loop.
type span struct {
	n           int64
	first, last int64
}

// length returns how long a track is, its last frame included, and when that is unknowable the little that is sure.
func (s span) length() int64 {
	if s.n < 2 {
		return 40
	}
	return ((s.last-s.first)*s.n + (s.n-1)/2) / (s.n - 1)
}

func lane01(k media.Kind) int {
	if k == media.Audio {
		return 1
	}
	return 0
}

// next returns the next packet on the continuous time of all loops.
func (p *player) next() (Packet, error) {
	for {
		pkt, err := p.src.Next()
		if errors.Is(err, io.EOF) && p.loop && p.spans[0].n+p.spans[1].n > 0 {
			p.offset += p.loopLength()
			p.spans = [2]span{}
			if err := p.src.Rewind(); err != nil {
				return pkt, fmt.Errorf("%w: %w", errSource, err)
			}
			continue
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return pkt, fmt.Errorf("%w: %w", errSource, err)
		}
		if err != nil {
			return pkt, err
		}
		i := lane01(pkt.Kind)
		if pkt.Config {
			if old := p.config[i]; old != nil && bytes.Equal(old.Data, pkt.Data) {
				continue // said already
			}
			keep := pkt
			keep.Data = bytes.Clone(pkt.Data)
			p.config[i] = &keep
			return pkt, nil
		}
		s := &p.spans[i]
		if s.n == 0 {
			s.first = pkt.DTS
		}
		s.n++
		s.last = pkt.DTS
		pkt.DTS += p.offset
		return pkt, nil
	}
}

// loopLength returns how far the next loop starts behind this one, so that neither track overlaps.
func (p *player) loopLength() int64 {
	var n int64
	for _, s := range p.spans {
		if s.n > 0 {
			n = max(n, s.length())
		}
	}
	return n
}

// session publishes over one connection until src, ctx or the connection ends.
func (p *player) session(ctx context.Context, t target, opt PublishOptions, log *slog.Logger) (err error) {
	c, err := dial(ctx, t, opt)
	if err != nil {
		return err
	}
	log.Info("publishing", "server", t.address)
	failed := make(chan error, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			if _, err := c.receive(); err != nil {
				failed <- err
				return
			}
		}
	}()
	defer func() {
		c.end(done)
		if err != nil || len(failed) == 0 {
			return
		}
		var r *Refusal
		if said := <-failed; errors.As(said, &r) { // a clip can be sent before it is refused
			err = said
		}
	}()
	err = p.play(ctx, c, opt, failed)
	if err == nil || errors.Is(err, errSource) {
		return err
	}
	p.broken = true
	// The server's reason is better than the error of a write to a closed connection, and may still be on its way.
	t1 := time.NewTimer(time.Second)
	defer t1.Stop()
	select {
	case said := <-failed:
		var r *Refusal
		if errors.As(said, &r) {
			return said
		}
	case <-t1.C:
	case <-done:
	}
	return err
}

// play sends packets when they are due.
func (p *player) play(ctx context.Context, c *client, opt PublishOptions, failed chan error) error {
	if err := c.metadata(p.src.Has(media.Video), p.src.Has(media.Audio)); err != nil {
		return err
	}
	for _, cfg := range p.config { // when this is not the first connection
		if cfg != nil {
			if err := c.packet(*cfg, 0); err != nil {
				return err
			}
		}
	}
	var (
		begun   bool
		base    int64
		start   time.Time
		timer   = time.NewTimer(time.Hour)
		elapsed uint32
	)
	defer timer.Stop()
	for {
		pkt, err := p.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if !pkt.Config {
			if !begun {
				if p.broken && p.src.Has(media.Video) && !(pkt.Kind == media.Video && pkt.Sync) {
					continue
				}
				begun, base, start = true, pkt.DTS, time.Now()
			}
			elapsed = uint32(max(pkt.DTS-base, 0))
		}
		wait := time.Duration(0)
		if begun && !opt.Unpaced {
			wait = time.Until(start.Add(time.Duration(elapsed) * time.Millisecond))
		}
		timer.Reset(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			return nil
		case err := <-failed:
			failed <- err // for session, which prefers it
			return err
		}
		if err := c.packet(pkt, elapsed); err != nil {
			return err
		}
	}
}
