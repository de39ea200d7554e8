package main

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/spf13/pflag"
)

// prefixes are ranges of addresses as a flag: CIDRs or addresses, separated by commas or in several flags.
type prefixes []netip.Prefix

var _ pflag.Value = (*prefixes)(nil)

// Set implements pflag.Value.
func (p *prefixes) Set(text string) error {
	for one := range strings.SplitSeq(text, ",") {
		one = strings.TrimSpace(one)
		r, err := netip.ParsePrefix(one)
		if a, addrErr := netip.ParseAddr(one); err != nil && addrErr == nil {
			r, err = a.Prefix(a.BitLen())
		}
		if err != nil {
			return fmt.Errorf("%q is no range of addresses like 10.0.0.0/8", one)
		}
		*p = append(*p, r.Masked())
	}
	return nil
}

// String implements pflag.Value.
func (p *prefixes) String() string {
	var all []string
	for _, r := range *p {
		all = append(all, r.String())
	}
	return strings.Join(all, ",")
}

// Type implements pflag.Value.
func (p *prefixes) Type() string { return "cidr" }
