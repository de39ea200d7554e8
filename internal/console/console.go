// Package console serves the web console: pages in the binary that work the control API in a browser, and the sessions that
// a browser holds instead of a token.
package console

import (
	"embed"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"headwater.stream/api"
	"headwater.stream/internal/watch"
	"headwater.stream/internal/webfile"
)

// Root is the path the console is served under.
const Root = "/console/"

const (
	sessionPath = Root + "session"
	mediaRoot   = Root + "media"
)

//go:embed page vendor/lean-qr.mjs
var files embed.FS

// policy lets the page load from its own origin only, media too. Players hand media to the video element as blobs, and
// hls.js starts its worker from one.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"media-src 'self' blob:; worker-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Options say what the console works with.
type Options struct {
	Tokens api.TokenChecker // whose token it is that somebody signs in with; required
	// Media serves previews and recordings to everybody who has signed in, by public paths; nil: nothing.
	Media http.Handler
	// TrustForwarded takes X-Forwarded-Proto and X-Forwarded-Host from a TLS terminator in front.
	TrustForwarded bool
	Now            func() time.Time // nil: time.Now
	Log            *slog.Logger     // nil: slog.Default
}

type handler struct {
	o        Options
	api      http.Handler
	page     *webfile.Page
	sessions *sessions
	tries    *limiter
}

// Handler serves the console, and everything else by control: to a browser that has signed in, with the token of its session.
func Handler(control http.Handler, o Options) http.Handler {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return &handler{o: o, api: control, page: page(), sessions: newSessions(o.Now), tries: newLimiter(o.Now)}
}

// page reads the embedded files; the compiler's embed pattern has checked that they are there.
func page() *webfile.Page {
	p := &webfile.Page{Root: Root, Policy: policy, Files: map[string]*webfile.File{"hls.min.js": watch.HLSPlayer()}}
	for _, dir := range []string{"page", "vendor"} {
		entries, err := files.ReadDir(dir)
		if err != nil {
			panic("console: embedded files are missing: " + err.Error())
		}
		for _, e := range entries {
			content, err := files.ReadFile(dir + "/" + e.Name())
			if err != nil {
				panic("console: embedded file is missing: " + err.Error())
			}
			name := e.Name()
			if name == "index.html" {
				name = ""
			}
			p.Files[name] = webfile.New(e.Name(), content)
		}
	}
	return p
}

// ServeHTTP implements http.Handler.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	switch {
	case path == "/" && r.Method == http.MethodGet && strings.Contains(r.Header.Get("Accept"), "text/html"): // a browser
		http.Redirect(w, r, Root, http.StatusSeeOther)
	case path == sessionPath:
		h.serveSession(w, r)
	case strings.HasPrefix(path, mediaRoot+"/"):
		h.serveMedia(w, r)
	case path == strings.TrimSuffix(Root, "/") || strings.HasPrefix(path, Root):
		w.Header().Set("X-Frame-Options", "DENY")
		w.Header().Set("Cross-Origin-Opener-Policy", "same-origin")
		w.Header().Set("Cross-Origin-Resource-Policy", "same-origin")
		h.page.ServeHTTP(w, r)
	default:
		h.serveAPI(w, r)
	}
}

// serveAPI hands a request on. One that brings a session and no token of its own gets the session's token, and so its roles.
func (h *handler) serveAPI(w http.ResponseWriter, r *http.Request) {
	if len(r.Header.Values("Authorization")) == 0 {
		if s := h.session(r); s != nil {
			r = r.Clone(r.Context())
			r.Header.Set("Authorization", "Bearer "+s.token)
			r.Header.Del("Cookie")
		}
	}
	h.api.ServeHTTP(w, r)
}

// serveMedia shows previews and recordings, whoever may watch them in public.
func (h *handler) serveMedia(w http.ResponseWriter, r *http.Request) {
	switch {
	case h.o.Media == nil:
		http.NotFound(w, r)
	case h.session(r) == nil:
		refuse(w, http.StatusUnauthorized, "Sign in first.")
	default:
		http.StripPrefix(mediaRoot, h.o.Media).ServeHTTP(&private{ResponseWriter: w}, r)
	}
}

// private keeps what somebody had to sign in for out of shared caches and other pages.
type private struct {
	http.ResponseWriter
	wrote bool
}

// Unwrap lets http.ResponseController move the deadlines of the connection.
func (p *private) Unwrap() http.ResponseWriter { return p.ResponseWriter }

func (p *private) WriteHeader(status int) {
	if !p.wrote {
		p.wrote = true
		head := p.Header()
		head.Del("Access-Control-Allow-Origin")
		head.Set("Cross-Origin-Resource-Policy", "same-origin")
		if cache := head.Get("Cache-Control"); cache != "" {
			head.Set("Cache-Control", strings.ReplaceAll(cache, "public", "private"))
		}
	}
	p.ResponseWriter.WriteHeader(status)
}

func (p *private) Write(b []byte) (int, error) {
	if !p.wrote {
		p.WriteHeader(http.StatusOK)
	}
	return p.ResponseWriter.Write(b)
}
