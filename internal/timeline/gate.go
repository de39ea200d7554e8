package timeline

import (
	"runtime"
	"sync/atomic"
)

// A gate is opened for few at a time: whoever becomes runnable meanwhile, above all the writer and the spooler, waits for those
// and not for the crowd. A room is not smaller, because on a busy machine it is a while until the next one is opened. Beyond
// roomSize*moreRooms, rooms take more.
const (
	roomSize  = 16
	moreRooms = 512
)

// gate holds those who wait for the next state, in rooms that are opened one after the other.
type gate struct {
	first room
	more  atomic.Pointer[crowd] // when the first room was once full
}

type crowd struct {
	came  atomic.Uint32
	rooms []atomic.Pointer[room] // nil: the gate was opened before anybody came here
}

type room struct {
	door chan struct{} // closed: open
	in   atomic.Int32
}

func newGate() *gate { return &gate{first: room{door: make(chan struct{})}} }

// enter returns a room to wait in until its door opens, or until one leaves it.
func (g *gate) enter() *room {
	if g.first.in.Add(1) <= roomSize {
		return &g.first
	}
	c := g.more.Load()
	if c == nil {
		g.more.CompareAndSwap(nil, &crowd{rooms: make([]atomic.Pointer[room], moreRooms)})
		c = g.more.Load()
	}
	if c.rooms == nil {
		return &g.first
	}
	g.first.leave()
	slot := &c.rooms[(c.came.Add(1)-1)/roomSize%moreRooms]
	if slot.Load() == nil {
		slot.CompareAndSwap(nil, &room{door: make(chan struct{})})
	}
	r := slot.Load()
	r.in.Add(1)
	return r
}

func (r *room) leave() { r.in.Add(-1) }

// empty reports whether nobody waits; it may say no where there was a crowd.
func (g *gate) empty() bool { return g.first.in.Load() == 0 && g.more.Load() == nil }

// open lets everybody go, and those who come yet. With pace, each room gets to run before the next one is opened.
func (g *gate) open(pace bool) {
	close(g.first.door)
	if g.more.Load() == nil && g.more.CompareAndSwap(nil, &crowd{}) {
		return
	}
	c := g.more.Load()
	for i := range c.rooms {
		r := c.rooms[i].Swap(&g.first) // whose door is open
		if r == nil {
			continue
		}
		if pace {
			runtime.Gosched()
		}
		close(r.door)
	}
}
