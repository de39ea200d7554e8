package journal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Limits of followers.
const (
	maxFollowers = 64               // at a time: each is a connection and a goroutine
	pingEvery    = 15 * time.Second // a comment, so that both ends notice when the other has gone
	takeWithin   = 20 * time.Second // a follower has to take what is written to it
	defaultLast  = 100              // events of a list that does not say how many
	maxLast      = 10000
)

// Handler serves the events as CloudEvents: a stream of server-sent events to who accepts text/event-stream, a list to others.
//
// ?last=N begins with the last N events, ?after=ID (or the header Last-Event-ID, which wins) after that one; a stream begins with
// what happens next otherwise, a list has the last 100. ?types=T,U* and ?subject=PREFIX select.
type Handler struct {
	Journal   *Journal
	Source    string          // of the CloudEvents
	Done      <-chan struct{} // closed when streams have to end; nil: never
	following atomic.Int64
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		fail(w, http.StatusMethodNotAllowed, "MethodNotAllowed", "Events can only be read.")
		return
	}
	stream := strings.Contains(r.Header.Get("Accept"), "text/event-stream")
	q := r.URL.Query()
	f := Filter{Subject: q.Get("subject")}
	if t := q.Get("types"); t != "" {
		f.Types = strings.Split(t, ",")
	}
	p, refused, err := h.begin(r, stream)
	if refused != "" {
		fail(w, http.StatusBadRequest, "BadRequest", refused)
		return
	}
	if err != nil {
		h.Journal.o.Log.Error("listing events", "err", err)
		fail(w, http.StatusInternalServerError, "InternalServerError", "The event log cannot be read; the server's log says why.")
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	if !stream {
		h.list(w, p, &f)
		return
	}
	if h.following.Add(1) > maxFollowers {
		h.following.Add(-1)
		w.Header().Set("Retry-After", "5")
		fail(w, http.StatusServiceUnavailable, "ServiceUnavailable", "Too many follow the events already.")
		return
	}
	defer h.following.Add(-1)
	h.follow(w, r, p, &f)
}

// fail answers in the envelope of the control API.
func fail(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]string{"code": code, "message": message}})
}

// begin returns the position that a request wants to read after, or why it is refused.
func (h *Handler) begin(r *http.Request, stream bool) (p Position, refused string, err error) {
	id := r.Header.Get("Last-Event-ID")
	if id == "" {
		id = r.URL.Query().Get("after")
	}
	if id != "" {
		p, ok := ParseID(id)
		if !ok {
			refused = fmt.Sprintf("%.40q is not the ID of an event.", id)
		}
		return p, refused, nil
	}
	last := r.URL.Query().Get("last")
	if last == "" && stream {
		return h.Journal.Last(), "", nil
	}
	n := defaultLast
	if last != "" {
		if n, err = strconv.Atoi(last); err != nil || n < 0 || n > maxLast {
			return 0, fmt.Sprintf("'last' is a number up to %d.", maxLast), nil
		}
	}
	p, err = h.Journal.Tail(n)
	return p, "", err
}

// list answers with what there is now.
func (h *Handler) list(w http.ResponseWriter, p Position, f *Filter) {
	all := []json.RawMessage{}
	for len(all) < maxLast {
		events, _, err := h.Journal.Read(p)
		if err != nil {
			h.Journal.o.Log.Error("listing events", "err", err)
			fail(w, http.StatusInternalServerError, "InternalServerError", "The event log cannot be read; the server's log says why.")
			return
		}
		if len(events) == 0 {
			break
		}
		for _, e := range events {
			if p = e.Position(); f.Match(&e) {
				if b, err := e.CloudEvent(h.Source); err == nil {
					all = append(all, b)
				}
			}
		}
	}
	w.Header().Set("Content-Type", "application/cloudevents-batch+json; charset=utf-8")
	_ = json.NewEncoder(w).Encode(all)
}

// follow streams events until the follower goes, or does not take what it is sent.
func (h *Handler) follow(w http.ResponseWriter, r *http.Request, p Position, f *Filter) {
	rc := http.NewResponseController(w)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // nginx would hold events back
	send := func(b []byte) bool {
		_ = rc.SetWriteDeadline(time.Now().Add(takeWithin))
		_, err := w.Write(b)
		return err == nil && rc.Flush() == nil
	}
	if !send([]byte(": headwater events\nretry: 2000\n\n")) || r.Method == http.MethodHead {
		return
	}
	ping := time.NewTicker(pingEvery)
	defer ping.Stop()
	for {
		events, lost, err := h.Journal.Read(p)
		if err != nil {
			h.Journal.o.Log.Error("streaming events", "err", err)
			return // it comes again
		}
		var b bytes.Buffer
		if lost {
			b.WriteString("event: lost\ndata: {}\n\n")
		}
		for _, e := range events {
			p = e.Position()
			if !f.Match(&e) {
				continue
			}
			line, err := e.CloudEvent(h.Source)
			if err != nil {
				continue
			}
			fmt.Fprintf(&b, "id: %s\ndata: %s\n\n", e.ID, line)
		}
		if b.Len() > 0 && !send(b.Bytes()) {
			return
		}
		if len(events) > 0 {
			continue
		}
		select {
		case <-h.Journal.Changed(p):
		case <-ping.C:
			if !send([]byte(": ping\n\n")) {
				return
			}
		case <-r.Context().Done():
			return
		case <-h.Done:
			return
		}
	}
}
