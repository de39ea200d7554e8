package node

import (
	"context"
	"errors"
	"net/http"
	"time"

	"headwater.stream/api"
	"headwater.stream/internal/console"
	"headwater.stream/locator"
	"headwater.stream/origin"
)

// withConsole puts the web console before the control API. What its viewers wait for ends with leaving.
func (n *node) withConsole(control http.Handler, tokens api.TokenChecker, leaving context.Context) http.Handler {
	media := origin.NewHandler(origin.Options{Resolver: insiders{n.runtime}, MaxWaiting: maxInsiders, Now: n.runtime.clock.now, Log: n.cfg.Log})
	return console.Handler(control, console.Options{Tokens: tokens, TrustForwarded: n.cfg.TrustForwarded, Log: n.cfg.Log,
		Media: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx, cancel := context.WithCancel(r.Context())
			defer cancel()
			defer context.AfterFunc(leaving, cancel)()
			media.ServeHTTP(w, r.WithContext(ctx))
		})})
}

// maxInsiders is how many requests of consoles may wait for media at a time.
const maxInsiders = 1000

// insiders resolves what somebody who may read the control API may see: the previews of running events and every recording, by
// the IDs of preview and asset, published or not and whoever may watch it in public. The manifest name of an asset is what its
// downloads are to be called.
type insiders struct{ *runtime }

// Resolve implements origin.Resolver.
func (r insiders) Resolve(ctx context.Context, q origin.Request) (origin.Served, error) {
	t := r.routes.Load()
	if e := t.previews[q.ID]; e != nil && q.Name == locator.PreviewName && q.Protocol != origin.Download && q.Protocol != origin.Pictures {
		c, err := e.shown.filtered(t.filters.named("", q.Filters), q)
		return origin.Served{Channel: c}, err
	}
	a := t.assets[q.ID]
	if a == nil {
		return origin.Served{}, origin.ErrNotFound
	}
	shown, err := a.open(ctx, time.Now())
	if errors.Is(err, errNoMedia) {
		return origin.Served{}, origin.ErrNoMedia
	}
	if err != nil {
		return origin.Served{}, err
	}
	named := t.filters.named(q.ID, q.Filters)
	c, err := shown.filtered(named, q)
	served := origin.Served{Channel: c}
	if q.Protocol == origin.Pictures && err == nil {
		served.Gallery = r.gallery.of(a, shown, shown.showsPictures(named, q))
	}
	return served, err
}

var _ origin.Resolver = insiders{}
