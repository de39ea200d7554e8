package cmaf

import (
	"fmt"
	"strings"

	"github.com/Eyevinn/mp4ff/avc"
	"github.com/Eyevinn/mp4ff/bits"
	"github.com/Eyevinn/mp4ff/mp4"

	"headwater.stream/internal/media"
)

// trackID is the track_ID in every file: one track per file (CMAF 7.3.1).
const trackID = 1

// BuildInit makes the initialization section (ftyp + moov) of a track. It fails on a configuration record that cannot be
// carried. The bytes depend on t alone.
func BuildInit(t media.Track) (body []byte, err error) {
	// mp4ff parses parameter sets that came from the network: a bug there must not take the event down.
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("cmaf: %s configuration record: %v", t.Codec, r)
		}
	}()
	seg := mp4.CreateEmptyInit()
	// cmf2: signed composition offsets, no edit list (CMAF 7.2); iso6 as rfc8216bis 3.1.2 asks.
	ftyp := mp4.NewFtyp("iso6", 0, []string{"iso6", "cmfc", "cmf2", "dash"})
	seg.Children[0], seg.Ftyp = ftyp, ftyp
	trak := seg.AddEmptyTrack(t.Timescale, t.Kind.String(), "und")
	switch {
	case strings.HasPrefix(t.Codec, "avc1."):
		err = describeAVC(trak, t)
	case strings.HasPrefix(t.Codec, "mp4a.40."):
		describeAAC(trak, t)
	default:
		err = fmt.Errorf("cmaf: codec %q is not carried", t.Codec)
	}
	if err != nil {
		return nil, err
	}
	sw := bits.NewFixedSliceWriter(int(seg.Size()))
	if err := seg.EncodeSW(sw); err != nil {
		return nil, fmt.Errorf("cmaf: encoding initialization section: %w", err)
	}
	return sw.Bytes(), nil
}

func describeAVC(trak *mp4.TrakBox, t media.Track) error {
	rec, err := avc.DecodeAVCDecConfRec(t.Config)
	if err != nil {
		return fmt.Errorf("cmaf: avcC: %w", err)
	}
	if len(rec.SPSnalus) == 0 || len(rec.PPSnalus) == 0 {
		return fmt.Errorf("cmaf: avcC has no parameter sets")
	}
	if err := trak.SetAVCDescriptor("avc1", rec.SPSnalus, rec.PPSnalus, true); err != nil {
		return fmt.Errorf("cmaf: avc1 sample entry: %w", err)
	}
	if t.Width > 0 && t.Height > 0 { // cropping as ingest read it
		trak.Tkhd.Width, trak.Tkhd.Height = mp4.Fixed32(t.Width<<16), mp4.Fixed32(t.Height<<16)
	}
	return nil
}

func describeAAC(trak *mp4.TrakBox, t media.Track) {
	rate := t.SampleRate
	if rate > 0xffff {
		rate = 0 // 16.16 cannot hold it; the AudioSpecificConfig says it (14496-12 12.2.3)
	}
	entry := mp4.CreateAudioSampleEntryBox("mp4a", uint16(t.Channels), 16, uint16(rate), mp4.CreateEsdsBox(t.Config))
	trak.Mdia.Minf.Stbl.Stsd.AddChild(entry)
}
