package node

import (
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	goruntime "runtime"
	"testing"
	"time"

	"headwater.stream/internal/media"
)

// soakFor is how long a soak test lasts: what the environment says, or otherwise.
func soakFor(t *testing.T, variable string, otherwise time.Duration) time.Duration {
	s := os.Getenv(variable)
	if s == "" {
		return otherwise
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestSoak sends media in fake time with a random fault at every turn. What a viewer sees is held to the rules throughout;
// goroutines, descriptors, memory and directory entries stay where they were after the first tenth.
func TestSoak(t *testing.T) {
	length := soakFor(t, "HEADWATER_SOAK", time.Minute)
	faults(t, func(r *faultRig) {
		if length > 10*time.Minute {
			r.every = 2 * time.Second
		}
		rnd := rand.New(rand.NewPCG(7, uint64(length)))
		var before usage
		for time.Since(r.began) < length {
			r.turn(rnd)
			if before == (usage{}) && time.Since(r.began) > max(length/10, 15*time.Minute) {
				before = r.usage()
			}
		}
		if before == (usage{}) {
			return // too short to say
		}
		after := r.usage()
		t.Logf("after %v: %+v; before: %+v", time.Since(r.began), after, before)
		if after.goroutines > before.goroutines+5 || after.descriptors > before.descriptors+5 || after.files > before.files*3/2+100 || after.heap > before.heap*3/2+32<<20 {
			t.Errorf("after %v: %+v, before %+v", time.Since(r.began), after, before)
		}
	})
}

// turn is one publish with one fault.
func (r *faultRig) turn(rnd *rand.Rand) {
	p, d := randomFault(rnd)
	s := r.send(p, d)
	if err := s.Close(); err != nil {
		r.complain("closing: %v", err)
	}
	r.wait(time.Duration(rnd.IntN(12_000)) * time.Millisecond)
}

// randomFault returns a publisher with one fault, and how long it sends.
func randomFault(rnd *rand.Rand) (publisher, time.Duration) {
	p := publisher{
		fps: []float64{24, 25, 30, 23.976, 29.97, 50, 60}[rnd.IntN(7)], audio: []int{44100, 48000, 0}[rnd.IntN(3)], gop: 10 + rnd.IntN(150),
		start: rnd.Int64N(1 << 32), size: []string{"", "other"}[rnd.IntN(2)],
	}
	d := time.Duration(1+rnd.IntN(40)) * time.Second
	at := rnd.Float64() * float64(d.Milliseconds())
	switch rnd.IntN(6) {
	case 0:
		p.mutate = both(at, rnd.Int64N(7_200_000)-3_600_000, p.audio)
	case 1: // a track is away for a while
		track, away := rnd.IntN(2), rnd.Float64()*15_000
		p.mutate = func(ms float64, k int, _ *media.Sample) bool { return k != track || ms < at || ms > at+away }
	case 2: // jitter and loss
		p.mutate = func(_ float64, _ int, s *media.Sample) bool {
			s.DTS += rnd.Int64N(4000) - 2000
			return rnd.IntN(50) > 0
		}
	case 3: // a pause of everything
		away := rnd.Float64() * 8000
		p.mutate = func(ms float64, _ int, _ *media.Sample) bool { return ms < at || ms > at+away }
	}
	return p, d
}

// usage is what a process may leak.
type usage struct {
	goroutines, descriptors, files int
	heap                           uint64
}

func (r *faultRig) usage() (u usage) {
	goruntime.GC()
	var m goruntime.MemStats
	goruntime.ReadMemStats(&m)
	u.heap, u.goroutines = m.HeapAlloc, goruntime.NumGoroutine()
	if fds, err := os.ReadDir("/proc/self/fd"); err == nil {
		u.descriptors = len(fds)
	}
	_ = filepath.WalkDir(r.dir, func(string, fs.DirEntry, error) error { u.files++; return nil })
	return u
}
