package origin

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/netip"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// What a viewer may send over QUIC that nobody has read yet: requests are small, and bodies are not read.
const (
	streamWindow     = 32 << 10
	connectionWindow = 256 << 10
	maxUniStreams    = 8 // HTTP/3 needs three: control, and QPACK's two (RFC 9114 6.2)
)

// QUIC serves a Handler over HTTP/3, within the limits of NewServer.
type QUIC struct {
	server *http3.Server
	gate   *Gate
	tls    *tls.Config
}

// NewQUIC returns a server whose requests end with ctx. The certificate is that of secure.
func NewQUIC(ctx context.Context, h http.Handler, secure *tls.Config, gate *Gate) *QUIC {
	return &QUIC{gate: gate, tls: http3.ConfigureTLSConfig(secure), server: &http3.Server{
		Handler: h, MaxHeaderBytes: maxHeaderBytes, IdleTimeout: idleTimeout,
		ConnContext: func(conn context.Context, _ *quic.Conn) context.Context {
			conn, cancel := context.WithCancel(conn)
			stop := context.AfterFunc(ctx, cancel)
			context.AfterFunc(conn, func() { stop() })
			return conn
		},
	}}
}

// Serve serves packets until Shutdown, and returns http.ErrServerClosed then.
func (q *QUIC) Serve(packets net.PacketConn) error {
	t := &quic.Transport{
		Conn: packets,
		// An address that may be forged is asked to prove itself where connections are not few any more (RFC 9000 8.1).
		VerifySourceAddress: func(net.Addr) bool { return q.gate.busy() },
	}
	defer t.Close()
	l, err := t.ListenEarly(q.tls, &quic.Config{
		Versions:             []quic.Version{quic.Version1},
		HandshakeIdleTimeout: readHeaderTimeout / 2, // of silence; the handshake has twice as long
		MaxIdleTimeout:       idleTimeout,
		MaxIncomingStreams:   maxStreams, MaxIncomingUniStreams: maxUniStreams,
		InitialStreamReceiveWindow: streamWindow, MaxStreamReceiveWindow: streamWindow,
		InitialConnectionReceiveWindow: connectionWindow, MaxConnectionReceiveWindow: connectionWindow,
	})
	if err != nil {
		return err
	}
	err = q.server.ServeListener(&gatedQUIC{l, q.gate})
	if errors.Is(err, quic.ErrServerClosed) {
		return http.ErrServerClosed
	}
	return err
}

// Shutdown lets the requests under way end while ctx lasts.
func (q *QUIC) Shutdown(ctx context.Context) error { return q.server.Shutdown(ctx) }

// Close cuts off all requests.
func (q *QUIC) Close() error { return q.server.Close() }

// gatedQUIC is a listener behind a Gate.
type gatedQUIC struct {
	*quic.EarlyListener
	g *Gate
}

var _ http3.QUICListener = (*gatedQUIC)(nil)

// Accept implements http3.QUICListener.
func (l *gatedQUIC) Accept(ctx context.Context) (*quic.Conn, error) {
	for {
		c, err := l.EarlyListener.Accept(ctx)
		if err != nil {
			return nil, err
		}
		a, _ := netip.ParseAddrPort(c.RemoteAddr().String())
		addr := a.Addr().Unmap()
		if l.g.take(addr) {
			context.AfterFunc(c.Context(), func() { l.g.leave(addr) })
			return c, nil
		}
		l.g.metrics.TurnedAway.Add(1)
		_ = c.CloseWithError(quic.ApplicationErrorCode(http3.ErrCodeExcessiveLoad), "the origin has all the viewers it can take")
	}
}

// busy reports whether a quarter of the connections are open.
func (g *Gate) busy() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return 4*g.open > g.a.Connections
}

// Announce tells viewers who came over TCP that h is there over HTTP/3 too, at a UDP port (RFC 7838). Not those behind a proxy:
// the port would be taken for one of the proxy's, and be kept in its cache.
func Announce(h http.Handler, port string) http.Handler {
	service := []string{`h3=":` + port + `"; ma=86400`}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor < 3 && r.Header["Via"] == nil && r.Header["X-Forwarded-For"] == nil {
			w.Header()["Alt-Svc"] = service
		}
		h.ServeHTTP(w, r)
	})
}
