package lint

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/Eyevinn/mp4ff/mp4"
)

// Init is what is known of an initialization section.
type Init struct {
	Tracks    int
	Timescale int64
	Kind      string // "video", "audio" or another
	Format    string // of its sample entry, as CODECS begins
	Fragments bool   // mvex is there
	trex      *mp4.TrexBox
}

// Object is an initialization section or a media segment that was fetched and taken apart.
type Object struct {
	URL      string
	For      string  // forInit or forSegment
	Err      string  // why it could not be
	Init     *Init   // of a segment: that it goes with; nil when unknown
	Declared float64 // the manifest's duration of a segment, in seconds

	Fragments   int
	Trafs       int    // most of one fragment
	NoTime      bool   // a fragment without tfdt
	Start, End  int64  // in the timescale
	Sync        bool   // the first sample is a sync sample
	Inside      string // where the fragments do not follow each other
	PrevEnd     int64  // End of the segment before, when the timeline goes on; -1: unknown
	ListedStart int64  // of DASH: S@t with the offset of the Period; -1: unknown
	Cut         bool   // it ends before its first sample does
	TrackID     uint32 // of the first fragment
	Events      []Event
	Clocks      []Clock
	Misplaced   string // what is wrong with where boxes are that are not of samples
	Dated       bool
	DateOff     float64 // seconds by which date and media time have parted since the first date of the range
	DASH        bool
	Declares    []string // of DASH: schemeIdUri of the set's InbandEventStreams
	Inband      bool     // of DASH: a ProducerReferenceTime says that there are prft boxes
}

// seconds returns a time of the object in seconds.
func (o *Object) seconds(ticks int64) float64 {
	return float64(ticks) / float64(max(1, o.Init.Timescale))
}

// isMP4 reports whether the bytes begin with a box that CMAF knows.
func isMP4(b []byte) bool {
	if len(b) < 8 {
		return false
	}
	switch string(b[4:8]) {
	case "styp", "moof", "sidx", "ftyp", "emsg", "prft", "moov", "free":
		return true
	}
	return false
}

// decode parses boxes; whatever is wrong with them, it returns.
func decode(b []byte) (f *mp4.File, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("boxes that make no sense: %v", p)
		}
	}()
	if err := checkBoxes(b); err != nil {
		return nil, err
	}
	return mp4.DecodeFile(bytes.NewReader(b))
}

// checkBoxes walks the boxes at the top, so that a size that lies costs nothing.
func checkBoxes(b []byte) error {
	for len(b) > 0 {
		if len(b) < 8 {
			return fmt.Errorf("%d bytes behind the last box", len(b))
		}
		size := uint64(binary.BigEndian.Uint32(b))
		if size == 1 && len(b) >= 16 {
			size = binary.BigEndian.Uint64(b[8:])
		}
		if size < 8 || size > uint64(len(b)) {
			return fmt.Errorf("the box %q has a size of %d, %d bytes are there", b[4:8], size, len(b))
		}
		b = b[size:]
	}
	return nil
}

// parseInit takes an initialization section apart.
func parseInit(url string, b []byte) *Object {
	o := &Object{URL: url, For: forInit, PrevEnd: -1, ListedStart: -1}
	f, err := decode(b)
	switch {
	case err != nil:
		o.Err = err.Error()
		return o
	case f.Init == nil || f.Init.Moov == nil || f.Init.Ftyp == nil:
		o.Err = "no ftyp or no moov"
		return o
	}
	moov := f.Init.Moov
	i := &Init{Tracks: len(moov.Traks), Fragments: moov.Mvex != nil}
	if len(moov.Traks) > 0 && moov.Traks[0].Mdia != nil {
		m := moov.Traks[0].Mdia
		if m.Mdhd != nil {
			i.Timescale = int64(m.Mdhd.Timescale)
		}
		if m.Minf != nil && m.Minf.Stbl != nil && m.Minf.Stbl.Stsd != nil && len(m.Minf.Stbl.Stsd.Children) > 0 {
			i.Format = m.Minf.Stbl.Stsd.Children[0].Type()
		}
		if m.Hdlr != nil {
			i.Kind = map[string]string{"vide": "video", "soun": "audio"}[m.Hdlr.HandlerType]
		}
	}
	if moov.Mvex != nil {
		i.trex = moov.Mvex.Trex
	}
	o.Init = i
	return o
}

// parseSegment takes a media segment apart.
func parseSegment(url string, b []byte, init *Init, declared float64) *Object {
	o := &Object{URL: url, For: forSegment, Init: init, Declared: declared, PrevEnd: -1, ListedStart: -1}
	o.extras(b)
	f, err := decode(b)
	if err != nil {
		o.Err = err.Error()
		return o
	}
	for _, s := range f.Segments {
		for _, frag := range s.Fragments {
			if why := o.fragment(frag); why != "" {
				o.Err = why
				return o
			}
		}
	}
	if o.Fragments == 0 {
		o.Err = "there is no moof in it"
	}
	return o
}

// nonSync is sample_is_non_sync_sample (ISO 14496-12 8.8.3.1).
const nonSync = 0x10000

// fragment adds a fragment; it returns what is wrong with it.
func (o *Object) fragment(frag *mp4.Fragment) (why string) {
	defer func() {
		if p := recover(); p != nil {
			why = fmt.Sprintf("boxes that make no sense: %v", p)
		}
	}()
	if frag.Moof == nil || frag.Mdat == nil || len(frag.Moof.Trafs) == 0 || frag.Moof.Trafs[0].Tfhd == nil {
		return "a fragment without moof, traf, tfhd or mdat"
	}
	o.Trafs = max(o.Trafs, len(frag.Moof.Trafs))
	traf := frag.Moof.Trafs[0]
	if traf.Tfdt == nil {
		o.NoTime = true
		return ""
	}
	var trex *mp4.TrexBox
	if o.Init != nil {
		trex = o.Init.trex
	}
	start := int64(traf.Tfdt.BaseMediaDecodeTime())
	if o.Fragments == 0 {
		o.TrackID = traf.Tfhd.TrackID
	}
	end, first := start, o.Fragments == 0
	for _, run := range traf.Truns {
		run.AddSampleDefaultValues(traf.Tfhd, trex)
		for _, s := range run.Samples {
			if first {
				o.Sync, first = s.Flags&nonSync == 0, false
				o.Cut = uint64(s.Size) > uint64(len(frag.Mdat.Data))
			}
			end += int64(s.Dur)
		}
	}
	if o.Fragments == 0 {
		o.Start = start
	} else if start != o.End && o.Inside == "" {
		o.Inside = fmt.Sprintf("fragment %d begins at %d, the one before ends at %d", o.Fragments+1, start, o.End)
	}
	o.Fragments++
	o.End = end
	return ""
}
