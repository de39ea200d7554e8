package api

import (
	"crypto/rand"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
)

// HandlerOptions say how a Service is put on the wire.
type HandlerOptions struct {
	Account AccountID    // zero: DefaultAccount
	Tokens  TokenChecker // required
	Metrics http.Handler // served at /metrics to every caller with a token; nil: not
	Profile http.Handler // served below /debug/pprof/ to callers with the role admin; nil: not
	Events  http.Handler // served at /events to every caller with a token; nil: not
	Backup  http.Handler // served at /backup to administrators; nil: not
	Ready   func() error // /readyz answers 200 when it returns nil; nil: always
	Log     *slog.Logger // nil: slog.Default
	// TrustForwarded takes X-Forwarded-Proto and X-Forwarded-Host from a TLS terminator in front for the URLs handed out.
	TrustForwarded bool
}

// openAPI describes the handler; a test holds it to the routes.
//
//go:embed openapi.json
var openAPI []byte

type handler struct {
	svc    Service
	o      HandlerOptions
	routes []route
}

// Handler serves a Service in the wire form of Azure Media Services v3, /openapi.json, and without token /healthz and
// /readyz. Every error it answers is an ARM error envelope.
func Handler(svc Service, o HandlerOptions) http.Handler {
	if o.Account == (AccountID{}) {
		o.Account = DefaultAccount()
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return &handler{svc: svc, o: o, routes: routes(svc)}
}

// maxBody bounds what is read of a request: the largest resources have a few kilobytes.
const maxBody = 1 << 20

// ServeHTTP implements http.Handler.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &call{h: h, w: &answer{ResponseWriter: w}, r: r, id: requestID()}
	head := w.Header()
	head.Set("x-ms-request-id", c.id)
	head.Set("x-ms-correlation-request-id", c.id)
	head.Set("Cache-Control", "no-store")
	head.Set("X-Content-Type-Options", "nosniff")
	if id := r.Header.Get("x-ms-client-request-id"); id != "" && len(id) <= 64 {
		head.Set("x-ms-client-request-id", id)
	}
	defer func() {
		if p := recover(); p != nil {
			if p == http.ErrAbortHandler {
				panic(p)
			}
			h.o.Log.Error("control request panicked", "request", c.id, "method", r.Method, "path", r.URL.Path, "panic", p, "stack", string(debug.Stack()))
			if !c.w.wrote {
				c.fail(&Error{Code: CodeInternal, Message: "The server met an unexpected condition; its log says more."})
			}
		}
	}()
	if err := c.serve(); err != nil {
		c.fail(err)
	}
}

// answer remembers whether something was written.
type answer struct {
	http.ResponseWriter
	wrote bool
}

func (a *answer) WriteHeader(status int) {
	a.wrote = true
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(b []byte) (int, error) {
	a.wrote = true
	return a.ResponseWriter.Write(b)
}

// Unwrap lets a handler behind this one flush and set deadlines.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

func requestID() string {
	var b [16]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// call is one request.
type call struct {
	h      *handler
	w      *answer
	r      *http.Request
	id     string
	who    Principal
	params []string // values of the route's {…} segments
	query  url.Values
}

func (c *call) serve() error {
	switch c.r.URL.Path {
	case "/healthz":
		return c.json(http.StatusOK, map[string]string{"status": "ok"})
	case "/readyz":
		if c.h.o.Ready != nil {
			if err := c.h.o.Ready(); err != nil {
				return &Error{Code: CodeServiceUnavailable, Message: "Not ready: " + err.Error()}
			}
		}
		return c.json(http.StatusOK, map[string]string{"status": "ready"})
	}
	who, refused := authenticate(c.r, c.h.o.Tokens)
	if refused != nil {
		// The caller is unknown, so its body is not read either.
		c.w.Header().Set("Connection", "close")
		c.w.Header().Set("WWW-Authenticate", "Bearer")
		c.h.o.Log.Warn("control request refused", "request", c.id, "remote", c.r.RemoteAddr, "reason", refused.Code)
		return refused
	}
	c.who = who
	c.r = c.r.WithContext(WithPrincipal(c.r.Context(), who))
	if c.r.URL.Path == "/metrics" && c.h.o.Metrics != nil {
		c.h.o.Metrics.ServeHTTP(c.w, c.r)
		return nil
	}
	if strings.HasPrefix(c.r.URL.Path, "/debug/pprof/") && c.h.o.Profile != nil {
		if !who.may(RoleAdmin) {
			return &Error{Code: CodeAuthorizationFailed, Message: "Profiles need the role admin."}
		}
		c.h.o.Profile.ServeHTTP(c.w, c.r)
		return nil
	}
	if c.r.URL.Path == "/events" && c.h.o.Events != nil {
		c.h.o.Events.ServeHTTP(c.w, c.r)
		return nil
	}
	if c.r.URL.Path == "/backup" && c.h.o.Backup != nil {
		return c.backup()
	}
	if c.r.URL.Path == "/openapi.json" {
		c.w.Header().Set("Content-Type", "application/json; charset=utf-8")
		_, err := c.w.Write(openAPI)
		return ignoreGone(err)
	}
	var err error
	if c.query, err = url.ParseQuery(c.r.URL.RawQuery); err != nil {
		return &Error{Code: CodeBadRequest, Message: "The query string cannot be read."}
	}
	rt, params, err := c.h.match(c.r.Method, c.r.URL.EscapedPath())
	if err != nil {
		if e := new(Error); errors.As(err, &e) && e.Code == CodeMethodNotAllowed {
			c.w.Header().Set("Allow", e.Target)
		}
		return err
	}
	c.params = params
	if err := checkVersion(c.query); err != nil {
		return err
	}
	if !who.may(rt.role) {
		c.h.o.Log.Warn("control request refused", "request", c.id, "caller", who.Name, "operation", rt.id, "needs", rt.role)
		return &Error{Code: CodeAuthorizationFailed, Message: "The token '" + who.Name + "' may not do this: it needs the role " + string(rt.role) + "."}
	}
	c.r.Body = http.MaxBytesReader(c.w.ResponseWriter, c.r.Body, maxBody)
	err = rt.do(c)
	if rt.role != "" {
		c.audit(rt, err)
	}
	return err
}

// backup gives the state away, and who gets it everything with it.
func (c *call) backup() error {
	if c.r.Method != http.MethodGet {
		c.w.Header().Set("Allow", http.MethodGet)
		return &Error{Code: CodeMethodNotAllowed, Message: "A backup is read with GET."}
	}
	if !c.who.may(RoleAdmin) {
		c.h.o.Log.Warn("control request refused", "request", c.id, "caller", c.who.Name, "operation", "backup", "needs", RoleAdmin)
		return &Error{Code: CodeAuthorizationFailed, Message: "The token '" + c.who.Name + "' may not do this: it needs the role " + string(RoleAdmin) + "."}
	}
	c.h.o.Log.Info("backup", "request", c.id, "caller", c.who.Name)
	c.h.o.Backup.ServeHTTP(c.w, c.r)
	return nil
}

// audit logs each call that changes something, or tried to.
func (c *call) audit(rt *route, err error) {
	args := []any{"request", c.id, "caller", c.who.Name, "operation", rt.id, "target", strings.Join(c.params, "/")}
	if err != nil {
		args = append(args, "refused", public(err).Code, "error", err)
	}
	c.h.o.Log.Info("control change", args...)
}

// versions are the published api-versions.
var versions = map[string]bool{
	"2018-03-30-preview": true, "2018-06-01-preview": true, "2018-07-01": true, "2019-05-01-preview": true, "2019-09-01-preview": true,
	"2020-05-01": true, "2021-05-01": true, "2021-06-01": true, "2021-11-01": true, "2022-05-01-preview": true, "2022-07-01": true,
	"2022-08-01": true, "2022-11-01": true, "2023-01-01": true,
}

func checkVersion(q url.Values) error {
	for name, values := range q {
		if strings.EqualFold(name, "api-version") && len(values) > 0 && values[0] != "" {
			if versions[strings.ToLower(values[0])] {
				return nil
			}
			return &Error{Code: CodeInvalidAPIVersion, Target: "api-version", Message: "The api-version is not one of the published ones.",
				Hint: "Use 2022-08-01 or 2022-11-01."}
		}
	}
	return &Error{Code: CodeMissingAPIVersion, Target: "api-version", Message: "The api-version query parameter (?api-version=) is required for all requests.",
		Hint: "Add ?api-version=2022-08-01."}
}

// param returns a query parameter, whatever the case of its name.
func (c *call) param(name string) string {
	for n, values := range c.query {
		if strings.EqualFold(n, name) && len(values) > 0 {
			return values[0]
		}
	}
	return ""
}

// base returns scheme and host as the client used them, for the URLs handed out (ams-wire §1).
func (c *call) base() string {
	scheme, host := "http", c.r.Host
	if c.r.TLS != nil {
		scheme = "https"
	}
	if c.h.o.TrustForwarded {
		if p := strings.ToLower(c.r.Header.Get("X-Forwarded-Proto")); p == "http" || p == "https" {
			scheme = p
		}
		if f := c.r.Header.Get("X-Forwarded-Host"); f != "" {
			host, _, _ = strings.Cut(f, ",")
		}
	}
	return scheme + "://" + strings.TrimSpace(host)
}

func (c *call) json(status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	c.w.Header().Set("Content-Type", "application/json; charset=utf-8")
	if t, ok := v.(interface{ etag() string }); ok && t.etag() != "" {
		c.w.Header().Set("ETag", t.etag())
	}
	c.w.WriteHeader(status)
	_, err = c.w.Write(body)
	return ignoreGone(err)
}

// ignoreGone: a client that went away needs no answer.
func ignoreGone(error) error { return nil }

func (c *call) fail(err error) {
	status := StatusOf(err)
	shown := public(err)
	if status >= http.StatusInternalServerError {
		c.h.o.Log.Error("control request failed", "request", c.id, "method", c.r.Method, "path", c.r.URL.Path, "error", err)
	}
	if status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests {
		c.w.Header().Set("Retry-After", "1")
	}
	c.w.Header().Set("x-ms-error-code", string(shown.Code))
	_ = c.json(status, shown.envelope())
}
