package origin_test

import (
	"fmt"
	"strings"
	"testing"

	"headwater.stream/origin"
)

// FuzzRequest: whatever a viewer writes, he gets an answer that fits, and never more than the object.
func FuzzRequest(f *testing.F) {
	m := newMemory(true)
	m.steps(2 * partsPerSegment)
	m.end() // so that nothing is waited for
	h := handlerOf(m, origin.Options{})
	for _, s := range []string{"bytes=0-1", "bytes=5-", "bytes=-5", "bytes=0-0,1-1", "bytes=9-1", "bytes=99999999999-"} {
		f.Add(s, "gzip;q=0.5", `"x", W/"y"`)
	}
	f.Fuzz(func(t *testing.T, ranges, accept, match string) {
		for _, name := range []string{"v1/seg-1764077000-1.m4s", "v1/media.m3u8"} {
			whole := body(t, ask(h, "GET", base+name))
			r := ask(h, "GET", base+name, "Range", ranges, "Accept-Encoding", accept, "If-None-Match", match)
			got := body(t, r)
			switch r.StatusCode {
			case 200:
				if r.Header.Get("Content-Encoding") == "gzip" {
					got = gunzip(t, got)
				}
				if got != whole {
					t.Fatalf("%s: 200 with another body", name)
				}
			case 206:
				var from, to, size int
				if _, err := fmt.Sscanf(r.Header.Get("Content-Range"), "bytes %d-%d/%d", &from, &to, &size); err != nil || size != len(whole) || got != whole[from:to+1] {
					t.Fatalf("%s: Range %q gave %s and %d bytes", name, ranges, r.Header.Get("Content-Range"), len(got))
				}
			case 304:
				if got != "" {
					t.Fatalf("%s: 304 with a body", name)
				}
			case 416:
				if !strings.HasPrefix(r.Header.Get("Content-Range"), "bytes */") {
					t.Fatalf("%s: 416 with Content-Range %q", name, r.Header.Get("Content-Range"))
				}
			default:
				t.Fatalf("%s: Range %q, Accept-Encoding %q, If-None-Match %q: %d", name, ranges, accept, match, r.StatusCode)
			}
		}
	})
}
