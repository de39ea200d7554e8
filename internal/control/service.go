package control

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"headwater.stream/api"
	"headwater.stream/internal/state"
)

// Options say where a Service's data plane is reached, and what it allows.
type Options struct {
	// IngestBases are the URLs of the RTMP and RTMPS listeners as encoders reach them, the primary one first:
	// "rtmp://media.example:1935".
	IngestBases []string
	// OriginBase is the URL of the origin as viewers reach it: "http://media.example:8080".
	OriginBase string
	// Journal is told of what becomes of resources; nil: nobody is.
	Journal Journal
	// Audiences knows who watches; nil: nobody does.
	Audiences Audiences
	// Webhooks delivers events; nil: nobody does.
	Webhooks Webhooks
	// Archive makes recordings of recordings; nil: that is refused.
	Archive Archive
	// Pictures says that posters and storyboards are made: listPaths names them.
	Pictures bool
	// DataDir is named in messages about where assets are kept.
	DataDir string
	// AssetRetention is how long after its recording ended an asset that does not say when it expires is kept; 0: for ever.
	AssetRetention time.Duration

	Account api.AccountID    // zero: api.DefaultAccount
	Quotas  Quotas           // zero: GenerousQuotas
	Now     func() time.Time // nil: time.Now
	Log     *slog.Logger     // nil: slog.Default
}

// Service is the control plane of one node: an api.Service over a state store and a Runtime. Run makes true what it stores.
type Service struct {
	store   state.Store
	runtime Runtime
	o       Options

	write sync.Mutex   // held through a change, its commit included; one change at a time
	mu    sync.RWMutex // of the tables, for as long as a map access takes

	events     table[eventRec]
	outputs    table[outputRec]
	endpoints  table[endpointRec]
	assets     table[assetRec]
	locators   table[locatorRec]
	policies   table[policyRec]
	filters    table[filterRec]
	tokens     table[tokenRec]
	webhooks   table[webhookRec]
	operations table[operationRec]
	account    table[accountRec]
	meta       table[metaRec]

	loop loopState
}

var _ api.Service = (*Service)(nil)

// recordFormat is the version of the records.
const recordFormat = 1

// New returns a Service on what store holds. At the first boot it makes the default streaming endpoint, running.
func New(store state.Store, runtime Runtime, o Options) (*Service, error) {
	if o.Account == (api.AccountID{}) {
		o.Account = api.DefaultAccount()
	}
	if o.Quotas == (Quotas{}) {
		o.Quotas = GenerousQuotas()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	s := &Service{
		store: store, runtime: runtime, o: o,
		events: table[eventRec]{kind: "liveEvent"}, outputs: table[outputRec]{kind: "liveOutput"},
		endpoints: table[endpointRec]{kind: "streamingEndpoint"}, assets: table[assetRec]{kind: "asset"},
		locators: table[locatorRec]{kind: "streamingLocator"}, policies: table[policyRec]{kind: "streamingPolicy"},
		filters: table[filterRec]{kind: "filter"}, tokens: table[tokenRec]{kind: "accessToken"}, webhooks: table[webhookRec]{kind: "webhook"}, operations: table[operationRec]{kind: "operation"},
		account: table[accountRec]{kind: "account"}, meta: table[metaRec]{kind: "meta"},
	}
	s.loop.init()
	ctx := context.Background()
	if err := s.reload(ctx); err != nil {
		return nil, err
	}
	if m := s.meta.find("format"); m != nil {
		if m.rec.Format != recordFormat {
			return nil, fmt.Errorf("the stored state has format %d and this version reads %d: use the version that wrote it", m.rec.Format, recordFormat)
		}
		return s, nil
	}
	return s, s.firstBoot(ctx)
}

func (s *Service) firstBoot(ctx context.Context) error {
	x := s.begin()
	defer x.end()
	put(x, &s.meta, "format", metaRec{Format: recordFormat})
	scale := int32(0)
	put(x, &s.endpoints, "default", endpointRec{
		tracked:    tracked{stamp: s.stamp(ctx, "default"), Location: defaultLocation},
		Properties: api.StreamingEndpointProperties{Description: "Serves all published locators.", ScaleUnits: &scale},
		State:      api.Running, Made: true,
	})
	return x.commit(ctx)
}

// defaultLocation is where the server's own resources say they are; there is only one place.
const defaultLocation = "local"

// reload reads all records; the caller has the write lock, or is alone.
func (s *Service) reload(ctx context.Context) error {
	fresh := &Service{
		events: table[eventRec]{kind: s.events.kind}, outputs: table[outputRec]{kind: s.outputs.kind}, endpoints: table[endpointRec]{kind: s.endpoints.kind},
		assets: table[assetRec]{kind: s.assets.kind}, locators: table[locatorRec]{kind: s.locators.kind}, policies: table[policyRec]{kind: s.policies.kind},
		filters: table[filterRec]{kind: s.filters.kind}, tokens: table[tokenRec]{kind: s.tokens.kind}, webhooks: table[webhookRec]{kind: s.webhooks.kind}, operations: table[operationRec]{kind: s.operations.kind},
		account: table[accountRec]{kind: s.account.kind}, meta: table[metaRec]{kind: s.meta.kind},
	}
	err := errors.Join(fresh.events.load(ctx, s.store), fresh.outputs.load(ctx, s.store), fresh.endpoints.load(ctx, s.store),
		fresh.assets.load(ctx, s.store), fresh.locators.load(ctx, s.store), fresh.policies.load(ctx, s.store),
		fresh.filters.load(ctx, s.store), fresh.tokens.load(ctx, s.store), fresh.webhooks.load(ctx, s.store), fresh.operations.load(ctx, s.store), fresh.account.load(ctx, s.store), fresh.meta.load(ctx, s.store))
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events, s.outputs, s.endpoints, s.assets, s.locators = fresh.events, fresh.outputs, fresh.endpoints, fresh.assets, fresh.locators
	s.policies, s.filters, s.tokens, s.webhooks, s.operations, s.account, s.meta = fresh.policies, fresh.filters, fresh.tokens, fresh.webhooks, fresh.operations, fresh.account, fresh.meta
	return nil
}

// stamp begins a record.
func (s *Service) stamp(ctx context.Context, name string) stamp {
	who, now := api.PrincipalFrom(ctx).Name, s.o.Now().UTC()
	return stamp{ID: newGUID(), Name: name, Created: now, CreatedBy: who, Modified: now, ModifiedBy: who}
}

// touch notes a change by a caller.
func (s *Service) touch(ctx context.Context, st *stamp) {
	st.Modified, st.ModifiedBy = s.o.Now().UTC(), api.PrincipalFrom(ctx).Name
}

// lookup finds a row for a reader.
func lookup[T any](s *Service, t *table[T], names ...string) (*row[T], error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if r := t.find(names...); r != nil {
		return r, nil
	}
	return nil, api.NotFound(names[len(names)-1])
}

// path returns the ID of a resource: collections and names in turn.
func (s *Service) path(segments ...string) string { return s.o.Account.ResourceID(segments...) }

// checkMatch holds a change to the caller's If-Match and If-None-Match; etag is "" when the resource does not exist.
func checkMatch(o api.WriteOptions, etag string) error {
	if m := o.IfMatch; m != "" && (etag == "" || m != "*" && m != etag) {
		return &api.Error{Code: api.CodePreconditionFailed, Target: "If-Match", Message: "The resource has changed, or is gone, since it was read.",
			Hint: "Read it again and repeat the change."}
	}
	if o.IfNoneMatch == "*" && etag != "" {
		return &api.Error{Code: api.CodePreconditionFailed, Target: "If-None-Match", Message: "The resource exists."}
	}
	return nil
}
