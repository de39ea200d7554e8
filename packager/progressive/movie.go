package progressive

import (
	"math"

	"github.com/Eyevinn/mp4ff/mp4"

	"headwater.stream/internal/media"
)

// movie makes the moov. pieces are where the chunks are; nil: not known yet, which makes no difference to the size.
func movie(tracks []*track, pieces []piece, wide bool) (*mp4.MoovBox, error) {
	// The file begins with the track that begins first.
	start := int64(math.MaxInt64)
	for _, t := range tracks {
		start = min(start, media.Rescale(t.start, t.scale, movieScale))
	}
	moov := mp4.NewMoovBox()
	mvhd := mp4.CreateMvhd()
	mvhd.Timescale, mvhd.NextTrackID = movieScale, uint32(len(tracks))+1
	moov.AddChild(mvhd)
	length := int64(0)
	for i, t := range tracks {
		delay := media.Rescale(t.start, t.scale, movieScale) - start
		whole := media.Rescale(t.length(), t.scale, movieScale)
		length = max(length, delay+whole)
		trak, err := t.box(uint32(i)+1, delay, whole, pieces, wide)
		if err != nil {
			return nil, err
		}
		moov.AddChild(trak)
	}
	mvhd.Duration = uint64(length)
	if length > math.MaxUint32 {
		mvhd.Version = 1
	}
	return moov, nil
}

// box makes the trak, which is that of the first initialization section with times, edits and sample tables.
func (t *track) box(id uint32, delay, length int64, pieces []piece, wide bool) (*mp4.TrakBox, error) {
	trak := mp4.NewTrakBox()
	tkhd, mdhd := *t.trak.Tkhd, *t.trak.Mdia.Mdhd
	tkhd.TrackID, tkhd.Duration, tkhd.Flags = id, uint64(delay+length), 7 // enabled, in the movie and in the preview
	mdhd.Timescale, mdhd.Duration = t.scale, uint64(t.length())
	if tkhd.Duration > math.MaxUint32 {
		tkhd.Version = 1
	}
	if mdhd.Duration > math.MaxUint32 {
		mdhd.Version = 1
	}
	trak.AddChild(&tkhd)
	if delay > 0 {
		// ISO 14496-12 8.6.6: an empty edit, with media_time -1, makes the track begin later.
		elst := &mp4.ElstBox{Version: 1, Entries: []mp4.ElstEntry{
			{SegmentDuration: uint64(delay), MediaTime: -1, MediaRateInteger: 1},
			{SegmentDuration: uint64(length), MediaTime: 0, MediaRateInteger: 1},
		}}
		edts := &mp4.EdtsBox{}
		edts.AddChild(elst)
		trak.AddChild(edts)
	}
	mdia := mp4.NewMdiaBox()
	trak.AddChild(mdia)
	mdia.AddChild(&mdhd)
	mdia.AddChild(t.trak.Mdia.Hdlr)
	minf := mp4.NewMinfBox()
	mdia.AddChild(minf)
	for _, c := range t.trak.Mdia.Minf.Children {
		if c.Type() != "stbl" {
			minf.AddChild(c)
		}
	}
	minf.AddChild(t.tables(pieces, wide))
	return trak, nil
}

func (t *track) tables(pieces []piece, wide bool) *mp4.StblBox {
	stbl := mp4.NewStblBox()
	stbl.AddChild(t.stsd)
	stbl.AddChild(&t.stts)
	if t.signs {
		stbl.AddChild(&t.ctts)
	}
	if !t.sync {
		stbl.AddChild(&t.stss)
	}
	stbl.AddChild(&t.stsc)
	t.stsz.SampleNumber = t.count
	stbl.AddChild(&t.stsz)
	at := func(i int) int64 {
		if pieces == nil {
			return 0
		}
		return pieces[i].at
	}
	if wide {
		co64 := &mp4.Co64Box{}
		for _, i := range t.pieces {
			co64.ChunkOffset = append(co64.ChunkOffset, uint64(at(i)))
		}
		stbl.AddChild(co64)
		return stbl
	}
	stco := &mp4.StcoBox{}
	for _, i := range t.pieces {
		stco.ChunkOffset = append(stco.ChunkOffset, uint32(at(i)))
	}
	stbl.AddChild(stco)
	return stbl
}
