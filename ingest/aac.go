package ingest

import (
	"bytes"
	"errors"
	"fmt"

	"headwater.stream/internal/media"
)

// Audio object types (ISO 14496-3, table 1.17).
const (
	aotLC  = 2
	aotSBR = 5
	aotPS  = 29
)

var errASC = errors.New("AudioSpecificConfig is broken")

// aac is the codec for AAC in FLV: an AudioSpecificConfig (ISO 14496-3, 1.6.2.1) and raw access units.
type aac struct{}

var _ codec = (*aac)(nil)

func (*aac) configure(record []byte) (*media.Track, error) {
	c, err := parseASC(record)
	if err != nil {
		return nil, err
	}
	if c.object > 4 {
		return nil, &Refusal{CodeFailed, fmt.Sprintf("AAC of audio object type %d is not supported; send AAC-LC or HE-AAC.", c.object)}
	}
	samples := 1024
	if c.short {
		samples = 960
	}
	profile := c.object
	if c.extension != 0 {
		profile = c.extension
	}
	return &media.Track{
		Kind:         media.Audio,
		Codec:        fmt.Sprintf("mp4a.40.%d", profile), // RFC 6381, 3.3
		Timescale:    uint32(c.outRate),
		Config:       bytes.Clone(record),
		Language:     "und",
		SampleRate:   c.outRate,
		Channels:     c.channels,
		FrameSamples: samples * c.outRate / c.rate,
	}, nil
}

func (*aac) frame(data []byte) (frame, error) {
	if len(data) == 0 {
		return frame{}, errTag
	}
	return frame{data: data, sync: true}, nil
}

// asc is what matters in an AudioSpecificConfig.
type asc struct {
	object    int // of the core coder
	extension int // 5 (SBR) or 29 (parametric stereo) when signalled explicitly, else 0
	rate      int // of the core coder
	outRate   int // after SBR
	channels  int // as heard
	short     bool
}

func parseASC(b []byte) (asc, error) {
	r := bitReader{b: b}
	c := asc{object: objectType(&r)}
	c.rate = samplingFrequency(&r)
	c.outRate = c.rate
	configuration := r.bits(4)
	if c.object == aotSBR || c.object == aotPS { // hierarchical signalling
		c.extension = c.object
		c.outRate = samplingFrequency(&r)
		c.object = objectType(&r)
	}
	if r.short || c.rate < 7000 || c.rate > 192000 {
		return c, errASC
	}
	if c.object > 4 {
		return c, nil // refused by configure; the rest has another form
	}
	// GASpecificConfig (4.4.1).
	c.short = r.bits(1) == 1
	if r.bits(1) == 1 { // dependsOnCoreCoder
		r.bits(14)
	}
	r.bits(1) // extensionFlag: nothing follows for these object types
	switch {
	case configuration == 0:
		c.channels = programConfig(&r)
	case configuration < 7:
		c.channels = configuration
	case configuration == 7 || configuration == 12 || configuration == 14:
		c.channels = 8
	case configuration == 11:
		c.channels = 7
	}
	if r.short || c.channels == 0 {
		return c, errASC
	}
	if c.extension == 0 {
		c.backwardCompatible(&r)
	}
	if c.extension == aotPS && c.channels == 1 {
		c.channels = 2
	}
	if c.outRate < c.rate || c.outRate > 2*c.rate || c.outRate > 192000 {
		return c, errASC
	}
	return c, nil
}

// backwardCompatible reads SBR and PS signalled behind the configuration (1.6.2.1, syncExtensionType).
func (c *asc) backwardCompatible(r *bitReader) {
	if r.left() < 16 || r.bits(11) != 0x2b7 || objectType(r) != aotSBR || r.bits(1) == 0 {
		return
	}
	rate := samplingFrequency(r)
	if r.short || rate < c.rate || rate > 2*c.rate {
		return
	}
	c.extension, c.outRate = aotSBR, rate
	if r.left() >= 12 && r.bits(11) == 0x548 && r.bits(1) == 1 {
		c.extension = aotPS
	}
}

func objectType(r *bitReader) int {
	t := r.bits(5)
	if t == 31 {
		t = 32 + r.bits(6)
	}
	return t
}

func samplingFrequency(r *bitReader) int {
	rates := [...]int{96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350}
	i := r.bits(4)
	if i == 15 {
		return r.bits(24)
	}
	if i < len(rates) {
		return rates[i]
	}
	return 0
}

// programConfig counts the channels of a program_config_element (4.4.1.1).
func programConfig(r *bitReader) int {
	r.bits(4 + 2 + 4) // tag, object type, sampling frequency
	front, side, back, lfe := r.bits(4), r.bits(4), r.bits(4), r.bits(2)
	r.bits(3 + 4) // associated data, coupling channels
	for _, n := range []int{4, 4, 3} {
		if r.bits(1) == 1 { // mono mixdown, stereo mixdown, matrix mixdown
			r.bits(n)
		}
	}
	channels := lfe
	for i := front + side + back; i > 0; i-- {
		channels += 1 + r.bits(1) // a pair counts twice
		r.bits(4)
	}
	return channels
}
