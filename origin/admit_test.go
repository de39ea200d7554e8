package origin_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"headwater.stream/origin"
)

// from is a connection from some address.
type from struct {
	net.Conn
	addr string
}

func (c from) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(c.addr)) }

// TestAdmission: connections beyond the limits are told so and cost nobody else anything; one that ends makes room.
func TestAdmission(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var metrics origin.Metrics
		gate := origin.NewGate(origin.Admission{Connections: 3, PerAddress: 2, Plain: true}, &metrics)
		raw := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
		srv := origin.NewServer(handlerOf(newMemory(true), origin.Options{}))
		srv.ConnState = gate.ConnState
		stopped := make(chan error)
		front := origin.NewFront(srv)
		go func() { stopped <- front.Serve(gate.Listener(raw)) }()
		dial := func(addr string) net.Conn {
			client, server := net.Pipe()
			raw.conns <- from{server, addr}
			return client
		}
		ask := func(c net.Conn) *http.Response {
			t.Helper()
			if _, err := io.WriteString(c, "GET /time HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Fatal(err)
			}
			return resp
		}
		refused := func(c net.Conn) {
			t.Helper()
			resp := ask(c)
			var told struct{ Code string }
			b, err := io.ReadAll(resp.Body)
			if err != nil || json.Unmarshal(b, &told) != nil || told.Code != "MPE_CAPACITY_LIMIT_REACHED" {
				t.Errorf("body %q, %v", b, err)
			}
			if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" ||
				resp.Header.Get("Access-Control-Allow-Origin") != "*" || resp.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s %v", resp.Status, resp.Header)
			}
			if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
				t.Errorf("a refused connection stays: %v", err)
			}
		}
		served := func(c net.Conn) {
			t.Helper()
			if resp := ask(c); resp.StatusCode != http.StatusOK {
				t.Errorf("%s", resp.Status)
			}
		}
		a1, a2 := dial("192.0.2.1:1"), dial("192.0.2.1:2")
		refused(dial("[::ffff:192.0.2.1]:3")) // the same address
		b := dial("192.0.2.2:1")
		refused(dial("192.0.2.3:1"))
		for _, c := range []net.Conn{a1, a2, b} {
			served(c)
		}
		silent := dial("192.0.2.4:1")
		began := time.Now()
		if _, err := silent.Read(make([]byte, 1)); !errors.Is(err, io.EOF) || time.Since(began) > 2*time.Second {
			t.Errorf("a refused connection that asks nothing stays %v: %v", time.Since(began), err)
		}
		a1.Close()
		synctest.Wait()
		served(dial("192.0.2.3:1"))
		if n := metrics.TurnedAway.Load(); n != 3 {
			t.Errorf("%d turned away", n)
		}
		if err := front.Close(); err != nil {
			t.Error(err)
		}
		<-stopped
	})
}
