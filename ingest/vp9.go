package ingest

import (
	"errors"
	"fmt"

	mcvp9 "github.com/bluenviron/mediacommon/v2/pkg/codecs/vp9"

	"headwater.stream/internal/media"
)

var (
	errVP9Record = errors.New("VP9 configuration record is broken")
	errVP9Frame  = errors.New("VP9 frame header is broken")
)

// vp9 is the codec for VP9 in enhanced RTMP: a VPCodecConfigurationRecord (webmproject.org/vp9/mp4), which does not know
// the picture size, and frames or superframes. The track shows with the first key frame.
type vp9 struct {
	record []byte // 6 bytes: profile, level, depth and chroma, three of colour; nil when the encoder sent none
	now    vp9Picture
}

var _ codec = (*vp9)(nil)

// vp9Picture is what a key frame says.
type vp9Picture struct {
	width, height          int
	profile, depth, chroma int
	fullRange              bool
}

func (c *vp9) configure(record []byte) (*media.Track, error) {
	// Encoders send the record, or the whole vpcC box with version 1 and flags 0 before it: never a profile 1 of level 0.
	if len(record) >= 4 && record[0] == 1 && record[1]|record[2]|record[3] == 0 {
		record = record[4:]
	}
	if len(record) < 6 || record[0] > 3 {
		return nil, errVP9Record
	}
	c.record = append([]byte(nil), record[:6]...)
	c.now = vp9Picture{}
	return nil, nil
}

func (c *vp9) frame(data []byte) (f frame, err error) {
	defer func() { // the parser has been fuzzed, but these are hostile bytes
		if p := recover(); p != nil {
			f, err = frame{}, fmt.Errorf("%w: %v", errVP9Frame, p)
		}
	}()
	var h mcvp9.Header
	if err := h.Unmarshal(data); err != nil {
		return frame{}, fmt.Errorf("%w: %v", errVP9Frame, err)
	}
	f = frame{data: data, sync: !h.ShowExistingFrame && !h.NonKeyFrame}
	if !f.sync {
		if c.now.width == 0 {
			return frame{}, errConfig
		}
		return f, nil
	}
	p := vp9Picture{width: h.Width(), height: h.Height(), profile: int(h.Profile), depth: int(h.ColorConfig.BitDepth),
		chroma: int(h.ChromaSubsampling()), fullRange: h.ColorConfig.ColorRange}
	if p.width > maxPicture || p.height > maxPicture {
		return frame{}, fmt.Errorf("%w: picture of %dx%d", errVP9Frame, p.width, p.height)
	}
	if p != c.now {
		c.now = p
		f.track = c.track()
	}
	return f, nil
}

// track describes the picture of the last key frame, with the level and the colours from the record.
func (c *vp9) track() *media.Track {
	p := c.now
	level, colours := vp9Level(p.width, p.height), []byte{2, 2, 2} // unspecified (ISO 23091-2)
	if r := c.record; r != nil {
		colours = r[3:6]
		level = max(level, int(r[1]))
	}
	var w bitWriter
	w.put(1, 8) // version of vpcC
	w.put(0, 24)
	w.put(p.profile, 8)
	w.put(level, 8)
	w.put(p.depth, 4)
	w.put(p.chroma, 3)
	if p.fullRange {
		w.put(1, 1)
	} else {
		w.put(0, 1)
	}
	config := append(w.b, colours...)
	return &media.Track{
		Kind:      media.Video,
		Codec:     fmt.Sprintf("vp09.%02d.%02d.%02d", p.profile, level, p.depth), // webmproject.org/vp9/mp4, "Codecs Parameter String"
		Timescale: media.VideoTimescale,
		Config:    append(config, 0, 0), // no codecInitializationData
		Language:  "und",
		Width:     p.width, Height: p.height,
	}
}

// vp9Level returns the least level whose pictures can be that large (webmproject.org/vp9/levels), times ten.
func vp9Level(w, h int) int {
	levels := [...]struct{ level, picture, side int }{
		{10, 36864, 512}, {11, 73728, 768}, {20, 122880, 960}, {21, 245760, 1344}, {30, 552960, 2048}, {31, 983040, 2752},
		{40, 2228224, 4160}, {50, 8912896, 8384}, {60, 35651584, 16832},
	}
	for _, l := range levels {
		if w*h <= l.picture && max(w, h) <= l.side {
			return l.level
		}
	}
	return 62
}
