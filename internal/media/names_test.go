package media_test

import (
	"math"
	"testing"

	"headwater.stream/internal/media"
)

func TestNames(t *testing.T) {
	for name, ref := range map[string]media.Ref{
		"v1/init-7.mp4":                         {Rendition: "v1", Kind: media.ObjectInit, Epoch: 7},
		"a1/seg-1764077000-0.m4s":               {Rendition: "a1", Kind: media.ObjectSegment, Epoch: 1764077000},
		"v2/seg-1-18446744073709551615.m4s":     {Rendition: "v2", Kind: media.ObjectSegment, Epoch: 1, Number: math.MaxUint64},
		"v1/part-4294967295-12-2147483647.m4s":  {Rendition: "v1", Kind: media.ObjectPart, Epoch: math.MaxUint32, Number: 12, Part: math.MaxInt32},
		"v1/part-5-6-7.m4s":                     {Rendition: "v1", Kind: media.ObjectPart, Epoch: 5, Number: 6, Part: 7},
		"abcdefghijklmnop/seg-0-1764077000.m4s": {Rendition: "abcdefghijklmnop", Kind: media.ObjectSegment, Number: 1764077000},
	} {
		if got := ref.Name(); got != name {
			t.Errorf("%+v is named %q, want %q", ref, got, name)
		}
		if got, ok := media.ParseName(name); !ok || got != ref {
			t.Errorf("ParseName(%q) = %+v, %v, want %+v", name, got, ok, ref)
		}
	}
}

func TestParseNameRefuses(t *testing.T) {
	for _, name := range []string{
		"", "/", "v1", "v1/", "/seg-1-2.m4s", "v1/seg-1-2", "v1/seg-1-2.mp4", "v1/init-1.m4s", "v1/init-.mp4", "v1/init-01.mp4",
		"v1/seg-1-02.m4s", "v1/seg-+1-2.m4s", "v1/seg--1-2.m4s", "v1/seg-1-2-3.m4s", "v1/part-1-2.m4s", "v1/part-1-2-3-4.m4s",
		"v1/seg-4294967296-1.m4s", "v1/seg-1-18446744073709551616.m4s", "v1/part-1-2-2147483648.m4s", "V1/seg-1-2.m4s",
		"v1/../seg-1-2.m4s", "../v1/seg-1-2.m4s", "v1/seg-1-2.m4s/", "v1/seg-1-2.m4s.m4s", "v1/seg-1_0-2.m4s", "v1/seg-0x1-2.m4s",
		"abcdefghijklmnopq/seg-1-2.m4s", "v1\x00/seg-1-2.m4s", "v1/media.m3u8",
	} {
		if r, ok := media.ParseName(name); ok {
			t.Errorf("ParseName(%q) = %+v, want refused", name, r)
		}
	}
}
