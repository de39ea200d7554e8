package archive

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"headwater.stream/internal/media"
	"headwater.stream/internal/timeline"
)

// HeaderName is the file that makes a directory an asset directory. HeaderCopyName is a copy of it, made when the recording
// ends, for the case that it is damaged.
const (
	HeaderName     = "asset.json"
	HeaderCopyName = "asset-copy.json"
)

// headerFormat and HeaderVersion begin every asset.json.
const (
	headerFormat  = "headwater-asset"
	HeaderVersion = 1
)

// ErrHeaderVersion is returned for an asset.json that is not one of a known version.
var ErrHeaderVersion = errors.New("asset.json is not of format headwater-asset version 1")

type headerJSON struct {
	Format        string          `json:"format"`
	Version       int             `json:"version"`
	Anchor        time.Time       `json:"anchor"`        // wall-clock time of media time 0
	SegmentTarget int64           `json:"segmentTarget"` // ns
	PartTarget    int64           `json:"partTarget"`    // ns
	Parts         bool            `json:"parts"`
	Epoch         uint32          `json:"epoch"`
	Disc          uint32          `json:"discontinuitySequence"`
	Number        uint64          `json:"rangeStart"`
	Reserved      uint64          `json:"reserved,omitempty"`
	Boot          string          `json:"boot,omitempty"`
	Clean         bool            `json:"clean,omitempty"`
	ManifestName  string          `json:"manifestName,omitempty"`
	First         uint64          `json:"firstSegment,omitempty"`
	Ended         bool            `json:"ended,omitempty"`
	Ranges        []rangeJSON     `json:"ranges"`
	Renditions    []renditionJSON `json:"renditions"`
}

type rangeJSON struct {
	Epoch uint32 `json:"epoch"`
	Start int64  `json:"start"` // ns of media time
}

type renditionJSON struct {
	Name      string     `json:"name"`
	Kind      string     `json:"kind"`
	Timescale uint32     `json:"timescale"`
	Inits     []initJSON `json:"inits"`
}

type initJSON struct {
	ID           uint32         `json:"id"`
	Codec        string         `json:"codec"`
	Timescale    uint32         `json:"timescale"` // of the media
	Config       []byte         `json:"config"`    // base64
	Body         []byte         `json:"body,omitempty"`
	Bitrate      int            `json:"bitrate,omitempty"`
	Language     string         `json:"language,omitempty"`
	Width        int            `json:"width,omitempty"`
	Height       int            `json:"height,omitempty"`
	FrameRate    media.Rational `json:"frameRate,omitzero"`
	SampleRate   int            `json:"sampleRate,omitempty"`
	Channels     int            `json:"channels,omitempty"`
	FrameSamples int            `json:"frameSamples,omitempty"`
}

// headerEnd is how asset.json ends: with the checksum of all before it.
const headerEnd = ",\n  \"checksum\": \"%08x\"\n}\n"

// EncodeHeader makes asset.json. The bodies of the inits are files of their own too.
func EncodeHeader(h timeline.Header, info Info) ([]byte, error) {
	j := headerJSON{
		Format: headerFormat, Version: HeaderVersion, Anchor: h.Anchor.UTC(), SegmentTarget: int64(h.SegmentTarget), PartTarget: int64(h.PartTarget),
		Parts: h.Parts, Epoch: h.Epoch, Disc: h.Disc, Number: h.Number, Reserved: h.Reserved, Boot: info.Boot, Clean: info.Clean, ManifestName: info.ManifestName, First: info.First, Ended: info.Ended,
		Renditions: []renditionJSON{}, Ranges: []rangeJSON{},
	}
	for _, r := range h.Ranges {
		j.Ranges = append(j.Ranges, rangeJSON{r.Epoch, int64(r.Start)})
	}
	for _, r := range h.Renditions {
		rj := renditionJSON{Name: r.Name, Kind: r.Kind.String(), Timescale: r.Timescale}
		for _, in := range r.Inits {
			t := in.Track
			rj.Inits = append(rj.Inits, initJSON{in.ID, t.Codec, t.Timescale, t.Config, in.Body, t.Bitrate, t.Language, t.Width, t.Height, t.FrameRate, t.SampleRate, t.Channels, t.FrameSamples})
		}
		j.Renditions = append(j.Renditions, rj)
	}
	b, err := json.MarshalIndent(j, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encoding %s: %w", HeaderName, err)
	}
	b = bytes.TrimSuffix(b, []byte("\n}"))
	return fmt.Appendf(b, headerEnd, Checksum(0, b)), nil
}

// DecodeHeader reads asset.json. The bodies of inits that it does not have, which an earlier writer left out, are nil.
func DecodeHeader(b []byte) (timeline.Header, Info, error) {
	if i := bytes.LastIndex(b, []byte(",\n  \"checksum\": ")); i >= 0 && string(b[i:]) != fmt.Sprintf(headerEnd, Checksum(0, b[:i])) {
		return timeline.Header{}, Info{}, fmt.Errorf("%w: %s does not match its checksum", ErrDamaged, HeaderName)
	}
	var j headerJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return timeline.Header{}, Info{}, fmt.Errorf("%w: %s: %w", ErrDamaged, HeaderName, err)
	}
	if j.Format != headerFormat || j.Version != HeaderVersion {
		return timeline.Header{}, Info{}, ErrHeaderVersion
	}
	h := timeline.Header{
		Anchor: j.Anchor, SegmentTarget: time.Duration(j.SegmentTarget), PartTarget: time.Duration(j.PartTarget), Parts: j.Parts,
		Epoch: j.Epoch, Disc: j.Disc, Number: j.Number, Reserved: j.Reserved,
	}
	for _, r := range j.Ranges {
		h.Ranges = append(h.Ranges, media.Range{Epoch: r.Epoch, Start: time.Duration(r.Start)})
	}
	for _, rj := range j.Renditions {
		r := timeline.HeaderRendition{Name: rj.Name, Timescale: rj.Timescale}
		switch rj.Kind {
		case media.Video.String():
			r.Kind = media.Video
		case media.Audio.String():
			r.Kind = media.Audio
		default:
			return timeline.Header{}, Info{}, fmt.Errorf("%w: rendition of kind %q", ErrDamaged, rj.Kind)
		}
		if r.Timescale == 0 {
			return timeline.Header{}, Info{}, fmt.Errorf("%w: rendition %s has timescale 0", ErrDamaged, r.Name)
		}
		for _, i := range rj.Inits {
			if i.Timescale == 0 {
				return timeline.Header{}, Info{}, fmt.Errorf("%w: initialization section %d of %s has timescale 0", ErrDamaged, i.ID, r.Name)
			}
			r.Inits = append(r.Inits, media.Init{ID: i.ID, Body: i.Body, Track: media.Track{
				Kind: r.Kind, Codec: i.Codec, Timescale: i.Timescale, Config: i.Config, Bitrate: i.Bitrate, Language: i.Language, Width: i.Width, Height: i.Height,
				FrameRate: i.FrameRate, SampleRate: i.SampleRate, Channels: i.Channels, FrameSamples: i.FrameSamples,
			}})
		}
		h.Renditions = append(h.Renditions, r)
	}
	return h, Info{ManifestName: j.ManifestName, First: j.First, Ended: j.Ended, Boot: j.Boot, Clean: j.Clean}, nil
}
