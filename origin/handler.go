package origin

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"headwater.stream/internal/media"
	"headwater.stream/locator"
)

// DefaultMaxWaiting bounds blocked requests when Options does not: each costs a connection and some ten kilobytes.
const DefaultMaxWaiting = 20_000

// bodyTimeout bounds how long a request's body, which has no meaning here, may take to arrive and be discarded.
const bodyTimeout = 5 * time.Second

var (
	errMethod = errors.New("only GET, HEAD and OPTIONS are allowed")
	errBody   = errors.New("a request for media has no body")
)

// Options says how a Handler works; Resolver is required.
type Options struct {
	Resolver   Resolver
	Metrics    *Metrics         // counted into; nil: nobody looks
	Log        *slog.Logger     // nil: nowhere
	MaxWaiting int              // requests that may wait at a time; 0: DefaultMaxWaiting
	Now        func() time.Time // the clock that /time tells; nil: time.Now
	// Authorize answers a cache that asks whether it may give what it has of a locator or preview to somebody with this
	// token; nil: nobody asks.
	Authorize func(id, token string) error
}

// Handler serves the public paths. Do not put it behind an http.ServeMux that cleans paths: it parses them strictly itself.
type Handler struct {
	resolver   Resolver
	metrics    *Metrics
	log        *slog.Logger
	maxWaiting int64
	now        func() time.Time
	authorize  func(id, token string) error
	compressor compressor
	downloads  *downloads
	values     headerValues
}

var _ http.Handler = (*Handler)(nil)

// headerValues are the header values of all answers, made once.
type headerValues struct {
	star, expose, methods, requestHeaders, day, vary, gzip, bytes []string
	playlist, mpd, videoMP4, audioMP4, mp4, noStore, noCache      []string
	jpeg, vtt                                                     []string
	immutable, shortLived, brief, ended                           []string
}

func makeHeaderValues() headerValues {
	one := func(s string) []string { return []string{s} }
	return headerValues{
		star:    one("*"),
		expose:  one("Date, Age, Content-Length, Content-Range, ETag, Retry-After, " + codeHeader),
		methods: one("GET, HEAD, OPTIONS"),
		// CTA-5004: players send CMCD in headers.
		requestHeaders: one("Range, If-None-Match, If-Range, If-Modified-Since, Cache-Control, CMCD-Object, CMCD-Request, CMCD-Session, CMCD-Status"),
		day:            one("86400"), vary: one("Accept-Encoding"), gzip: one("gzip"), bytes: one("bytes"),
		playlist: one("application/vnd.apple.mpegurl"), mpd: one("application/dash+xml"),
		videoMP4: one("video/mp4"), audioMP4: one("audio/mp4"), mp4: one("application/mp4"),
		jpeg: one("image/jpeg"), vtt: one("text/vtt; charset=utf-8"),
		noStore: one("no-store"), noCache: one("no-cache"),
		immutable: one("public, max-age=31536000, immutable"), shortLived: one("public, max-age=10"), brief: one("public, max-age=1"),
		ended: one("public, max-age=60"),
	}
}

// NewHandler returns the Handler.
func NewHandler(o Options) *Handler {
	h := &Handler{resolver: o.Resolver, metrics: o.Metrics, log: o.Log, maxWaiting: int64(o.MaxWaiting), now: o.Now, authorize: o.Authorize, values: makeHeaderValues(), downloads: newDownloads()}
	if h.metrics == nil {
		h.metrics = &Metrics{}
	}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	if h.maxWaiting <= 0 {
		h.maxWaiting = DefaultMaxWaiting
	}
	if h.now == nil {
		h.now = time.Now
	}
	return h
}

// hasBody reports whether a request says that it has a body. Over HTTP/3 most say nothing of it: what comes is not read.
func hasBody(r *http.Request) bool {
	return r.ContentLength > 0 || r.ContentLength < 0 && r.ProtoMajor < 3
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.metrics.Requests.Add(1)
	head := w.Header()
	head["Access-Control-Allow-Origin"] = h.values.star // on every answer, errors included (rule D1)
	head["Access-Control-Expose-Headers"] = h.values.expose
	if hasBody(r) {
		// Discarding it is bounded, and the connection ends with the answer. What has no socket has no deadline.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTimeout))
		if r.ProtoMajor < 3 {
			head.Set("Connection", "close")
		}
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
	default:
		head["Allow"] = h.values.methods
		h.fail(w, r, errMethod)
		return
	}
	if hasBody(r) {
		h.fail(w, r, errBody)
		return
	}
	if r.Method == http.MethodOptions {
		h.preflight(w)
		return
	}
	if r.URL.Path == "/time" {
		h.time(w, r)
		return
	}
	if id, token, ok := locator.CutAuth(r.URL.EscapedPath(), r.URL.RawQuery); ok && h.authorize != nil {
		h.auth(w, r, id, token)
		return
	}
	if err := h.serve(w, r); err != nil {
		h.fail(w, r, err)
	}
}

// target is what a request is for. It is small: a blocked request holds it on its stack.
type target struct {
	Served
	kind      locator.Kind
	rendition string // or the file of a picture
	ref       media.Ref
	name      string // of the manifest
	iframes   bool
}

// find resolves a request, into t so that there is one of it.
func (h *Handler) find(r *http.Request, t *target) error {
	token, public := locator.CutToken(r.URL.EscapedPath(), r.URL.RawQuery)
	path, err := locator.Parse(public)
	if err != nil {
		return err
	}
	req := Request{ID: path.ID, Name: path.Name, Token: token, RemoteAddr: r.RemoteAddr}
	switch path.Kind {
	case locator.Multivariant, locator.MediaPlaylist, locator.IFramePlaylist:
		req.Protocol = HLS
	case locator.MPD:
		req.Protocol = DASH
	case locator.Download:
		req.Protocol = Download
	case locator.Picture:
		req.Protocol, path.Rendition = Pictures, path.File
	}
	if req.Protocol != AnyProtocol && req.Protocol != Pictures {
		if err := path.ApplyQuery(r.URL.RawQuery); err != nil {
			return err
		}
		req.Filters, req.Span = path.Filters, path.Span
	}
	served, err := h.resolver.Resolve(r.Context(), req)
	*t = target{served, path.Kind, path.Rendition, path.Ref, path.Name, path.IFrames}
	return err
}

// serve answers a request for a public path; it returns an error only when nothing was written.
func (h *Handler) serve(w http.ResponseWriter, r *http.Request) error {
	var t target
	if err := h.find(r, &t); err != nil {
		return err
	}
	switch c := &t.Served; t.kind {
	case locator.Multivariant:
		if t.iframes {
			return h.whole(w, r, c, &c.trick, h.values.playlist, h.values.shortLived)
		}
		return h.whole(w, r, c, &c.multivariant, h.values.playlist, h.values.shortLived)
	case locator.MPD:
		cache := h.values.brief
		if c.p.View().PartTarget > 0 {
			cache = h.values.noCache // it names the segment that is being made: a second is too old
		}
		if t.iframes {
			return h.whole(w, r, c, &c.trickMPD, h.values.mpd, cache)
		}
		return h.whole(w, r, c, &c.mpd, h.values.mpd, cache)
	case locator.MediaPlaylist:
		return h.playlist(w, r, c, playlistKey{rendition: t.rendition})
	case locator.IFramePlaylist:
		return h.playlist(w, r, c, playlistKey{rendition: t.rendition, iframes: true})
	case locator.Download:
		return h.download(w, r, c, t.name)
	case locator.Picture:
		return h.picture(w, r, c, t.rendition)
	}
	if t.ref.Kind == media.ObjectKey {
		return h.keyFrame(w, r, &t.Served, t.ref)
	}
	if t.Audience != nil && t.ref.Kind != media.ObjectInit {
		t.Audience.asked(r, t.p.View(), t.ref)
	}
	return h.object(w, r, &t.Served, t.ref)
}

func (h *Handler) preflight(w http.ResponseWriter) {
	head := w.Header()
	head["Allow"] = h.values.methods
	head["Access-Control-Allow-Methods"] = h.values.methods
	head["Access-Control-Allow-Headers"] = h.values.requestHeaders
	head["Access-Control-Max-Age"] = h.values.day
	h.metrics.status(http.StatusNoContent)
	w.WriteHeader(http.StatusNoContent)
}

// time answers with the origin's clock, for UTCTiming urn:mpeg:dash:utc:http-iso:2014.
func (h *Handler) time(w http.ResponseWriter, r *http.Request) {
	head := w.Header()
	head.Set("Content-Type", "text/plain; charset=utf-8")
	head["Cache-Control"] = h.values.noStore
	body := h.now().UTC().AppendFormat(nil, "2006-01-02T15:04:05.000Z")
	h.send(w, r, http.StatusOK, [][]byte{body}, int64(len(body)))
}

// authAge is for how long a cache may rely on what it was told of a token, in seconds.
const authAge = "5"

// auth answers whether a token lets in: 204, or 403. What is no locator's lets in, for the origin says better what is wrong.
func (h *Handler) auth(w http.ResponseWriter, r *http.Request, id, token string) {
	if id != "" {
		if err := h.authorize(id, token); err != nil {
			h.fail(w, r, forbidden{err})
			return
		}
	}
	w.Header().Set("Cache-Control", "max-age="+authAge)
	h.metrics.status(http.StatusNoContent)
	w.WriteHeader(http.StatusNoContent)
}

// whole serves a manifest that is not waited for.
func (h *Handler) whole(w http.ResponseWriter, r *http.Request, c *Served, m *manifest, contentType, cache []string) error {
	doc, err := m.at(c.p.View(), c.p)
	if err != nil {
		return fmt.Errorf("rendering: %w", err)
	}
	if doc.full == nil {
		return errPending
	}
	if doc.ended {
		cache = h.ended(c)
	}
	h.document(w, r, doc.full, contentType, cache)
	return nil
}

// playlist serves a media or I-frame playlist, after waiting for what the directives ask for.
func (h *Handler) playlist(w http.ResponseWriter, r *http.Request, c *Served, key playlistKey) error {
	d, err := parseDirectives(r.URL.RawQuery)
	if err != nil {
		return err
	}
	asked := c.p.View().Revision
	v, err := h.reload(r.Context(), c.Channel, key, d)
	if err == nil && away(v) {
		v, err = h.linger(r.Context(), c.Channel, key, d, v)
	}
	if err != nil {
		return err
	}
	doc, err := c.playlist(key).at(v, c.p)
	if err != nil {
		return fmt.Errorf("rendering: %w", err)
	}
	if doc.full == nil {
		return errPending
	}
	cache := h.ended(c)
	switch {
	case doc.ended:
	case d.present:
		if cache = doc.held; away(v) {
			cache = h.values.brief // what was asked for may come any moment: no cache is to answer with this then
		}
	case v.SegmentTarget >= 2*time.Second: // at most half a target duration
		cache = h.values.brief
	default:
		cache = h.values.noCache
	}
	text := doc.full
	if d.skip && doc.delta != nil {
		text = doc.delta
		if d.compact && doc.compact != nil {
			text = doc.compact
		}
	}
	h.document(w, r, text, h.values.playlist, cache)
	if c.Delay != nil && v.Revision > asked && !v.Published.IsZero() {
		h.metrics.Added.Observe(c.Delay.answered(v.Published))
	}
	return nil
}

// ended returns the Cache-Control of manifests of what has ended.
func (h *Handler) ended(c *Served) []string {
	if c.Lifetime != nil {
		return c.Lifetime.ended
	}
	return h.values.ended
}

// document sends a manifest in the coding that the viewer takes.
func (h *Handler) document(w http.ResponseWriter, r *http.Request, d *document, contentType, cache []string) {
	h.metrics.Manifests.Add(1)
	body := &d.plain
	head := w.Header()
	head["Vary"] = h.values.vary
	if acceptsGzip(r.Header["Accept-Encoding"]) {
		body = d.gzipped(&h.compressor)
		head["Content-Encoding"] = h.values.gzip
	}
	head["Etag"] = body.etag
	head["Cache-Control"] = cache
	if matches(r.Header["If-None-Match"], body.etag[0]) {
		h.notModified(w)
		return
	}
	head["Content-Type"] = contentType
	head["Content-Length"] = body.length
	h.send(w, r, http.StatusOK, body.body, int64(body.size))
}

func (h *Handler) notModified(w http.ResponseWriter) {
	h.metrics.NotModified.Add(1)
	delete(w.Header(), "Content-Encoding")
	h.metrics.status(http.StatusNotModified)
	w.WriteHeader(http.StatusNotModified)
}

// contentType returns the type of a rendition's objects.
func (h *Handler) contentType(v *media.View, rendition string) []string {
	r := v.Find(rendition)
	switch {
	case r == nil:
		return h.values.mp4
	case r.Kind == media.Audio:
		return h.values.audioMP4
	}
	return h.values.videoMP4
}

// acceptsGzip reports whether an Accept-Encoding names gzip, or *, with a weight above zero.
func acceptsGzip(values []string) bool {
	others := false
	for _, value := range values {
		for item := range strings.SplitSeq(value, ",") {
			coding, weight, _ := strings.Cut(item, ";")
			coding = strings.TrimSpace(coding)
			if q, ok := strings.CutPrefix(strings.TrimSpace(weight), "q="); ok && strings.Trim(q, "0.") == "" {
				if coding == "gzip" {
					return false
				}
				continue
			}
			if strings.EqualFold(coding, "gzip") {
				return true
			}
			others = others || coding == "*"
		}
	}
	return others
}

// matches reports whether an If-None-Match has the entity tag; weak comparison (RFC 9110 13.1.2).
func matches(values []string, etag string) bool {
	for _, value := range values {
		for item := range strings.SplitSeq(value, ",") {
			item = strings.TrimSpace(item)
			if item == "*" || strings.TrimPrefix(item, "W/") == etag {
				return true
			}
		}
	}
	return false
}
