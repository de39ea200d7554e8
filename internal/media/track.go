package media

// Kind says what a track carries.
type Kind uint8

// The kinds of track.
const (
	Video Kind = iota + 1
	Audio
)

// String returns "video" or "audio", the MIME top-level type of the kind.
func (k Kind) String() string {
	switch k {
	case Video:
		return "video"
	case Audio:
		return "audio"
	}
	return "unknown"
}

// Rational is a fraction; the zero value means unknown.
type Rational struct{ Num, Den uint32 }

// Float returns the value, 0 when unknown.
func (r Rational) Float() float64 {
	if r.Den == 0 {
		return 0
	}
	return float64(r.Num) / float64(r.Den)
}

// Track describes one elementary stream from an encoder.
type Track struct {
	Kind      Kind
	Codec     string // RFC 6381 codecs parameter, from the configuration record: "avc1.640028", "mp4a.40.2", "hvc1.1.6.L93.B0"
	Timescale uint32 // ticks per second of all times of this track
	Config    []byte // AudioSpecificConfig (ISO 14496-3 1.6.2.1), or the payload of the codec's box: avcC, hvcC, av1C, vpcC, dOps, dac3, dec3, dfLa; never changed
	Bitrate   int    // bit/s as the encoder declared it, 0 when it did not
	Language  string // BCP 47, "und" when unknown

	// Video only.
	Width, Height int      // luma samples after cropping
	FrameRate     Rational // frames per second by the VUI, zero when it does not say

	// Audio only.
	SampleRate   int // Hz, as heard (after SBR); equals Timescale
	Channels     int
	FrameSamples int // samples per access unit at SampleRate: 1024, 960 or 2048; of the first where they differ (Opus)
}

// VideoTimescale is the timescale of every video track, in ticks per second: the least on which 23.976, 24, 25, 29.97,
// 30, 50, 59.94 and 60 frames per second all have a whole number of ticks per frame (5005, 5000, 4800, 4004, …).
const VideoTimescale = 120_000

// AudioTimescale is the timescale of every audio rendition, in ticks per second: the least common multiple of the AAC
// sampling rates from 8 to 96 kHz, so that the times of a rendition stay exact when the encoder comes back with another
// rate. The media itself is in the timescale of its Track.
const AudioTimescale = 14_112_000

// RenditionTimescale returns the timescale of renditions of a kind. It is the same for the life of an event.
func RenditionTimescale(k Kind) uint32 {
	if k == Audio {
		return AudioTimescale
	}
	return VideoTimescale
}

// Rescale converts ticks from one timescale to another, rounded to the nearest. From a track's timescale to its rendition's
// and back it loses nothing.
func Rescale(ticks int64, from, to uint32) int64 {
	if from == to {
		return ticks
	}
	f, half := int64(from), int64(from)/2
	if ticks < 0 {
		half = -half
	}
	return ticks/f*int64(to) + (ticks%f*int64(to)+half)/f
}

// Sample is one access unit as it came from the encoder.
type Sample struct {
	Track    int    // index in the slice given to SetTracks
	DTS      int64  // decoding time in the track's timescale, from the encoder's clock (1 ms precise under RTMP)
	Offset   int32  // PTS-DTS in the track's timescale
	Duration uint32 // in the track's timescale, 0 when the access unit does not tell (RTMP does not)
	Sync     bool   // the decoder can start here (IDR, IRAP, key frame; every audio frame)
	Data     []byte // H.264, HEVC: NAL units with 4-byte lengths; AV1: OBUs; else the access unit. Valid only during the call that carries it
}
