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

	tracks    []media.Track // as last announced
	announced bool
	now       int64 // ms, of the last frame
	first     int64 // ms, of the first frame held back
	held      []heldSample
	heldBytes int
}

// lane is what is known of one kind of media.
type lane struct {
	kind   media.Kind
	id     codecID
	codec  codec  // nil until a configuration was read
	record []byte // which
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

// data takes a data message; what cannot be read is ignored.
func (d *demuxer) data(b []byte) {
	if err := d.hints.read(b, d.limits.MetadataDepth, d.limits.Values); err != nil {
		d.counters.drop(DropMetadata)
	}
}

// message takes an audio or video message. Broken ones are counted and dropped; an error ends the publish.
func (d *demuxer) message(kind media.Kind, ts uint32, b []byte) error {
	t, err := parseTag(kind, b)
	if err != nil {
		d.counters.drop(DropMalformed)
		return nil
	}
	l := &d.lanes[0]
	if kind == media.Audio {
		l = &d.lanes[1]
	}
	switch t.packet {
	case packetConfig: // its timestamp means nothing: often 0 in the middle of a stream
		err = d.configure(l, t)
	case packetFrame:
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

// settle announces the tracks when they are complete, or have to be taken for complete.
func (d *demuxer) settle() error {
	video, audio := d.lanes[0].codec != nil, d.lanes[1].codec != nil
	waited := time.Duration(0)
	if len(d.held) > 0 {
		waited = time.Duration(max(d.now-d.first, d.first-d.now)) * time.Millisecond
	}
	switch {
	case video && audio:
	case !video && !audio:
		return nil
	case d.hints.seen && d.hints.video != d.hints.audio && video == d.hints.video: // the only one it speaks of
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
	held := d.held
	d.held, d.heldBytes = nil, 0
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
	if l.codec != nil && !d.announced {
		// What is held back belongs to the old configuration.
		if err := d.release(); err != nil {
			return err
		}
	}
	l.id, l.codec, l.record = t.codec, c, bytes.Clone(t.data)
	l.track, l.dirty = track, true
	return nil
}

// frame takes an access unit.
func (d *demuxer) frame(l *lane, t tag) error {
	if t.codec == codecNone {
		if l.codec == nil {
			return &Refusal{CodeFailed, "The " + l.kind.String() + " codec " + t.name + " is not supported; send H.264 and AAC."}
		}
		d.counters.drop(DropCodec)
		return nil
	}
	if l.codec == nil {
		d.counters.drop(DropUnconfigured)
		return nil
	}
	f, err := l.codec.frame(t.data)
	if err != nil {
		d.counters.drop(DropMalformed)
		return nil
	}
	if f.track != nil {
		if !d.announced {
			if err := d.release(); err != nil {
				return err
			}
		}
		l.track, l.dirty = *f.track, true
	}
	s := media.Sample{
		DTS:    ticks(d.now, l.track.Timescale),
		Offset: int32(ticks(int64(t.cts), l.track.Timescale)),
		Sync:   f.sync,
		Data:   f.data,
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
		if l.codec == nil || (l.index < 0 && d.announced && l != late) {
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
