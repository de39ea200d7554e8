package origin_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"headwater.stream/origin"
)

// datagrams is one end of a line for packets, whose deadlines follow the test's clock; a full line loses them.
type datagrams struct {
	addr  net.Addr
	in    chan datagram
	ends  *sync.Map // all ends of the line by address
	done  chan struct{}
	close sync.Once
}

type datagram struct {
	from net.Addr
	data []byte
}

func (d *datagrams) ReadFrom(b []byte) (int, net.Addr, error) {
	select {
	case p := <-d.in:
		return copy(b, p.data), p.from, nil
	case <-d.done:
		return 0, nil, os.ErrDeadlineExceeded
	}
}

func (d *datagrams) WriteTo(b []byte, to net.Addr) (int, error) {
	if end, ok := d.ends.Load(to.String()); ok {
		select {
		case end.(*datagrams).in <- datagram{d.addr, bytes.Clone(b)}:
		default:
		}
	}
	return len(b), nil
}

func (d *datagrams) Close() error        { d.close.Do(func() { close(d.done) }); return nil }
func (d *datagrams) LocalAddr() net.Addr { return d.addr }

// SetDeadline and the like: quic-go sets one only to stop reading.
func (d *datagrams) SetDeadline(time.Time) error      { return d.Close() }
func (d *datagrams) SetReadDeadline(time.Time) error  { return d.Close() }
func (d *datagrams) SetWriteDeadline(time.Time) error { return nil }

// serveQUIC serves h over HTTP/3 in fake time and returns what makes viewers from an address.
func serveQUIC(t *testing.T, h http.Handler, gate *origin.Gate) (viewer func(addr string) *http3.Transport) {
	var ends sync.Map
	end := func(addr string) *datagrams {
		d := &datagrams{addr: net.UDPAddrFromAddrPort(netip.MustParseAddrPort(addr)), in: make(chan datagram, 4096), ends: &ends, done: make(chan struct{})}
		ends.Store(addr, d)
		return d
	}
	secure := httptest.NewTLSServer(nil) // for its certificate
	secure.Close()
	q := origin.NewQUIC(t.Context(), h, &tls.Config{Certificates: secure.TLS.Certificates}, gate)
	at := end("192.0.2.1:443")
	stopped := make(chan error)
	go func() { stopped <- q.Serve(at) }()
	t.Cleanup(func() {
		if err := q.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
		if err := <-stopped; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("serving: %v", err)
		}
	})
	return func(addr string) *http3.Transport {
		line := &quic.Transport{Conn: end(addr)}
		viewer := &http3.Transport{
			DisableCompression: true,
			TLSClientConfig:    &tls.Config{InsecureSkipVerify: true},
			Dial: func(ctx context.Context, _ string, cfg *tls.Config, q *quic.Config) (*quic.Conn, error) {
				return line.DialEarly(ctx, at.addr, cfg, q)
			},
		}
		t.Cleanup(func() {
			_ = viewer.Close()
			_ = line.Close()
		})
		return viewer
	}
}

func getQUIC(t *testing.T, viewer *http3.Transport, target string, header ...string) (*http.Response, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://192.0.2.1"+target, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return viewer.RoundTrip(r)
}

// TestQUIC: over HTTP/3 everything is answered as over TCP; a blocked reload waits for its part.
func TestQUIC(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(true)
		m.steps(3 * partsPerSegment)
		var metrics origin.Metrics
		h := handlerOf(m, origin.Options{Metrics: &metrics})
		viewer := serveQUIC(t, h, origin.NewGate(origin.Admission{Connections: 9, PerAddress: 9}, &metrics))("192.0.2.2:5000")
		for _, target := range []string{"master.m3u8", "manifest.mpd", "v1/media.m3u8", "v1/init-1764077000.mp4", "v1/seg-1764077000-1.m4s", "v9/media.m3u8", "v1/seg-1764077000-99.m4s"} {
			for _, header := range [][]string{nil, {"Range", "bytes=2-9"}, {"Accept-Encoding", "gzip"}} {
				resp, err := getQUIC(t, viewer, base+target, header...)
				if err != nil {
					t.Fatal(err)
				}
				want := ask(h, "GET", base+target, header...)
				for _, name := range []string{"Content-Type", "Cache-Control", "Etag", "Access-Control-Allow-Origin", "Content-Range", "Content-Encoding", "Vary"} {
					if resp.Header.Get(name) != want.Header.Get(name) {
						t.Errorf("%s: %s is %q, over TCP %q", target, name, resp.Header.Get(name), want.Header.Get(name))
					}
				}
				if got := body(t, resp); resp.ProtoMajor != 3 || resp.StatusCode != want.StatusCode || got != body(t, want) {
					t.Errorf("%s %v: %s %d, %d bytes; over TCP %d", target, header, resp.Proto, resp.StatusCode, len(got), want.StatusCode)
				}
			}
		}
		done := make(chan string)
		go func() {
			resp, err := getQUIC(t, viewer, base+"v1/media.m3u8?_HLS_msn=3&_HLS_part=0")
			if err != nil {
				done <- err.Error()
				return
			}
			done <- body(t, resp)
		}()
		for metrics.Waiting.Load() == 0 {
			time.Sleep(time.Millisecond)
		}
		m.steps(1)
		if text := <-done; !strings.Contains(text, "part-1764077000-3-0.m4s") {
			t.Errorf("the blocked reload is answered with\n%s", text)
		}
	})
}

// TestQUICNeverReads: as TestNeverReads, over HTTP/3.
func TestQUICNeverReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(true)
		m.repeat = 80_000 // more than the viewer's window
		m.steps(2 * partsPerSegment)
		var metrics origin.Metrics
		viewer := serveQUIC(t, handlerOf(m, origin.Options{Metrics: &metrics}), origin.NewGate(origin.Admission{Connections: 9, PerAddress: 9}, &metrics))("192.0.2.2:5000")
		resp, err := getQUIC(t, viewer, base+"v1/seg-1764077000-1.m4s")
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		for metrics.Stalled.Load() == 0 && time.Since(began) < 2*time.Minute {
			time.Sleep(time.Second)
		}
		if took := time.Since(began); metrics.Stalled.Load() != 1 || took > 32*time.Second {
			t.Errorf("%d answers given up after %v", metrics.Stalled.Load(), took)
		}
		if b, err := io.ReadAll(resp.Body); err == nil && int64(len(b)) == resp.ContentLength {
			t.Error("the viewer got all of it")
		}
	})
}

// TestQUICAdmission: connections beyond the limits are refused, and one that ends makes room, also one that ends
// without a word.
func TestQUICAdmission(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var metrics origin.Metrics
		viewer := serveQUIC(t, handlerOf(newMemory(true), origin.Options{}), origin.NewGate(origin.Admission{Connections: 3, PerAddress: 2}, &metrics))
		a, b, c, d := viewer("192.0.2.2:5000"), viewer("192.0.2.2:5001"), viewer("192.0.2.2:5002"), viewer("192.0.2.3:5000")
		for i, v := range []*http3.Transport{a, b, d} {
			if resp, err := getQUIC(t, v, "/time"); err != nil || resp.StatusCode != 200 {
				t.Errorf("viewer %d: %v", i, err)
			}
		}
		for i, v := range []*http3.Transport{c, viewer("192.0.2.4:5000")} {
			if _, err := getQUIC(t, v, "/time"); err == nil { // before the handshake is over, no better word can be said (RFC 9000 10.2.3)
				t.Errorf("too many, %d: let in", i)
			}
		}
		if n := metrics.TurnedAway.Load(); n < 2 {
			t.Errorf("%d are counted", n)
		}
		_ = a.Close()
		time.Sleep(time.Second)
		if resp, err := getQUIC(t, viewer("192.0.2.2:5003"), "/time"); err != nil || resp.StatusCode != 200 {
			t.Errorf("after one has left: %v", err)
		}
		time.Sleep(2 * time.Minute) // nobody says anything
		for _, addr := range []string{"192.0.2.2:6000", "192.0.2.2:6001"} {
			if resp, err := getQUIC(t, viewer(addr), "/time"); err != nil || resp.StatusCode != 200 {
				t.Errorf("after all have gone silent: %v", err)
			}
		}
	})
}

// TestAnnounce: viewers over TCP are told of HTTP/3, those behind a proxy are not.
func TestAnnounce(t *testing.T) {
	h := origin.Announce(handlerOf(newMemory(true), origin.Options{}), "8443")
	if got := ask(h, "GET", "/time").Header.Get("Alt-Svc"); got != `h3=":8443"; ma=86400` {
		t.Errorf("Alt-Svc is %q", got)
	}
	for _, header := range []string{"Via", "X-Forwarded-For"} {
		if got := ask(h, "GET", "/time", header, "1.1 cache").Header.Get("Alt-Svc"); got != "" {
			t.Errorf("with %s: Alt-Svc is %q", header, got)
		}
	}
}
