package control_test

import (
	"net/netip"
	"testing"

	"headwater.stream/api"
)

// TestAllowLists: an absent list lets everybody in, an empty one nobody; a single address is not a network; what the API
// was told is what the runtime is told.
func TestAllowLists(t *testing.T) {
	p := startMem(t)
	p.follow(t, p.raw(t, "PUT", "~/liveEvents/e?autoStart=true", eventBody))
	for _, c := range []struct {
		list    string
		in, out []string
	}{
		{`null`, []string{"1.2.3.4", "::1"}, nil},
		{`{"ip":null}`, []string{"1.2.3.4"}, nil},
		{`{"ip":{"allow":null}}`, []string{"1.2.3.4"}, nil},
		{`{"ip":{"allow":[]}}`, nil, []string{"1.2.3.4", "127.0.0.1", "::1"}},
		{`{"ip":{"allow":[{"address":"0.0.0.0","subnetPrefixLength":0}]}}`, []string{"1.2.3.4", "::ffff:1.2.3.4"}, []string{"2001:db8::1"}},
		{`{"ip":{"allow":[{"address":"0.0.0.0"}]}}`, []string{"0.0.0.0"}, []string{"1.2.3.4"}},
		{`{"ip":{"allow":[{"address":"10.0.0.1","subnetPrefixLength":22},{"address":"::1"}]}}`, []string{"10.0.3.255", "::1"}, []string{"10.0.4.0", "::2"}},
		{`{"ip":{"allow":[{"address":"10.0.0.1/22"},{"address":"192.168.0.1(255.255.255.0)"}]}}`, []string{"10.0.3.255", "192.168.0.9"}, []string{"192.168.1.1"}},
	} {
		body := `{"properties":{"input":{"accessControl":` + c.list + `},"preview":{"accessControl":` + c.list + `}}}`
		if a := p.raw(t, "PATCH", "~/liveEvents/e", body); a.status != 200 {
			t.Fatalf("%s: %d %s", body, a.status, a.raw)
		}
		endpoint := `{"properties":{"maxCacheAge":20,"accessControl":` + c.list + `}}`
		if a := p.raw(t, "PATCH", "~/streamingEndpoints/default", endpoint); a.status != 200 {
			t.Fatalf("%s: %d %s", endpoint, a.status, a.raw)
		}
		d := p.runtime.desired()
		if d.MaxCacheAge.Seconds() != 20 {
			t.Errorf("maxCacheAge is %v", d.MaxCacheAge)
		}
		for _, list := range []interface{ Admits(netip.Addr) bool }{d.Events[0].IngestAllow, d.Events[0].PreviewAllow, d.ViewerAllow} {
			for _, a := range c.in {
				if !list.Admits(netip.MustParseAddr(a)) {
					t.Errorf("%s keeps %s out", c.list, a)
				}
			}
			for _, a := range c.out {
				if list.Admits(netip.MustParseAddr(a)) {
					t.Errorf("%s lets %s in", c.list, a)
				}
			}
		}
	}
	// A second endpoint lets in whom it lets in, while it runs.
	second := `{"location":"local","properties":{"scaleUnits":0,"accessControl":{"ip":{"allow":[{"address":"1.1.1.1"}]}}}}`
	p.follow(t, p.raw(t, "PUT", "~/streamingEndpoints/second?autoStart=true", second))
	one, other := netip.MustParseAddr("1.1.1.1"), netip.MustParseAddr("10.0.0.9")
	if d := p.runtime.desired(); !d.ViewerAllow.Admits(one) || !d.ViewerAllow.Admits(other) {
		t.Errorf("two endpoints let in %v", d.ViewerAllow)
	}
	check(t, p.StopStreamingEndpoint(t.Context(), "default"))
	if d := p.runtime.desired(); !d.EndpointRunning || !d.ViewerAllow.Admits(one) || d.ViewerAllow.Admits(other) || d.MaxCacheAge != 0 {
		t.Errorf("the second alone lets in %v", d.ViewerAllow)
	}
	must[*api.StreamingEndpoint](t)(p.GetStreamingEndpoint(t.Context(), "second"))
}
