package console_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"headwater.stream/api"
	"headwater.stream/internal/console"
)

const (
	adminToken  = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	readerToken = "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"
)

// rig is a console before an API that says with which token it was asked.
type rig struct {
	http.Handler
	now     time.Time
	revoked bool // the reader's token
	log     strings.Builder
}

func newRig(change ...func(*console.Options)) *rig {
	r := &rig{now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	control := http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		_, _ = io.WriteString(w, q.Header.Get("Authorization")+"|"+q.Header.Get("Cookie"))
	})
	o := console.Options{
		Tokens: api.AnyToken(api.SingleToken(adminToken), func(token string) (api.Principal, bool) {
			return api.Principal{Name: "desk", Roles: []api.Role{api.RoleReader}}, token == readerToken && !r.revoked
		}),
		Media: http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			w.Header().Set("Access-Control-Allow-Origin", "*")
			w.Header().Set("Cache-Control", "public, max-age=60")
			_, _ = io.WriteString(w, q.URL.Path)
		}),
		Now: func() time.Time { return r.now },
		Log: slog.New(slog.NewTextHandler(&r.log, nil)),
	}
	for _, c := range change {
		c(&o)
	}
	r.Handler = console.Handler(control, o)
	return r
}

// do sends a request as a page of the console would, with more headers or others.
func (r *rig) do(t *testing.T, method, target, body string, header ...string) *http.Response {
	t.Helper()
	q := httptest.NewRequest(method, target, strings.NewReader(body))
	q.Header.Set("Sec-Fetch-Site", "same-origin")
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			q.Host = header[i+1]
			continue
		}
		q.Header.Set(header[i], header[i+1])
		if header[i+1] == "" {
			q.Header.Del(header[i])
		}
	}
	w := httptest.NewRecorder()
	r.ServeHTTP(w, q)
	return w.Result()
}

// signIn returns the cookie of a new session, as a browser sends it.
func (r *rig) signIn(t *testing.T, token string) string {
	t.Helper()
	res := r.do(t, "POST", "/console/session", `{"token":"`+token+`"}`)
	if res.StatusCode != 200 || len(res.Cookies()) != 1 {
		t.Fatalf("login: %s %s", res.Status, text(t, res))
	}
	c := res.Cookies()[0]
	return c.Name + "=" + c.Value
}

func text(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// asked is what the API saw.
func (r *rig) asked(t *testing.T, method string, header ...string) string {
	t.Helper()
	return text(t, r.do(t, method, "/subscriptions/x", "", header...))
}

// TestSession: a token is exchanged for a cookie that scripts cannot read; the API sees the token, the browser never again.
func TestSession(t *testing.T) {
	r := newRig()
	res := r.do(t, "POST", "/console/session", `{"token":" `+readerToken+`\n"}`)
	set, body := res.Header.Get("Set-Cookie"), text(t, res)
	for _, want := range []string{"HttpOnly", "SameSite=Strict", "Path=/"} {
		if !strings.Contains(set, want) {
			t.Errorf("Set-Cookie %q lacks %s", set, want)
		}
	}
	if strings.Contains(set, "Max-Age") || strings.Contains(set, "Expires") || strings.Contains(set, "Domain") {
		t.Errorf("the cookie outlives the browser, or has a domain: %q", set)
	}
	if strings.Contains(set+body, readerToken) || strings.Contains(r.log.String(), readerToken) {
		t.Error("the token came back, or is in the log")
	}
	if !strings.Contains(body, `"name":"desk","roles":["reader"]`) || res.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%s, Cache-Control %q", body, res.Header.Get("Cache-Control"))
	}
	cookie := strings.SplitN(set, ";", 2)[0]
	if got := r.asked(t, "GET", "Cookie", cookie); got != "Bearer "+readerToken+"|" {
		t.Errorf("the API saw %q", got)
	}
	if got := r.asked(t, "GET", "Cookie", cookie, "Authorization", "Bearer own"); !strings.HasPrefix(got, "Bearer own|") {
		t.Errorf("a request with a token of its own got %q", got)
	}
	if got := text(t, r.do(t, "GET", "/console/session", "", "Cookie", cookie)); got != body {
		t.Errorf("who am I: %s, at the login %s", got, body)
	}
	if res := r.do(t, "DELETE", "/console/session", "", "Cookie", cookie); res.StatusCode != 204 || !strings.Contains(res.Header.Get("Set-Cookie"), "Max-Age=0") {
		t.Errorf("logout: %s %q", res.Status, res.Header.Get("Set-Cookie"))
	}
	if got := r.asked(t, "GET", "Cookie", cookie); strings.Contains(got, "Bearer") {
		t.Errorf("after the logout the API saw %q", got)
	}
	if res := r.do(t, "GET", "/console/session", "", "Cookie", cookie); res.StatusCode != 204 {
		t.Errorf("who am I after the logout: %s", res.Status)
	}
}

// TestSessionEnds: with its time, with its idle time, and with its token.
func TestSessionEnds(t *testing.T) {
	r := newRig()
	idle, busy, revoked := r.signIn(t, adminToken), r.signIn(t, adminToken), r.signIn(t, readerToken)
	lives := func(cookie string) bool { return strings.Contains(r.asked(t, "GET", "Cookie", cookie), "Bearer") }
	if !lives(idle) || !lives(busy) || !lives(revoked) {
		t.Fatal("a new session does not live")
	}
	r.revoked = true
	if lives(revoked) {
		t.Error("a session lives after its token was revoked")
	}
	r.revoked = false
	if lives(revoked) {
		t.Error("a session came back")
	}
	for range 23 {
		r.now = r.now.Add(30 * time.Minute)
		if !lives(busy) {
			t.Fatal("a session in use ended early")
		}
	}
	if lives(idle) {
		t.Error("an idle session lives")
	}
	r.now = r.now.Add(31 * time.Minute)
	if lives(busy) {
		t.Error("a session lives for ever")
	}
}

// TestOtherPages: a cookie counts only when a page of this origin sent the request; another port of this host is another
// origin, though the same site.
func TestOtherPages(t *testing.T) {
	r := newRig()
	cookie := r.signIn(t, adminToken)
	for _, c := range []struct {
		method, site, origin string
		counts               bool
	}{
		{"GET", "same-origin", "", true},
		{"POST", "same-origin", "http://example.com", true},
		{"GET", "none", "", true},
		{"GET", "same-site", "", false},
		{"POST", "same-site", "http://example.com:8080", false},
		{"POST", "cross-site", "http://evil.example", false},
		{"GET", "cross-site", "", false},
		// Plain HTTP to another machine: browsers do not say Sec-Fetch-Site.
		{"GET", "", "", true},
		{"POST", "", "http://example.com", true},
		{"PUT", "", "http://EXAMPLE.com", true},
		{"POST", "", "http://example.com:8080", false},
		{"POST", "", "http://evil.example", false},
		{"GET", "", "http://evil.example", false},
		{"POST", "", "null", false},
		{"DELETE", "", "", false},
	} {
		got := r.asked(t, c.method, "Cookie", cookie, "Sec-Fetch-Site", c.site, "Origin", c.origin)
		if strings.Contains(got, "Bearer") != c.counts {
			t.Errorf("%s site %q origin %q: the API saw %q", c.method, c.site, c.origin, got)
		}
	}
	if res := r.do(t, "POST", "/console/session", `{"token":"`+adminToken+`"}`, "Sec-Fetch-Site", "cross-site"); res.StatusCode != 403 || res.Header.Get("Set-Cookie") != "" {
		t.Errorf("a login by another page: %s", res.Status)
	}
	if res := r.do(t, "DELETE", "/console/session", "", "Cookie", cookie, "Sec-Fetch-Site", "same-site"); res.StatusCode != 403 {
		t.Errorf("a logout by another page: %s", res.Status)
	}
}

// TestCookieNames: servers on several ports of a host do not take each other's cookies, and over TLS the name binds it.
func TestCookieNames(t *testing.T) {
	name := func(r *rig, header ...string) string {
		res := r.do(t, "POST", "/console/session", `{"token":"`+adminToken+`"}`, header...)
		return res.Header.Get("Set-Cookie")
	}
	r := newRig()
	if got := name(r, "Host", "127.0.0.1:8081"); !strings.HasPrefix(got, "headwater-8081=") || strings.Contains(got, "Secure") {
		t.Error(got)
	}
	if got := name(r, "Host", "h", "X-Forwarded-Proto", "https"); strings.Contains(got, "Secure") {
		t.Errorf("a header of a stranger was believed: %s", got)
	}
	trusting := newRig(func(o *console.Options) { o.TrustForwarded = true })
	if got := name(trusting, "Host", "inner:1", "X-Forwarded-Proto", "https", "X-Forwarded-Host", "desk.example", "Sec-Fetch-Site", "", "Origin", "https://desk.example"); !strings.HasPrefix(got, "__Host-headwater=") || !strings.Contains(got, "; Secure") {
		t.Error(got)
	}
}

// TestLoginLimit: wrong tokens are looked at a few at a time; right ones do not count, and other addresses are not affected.
func TestLoginLimit(t *testing.T) {
	r := newRig()
	try := func(token string) int {
		return r.do(t, "POST", "/console/session", `{"token":"`+token+`"}`).StatusCode
	}
	for range 30 {
		if got := try(adminToken); got != 200 {
			t.Fatalf("a right token: %d", got)
		}
	}
	for i := range 10 {
		if got := try("wrong"); got != 401 {
			t.Fatalf("wrong token %d: %d", i, got)
		}
	}
	res := r.do(t, "POST", "/console/session", `{"token":"`+adminToken+`"}`)
	if res.StatusCode != 429 || res.Header.Get("Retry-After") == "" {
		t.Errorf("after ten wrong ones: %s, Retry-After %q", res.Status, res.Header.Get("Retry-After"))
	}
	other := httptest.NewRequest("POST", "/console/session", strings.NewReader(`{"token":"`+adminToken+`"}`))
	other.Header.Set("Sec-Fetch-Site", "same-origin")
	other.RemoteAddr = "[2001:db8::1]:1"
	w := httptest.NewRecorder()
	r.ServeHTTP(w, other)
	if w.Code != 200 {
		t.Errorf("from another address: %d", w.Code)
	}
	r.now = r.now.Add(6 * time.Second)
	if got := try("wrong"); got != 401 {
		t.Errorf("later: %d", got)
	}
	if got := try("wrong"); got != 429 {
		t.Errorf("and again: %d", got)
	}
	for _, body := range []string{"", "{", `{"token":1}`, `{"token":"` + strings.Repeat("x", 20<<10) + `"}`} {
		r.now = r.now.Add(time.Minute)
		if got := r.do(t, "POST", "/console/session", body).StatusCode; got != 400 {
			t.Errorf("%.20q: %d", body, got)
		}
	}
}

// TestMedia: pictures are for those who have signed in, and stay out of shared caches.
func TestMedia(t *testing.T) {
	r := newRig()
	if res := r.do(t, "GET", "/console/media/id/preview.ism/master.m3u8", ""); res.StatusCode != 401 {
		t.Errorf("without a session: %s", res.Status)
	}
	cookie := r.signIn(t, readerToken)
	res := r.do(t, "GET", "/console/media/id/preview.ism/master.m3u8", "", "Cookie", cookie)
	if got := text(t, res); res.StatusCode != 200 || got != "/id/preview.ism/master.m3u8" {
		t.Errorf("%s %q", res.Status, got)
	}
	if res.Header.Get("Cache-Control") != "private, max-age=60" || res.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("headers %v", res.Header)
	}
}

// TestPage follows every reference from the page: each is served by the console itself, under its policy.
func TestPage(t *testing.T) {
	r := newRig()
	pending := []string{""}
	seen := map[string]bool{}
	reference := regexp.MustCompile(`(?:src|href)="([^"#:]+)"|from '\./([^']+)'|src: '([^']+)'|\.src = '([^']+)'`)
	for len(pending) > 0 {
		name := pending[0]
		pending = pending[1:]
		if seen[name] {
			continue
		}
		seen[name] = true
		res := r.do(t, "GET", "/console/"+name, "")
		if res.StatusCode != 200 {
			t.Errorf("%q: %s", name, res.Status)
			continue
		}
		h := res.Header
		csp := h.Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'none'; script-src 'self'; style-src 'self'") || strings.Contains(csp, "unsafe") || !strings.Contains(csp, "frame-ancestors 'none'") {
			t.Errorf("%q: policy %q", name, csp)
		}
		if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Cache-Control") != "no-cache" || h.Get("ETag") == "" || h.Get("X-Frame-Options") != "DENY" || h.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%q: headers %v", name, h)
		}
		if strings.HasSuffix(name, "js") && !strings.HasPrefix(h.Get("Content-Type"), "text/javascript") {
			t.Errorf("%q is %s", name, h.Get("Content-Type"))
		}
		body := text(t, res)
		if strings.HasPrefix(name, "hls.") || strings.HasPrefix(name, "lean-qr.") {
			continue
		}
		for _, m := range reference.FindAllStringSubmatch(body, -1) {
			pending = append(pending, m[1]+m[2]+m[3]+m[4])
		}
		for _, m := range regexp.MustCompile(`https?://[^\s"'}]+`).FindAllString(body, -1) {
			if !strings.HasPrefix(m, "http://www.w3.org/") && m != "http://${" {
				t.Errorf("%q refers to %s: everything must come from the binary", name, m)
			}
		}
		for _, bad := range []string{"innerHTML", "insertAdjacentHTML", "localStorage", "sessionStorage", "document.write", "eval("} {
			if strings.Contains(body, bad) {
				t.Errorf("%q uses %s", name, bad)
			}
		}
	}
	for _, name := range []string{"app.js", "event.js", "asset.js", "strip.js", "lean-qr.mjs", "hls.min.js", "console.css", "icon.svg"} {
		if !seen[name] {
			t.Errorf("%s is not reached from the page", name)
		}
	}
}

func TestOtherPaths(t *testing.T) {
	r := newRig()
	for _, c := range []struct {
		method, target string
		status         int
		location       string
	}{
		{"GET", "/", 303, "/console/"},
		{"GET", "/console", 301, "/console/"},
		{"POST", "/console/", 405, ""},
		{"PUT", "/console/session", 405, ""},
		{"GET", "/console/vendor/lean-qr.mjs", 404, ""},
		{"GET", "/console/../console.go", 404, ""},
		{"GET", "/consoles", 200, ""}, // the API's
		{"POST", "/", 200, ""},
	} {
		res := r.do(t, c.method, c.target, "", "Accept", "text/html,*/*")
		if res.StatusCode != c.status || res.Header.Get("Location") != c.location {
			t.Errorf("%s %s: %d %q, want %d %q", c.method, c.target, res.StatusCode, res.Header.Get("Location"), c.status, c.location)
		}
	}
}
