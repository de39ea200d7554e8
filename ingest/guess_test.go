package ingest

import (
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

func TestGuessingIsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g guesses
		attacker, other := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
		admitted := 0
		begun := time.Now()
		for time.Since(begun) < 10*time.Second {
			wait, ok := g.turn(attacker, time.Now())
			if !ok {
				time.Sleep(time.Millisecond)
				continue
			}
			time.Sleep(wait)
			g.failed(attacker, time.Now())
			admitted++
		}
		if admitted > guessFree+201 || admitted < 200 {
			t.Errorf("%d guesses in 10 s", admitted)
		}
		if wait, ok := g.turn(other, time.Now()); wait != 0 || !ok {
			t.Error("another address waits")
		}
		refused := 0
		for range 100 { // at once
			if _, ok := g.turn(attacker, time.Now()); !ok {
				refused++
			}
		}
		if refused < 30 {
			t.Errorf("%d of 100 refused unheard", refused)
		}
		time.Sleep(guessForget + time.Second)
		if wait, ok := g.turn(attacker, time.Now()); wait != 0 || !ok {
			t.Error("not forgotten")
		}
		for i := range 2 * guessMemory {
			g.failed(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), time.Now())
		}
		if len(g.of) > guessMemory {
			t.Errorf("%d addresses remembered", len(g.of))
		}
	})
}

func TestWorkIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWork(1_000_000)
		begun := time.Now()
		for range 3_000_000 {
			w.charge(1)
		}
		if d := time.Since(begun); d < 2500*time.Millisecond || d > 3*time.Second {
			t.Errorf("3 million units at a million per second took %v", d)
		}
		// A burst after a pause goes through.
		time.Sleep(time.Second)
		begun = time.Now()
		w.charge(200_000)
		if d := time.Since(begun); d != 0 {
			t.Errorf("a burst waited %v", d)
		}
	})
}

func TestResetInMidFrame(t *testing.T) {
	gate := new(memGate)
	s := startServer(t, gate, Limits{})
	for round := range 3 {
		p := connectPeer(t, s.addr)
		p.publish("live", "x")
		p.media(0, 3)
		session := gate.session(t, round)
		eventually(t, "media", func() bool { return session.count() == 6 })
		p.raw(append(header(6, typeVideo, 1, 200, 1000), make([]byte, 128)...)...)
		_ = p.nc.(*net.TCPConn).SetLinger(0)
		_ = p.nc.Close()
		eventually(t, "the session closed", func() bool { return session.closed() == 1 })
		if n := session.count(); n != 6 {
			t.Errorf("%d samples", n)
		}
	}
}
