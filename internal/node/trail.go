package node

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"headwater.stream/internal/control"
	"headwater.stream/internal/media"
)

// Bounds of what an event remembers of its input. The oldest goes first.
const (
	maxStreamEvents = 200
	maxHeartbeats   = 60 // ten minutes of two tracks
)

// beat is how often a track's heartbeat is taken (ams-v3 §10.1).
const beat = 20 * time.Second

// trail is what happened to the input of an event since its timeline was opened.
type trail struct {
	voice voice

	mu     sync.Mutex          // held for microseconds
	latest []control.Heartbeat // of each track; nil before the first, and once the event was stopped
	began  time.Time
	count  int
	events []control.StreamEvent
	beats  []control.Heartbeat
	notes  map[noteKey]*note
}

// noteKey says what is noted, so that many of a kind become one event.
type noteKey struct{ what, track string }

// note is what has been noted and is not yet an event.
type note struct {
	event control.StreamEvent // of the newest
	count int
	shown time.Time
}

// noteEvery is how often one kind of note becomes an event: the first one at once, then one that counts those since.
const noteEvery = beat

func (t *trail) add(e control.StreamEvent) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.append(e)
}

// append adds an event. t.mu is held.
func (t *trail) append(e control.StreamEvent) {
	t.tick(e.Time)
	t.voice.happened(e)
	if t.events = append(t.events, e); len(t.events) > maxStreamEvents {
		t.events = slices.Delete(t.events, 0, 1)
	}
}

// note adds an event that may come often: at most one of its kind and track in noteEvery, which says how many it stands for.
func (t *trail) note(what string, e control.StreamEvent) {
	t.mu.Lock()
	defer t.mu.Unlock()
	k := noteKey{what, e.Track}
	n := t.notes[k]
	if n == nil {
		if n = new(note); t.notes == nil {
			t.notes = map[noteKey]*note{}
		}
		t.notes[k] = n
	}
	n.event = e
	n.count++
	if n.shown.IsZero() || e.Time.Sub(n.shown) >= noteEvery {
		t.show(n, e.Time)
	}
}

// show makes an event of a note. t.mu is held.
func (t *trail) show(n *note, now time.Time) {
	e := n.event
	if e.Time = now; n.count > 1 {
		e.Reason += fmt.Sprintf(" %d times since %s.", n.count, n.shown.UTC().Format(time.TimeOnly))
	}
	n.count, n.shown = 0, now
	t.append(e)
}

// flush makes events of notes that wait: of all at the end of a publish, else of those whose time has come. t.mu is held.
func (t *trail) flush(now time.Time, all bool) {
	var due []*note
	for _, n := range t.notes {
		if n.count > 0 && (all || now.Sub(n.shown) >= noteEvery) {
			due = append(due, n)
		}
	}
	slices.SortFunc(due, func(a, b *note) int { return a.event.Time.Compare(b.event.Time) })
	for _, n := range due {
		t.show(n, now)
	}
}

// end adds the event that ends a publish, after what was noted in it.
func (t *trail) end(e control.StreamEvent) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.flush(e.Time, true)
	t.append(e)
}

func (t *trail) beat(list []control.Heartbeat) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pulse(list)
}

// pulse adds heartbeats. t.mu is held.
func (t *trail) pulse(list []control.Heartbeat) {
	t.latest = list
	t.voice.beats(list)
	for i, b := range list {
		if t.tick(b.Time); i == 0 {
			t.flush(b.Time, false)
		}
		if t.beats = append(t.beats, b); len(t.beats) > maxHeartbeats {
			t.beats = slices.Delete(t.beats, 0, 1)
		}
	}
}

// quiet adds heartbeats in which nothing came, if the next are due: they go on when the encoder does not (ams-v3 §10.1).
func (t *trail) quiet(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.latest) == 0 || now.Sub(t.latest[0].Time) < beat {
		return
	}
	list := slices.Clone(t.latest)
	for i := range list {
		b := &list[i]
		*b = control.Heartbeat{Time: now, Track: b.Track, Bitrate: b.Bitrate, Last: b.Last, Arrived: b.Arrived, Drift: -1}
	}
	t.pulse(list)
}

// rest ends the heartbeats.
func (t *trail) rest() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.latest = nil
}

// tick counts an addition. t.mu is held.
func (t *trail) tick(now time.Time) {
	if t.count++; t.began.IsZero() {
		t.began = now
	}
}

// read adds to a status what is remembered.
func (t *trail) read(st *control.EventStatus) {
	t.mu.Lock()
	defer t.mu.Unlock()
	st.Log = fmt.Sprintf("%x-%x", t.began.UnixNano(), t.count)
	st.Events, st.Beats = slices.Clone(t.events), slices.Clone(t.beats)
}

// pulse counts what comes in of each track between two heartbeats.
type pulse struct {
	since  time.Time
	tracks []media.Track
	counts []counted
	rate   int // bit/s of all tracks between the last two heartbeats, as declared before there were two
}

type counted struct {
	bytes, overlaps, discontinuities int
	last                             time.Duration
	arrived                          time.Time
	marks                            []mark // of the last minute and the present run of timestamps, oldest first
}

// mark says how far a track had come at some time.
type mark struct {
	at   time.Time
	last time.Duration
}

// Drift is what a track fell behind the clock during the last minute (ams-v3 §10.1).
const (
	driftMarks = int(time.Minute / beat)
	driftLeast = 500 * time.Millisecond // less is the encoder's own bursts
	driftJump  = 5 * time.Second        // timestamps that go further at once, or back, begin a new run
)

// drift returns how late the track is since the oldest mark, negative when that is not known.
func (c *counted) drift(now time.Time) time.Duration {
	if c.bytes == 0 || len(c.marks) == 0 {
		return -1
	}
	late := now.Sub(c.marks[0].at) - (c.last - c.marks[0].last)
	if late < driftLeast {
		return 0
	}
	return late
}

func (p *pulse) start(now time.Time, tracks []media.Track) {
	*p = pulse{since: now, tracks: tracks, counts: make([]counted, len(tracks))}
	for _, t := range tracks {
		p.rate += t.Bitrate
	}
}

func (p *pulse) sample(now time.Time, s media.Sample) {
	if s.Track < 0 || s.Track >= len(p.counts) {
		return
	}
	c := &p.counts[s.Track]
	c.bytes += len(s.Data)
	at := media.Duration(s.DTS, p.tracks[s.Track].Timescale)
	if len(c.marks) == 0 || at < c.last || at-c.last > driftJump {
		c.marks = append(c.marks[:0], mark{now, at})
	}
	c.last, c.arrived = at, now
}

// take returns the heartbeats of all tracks and begins to count anew.
func (p *pulse) take(now time.Time) []control.Heartbeat {
	list := make([]control.Heartbeat, 0, len(p.tracks))
	p.rate = 0
	for i, t := range p.tracks {
		c := &p.counts[i]
		list = append(list, control.Heartbeat{
			Time: now, Track: t.Kind.String(), Bitrate: t.Bitrate, Incoming: int(float64(c.bytes) * 8 / now.Sub(p.since).Seconds()),
			Last: c.last, Arrived: c.arrived, Overlaps: c.overlaps, Discontinuities: c.discontinuities, Drift: c.drift(now),
		})
		p.rate += list[i].Incoming
		if len(c.marks) == driftMarks {
			c.marks = slices.Delete(c.marks, 0, 1)
		}
		*c = counted{last: c.last, arrived: c.arrived, marks: append(c.marks, mark{now, c.last})}
	}
	p.since = now
	return list
}
