package cmaf

import (
	"time"

	"headwater.stream/internal/media"
)

// track is one track of the publisher and, while a range is open, the rendition made from it.
type track struct {
	p     *Packager
	index int // in the announcement
	slot  int // in the open range
	name  string
	kind  media.Kind
	media media.Track
	form  format
	init  []byte
	ts    int64 // timescale

	inRange bool // takes part in the open range
	stalled bool // stopped sending: not part of a new range until it is heard again

	// Mapping of the encoder's clock to media time: media = source - origin + base + delay.
	origin, base, delay int64

	video    videoClock
	audio    audioClock
	measured bool // the frame rate is known, declared or measured
	started  bool // has a sample in this range
	arrived  bool // a sample of it was seen in this range, at lastX
	lastX    int64
	leadX    int64 // the lead's when this one was last heard
	sinceX   int64 // lastX when the lead was last heard
	rate     media.Rational
	pace     pace
	drift    drift
	prelude  queue // samples that wait for the frame rate

	chunk      chunk
	segStart   int64 // of the open segment
	cuts       int   // borders of the range it has passed
	aim, limit int64 // Config in ticks
	part       int64
	gop        int64 // length of the last group of pictures, or the aim
	gopKnown   bool
	lastIDR    int64 // -1: none in this range
	queue      queue // samples of a follower that wait for the lead
}

func newTrack(p *Packager, index int, mt media.Track, name string, init []byte) *track {
	t := &track{p: p, index: index, name: name, kind: mt.Kind, media: mt, form: formatOf(mt.Codec), init: init, ts: int64(mt.Timescale), rate: mt.FrameRate}
	t.measured = t.rate.Num > 0
	return t
}

// begin enters the track into a range that starts at start; origin is the encoder's time of that moment, in ticks.
func (t *track) begin(slot int, start time.Duration, origin int64) {
	scale := uint32(t.ts)
	t.slot, t.cuts, t.started, t.arrived, t.drift = slot, 0, false, false, drift{}
	t.base, t.origin, t.delay = media.Ticks(start, scale), origin, 0
	t.aim, t.limit = media.Ticks(t.p.cfg.Aim, scale), media.Ticks(t.p.cfg.Limit, scale)
	t.part = int64(t.p.cfg.Part) / 1000 * t.ts / 1e6 // rounded down: never above PART-TARGET
	t.segStart, t.lastIDR, t.gop, t.gopKnown = t.base, -1, t.aim, false
	t.chunk = chunk{data: t.chunk.data[:0], samples: t.chunk.samples[:0], start: t.base, seq: sequence(t.base, t.ts)}
	if t.kind == media.Video {
		t.video.start(t.base, t.rate)
		if t.video.period() > t.part {
			t.part = t.limit // one chunk per segment: the playlist lists no parts then
		}
	} else {
		t.audio = audioClock{frame: int64(t.media.FrameSamples), rate: t.ts, next: t.base}
	}
}

// arrival maps a sample's decoding time to media time.
func (t *track) arrival(s media.Sample) int64 { return s.DTS - t.origin + t.base + t.delay }

// jump returns how far the timestamp of s is from where it could be: from that of the track's sample before it and, for
// the lead, which waits for nobody, from the end of what it has; 0 when that is within bounds.
func (t *track) jump(s media.Sample, lead bool) int64 {
	x, out := t.arrival(s), func(d int64) bool { return d > maxForward*t.ts || d < -maxBackward*t.ts }
	last := t.lastX
	was := t.arrived
	t.arrived, t.lastX = true, x
	if !was {
		t.sinceX = x
	}
	if was && t.kind == media.Video {
		t.keepPace(x - last)
	}
	if was && out(x-last) {
		return x - last
	}
	if lead && out(x-t.next()) {
		return x - t.next()
	}
	return 0
}

// next returns where the next sample goes; all before it is taken.
func (t *track) next() int64 {
	if t.kind == media.Video {
		return t.video.next
	}
	return t.audio.next
}

// step returns the nominal duration of a sample.
func (t *track) step() int64 {
	if t.kind == media.Video {
		return t.video.period()
	}
	return t.audio.frame
}

// lasts returns how long an access unit of audio lasts: what it says itself (Opus, E-AC-3, FLAC), else the same as all.
func (t *track) lasts(dur uint32) int64 {
	if dur > 0 {
		return int64(dur)
	}
	return t.audio.frame
}

// join places the first sample of a follower, whose source time is x: it may start later than the range, not earlier.
func (t *track) join(q *held, x int64) (ok bool) {
	if t.kind == media.Video && !q.sync || x+t.step()/2 < t.next() {
		return false
	}
	t.started = true
	if x > t.next()+t.step() {
		if t.kind == media.Video {
			t.video.start(x, t.rate)
		} else {
			t.audio.next = x
		}
		t.chunk.start = x
	}
	if t.kind == media.Video {
		t.delay = int64(q.offset)
	}
	return true
}

// placeVideo places a frame so that it fits the open chunk.
func (t *track) placeVideo(x int64) (dts, dur int64) {
	limit := t.part - t.chunk.dur // never less than a frame, or the chunk would have been handed on
	dts, dur, repaired := t.video.place(x, limit)
	if repaired {
		t.p.repair(RepairFrameTime, t, media.Duration(t.video.lastErr, uint32(t.ts)))
	}
	return dts, dur
}

// addVideo puts a frame into the chunk and hands the chunk on when the frame completes it.
func (t *track) addVideo(s media.Sample, dts, dur int64, idr bool) error {
	had := len(t.chunk.data)
	t.chunk.data = t.form.append(t.chunk.data, s.Data)
	size := len(t.chunk.data) - had
	if size == 0 {
		t.p.repair(RepairEmpty, t, 0)
	}
	if t.chunk.empty() {
		t.chunk.start = dts
	}
	t.started = true
	if short := (t.part*partFill+99)/100 - t.chunk.dur - dur; short > 0 && t.chunk.dur+dur+t.video.period() > t.part {
		t.video.stretch(short) // irregular durations left a part that is full and yet too short
		dur += short
	}
	t.chunk.add(size, uint32(dur), int32(t.video.snap(int64(s.Offset)-t.delay)), idr)
	if t.full(t.video.period()) {
		return t.flush(t.endsAt(t.video.next))
	}
	return nil
}

// addAudio puts an access unit into the chunk and hands the chunk on when it completes it.
func (t *track) addAudio(data []byte, dur int64) error {
	if t.chunk.dur+dur > t.part { // longer than the one that was expected
		if err := t.flush(false); err != nil {
			return err
		}
	}
	if t.chunk.empty() {
		t.chunk.start = t.audio.next
	}
	t.started = true
	t.chunk.data = append(t.chunk.data, data...)
	t.chunk.add(len(data), uint32(dur), 0, true)
	t.audio.next += dur
	if t.full(t.audio.frame) {
		return t.flush(t.audio.next+t.audio.frame/2 >= t.end())
	}
	return nil
}

// endsAt says whether a segment of the lead, or of a video follower, is expected to end at t.
func (t *track) endsAt(at int64) bool {
	half := t.video.period() / 2
	if at-t.segStart+t.video.period() > t.limit {
		return true
	}
	return abs(t.end()-at) <= half
}

// flush hands the chunk on, if there is anything in it.
func (t *track) flush(last bool) error {
	if t.chunk.empty() {
		return nil
	}
	part, err := t.chunk.encode(t.p.due(t, t.chunk.start+t.chunk.dur), uint32(t.ts))
	if err != nil {
		return err
	}
	return t.p.sink.Part(t.slot, part, last)
}

// measure holds the first frames of a video track whose rate is not declared until the rate shows.
func (t *track) measure(s media.Sample, at time.Duration) error {
	t.prelude.push(s, s.Sync)
	if t.prelude.len() < recentSize && t.prelude.size() < maxQueue {
		return nil
	}
	t.measured = true
	t.rate = media.Rational{Num: 30, Den: 1}
	if ticks, n := t.prelude.span(), int64(t.prelude.len()-1); ticks > 0 && n > 0 {
		if t.rate = nearestRate(ticks, n, 0.02); t.rate.Num == 0 {
			t.rate = media.Rational{Num: uint32(n * media.VideoTimescale), Den: uint32(ticks)}
		}
	}
	t.media.FrameRate = t.rate
	waiting := t.prelude
	t.prelude = queue{}
	return waiting.replay(func(s media.Sample) error { s.Track = t.index; return t.p.write(t, s, at) })
}

// silence returns an access unit that decodes to silence, or like, the present one where none is known.
func (t *track) silence(like []byte) []byte {
	if t.media.Codec == "mp4a.40.2" && t.media.FrameSamples == 1024 {
		switch t.media.Channels {
		case 1:
			return silenceMono[:]
		case 2:
			return silenceStereo[:]
		}
	}
	if t.media.Codec == "opus" && t.media.FrameSamples == 960 && t.media.Channels <= 2 {
		return silenceOpus[:]
	}
	return like
}

// AAC-LC access units of silence: one single channel element, one channel pair element, all spectral data zero. Opus:
// 20 ms of CELT without energy, mono, which decoders take for any number of channels.
var (
	silenceOpus   = [...]byte{0xf8, 0xff, 0xfe}
	silenceMono   = [...]byte{0x00, 0xc8, 0x00, 0x80, 0x23, 0x80}
	silenceStereo = [...]byte{0x21, 0x00, 0x49, 0x90, 0x02, 0x19, 0x00, 0x23, 0x80}
)
