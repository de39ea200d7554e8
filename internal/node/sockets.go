package node

import (
	"fmt"
	"net"
	"strconv"
)

// listenAt takes the listener for an address that was handed over, or opens one.
func (n *node) listenAt(addr string) (net.Listener, error) {
	for i, l := range n.cfg.Sockets {
		if l != nil && isFor(l, addr) {
			n.cfg.Sockets[i] = nil
			return l, nil
		}
	}
	return net.Listen("tcp", addr)
}

// isFor reports whether a listener has the port of addr, and its host if addr has one that is an IP address.
func isFor(l net.Listener, addr string) bool {
	has, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		return false
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil || port != strconv.Itoa(has.Port) {
		return false
	}
	ip := net.ParseIP(host)
	return ip == nil || ip.Equal(has.IP) || ip.IsUnspecified() && has.IP.IsUnspecified()
}

// allTaken complains about a listener that was handed over for nothing: it would take connections that nobody accepts.
func (n *node) allTaken() error {
	for _, l := range n.cfg.Sockets {
		if l != nil {
			return fmt.Errorf("the socket on %s was handed over, but no listener has this address: give it as one of the --…-listen flags, or leave it out of the .socket unit", l.Addr())
		}
	}
	return nil
}
