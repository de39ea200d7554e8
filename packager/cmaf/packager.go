package cmaf

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"

	"headwater.stream/internal/media"
)

// Sink takes what the packager makes, in order, on the goroutine that writes the samples. An error ends the packager: every
// later call returns it.
type Sink interface {
	// Begin opens a discontinuity range: renditions names[i] have initialization section inits[i] in it (ID is the
	// sink's to give). The first sample of every rendition goes at the media time returned, or later; it is not before
	// at, and not before the end of anything of an earlier range.
	Begin(names []string, inits []media.Init, at time.Duration) (start time.Duration, err error)
	// Part appends a chunk to the open segment of names[i], opening one if there is none. last says that the segment is
	// expected to end with it.
	Part(i int, p media.Part, last bool) error
	// Cut ends the open segment of names[i].
	Cut(i int) error
	// Event announces an event, whose Start is media time. It returns false when it knows it already or has no room.
	Event(e media.Event) (taken bool, err error)
	// End ends the range.
	End() error
}

// Config is what a packager works to.
type Config struct {
	Aim    time.Duration // segment duration aimed at: a segment ends at the first key frame this far from its start
	Limit  time.Duration // TARGETDURATION: a segment that would be longer is cut between key frames
	Part   time.Duration // PART-TARGET: no chunk is longer
	Repair func(Repair)  // called for each repair, on the writing goroutine; may be nil
}

// Repair is one thing in the input that was mended or dropped.
type Repair struct {
	Kind  RepairKind
	Track int           // index of the track
	At    time.Duration // media time
	Size  time.Duration // how much the time was off, where that has a meaning
}

// RepairKind names a kind of repair.
type RepairKind string

// The kinds of repair.
const (
	RepairFrameTime   RepairKind = "frame_time"    // a video frame off the frame grid: its duration makes up for it
	RepairAudioFill   RepairKind = "audio_fill"    // missing audio replaced by silence
	RepairAudioDrop   RepairKind = "audio_drop"    // audio that overlaps was dropped
	RepairNoKeyframe  RepairKind = "no_keyframe"   // video before the first key frame was dropped
	RepairForcedCut   RepairKind = "forced_cut"    // a segment was cut without a key frame
	RepairFrameRate   RepairKind = "frame_rate"    // frames came further apart than parts can be, or no more: a new range
	RepairTimeJump    RepairKind = "time_jump"     // timestamps jumped: a new discontinuity range
	RepairDrift       RepairKind = "clock_drift"   // a track's clock ran away from the lead's, slowly: it was moved back
	RepairTrackStall  RepairKind = "track_stall"   // a track stopped: the range goes on without it
	RepairTrackReturn RepairKind = "track_return"  // it came back
	RepairOverflow    RepairKind = "queue_dropped" // samples waited too long for another track
	RepairEmpty       RepairKind = "empty_sample"  // a sample without payload
)

// stallAfter is how much of another track comes before one of which nothing comes is taken to have stopped.
const stallAfter = 3 * time.Second

// maxQueue bounds the bytes of one track that wait for another.
const maxQueue = 16 << 20

// maxTime bounds decoding times, in ticks: a thousand years. RTMP cannot say a hundredth of it.
const maxTime = 1 << 52

// ErrNoTracks is returned when samples come before tracks, or for a track there is not.
var ErrNoTracks = errors.New("cmaf: sample for a track that was not announced")

// Packager turns the samples of one publisher into aligned chunks. It is not safe for concurrent use.
type Packager struct {
	cfg  Config
	sink Sink

	tracks []*track // as announced
	lead   *track   // decides where segments end: the first video track in the range, or the first audio track
	active []*track // those in the open range, in the order given to Begin; nil while no range is open

	borders []int64        // starts of the segments of the open range after its first, in lead ticks
	early   []media.Event  // that came before the first range
	pending []pendingEvent // announced, not yet in the media of every track that carries them
	restart bool           // begin a new range at the next place where the lead can start
	err     error
}

// New returns a packager that feeds sink.
func New(cfg Config, sink Sink) *Packager { return &Packager{cfg: cfg, sink: sink} }

// SetTracks announces the tracks, before the first sample and again whenever one of them changed. The change takes effect
// with a new discontinuity range at the next key frame. It fails on a track that cannot be carried.
func (p *Packager) SetTracks(tracks []media.Track) error {
	counts := map[media.Kind]int{}
	list := make([]*track, 0, len(tracks))
	for i, mt := range tracks {
		init, err := BuildInit(mt)
		if err != nil {
			return err
		}
		counts[mt.Kind]++
		list = append(list, newTrack(p, i, mt, fmt.Sprintf("%c%d", mt.Kind.String()[0], counts[mt.Kind]), init))
	}
	restart := false
	if p.err == nil && p.active != nil {
		if kept, ok := p.keep(list); ok {
			list, restart = kept, true
		} else if err := p.endRange(); err != nil { // samples of the old configuration are all in
			return err
		}
	}
	p.tracks, p.restart = list, restart
	return p.err
}

// keep says whether the open range can go on until the next key frame although other tracks than the lead have changed
// or come: without a key frame there is no new range, and the pictures until then would be lost. It returns list with
// the tracks that are as before in place of their likes.
func (p *Packager) keep(list []*track) ([]*track, bool) {
	if p.lead.kind != media.Video {
		return nil, false
	}
	kept := slices.Clone(list)
	for i, t := range list {
		if i < len(p.tracks) && p.tracks[i].name == t.name && p.tracks[i].media.Codec == t.media.Codec && bytes.Equal(p.tracks[i].init, t.init) {
			kept[i] = p.tracks[i]
		}
	}
	return kept, slices.Contains(kept, p.lead)
}

// Write takes the next sample of a track. at is the time since the event's anchor at which it arrived; it is looked at
// only when a range begins.
func (p *Packager) Write(s media.Sample, at time.Duration) error {
	if p.err != nil {
		return p.err
	}
	if s.Track < 0 || s.Track >= len(p.tracks) {
		return ErrNoTracks
	}
	t := p.tracks[s.Track]
	if s.DTS > maxTime || s.DTS < -maxTime {
		p.repair(RepairTimeJump, t, 0)
		return nil // no clock: its place cannot be told
	}
	if t.kind == media.Video && !t.measured {
		return p.fail(t.measure(s, at))
	}
	return p.fail(p.write(t, s, at))
}

func (p *Packager) write(t *track, s media.Sample, at time.Duration) error {
	if t.stalled {
		t.stalled = false
		p.repair(RepairTrackReturn, t, 0)
		p.restart = true
	}
	idr := t.kind == media.Audio
	if t.kind == media.Video {
		idr = s.Sync && t.form.sync(s.Data)
	}
	if p.active != nil && t.inRange {
		if size := t.jump(s, t == p.lead); size != 0 {
			p.repair(RepairTimeJump, t, media.Duration(size, uint32(t.ts)))
			if err := p.endRange(); err != nil {
				return err
			}
		}
	}
	lead := p.candidate()
	if t == lead && idr && p.restart && p.active != nil {
		if err := p.endRange(); err != nil {
			return err
		}
	}
	if p.active == nil {
		if t != lead {
			return p.hold(t, s, idr, at)
		}
		if !idr {
			p.repair(RepairNoKeyframe, t, 0)
			return nil
		}
		return p.begin(t, s, at)
	}
	if !t.inRange {
		return nil // it joins with the range that p.restart asks for
	}
	if t == p.lead {
		p.follow(t)
		for _, f := range p.active {
			f.sinceX = f.lastX
		}
		if err := p.writeLead(t, s, idr); err != nil {
			return err
		}
		return p.drain()
	}
	t.leadX = p.lead.lastX
	if err := p.hold(t, s, idr, at); err != nil {
		return err
	}
	return p.drain()
}

// Clock returns a time of the encoder and the media time that it has in the open range, whose start it is; ok is false
// while no range is open.
func (p *Packager) Clock() (source, at time.Duration, ok bool) {
	if p.lead == nil {
		return 0, 0, false
	}
	t := p.lead
	return media.Duration(t.origin, uint32(t.ts)), media.Duration(t.base+t.delay, uint32(t.ts)), true
}

// candidate returns the track that would lead a new range.
func (p *Packager) candidate() *track {
	if p.active != nil && !p.restart {
		return p.lead
	}
	var lead *track
	for _, t := range p.tracks {
		if !t.stalled && (lead == nil || t.kind == media.Video && lead.kind == media.Audio) {
			lead = t
		}
	}
	return lead
}

// begin opens a range with the lead's sample s, which is one that decoding can start at.
func (p *Packager) begin(lead *track, s media.Sample, at time.Duration) error {
	var names []string
	var inits []media.Init
	p.active = p.active[:0]
	for _, t := range p.tracks {
		if t.inRange = !t.stalled; t.inRange {
			names = append(names, t.name)
			inits = append(inits, media.Init{Track: t.media, Body: t.init})
			p.active = append(p.active, t)
		}
	}
	start, err := p.sink.Begin(names, inits, at)
	if err != nil {
		return err
	}
	p.lead, p.restart, p.borders = lead, false, p.borders[:0]
	origin := s.DTS + int64(s.Offset)
	for i, t := range p.active {
		t.begin(i, start, media.Rescale(origin, uint32(lead.ts), uint32(t.ts)))
	}
	lead.delay = int64(s.Offset)
	lead.arrived, lead.lastX = true, lead.arrival(s)
	for _, t := range p.active {
		t.leadX, t.sinceX = lead.lastX, convert(lead.lastX, lead.ts, t.ts)
	}
	if err := p.announceEarly(); err != nil {
		return err
	}
	if err := p.writeLead(lead, s, true); err != nil {
		return err
	}
	return p.drain()
}

// endRange flushes everything and closes the range. What a track still holds is cut off by the lead's end.
func (p *Packager) endRange() error {
	if p.active == nil {
		return nil
	}
	for _, t := range p.active {
		if t != p.lead {
			if err := p.drainTrack(t, true); err != nil {
				return err
			}
		}
	}
	for _, t := range p.active {
		if err := t.flush(false); err != nil {
			return err
		}
		t.inRange = false
		t.queue.reset()
	}
	p.active, p.lead = nil, nil
	return p.sink.End()
}

// Close flushes what is complete and ends the range. The packager takes no samples afterwards.
func (p *Packager) Close() error {
	if p.err != nil {
		return p.err
	}
	err := p.endRange()
	p.err = errors.New("cmaf: packager is closed")
	return err
}

func (p *Packager) fail(err error) error {
	if err != nil && p.err == nil {
		p.err = err
	}
	return err
}

func (p *Packager) repair(kind RepairKind, t *track, size time.Duration) {
	if p.cfg.Repair != nil {
		r := Repair{Kind: kind, Track: t.index, Size: size}
		if t.inRange {
			r.At = media.Duration(t.next(), uint32(t.ts))
		}
		p.cfg.Repair(r)
	}
}
