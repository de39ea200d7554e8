package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// size is a flag of a number of bytes: "1073741824", "1GiB", "500MB".
type size int64

func newSize(p *int64, value int64) *size {
	*p = value
	return (*size)(p)
}

// units are what a number of bytes may end in, larger ones first.
func units() []struct {
	name string
	n    float64
} {
	return []struct {
		name string
		n    float64
	}{
		{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"B", 1},
	}
}

// String implements pflag.Value.
func (s *size) String() string {
	for _, u := range units()[:4] {
		if n := int64(u.n); *s >= size(n) && int64(*s)%n == 0 {
			return fmt.Sprintf("%d%s", int64(*s)/n, u.name)
		}
	}
	return strconv.FormatInt(int64(*s), 10)
}

// Set implements pflag.Value.
func (s *size) Set(text string) error {
	number, factor := text, 1.0
	for _, u := range units() {
		if rest, ok := strings.CutSuffix(text, u.name); ok {
			number, factor = strings.TrimSpace(rest), u.n
			break
		}
	}
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || n < 0 || n*factor >= math.MaxInt64 || math.IsNaN(n) {
		return fmt.Errorf("%q is not a number of bytes: write 500MB or 2GiB", text)
	}
	*s = size(n * factor)
	return nil
}

// Type implements pflag.Value.
func (s *size) Type() string { return "bytes" }
