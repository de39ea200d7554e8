package ingest

import (
	"bytes"
	"errors"
	"time"

	"headwater.stream/internal/media"
)

// demuxer turns the audio and video messages of one publish into tracks and samples for its Session.
type demuxer struct {
	session  Session
	limits   *Limits
	counters *Counters

	clock clock
	hints hints
	lanes [2]lane // video, audio
	tags  []tag   // of the message at hand

	tracks    []media.Track // as last announced
	announced bool
	now       int64         // ms, of the last frame
	first     int64         // ms, of the first frame held back
	events    []media.Event // held back
	held      []heldSample
	heldBytes int
}

// lane is what is known of one kind of media.
type lane struct {
	kind   media.Kind
	id     codecID
	codec  codec  // nil until its configuration or, where it needs none, its first access unit came
	record []byte // the last configuration
	number uint8  // of the encoder's track, among those of its kind
	ready  bool   // the track is known
	track  media.Track
	dirty  bool // track changed since it was announced
	index  int  // in tracks, -1: not there yet
}

type heldSample struct {
	lane   *lane
	sample media.Sample
}

func newDemuxer(s Session, limits *Limits, counters *Counters, query string) *demuxer {
	return &demuxer{
		session: s, limits: limits, counters: counters,
		hints: queryHints(query),
		lanes: [2]lane{{kind: media.Video, index: -1}, {kind: media.Audio, index: -1}},
	}
}

// data takes a data message; what cannot be read is counted and ignored.
func (d *demuxer) data(ts uint32, b []byte) error {
	r := amfReader{b: b, depth: d.limits.MetadataDepth, count: d.limits.Values}
	name, err := dataName(&r)
	if err == nil && name == "onMetaData" {
		if err = d.hints.read(&r); d.hints.software != d.counters.Software() {
			d.counters.software.Store(new(d.hints.software))
		}
	}
	if err != nil {
		d.counters.drop(DropMetadata)
		return nil
	}
	e, ok, err := parseEvent(name, &r, d.about(ts))
	switch {
	case !ok: // text, frame counters
		return nil
	case err != nil:
		d.counters.drop(DropEvent)
		return nil
	case !d.announced && len(d.events) == maxHeldEvents:
		d.counters.drop(DropEvent)
		return nil
	case !d.announced:
		d.events = append(d.events, e)
		return nil
	}
	return d.session.WriteEvent(e)
}

// maxHeldEvents bounds the events that wait for the tracks.
const maxHeldEvents = 16

// about returns the time of a data message on the encoder's clock. Some have none, or 0: now is as good then.
func (d *demuxer) about(ts uint32) int64 {
	c := d.clock
	if ms := c.unwrap(ts); !d.clock.started || max(ms-d.now, d.now-ms) < nearby {
		return ms
	}
	return d.now
}

// message takes an audio or video message. Broken ones are counted and dropped; an error ends the publish.
func (d *demuxer) message(kind media.Kind, ts uint32, b []byte) error {
	tags, err := appendTags(d.tags[:0], kind, b)
	d.tags = tags[:0]
	if err != nil {
		d.counters.drop(DropMalformed)
		return nil
	}
	l := &d.lanes[0]
	if kind == media.Audio {
		l = &d.lanes[1]
	}
	for _, t := range tags {
		if err := d.tag(l, ts, t); err != nil {
			return err
		}
	}
	return nil
}

// tag takes what one track has in a message. Of several tracks of a kind the first that shows is used.
func (d *demuxer) tag(l *lane, ts uint32, t tag) (err error) {
	if t.packet != packetOther && l.codec == nil {
		l.number = t.track
	}
	if t.track != l.number {
		d.counters.drop(DropTrack)
		return nil
	}
	switch {
	case t.codec == codecNone && t.packet != packetOther:
		err = d.unsupported(l, t)
	case t.packet == packetConfig: // its timestamp means nothing: often 0 in the middle of a stream
		err = d.configure(l, t)
	case t.packet == packetFrame:
		d.now = d.clock.unwrap(ts)
		err = d.frame(l, t)
	default:
		d.counters.drop(DropUnknown)
	}
	if err != nil || d.announced {
		return err
	}
	return d.settle()
}

// unsupported refuses a codec that is not carried, but next to one that is only counts it.
func (d *demuxer) unsupported(l *lane, t tag) error {
	if l.codec != nil {
		d.counters.drop(DropCodec)
		return nil
	}
	send := videoCodecs
	if l.kind == media.Audio {
		send = audioCodecs
	}
	return &Refusal{CodeFailed, "The " + l.kind.String() + " codec " + t.name + " is not supported; send " + send + "."}
}

// settle announces the tracks when they are complete, or have to be taken for complete.
func (d *demuxer) settle() error {
	video, audio := d.lanes[0].ready, d.lanes[1].ready
	waited := time.Duration(0)
	if len(d.held) > 0 {
		waited = time.Duration(max(d.now-d.first, d.first-d.now)) * time.Millisecond
	}
	switch {
	case video && audio:
	case !video && !audio:
		return nil
	case d.hints.seen && len(d.held) > 0 && d.hints.video != d.hints.audio && video == d.hints.video: // the only one it speaks of
	case waited >= d.limits.TrackWait || d.heldBytes >= d.limits.HoldBytes:
	default:
		return nil
	}
	return d.release()
}

// release announces what is known and delivers what was held back.
func (d *demuxer) release() error {
	if err := d.announce(nil); err != nil {
		return err
	}
	for _, e := range d.events {
		if err := d.session.WriteEvent(e); err != nil {
			return err
		}
	}
	held := d.held
	d.events, d.held, d.heldBytes = nil, nil, 0
	for _, h := range held {
		if err := d.deliver(h.lane, h.sample); err != nil {
			return err
		}
	}
	return nil
}

// configure takes a configuration record; one that repeats the bytes in force changes nothing.
func (d *demuxer) configure(l *lane, t tag) error {
	if l.codec != nil && l.id == t.codec && bytes.Equal(l.record, t.data) {
		return nil
	}
	c := l.codec
	if c == nil || l.id != t.codec {
		c = newCodec(t.codec)
	}
	track, err := c.configure(t.data)
	if err != nil {
		var r *Refusal
		if errors.As(err, &r) && l.codec == nil {
			return err
		}
		d.counters.drop(DropConfig)
		return nil
	}
	if track != nil {
		if err := d.adopt(l, track); err != nil {
			return err
		}
	}
	l.id, l.codec, l.record = t.codec, c, bytes.Clone(t.data)
	return nil
}

// adopt makes track the lane's. What is held back of the lane belongs to the track before it, and goes first.
func (d *demuxer) adopt(l *lane, track *media.Track) error {
	if l.ready && !d.announced {
		if err := d.release(); err != nil {
			return err
		}
	}
	l.track, l.ready, l.dirty = *track, true, true
	return nil
}

// frame takes an access unit.
func (d *demuxer) frame(l *lane, t tag) error {
	c := l.codec
	if c == nil || l.id != t.codec {
		if !t.codec.selfDescribing() {
			reason := DropCodec
			if c == nil {
				reason = DropUnconfigured
			}
			d.counters.drop(reason)
			return nil
		}
		c = newCodec(t.codec)
	}
	f, err := c.frame(t.data)
	if err != nil {
		reason := DropMalformed
		if errors.Is(err, errConfig) {
			reason = DropUnconfigured
		}
		d.counters.drop(reason)
		return nil
	}
	if f.track != nil {
		if err := d.adopt(l, f.track); err != nil {
			return err
		}
	}
	if l.codec != c {
		l.id, l.codec, l.record = t.codec, c, nil
	}
	scale := l.track.Timescale
	s := media.Sample{
		DTS:      ticks(d.now, scale) + int64(t.nanos)*int64(scale)/1e9,
		Offset:   int32(ticks(int64(t.cts), scale)),
		Duration: f.duration,
		Sync:     f.sync,
		Data:     f.data,
	}
	if d.announced {
		return d.deliver(l, s)
	}
	if len(d.held) == 0 {
		d.first = d.now
	}
	s.Data = bytes.Clone(s.Data)
	d.held = append(d.held, heldSample{l, s})
	d.heldBytes += len(s.Data)
	return nil
}

// deliver hands a sample to the session, after a change of its track.
func (d *demuxer) deliver(l *lane, s media.Sample) error {
	if l.dirty || l.index < 0 {
		if err := d.announce(l); err != nil {
			return err
		}
	}
	s.Track = l.index
	if l.kind == media.Video {
		d.counters.video.Add(1)
	} else {
		d.counters.audio.Add(1)
	}
	return d.session.WriteSample(s)
}

// announce tells the session the tracks: at first all that are known, then those it knows and the one that now has a
// sample. So a track that is only promised does not appear late.
func (d *demuxer) announce(late *lane) error {
	tracks := append([]media.Track(nil), d.tracks...)
	for i := range d.lanes {
		l := &d.lanes[i]
		if !l.ready || (l.index < 0 && d.announced && l != late) {
			continue
		}
		if l.index < 0 {
			l.index = len(tracks)
			tracks = append(tracks, media.Track{})
		}
		t := l.track
		t.Bitrate = bitsPerSecond(d.hints.videoKbit)
		if l.kind == media.Audio {
			t.Bitrate = bitsPerSecond(d.hints.audioKbit)
		}
		tracks[l.index] = t
		l.dirty = false
	}
	d.tracks, d.announced = tracks, true
	return d.session.SetTracks(append([]media.Track(nil), tracks...))
}

// ticks converts milliseconds to a timescale, rounded to the nearest tick.
func ticks(ms int64, timescale uint32) int64 {
	n := ms * int64(timescale)
	if n < 0 {
		return (n - 500) / 1000
	}
	return (n + 500) / 1000
}
