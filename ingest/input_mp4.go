package ingest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sort"

	"github.com/Eyevinn/mp4ff/mp4"

	"headwater.stream/internal/media"
)

// mp4Source reads the samples of an MP4 file through an index that is made when it is opened.
type mp4Source struct {
	f       *os.File
	has     [2]bool // video, audio
	configs []Packet
	index   []mp4Sample
	next    int
	buf     []byte
}

var _ Source = (*mp4Source)(nil)

type mp4Sample struct {
	kind   media.Kind
	fourCC string
	sync   bool
	dts    int64 // ms
	cts    int32 // ms
	offset int64
	size   uint32
}

// mp4Track is a track that can be published.
type mp4Track struct {
	kind      media.Kind
	fourCC    string
	id        uint32
	timescale uint32
	shift     int64 // from media time to presentation, in timescale: what the edit list says
	trak      *mp4.TrakBox
	trex      *mp4.TrexBox
}

func newMP4Source(f *os.File) (s *mp4Source, err error) {
	defer func() {
		if p := recover(); p != nil { // a damaged file must not end the process
			s, err = nil, fmt.Errorf("damaged MP4: %v", p)
		}
	}()
	file, err := mp4.DecodeFile(f, mp4.WithDecodeMode(mp4.DecModeLazyMdat))
	if err != nil {
		return nil, fmt.Errorf("read MP4 boxes: %w", err)
	}
	moov := file.Moov
	if moov == nil && file.Init != nil {
		moov = file.Init.Moov
	}
	if moov == nil {
		return nil, errors.New("no moov box")
	}
	s = &mp4Source{f: f}
	tracks, err := s.tracks(moov)
	if err != nil {
		return nil, err
	}
	for _, t := range tracks {
		if err := s.addProgressive(t); err != nil {
			return nil, err
		}
		for _, seg := range file.Segments {
			for _, frag := range seg.Fragments {
				s.addFragment(t, frag)
			}
		}
	}
	if len(s.index) == 0 {
		return nil, errors.New("no samples that can be published")
	}
	sort.SliceStable(s.index, func(i, j int) bool { return s.index[i].dts < s.index[j].dts })
	for i, first := len(s.index)-1, s.index[0].dts; i >= 0; i-- {
		s.index[i].dts -= min(first, 0) // priming before time 0
	}
	return s, nil
}

// tracks picks the first video and the first audio track that can be published and takes their configurations.
func (s *mp4Source) tracks(moov *mp4.MoovBox) ([]mp4Track, error) {
	var out []mp4Track
	for _, trak := range moov.Traks {
		t := mp4Track{id: trak.Tkhd.TrackID, timescale: trak.Mdia.Mdhd.Timescale, trak: trak}
		id, config, err := mp4Config(trak.Mdia.Minf.Stbl.Stsd)
		if err != nil {
			return nil, err
		}
		t.kind, t.fourCC = media.Video, id.fourCC()
		if id >= codecAAC {
			t.kind = media.Audio
		}
		if id == codecNone || s.has[lane01(t.kind)] || t.timescale == 0 {
			continue
		}
		s.has[lane01(t.kind)] = true
		if moov.Mvex != nil {
			for _, x := range moov.Mvex.Trexs {
				if x.TrackID == t.id {
					t.trex = x
				}
			}
		}
		t.shift = editShift(trak, moov.Mvhd.Timescale)
		if config != nil {
			s.configs = append(s.configs, Packet{Kind: t.kind, FourCC: t.fourCC, Config: true, Data: config})
		}
		out = append(out, t)
	}
	return out, nil
}

// editShift returns what an edit list of the usual form adds to the media time: empty edits, then one that skips priming.
func editShift(trak *mp4.TrakBox, movieTimescale uint32) int64 {
	if trak.Edts == nil || len(trak.Edts.Elst) == 0 || movieTimescale == 0 {
		return 0
	}
	shift := int64(0)
	for _, e := range trak.Edts.Elst[0].Entries {
		if e.MediaTime >= 0 {
			return shift - e.MediaTime
		}
		shift += int64(e.SegmentDuration) * int64(trak.Mdia.Mdhd.Timescale) / int64(movieTimescale)
	}
	return shift
}

func (s *mp4Source) add(t mp4Track, dts int64, cts int32, sync bool, offset int64, size uint32) {
	ms := func(n int64) int64 { return (n*1000 + int64(t.timescale)/2) / int64(t.timescale) }
	s.index = append(s.index, mp4Sample{kind: t.kind, fourCC: t.fourCC, sync: sync || t.kind == media.Audio,
		dts: ms(dts + t.shift), cts: int32(ms(int64(cts))), offset: offset, size: size})
}

func (s *mp4Source) addProgressive(t mp4Track) error {
	stbl := t.trak.Mdia.Minf.Stbl
	if stbl.Stsz == nil || stbl.Stsz.GetNrSamples() == 0 {
		return nil
	}
	n := stbl.Stsz.GetNrSamples()
	samples, err := t.trak.GetSampleData(1, n)
	if err != nil {
		return fmt.Errorf("read the sample table: %w", err)
	}
	chunks, err := stbl.Stsc.GetContainingChunks(1, n)
	if err != nil {
		return fmt.Errorf("read the chunk table: %w", err)
	}
	dts, i := int64(0), 0
	for _, c := range chunks {
		var offset uint64
		if stbl.Stco != nil {
			offset, err = stbl.Stco.GetOffset(int(c.ChunkNr))
		} else if stbl.Co64 != nil {
			offset, err = stbl.Co64.GetOffset(int(c.ChunkNr))
		}
		if err != nil {
			return fmt.Errorf("read the chunk offsets: %w", err)
		}
		for k := uint32(0); k < c.NrSamples && i < len(samples); k++ {
			m := samples[i]
			s.add(t, dts, m.CompositionTimeOffset, m.IsSync(), int64(offset), m.Size)
			dts += int64(m.Dur)
			offset += uint64(m.Size)
			i++
		}
	}
	return nil
}

func (s *mp4Source) addFragment(t mp4Track, frag *mp4.Fragment) {
	for _, traf := range frag.Moof.Trafs {
		if traf.Tfhd.TrackID != t.id || traf.Tfdt == nil {
			continue
		}
		dts := int64(traf.Tfdt.BaseMediaDecodeTime())
		base := int64(frag.Moof.StartPos)
		if traf.Tfhd.HasBaseDataOffset() {
			base = int64(traf.Tfhd.BaseDataOffset)
		}
		offset := base
		for _, trun := range traf.Truns {
			trun.AddSampleDefaultValues(traf.Tfhd, t.trex)
			if trun.HasDataOffset() {
				offset = base + int64(trun.DataOffset)
			}
			for _, m := range trun.Samples {
				s.add(t, dts, m.CompositionTimeOffset, m.IsSync(), offset, m.Size)
				dts += int64(m.Dur)
				offset += int64(m.Size)
			}
		}
	}
}

// Has implements Source.
func (s *mp4Source) Has(kind media.Kind) bool { return s.has[lane01(kind)] }

// Next implements Source.
func (s *mp4Source) Next() (Packet, error) {
	i := s.next
	s.next++
	if i < len(s.configs) {
		return s.configs[i], nil
	}
	if i -= len(s.configs); i >= len(s.index) {
		return Packet{}, io.EOF
	}
	m := s.index[i]
	if m.size > maxMessage-16 {
		return Packet{}, fmt.Errorf("a sample of %d bytes does not fit RTMP", m.size)
	}
	if cap(s.buf) < int(m.size) {
		s.buf = make([]byte, m.size)
	}
	b := s.buf[:m.size]
	if _, err := s.f.ReadAt(b, m.offset); err != nil {
		return Packet{}, fmt.Errorf("read a sample: %w", err)
	}
	return Packet{Kind: m.kind, FourCC: m.fourCC, Sync: m.sync, DTS: m.dts, CTS: m.cts, Data: b}, nil
}

// Rewind implements Source.
func (s *mp4Source) Rewind() error { s.next = 0; return nil }

// Close implements Source.
func (s *mp4Source) Close() error { return s.f.Close() }
