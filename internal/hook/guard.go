package hook

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"
)

// ErrAddress refuses a receiver inside the network (server-side request forgery).
var ErrAddress = errors.New("the address is not a public one and not allowed by --webhook-allow")

// inside are address ranges that are not the public Internet, beside those that netip knows (IANA special-purpose registries).
var inside = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"), netip.MustParsePrefix("192.0.2.0/24"),
	netip.MustParsePrefix("192.88.99.0/24"), netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("::/96"), netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("64:ff9b:1::/48"), netip.MustParsePrefix("100::/64"), netip.MustParsePrefix("2001::/23"),
	netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("fec0::/10"), netip.MustParsePrefix("5f00::/16"), netip.MustParsePrefix("3fff::/20"),
}

// guard lets connections out to public addresses and to those that are allowed.
type guard []netip.Prefix

func (g guard) check(a netip.Addr) error {
	a = a.Unmap().WithZone("")
	for _, p := range g {
		if p.Contains(a) {
			return nil
		}
	}
	if !a.IsGlobalUnicast() || a.IsPrivate() { // loopback, link-local (where metadata services are), multicast, RFC 1918, fc00::/7
		return fmt.Errorf("%v: %w", a, ErrAddress)
	}
	for _, p := range inside {
		if p.Contains(a) {
			return fmt.Errorf("%v: %w", a, ErrAddress)
		}
	}
	return nil
}

// control looks at the address that is dialled, after names were resolved: no second answer of a name server is used.
func (g guard) control(_ context.Context, _, address string, _ syscall.RawConn) error {
	a, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%q: %w", address, ErrAddress)
	}
	return g.check(a.Addr())
}

// CheckURL says what is wrong with the URL of a hook, as far as can be told without asking a name server.
func (m *Manager) CheckURL(raw string) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return errors.New("a webhook has an absolute http or https URL")
	case u.User != nil || u.Fragment != "":
		return errors.New("the URL of a webhook has no user name, password or fragment")
	case len(raw) > maxURL:
		return fmt.Errorf("the URL of a webhook has %d characters at most", maxURL)
	}
	if a, err := netip.ParseAddr(u.Hostname()); err == nil {
		return m.guard.check(a)
	}
	return nil
}

const maxURL = 2048

// Limits of a request.
const (
	dialTime = 5 * time.Second
	maxReply = 64 << 10 // what is read of an answer; more is not needed
)

// client returns a client that goes only where g lets it, follows no redirect and waits for nobody for long.
func (g guard) client(wait time.Duration) *http.Client {
	d := &net.Dialer{Timeout: dialTime, ControlContext: g.control}
	return &http.Client{
		Timeout:       wait,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		// No proxy of the environment: it would go where we must not.
		Transport: &http.Transport{DialContext: d.DialContext, TLSHandshakeTimeout: dialTime, MaxResponseHeaderBytes: maxReply,
			MaxIdleConns: 64, MaxIdleConnsPerHost: maxUnderway, IdleConnTimeout: 60 * time.Second, ForceAttemptHTTP2: true},
	}
}
