package console

import (
	"net/netip"
	"sync"
	"time"
)

// How many wrong tokens are looked at: at once, and then one per interval; of one address and of all together. A token has
// 256 random bits, so this is about noise and the log, not about guessing.
const (
	triesAddress, intervalAddress = 10, 6 * time.Second
	triesAll, intervalAll         = 100, 600 * time.Millisecond
)

// maxAddresses bounds what is remembered of those who try; when there are more, they share what all have together.
const maxAddresses = 1024

// limiter bounds tries by address.
type limiter struct {
	now func() time.Time
	mu  sync.Mutex
	all bucket
	of  map[netip.Prefix]*bucket
}

// bucket is how many tries were taken, and when that was true.
type bucket struct {
	taken float64
	at    time.Time
}

func newLimiter(now func() time.Time) *limiter {
	return &limiter{now: now, of: map[netip.Prefix]*bucket{}}
}

// drain lets time give tries back.
func (b *bucket) drain(now time.Time, interval time.Duration) {
	b.taken = max(0, b.taken-float64(now.Sub(b.at))/float64(interval))
	b.at = now
}

// wait is how long until one more fits.
func (b *bucket) wait(limit float64, interval time.Duration) time.Duration {
	return time.Duration((b.taken + 1 - limit) * float64(interval))
}

// take takes a try of the peer, or says how long it has to wait for one.
func (l *limiter) take(remote string) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	l.all.drain(now, intervalAll)
	b := l.bucket(network(remote), now)
	if b != nil {
		b.drain(now, intervalAddress)
		if wait := b.wait(triesAddress, intervalAddress); wait > 0 {
			return wait
		}
	}
	if wait := l.all.wait(triesAll, intervalAll); wait > 0 {
		return wait
	}
	l.all.taken++
	if b != nil {
		b.taken++
	}
	return 0
}

// giveBack returns a try that was none: the token was right.
func (l *limiter) giveBack(remote string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all.taken = max(0, l.all.taken-1)
	if b := l.of[network(remote)]; b != nil {
		b.taken = max(0, b.taken-1)
	}
}

// bucket returns that of a network, nil when there is no room for it.
func (l *limiter) bucket(n netip.Prefix, now time.Time) *bucket {
	if b := l.of[n]; b != nil {
		return b
	}
	if len(l.of) >= maxAddresses {
		for key, b := range l.of {
			if b.drain(now, intervalAddress); b.taken == 0 {
				delete(l.of, key)
			}
		}
		if len(l.of) >= maxAddresses {
			return nil
		}
	}
	b := &bucket{at: now}
	l.of[n] = b
	return b
}

// network is what counts as one peer: an IPv4 address, or the /64 that one subscriber has.
func network(remote string) netip.Prefix {
	a, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Prefix{}
	}
	addr := a.Addr().Unmap()
	bits := 64
	if addr.Is4() {
		bits = 32
	}
	p, err := addr.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}
