package origin_test

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"headwater.stream/origin"
)

// TestPathTricks is case 48: whatever is put before, behind and in the middle of a good path, nothing but 4xx comes, and
// no redirect.
func TestPathTricks(t *testing.T) {
	m := newMemory(true)
	m.steps(3 * partsPerSegment)
	dial := listen(t, handlerOf(m, origin.Options{}), nil)
	up := []string{
		"../", "..%2f", "%2e%2e/", "%2e%2e%2f", ".%2e/", "..%5c", "..\\", "%2e%2e%5c", "%252e%252e%252f", "..;/", "..%00/", "..%c0%af", "%c0%ae%c0%ae/", "....//", "/./", "%uff0e%uff0e/", "..%ef%bc%8f",
	}
	goals := []string{"etc/passwd", "etc/passwd%00.m4s", "state.db", "control.token", "v1/seg-1764077000-1.m4s"}
	bases := []string{base, base + "v1/", "/", "/" + id + "/", "/watch/"}
	var paths []string
	for _, b := range bases {
		for _, u := range up {
			for _, g := range goals {
				paths = append(paths, b+u+g, b+strings.Repeat(u, 8)+g)
			}
		}
	}
	paths = append(paths, "//evil.example/%2e%2e", "/\\evil.example/", "//"+id+"/show.ism/master.m3u8", base+"/master.m3u8", base+"master.m3u8/", base+"master.m3u8%00", base+"master.m3u8%0d%0aSet-Cookie:%20a=b",
		base+"v1/media.m3u8;x", base+"V1/media.m3u8", base+"v1%2fmedia.m3u8", base+"v1/seg-1764077000-1.m4s%20", base+"v1/seg-1764077000-1.m4s.", base+"v1/seg-1764077000-+1.m4s",
		base+"v1/seg-1764077000-0x1.m4s", base+"v1/part-1764077000-1--1.m4s", base+strings.Repeat("a/", 4000), base+strings.Repeat("(", 2000), base+"manifest(format=m3u8-cmaf", "/%", "/%zz", "*")
	c := dial()
	r := bufio.NewReader(c)
	for _, p := range paths {
		if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", p); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatalf("%.80s: %v", p, err)
		}
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode/100 != 4 || resp.Header.Get("Location") != "" || resp.Header.Get("Set-Cookie") != "" || strings.Contains(string(text), "v1 1.0") {
			t.Errorf("%.80s: %d %v", p, resp.StatusCode, resp.Header)
		}
		if resp.Close { // the request line was refused
			c = dial()
			r = bufio.NewReader(c)
		}
	}
	if len(paths) < 200 {
		t.Errorf("only %d spellings", len(paths))
	}
}

// TestNothingOfTheViewer is the second half of case 54: what a viewer sends reaches no answer, so caches may share all.
func TestNothingOfTheViewer(t *testing.T) {
	m := newMemory(true)
	m.steps(3 * partsPerSegment)
	h := handlerOf(m, origin.Options{})
	for _, target := range []string{"master.m3u8", "manifest.mpd", "v1/media.m3u8", "v1/media.m3u8?_HLS_msn=2", "v1/seg-1764077000-1.m4s", "v1/seg-1764077000-9.m4s", "nothing"} {
		plain := ask(h, "GET", base+target)
		odd := ask(h, "GET", base+target, "Host", "evil.example", "X-Forwarded-Host", "evil.example", "X-Forwarded-Proto", "evil", "X-Forwarded-Prefix", "/evil",
			"Forwarded", "host=evil.example", "X-Original-URL", "/evil", "X-Rewrite-URL", "/evil", "Origin", "https://evil.example", "Cookie", "evil=1", "Authorization", "Bearer evil", "User-Agent", "evil")
		if a, b := body(t, plain), body(t, odd); a != b || plain.StatusCode != odd.StatusCode {
			t.Errorf("%s: %d and %d, or not the same body", target, plain.StatusCode, odd.StatusCode)
		}
		for key := range odd.Header {
			if odd.Header.Get(key) != plain.Header.Get(key) || strings.Contains(strings.Join(odd.Header[key], ""), "evil") {
				t.Errorf("%s: %s is %q, for others %q", target, key, odd.Header[key], plain.Header[key])
			}
		}
		if odd.Header.Get("Access-Control-Allow-Origin") != "*" || odd.Header.Get("Access-Control-Allow-Credentials") != "" || odd.Header.Get("Set-Cookie") != "" {
			t.Errorf("%s: %v", target, odd.Header)
		}
	}
}

// h2 is a bare HTTP/2 connection over TCP (RFC 9113, prior knowledge).
type h2 struct {
	net.Conn
	t *testing.T
}

func overHTTP2(srv *http.Server) {
	srv.Protocols = new(http.Protocols)
	srv.Protocols.SetHTTP1(true)
	srv.Protocols.SetUnencryptedHTTP2(true)
}

func newH2(t *testing.T, c net.Conn) h2 {
	t.Helper()
	conn := h2{c, t}
	if _, err := io.WriteString(c, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if err := conn.frame(0x4, 0, 0, nil); err != nil { // SETTINGS
		t.Fatal(err)
	}
	return conn
}

func (c h2) frame(kind, flags byte, stream uint32, payload []byte) error {
	head := binary.BigEndian.AppendUint32(nil, uint32(len(payload))<<8|uint32(kind))
	head = binary.BigEndian.AppendUint32(append(head, flags), stream)
	_, err := c.Write(append(head, payload...))
	return err
}

// get begins a GET on a stream; the names are HPACK literals without an index (RFC 7541).
func (c h2) get(stream uint32, path string) error {
	block := []byte{0x82, 0x86, 0x01, 1, 'x'} // GET, http, authority x
	block = append(block, 0x04, 0x7f)
	n := len(path) - 127
	for ; n >= 128; n >>= 7 {
		block = append(block, byte(n)|0x80)
	}
	return c.frame(0x1, 0x5, stream, append(append(block, byte(n)), path...)) // HEADERS, end of stream and headers
}

// next reads a frame.
func (c h2) next() (kind byte, stream uint32, payload []byte, err error) {
	var head [9]byte
	if _, err = io.ReadFull(c, head[:]); err != nil {
		return 0, 0, nil, err
	}
	payload = make([]byte, binary.BigEndian.Uint32(head[:4])>>8)
	_, err = io.ReadFull(c, payload)
	return head[3], binary.BigEndian.Uint32(head[5:]) & (1<<31 - 1), payload, err
}

// TestRapidReset is case 56: streams that are reset as soon as they are opened end the connection, and one connection
// holds no more waiters than its stream limit.
func TestRapidReset(t *testing.T) {
	m := newMemory(true)
	m.steps(8 * partsPerSegment)
	var metrics origin.Metrics
	dial := listen(t, handlerOf(m, origin.Options{Metrics: &metrics}), overHTTP2)
	blocked := base + "v1/media.m3u8?_HLS_msn=8&_HLS_part=0&" + strings.Repeat("x", 130)

	c := newH2(t, dial())
	done := make(chan error, 1)
	go func() {
		for {
			if _, _, _, err := c.next(); err != nil {
				done <- err
				return
			}
		}
	}()
	var err error
	for stream := uint32(1); stream < 100_000 && err == nil; stream += 2 {
		if err = c.get(stream, blocked); err == nil {
			err = c.frame(0x3, 0, stream, []byte{0, 0, 0, 8}) // RST_STREAM, CANCEL
		}
		if stream%20_000 == 1 {
			fresh(t, dial)
		}
	}
	if err := c.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	if err := <-done; errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
	if !poll(10*time.Second, func() bool { return metrics.Waiting.Load() == 0 }) {
		t.Errorf("%d wait though nobody is there", metrics.Waiting.Load())
	}
	fresh(t, dial)
}

func TestBlockedStreams(t *testing.T) {
	m := newMemory(true)
	m.steps(8 * partsPerSegment)
	var metrics origin.Metrics
	dial := listen(t, handlerOf(m, origin.Options{Metrics: &metrics}), overHTTP2)
	const streams, limit = 200, 128
	c := newH2(t, dial())
	for i := range uint32(streams) {
		if err := c.get(2*i+1, base+"v1/media.m3u8?_HLS_msn=8&_HLS_part=0&"+strings.Repeat("x", 130)); err != nil {
			t.Fatal(err)
		}
	}
	if !poll(5*time.Second, func() bool { return metrics.Waiting.Load() == limit }) {
		t.Fatalf("%d wait on one connection", metrics.Waiting.Load())
	}
	fresh(t, dial)
	m.step()
	began := time.Now()
	answered, refused := map[uint32]bool{}, map[uint32]bool{}
	for len(answered)+len(refused) < streams {
		kind, stream, payload, err := c.next()
		if err != nil {
			t.Fatalf("after %d answers and %d refusals: %v", len(answered), len(refused), err)
		}
		switch kind {
		case 0x1: // HEADERS; :status 200 is index 8
			if payload[0] != 0x88 {
				t.Fatalf("stream %d: %x", stream, payload)
			}
			answered[stream] = true
		case 0x3: // RST_STREAM, REFUSED_STREAM
			if binary.BigEndian.Uint32(payload) != 7 {
				t.Fatalf("stream %d: reset with %x", stream, payload)
			}
			refused[stream] = true
		}
	}
	if len(answered) != limit || time.Since(began) > 5*time.Second || metrics.Waiting.Load() != 0 {
		t.Errorf("%d answered, %d refused after %v, %d wait", len(answered), len(refused), time.Since(began), metrics.Waiting.Load())
	}
}
