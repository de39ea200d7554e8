package api

import (
	"context"
	"net/http"
)

// ListLiveEvents returns all live events.
func (c *Client) ListLiveEvents(ctx context.Context) ([]*LiveEvent, error) {
	return all[*LiveEvent](ctx, c, ListOptions{}, LiveEvents)
}

// GetLiveEvent returns a live event.
func (c *Client) GetLiveEvent(ctx context.Context, name string) (*LiveEvent, error) {
	return get1[LiveEvent](ctx, c, http.MethodGet, nil, LiveEvents, name)
}

// CreateLiveEvent makes a live event, and starts it with AutoStart.
func (c *Client) CreateLiveEvent(ctx context.Context, name string, e *LiveEvent, o WriteOptions) (*LiveEvent, error) {
	return write[LiveEvent](ctx, c, http.MethodPut, e, o, LiveEvents, name)
}

// UpdateLiveEvent changes a live event by a merge patch: any value that prints as one.
func (c *Client) UpdateLiveEvent(ctx context.Context, name string, patch any) (*LiveEvent, error) {
	return write[LiveEvent](ctx, c, http.MethodPatch, patch, WriteOptions{}, LiveEvents, name)
}

// DeleteLiveEvent deletes a live event; false when there was none.
func (c *Client) DeleteLiveEvent(ctx context.Context, name string) (bool, error) {
	return c.run(ctx, http.MethodDelete, nil, LiveEvents, name)
}

// StartLiveEvent starts a live event.
func (c *Client) StartLiveEvent(ctx context.Context, name string) error {
	_, err := c.run(ctx, http.MethodPost, nil, LiveEvents, name, "start")
	return err
}

// StopLiveEvent stops a live event.
func (c *Client) StopLiveEvent(ctx context.Context, name string, o StopOptions) error {
	_, err := c.run(ctx, http.MethodPost, o, LiveEvents, name, "stop")
	return err
}

// ResetLiveEvent deletes a live event's outputs and starts it anew.
func (c *Client) ResetLiveEvent(ctx context.Context, name string) error {
	_, err := c.run(ctx, http.MethodPost, nil, LiveEvents, name, "reset")
	return err
}

// AllocateLiveEvent brings a live event to StandBy.
func (c *Client) AllocateLiveEvent(ctx context.Context, name string) error {
	_, err := c.run(ctx, http.MethodPost, nil, LiveEvents, name, "allocate")
	return err
}

// LiveEventStatus returns what the ingest of a live event sees.
func (c *Client) LiveEventStatus(ctx context.Context, name string) (*LiveEventStatusList, error) {
	return get1[LiveEventStatusList](ctx, c, http.MethodPost, nil, LiveEvents, name, "getStatus")
}

// LiveEventStreamEvents returns what happened to the input of a live event lately.
func (c *Client) LiveEventStreamEvents(ctx context.Context, name string) (*StreamEvents, error) {
	return get1[StreamEvents](ctx, c, http.MethodPost, nil, LiveEvents, name, "getStreamEvents")
}

// LiveEventHeartbeats returns how the tracks of a live event came in lately.
func (c *Client) LiveEventHeartbeats(ctx context.Context, name string) (*TrackHeartbeats, error) {
	return get1[TrackHeartbeats](ctx, c, http.MethodPost, nil, LiveEvents, name, "getTrackIngestHeartbeats")
}

// ListLiveOutputs returns the outputs of a live event.
func (c *Client) ListLiveOutputs(ctx context.Context, event string) ([]*LiveOutput, error) {
	return all[*LiveOutput](ctx, c, ListOptions{}, LiveEvents, event, LiveOutputs)
}

// GetLiveOutput returns a live output.
func (c *Client) GetLiveOutput(ctx context.Context, event, name string) (*LiveOutput, error) {
	return get1[LiveOutput](ctx, c, http.MethodGet, nil, LiveEvents, event, LiveOutputs, name)
}

// CreateLiveOutput makes a live output, which begins to record.
func (c *Client) CreateLiveOutput(ctx context.Context, event, name string, out *LiveOutput) (*LiveOutput, error) {
	return write[LiveOutput](ctx, c, http.MethodPut, out, WriteOptions{}, LiveEvents, event, LiveOutputs, name)
}

// DeleteLiveOutput ends a live output; its asset replays from then on.
func (c *Client) DeleteLiveOutput(ctx context.Context, event, name string) (bool, error) {
	return c.run(ctx, http.MethodDelete, nil, LiveEvents, event, LiveOutputs, name)
}

// ListStreamingEndpoints returns all streaming endpoints.
func (c *Client) ListStreamingEndpoints(ctx context.Context) ([]*StreamingEndpoint, error) {
	return all[*StreamingEndpoint](ctx, c, ListOptions{}, StreamingEndpoints)
}

// GetStreamingEndpoint returns a streaming endpoint.
func (c *Client) GetStreamingEndpoint(ctx context.Context, name string) (*StreamingEndpoint, error) {
	return get1[StreamingEndpoint](ctx, c, http.MethodGet, nil, StreamingEndpoints, name)
}

// CreateStreamingEndpoint makes a streaming endpoint, and starts it with AutoStart.
func (c *Client) CreateStreamingEndpoint(ctx context.Context, name string, e *StreamingEndpoint, o WriteOptions) (*StreamingEndpoint, error) {
	return write[StreamingEndpoint](ctx, c, http.MethodPut, e, o, StreamingEndpoints, name)
}

// UpdateStreamingEndpoint changes a streaming endpoint by a merge patch.
func (c *Client) UpdateStreamingEndpoint(ctx context.Context, name string, patch any) (*StreamingEndpoint, error) {
	return write[StreamingEndpoint](ctx, c, http.MethodPatch, patch, WriteOptions{}, StreamingEndpoints, name)
}

// DeleteStreamingEndpoint deletes a streaming endpoint.
func (c *Client) DeleteStreamingEndpoint(ctx context.Context, name string) (bool, error) {
	return c.run(ctx, http.MethodDelete, nil, StreamingEndpoints, name)
}

// StartStreamingEndpoint starts a streaming endpoint.
func (c *Client) StartStreamingEndpoint(ctx context.Context, name string) error {
	_, err := c.run(ctx, http.MethodPost, nil, StreamingEndpoints, name, "start")
	return err
}

// StopStreamingEndpoint stops a streaming endpoint: it serves nothing until it is started again.
func (c *Client) StopStreamingEndpoint(ctx context.Context, name string) error {
	_, err := c.run(ctx, http.MethodPost, nil, StreamingEndpoints, name, "stop")
	return err
}

// ScaleStreamingEndpoint sets the scale units.
func (c *Client) ScaleStreamingEndpoint(ctx context.Context, name string, o ScaleOptions) error {
	_, err := c.run(ctx, http.MethodPost, o, StreamingEndpoints, name, "scale")
	return err
}

// StreamingEndpointSKUs returns the classes a streaming endpoint can have.
func (c *Client) StreamingEndpointSKUs(ctx context.Context, name string) (*EndpointSKUs, error) {
	return get1[EndpointSKUs](ctx, c, http.MethodGet, nil, StreamingEndpoints, name, "skus")
}

// ListAssets returns the assets that o selects.
func (c *Client) ListAssets(ctx context.Context, o ListOptions) ([]*Asset, error) {
	return all[*Asset](ctx, c, o, Assets)
}

// GetAsset returns an asset.
func (c *Client) GetAsset(ctx context.Context, name string) (*Asset, error) {
	return get1[Asset](ctx, c, http.MethodGet, nil, Assets, name)
}

// PutAsset makes or replaces an asset.
func (c *Client) PutAsset(ctx context.Context, name string, a *Asset) (*Asset, error) {
	return write[Asset](ctx, c, http.MethodPut, a, WriteOptions{}, Assets, name)
}

// UpdateAsset changes an asset by a merge patch.
func (c *Client) UpdateAsset(ctx context.Context, name string, patch any) (*Asset, error) {
	return write[Asset](ctx, c, http.MethodPatch, patch, WriteOptions{}, Assets, name)
}

// DeleteAsset deletes an asset and its files.
func (c *Client) DeleteAsset(ctx context.Context, name string) (bool, error) {
	return c.run(ctx, http.MethodDelete, nil, Assets, name)
}

// AssetStreamingLocators returns the locators that publish an asset.
func (c *Client) AssetStreamingLocators(ctx context.Context, name string) (*AssetLocators, error) {
	return get1[AssetLocators](ctx, c, http.MethodPost, nil, Assets, name, "listStreamingLocators")
}

// filterPath is that of the filters of an asset, or of the account when asset is "".
func filterPath(asset string, name ...string) []string {
	if asset == "" {
		return append([]string{AccountFilters}, name...)
	}
	return append([]string{Assets, asset, AssetFilters}, name...)
}

// ListFilters returns the filters of an asset, or of the account when asset is "".
func (c *Client) ListFilters(ctx context.Context, asset string) ([]*Filter, error) {
	return all[*Filter](ctx, c, ListOptions{}, filterPath(asset)...)
}

// GetFilter returns a filter.
func (c *Client) GetFilter(ctx context.Context, asset, name string) (*Filter, error) {
	return get1[Filter](ctx, c, http.MethodGet, nil, filterPath(asset, name)...)
}

// PutFilter makes or replaces a filter.
func (c *Client) PutFilter(ctx context.Context, asset, name string, f *Filter) (*Filter, error) {
	return write[Filter](ctx, c, http.MethodPut, f, WriteOptions{}, filterPath(asset, name)...)
}

// UpdateFilter changes a filter by a merge patch.
func (c *Client) UpdateFilter(ctx context.Context, asset, name string, patch any) (*Filter, error) {
	return write[Filter](ctx, c, http.MethodPatch, patch, WriteOptions{}, filterPath(asset, name)...)
}

// DeleteFilter deletes a filter.
func (c *Client) DeleteFilter(ctx context.Context, asset, name string) (bool, error) {
	return c.run(ctx, http.MethodDelete, nil, filterPath(asset, name)...)
}

// ListStreamingLocators returns the streaming locators that o selects.
func (c *Client) ListStreamingLocators(ctx context.Context, o ListOptions) ([]*StreamingLocator, error) {
	return all[*StreamingLocator](ctx, c, o, StreamingLocators)
}

// GetStreamingLocator returns a streaming locator.
func (c *Client) GetStreamingLocator(ctx context.Context, name string) (*StreamingLocator, error) {
	return get1[StreamingLocator](ctx, c, http.MethodGet, nil, StreamingLocators, name)
}

// CreateStreamingLocator publishes an asset.
func (c *Client) CreateStreamingLocator(ctx context.Context, name string, l *StreamingLocator) (*StreamingLocator, error) {
	return write[StreamingLocator](ctx, c, http.MethodPut, l, WriteOptions{}, StreamingLocators, name)
}

// DeleteStreamingLocator withdraws what the locator published.
func (c *Client) DeleteStreamingLocator(ctx context.Context, name string) (bool, error) {
	return c.run(ctx, http.MethodDelete, nil, StreamingLocators, name)
}

// SetStreamingLocatorAccess changes who may watch what a locator publishes; an empty one lets everybody.
func (c *Client) SetStreamingLocatorAccess(ctx context.Context, name string, a *LocatorAccess) (*StreamingLocator, error) {
	return write[StreamingLocator](ctx, c, http.MethodPost, a, WriteOptions{}, StreamingLocators, name, "setAccess")
}

// StreamingLocatorPaths returns the paths under which a locator serves.
func (c *Client) StreamingLocatorPaths(ctx context.Context, name string) (*Paths, error) {
	return get1[Paths](ctx, c, http.MethodPost, nil, StreamingLocators, name, "listPaths")
}

// ListStreamingPolicies returns all streaming policies.
func (c *Client) ListStreamingPolicies(ctx context.Context, o ListOptions) ([]*StreamingPolicy, error) {
	return all[*StreamingPolicy](ctx, c, o, StreamingPolicies)
}

// GetStreamingPolicy returns a streaming policy.
func (c *Client) GetStreamingPolicy(ctx context.Context, name string) (*StreamingPolicy, error) {
	return get1[StreamingPolicy](ctx, c, http.MethodGet, nil, StreamingPolicies, name)
}

// CreateStreamingPolicy makes a streaming policy.
func (c *Client) CreateStreamingPolicy(ctx context.Context, name string, p *StreamingPolicy) (*StreamingPolicy, error) {
	return write[StreamingPolicy](ctx, c, http.MethodPut, p, WriteOptions{}, StreamingPolicies, name)
}

// DeleteStreamingPolicy deletes a streaming policy.
func (c *Client) DeleteStreamingPolicy(ctx context.Context, name string) (bool, error) {
	return c.run(ctx, http.MethodDelete, nil, StreamingPolicies, name)
}
