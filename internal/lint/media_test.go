package lint

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/Eyevinn/mp4ff/mp4"
)

// mediaFile makes an initialization section and a segment of two fragments with two samples each, beginning at start.
func mediaFile(t *testing.T, start uint64, change func(fragment int, f *mp4.Fragment)) (init, segment []byte) {
	t.Helper()
	i := mp4.CreateEmptyInit()
	i.AddEmptyTrack(1000, "video", "und")
	var b bytes.Buffer
	if err := i.Encode(&b); err != nil {
		t.Fatal(err)
	}
	s := mp4.NewMediaSegment()
	for n := range 2 {
		f, err := mp4.CreateFragment(uint32(n+1), 1)
		if err != nil {
			t.Fatal(err)
		}
		for k := range 2 {
			flags := uint32(mp4.NonSyncSampleFlags)
			if n+k == 0 {
				flags = mp4.SyncSampleFlags
			}
			f.AddFullSample(mp4.FullSample{Sample: mp4.NewSample(flags, 500, 4, 0), DecodeTime: start + uint64(1000*n+500*k), Data: []byte("data")})
		}
		if change != nil {
			change(n, f)
		}
		s.AddFragment(f)
	}
	var c bytes.Buffer
	if err := s.Encode(&c); err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), c.Bytes()
}

// TestMedia takes real and broken files apart.
func TestMedia(t *testing.T) {
	init, segment := mediaFile(t, 8000, nil)
	i := parseInit("init", init)
	if i.Err != "" || i.Init.Tracks != 1 || i.Init.Timescale != 1000 || i.Init.Kind != "video" || !i.Init.Fragments {
		t.Fatalf("%+v %+v", i, i.Init)
	}
	if o := parseSegment("seg", segment, i.Init, 2); o.Err != "" || o.Fragments != 2 || o.Trafs != 1 || o.Start != 8000 || o.End != 10000 || !o.Sync || o.Inside != "" || o.NoTime {
		t.Errorf("%+v", o)
	}
	late := func(n int, f *mp4.Fragment) {
		if n == 1 {
			f.Moof.Traf.Tfdt.SetBaseMediaDecodeTime(9010)
		}
	}
	_, gap := mediaFile(t, 8000, late)
	if o := parseSegment("seg", gap, i.Init, 2); !strings.Contains(o.Inside, "9010") {
		t.Errorf("a gap inside: %+v", o)
	}
	_, open := mediaFile(t, 8000, func(n int, f *mp4.Fragment) {
		for k := range f.Moof.Traf.Trun.Samples {
			f.Moof.Traf.Trun.Samples[k].Flags = mp4.NonSyncSampleFlags
		}
	})
	if o := parseSegment("seg", open, i.Init, 2); o.Err != "" || o.Sync {
		t.Errorf("no sync sample: %+v", o)
	}
	for what, b := range map[string][]byte{"cut": segment[:len(segment)-3], "a page": []byte("<html>an error with status 200</html>"), "nothing": nil, "an init": init} {
		if o := parseSegment("seg", b, i.Init, 2); o.Err == "" {
			t.Errorf("%s is taken for a segment: %+v", what, o)
		}
	}
	for what, b := range map[string][]byte{"cut": init[:len(init)-3], "a page": []byte("<html>"), "nothing": nil, "a segment": segment} {
		if o := parseInit("init", b); o.Err == "" {
			t.Errorf("%s is taken for an initialization section: %+v", what, o)
		}
	}
}

// box makes a box.
func box(kind string, parts ...[]byte) []byte {
	body := bytes.Join(parts, nil)
	return append(append(binary.BigEndian.AppendUint32(nil, uint32(8+len(body))), kind...), body...)
}

// TestExtras takes emsg and prft boxes apart, and sees when they are not where they belong.
func TestExtras(t *testing.T) {
	_, segment := mediaFile(t, 8000, nil)
	event := func(version byte) []byte {
		numbers, texts := make([]byte, 20), []byte("urn:cue\x001\x00")
		binary.BigEndian.PutUint32(numbers, 1000)
		if version == 0 {
			return box("emsg", []byte{0, 0, 0, 0}, texts, numbers[:16])
		}
		return box("emsg", []byte{version, 0, 0, 0}, numbers, texts)
	}
	clock := box("prft", []byte{1, 0, 0, 0, 0, 0, 0, 1, 0xec, 0, 0, 0, 0, 0, 0, 0}, binary.BigEndian.AppendUint64(nil, 8000))
	mdat := bytes.Index(segment, []byte("mdat")) - 4
	for what, c := range map[string]struct {
		file      []byte
		misplaced string
	}{
		"in front":    {bytes.Join([][]byte{event(1), event(0), clock, segment}, nil), ""},
		"in between":  {bytes.Join([][]byte{clock, event(0), segment[:mdat], event(1), segment[mdat:]}, nil), "between moof and mdat"},
		"behind":      {bytes.Join([][]byte{event(0), event(1), segment, clock}, nil), "behind the last"},
		"a short one": {bytes.Join([][]byte{event(0), event(1), clock, box("prft", []byte{0, 0, 0, 0}), segment}, nil), "prft of 4 bytes"},
	} {
		o := parseSegment(what, c.file, nil, 2)
		if !strings.Contains(o.Misplaced, c.misplaced) || c.misplaced == "" && o.Misplaced != "" {
			t.Errorf("%s: %q", what, o.Misplaced)
		}
		if len(o.Events) != 2 || o.Events[0].Version+o.Events[1].Version != 1 {
			t.Errorf("%s: %+v", what, o.Events)
		}
		for _, e := range o.Events {
			if e.Scheme != "urn:cue" || e.Timescale != 1000 {
				t.Errorf("%s: %+v", what, e)
			}
		}
		if len(o.Clocks) != 1 || o.Clocks[0] != (Clock{Track: 1, NTP: 0xec000000 << 32, Media: 8000}) {
			t.Errorf("%s: %+v", what, o.Clocks)
		}
	}
}

// TestPicture takes ranges apart that end with the key frame, inside of its mdat, or before its end.
func TestPicture(t *testing.T) {
	init, segment := mediaFile(t, 8000, nil)
	i := parseInit("init", init).Init
	data := bytes.Index(segment, []byte("mdat")) + 4
	for what, c := range map[string]struct {
		size int
		cut  bool
	}{"the picture": {data + 4, false}, "half of it": {data + 2, true}, "the fragment": {data + 8, false}} {
		o := parseSegment(what, shorten(segment[:c.size]), i, 0)
		if o.Err != "" || !o.Sync || o.Cut != c.cut {
			t.Errorf("%s: %+v", what, o)
		}
	}
	if o := parseSegment("part of the moof", shorten(segment[:data-20]), i, 0); o.Err == "" {
		t.Errorf("%+v", o)
	}
}
