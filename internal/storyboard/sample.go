package storyboard

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/Eyevinn/mp4ff/bits"
	"github.com/Eyevinn/mp4ff/mp4"

	"headwater.stream/internal/media"
)

// Source opens the objects of a recording.
type Source interface {
	// OpenBoxes opens an object without holding all of it to its checksum.
	OpenBoxes(ctx context.Context, ref media.Ref) (media.Object, error)
}

// maxKeyFrame bounds what is read of a segment: a key frame of uncompressed size would not fit, one of any encoder does.
const maxKeyFrame = 16 << 20

// movie returns what ffmpeg is to read of a key frame: a fragment of that sample alone, at second n.
func movie(ctx context.Context, src Source, k *keyFrame, n int) ([]byte, error) {
	head, err := read(ctx, src, k)
	if err != nil {
		return nil, err
	}
	data, id, err := firstSample(head)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", k.ref.Name(), err)
	}
	frag, err := mp4.CreateFragment(uint32(n)+1, id)
	if err != nil {
		return nil, err
	}
	scale := k.init.Track.Timescale
	frag.Moof.Traf.Tfdt.SetBaseMediaDecodeTime(uint64(n) * uint64(scale))
	const flagsSync = 0x02000000 // depends on no other sample (ISO 14496-12 8.8.3.1)
	frag.Moof.Traf.Trun.AddSample(mp4.Sample{Flags: flagsSync, Dur: scale, Size: uint32(len(data))})
	frag.Mdat.AddSampleDataPart(data)
	sw := bits.NewFixedSliceWriter(int(frag.Size()))
	if err := frag.EncodeSW(sw); err != nil {
		return nil, err
	}
	return sw.Bytes(), nil
}

// read returns a segment up to the end of its first sample.
func read(ctx context.Context, src Source, k *keyFrame) ([]byte, error) {
	if k.size > maxKeyFrame {
		return nil, fmt.Errorf("%s: a key frame of %d bytes", k.ref.Name(), k.size)
	}
	o, err := src.OpenBoxes(ctx, k.ref)
	if err != nil {
		return nil, err
	}
	defer o.Close()
	if o.File == nil {
		return bytes.Join(o.Data, nil)[:min(k.size, o.Size)], nil
	}
	if _, err := o.File.Seek(o.Offset, io.SeekStart); err != nil {
		return nil, err
	}
	head := make([]byte, k.size)
	_, err = io.ReadFull(o.File, head)
	return head, err
}

// firstSample returns the first sample of a segment that is cut off behind it, and its track_ID.
func firstSample(head []byte) (data []byte, track uint32, err error) {
	for rest := head; len(rest) >= 8; {
		size := binary.BigEndian.Uint32(rest)
		if size < 8 || int64(size) > int64(len(rest)) {
			break
		}
		if string(rest[4:8]) != "moof" { // emsg
			rest = rest[size:]
			continue
		}
		b, err := mp4.DecodeBox(0, bytes.NewReader(rest[:size]))
		if err != nil {
			return nil, 0, err
		}
		m, ok := b.(*mp4.MoofBox)
		if !ok || m.Traf == nil || m.Traf.Tfhd == nil || m.Traf.Trun == nil || len(m.Traf.Trun.Samples) == 0 {
			break
		}
		n := int64(m.Traf.Trun.Samples[0].Size)
		if n == 0 || n > int64(len(rest))-int64(size)-8 {
			break
		}
		return head[int64(len(head))-n:], m.Traf.Tfhd.TrackID, nil
	}
	return nil, 0, fmt.Errorf("no moof with a first sample in %d bytes", len(head))
}
