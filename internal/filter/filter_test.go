package filter

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"headwater.stream/internal/media"
)

// still is a presentation that stands still until its view is set.
type still struct{ view *media.View }

func (s *still) View() *media.View { return s.view }

func (s *still) Next(context.Context, uint64) (*media.View, error) { return s.view, nil }

func (s *still) Open(_ context.Context, ref media.Ref) (media.Object, error) {
	return media.Object{Size: int64(ref.Number)}, nil
}

// ladder is a live presentation of two video renditions and one audio rendition: segments 10 to 10+n-1 of two seconds, the
// first at 20 s, and an open one of a second with a part.
func ladder(n int) *media.View {
	v := &media.View{Revision: uint64(n), SegmentTarget: 2 * time.Second, PartTarget: time.Second, Anchor: time.Unix(1_000_000, 0)}
	for _, r := range []struct {
		name, codec string
		kind        media.Kind
		bitrate     int
	}{{"v1", "avc1.640028", media.Video, 3_000_000}, {"v2", "avc1.64001f", media.Video, 800_000}, {"a1", "mp4a.40.2", media.Audio, 128_000}} {
		m := media.Rendition{Name: r.name, Kind: r.kind, Timescale: media.RenditionTimescale(r.kind),
			Inits: []media.Init{{ID: 1, Track: media.Track{Kind: r.kind, Codec: r.codec, Bitrate: r.bitrate, Language: "de"}}}}
		two := int64(m.Timescale) * 2
		for i := range n {
			m.Segments = append(m.Segments, media.Segment{Number: uint64(10 + i), Start: int64(10+i) * two, Duration: two, Init: 1, Epoch: 1})
		}
		number := uint64(10 + n)
		m.Open = &media.Segment{Number: number, Start: int64(number) * two, Duration: two / 2, Init: 1, Epoch: 1}
		id := media.PartID{Epoch: 1, Number: number}
		m.Parts = []media.Part{{PartID: id, Start: m.Open.Start, Duration: two / 2}}
		id.Part = 1
		m.Hint = id
		v.Renditions = append(v.Renditions, m)
	}
	return v
}

func ended(v *media.View) *media.View {
	v.Ended, v.PartTarget = true, 0
	for i := range v.Renditions {
		r := &v.Renditions[i]
		r.Open, r.Parts, r.Hint = nil, nil, media.PartID{}
	}
	return v
}

func trimmed(v *media.View) *media.View {
	v.Trimmed = true
	return v
}

func TestCut(t *testing.T) {
	const s = time.Second
	for name, c := range map[string]struct {
		f           Filter
		view        *media.View
		first, last uint64 // 0: none listed
		edge, ended bool
		err         error
	}{
		"nothing":                        {Filter{}, ladder(60), 10, 69, true, false, nil},
		"start on a border":              {Filter{Start: 40 * s}, ladder(60), 20, 69, true, false, nil},
		"start rounded to a millisecond": {Filter{Start: 40*s + time.Millisecond}, ladder(60), 20, 69, true, false, nil},
		"start inside":                   {Filter{Start: 41 * s}, ladder(60), 21, 69, true, false, nil},
		"start before":                   {Filter{Start: 1 * s}, ladder(60), 10, 69, true, false, nil},
		"start to come":                  {Filter{Start: 1000 * s}, ladder(60), 0, 0, false, false, nil},
		"start in the open segment":      {Filter{Start: 140 * s}, ladder(60), 0, 0, true, false, nil},
		"start for ever":                 {Filter{Start: math.MaxInt64}, ladder(60), 0, 0, false, false, nil},
		"end, live":                      {Filter{End: 100 * s}, ladder(60), 10, 69, true, false, nil},
		"end, forced":                    {Filter{End: 100 * s, Force: true}, ladder(60), 10, 49, false, true, nil},
		"end inside, forced":             {Filter{End: 101 * s, Force: true}, ladder(60), 10, 50, false, true, nil},
		"end to come, forced":            {Filter{End: 141 * s, Force: true}, ladder(60), 10, 69, true, false, nil},
		"end at the edge, forced":        {Filter{End: 140 * s, Force: true}, ladder(60), 10, 69, false, true, nil},
		"before all, forced":             {Filter{End: 10 * s, Force: true}, ladder(60), 0, 0, false, true, ErrEmpty},
		"gone, forced":                   {Filter{End: 10 * s, Force: true}, trimmed(ladder(60)), 0, 0, false, true, ErrGone},
		"start gone, forced":             {Filter{Start: 18 * s, End: 500 * s, Force: true}, trimmed(ladder(60)), 10, 69, true, false, ErrGone},
		"start just there, forced":       {Filter{Start: 20 * s, End: 30 * s, Force: true}, trimmed(ladder(60)), 10, 14, false, true, nil},
		"start gone, not forced":         {Filter{Start: 18 * s}, trimmed(ladder(60)), 10, 69, true, false, nil},
		"start gone, ended":              {Filter{Start: 18 * s, End: 30 * s, Force: true}, ended(trimmed(ladder(60))), 10, 14, false, true, nil},
		"span":                           {Filter{From: 41 * s, To: 50 * s}, ladder(60), 20, 24, false, true, nil},
		"span on borders":                {Filter{From: 40 * s, To: 50 * s}, ladder(60), 20, 24, false, true, nil},
		"span inside a segment":          {Filter{From: 41 * s, To: 41*s + time.Millisecond}, ladder(60), 20, 20, false, true, nil},
		"span, ended":                    {Filter{From: 41 * s, To: 51 * s}, ended(ladder(60)), 20, 25, false, true, nil},
		"span to come":                   {Filter{From: 1000 * s, To: 2000 * s}, ladder(60), 0, 0, false, false, nil},
		"span from the open segment":     {Filter{From: 140*s + s/2}, ladder(60), 0, 0, true, false, nil},
		"span from what is not made yet": {Filter{From: 141 * s}, ladder(60), 0, 0, false, false, nil},
		"span from before":               {Filter{From: 1 * s, To: 30 * s}, ladder(60), 10, 14, false, true, nil},
		"span from before what is kept":  {Filter{From: 1 * s, To: 30 * s}, trimmed(ladder(60)), 10, 14, false, true, ErrGone},
		"span from the beginning, gone":  {Filter{To: 30 * s}, trimmed(ladder(60)), 10, 14, false, true, ErrGone},
		"span that slides":               {Filter{From: 1 * s, To: 300 * s}, trimmed(ladder(60)), 10, 69, true, false, nil},
		"span in a filter":               {Filter{Start: 44 * s, From: 41 * s, To: 70 * s, End: 60 * s, Force: true}, ladder(60), 22, 29, false, true, nil},
		"span for ever":                  {Filter{From: math.MaxInt64 - 1, To: math.MaxInt64}, ladder(60), 0, 0, false, false, nil},
		"end, ended":                     {Filter{End: 100 * s}, ended(ladder(60)), 10, 49, false, true, nil},
		"range, ended":                   {Filter{Start: 30 * s, End: 50 * s}, ended(ladder(60)), 15, 24, false, true, nil},
		"range behind, ended":            {Filter{Start: 300 * s, End: 500 * s}, ended(ladder(60)), 0, 0, false, true, ErrEmpty},
		"range before, ended":            {Filter{End: 5 * s}, ended(ladder(60)), 0, 0, false, true, ErrEmpty},
		"window":                         {Filter{Window: 60 * s}, ladder(60), 40, 69, true, false, nil},
		"window longer":                  {Filter{Window: math.MaxInt64}, ladder(60), 10, 69, true, false, nil},
		"window, ended":                  {Filter{Window: 60 * s}, ended(ladder(60)), 10, 69, false, true, nil},
		"backoff":                        {Filter{Backoff: 30 * s}, ladder(60), 10, 54, false, false, nil},
		"backoff, ended":                 {Filter{Backoff: 30 * s}, ended(ladder(60)), 10, 69, false, true, nil},
		"backoff of all":                 {Filter{Backoff: 300 * s}, ladder(60), 0, 0, false, false, nil},
		"backoff and window":             {Filter{Backoff: 30 * s, Window: 60 * s}, ladder(60), 25, 54, false, false, nil},
		"backoff before the end, forced": {Filter{Backoff: 30 * s, End: 120 * s, Force: true}, ladder(60), 10, 54, false, false, nil},
		"backoff past the end, forced":   {Filter{Backoff: 30 * s, End: 100 * s, Force: true}, ladder(60), 10, 49, false, true, nil},
		"no media yet":                   {Filter{Start: 40 * s, Backoff: 30 * s}, &media.View{}, 0, 0, false, false, nil},
	} {
		t.Run(name, func(t *testing.T) {
			src := &still{c.view}
			p := New(src, c.f, Options{})
			if err := p.Err(); !errors.Is(err, c.err) || (err == nil) != (c.err == nil) {
				t.Errorf("error %v, want %v", err, c.err)
			}
			v := p.View()
			if v != p.View() {
				t.Error("another View of the same")
			}
			if v.Ended != c.ended || v.Revision != c.view.Revision {
				t.Errorf("ended %v, revision %d", v.Ended, v.Revision)
			}
			for _, r := range v.Renditions {
				var first, last uint64
				if n := len(r.Segments); n > 0 {
					first, last = r.Segments[0].Number, r.Segments[n-1].Number
				}
				if first != c.first || last != c.last {
					t.Errorf("%s: segments %d to %d, want %d to %d", r.Name, first, last, c.first, c.last)
				}
				if (r.Open != nil) != c.edge || (len(r.Parts) > 0) != c.edge || (r.Hint != media.PartID{}) != c.edge {
					t.Errorf("%s: open %v, %d parts, hint %v, want edge %v", r.Name, r.Open, len(r.Parts), r.Hint, c.edge)
				}
				for _, s := range r.Segments {
					if _, err := p.Open(t.Context(), media.Ref{Rendition: r.Name, Kind: media.ObjectSegment, Epoch: 1, Number: s.Number}); err != nil {
						t.Errorf("segment %d: %v", s.Number, err)
					}
				}
				_, err := p.Open(t.Context(), media.Ref{Rendition: r.Name, Kind: media.ObjectPart, Epoch: 1, Number: last + 1})
				if last > 0 && !c.edge && last < 69 && !errors.Is(err, media.ErrNotFound) {
					t.Errorf("what is hidden after %d: %v", last, err)
				}
			}
			if c.f.Backoff > 0 && !c.view.Ended && v.PartTarget != 0 {
				t.Error("parts are promised behind the live edge")
			}
		})
	}
}

func TestForcedEndWaits(t *testing.T) {
	v := ladder(60)
	audio := &v.Renditions[2]
	open := audio.Segments[59]
	audio.Segments, audio.Open, audio.Parts = audio.Segments[:59], &open, nil
	src := &still{v}
	p := New(src, Filter{End: 140 * time.Second, Force: true}, Options{})
	if p.View().Ended || p.View().Renditions[2].Open == nil {
		t.Error("ended while the audio of the last segment is being made")
	}
	src.view = ladder(60)
	if got := p.View(); !got.Ended {
		t.Error("not ended when it is complete")
	}
}

func TestDelay(t *testing.T) {
	v := ladder(60)
	if got := New(&still{v}, Filter{Backoff: 30 * time.Second}, Options{Delay: true}).View().Anchor; got.Sub(v.Anchor) != 30*time.Second {
		t.Errorf("the anchor moved by %v", got.Sub(v.Anchor))
	}
	if got := New(&still{v}, Filter{Backoff: 30 * time.Second}, Options{}).View().Anchor; !got.Equal(v.Anchor) {
		t.Error("the anchor moved")
	}
}

func TestTracks(t *testing.T) {
	one := func(c ...Condition) [][]Selection { return [][]Selection{{c}} }
	for name, c := range map[string]struct {
		f    Filter
		want []string
		err  error
	}{
		"video":              {Filter{Tracks: one(Condition{Type, false, "Video"})}, []string{"v1", "v2"}, nil},
		"not video":          {Filter{Tracks: one(Condition{Type, true, "video"})}, []string{"a1"}, nil},
		"text":               {Filter{Tracks: one(Condition{Type, false, "Text"})}, nil, ErrEmpty},
		"name":               {Filter{Tracks: one(Condition{Name, false, "V2"})}, []string{"v2"}, nil},
		"name as AMS has it": {Filter{Tracks: one(Condition{Name, false, "video_3000000"})}, []string{"v1"}, nil},
		"language":           {Filter{Tracks: one(Condition{Language, false, "DE"})}, []string{"v1", "v2", "a1"}, nil},
		"codec":              {Filter{Tracks: one(Condition{FourCC, false, "mp4a"})}, []string{"a1"}, nil},
		"bit rates":          {Filter{Tracks: one(Condition{Type, false, "Video"}, Condition{Bitrate, false, "0-1000000"})}, []string{"v2"}, nil},
		"either":             {Filter{Tracks: [][]Selection{{{{Bitrate, false, "3000000"}}, {{Type, false, "Audio"}}}}}, []string{"v1", "a1"}, nil},
		"both of two":        {Filter{Tracks: append(one(Condition{Type, false, "Video"}), one(Condition{Bitrate, true, "3000000"})...)}, []string{"v2"}, nil},
		"first quality":      {Filter{FirstBitrate: 900_000}, []string{"v2", "v1", "a1"}, nil},
	} {
		p := New(&still{ladder(5)}, c.f, Options{})
		var got []string
		for _, r := range p.View().Renditions {
			got = append(got, r.Name)
		}
		if !slices.Equal(got, c.want) || !errors.Is(p.Err(), c.err) {
			t.Errorf("%s: %v, %v; want %v, %v", name, got, p.Err(), c.want, c.err)
		}
	}
	p := New(&still{ladder(5)}, Filter{Tracks: one(Condition{Type, false, "Video"})}, Options{})
	if _, err := p.Open(t.Context(), media.Ref{Rendition: "a1", Kind: media.ObjectInit, Epoch: 1}); !errors.Is(err, media.ErrNotFound) {
		t.Errorf("a hidden track: %v", err)
	}
}

func TestCompose(t *testing.T) {
	const s = time.Second
	got, err := Compose([]Filter{{Start: 5 * s, End: 100 * s, Window: 90 * s, FirstBitrate: 1}, {Start: 7 * s, Window: 80 * s, Backoff: 10 * s, FirstBitrate: 2}, {End: 50 * s, Force: true, Backoff: 5 * s}})
	if err != nil || got.Start != 7*s || got.End != 50*s || !got.Force || got.Window != 80*s || got.Backoff != 10*s || got.FirstBitrate != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	for name, c := range map[string]struct {
		list []Filter
		want error
	}{
		"disjoint":       {[]Filter{{Start: 10 * s}, {End: 10 * s}}, ErrRange},
		"short window":   {[]Filter{{Window: 59 * s}}, ErrWindow},
		"long backoff":   {[]Filter{{Backoff: 301 * s}}, ErrBackoff},
		"backoff beyond": {[]Filter{{Window: 60 * s}, {Backoff: 60 * s}}, ErrBackoffWindow},
		"no end":         {[]Filter{{Force: true}}, ErrRange},
		"bit rate":       {[]Filter{{Tracks: [][]Selection{{{{Bitrate, false, "fast"}}}}}}, ErrTrack},
		"bit rates":      {[]Filter{{Tracks: [][]Selection{{{{Bitrate, false, "200-100"}}}}}}, ErrTrack},
		"type":           {[]Filter{{Tracks: [][]Selection{{{{Type, false, "Smell"}}}}}}, ErrTrack},
	} {
		if _, err := Compose(c.list); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if _, err := Compose(make([]Filter, MaxComposed)); err != nil {
		t.Error(err)
	}
	if _, err := Compose(make([]Filter, MaxComposed+1)); !errors.Is(err, ErrCount) {
		t.Errorf("too many: %v", err)
	}
}

func TestTimestamp(t *testing.T) {
	for _, c := range []struct {
		ticks, scale int64
		want         time.Duration
	}{{0, 1, 0}, {-1, 1, 0}, {20_000_000, DefaultTimescale, 2 * time.Second}, {180_000, 90_000, 2 * time.Second},
		{math.MaxInt64, DefaultTimescale, math.MaxInt64}, {math.MaxInt64, math.MaxInt64, time.Second}, {1, math.MaxInt64, 0}} {
		if got := Timestamp(c.ticks, c.scale); got != c.want {
			t.Errorf("%d/%d: %v, want %v", c.ticks, c.scale, got, c.want)
		}
	}
}
