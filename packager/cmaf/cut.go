package cmaf

import (
	"time"

	"headwater.stream/internal/media"
)

// writeLead places a sample of the lead track, ending the segment before it where one ends.
func (p *Packager) writeLead(t *track, s media.Sample, idr bool) error {
	if t.kind == media.Audio {
		return p.leadAudio(t, s)
	}
	dts, dur := t.placeVideo(t.arrival(s))
	elapsed, half := dts-t.segStart, t.video.period()/2
	switch {
	case elapsed == 0:
	case idr && (elapsed >= t.aim-half || elapsed+t.gop > t.limit || p.splicesAt(t, dts)):
		if err := p.cutLead(t, dts); err != nil {
			return err
		}
	case elapsed+dur > t.limit:
		p.repair(RepairForcedCut, t, 0)
		if err := p.cutLead(t, dts); err != nil {
			return err
		}
	}
	if idr {
		if t.lastIDR >= 0 {
			t.gop, t.gopKnown = dts-t.lastIDR, true
		}
		t.lastIDR = dts
	}
	return t.addVideo(s, dts, dur, idr)
}

// leadAudio is writeLead for an event without video: every access unit can begin a segment.
func (p *Packager) leadAudio(t *track, s media.Sample) error {
	fill, drop := t.audio.place(t.arrival(s))
	if drop {
		p.repair(RepairAudioDrop, t, 0)
		return nil
	}
	if fill > 0 {
		p.repair(RepairAudioFill, t, media.Duration(fill*t.audio.frame, uint32(t.ts)))
	}
	for ; fill >= 0; fill-- {
		data, dur := s.Data, t.lasts(s.Duration)
		if fill > 0 {
			data, dur = t.silence(s.Data), t.audio.frame
		}
		if t.audio.next-t.segStart >= t.aim-t.audio.frame/2 {
			if err := p.cutLead(t, t.audio.next); err != nil {
				return err
			}
		}
		if err := t.addAudio(data, dur); err != nil {
			return err
		}
	}
	return nil
}

// cutLead ends the lead's segment at border and tells the other tracks where they have to.
func (p *Packager) cutLead(t *track, border int64) error {
	if err := t.flush(true); err != nil {
		return err
	}
	if err := p.sink.Cut(t.slot); err != nil {
		return err
	}
	t.segStart = border
	p.borders = append(p.borders, border)
	for _, f := range p.active {
		if f != t && !f.stalled && media.Duration(t.lastX-f.leadX, uint32(t.ts)) > stallAfter {
			f.stalled = true // the range goes on without it from the next key frame
			p.repair(RepairTrackStall, f, 0)
			p.restart = true
		}
	}
	return nil
}

// drain lets the tracks that follow the lead go as far as it has gone.
func (p *Packager) drain() error {
	for _, t := range p.active {
		if t == p.lead {
			continue
		}
		if err := p.drainTrack(t, false); err != nil {
			return err
		}
		if p.active == nil { // the lead stalled and the range ended
			return nil
		}
	}
	return nil
}

// drainTrack moves a follower's waiting samples into its chunks: those whose middle the lead has passed, so that it is
// known in which segment they belong; all of them when the range ends.
func (p *Packager) drainTrack(t *track, all bool) error {
	reached := convert(p.lead.next(), p.lead.ts, t.ts)
	for {
		border, known := int64(0), t.cuts < len(p.borders)
		if known {
			border = convert(p.borders[t.cuts], p.lead.ts, t.ts)
		}
		q := t.queue.front()
		if q == nil {
			// "closed by the frame that completes it": the next one belongs to the next segment whatever it is.
			if known && t.kind == media.Audio && t.audio.next+t.audio.frame/2 >= border {
				if err := p.cutFollower(t); err != nil {
					return err
				}
				continue
			}
			return nil
		}
		middle := t.next() + t.step()/2
		if known && middle >= border && q.sync {
			if err := p.cutFollower(t); err != nil {
				return err
			}
			continue
		}
		if !all && !known && middle >= reached {
			return p.checkLead(t)
		}
		if all && t.next()+t.step()-t.segStart > t.limit {
			return nil // more than the last segment may hold
		}
		done, err := p.place(t, q)
		if err != nil {
			return err
		}
		if done {
			t.queue.pop()
		}
	}
}

// place puts a follower's sample into its chunk; done is false when it has to be looked at again.
func (p *Packager) place(t *track, q *held) (done bool, err error) {
	s := media.Sample{DTS: q.dts, Offset: q.offset, Duration: q.dur, Data: t.queue.bytes(q)}
	if !t.started && !t.join(q, t.arrival(s)) {
		return true, nil
	}
	if t.kind == media.Video {
		dts, dur := t.placeVideo(t.arrival(s))
		return true, t.addVideo(s, dts, dur, q.sync)
	}
	fill, drop := t.audio.place(t.arrival(s))
	if drop {
		p.repair(RepairAudioDrop, t, 0)
		return true, nil
	}
	if fill > 0 {
		// One unit of silence, then this sample again: the silence may cross a border.
		p.repair(RepairAudioFill, t, media.Duration(t.audio.frame, uint32(t.ts)))
		return false, t.addAudio(t.silence(s.Data), t.audio.frame)
	}
	return true, t.addAudio(s.Data, t.lasts(s.Duration))
}

func (p *Packager) cutFollower(t *track) error {
	if err := t.flush(true); err != nil {
		return err
	}
	t.segStart = convert(p.borders[t.cuts], p.lead.ts, t.ts)
	t.cuts++
	return p.sink.Cut(t.slot)
}

// hold makes a sample wait for the lead; without one, for the key frame it begins with, but not for ever.
func (p *Packager) hold(t *track, s media.Sample, sync bool, at time.Duration) error {
	if t.queue.size()+len(s.Data) > maxQueue {
		p.repair(RepairOverflow, t, 0)
		t.queue.shed()
	}
	t.queue.push(s, sync)
	waited := t.queue.span()
	if p.active != nil || waited <= stallAfter.Nanoseconds()/1e9*t.ts {
		return nil
	}
	lead := p.candidate()
	p.repair(RepairTrackStall, lead, 0)
	lead.stalled = true
	return p.replay(t, max(0, at-media.Duration(waited, uint32(t.ts))))
}

// replay writes what waits of a track again, after what it waited for was given up. at is when the first of it came.
func (p *Packager) replay(t *track, at time.Duration) error {
	waiting := t.queue
	t.queue = queue{}
	return waiting.replay(func(s media.Sample) error {
		s.Track = t.index
		return p.write(t, s, at)
	})
}

// checkLead notices that the lead stopped while t went on, and goes on without it: what waits begins the new range.
func (p *Packager) checkLead(t *track) error {
	if t.lastX-t.sinceX <= stallAfter.Nanoseconds()/1e9*t.ts {
		return nil
	}
	p.repair(RepairTrackStall, p.lead, 0)
	p.lead.stalled = true
	at := media.Duration(p.lead.next(), uint32(p.lead.ts))
	waiting := t.queue
	t.queue = queue{}
	if err := p.endRange(); err != nil {
		return err
	}
	t.queue = waiting
	return p.replay(t, at)
}

// convert converts ticks between timescales, rounded to the nearest.
func convert(ticks, from, to int64) int64 {
	return ticks/from*to + (ticks%from*to+from/2)/from
}
