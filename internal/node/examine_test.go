package node

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"headwater.stream/internal/doctor"
	"headwater.stream/internal/media"
)

// Sizes of what a healthy encoder sends: 30 pictures a second of 8 kB, key frames of five times that, sound of 128 kbit/s.
const (
	pictureBytes = 8_000
	soundBytes   = 340
	videoRate    = 30*8*pictureBytes + 4*8*pictureBytes/2
)

// healthy is an encoder of which nothing is to be said. change, if any, makes it ill.
func healthy(change func(ms float64, track int, s *media.Sample) bool) publisher {
	filler := bytes.Repeat([]byte{0xff}, 40*pictureBytes)
	grow := func(s *media.Sample, n int) { // the NAL unit of a picture grows with it
		s.Data = append(s.Data, filler[:n-len(s.Data)]...)
		if s.Data[0] == 0 {
			s.Data[0], s.Data[1], s.Data[2], s.Data[3] = byte((n-4)>>24), byte((n-4)>>16), byte((n-4)>>8), byte(n-4)
		}
	}
	return publisher{audio: 48000,
		describe: func(tracks []media.Track) {
			for i := range tracks {
				tracks[i].Bitrate = map[media.Kind]int{media.Video: videoRate, media.Audio: 128_000}[tracks[i].Kind]
			}
		},
		mutate: func(ms float64, track int, s *media.Sample) bool {
			n := pictureBytes
			switch {
			case track == 1:
				n = soundBytes
			case s.Sync:
				n = 5 * pictureBytes
			}
			grow(s, n)
			return change == nil || change(ms, track, s)
		}}
}

// codes returns what is found.
func codes(list []doctor.Finding) (all []doctor.Code) {
	for _, f := range list {
		all = append(all, f.Code)
	}
	return all
}

// ailments are encoders with one fault each.
func ailments(r *faultRig) map[doctor.Code]publisher {
	with := func(change func(p *publisher)) publisher {
		p := healthy(nil)
		change(&p)
		return p
	}
	all := map[doctor.Code]publisher{
		doctor.KeyFramesRare: with(func(p *publisher) { p.gop = 150 }),
	}
	return all
}

// TestDoctor: an encoder with one fault has that finding and no other, a healthy one has none.
func TestDoctor(t *testing.T) {
	check := func(t *testing.T, r *faultRig, p publisher, want ...doctor.Code) {
		t.Helper()
		r.every = time.Hour
		s := r.send(p, 25*time.Second)
		defer s.Close()
		report := r.rt.Examine("e")
		if got := codes(report.Findings); !slices.Equal(got, want) {
			t.Errorf("found %v, want %v", got, want)
			for _, f := range report.Findings {
				t.Logf("%s: %s", f.Code, f.Text)
			}
		}
		for _, f := range report.Findings {
			if f.Text == "" || f.Consequence == "" || f.OBS == "" || f.FFmpeg == "" || f.Severity == 0 {
				t.Errorf("%s says not all: %+v", f.Code, f)
			}
		}
	}
	t.Run("healthy", func(t *testing.T) {
		faults(t, func(r *faultRig) { check(r.t, r, healthy(nil)) })
	})
	for code := range ailments(nil) {
		t.Run(string(code), func(t *testing.T) {
			faults(t, func(r *faultRig) { check(r.t, r, ailments(r)[code], code) })
		})
	}
}
