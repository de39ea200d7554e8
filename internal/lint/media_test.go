package lint

import (
	"bytes"
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
