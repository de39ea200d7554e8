package api

import (
	"context"
	"encoding/json"
)

// Service is the control plane. Every method is safe for concurrent use. What a change answers is durable; errors that a
// caller can do something about are *Error. Names are matched without regard to case.
//
// A method that returns an *Operation has only begun: the change is visible when the operation has Succeeded. Delete
// methods return nil (or false) and no error when there was nothing to delete.
type Service interface {
	AccountService
	LiveEventService
	LiveOutputService
	StreamingEndpointService
	AssetService
	RecordingService
	TrackService
	FilterService
	StreamingLocatorService
	StreamingPolicyService
	ContentKeyPolicyService
	AccessTokenService
	WebhookService
	DoctorService
	OperationService
}

// ListOptions narrow a list (OData).
type ListOptions struct {
	Filter, OrderBy string
	Top             *int   // at most so many in all pages together
	SkipToken       string // from the page before
}

// WriteOptions are the conditions of a change.
type WriteOptions struct {
	AutoStart   bool   // of a create: start it too
	IfMatch     string // ETag the resource must have; "*": it must exist
	IfNoneMatch string // "*": it must not exist
}

// Patch is a JSON merge patch (RFC 7396) of a resource: absent members stay, null clears, arrays and tags are replaced whole.
type Patch = json.RawMessage

// LiveEventService manages live events.
type LiveEventService interface {
	ListLiveEvents(ctx context.Context, o ListOptions) (Page[*LiveEvent], error)
	GetLiveEvent(ctx context.Context, name string) (*LiveEvent, error)
	CreateLiveEvent(ctx context.Context, name string, e *LiveEvent, o WriteOptions) (*LiveEvent, *Operation, error)
	UpdateLiveEvent(ctx context.Context, name string, p Patch, o WriteOptions) (*LiveEvent, error)
	DeleteLiveEvent(ctx context.Context, name string, o WriteOptions) (*Operation, error)
	StartLiveEvent(ctx context.Context, name string) (*Operation, error)
	StopLiveEvent(ctx context.Context, name string, o StopOptions) (*Operation, error)
	ResetLiveEvent(ctx context.Context, name string) (*Operation, error)
	AllocateLiveEvent(ctx context.Context, name string) (*Operation, error)
	LiveEventStatus(ctx context.Context, name string) (*LiveEventStatusList, error)
	LiveEventStreamEvents(ctx context.Context, name string) (*StreamEvents, error)
	LiveEventHeartbeats(ctx context.Context, name string) (*TrackHeartbeats, error)
}

// LiveOutputService manages the outputs of live events.
type LiveOutputService interface {
	ListLiveOutputs(ctx context.Context, event string, o ListOptions) (Page[*LiveOutput], error)
	GetLiveOutput(ctx context.Context, event, name string) (*LiveOutput, error)
	CreateLiveOutput(ctx context.Context, event, name string, out *LiveOutput, o WriteOptions) (*LiveOutput, *Operation, error)
	DeleteLiveOutput(ctx context.Context, event, name string, o WriteOptions) (*Operation, error)
}

// StreamingEndpointService manages streaming endpoints.
type StreamingEndpointService interface {
	ListStreamingEndpoints(ctx context.Context, o ListOptions) (Page[*StreamingEndpoint], error)
	GetStreamingEndpoint(ctx context.Context, name string) (*StreamingEndpoint, error)
	CreateStreamingEndpoint(ctx context.Context, name string, e *StreamingEndpoint, o WriteOptions) (*StreamingEndpoint, *Operation, error)
	UpdateStreamingEndpoint(ctx context.Context, name string, p Patch, o WriteOptions) (*StreamingEndpoint, error)
	DeleteStreamingEndpoint(ctx context.Context, name string, o WriteOptions) (*Operation, error)
	StartStreamingEndpoint(ctx context.Context, name string) (*Operation, error)
	StopStreamingEndpoint(ctx context.Context, name string) (*Operation, error)
	ScaleStreamingEndpoint(ctx context.Context, name string, o ScaleOptions) (*Operation, error)
	StreamingEndpointSKUs(ctx context.Context, name string) (*EndpointSKUs, error)
}

// AssetService manages assets.
type AssetService interface {
	ListAssets(ctx context.Context, o ListOptions) (Page[*Asset], error)
	GetAsset(ctx context.Context, name string) (*Asset, error)
	PutAsset(ctx context.Context, name string, a *Asset, o WriteOptions) (a2 *Asset, created bool, err error)
	UpdateAsset(ctx context.Context, name string, p Patch, o WriteOptions) (*Asset, error)
	DeleteAsset(ctx context.Context, name string, o WriteOptions) (existed bool, err error)
	AssetStreamingLocators(ctx context.Context, name string) (*AssetLocators, error)
	AssetContainerSAS(ctx context.Context, name string) error
	AssetEncryptionKey(ctx context.Context, name string) error
}

// FilterService manages filters: of the asset, or of the account when asset is "".
type FilterService interface {
	ListFilters(ctx context.Context, asset string, o ListOptions) (Page[*Filter], error)
	GetFilter(ctx context.Context, asset, name string) (*Filter, error)
	PutFilter(ctx context.Context, asset, name string, f *Filter, o WriteOptions) (f2 *Filter, created bool, err error)
	UpdateFilter(ctx context.Context, asset, name string, p Patch, o WriteOptions) (*Filter, error)
	DeleteFilter(ctx context.Context, asset, name string, o WriteOptions) (existed bool, err error)
}

// StreamingLocatorService manages streaming locators.
type StreamingLocatorService interface {
	ListStreamingLocators(ctx context.Context, o ListOptions) (Page[*StreamingLocator], error)
	GetStreamingLocator(ctx context.Context, name string) (*StreamingLocator, error)
	CreateStreamingLocator(ctx context.Context, name string, l *StreamingLocator, o WriteOptions) (*StreamingLocator, error)
	DeleteStreamingLocator(ctx context.Context, name string, o WriteOptions) (existed bool, err error)
	// SetStreamingLocatorAccess changes who may watch what a locator publishes, from the next request on.
	SetStreamingLocatorAccess(ctx context.Context, name string, a *LocatorAccess, o WriteOptions) (*StreamingLocator, error)
	// StreamingLocatorAudience returns what is known of who watches.
	StreamingLocatorAudience(ctx context.Context, name string) (*LocatorAudience, error)
	StreamingLocatorPaths(ctx context.Context, name string) (*Paths, error)
	StreamingLocatorKeys(ctx context.Context, name string) (*ContentKeys, error)
}

// StreamingPolicyService manages streaming policies.
type StreamingPolicyService interface {
	ListStreamingPolicies(ctx context.Context, o ListOptions) (Page[*StreamingPolicy], error)
	GetStreamingPolicy(ctx context.Context, name string) (*StreamingPolicy, error)
	CreateStreamingPolicy(ctx context.Context, name string, p *StreamingPolicy, o WriteOptions) (*StreamingPolicy, error)
	DeleteStreamingPolicy(ctx context.Context, name string, o WriteOptions) (existed bool, err error)
}

// OperationService answers for long-running operations.
type OperationService interface {
	// GetOperation returns the operation of that collection. It may wait a moment for one that is about to end.
	GetOperation(ctx context.Context, collection, id string) (*Operation, error)
}
