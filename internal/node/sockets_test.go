package node

import (
	"net"
	"strings"
	"testing"
)

// TestSockets: a listener that was handed over is taken in place of the address it has, and one that nobody wants is refused,
// because who connects to it would wait for ever.
func TestSockets(t *testing.T) {
	listen := func() net.Listener {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		return l
	}
	wanted, stray := listen(), listen()
	cfg := Config{DataDir: t.TempDir(), OriginListen: wanted.Addr().String(), ControlListen: "127.0.0.1:0", RTMPListen: "127.0.0.1:0"}
	cfg.Sockets = []net.Listener{stray, wanted}
	if err := Run(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), stray.Addr().String()+" was handed over") {
		t.Errorf("with a socket too many: %v", err)
	}
	for _, test := range []struct {
		addr string
		want bool
	}{
		{wanted.Addr().String(), true}, {":" + port(wanted), true}, {"localhost:" + port(wanted), true},
		{"127.0.0.2:" + port(wanted), false}, {"0.0.0.0:" + port(wanted), false}, {"127.0.0.1:0", false}, {"nonsense", false},
	} {
		if got := isFor(wanted, test.addr); got != test.want {
			t.Errorf("%s for %s: %v", wanted.Addr(), test.addr, got)
		}
	}
}

func port(l net.Listener) string {
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}
