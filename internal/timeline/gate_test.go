package timeline

import (
	"sync"
	"testing"
	"testing/synctest"
)

// TestGate lets a crowd wait, and as many come while the gate opens: everybody gets through, and few at a time.
func TestGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, n := range []int{0, 1, roomSize, roomSize + 1, 100, 2 * roomSize * moreRooms} {
			g := newGate()
			if !g.empty() {
				t.Errorf("%d: not empty before anybody came", n)
			}
			var wg sync.WaitGroup
			for range n {
				wg.Go(func() { <-g.enter().door })
			}
			synctest.Wait()
			if g.empty() != (n == 0) {
				t.Errorf("%d wait, empty: %v", n, g.empty())
			}
			if in := g.first.in.Load(); in != int32(min(n, roomSize)) {
				t.Errorf("%d wait, %d of them in the first room", n, in)
			}
			if c := g.more.Load(); c != nil {
				for i := range c.rooms {
					if r := c.rooms[i].Load(); r != nil && r.in.Load() > int32(roomSize*(1+n/(roomSize*moreRooms))) {
						t.Errorf("%d wait, %d of them in one room", n, r.in.Load())
					}
				}
			}
			for range n {
				wg.Go(func() { <-g.enter().door })
			}
			g.open(true)
			wg.Wait()
			for range 2 * roomSize { // after it
				<-g.enter().door
			}
		}
		g := newGate()
		g.enter().leave()
		if !g.empty() {
			t.Error("not empty after the only one left")
		}
	})
}
