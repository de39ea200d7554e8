package origin

import (
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// Admission bounds the connections of viewers, so that they leave descriptors and memory for encoders and recordings.
type Admission struct {
	Connections int  // open at a time
	PerAddress  int  // of these from one address; a cache in front is one
	Plain       bool // the connections speak HTTP without TLS: who is refused can be told
}

// busyAnswer is what a connection beyond the limits gets, whatever it would have asked for.
const busyAnswer = "HTTP/1.1 503 Service Unavailable\r\n" +
	"Access-Control-Allow-Origin: *\r\nAccess-Control-Expose-Headers: Retry-After, " + codeHeader + "\r\n" +
	codeHeader + ": MPE_CAPACITY_LIMIT_REACHED\r\nContent-Type: application/json\r\nCache-Control: no-store\r\nRetry-After: 5\r\n" +
	"Connection: close\r\nContent-Length: 92\r\n\r\n" +
	`{"code":"MPE_CAPACITY_LIMIT_REACHED","message":"the origin has all the viewers it can take"}`

// Times of a refusal. A connection that is closed with a request unread is reset, and the answer may be lost with it; so the
// request is taken first, by a bounded number at a time.
const (
	refusalTime = time.Second
	maxRefusals = 256
)

// Gate lets connections in within the limits of an Admission.
type Gate struct {
	a        Admission
	metrics  *Metrics
	refusals chan struct{}
	refusing sync.WaitGroup

	mu   sync.Mutex
	open int
	from map[netip.Addr]int
}

// NewGate returns a Gate; m counts.
func NewGate(a Admission, m *Metrics) *Gate {
	return &Gate{a: a, metrics: m, from: map[netip.Addr]int{}, refusals: make(chan struct{}, maxRefusals)}
}

// Listener returns a listener that hands on the connections of l within the limits, as they are, and refuses the others. The
// server that takes them calls ConnState, which counts them out.
func (g *Gate) Listener(l net.Listener) net.Listener { return &gated{l, g} }

// ConnState is for http.Server.ConnState.
func (g *Gate) ConnState(c net.Conn, s http.ConnState) {
	if s == http.StateClosed || s == http.StateHijacked {
		g.leave(addressOf(c))
	}
}

// gated is a listener behind a Gate.
type gated struct {
	net.Listener
	g *Gate
}

// Accept implements net.Listener.
func (l *gated) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.g.take(addressOf(c)) {
			return c, nil
		}
		l.g.metrics.TurnedAway.Add(1)
		l.g.refuse(c)
	}
}

// Close implements net.Listener. It waits for refusals under way, refusalTime at most.
func (l *gated) Close() error {
	err := l.Listener.Close()
	l.g.refusing.Wait()
	return err
}

func addressOf(c net.Conn) netip.Addr {
	a, _ := netip.ParseAddrPort(c.RemoteAddr().String())
	return a.Addr().Unmap()
}

func (g *Gate) take(addr netip.Addr) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open >= g.a.Connections || g.from[addr] >= g.a.PerAddress {
		return false
	}
	g.open++
	g.from[addr]++
	return true
}

func (g *Gate) leave(addr netip.Addr) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open--
	if g.from[addr]--; g.from[addr] == 0 {
		delete(g.from, addr)
	}
}

func (g *Gate) refuse(c net.Conn) {
	if !g.a.Plain {
		_ = c.Close()
		return
	}
	select {
	case g.refusals <- struct{}{}:
	default:
		_ = c.Close()
		return
	}
	g.refusing.Go(func() {
		defer func() { <-g.refusals }()
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(refusalTime))
		var request [4 << 10]byte
		if _, err := c.Read(request[:]); err == nil {
			_, _ = c.Write([]byte(busyAnswer))
		}
	})
}
