package doctor

import (
	"slices"
	"time"

	"headwater.stream/internal/media"
)

// Measurements are what a meter has seen, as of a moment. Counts are of the last minute.
type Measurements struct {
	Config
	Span     time.Duration // since the first sample
	Silent   time.Duration // since the newest sample
	Stalls   int
	Longest  time.Duration // stall
	Jumps    int           // of timestamps
	JumpSize time.Duration
	Jitter   Spread // how much later than the quickest the frames of the lead come
	Pace     Trend  // how the lead's media time falls behind our clock
	PartWait Spread // from the first frame of a part to its announcement
	Repairs  map[string]Count
	Dropped  int // messages

	Video *VideoMeasure // nil: there is none
	Audio *AudioMeasure // nil: there is none
}

// Count is how often something happened, and the largest.
type Count struct {
	N    int
	Most time.Duration
}

// Trend is how a difference of two clocks changed.
type Trend struct {
	Change, Over time.Duration
	Steady       bool // it rises, or falls, all the time
}

// PPM returns the change in parts per million.
func (t Trend) PPM() float64 {
	if t.Over == 0 {
		return 0
	}
	return float64(t.Change) / float64(t.Over) * 1e6
}

// TrackMeasure is what is measured of every track.
type TrackMeasure struct {
	media.Track
	Bitrate  int           // bit/s in the last 20 s of media
	Peak     int           // bit/s in the second that has most
	Seconds  int           // whole seconds of media that Bitrate is of
	Stopped  time.Duration // since its newest sample
	Backward int           // timestamps that did not rise
	BackBy   time.Duration
}

// VideoMeasure is what is measured of a video track.
type VideoMeasure struct {
	TrackMeasure
	Frames    int     // looked at for what follows
	FPS       float64 // of the frame grid
	Missing   float64 // share of frames that are missing in the grid
	Irregular float64 // share of frames that are off it

	Keys     []time.Duration // last distances of key frames
	SinceKey time.Duration   // since the last key frame came, or the track was announced
	OpenKeys int
	Reorder  time.Duration // by which pictures are shown later than decoded
	Negative time.Duration // by which pictures are to be shown before they are decoded

	Picture picture
}

// AudioMeasure is what is measured of an audio track.
type AudioMeasure struct {
	TrackMeasure
	Quiet time.Duration // since the last access unit that was more than digital silence has
	Skew  time.Duration // its media time less that of the video that comes with it
	Drift Trend         // of Skew
}

// Measure says what was seen until at. It does not change the meter, which may be a copy.
func (m *Meter) Measure(at time.Duration) *Measurements {
	v := &Measurements{Config: m.cfg, Repairs: map[string]Count{}}
	if m.began < 0 {
		return v
	}
	v.Span, v.Silent = m.heard-m.began, at-m.heard
	v.Stalls, v.Longest = m.stalls.read(at)
	v.PartWait = m.partWait.spread(false)
	v.Dropped, _ = m.dropped.read(at)
	for i, kind := range repairKinds {
		if n, most := m.repairs[i].read(at); n > 0 {
			v.Repairs[kind] = Count{n, most}
		}
	}
	lead := &m.tracks[m.lead]
	v.Jitter = lead.late.spread(true)
	v.Pace = trendOf(lead.clock.values(&lead.clock.leasts))
	for i := range m.n {
		t := &m.tracks[i]
		n, size := t.jumps.read(at)
		v.Jumps, v.JumpSize = max(v.Jumps, n), max(v.JumpSize, size)
		if !t.started {
			continue
		}
		if t.media.Kind == media.Video {
			v.Video = t.measureVideo(at)
		} else {
			v.Audio = t.measureAudio(at)
		}
	}
	return v
}

func trendOf(values []int64) (t Trend) {
	t.Change, t.Over, t.Steady = trend(values)
	return t
}

func (t *trackMeter) measure(at time.Duration) TrackMeasure {
	v := TrackMeasure{Track: t.media, Stopped: at - t.arrived}
	v.Backward, v.BackBy = t.backward.read(at)
	const window = 20
	sum, now := 0, int64(t.last/time.Second)
	for i := range t.seconds {
		s := &t.seconds[i]
		if s.frames == 0 || s.number >= now || s.number < now-window || s.number == t.first {
			continue
		}
		v.Seconds++
		sum += int(s.bytes)
		v.Peak = max(v.Peak, int(s.bytes)*8)
	}
	if v.Seconds > 0 {
		v.Bitrate = sum * 8 / v.Seconds
	}
	return v
}

func (t *trackMeter) measureVideo(at time.Duration) *VideoMeasure {
	v := &VideoMeasure{TrackMeasure: t.measure(at), SinceKey: at - t.keyCame, Reorder: t.maxOffset - t.minOffset, Negative: -t.minOffset, Picture: t.picture}
	if t.maxOffset > 0 {
		v.Negative = 0 // pictures are reordered; only where the clock of the encoder begins is odd
	}
	v.OpenKeys, _ = t.openKeys.read(at)
	for i := max(0, t.keyN-len(t.keys)); i < t.keyN; i++ {
		v.Keys = append(v.Keys, t.keys[i%len(t.keys)])
	}
	v.grid(&t.deltas)
	return v
}

// grid finds the frame grid in the distances of frames: the mean of those near the median, which is exact where timestamps are
// whole milliseconds, and what is off it.
func (v *VideoMeasure) grid(r *ring) {
	list := r.sorted()
	if len(list) == 0 {
		return
	}
	median := list[len(list)/2]
	sum, n := int64(0), int64(0)
	for _, d := range list {
		if d > median/2 && d < median+median/2 {
			sum += int64(d)
			n++
		}
	}
	if n == 0 || sum <= 0 {
		return
	}
	v.Frames, v.FPS = len(list), float64(n)*1e6/float64(sum)
	period := float64(sum) / float64(n)
	missing, irregular, total, even := 0, 0, int64(0), int64(0)
	for _, d := range list {
		frames := max(1, int(float64(d)/period+0.5))
		if d < int32(time.Second/time.Microsecond) {
			total += int64(d)
			even++
		}
		off := abs(float64(d) - float64(frames)*period)
		switch {
		case d > int32(time.Second/time.Microsecond): // a pause, or what comes after a stall
		case off > max(0.25*period, 3000):
			irregular++
		default:
			missing += frames - 1
		}
	}
	v.Missing = float64(missing) / float64(len(list)+missing)
	if v.Irregular = float64(irregular) / float64(len(list)); v.Irregular > irregularMin && total > 0 {
		v.FPS = float64(even) * 1e6 / float64(total) // there is no grid: the average
	}
}

func (t *trackMeter) measureAudio(at time.Duration) *AudioMeasure {
	v := &AudioMeasure{TrackMeasure: t.measure(at), Quiet: t.arrived - t.loud}
	means := t.skew.values(&t.skew.means)
	v.Drift = trendOf(means)
	if len(means) > 0 {
		v.Skew = time.Duration(means[len(means)-1]) * time.Microsecond
	}
	return v
}

// keySpread returns the shortest and the longest of the newest distances of key frames.
func (v *VideoMeasure) keySpread() (shortest, longest time.Duration) {
	if len(v.Keys) == 0 {
		return 0, 0
	}
	return slices.Min(v.Keys), slices.Max(v.Keys)
}
