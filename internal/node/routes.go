package node

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"headwater.stream/ingest"
	"headwater.stream/internal/access"
	"headwater.stream/internal/control"
	"headwater.stream/locator"
	"headwater.stream/origin"
)

// routes is an immutable table of what public names lead to. Apply replaces it; requests load it.
type routes struct {
	events   map[string]*event // running ones, by EventSpec.ID
	tokens   map[string]*event // by access token; those of stopped events lead to nil
	previews map[string]*event // by preview locator, running events only
	locators map[string]route
	assets   map[string]*asset // by AssetSpec.ID
	filters  filters
	serving  bool // a streaming endpoint runs
	lifetime *origin.Lifetime
	viewers  control.AllowList
}

// route is a published locator.
type route struct {
	spec     control.LocatorSpec
	asset    *asset
	audience *origin.Audience
	filters  []*namedFilter // those that always apply; nil in it: one that does not exist
}

// makeRoutes makes the table of what is wanted and exists. r.mu is held.
func (r *runtime) makeRoutes(d control.Desired) *routes {
	t := &routes{events: map[string]*event{}, tokens: map[string]*event{}, previews: map[string]*event{}, locators: map[string]route{}, assets: maps.Clone(r.byAsset), filters: compileFilters(d.Filters),
		serving: d.EndpointRunning, viewers: d.ViewerAllow}
	if d.MaxCacheAge > 0 {
		t.lifetime = origin.NewLifetime(int64(d.MaxCacheAge / time.Second))
	}
	for _, s := range d.Events {
		t.tokens[s.Token] = nil
		if e := r.events[s.ID]; e != nil && e.running.Load() && s.Running {
			t.events[s.ID], t.tokens[s.Token], t.previews[s.PreviewID] = e, e, e
		}
	}
	for _, l := range d.Locators {
		if a := r.byAsset[l.AssetID]; a != nil {
			t.locators[l.ID] = route{l, a, r.audience(l.ID), t.filters.named(l.AssetID, l.Filters)}
		}
	}
	return t
}

// Resolve implements origin.Resolver: previews need nothing but a running event; locators need a running endpoint.
func (r *runtime) Resolve(ctx context.Context, q origin.Request) (origin.Served, error) {
	t := r.routes.Load()
	if e := t.previews[q.ID]; e != nil {
		if q.Name != locator.PreviewName {
			return origin.Served{}, origin.ErrNotFound
		}
		if q.Protocol == origin.Download {
			return origin.Served{}, origin.ErrProtocol
		}
		if !admits(e.spec.Load().PreviewAllow, q.RemoteAddr) {
			return origin.Served{}, origin.ErrAddress
		}
		if q.Protocol == origin.Pictures {
			return origin.Served{}, fmt.Errorf("%w: %w", origin.ErrNoPictures, errNotEnded)
		}
		c, err := e.shown.filtered(t.filters.named("", q.Filters), q)
		return origin.Served{Channel: c, Delay: e.delay}, err
	}
	l, ok := t.locators[q.ID]
	if !ok || q.Name != l.asset.spec.Load().ManifestName {
		return origin.Served{}, origin.ErrNotFound
	}
	if !t.serving {
		return origin.Served{}, origin.ErrStopped
	}
	if !admits(t.viewers, q.RemoteAddr) {
		return origin.Served{}, origin.ErrAddress
	}
	now := time.Now()
	if err := r.allows(l.spec.Access, q.Token, now); err != nil {
		return origin.Served{}, err
	}
	switch {
	case !l.spec.Valid(now):
		return origin.Served{}, origin.ErrNotValid
	case q.Protocol == origin.HLS && !l.spec.HLS, q.Protocol == origin.DASH && !l.spec.DASH, q.Protocol == origin.Download && !l.spec.Download,
		q.Protocol == origin.Pictures && !l.spec.HLS && !l.spec.DASH:
		return origin.Served{}, origin.ErrProtocol
	}
	c, err := l.asset.open(ctx, now)
	if errors.Is(err, errNoMedia) {
		return origin.Served{}, origin.ErrNoMedia
	}
	if err != nil {
		return origin.Served{}, err
	}
	applied := l.filters
	if len(q.Filters) > 0 {
		applied = append(slices.Clip(applied), t.filters.named(l.spec.AssetID, q.Filters)...)
	}
	channel, err := c.filtered(applied, q)
	served := origin.Served{Channel: channel, Lifetime: t.lifetime, Audience: l.audience, Delay: c.delay}
	if q.Protocol == origin.Pictures && err == nil {
		served.Gallery = r.gallery.of(l.asset, c, c.showsPictures(applied, q))
	}
	return served, err
}

// allows checks the token of a request against what the locator requires. What has been begun is not ended when the token
// expires: a blocked reload goes on to its answer, three target durations at most.
func (r *runtime) allows(p *access.Policy, token string, now time.Time) error {
	if p == nil {
		return nil
	}
	if err := r.tokens.Check(p, token, now); err != nil {
		return fmt.Errorf("%w: %w", origin.ErrToken, err)
	}
	return nil
}

// Authorize tells a cache whether it may give what it has of a locator or preview to somebody with this token.
func (r *runtime) Authorize(id, token string) error {
	t := r.routes.Load()
	if t.previews[id] != nil {
		return nil
	}
	l, ok := t.locators[id]
	now := time.Now()
	switch {
	case !ok:
		return origin.ErrNotFound
	case !t.serving:
		return origin.ErrStopped
	case !l.spec.Valid(now):
		return origin.ErrNotValid
	}
	return r.allows(l.spec.Access, token, now)
}

// admits reports whether the peer may come in; an address that cannot be read may only where everybody may.
func admits(l control.AllowList, peer string) bool {
	if l == nil {
		return true
	}
	a, err := netip.ParseAddrPort(peer)
	return err == nil && l.Admits(a.Addr())
}

// ingestApp is the RTMP application that access tokens are under: live/<token>.
const ingestApp = "live"

// Admit implements ingest.Gate. What the encoder sends is never part of a name or path: the token is looked up.
func (r *runtime) Admit(_ context.Context, q ingest.Request) (ingest.Session, error) {
	e, err := r.lookup(q)
	if err == nil {
		var s ingest.Session
		if s, err = r.admit(e, q); err == nil {
			return s, nil
		}
	}
	r.metrics.refused.Inc()
	r.log.Warn("publisher refused", "remote", q.Remote.String(), "encoder", q.Encoder, "reason", err)
	return nil, err
}

// admit lets an encoder in when there is room. One at a time decides, so that two do not take the last place.
func (r *runtime) admit(e *event, q ingest.Request) (ingest.Session, error) {
	r.admitting.Lock()
	defer r.admitting.Unlock()
	if connected, _ := e.load(); !connected {
		if why := r.admission.full(r.routes.Load().events); why != nil {
			r.metrics.capacity.Add(1)
			return nil, e.refuse(q, codeCapacity, why)
		}
	}
	return e.admit(q)
}

func (r *runtime) lookup(q ingest.Request) (*event, error) {
	app, token, ok := strings.Cut(q.App, "/")
	token, _, _ = strings.Cut(token, "/") // an instance behind the token is ignored
	if !ok || app != ingestApp || token == "" {
		return nil, &ingest.Refusal{Code: ingest.CodeBadName, Description: fmt.Sprintf("publish to %s/<accessToken> with any stream key", ingestApp)}
	}
	token = strings.ToLower(strings.ReplaceAll(token, "-", ""))
	for known, e := range r.routes.Load().tokens {
		if subtle.ConstantTimeCompare([]byte(known), []byte(token)) != 1 {
			continue
		}
		if e == nil {
			return nil, &ingest.Refusal{Code: ingest.CodeFailed, Description: "this live event is stopped: start it, then publish again"}
		}
		return e, nil
	}
	return nil, &ingest.Refusal{Code: ingest.CodeBadName, Description: "no live event has this access token"}
}

var (
	_ origin.Resolver = (*runtime)(nil)
	_ ingest.Gate     = (*runtime)(nil)
)
