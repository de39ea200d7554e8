package cmaf

import (
	"encoding/binary"
	"fmt"
	"strings"

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
	name, _, _ := strings.Cut(t.Codec, ".")
	switch name {
	case "mp4a":
		describeAudio(trak, t, "mp4a", mp4.CreateEsdsBox(t.Config))
	default:
		err = describe(trak, t, name)
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

// sampleEntries are the codecs whose configuration is a box of its own in the sample entry, by the first element of the
// codecs parameter.
var sampleEntries = map[string]struct{ entry, box string }{
	"avc1": {"avc1", "avcC"},
	"hvc1": {"hvc1", "hvcC"},
	"av01": {"av01", "av1C"},
	"vp09": {"vp09", "vpcC"},
	"opus": {"Opus", "dOps"},
	"ac-3": {"ac-3", "dac3"},
	"ec-3": {"ec-3", "dec3"},
	"fLaC": {"fLaC", "dfLa"},
}

// describe puts the configuration into a sample entry of the codec's name. mp4ff reads the box first, so that one that
// cannot be carried is found here.
func describe(trak *mp4.TrakBox, t media.Track, name string) error {
	e, ok := sampleEntries[name]
	if !ok {
		return fmt.Errorf("cmaf: codec %q is not carried", t.Codec)
	}
	b := binary.BigEndian.AppendUint32(nil, uint32(8+len(t.Config)))
	b = append(append(b, e.box...), t.Config...)
	box, err := mp4.DecodeBoxSR(0, bits.NewFixedSliceReader(b))
	if err != nil {
		return fmt.Errorf("cmaf: %s: %w", e.box, err)
	}
	if box.Type() != e.box || box.Size() != uint64(len(b)) {
		return fmt.Errorf("cmaf: %s is not understood", e.box)
	}
	if t.Kind == media.Audio {
		describeAudio(trak, t, e.entry, box)
		return nil
	}
	if t.Width <= 0 || t.Height <= 0 || t.Width > 0xffff || t.Height > 0xffff {
		return fmt.Errorf("cmaf: picture of %dx%d", t.Width, t.Height)
	}
	trak.Mdia.Minf.Stbl.Stsd.AddChild(mp4.CreateVisualSampleEntryBox(e.entry, uint16(t.Width), uint16(t.Height), box))
	trak.Tkhd.Width, trak.Tkhd.Height = mp4.Fixed32(t.Width<<16), mp4.Fixed32(t.Height<<16)
	return nil
}

func describeAudio(trak *mp4.TrakBox, t media.Track, entry string, config mp4.Box) {
	rate := t.SampleRate
	if rate > 0xffff {
		rate = 0 // 16.16 cannot hold it; the configuration says it (14496-12 12.2.3)
	}
	trak.Mdia.Minf.Stbl.Stsd.AddChild(mp4.CreateAudioSampleEntryBox(entry, uint16(t.Channels), 16, uint16(rate), config))
}
