package ingest

import (
	"net/netip"
	"sync"
	"time"
)

// What a client may do that asks for streams it has no right to.
const (
	guessFree   = 10                    // failures before it is slowed down
	guessGap    = 50 * time.Millisecond // then one publish per gap from that address: 20 a second
	guessQueue  = 3 * time.Second       // longest wait for a turn; who would wait longer is refused unheard
	guessForget = time.Minute           // without a failure, after which it is forgotten
	guessMemory = 4096                  // addresses remembered
)

// guesses slows down addresses that try keys.
type guesses struct {
	mu sync.Mutex
	of map[netip.Addr]*guesser
}

type guesser struct {
	failures   int
	last, next time.Time // last failure; next turn
}

// turn says how long a publish from addr must wait, and whether it may at all.
func (g *guesses) turn(addr netip.Addr, now time.Time) (wait time.Duration, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	x := g.of[addr]
	if x == nil || x.failures < guessFree || now.Sub(x.last) > guessForget {
		return 0, true
	}
	if x.next.Before(now) {
		x.next = now
	}
	if wait = x.next.Sub(now); wait > guessQueue {
		return 0, false
	}
	x.next = x.next.Add(guessGap)
	return wait, true
}

// failed notes that addr asked for something it has no right to.
func (g *guesses) failed(addr netip.Addr, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	x := g.of[addr]
	if x == nil || now.Sub(x.last) > guessForget {
		if len(g.of) >= guessMemory {
			for a, old := range g.of {
				if now.Sub(old.last) > guessForget {
					delete(g.of, a)
				}
			}
		}
		if g.of == nil || len(g.of) >= guessMemory {
			g.of = make(map[netip.Addr]*guesser) // so many at once are no slow guessing any more
		}
		x = new(guesser)
		g.of[addr] = x
	}
	x.failures++
	x.last = now
}
