package console

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"headwater.stream/api"
)

// How long a session lives, and how long without a request. Pages that are open ask every few seconds.
const (
	sessionLife = 12 * time.Hour
	sessionIdle = time.Hour
)

// maxSessions bounds what somebody with a token can make the server remember; the one that was used least lately goes.
const maxSessions = 256

// maxLogin bounds the body of a login: tokens of directories have kilobytes.
const maxLogin = 16 << 10

// session is what a cookie stands for. The token never leaves the server again.
type session struct {
	token      string
	ends, used time.Time
}

// sessions are those that are open, by the hash of the cookie's value. They end with the process.
type sessions struct {
	now func() time.Time
	mu  sync.Mutex
	all map[[sha256.Size]byte]*session
}

func newSessions(now func() time.Time) *sessions {
	return &sessions{now: now, all: map[[sha256.Size]byte]*session{}}
}

// open makes a session and returns the value of its cookie.
func (s *sessions) open(token string) (cookie string, ends time.Time) {
	var raw [32]byte
	rand.Read(raw[:])
	cookie = hex.EncodeToString(raw[:])
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	var oldest [sha256.Size]byte
	for key, x := range s.all {
		if x.over(now) {
			delete(s.all, key)
		} else if o := s.all[oldest]; o == nil || x.used.Before(o.used) {
			oldest = key
		}
	}
	if len(s.all) >= maxSessions {
		delete(s.all, oldest)
	}
	ends = now.Add(sessionLife)
	s.all[sha256.Sum256([]byte(cookie))] = &session{token: token, ends: ends, used: now}
	return cookie, ends
}

// find returns a copy of the session, nil when there is none that lives.
func (s *sessions) find(cookie string) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.all[sha256.Sum256([]byte(cookie))]
	now := s.now()
	if x == nil || x.over(now) {
		return nil
	}
	x.used = now
	found := *x
	return &found
}

func (s *sessions) close(cookie string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, sha256.Sum256([]byte(cookie)))
}

func (x *session) over(now time.Time) bool {
	return !now.Before(x.ends) || now.Sub(x.used) >= sessionIdle
}

// session returns the session of a request that a page of this console made, as long as its token is good.
func (h *handler) session(r *http.Request) *session {
	cookie, err := r.Cookie(h.cookieName(r))
	if err != nil || !h.ours(r) {
		return nil
	}
	s := h.sessions.find(cookie.Value)
	if s == nil {
		return nil
	}
	if _, ok := h.o.Tokens(s.token); !ok { // revoked or expired meanwhile
		h.sessions.close(cookie.Value)
		return nil
	}
	return s
}

// ours reports whether a request comes from a page of this very origin. SameSite=Strict keeps other sites out, but another
// port of this host is the same site. Browsers say Sec-Fetch-Site over TLS and on loopback, and else Origin with all
// that can change something.
func (h *handler) ours(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin", "none": // none: typed by a person
		return true
	case "":
	default:
		return false
	}
	if origin := r.Header.Get("Origin"); origin != "" {
		u, err := url.Parse(origin)
		return err == nil && u.Host != "" && strings.EqualFold(u.Host, h.host(r))
	}
	return r.Method == http.MethodGet || r.Method == http.MethodHead
}

// host is that of the address the browser shows.
func (h *handler) host(r *http.Request) string {
	if f := r.Header.Get("X-Forwarded-Host"); f != "" && h.o.TrustForwarded {
		first, _, _ := strings.Cut(f, ",")
		return strings.TrimSpace(first)
	}
	return r.Host
}

func (h *handler) secure(r *http.Request) bool {
	return r.TLS != nil || h.o.TrustForwarded && strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https")
}

// cookieName has the port in it: cookies do not tell ports apart, and a host may run several servers. The prefix __Host-
// makes browsers hold the cookie to TLS, this host and no domain.
func (h *handler) cookieName(r *http.Request) string {
	name := "headwater"
	if _, port, err := net.SplitHostPort(h.host(r)); err == nil {
		name += "-" + port
	}
	if h.secure(r) {
		name = "__Host-" + name
	}
	return name
}

func (h *handler) setCookie(w http.ResponseWriter, r *http.Request, value string, age int) {
	http.SetCookie(w, &http.Cookie{Name: h.cookieName(r), Value: value, Path: "/", MaxAge: age, Secure: h.secure(r), HttpOnly: true, SameSite: http.SameSiteStrictMode})
}

// who is the answer to a login and to the question who is signed in.
type who struct {
	Name    string     `json:"name"`
	Roles   []api.Role `json:"roles"`
	Expires time.Time  `json:"expires"`
}

// serveSession signs in (POST), tells who is signed in (GET) and signs out (DELETE).
func (h *handler) serveSession(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if !h.ours(r) {
		refuse(w, http.StatusForbidden, "This request came from another page.")
		return
	}
	switch r.Method {
	case http.MethodGet:
		s := h.session(r)
		if s == nil {
			w.WriteHeader(http.StatusNoContent) // nobody is
			return
		}
		p, _ := h.o.Tokens(s.token)
		writeJSON(w, http.StatusOK, who{p.Name, p.Roles, s.ends})
	case http.MethodPost:
		h.login(w, r)
	case http.MethodDelete:
		if cookie, err := r.Cookie(h.cookieName(r)); err == nil {
			h.sessions.close(cookie.Value)
		}
		h.setCookie(w, r, "", -1)
		w.WriteHeader(http.StatusNoContent)
	default:
		w.Header().Set("Allow", "GET, POST, DELETE")
		refuse(w, http.StatusMethodNotAllowed, "This can be asked for, signed in to and signed out of.")
	}
}

// login exchanges a token for a session.
func (h *handler) login(w http.ResponseWriter, r *http.Request) {
	if wait := h.tries.take(r.RemoteAddr); wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(wait/time.Second)+1))
		refuse(w, http.StatusTooManyRequests, "Too many wrong tokens. Wait a little, then try again.")
		return
	}
	var body struct {
		Token string `json:"token"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxLogin)).Decode(&body); err != nil {
		refuse(w, http.StatusBadRequest, "The request cannot be read.")
		return
	}
	token := strings.TrimSpace(body.Token)
	p, ok := h.o.Tokens(token)
	if !ok {
		h.o.Log.Warn("console login refused", "remote", r.RemoteAddr)
		refuse(w, http.StatusUnauthorized, "This token is not valid.")
		return
	}
	h.tries.giveBack(r.RemoteAddr)
	if old, err := r.Cookie(h.cookieName(r)); err == nil {
		h.sessions.close(old.Value)
	}
	cookie, ends := h.sessions.open(token)
	h.setCookie(w, r, cookie, 0) // until the browser closes
	h.o.Log.Info("console login", "caller", p.Name, "remote", r.RemoteAddr)
	writeJSON(w, http.StatusOK, who{p.Name, p.Roles, ends})
}

// refuse answers in the envelope of the control API.
func refuse(w http.ResponseWriter, status int, message string) {
	code := strings.ReplaceAll(http.StatusText(status), " ", "")
	writeJSON(w, status, map[string]any{"error": map[string]string{"code": code, "message": message}})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		status, body = http.StatusInternalServerError, nil
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(body) // a browser that went away needs no answer
}
