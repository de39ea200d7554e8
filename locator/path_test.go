package locator_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"headwater.stream/internal/media"
	"headwater.stream/locator"
)

const id = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"

func TestParse(t *testing.T) {
	hls := locator.Path{ID: id, Name: "show", Kind: locator.Multivariant}
	dash := locator.Path{ID: id, Name: "show", Kind: locator.MPD}
	base := "/" + id + "/show.ism/"
	from := locator.Span{Start: locator.Point{Since: 90*time.Second + 500*time.Millisecond}}
	for in, want := range map[string]locator.Path{
		base + "manifest(format=m3u8-cmaf)":                           hls,
		base + "manifest(format=m3u8-cmaf).m3u8":                      hls,
		base + "manifest%28format=m3u8-cmaf%29":                       hls,
		base + "manifest%28format%3Dm3u8-cmaf%29%2Em3u8":              hls,
		base + "Manifest(FORMAT=M3U8-CMAF)":                           hls,
		base + "master.m3u8":                                          hls,
		"/" + strings.ToUpper(id) + "/show.ism/master.m3u8":           hls,
		base + "manifest(format=mpd-time-cmaf)":                       dash,
		base + "manifest(format=mpd-time-cmaf).mpd":                   dash,
		base + "manifest.mpd":                                         dash,
		base + "manifest(format=mpd-time-cmaf,filter=a;b)":            {ID: id, Name: "show", Kind: locator.MPD, Filters: []string{"a", "b"}},
		base + "manifest(filter=x,format=m3u8-cmaf)":                  {ID: id, Name: "show", Kind: locator.Multivariant, Filters: []string{"x"}},
		base + "v1/media(filter=a;b).m3u8":                            {ID: id, Name: "show", Kind: locator.MediaPlaylist, Rendition: "v1", Filters: []string{"a", "b"}},
		base + "v1/media%28filter%3Da%3Bb%29.m3u8":                    {ID: id, Name: "show", Kind: locator.MediaPlaylist, Rendition: "v1", Filters: []string{"a", "b"}},
		base + "v1/media(filter=Caf%C3%A9,start=90.5).m3u8":           {ID: id, Name: "show", Kind: locator.MediaPlaylist, Rendition: "v1", Filters: []string{"Café"}, Span: from},
		base + "manifest(format=mpd-time-cmaf,start=90.50)":           {ID: id, Name: "show", Kind: locator.MPD, Span: from},
		base + "manifest(format=m3u8-cmaf,iframes=yes)":               {ID: id, Name: "show", Kind: locator.Multivariant, IFrames: true},
		base + "manifest(iframes=YES,filter=a,format=m3u8-cmaf).m3u8": {ID: id, Name: "show", Kind: locator.Multivariant, IFrames: true, Filters: []string{"a"}},
		base + "v1/iframes.m3u8":                                      {ID: id, Name: "show", Kind: locator.IFramePlaylist, Rendition: "v1"},
		base + "v1/iframes(filter=a;b).m3u8":                          {ID: id, Name: "show", Kind: locator.IFramePlaylist, Rendition: "v1", Filters: []string{"a", "b"}},
		base + "v1/media.m3u8":                                        {ID: id, Name: "show", Kind: locator.MediaPlaylist, Rendition: "v1"},
		base + "download.mp4":                                         {ID: id, Name: "show", Kind: locator.Download},
		base + "manifest(format=mpd-time-cmaf,iframes=yes)":           {ID: id, Name: "show", Kind: locator.MPD, IFrames: true},
		base + "v1/key-100-7.m4s":                                     {ID: id, Name: "show", Kind: locator.Object, Ref: media.Ref{Rendition: "v1", Kind: media.ObjectKey, Epoch: 100, Number: 7}},
		base + "poster.jpg":                                           {ID: id, Name: "show", Kind: locator.Picture, File: "poster.jpg"},
		base + "storyboard.vtt":                                       {ID: id, Name: "show", Kind: locator.Picture, File: "storyboard.vtt"},
		base + "storyboard-0012abcd.jpg":                              {ID: id, Name: "show", Kind: locator.Picture, File: "storyboard-0012abcd.jpg"},
		base + "a1/init-7.mp4":                                        {ID: id, Name: "show", Kind: locator.Object, Ref: media.Ref{Rendition: "a1", Kind: media.ObjectInit, Epoch: 7}},
		base + "v1/seg-7-12.m4s":                                      {ID: id, Name: "show", Kind: locator.Object, Ref: media.Ref{Rendition: "v1", Kind: media.ObjectSegment, Epoch: 7, Number: 12}},
		base + "v1/part-7-12-3.m4s":                                   {ID: id, Name: "show", Kind: locator.Object, Ref: media.Ref{Rendition: "v1", Kind: media.ObjectPart, Epoch: 7, Number: 12, Part: 3}},
		"/" + id + "/preview.ism/master.m3u8":                         {ID: id, Name: locator.PreviewName, Kind: locator.Multivariant},
		"/" + id + "/Caf%C3%A9%20one.ism/manifest.mpd":                {ID: id, Name: "Café one", Kind: locator.MPD},
	} {
		got, err := locator.Parse(in)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("Parse(%q) = %+v, %v, want %+v", in, got, err, want)
			continue
		}
		again, err := locator.Parse(got.String())
		if err != nil || !reflect.DeepEqual(again, got) {
			t.Errorf("Parse(%q) = %+v, %v, want %+v", got.String(), again, err, got)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	base := "/" + id + "/show.ism/"
	for in, want := range map[string]error{
		"":                        locator.ErrSyntax,
		"/":                       locator.ErrSyntax,
		"/" + id:                  locator.ErrSyntax,
		"/" + id + "/":            locator.ErrSyntax,
		"/" + id + "/show.ism":    locator.ErrSyntax,
		base:                      locator.ErrSyntax,
		"/x/show.ism/master.m3u8": locator.ErrSyntax,
		"/" + strings.ReplaceAll(id, "-", "") + "/show.ism/master.m3u8": locator.ErrSyntax,
		"/" + id + "/show/master.m3u8":                                  locator.ErrSyntax,
		"/" + id + "/.ism/master.m3u8":                                  locator.ErrSyntax,
		"/" + id + "/..ism/master.m3u8":                                 locator.ErrSyntax,
		"/" + id + "/%2e%2e.ism/master.m3u8":                            locator.ErrSyntax,
		"/" + id + "/a%2fb.ism/master.m3u8":                             locator.ErrSyntax,
		"/" + id + "/a%5cb.ism/master.m3u8":                             locator.ErrSyntax,
		"/" + id + "/a%00.ism/master.m3u8":                              locator.ErrSyntax,
		"/" + id + "/a%ff.ism/master.m3u8":                              locator.ErrSyntax,
		"/" + id + "/a%zz.ism/master.m3u8":                              locator.ErrSyntax,
		"/" + id + "/a%252e.ism/master.m3u8":                            locator.ErrSyntax,
		base + "../show.ism/master.m3u8":                                locator.ErrSyntax,
		base + "%2e%2e/master.m3u8":                                     locator.ErrSyntax,
		base + "v1/%2e%2e/seg-1-2.m4s":                                  locator.ErrSyntax,
		base + "v1/seg-1-2.m4s%00":                                      locator.ErrSyntax,
		base + "v1/seg-01-2.m4s":                                        locator.ErrSyntax,
		base + "v1//media.m3u8":                                         locator.ErrSyntax,
		base + "v1/media%2em3u8":                                        locator.ErrSyntax,
		base + "master.m3u8/":                                           locator.ErrSyntax,
		base + "storyboard-0012ABCD.jpg":                                locator.ErrSyntax,
		base + "storyboard-12.jpg":                                      locator.ErrSyntax,
		base + "v1/poster.jpg":                                          locator.ErrSyntax,
		base + "MASTER.m3u8":                                            locator.ErrSyntax,
		base + "manifest(format=m3u8-cmaf).mpd":                         locator.ErrParameter,
		base + "manifest(format=m3u8-cmaf":                              locator.ErrParameter,
		base + "manifest(format=m3u8-cmaf)x":                            locator.ErrParameter,
		base + "manifest()":                                             locator.ErrParameter,
		base + "manifest(format=m3u8-cmaf,)":                            locator.ErrParameter,
		base + "manifest(format=m3u8-cmaf,format=m3u8-cmaf)":            locator.ErrParameter,
		base + "manifest(format=m3u8-cmaf,magic=1)":                     locator.ErrParameter,
		base + "manifest(format=m3u8-cmaf,filter=a;;b)":                 locator.ErrParameter,
		base + "manifest(format=m3u8-cmaf,start=x)":                     locator.ErrParameter,
		base + "manifest(format=m3u8-cmaf,start=-1)":                    locator.ErrParameter,
		base + "manifest(format=m3u8-cmaf,start=9999999999)":            locator.ErrParameter,
		base + "manifest(format=m3u8-cmaf,start=1.)":                    locator.ErrParameter,
		base + "manifest(format=m3u8-cmaf,start=1969-01-01T00:00:00Z)":  locator.ErrParameter,
		base + "manifest(format=m3u8-cmaf,end=0)":                       locator.ErrParameter,
		base + "manifest(format=m3u8-cmaf,start=20,end=20)":             locator.ErrParameter,
		base + "v1/media(filter=a;b;c;d).m3u8":                          locator.ErrFilters,
		base + "v1/media(format=m3u8-cmaf).m3u8":                        locator.ErrParameter,
		base + "v1/media().m3u8":                                        locator.ErrParameter,
		base + "manifest(format=m3u8-cmaf,iframes=no)":                  locator.ErrParameter,
		base + "v1/media(iframes=yes).m3u8":                             locator.ErrParameter,
		base + "v1/iframes(format=m3u8-cmaf).m3u8":                      locator.ErrParameter,
		base + "v1/iframesmedia.m3u8":                                   locator.ErrSyntax,
		base + "v1/media(filter=a)":                                     locator.ErrSyntax,
		base + "v1/media(filter=a%2fb).m3u8":                            locator.ErrParameter,
		base + "V1/media(filter=a).m3u8":                                locator.ErrSyntax,
		base + "manifest(format=m3u8-cmaf,filter=a;b;c;d)":              locator.ErrFilters,
		base + "manifest(format=m3u8-cmaf,encryption=cenc)":             locator.ErrEncryption,
		base + "manifest(filter=a)":                                     locator.ErrFormat,
		base + "manifest":                                               locator.ErrFormat,
		base + "Manifest":                                               locator.ErrFormat,
		base + "manifest(format=m3u8-aapl)":                             locator.ErrFormat,
		base + "manifest(format=mpd-time-csf)":                          locator.ErrFormat,
		base + strings.Repeat("a", 4096):                                locator.ErrSyntax,
	} {
		if got, err := locator.Parse(in); !errors.Is(err, want) {
			t.Errorf("Parse(%q) = %+v, %v, want %v", in, got, err, want)
		}
	}
}

func TestPrintedPaths(t *testing.T) {
	if got, want := locator.HLSPath(id, "my show"), "/"+id+"/my%20show.ism/manifest(format=m3u8-cmaf)"; got != want {
		t.Errorf("HLSPath: %q, want %q", got, want)
	}
	if got, want := locator.DASHPath(id, "show"), "/"+id+"/show.ism/manifest(format=mpd-time-cmaf)"; got != want {
		t.Errorf("DASHPath: %q, want %q", got, want)
	}
}

// TestSpan: all spellings of a moment give one name of the media playlist, which stands for the same span.
func TestSpan(t *testing.T) {
	path := "/" + id + "/show.ism/master.m3u8"
	for query, want := range map[string]string{
		"":                                         "media.m3u8",
		"x=1&_HLS_msn=3":                           "media.m3u8",
		"start=0":                                  "media.m3u8",
		"start=60&end=90.250":                      "media(start=60,end=90.25).m3u8",
		"end=90&cmcd=x&start=60":                   "media(start=60,end=90).m3u8",
		"start=2026-01-02T03:04:05Z":               "media(start=20260102T030405Z).m3u8",
		"start=2026-01-02T03:04:05":                "media(start=20260102T030405Z).m3u8",
		"start=20260102T030405Z":                   "media(start=20260102T030405Z).m3u8",
		"start=20260102T030405.5Z":                 "media(start=20260102T030405.5Z).m3u8",
		"end=2026-01-02T03%3A04:05.100Z":           "media(end=20260102T030405.1Z).m3u8",
		"start=2026-01-02T05:04:05+02:00":          "media(start=20260102T030405Z).m3u8",
		"start=10&end=2026-01-02T03:04:05%2B00:00": "media(start=10,end=20260102T030405Z).m3u8",
	} {
		p, err := locator.Parse(path)
		if err != nil {
			t.Fatal(err)
		}
		if err = p.ApplyQuery(query); err != nil {
			t.Errorf("%s: %v", query, err)
			continue
		}
		file := locator.PlaylistFile(p.Filters, p.Span)
		if file != want {
			t.Errorf("%s: %s, want %s", query, file, want)
		}
		p.Kind, p.Rendition = locator.MediaPlaylist, "v1"
		if path, list := p.String(), (&media.View{PlaylistFile: file}).MediaPlaylist("v1"); !strings.HasSuffix(path, "/"+list) {
			t.Errorf("%s, in a View %s", path, list)
		}
		p.Kind = locator.IFramePlaylist
		if path, list := p.String(), (&media.View{PlaylistFile: file}).IFramePlaylist("v1"); !strings.HasSuffix(path, "/"+list) {
			t.Errorf("%s, in a View %s", path, list)
		}
		p.Kind = locator.MediaPlaylist
		if again, err := locator.Parse("/" + id + "/show.ism/v1/" + file); err != nil || !reflect.DeepEqual(again, p) {
			t.Errorf("%s: %+v, %v, want %+v", file, again, err, p)
		}
	}
	for _, query := range []string{"start=", "start=soon", "end=5&start=5", "start=1&start=2", "start=%zz", "end=2026-01-02T03:04:05Z&start=2026-01-02T03:04:06Z",
		"start=" + strings.Repeat("1", 100), "start=1e3", "start=+1", "start=1.0000000001"} {
		p, err := locator.Parse(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.ApplyQuery(query); !errors.Is(err, locator.ErrParameter) {
			t.Errorf("%s: %v", query, err)
		}
	}
	p, err := locator.Parse("/" + id + "/show.ism/v1/media(start=3).m3u8")
	if err != nil {
		t.Fatal(err)
	}
	same := p
	if err := p.ApplyQuery("_HLS_msn=3"); err != nil || !reflect.DeepEqual(same, p) {
		t.Errorf("%+v, %v", p, err)
	}
	if err := p.ApplyQuery("end=9"); !errors.Is(err, locator.ErrParameter) {
		t.Errorf("path and query: %v", err)
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	if got := (locator.Point{OfDay: true, Since: time.Duration(at.UnixNano())}).At(at.Add(-time.Minute)); got != time.Minute {
		t.Errorf("at %v", got)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"master.m3u8", "manifest(format=m3u8-cmaf,filter=a;b)", "v1/seg-1-2.m4s", "v1/part-1-2-3.m4s", "v1/media.m3u8", "v1/iframes(end=7).m3u8", "manifest(format=m3u8-cmaf,iframes=yes,end=7)", "%2e%2e/x", "v1/media(filter=a,start=20260102T030405.5Z,end=7).m3u8"} {
		f.Add("/" + id + "/a%20b.ism/" + s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		p, err := locator.Parse(in)
		if err != nil {
			return
		}
		again, err := locator.Parse(p.String())
		if err != nil || !reflect.DeepEqual(again, p) {
			t.Fatalf("Parse(%q) = %+v, printed %q, parsed %+v, %v", in, p, p.String(), again, err)
		}
	})
}

// FuzzQuery: whatever span a query gives, the media playlist's name gives it again.
func FuzzQuery(f *testing.F) {
	for _, s := range []string{"start=1.5&end=2", "end=2026-01-02T03:04:05.123+01:00", "start=20260102T030405Z", "start=%31&_HLS_msn=7", "start=0&end=0.000000001"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, query string) {
		p := locator.Path{ID: id, Name: "show", Kind: locator.MediaPlaylist, Rendition: "v1"}
		if p.ApplyQuery(query) != nil {
			return
		}
		again, err := locator.Parse(p.String())
		if err != nil || !reflect.DeepEqual(again, p) {
			t.Fatalf("%q gives %+v, printed %q, parsed %+v, %v", query, p, p.String(), again, err)
		}
	})
}
