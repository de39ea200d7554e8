package origin

import (
	"hash/maphash"
	"math"
	"math/bits"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"headwater.stream/internal/media"
)

// spellTime is how long an Audience counts together: what it tells is of the present spell and the one before.
const spellTime = 30 * time.Second

// sketchBits is the logarithm of the registers of a sketch: an error of three in a hundred, for four kilobytes.
const sketchBits = 10

// Crowd makes Audiences whose viewers can be counted together. Addresses and sessions are not kept: a sketch has nothing but
// the largest ranks of hashes, whose seed is the process's.
type Crowd struct {
	now  func() time.Time
	seed maphash.Seed
	// Latency is what players have of it, of all audiences.
	Latency Histogram
	// Reports and Stalls count requests with CMCD, and those that say that the buffer ran empty.
	Reports, Stalls atomic.Int64
}

// NewCrowd returns a Crowd by a clock that media times are told by too.
func NewCrowd(now func() time.Time) *Crowd { return &Crowd{now: now, seed: maphash.MakeSeed()} }

// Audience counts who watches something, and what their players say (CTA-5004), without a lock.
type Audience struct {
	crowd *Crowd
	now   atomic.Pointer[spells]
}

// spells are the present one and the one before.
type spells struct {
	began     time.Time
	cur, last *spell
}

// spell is what was counted in spellTime.
type spell struct {
	viewers [1 << sketchBits]atomic.Uint32 // HyperLogLog registers

	requests, reports, stalls       atomic.Int64
	bitrate, buffer, speed, latency mean
}

// mean adds up what players say.
type mean struct{ sum, n atomic.Int64 }

func (m *mean) add(v int) {
	if v >= 0 {
		m.sum.Add(int64(v))
		m.n.Add(1)
	}
}

// NewAudience returns an Audience of the crowd.
func (c *Crowd) NewAudience() *Audience { return &Audience{crowd: c} }

// spells returns those that count now; the first request of a spell begins it.
func (a *Audience) spells(now time.Time) *spells {
	for {
		s := a.now.Load()
		if s != nil && now.Sub(s.began) < spellTime {
			return s
		}
		next := &spells{began: now, cur: &spell{}, last: &spell{}}
		if s != nil && now.Sub(s.began) < 2*spellTime {
			next.last = s.cur
		}
		if a.now.CompareAndSwap(s, next) {
			return next
		}
	}
}

// asked counts a request for a segment or part of a View.
func (a *Audience) asked(r *http.Request, v *media.View, ref media.Ref) {
	now := a.crowd.now()
	s := a.spells(now).cur
	p := readReport(r)
	s.requests.Add(1)
	s.see(a.crowd.hash(r, &p))
	if !p.present {
		return
	}
	s.reports.Add(1)
	a.crowd.Reports.Add(1)
	if p.starved {
		s.stalls.Add(1)
		a.crowd.Stalls.Add(1)
	}
	if !p.audio {
		s.bitrate.add(p.bitrate)
	}
	s.speed.add(p.speed)
	s.buffer.add(p.buffer)
	if p.latency < 0 && p.buffer >= 0 && !v.Ended {
		// What is asked for comes after what is buffered: so the player is where that begins, less the buffer.
		if at, ok := start(v, ref); ok {
			late := now.Sub(v.Anchor.Add(at)) + time.Duration(p.buffer)*time.Millisecond
			p.latency = int(min(max(late, -1), maxMillis*time.Millisecond) / time.Millisecond)
		}
	}
	if s.latency.add(p.latency); p.latency >= 0 {
		a.crowd.Latency.Observe(time.Duration(p.latency) * time.Millisecond)
	}
}

// start returns the media time at which a segment or part begins.
func start(v *media.View, ref media.Ref) (time.Duration, bool) {
	r := v.Find(ref.Rendition)
	if r == nil {
		return 0, false
	}
	if ref.Kind == media.ObjectPart {
		for i := len(r.Parts) - 1; i >= 0; i-- {
			switch p := &r.Parts[i]; {
			case p.Number == ref.Number && p.Part == ref.Part:
				return r.Time(p.Start), true
			case p.Number == ref.Number && p.Part == ref.Part-1, p.Number+1 == ref.Number && ref.Part == 0:
				return r.Time(p.Start + p.Duration), true // the one that is hinted at
			}
		}
	}
	if s := r.Segment(ref.Number); s != nil {
		return r.Time(s.Start), true
	}
	if r.Open != nil && r.Open.Number == ref.Number {
		return r.Time(r.Open.Start), true
	}
	return 0, false
}

// hash is of what tells viewers apart: the session of CMCD, else address and player.
func (c *Crowd) hash(r *http.Request, p *report) uint64 {
	if p.session != "" {
		return maphash.String(c.seed, p.session)
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	return maphash.String(c.seed, host) ^ bits.RotateLeft64(maphash.String(c.seed, r.UserAgent()), 32)
}

// see notes a viewer: each register has the largest rank of the hashes that fall to it.
func (s *spell) see(h uint64) {
	rank := uint32(bits.LeadingZeros64(h<<sketchBits|1<<(sketchBits-1))) + 1
	for r := &s.viewers[h>>(64-sketchBits)]; ; {
		old := r.Load()
		if old >= rank || r.CompareAndSwap(old, rank) {
			return
		}
	}
}

// Viewers estimates how many different viewers some audiences had in the last half to whole minute.
func Viewers(now time.Time, list ...*Audience) int {
	var ranks [1 << sketchBits]uint32
	for _, a := range list {
		for _, s := range a.recent(now) {
			for i := range s.viewers {
				ranks[i] = max(ranks[i], s.viewers[i].Load())
			}
		}
	}
	const m = float64(len(ranks))
	sum, empty := 0.0, 0.0
	for _, r := range ranks {
		if sum += math.Ldexp(1, -int(r)); r == 0 {
			empty++
		}
	}
	n := 0.7213 / (1 + 1.079/m) * m * m / sum
	if n <= 2.5*m && empty > 0 { // few: linear counting
		n = m * math.Log(m/empty)
	}
	return int(n + .5)
}

// recent returns the spells that count at a time.
func (a *Audience) recent(now time.Time) []*spell {
	s := a.now.Load()
	switch {
	case s == nil || now.Sub(s.began) >= 2*spellTime:
		return nil
	case now.Sub(s.began) >= spellTime:
		return []*spell{s.cur}
	}
	return []*spell{s.cur, s.last}
}

// Watching is what is known of an audience in the last half to whole minute. Means are 0 where no player has said anything.
type Watching struct {
	Viewers  int
	Requests int64 // for segments and parts
	Reports  int64 // of these with CMCD
	Stalls   int64 // of these that say that the buffer ran empty
	Bitrate  int64 // that is played, bit/s
	Speed    int64 // measured by players, bit/s
	Buffer   time.Duration
	Latency  time.Duration // behind the live edge's time of day: as players say, else from what they ask for and have buffered
}

// Read returns what is known at a time.
func (a *Audience) Read(now time.Time) Watching {
	w := Watching{Viewers: Viewers(now, a)}
	var bitrate, speed, buffer, latency [2]int64
	for _, s := range a.recent(now) {
		w.Requests += s.requests.Load()
		w.Reports += s.reports.Load()
		w.Stalls += s.stalls.Load()
		for into, m := range map[*[2]int64]*mean{&bitrate: &s.bitrate, &speed: &s.speed, &buffer: &s.buffer, &latency: &s.latency} {
			into[0] += m.sum.Load()
			into[1] += m.n.Load()
		}
	}
	of := func(v [2]int64) int64 { return v[0] / max(v[1], 1) }
	w.Bitrate, w.Speed = of(bitrate)*1000, of(speed)*1000
	w.Buffer, w.Latency = time.Duration(of(buffer))*time.Millisecond, time.Duration(of(latency))*time.Millisecond
	return w
}
