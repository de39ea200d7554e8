package ingest

import (
	"bytes"
	"errors"
	"math/bits"

	"headwater.stream/internal/media"
)

var errEAC3 = errors.New("E-AC-3 frame is broken")

// eac3 is the codec for E-AC-3 in enhanced RTMP (ETSI TS 102 366, annex E), which has no configuration record. An access
// unit is one syncframe or several: those of the independent substream, and of the dependent ones that add channels.
type eac3 struct{ dec3 []byte }

var _ codec = (*eac3)(nil)

// eac3Unit is what the syncframes of an access unit say together.
type eac3Unit struct {
	fscod, rate          int
	bsid, bsmod          int
	acmod, lfe           int
	blocks               int // of the independent substream
	dependents, location int
	bytes                int
}

// configure ignores what some encoders send as a sequence start.
func (*eac3) configure([]byte) (*media.Track, error) { return nil, nil }

func (c *eac3) frame(data []byte) (frame, error) {
	u, err := parseEAC3(data)
	if err != nil {
		return frame{}, err
	}
	samples := u.blocks * dolbyBlock
	f := frame{data: data, sync: true, duration: uint32(samples)}
	config := u.config(samples)
	// The data rate is the peak of a stream of variable rate: it is no change.
	if len(config) == len(c.dec3) && config[1]&7 == c.dec3[1]&7 && bytes.Equal(config[2:], c.dec3[2:]) {
		return f, nil
	}
	c.dec3 = config
	extra := 0
	for i := range 9 { // pairs count twice (table F.2)
		if u.location>>i&1 != 0 {
			extra++
			if pairs := 0b001110011; pairs>>i&1 != 0 {
				extra++
			}
		}
	}
	f.track = &media.Track{
		Kind:         media.Audio,
		Codec:        "ec-3",
		Timescale:    uint32(u.rate),
		Config:       config,
		Language:     "und",
		SampleRate:   u.rate,
		Channels:     dolbyChannels(u.acmod) + u.lfe + extra,
		FrameSamples: samples,
	}
	return f, nil
}

// config makes an EC3SpecificBox (annex F.6).
func (u *eac3Unit) config(samples int) []byte {
	var w bitWriter
	w.put(min(8*u.bytes*u.rate/samples/1000, 1<<13-1), 13)
	w.put(0, 3) // one independent substream
	w.put(u.fscod, 2)
	w.put(u.bsid, 5)
	w.put(0, 2) // reserved, asvc
	w.put(u.bsmod, 3)
	w.put(u.acmod, 3)
	w.put(u.lfe, 1)
	w.put(0, 3)
	w.put(u.dependents, 4)
	if u.dependents > 0 {
		w.put(u.location, 9)
	} else {
		w.put(0, 1)
	}
	return w.b
}

// parseEAC3 reads the syncframes of an access unit.
func parseEAC3(data []byte) (u eac3Unit, err error) {
	const dependent, transcoded = 1, 2
	u.bytes = len(data)
	frames := 0 // of the independent substream
	for b := data; len(b) > 0; {
		if len(b) < 8 || b[0] != 0x0b || b[1] != 0x77 {
			return u, errEAC3
		}
		r := bitReader{b: b[2:min(len(b), 64)]}
		typ, substream := r.bits(2), r.bits(3)
		size := 2 * (r.bits(11) + 1)
		if size > len(b) {
			return u, errEAC3
		}
		fscod, code := r.bits(2), r.bits(2)
		rate, blocks := 0, 6
		if fscod == 3 {
			rate = [4]int{24000, 22050, 16000, 0}[code]
		} else {
			rate, blocks = [3]int{48000, 44100, 32000}[fscod], [4]int{1, 2, 3, 6}[code]
		}
		acmod, lfe, id := r.bits(3), r.bits(1), r.bits(5)
		if rate == 0 || id < 11 || id > 16 || typ > transcoded {
			return u, errEAC3
		}
		switch {
		case typ == dependent && frames > 0:
			if frames == 1 && u.dependents < 15 { // later ones repeat those of the first frame
				u.dependents++
				u.location |= dependentChannels(&r, acmod)
			}
		case typ != dependent && substream == 0 && frames == 0:
			u.fscod, u.rate, u.bsid, u.acmod, u.lfe, u.blocks, frames = fscod, rate, id, acmod, lfe, blocks, 1
		case typ != dependent && substream == 0 && u.rate == rate && u.blocks+blocks <= 6:
			u.blocks += blocks // an access unit of several short frames
			frames++
		default:
			return u, errEAC3
		}
		b = b[size:]
	}
	if frames == 0 {
		return u, errEAC3
	}
	return u, nil
}

// dependentChannels reads on to the channel map of a dependent substream (E.1.2.2) and returns what it adds, as the
// chan_loc of the file format: bits 5 to 12 of the map, counted from the first, and its bit 14, the second LFE channel.
func dependentChannels(r *bitReader, acmod int) int {
	programmes := 1
	if acmod == 0 { // dual mono
		programmes = 2
	}
	for range programmes {
		r.skip(5) // dialnorm
		if r.flag() {
			r.skip(8) // compr
		}
	}
	if !r.flag() {
		return 0
	}
	chanmap := r.bits(16)
	if r.short {
		return 0
	}
	location := int(bits.Reverse16(uint16(chanmap))) >> 5 & 0xff
	return location | chanmap>>1&1<<8
}
