package ingest

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os/exec"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"headwater.stream/internal/media"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// memGate admits everything, except what refuse names, and remembers it.
type memGate struct {
	refuse func(Request) error
	wrap   func(*memSession) Session
	keep   bool // keep payload bytes

	mu       sync.Mutex
	sessions []*memSession
}

func (g *memGate) Admit(_ context.Context, r Request) (Session, error) {
	if g.refuse != nil {
		if err := g.refuse(r); err != nil {
			return nil, err
		}
	}
	s := &memSession{request: r, keep: g.keep}
	g.mu.Lock()
	g.sessions = append(g.sessions, s)
	g.mu.Unlock()
	if g.wrap != nil {
		return g.wrap(s), nil
	}
	return s, nil
}

func (g *memGate) all() []*memSession {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]*memSession(nil), g.sessions...)
}

// session waits for the n-th session.
func (g *memGate) session(t testing.TB, n int) *memSession {
	t.Helper()
	var s *memSession
	eventually(t, fmt.Sprintf("session %d", n), func() bool {
		if all := g.all(); len(all) > n {
			s = all[n]
			return true
		}
		return false
	})
	return s
}

// memSession remembers what a Session was given.
type memSession struct {
	request Request
	keep    bool

	mu      sync.Mutex
	setups  [][]media.Track
	samples []media.Sample
	events  []media.Event
	setupAt []int // number of samples before each setup
	closes  int
	total   int
}

func (s *memSession) SetTracks(t []media.Track) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.setups = append(s.setups, t)
	s.setupAt = append(s.setupAt, len(s.samples))
	return nil
}

func (s *memSession) WriteSample(m media.Sample) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.setups) == 0 || m.Track >= len(s.setups[len(s.setups)-1]) {
		return fmt.Errorf("sample of track %d before SetTracks", m.Track)
	}
	s.total += len(m.Data)
	if s.keep {
		m.Data = bytes.Clone(m.Data)
	} else {
		m.Data = nil
	}
	s.samples = append(s.samples, m)
	return nil
}

func (s *memSession) WriteEvent(e media.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, e)
	return nil
}

func (s *memSession) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closes++
	return nil
}

func (s *memSession) tracks() []media.Track {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.setups) == 0 {
		return nil
	}
	return s.setups[len(s.setups)-1]
}

func (s *memSession) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.samples)
}

func (s *memSession) closed() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closes
}

// of returns the samples of a kind.
func (s *memSession) of(k media.Kind) []media.Sample {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []media.Sample
	for i, t := range s.lastTracksLocked() {
		if t.Kind != k {
			continue
		}
		for _, m := range s.samples {
			if m.Track == i {
				out = append(out, m)
			}
		}
	}
	return out
}

func (s *memSession) lastTracksLocked() []media.Track {
	if len(s.setups) == 0 {
		return nil
	}
	return s.setups[len(s.setups)-1]
}

// testServer is a Server on a loopback port.
type testServer struct {
	*Server
	addr string
	gate *memGate
	logs *logBuffer
	stop func()
}

// startServerFor starts a server for any gate and returns its address.
func startServerFor(t testing.TB, gate Gate) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Gate: gate, Log: slog.New(slog.DiscardHandler)}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return l.Addr().String()
}

func startServer(t testing.TB, gate *memGate, limits Limits) *testServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serveOn(t, l, gate, limits)
}

func serveOn(t testing.TB, l net.Listener, gate *memGate, limits Limits) *testServer {
	t.Helper()
	logs := new(logBuffer)
	s := &Server{Gate: gate, Limits: limits, Log: slog.New(slog.NewTextHandler(logs, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	var once sync.Once
	stop := func() {
		once.Do(func() {
			cancel()
			select {
			case err := <-done:
				if err != nil {
					t.Errorf("Serve: %v", err)
				}
			case <-time.After(15 * time.Second):
				t.Error("Serve did not return")
			}
			if n := s.Stats().Open; n != 0 {
				t.Errorf("%d connections open after Serve", n)
			}
		})
	}
	t.Cleanup(stop)
	return &testServer{Server: s, addr: l.Addr().String(), gate: gate, logs: logs, stop: stop}
}

// logBuffer collects log lines.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// eventually polls until ok is true, for twenty seconds at most.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// ffmpeg runs ffmpeg and returns its stderr and whether it succeeded.
func ffmpeg(t testing.TB, args ...string) (string, bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "ffmpeg", append([]string{"-hide_banner", "-nostdin", "-loglevel", "info", "-y"}, args...)...)
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		t.Errorf("ffmpeg did not end: %s", out)
	}
	return string(out), err == nil
}
