package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Counter stands between a cache and the origin: it counts what is asked for, and when it was answered.
type Counter struct {
	URL string

	mu     sync.Mutex
	count  map[string]int // by path and query
	at     map[string]time.Time
	refuse map[string]bool // answered 503 the next time
}

// NewCounter starts one in front of an origin; it ends with the test.
func NewCounter(t *testing.T, origin string) *Counter {
	t.Helper()
	target, err := url.Parse(origin)
	if err != nil {
		t.Fatal(err)
	}
	c := &Counter{count: map[string]int{}, at: map[string]time.Time{}, refuse: map[string]bool{}}
	proxy := &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(target) },
		FlushInterval: -1,
		ErrorHandler:  func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
		ModifyResponse: func(r *http.Response) error {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.at[r.Request.URL.RequestURI()] = time.Now()
			return nil
		},
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key := r.URL.RequestURI()
		c.mu.Lock()
		c.count[key]++
		refuse := c.refuse[key]
		delete(c.refuse, key)
		c.mu.Unlock()
		if refuse {
			w.Header().Set("Cache-Control", "public, max-age=60") // worse than the origin would ever be
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	c.URL = s.URL
	return c
}

// Asked returns how often each path and query that contains s was asked for.
func (c *Counter) Asked(s string) map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := map[string]int{}
	for key, n := range c.count {
		if strings.Contains(key, s) {
			m[key] = n
		}
	}
	return m
}

// Nginx is a running nginx with the configuration that docs/deploy ships.
type Nginx struct{ http *http.Client }

// NewNginx starts one in front of an origin; it ends with the test.
func NewNginx(t *testing.T, origin string) *Nginx {
	t.Helper()
	b, err := os.ReadFile("../../docs/deploy/nginx-cache.conf")
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "hw-nginx") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "socket")
	site := string(b)
	for shipped, here := range map[string]string{
		"/var/cache/nginx/headwater": filepath.Join(dir, "cache"), "server 127.0.0.1:8080;": "server " + host(origin) + ";", "listen 80;": "listen unix:" + socket + ";",
	} {
		if strings.Count(site, shipped) != 1 {
			t.Fatalf("the configuration has %d times %q", strings.Count(site, shipped), shipped)
		}
		site = strings.Replace(site, shipped, here, 1)
	}
	ended := runNginx(t, dir, site)
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		},
		MaxIdleConnsPerHost: 256, DisableCompression: true,
	}
	t.Cleanup(transport.CloseIdleConnections)
	n := &Nginx{&http.Client{Transport: transport, Timeout: 30 * time.Second}}
	if !waitFor(10*time.Second, func() bool { _, err := n.Get("/time"); return err == nil || closed(ended) }) || closed(ended) {
		t.Fatal("nginx does not run")
	}
	return n
}

// runNginx runs an nginx with this configuration of its http block, in a directory of its own, until the test ends or, which
// closes ended, by itself.
func runNginx(t *testing.T, dir, site string) (ended <-chan struct{}) {
	t.Helper()
	main := fmt.Sprintf("daemon off; worker_processes 2; pid %[1]s/pid; error_log stderr warn;\nevents { worker_connections 4096; }\nhttp {\n", dir)
	if os.Geteuid() == 0 {
		main = "user root;" + main
	}
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		main += fmt.Sprintf("%s_temp_path %s/%s;\n", kind, dir, kind)
	}
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(main+site+"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/usr/sbin/nginx", "-c", file, "-e", "stderr")
	cmd.SysProcAttr = endsWithUs()
	var log tail
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if !waitFor(10*time.Second, func() bool { return closed(done) }) {
			_ = cmd.Process.Kill()
			<-done
		}
		if t.Failed() {
			t.Logf("nginx: %s", log.String())
		}
	})
	return done
}

// staticNginx serves a directory as a plain web server and returns its URL.
func staticNginx(t *testing.T, root string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") // nginx cannot take a port that is free
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	ended := runNginx(t, t.TempDir(), fmt.Sprintf("types { application/vnd.apple.mpegurl m3u8; application/dash+xml mpd; video/mp4 mp4 m4s; }\nsendfile on;\nserver { listen %s; root %s; access_log off; }", addr, root))
	if !waitFor(10*time.Second, func() bool { return status("http://"+addr+"/") != 0 || closed(ended) }) || closed(ended) {
		t.Fatal("nginx does not run")
	}
	return "http://" + addr
}

// Get gets a path and query through the cache; header is key, value, key, value, ….
func (n *Nginx) Get(path string, header ...string) (Response, error) {
	req, err := http.NewRequest("GET", "http://cache"+path, nil)
	if err != nil {
		return Response{}, err
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := n.http.Do(req)
	if err != nil {
		return Response{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return Response{}, fmt.Errorf("%s: %w", path, err)
	}
	return Response{resp.StatusCode, resp.Header, body}, nil
}

// path is a URL without its host.
func path(u string) string {
	_, rest, _ := strings.Cut(u, "://")
	return rest[strings.Index(rest, "/"):]
}

// TestNginxCache puts the shipped configuration between a crowd and the origin.
func TestNginxCache(t *testing.T) {
	begin(t, 3*time.Minute)
	d := StartDaemon(t)
	c := NewChannel(t, d, "crowd")
	encoder := Publish(t, c.Ingest+"/main", "../../testdata/demo.flv", true)
	c.Shows(t, c.Public, 4*time.Second, 30*time.Second)
	counter := NewCounter(t, d.Origin)
	n := NewNginx(t, counter.URL)
	tracks := renditions(t, HLS(c.Public))

	t.Run("crowd", func(t *testing.T) { crowdThroughCache(t, n, counter, tracks) })
	t.Run("errors", func(t *testing.T) { errorsThroughCache(t, n, counter, tracks["video"]) })
	t.Run("spellings", func(t *testing.T) { spellingsThroughCache(t, n, counter, tracks["video"]) })
	t.Run("unkept", func(t *testing.T) { unkeptThroughCache(t, n, path(DASH(c.Public))) })
	t.Run("flight", func(t *testing.T) { flightThroughCache(t, n, tracks["video"]) })
	t.Run("tokens", func(t *testing.T) { tokensThroughCache(t, n, counter, c) })
	encoder.Alive(t)
}

// crowdThroughCache lets many viewers follow both tracks: the origin sees one of them.
func crowdThroughCache(t *testing.T, n *Nginx, counter *Counter, tracks map[string]string) {
	const viewers, length = 25, 10 * time.Second
	var mu sync.Mutex
	var delays []time.Duration
	parts := map[string]string{} // path to sum
	var wg sync.WaitGroup
	end := time.Now().Add(length)
	for _, u := range tracks {
		for range viewers {
			wg.Go(func() {
				got, err := followThroughCache(n, u, end, func(query string, at time.Time) {
					counter.mu.Lock()
					from, ok := counter.at[path(u)+query]
					counter.mu.Unlock()
					if ok {
						mu.Lock()
						delays = append(delays, at.Sub(from))
						mu.Unlock()
					}
				})
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					t.Error(err)
				}
				for p, s := range got {
					if have := parts[p]; have != "" && have != s {
						t.Errorf("%s has two contents", p)
					}
					parts[p] = s
				}
			})
		}
	}
	wg.Wait()
	if len(parts) < 2*30 || len(delays) < 2*viewers*10 {
		t.Fatalf("%d parts, %d blocked playlists", len(parts), len(delays))
	}
	total := 0
	for _, kind := range []string{"_HLS_msn", "/part-"} {
		asked := counter.Asked(kind)
		total += len(asked)
		for key, times := range asked {
			if times != 1 {
				t.Errorf("the origin was asked %d times for %s", times, key)
			}
		}
	}
	slices.Sort(delays)
	p50, p99 := delays[len(delays)/2], delays[len(delays)*99/100]
	t.Logf("%d viewers, %d blocked playlists: %d requests to the origin; later than the origin's answer by p50 %v, p99 %v", 2*viewers, len(delays), total, p50, p99)
	// nginx looks after those who wait for a lock every 500 ms.
	if p50 > 600*time.Millisecond || p99 > 1500*time.Millisecond {
		t.Errorf("live latency is lost: p50 %v, p99 %v", p50, p99)
	}
	for p, s := range parts {
		if direct, err := fetch(counter.URL + p); err != nil || direct.Status != 200 || sum(direct.Body) != s {
			t.Errorf("%s: %v %d, or not the same bytes", p, err, direct.Status)
		}
	}
}

// followThroughCache follows a media playlist by blocking reload and gets all its parts; it returns their sums.
func followThroughCache(n *Nginx, u string, end time.Time, blocked func(query string, at time.Time)) (map[string]string, error) {
	got := map[string]string{}
	query := ""
	for time.Now().Before(end) {
		r, err := n.Get(path(u) + query)
		if err != nil || r.Status != 200 {
			return got, fmt.Errorf("%s%s: %d %w", u, query, r.Status, err)
		}
		if query != "" {
			blocked(query, time.Now())
		}
		p, err := parsePlaylist(u, string(r.Body))
		if err != nil {
			return got, err
		}
		for _, part := range p.OpenParts {
			if got[path(part)] != "" {
				continue
			}
			r, err := n.Get(path(part))
			if err != nil || r.Status != 200 {
				return got, fmt.Errorf("%s: %d %w", part, r.Status, err)
			}
			got[path(part)] = sum(r.Body)
		}
		query = fmt.Sprintf("?_HLS_msn=%d&_HLS_part=%d", p.Last()+1, len(p.OpenParts))
	}
	return got, nil
}

// errorsThroughCache: what is not there yet, or failed once, is served the moment it can be.
func errorsThroughCache(t *testing.T, n *Nginx, counter *Counter, u string) {
	p := playlist(t, u)
	last := p.Segments[len(p.Segments)-1].URL
	number := regexp.MustCompile(`-(\d+)\.m4s$`)
	soon := number.ReplaceAllString(last, fmt.Sprintf("-%d.m4s", p.Last()+2))
	if r, err := n.Get(path(soon)); err != nil || r.Status != 404 {
		t.Errorf("a segment that is not there yet: %d %v", r.Status, err)
	}
	if !waitFor(15*time.Second, func() bool {
		_, _ = n.Get(path(soon)) // somebody who asks all the time
		r, err := http.Head(soon)
		if err == nil {
			err = r.Body.Close()
		}
		return err == nil && r.StatusCode == 200
	}) {
		t.Fatalf("%s never came", soon)
	}
	if r, err := n.Get(path(soon)); err != nil || r.Status != 200 {
		t.Errorf("the early 404 sticks: %d %v", r.Status, err)
	}
	old := path(p.Segments[0].URL)
	counter.mu.Lock()
	counter.refuse[old] = true
	counter.mu.Unlock()
	if r, err := n.Get(old); err != nil || r.Status != 503 {
		t.Errorf("the failing origin: %d %v", r.Status, err)
	}
	if r, err := n.Get(old); err != nil || r.Status != 200 {
		t.Errorf("the 503 sticks: %d %v", r.Status, err)
	}
}

// spellingsThroughCache: nothing but the path and the directives names an object, and no spelling stands for another.
func spellingsThroughCache(t *testing.T, n *Nginx, counter *Counter, u string) {
	p := playlist(t, u)
	segment := path(p.Segments[1].URL) // one that nobody got in flight: nginx has no length of those and ignores ranges
	whole, err := n.Get(segment)
	if err != nil || whole.Status != 200 {
		t.Fatalf("%d %v", whole.Status, err)
	}
	before := counter.Asked(segment)[segment]
	for i := range 20 {
		r, err := n.Get(fmt.Sprintf("%s?nocache=%d&start=%d", segment, i, i), "Accept-Encoding", fmt.Sprintf("gzip, x%d", i))
		if err != nil || r.Status != 200 || sum(r.Body) != sum(whole.Body) {
			t.Errorf("with a query: %d %v", r.Status, err)
		}
	}
	if r, err := n.Get(segment, "Range", "bytes=10-19"); err != nil || r.Status != 206 || string(r.Body) != string(whole.Body[10:20]) {
		t.Errorf("a range: %d %v", r.Status, err)
	}
	if after := counter.Asked(segment)[segment]; after != before {
		t.Errorf("queries made the origin work: %d requests", after-before)
	}
	// Spellings that nginx takes for the same path: their refusals must not take its place.
	next := path(p.Segments[2].URL)
	for _, odd := range []string{"/" + next, strings.Replace(next, "/seg", "/./seg", 1), strings.Replace(next, "/seg", "/x/../seg", 1), strings.Replace(next, "seg", "%73eg", 1)} {
		if r, err := n.Get(odd); err != nil || r.Status/100 != 4 {
			t.Errorf("%s: %d %v", odd, r.Status, err)
		}
	}
	if r, err := n.Get(next); err != nil || r.Status != 200 {
		t.Errorf("poisoned by another spelling: %d %v", r.Status, err)
	}
	// A sub-clip is another playlist.
	clip := path(p.URL) + fmt.Sprintf("?end=%d&x=y", 2*(p.Sequence+2))
	for range 2 {
		if r, err := n.Get(clip); err != nil || r.Status != 200 || !strings.Contains(string(r.Body), "#EXT-X-ENDLIST") {
			t.Errorf("%s: %d %v\n%s", clip, r.Status, err, r.Body)
		}
	}
	for coding, want := range map[string]string{"gzip": "gzip", "br, gzip;q=0.5": "gzip", "gzip;q=0": "", "": ""} {
		r, err := n.Get(path(u), "Accept-Encoding", coding)
		if err != nil || r.Header.Get("Content-Encoding") != want {
			t.Errorf("Accept-Encoding %q: %q %v", coding, r.Header.Get("Content-Encoding"), err)
		}
	}
}

// unkeptThroughCache: what is new each time is not queued for.
func unkeptThroughCache(t *testing.T, n *Nginx, mpd string) {
	for _, target := range []string{mpd, strings.Replace(mpd, "manifest.mpd", "manifest(format=mpd-time-cmaf)", 1), "/time"} {
		var wg sync.WaitGroup
		began := time.Now()
		for range 30 {
			wg.Go(func() {
				r, err := n.Get(target)
				if err != nil || r.Status != 200 {
					t.Errorf("%s: %d %v", target, r.Status, err)
				}
			})
		}
		wg.Wait()
		if took := time.Since(began); took > 2*time.Second { // one after another they would take 15 s
			t.Errorf("thirty requests for %s took %v", target, took)
		}
	}
	r, err := n.Get(mpd)
	if err != nil || r.Header.Get("Etag") == "" {
		t.Fatalf("no entity tag: %v", err)
	}
	if r, err := n.Get(mpd, "If-None-Match", r.Header.Get("Etag")); err != nil || r.Status != 304 && r.Status != 200 {
		t.Errorf("If-None-Match: %d %v", r.Status, err)
	}
}

// flightThroughCache: those who ask for a segment while it is made get it as it grows, and it is kept for the others.
func flightThroughCache(t *testing.T, n *Nginx, u string) {
	part := regexp.MustCompile(`/part-(\d+-\d+)-(\d+)\.m4s$`)
	segment := ""
	if !waitFor(15*time.Second, func() bool {
		p := playlist(t, u)
		m := part.FindStringSubmatch(p.Hint)
		if m == nil || len(p.OpenParts) == 0 || len(p.OpenParts) > 3 {
			return false
		}
		segment = part.ReplaceAllString(path(p.Hint), "/seg-"+m[1]+".m4s")
		return true
	}) {
		t.Fatal("no segment is being made")
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	var sums []string
	for range 3 {
		wg.Go(func() {
			resp, err := n.http.Get("http://cache" + segment)
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			first := make([]byte, 1)
			if _, err := io.ReadFull(resp.Body, first); err != nil || resp.StatusCode != 200 {
				t.Errorf("%s: %d %v", segment, resp.StatusCode, err)
				return
			}
			began := time.Now()
			rest, err := io.ReadAll(resp.Body)
			if took := time.Since(began); err != nil || took < 300*time.Millisecond {
				t.Errorf("%s came within %v after its first byte: %v", segment, took, err)
			}
			mu.Lock()
			defer mu.Unlock()
			sums = append(sums, sum(append(first, rest...)))
		})
	}
	wg.Wait()
	r, err := n.Get(segment)
	if err != nil || r.Status != 200 || r.Header.Get("X-Cache") != "HIT" {
		t.Fatalf("afterwards: %d, cache %s, %v", r.Status, r.Header.Get("X-Cache"), err)
	}
	for _, s := range sums {
		if s != sum(r.Body) {
			t.Error("in flight it had other bytes")
		}
	}
}
