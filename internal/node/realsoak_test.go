package node

import (
	"context"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"headwater.stream/ingest"
	"headwater.stream/origin"
)

// TestRealSoak is the soak in real time and over real sockets: RTMP connections that end in all the ways they can, one viewer
// that looks at everything and one that follows the live edge by blocked reloads. What the process holds at the end, with no
// encoder connected, is what it held after the first connection.
func TestRealSoak(t *testing.T) {
	length := soakFor(t, "HEADWATER_SOAK_REAL", 10*time.Second)
	short := length < 5*time.Minute // too short to say what leaks, and not alone in the process
	if short {
		t.Parallel()
	}
	dir := t.TempDir()
	watched(t, dir, 2*time.Minute, func(r *faultRig) {
		end := r.sockets()
		rnd := rand.New(rand.NewPCG(11, uint64(length)))
		var lingering []*wire
		turn := func(d time.Duration) {
			p, most := randomFault(rnd)
			w := r.dial("live/token", "key")
			r.feed(w, &p, min(d, most))
			switch rnd.IntN(4) {
			case 0: // reset
				_ = w.nc.(*net.TCPConn).SetLinger(0)
				_ = w.nc.Close()
			case 1: // in the middle of a message
				_ = w.Close()
			case 2: // as a person would
				w.command(0, "deleteStream", 0, []byte{5}, []byte{0, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0})
				_ = w.nc.Close()
			default: // half open: the next one takes over
				lingering = append(lingering, w)
				return
			}
			r.wait(time.Duration(rnd.IntN(8000)) * time.Millisecond)
		}
		idle := func() usage {
			for _, w := range lingering {
				_ = w.nc.Close()
			}
			lingering = nil
			r.wait(3 * time.Second)
			return r.usage()
		}
		// What is compared has full windows: of media, so the wall clock does not tell when, but what has left them does.
		full := func() bool { return r.lists["v1"] != nil && r.lists["v1"].msn > 0 }
		for time.Since(r.began) < length/4 || !full() && time.Since(r.began) < length/2 {
			turn(length / 4)
		}
		if !short && !full() {
			t.Error("the window is not full after half of the time")
		}
		before := idle()
		turns := 0
		for time.Since(r.began) < length {
			turn(time.Until(r.began.Add(length)))
			turns++
		}
		after := idle()
		t.Logf("after %v and %d connections: %+v; before: %+v", time.Since(r.began).Round(time.Second), turns, after, before)
		if !short && (after.goroutines > before.goroutines+5 || after.descriptors > before.descriptors+5 || after.files > before.files*3/2+30 || after.heap > before.heap*3/2+16<<20) {
			t.Errorf("after %+v, before %+v", after, before)
		}
		end()
	})
}

// sockets puts the rig behind real listeners, with a viewer that follows the live edge. The returned function ends them.
func (r *faultRig) sockets() (end func()) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(r.t.Context())
	srv := &ingest.Server{Gate: r.rt, Log: slog.New(slog.DiscardHandler)}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ctx, l) }()
	r.connect = func() net.Conn {
		nc, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			r.t.Fatal(err)
		}
		return nc
	}
	viewers := httptest.NewUnstartedServer(nil)
	viewers.Config = origin.NewServer(r.handler)
	viewers.Start()
	client := &http.Client{Transport: &http.Transport{}, Timeout: 20 * time.Second}
	fetch := func(path string) (int, string) {
		resp, err := client.Get(viewers.URL + path)
		if err != nil {
			return 0, err.Error()
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			return 0, err.Error()
		}
		return resp.StatusCode, string(b)
	}
	r.remote = fetch
	var leave atomic.Bool
	left := make(chan string, 1)
	go func() { left <- follow(r.base, fetch, &leave) }()
	return func() {
		leave.Store(true)
		if complaint := <-left; complaint != "" {
			r.t.Error(complaint)
		}
		cancel()
		if err := <-served; err != nil {
			r.t.Errorf("Serve: %v", err)
		}
		if n := srv.Stats().Panics; n != 0 {
			r.t.Errorf("%d panics", n)
		}
		r.remote = nil // the replay is looked at without it
		client.CloseIdleConnections()
		viewers.Close()
	}
}

// follow reloads the video playlist as an LL-HLS player does and returns what was wrong, "" when nothing was.
func follow(base string, fetch func(string) (int, string), leave *atomic.Bool) string {
	query := ""
	seen := int64(-1)
	for !leave.Load() {
		began := time.Now()
		status, body := fetch(base + "v1/media.m3u8" + query)
		switch took := time.Since(began); {
		case took > 11*time.Second: // three target durations of 3 s, and some
			return "a blocked reload took " + took.String()
		case status == http.StatusNotFound && seen < 0, status == http.StatusServiceUnavailable: // no media yet; nothing came in time
			<-time.After(100 * time.Millisecond)
			continue
		case status != http.StatusOK:
			return "the follower got " + strconv.Itoa(status) + " for " + query + ": " + body
		}
		_, rest, _ := strings.Cut(body, "#EXT-X-MEDIA-SEQUENCE:")
		first, _ := strconv.ParseInt(strings.SplitN(rest, "\n", 2)[0], 10, 64)
		last := first + int64(strings.Count(body, "#EXTINF:")) - 1
		if last < seen {
			return "the follower saw the playlist go back"
		}
		seen = last
		_, open, _ := strings.Cut(body[strings.LastIndex(body, "#EXTINF:")+1:], ".m4s\n")
		query = "?_HLS_msn=" + strconv.FormatInt(last+1, 10) + "&_HLS_part=" + strconv.Itoa(strings.Count(open, "#EXT-X-PART:"))
	}
	return ""
}
