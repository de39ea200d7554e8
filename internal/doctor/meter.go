package doctor

import (
	"time"

	"headwater.stream/internal/media"
)

// Config is what an event expects of its encoder.
type Config struct {
	Parts        bool          // it has low latency
	SegmentAim   time.Duration // segment length aimed at
	SegmentLimit time.Duration // TARGETDURATION: longer ones are cut between key frames
	PartTarget   time.Duration
}

// maxTracks bounds the tracks that are measured: ingest takes one of each kind.
const maxTracks = 2

// Meter measures one publish. It is not safe for concurrent use; it allocates nothing after NewMeter, and a copy of it can be
// measured while it goes on.
type Meter struct {
	cfg    Config
	tracks [maxTracks]trackMeter
	n      int // tracks
	lead   int // index of the track that tells the connection's state: the video

	began, heard time.Duration // first and last sample
	stalls       tally         // times that nothing came for stallFrom or longer
	partWait     ring
	partFirst    time.Duration // when the first sample of the part that is being made came; -1: none did
	repairs      [len(repairKinds)]tally
	dropped      tally
}

// trackMeter measures a track.
type trackMeter struct {
	media     media.Track
	picture   picture // of H.264
	scan      func([]byte) bool
	started   bool
	base      time.Duration // arrival less media time of the first sample
	last      time.Duration // media time of the newest sample
	arrived   time.Duration // when it came
	deltas    ring          // of media time
	late      ring          // arrival less media time
	clock     course        // the same, over minutes
	skew      course        // of audio: its media time less that of the video that came before it
	jumps     tally         // of timestamps
	backward  tally         // timestamps that do not rise
	seconds   [32]second    // by media time
	first     int64         // second that began before the run of timestamps, perhaps
	keys      [16]time.Duration
	keyN      int
	lastKey   time.Duration // media time; -1: none yet
	keyCame   time.Duration
	openKeys  tally // key pictures, or what stands for them, that decoding cannot begin with cleanly
	minOffset time.Duration
	maxOffset time.Duration
	loud      time.Duration // when the last sample came that is no silence
}

// second is what one second of media had.
type second struct {
	number        int64
	bytes, frames uint32
}

// jumpFrom is the step of timestamps from which on they begin anew.
const (
	jumpForward  = 3 * time.Second
	jumpBackward = -time.Second
)

// stallFrom is how long nothing comes for it to count as a stall.
const stallFrom = time.Second

// quietBytes is what an access unit of AAC has per channel, at most, when it is digital silence.
const quietBytes = 16

// NewMeter returns a meter.
func NewMeter(cfg Config) *Meter { return &Meter{cfg: cfg, began: -1, partFirst: -1} }

// Start takes the tracks, before the first sample and again when they have changed. at is the time since the publish began, here
// and everywhere.
func (m *Meter) Start(at time.Duration, tracks []media.Track) {
	n := min(len(tracks), maxTracks)
	lead := 0
	for i := range n {
		if tracks[i].Kind == media.Video {
			lead = i
		}
		was := &m.tracks[i]
		if i < m.n && was.media.Kind == tracks[i].Kind && was.media.Codec == tracks[i].Codec && was.media.Width == tracks[i].Width && was.media.Height == tracks[i].Height && was.media.SampleRate == tracks[i].SampleRate {
			was.media = tracks[i]
			continue
		}
		*was = trackMeter{media: tracks[i], lastKey: -1, keyCame: at, loud: at, arrived: at}
		if tracks[i].Kind == media.Video {
			was.picture, was.scan = readPicture(&tracks[i]), scanner(tracks[i].Codec)
		}
	}
	m.n, m.lead = n, lead
}

// Sample takes a sample that has just come.
func (m *Meter) Sample(at time.Duration, s *media.Sample) {
	if s.Track < 0 || s.Track >= m.n {
		return
	}
	t := &m.tracks[s.Track]
	x := media.Duration(s.DTS, t.media.Timescale)
	if m.began < 0 {
		m.began, m.heard = at, at
	}
	if gap := at - m.heard; gap >= stallFrom {
		m.stalls.add(at, 1, gap)
	}
	m.heard = at
	if s.Track == m.lead && m.partFirst < 0 {
		m.partFirst = at
	}
	if t.started {
		switch d := x - t.last; {
		case d > jumpForward && d-(at-t.arrived) > jumpForward, d < jumpBackward:
			t.jumps.add(at, 1, abs(d))
			t.restart(at, x)
		case d > jumpForward: // a pause of the encoder
		case d <= 0:
			t.backward.add(at, 1, -d)
			t.deltas.push(d)
		default:
			t.deltas.push(d)
		}
	} else {
		t.started = true
		t.restart(at, x)
	}
	t.last, t.arrived = x, at
	late := at - x - t.base
	t.late.push(late)
	t.clock.add(at, late)
	sec := int64(x / time.Second)
	b := &t.seconds[uint64(sec)%uint64(len(t.seconds))]
	if b.number != sec {
		*b = second{number: sec}
	}
	b.bytes += uint32(len(s.Data))
	b.frames++
	if t.media.Kind == media.Audio {
		m.audio(t, at, s)
	} else {
		t.video(at, x, s)
	}
}

func (m *Meter) audio(t *trackMeter, at time.Duration, s *media.Sample) {
	if len(s.Data) > quietBytes*max(t.media.Channels, 1) {
		t.loud = at
	}
	if v := &m.tracks[m.lead]; v.started && v != t {
		t.skew.add(at, t.last-v.last)
	}
}

func (t *trackMeter) video(at, x time.Duration, s *media.Sample) {
	offset := media.Duration(int64(s.Offset), t.media.Timescale)
	t.minOffset, t.maxOffset = min(t.minOffset, offset), max(t.maxOffset, offset)
	if s.Sync {
		if t.lastKey >= 0 && x > t.lastKey {
			t.keys[t.keyN%len(t.keys)] = x - t.lastKey
			t.keyN++
		}
		t.lastKey, t.keyCame = x, at
	}
	if t.scan != nil && t.scan(s.Data) {
		t.openKeys.add(at, 1, 0)
	}
}

// restart begins a run of timestamps.
func (t *trackMeter) restart(at, x time.Duration) {
	t.base = at - x
	t.first = int64(x / time.Second)
	t.late = ring{}
	t.clock.restart()
	t.skew.restart()
	t.lastKey = -1
}

// Part notes that a part of the lead track was announced.
func (m *Meter) Part(at time.Duration) {
	if m.partFirst >= 0 {
		m.partWait.push(at - m.partFirst)
		m.partFirst = -1
	}
}

// repairKinds are the repairs that are counted, by the name that the packager gives them.
var repairKinds = [...]string{"frame_time", "audio_fill", "audio_drop", "no_keyframe", "forced_cut", "frame_rate", "time_jump", "clock_drift", "track_stall", "track_return", "queue_dropped", "empty_sample"}

// Repaired notes that something was mended or dropped.
func (m *Meter) Repaired(at time.Duration, kind string, size time.Duration) {
	for i, k := range repairKinds {
		if k == kind {
			m.repairs[i].add(at, 1, abs(size))
		}
	}
}

// Dropped notes that messages of the encoder could not be used.
func (m *Meter) Dropped(at time.Duration, n int) { m.dropped.add(at, n, 0) }
