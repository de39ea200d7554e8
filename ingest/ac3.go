package ingest

import (
	"bytes"
	"errors"

	mcac3 "github.com/bluenviron/mediacommon/v2/pkg/codecs/ac3"

	"headwater.stream/internal/media"
)

var errAC3 = errors.New("AC-3 frame is broken")

// ac3 is the codec for AC-3 in enhanced RTMP, which has no configuration record: every syncframe (ETSI TS 102 366, 4.3)
// says it all.
type ac3 struct{ dac3 []byte }

var _ codec = (*ac3)(nil)

// configure ignores what some encoders send as a sequence start.
func (*ac3) configure([]byte) (*media.Track, error) { return nil, nil }

func (c *ac3) frame(data []byte) (frame, error) {
	var sync mcac3.SyncInfo
	if len(data) < 8 || sync.Unmarshal(data) != nil || sync.FrameSize() != len(data) {
		return frame{}, errAC3
	}
	r := bitReader{b: data[5:8]}
	id, mode := r.bits(5), r.bits(3) // bsid, bsmod
	acmod := r.bits(3)
	if acmod&1 != 0 && acmod != 1 {
		r.skip(2) // cmixlev
	}
	if acmod&4 != 0 {
		r.skip(2) // surmixlev
	}
	if acmod == 2 {
		r.skip(2) // dsurmod
	}
	lfe := r.bits(1)
	if id > 8 {
		return frame{}, errAC3
	}
	var w bitWriter // AC3SpecificBox (annex F.4)
	w.put(int(sync.Fscod), 2)
	w.put(id, 5)
	w.put(mode, 3)
	w.put(acmod, 3)
	w.put(lfe, 1)
	w.put(int(sync.Frmsizecod>>1), 5) // bit_rate_code
	w.put(0, 5)
	f := frame{data: data, sync: true}
	if !bytes.Equal(w.b, c.dac3) {
		c.dac3 = w.b
		f.track = &media.Track{
			Kind:         media.Audio,
			Codec:        "ac-3",
			Timescale:    uint32(sync.SampleRate()),
			Config:       w.b,
			Language:     "und",
			SampleRate:   sync.SampleRate(),
			Channels:     dolbyChannels(acmod) + lfe,
			FrameSamples: 6 * dolbyBlock,
		}
	}
	return f, nil
}

// dolbyBlock is the number of samples in an audio block of AC-3 and E-AC-3.
const dolbyBlock = 256

// dolbyChannels returns the number of full-range channels of an audio coding mode (table 4.3).
func dolbyChannels(acmod int) int { return [8]int{2, 1, 2, 3, 3, 4, 4, 5}[acmod&7] }
