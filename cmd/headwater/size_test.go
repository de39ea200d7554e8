package main

import "testing"

func TestSize(t *testing.T) {
	for in, want := range map[string]string{"0": "0", "1073741824": "1GiB", "512MiB": "512MiB", "1.5GiB": "1536MiB", "500MB": "500000000", "7 kB": "7000", "-1": "", "x": "", "1e30": "", "NaN": "", "": ""} {
		var n int64
		f := newSize(&n, 5)
		if err := f.Set(in); (err == nil) != (want != "") || err == nil && f.String() != want || err != nil && n != 5 {
			t.Errorf("%q: %v, %s", in, err, f)
		}
	}
}
