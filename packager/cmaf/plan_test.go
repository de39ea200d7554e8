package cmaf

import (
	"fmt"
	"testing"
	"time"

	"headwater.stream/internal/media"
)

// grid is a rate of access units.
type grid struct {
	name  string
	track media.Track
}

func videoGrids(t testing.TB) (list []grid) {
	for _, r := range append(frameRates[:], media.Rational{Num: 18, Den: 1}, media.Rational{Num: 90, Den: 1}, media.Rational{Num: 1497, Den: 100}) {
		list = append(list, grid{fmt.Sprintf("%.4g fps", r.Float()), videoTrack(t, r)})
	}
	return list
}

func audioGrids() (list []grid) {
	for _, g := range []struct {
		name          string
		rate, samples int
	}{
		{"AAC 48", 48000, 1024}, {"AAC 44.1", 44100, 1024}, {"AAC 960", 48000, 960}, {"AAC 32", 32000, 1024}, {"AAC 22", 22050, 1024},
		{"HE-AAC 48", 48000, 2048}, {"HE-AAC 44.1", 44100, 2048}, {"Opus 20", 48000, 960}, {"Opus 10", 48000, 480}, {"Opus 2.5", 48000, 120}, {"Opus 60", 48000, 2880},
		{"AC-3 48", 48000, 1536}, {"AC-3 44.1", 44100, 1536}, {"E-AC-3 256", 48000, 256}, {"FLAC 1152", 44100, 1152}, {"FLAC 4096", 48000, 4096}, {"FLAC 4608", 44100, 4608},
	} {
		a := audioTrack(48000)
		a.SampleRate, a.Timescale, a.FrameSamples = g.rate, uint32(g.rate), g.samples
		list = append(list, grid{g.name, a})
	}
	return list
}

// stream makes what an encoder sends of the tracks, the video in groups of pictures of gop.
func stream(tracks []media.Track, length, gop time.Duration) (list []event) {
	n := make([]int64, len(tracks))
	frames := int64(0)
	if tracks[0].Kind == media.Video {
		frames = int64((gop + frameDuration(tracks[0])/2) / frameDuration(tracks[0]))
	}
	for {
		next, at := 0, length
		for i, tr := range tracks {
			num, den := int64(tr.FrameSamples), int64(tr.SampleRate)
			if tr.Kind == media.Video {
				num, den = int64(tr.FrameRate.Den), int64(tr.FrameRate.Num)
			}
			if d := time.Duration(n[i] * num * 1e9 / den); d < at {
				next, at = i, d
			}
		}
		if at == length {
			return list
		}
		tr, i := tracks[next], n[next]
		n[next]++
		ms := at.Milliseconds()
		s := media.Sample{Track: next, DTS: (ms*int64(tr.Timescale) + 500) / 1000, Sync: true, Data: []byte("audio")}
		if tr.Kind == media.Video {
			s.Sync = i%frames == 0
			s.Data = accessUnit(int(i), s.Sync)
		}
		list = append(list, event{float64(ms), s})
	}
}

// shortest returns the shortest last part of a rendition's segments as a percentage of PART-TARGET, without those before from,
// until when the distance of the key frames is not known, those that are short themselves, being what is left of a group of
// pictures after a forced cut, and the last.
func (r *record) shortest(i int, from time.Duration) (percent int64) {
	percent = 100
	c := r.cur()
	segs, scale := c.segs[i], c.tracks[i].Timescale
	for _, s := range segs[:len(segs)-1] {
		if media.Duration(s.dur(), scale) > 1900*time.Millisecond && media.Duration(s.start(), scale) > c.start+from {
			p := s.parts[len(s.parts)-1]
			percent = min(percent, int64(media.Duration(p.Duration, scale)*100/r.limits.PartTarget))
		}
	}
	return percent
}

// TestPartsAreEven: whatever the rates, parts are as the standard has them, and where PART-TARGET can be such that segments
// come out in full parts, there is no short last one.
func TestPartsAreEven(t *testing.T) {
	const aim = 2 * time.Second
	videos, audios := videoGrids(t), audioGrids()
	for i, v := range videos {
		for k, a := range audios {
			if i > 2 && k > 1 {
				continue // the rarer rates with each other
			}
			tracks := []media.Track{v.track, a.track}
			rec := pack(t, tracks, stream(tracks, 9*time.Second, aim))
			rec.check()
			frame := frameDuration(v.track)
			length := (aim + frame/2) / frame * frame
			for n, tr := range tracks {
				name := v.name + ", " + a.name + ": " + rec.cur().names[n]
				if p := rec.shortest(n, aim+time.Second); p < partFill && divides(length, frameDuration(tr), rec.limits.PartTarget) {
					t.Errorf("%s has a last part of %d %% of %v", name, p, rec.limits.PartTarget)
				} else if p < partFill && k < 2 && (n == 1 || v.name != "12.5 fps") { // a part has two frames of 25, and more is too long
					t.Errorf("%s has a last part of %d %% of %v although its rate is a usual one", name, p, rec.limits.PartTarget)
				}
			}
		}
	}
	for _, a := range audios {
		tracks := []media.Track{a.track}
		rec := pack(t, tracks, stream(tracks, 9*time.Second, aim))
		rec.check()
		if p := rec.shortest(0, 0); p < partFill && divides(aim, frameDuration(a.track), rec.limits.PartTarget) {
			t.Errorf("%s alone has a last part of %d %% of %v", a.name, p, rec.limits.PartTarget)
		}
	}
}

// TestPartsAreEvenAtAnyDistance of the key frames, also where segments are cut between them.
func TestPartsAreEvenAtAnyDistance(t *testing.T) {
	tracks := []media.Track{videoTrack(t, media.Rational{Num: 60, Den: 1}), audioTrack(48000)}
	for gop := 250 * time.Millisecond; gop < 10*time.Second; gop = gop * 13 / 10 {
		rec := pack(t, tracks, stream(tracks, 20*time.Second+2*gop, gop))
		rec.check()
		for n, name := range rec.cur().names {
			if p := rec.shortest(n, gop+2*time.Second); p < partFill {
				t.Errorf("key frames each %v: %s has a last part of %d %%", gop, name, p)
			}
		}
	}
}

// TestPartTargetHolds: an encoder that comes back with any other usual rate finds a PART-TARGET that its parts can keep.
func TestPartTargetHolds(t *testing.T) {
	for _, v := range videoGrids(t) {
		for _, a := range audioGrids() {
			if a.track.FrameSamples > 4000 && v.track.FrameRate.Float() < 20 {
				continue // have no length in common
			}
			for _, aim := range []time.Duration{time.Second, 2 * time.Second, 6 * time.Second} {
				tracks := []media.Track{v.track, a.track}
				target := Plan(tracks, aim, 200*time.Millisecond).PartTarget
				if target < 150*time.Millisecond || target > 250*time.Millisecond {
					t.Errorf("%s, %s: PART-TARGET %v", v.name, a.name, target)
				}
				for _, u := range append(usualTracks(), tracks...) {
					if !fills(frameDuration(u), target) {
						t.Errorf("%s, %s: PART-TARGET %v does not suit frames of %v", v.name, a.name, target, frameDuration(u))
					}
				}
			}
		}
	}
}
