package control_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	ams "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/mediaservices/armmediaservices/v3"

	"headwater.stream/internal/control"
	"headwater.stream/internal/state/memstate"
)

// staticToken is a credential that needs no directory.
type staticToken struct{}

func (staticToken) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: testToken, ExpiresOn: time.Now().Add(time.Hour)}, nil
}

const (
	sdkSubscription = "00000000-0000-0000-0000-000000000000"
	sdkGroup        = "headwater"
	sdkAccount      = "headwater"
)

// sdk are Microsoft's own clients, unmodified, on a control plane.
type sdk struct {
	account   *ams.Client
	events    *ams.LiveEventsClient
	outputs   *ams.LiveOutputsClient
	endpoints *ams.StreamingEndpointsClient
	assets    *ams.AssetsClient
	locators  *ams.StreamingLocatorsClient
	policies  *ams.StreamingPoliciesClient
	filters   *ams.AccountFiltersClient
	ofAsset   *ams.AssetFiltersClient
	tracks    *ams.TracksClient
	keys      *ams.ContentKeyPoliciesClient
}

func newSDK(t *testing.T, p *plane) *sdk {
	t.Helper()
	o := &arm.ClientOptions{ClientOptions: policy.ClientOptions{
		Cloud: cloud.Configuration{Services: map[cloud.ServiceName]cloud.ServiceConfiguration{
			cloud.ResourceManager: {Endpoint: p.url, Audience: "https://headwater.example"},
		}},
		Transport: p.http, InsecureAllowCredentialWithHTTP: true,
		Retry: policy.RetryOptions{MaxRetries: -1},
	}}
	s := &sdk{}
	var errs [11]error
	s.account, errs[0] = ams.NewClient(sdkSubscription, staticToken{}, o)
	s.events, errs[1] = ams.NewLiveEventsClient(sdkSubscription, staticToken{}, o)
	s.outputs, errs[2] = ams.NewLiveOutputsClient(sdkSubscription, staticToken{}, o)
	s.endpoints, errs[3] = ams.NewStreamingEndpointsClient(sdkSubscription, staticToken{}, o)
	s.assets, errs[4] = ams.NewAssetsClient(sdkSubscription, staticToken{}, o)
	s.locators, errs[5] = ams.NewStreamingLocatorsClient(sdkSubscription, staticToken{}, o)
	s.policies, errs[6] = ams.NewStreamingPoliciesClient(sdkSubscription, staticToken{}, o)
	s.filters, errs[7] = ams.NewAccountFiltersClient(sdkSubscription, staticToken{}, o)
	s.ofAsset, errs[8] = ams.NewAssetFiltersClient(sdkSubscription, staticToken{}, o)
	s.tracks, errs[9] = ams.NewTracksClient(sdkSubscription, staticToken{}, o)
	s.keys, errs[10] = ams.NewContentKeyPoliciesClient(sdkSubscription, staticToken{}, o)
	check(t, errors.Join(errs[:]...))
	return s
}

// poll follows a poller of the SDK to its end, with the interval that users take by default: 30 s unless the server says
// otherwise.
func poll[T any](t *testing.T) func(p *runtime.Poller[T], err error) T {
	t.Helper()
	return func(p *runtime.Poller[T], err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		v, err := p.PollUntilDone(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("polling took %v", took)
		}
		return v
	}
}

// wantSDK checks a refusal as a caller of the SDK sees it.
func wantSDK(t *testing.T, err error, status int, code string) {
	t.Helper()
	var e *azcore.ResponseError
	if !errors.As(err, &e) || e.StatusCode != status || e.ErrorCode != code {
		t.Errorf("got %v, want %d %s", err, status, code)
	}
}

// collect follows a pager to its end.
func collect[P, V any](t *testing.T, pager *runtime.Pager[P], of func(P) []*V) []*V {
	t.Helper()
	var all []*V
	for pager.More() {
		page, err := pager.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, of(page)...)
	}
	return all
}

// TestAzureSDK drives everything with the Azure SDK for Go, over HTTPS with a certificate of our own and over plain HTTP.
func TestAzureSDK(t *testing.T) {
	for name, listen := range map[string]func(http.Handler) *httptest.Server{"https": httptest.NewTLSServer, "http": httptest.NewServer} {
		t.Run(name, func(t *testing.T) {
			p := serve(t, memstate.New(), control.AMSQuotas(), listen)
			s := newSDK(t, p)
			t.Run("Workflow", func(t *testing.T) { sdkWorkflow(t, s) })
			t.Run("Events", func(t *testing.T) { sdkEvents(t, s) })
			t.Run("Endpoints", func(t *testing.T) { sdkEndpoints(t, s) })
			t.Run("Assets", func(t *testing.T) { sdkAssets(t, s) })
			t.Run("Filters", func(t *testing.T) { sdkFilters(t, s) })
			t.Run("Policies", func(t *testing.T) { sdkPolicies(t, s) })
			t.Run("Account", func(t *testing.T) { sdkAccounts(t, s) })
			t.Run("Tracks", func(t *testing.T) { sdkTracks(t, s) })
			t.Run("KeyPolicies", func(t *testing.T) { sdkKeyPolicies(t, s) })
			t.Run("States", func(t *testing.T) { sdkStates(t, p, s) })
			p = serve(t, memstate.New(), control.AMSQuotas(), listen)
			t.Run("Refusals", func(t *testing.T) { sdkRefusals(t, p, newSDK(t, p)) })
		})
	}
}

func sdkEvent() ams.LiveEvent {
	return ams.LiveEvent{
		Location: to.Ptr("local"), Tags: map[string]*string{"k": to.Ptr("v")},
		Properties: &ams.LiveEventProperties{
			Description: to.Ptr("d"),
			Input: &ams.LiveEventInput{
				StreamingProtocol: to.Ptr(ams.LiveEventInputProtocolRTMP), KeyFrameIntervalDuration: to.Ptr("PT2S"),
				AccessControl: &ams.LiveEventInputAccessControl{IP: &ams.IPAccessControl{Allow: []*ams.IPRange{{Name: to.Ptr("AllowAll"), Address: to.Ptr("0.0.0.0"), SubnetPrefixLength: to.Ptr[int32](0)}}}},
			},
			Encoding:      &ams.LiveEventEncoding{EncodingType: to.Ptr(ams.LiveEventEncodingTypePassthroughStandard)},
			StreamOptions: []*ams.StreamOptionsFlag{to.Ptr(ams.StreamOptionsFlagLowLatency)}, UseStaticHostname: to.Ptr(true),
		},
	}
}

func sdkWorkflow(t *testing.T, s *sdk) {
	ctx := t.Context()
	account, err := s.account.Get(ctx, sdkGroup, sdkAccount, nil)
	if err != nil || *account.Name != sdkAccount {
		t.Fatalf("account: %v, %v", account, err)
	}
	made := poll[ams.LiveEventsClientCreateResponse](t)(s.events.BeginCreate(ctx, sdkGroup, sdkAccount, "ev1", sdkEvent(), &ams.LiveEventsClientBeginCreateOptions{AutoStart: to.Ptr(true)}))
	if *made.Properties.ResourceState != ams.LiveEventResourceStateRunning || *made.Tags["k"] != "v" || len(made.Properties.Input.Endpoints) == 0 || len(made.Properties.Preview.Endpoints) == 0 {
		t.Fatalf("create: %+v", made.Properties)
	}
	ingest := *made.Properties.Input.Endpoints[0].URL
	_, err = s.assets.CreateOrUpdate(ctx, sdkGroup, sdkAccount, "rec", ams.Asset{}, nil)
	check(t, err)
	out := poll[ams.LiveOutputsClientCreateResponse](t)(s.outputs.BeginCreate(ctx, sdkGroup, sdkAccount, "ev1", "o1", ams.LiveOutput{Properties: &ams.LiveOutputProperties{
		AssetName: to.Ptr("rec"), ArchiveWindowLength: to.Ptr("PT1H30M"), ManifestName: to.Ptr("mani"), RewindWindowLength: to.Ptr("PT30M"),
		Hls: &ams.Hls{FragmentsPerTsSegment: to.Ptr[int32](5)}, OutputSnapTime: to.Ptr[int64](1234567890123456789),
	}}, nil))
	if *out.Properties.ResourceState != ams.LiveOutputResourceStateRunning || *out.Properties.OutputSnapTime != 1234567890123456789 || *out.Properties.Hls.FragmentsPerTsSegment != 5 {
		t.Errorf("output: %+v", out.Properties)
	}
	const id = "0f0e0d0c-0b0a-4908-8706-050403020100"
	loc, err := s.locators.Create(ctx, sdkGroup, sdkAccount, "l1", ams.StreamingLocator{Properties: &ams.StreamingLocatorProperties{
		AssetName: to.Ptr("rec"), StreamingPolicyName: to.Ptr("Predefined_ClearStreamingOnly"), StreamingLocatorID: to.Ptr(id),
		StartTime: to.Ptr(time.Now().Add(-time.Hour)), EndTime: to.Ptr(time.Now().Add(time.Hour)),
	}}, nil)
	if err != nil || *loc.Properties.StreamingLocatorID != id {
		t.Fatalf("locator: %+v, %v", loc, err)
	}
	paths, err := s.locators.ListPaths(ctx, sdkGroup, sdkAccount, "l1", nil)
	if err != nil || len(paths.StreamingPaths) != 2 || *paths.StreamingPaths[0].Paths[0] != "/"+id+"/mani.ism/manifest(format=m3u8-cmaf)" || *paths.StreamingPaths[0].StreamingProtocol != ams.StreamingPolicyStreamingProtocolHls {
		t.Errorf("listPaths: %+v, %v", paths.StreamingPaths, err)
	}
	endpoint, err := s.endpoints.Get(ctx, sdkGroup, sdkAccount, "default", nil)
	if err != nil || *endpoint.Properties.HostName == "" || *endpoint.Properties.ResourceState != ams.StreamingEndpointResourceStateRunning {
		t.Errorf("endpoint: %+v, %v", endpoint, err)
	}
	if all := collect(t, s.outputs.NewListPager(sdkGroup, sdkAccount, "ev1", nil), func(p ams.LiveOutputsClientListResponse) []*ams.LiveOutput { return p.Value }); len(all) != 1 {
		t.Errorf("outputs: %v", all)
	}
	_, err = s.events.BeginStop(ctx, sdkGroup, sdkAccount, "ev1", ams.LiveEventActionInput{}, nil)
	wantSDK(t, err, 409, "Conflict")
	poll[ams.LiveOutputsClientDeleteResponse](t)(s.outputs.BeginDelete(ctx, sdkGroup, sdkAccount, "ev1", "o1", nil))
	if _, err := s.locators.Delete(ctx, sdkGroup, sdkAccount, "l1", nil); err != nil {
		t.Error(err)
	}
	_, err = s.locators.ListPaths(ctx, sdkGroup, sdkAccount, "l1", nil)
	wantSDK(t, err, 404, "NotFound")
	poll[ams.LiveEventsClientStopResponse](t)(s.events.BeginStop(ctx, sdkGroup, sdkAccount, "ev1", ams.LiveEventActionInput{RemoveOutputsOnStop: to.Ptr(true)}, nil))
	poll[ams.LiveEventsClientStartResponse](t)(s.events.BeginStart(ctx, sdkGroup, sdkAccount, "ev1", nil))
	got, err := s.events.Get(ctx, sdkGroup, sdkAccount, "ev1", nil)
	if err != nil || *got.Properties.Input.Endpoints[0].URL != ingest {
		t.Errorf("after stop and start: %+v, %v", got.Properties, err)
	}
	poll[ams.LiveEventsClientStopResponse](t)(s.events.BeginStop(ctx, sdkGroup, sdkAccount, "ev1", ams.LiveEventActionInput{}, nil))
	poll[ams.LiveEventsClientDeleteResponse](t)(s.events.BeginDelete(ctx, sdkGroup, sdkAccount, "ev1", nil))
	_, err = s.assets.Delete(ctx, sdkGroup, sdkAccount, "rec", nil)
	check(t, err)
}

func sdkEvents(t *testing.T, s *sdk) {
	ctx := t.Context()
	poller, err := s.events.BeginCreate(ctx, sdkGroup, sdkAccount, "a", sdkEvent(), nil)
	poll[ams.LiveEventsClientCreateResponse](t)(poller, err)
	_, err = s.events.BeginCreate(ctx, sdkGroup, sdkAccount, "A", sdkEvent(), nil)
	wantSDK(t, err, 409, "Conflict")
	noLocation := sdkEvent()
	noLocation.Location = nil
	_, err = s.events.BeginCreate(ctx, sdkGroup, sdkAccount, "b", noLocation, nil)
	wantSDK(t, err, 400, "LocationRequired")
	_, err = s.events.Get(ctx, sdkGroup, sdkAccount, "b", nil)
	wantSDK(t, err, 404, "NotFound")
	got, err := s.events.Get(ctx, sdkGroup, sdkAccount, "a", nil)
	check(t, err)
	got.Properties.Description = to.Ptr("read, modified, written")
	updated := poll[ams.LiveEventsClientUpdateResponse](t)(s.events.BeginUpdate(ctx, sdkGroup, sdkAccount, "a", got.LiveEvent, nil))
	if *updated.Properties.Description != "read, modified, written" || *updated.Properties.Input.AccessControl.IP.Allow[0].SubnetPrefixLength != 0 {
		t.Errorf("update: %+v", updated.Properties)
	}
	cleared := ams.LiveEvent{Location: to.Ptr("local"), Properties: &ams.LiveEventProperties{Description: azcore.NullValue[*string]()}}
	if u := poll[ams.LiveEventsClientUpdateResponse](t)(s.events.BeginUpdate(ctx, sdkGroup, sdkAccount, "a", cleared, nil)); u.Properties.Description != nil {
		t.Errorf("a null left %q", *u.Properties.Description)
	}
	poll[ams.LiveEventsClientAllocateResponse](t)(s.events.BeginAllocate(ctx, sdkGroup, sdkAccount, "a", nil))
	if e, err := s.events.Get(ctx, sdkGroup, sdkAccount, "a", nil); err != nil || *e.Properties.ResourceState != ams.LiveEventResourceStateStandBy {
		t.Errorf("after allocate: %v, %v", e, err)
	}
	start, err := s.events.BeginStart(ctx, sdkGroup, sdkAccount, "a", nil)
	check(t, err)
	// A poller is resumed elsewhere.
	token, err := start.ResumeToken()
	check(t, err)
	resumed, err := s.events.BeginStart(ctx, sdkGroup, sdkAccount, "a", &ams.LiveEventsClientBeginStartOptions{ResumeToken: token})
	poll[ams.LiveEventsClientStartResponse](t)(resumed, err)
	poll[ams.LiveEventsClientResetResponse](t)(s.events.BeginReset(ctx, sdkGroup, sdkAccount, "a", nil))
	if all := collect(t, s.events.NewListPager(sdkGroup, sdkAccount, nil), func(p ams.LiveEventsClientListResponse) []*ams.LiveEvent { return p.Value }); len(all) != 1 || *all[0].Name != "a" {
		t.Errorf("list: %v", all)
	}
	_, err = s.events.BeginDelete(ctx, sdkGroup, sdkAccount, "a", nil)
	wantSDK(t, err, 409, "Conflict")
	poll[ams.LiveEventsClientStopResponse](t)(s.events.BeginStop(ctx, sdkGroup, sdkAccount, "a", ams.LiveEventActionInput{}, nil))
	for range 2 { // the second finds nothing, and that is no error
		poll[ams.LiveEventsClientDeleteResponse](t)(s.events.BeginDelete(ctx, sdkGroup, sdkAccount, "a", nil))
	}
}

func sdkEndpoints(t *testing.T, s *sdk) {
	ctx := t.Context()
	want := ams.StreamingEndpoint{Location: to.Ptr("local"), Properties: &ams.StreamingEndpointProperties{ScaleUnits: to.Ptr[int32](0), MaxCacheAge: to.Ptr[int64](20), CustomHostNames: []*string{to.Ptr("live.example")}}}
	made := poll[ams.StreamingEndpointsClientCreateResponse](t)(s.endpoints.BeginCreate(ctx, sdkGroup, sdkAccount, "e2", want, nil))
	if *made.Properties.ResourceState != ams.StreamingEndpointResourceStateStopped || *made.Properties.MaxCacheAge != 20 || *made.SKU.Name != "Standard" {
		t.Errorf("create: %+v", made.Properties)
	}
	poll[ams.StreamingEndpointsClientStartResponse](t)(s.endpoints.BeginStart(ctx, sdkGroup, sdkAccount, "e2", nil))
	poll[ams.StreamingEndpointsClientScaleResponse](t)(s.endpoints.BeginScale(ctx, sdkGroup, sdkAccount, "e2", ams.StreamingEntityScaleUnit{ScaleUnit: to.Ptr[int32](1)}, nil))
	want.Properties = &ams.StreamingEndpointProperties{Description: to.Ptr("x")}
	if u := poll[ams.StreamingEndpointsClientUpdateResponse](t)(s.endpoints.BeginUpdate(ctx, sdkGroup, sdkAccount, "e2", want, nil)); *u.Properties.Description != "x" || *u.Properties.ScaleUnits != 1 {
		t.Errorf("update: %+v", u.Properties)
	}
	if skus, err := s.endpoints.SKUs(ctx, sdkGroup, sdkAccount, "e2", nil); err != nil || len(skus.Value) != 2 {
		t.Errorf("skus: %v, %v", skus, err)
	}
	if all := collect(t, s.endpoints.NewListPager(sdkGroup, sdkAccount, nil), func(p ams.StreamingEndpointsClientListResponse) []*ams.StreamingEndpoint { return p.Value }); len(all) != 2 {
		t.Errorf("list: %v", all)
	}
	_, err := s.endpoints.BeginDelete(ctx, sdkGroup, sdkAccount, "e2", nil)
	wantSDK(t, err, 409, "Conflict")
	poll[ams.StreamingEndpointsClientStopResponse](t)(s.endpoints.BeginStop(ctx, sdkGroup, sdkAccount, "e2", nil))
	poll[ams.StreamingEndpointsClientDeleteResponse](t)(s.endpoints.BeginDelete(ctx, sdkGroup, sdkAccount, "e2", nil))
}

func sdkAssets(t *testing.T, s *sdk) {
	ctx := t.Context()
	for i := range 7 {
		_, err := s.assets.CreateOrUpdate(ctx, sdkGroup, sdkAccount, fmt.Sprint("as ", i), ams.Asset{Properties: &ams.AssetProperties{AlternateID: to.Ptr("x"), Description: to.Ptr("déjà <vu>")}}, nil)
		check(t, err)
	}
	all := collect(t, s.assets.NewListPager(sdkGroup, sdkAccount, &ams.AssetsClientListOptions{Filter: to.Ptr("name gt 'as 1' and properties/alternateId eq 'x'"), Orderby: to.Ptr("name desc"), Top: to.Ptr[int32](3)}),
		func(p ams.AssetsClientListResponse) []*ams.Asset { return p.Value })
	if len(all) != 3 || *all[0].Name != "as 6" || *all[0].Properties.Description != "déjà <vu>" {
		t.Errorf("list: %v", all)
	}
	got, err := s.assets.Update(ctx, sdkGroup, sdkAccount, "as 1", ams.Asset{Properties: &ams.AssetProperties{Description: to.Ptr("new")}}, nil)
	if err != nil || *got.Properties.Description != "new" || *got.Properties.AlternateID != "x" {
		t.Errorf("update: %+v, %v", got.Properties, err)
	}
	_, err = s.assets.CreateOrUpdate(ctx, sdkGroup, sdkAccount, "as 1", ams.Asset{Properties: &ams.AssetProperties{Container: to.Ptr("another")}}, nil)
	wantSDK(t, err, 400, "BadRequest")
	_, err = s.assets.ListContainerSas(ctx, sdkGroup, sdkAccount, "as 1", ams.ListContainerSasInput{ExpiryTime: to.Ptr(time.Now()), Permissions: to.Ptr(ams.AssetContainerPermissionRead)}, nil)
	wantSDK(t, err, 400, "BadRequest")
	if l, err := s.assets.ListStreamingLocators(ctx, sdkGroup, sdkAccount, "as 1", nil); err != nil || len(l.StreamingLocators) != 0 {
		t.Errorf("listStreamingLocators: %v, %v", l, err)
	}
	_, err = s.locators.Create(ctx, sdkGroup, sdkAccount, "l2", ams.StreamingLocator{Properties: &ams.StreamingLocatorProperties{AssetName: to.Ptr("as 1"), StreamingPolicyName: to.Ptr("Predefined_ClearStreamingOnly")}}, nil)
	check(t, err)
	_, err = s.locators.Create(ctx, sdkGroup, sdkAccount, "l2", ams.StreamingLocator{Properties: &ams.StreamingLocatorProperties{AssetName: to.Ptr("as 1"), StreamingPolicyName: to.Ptr("Predefined_ClearStreamingOnly")}}, nil)
	wantSDK(t, err, 409, "Conflict")
	l, err := s.locators.Get(ctx, sdkGroup, sdkAccount, "l2", nil)
	if err != nil || l.Properties.EndTime.Year() != 9999 || l.Properties.StartTime != nil {
		t.Errorf("locator: %+v, %v", l.Properties, err)
	}
	if paths, err := s.locators.ListPaths(ctx, sdkGroup, sdkAccount, "l2", nil); err != nil || len(paths.StreamingPaths) != 0 {
		t.Errorf("listPaths before an output: %v, %v", paths, err)
	}
	if keys, err := s.locators.ListContentKeys(ctx, sdkGroup, sdkAccount, "l2", nil); err != nil || len(keys.ContentKeys) != 0 {
		t.Errorf("listContentKeys: %v, %v", keys, err)
	}
	_, err = s.assets.Delete(ctx, sdkGroup, sdkAccount, "as 1", nil)
	wantSDK(t, err, 409, "Conflict")
	for range 2 {
		_, err = s.locators.Delete(ctx, sdkGroup, sdkAccount, "l2", nil)
		check(t, err)
		_, err = s.assets.Delete(ctx, sdkGroup, sdkAccount, "as 1", nil)
		check(t, err)
	}
}

func sdkFilters(t *testing.T, s *sdk) {
	ctx := t.Context()
	properties := &ams.MediaFilterProperties{
		FirstQuality: &ams.FirstQuality{Bitrate: to.Ptr[int32](128000)},
		PresentationTimeRange: &ams.PresentationTimeRange{StartTimestamp: to.Ptr[int64](1234567890123456789), EndTimestamp: to.Ptr[int64](9223372036854775807), ForceEndTimestamp: to.Ptr(true),
			LiveBackoffDuration: to.Ptr[int64](60000000), PresentationWindowDuration: to.Ptr[int64](9223372036854775807), Timescale: to.Ptr[int64](10000000)},
		Tracks: []*ams.FilterTrackSelection{{TrackSelections: []*ams.FilterTrackPropertyCondition{{Property: to.Ptr(ams.FilterTrackPropertyTypeType), Operation: to.Ptr(ams.FilterTrackPropertyCompareOperationEqual), Value: to.Ptr("Audio")}}}},
	}
	for range 2 {
		f, err := s.filters.CreateOrUpdate(ctx, sdkGroup, sdkAccount, "f1", ams.AccountFilter{Properties: properties}, nil)
		if err != nil || *f.Properties.PresentationTimeRange.StartTimestamp != 1234567890123456789 || *f.Properties.Tracks[0].TrackSelections[0].Value != "Audio" {
			t.Errorf("account filter: %+v, %v", f, err)
		}
	}
	u, err := s.filters.Update(ctx, sdkGroup, sdkAccount, "f1", ams.AccountFilter{Properties: &ams.MediaFilterProperties{FirstQuality: &ams.FirstQuality{Bitrate: to.Ptr[int32](64000)}}}, nil)
	if err != nil || *u.Properties.FirstQuality.Bitrate != 64000 || u.Properties.PresentationTimeRange == nil {
		t.Errorf("update: %+v, %v", u, err)
	}
	_, err = s.ofAsset.CreateOrUpdate(ctx, sdkGroup, sdkAccount, "as 2", "f1", ams.AssetFilter{Properties: properties}, nil)
	check(t, err)
	_, err = s.ofAsset.CreateOrUpdate(ctx, sdkGroup, sdkAccount, "none", "f1", ams.AssetFilter{Properties: properties}, nil)
	wantSDK(t, err, 404, "ParentResourceNotFound")
	if all := collect(t, s.ofAsset.NewListPager(sdkGroup, sdkAccount, "as 2", nil), func(p ams.AssetFiltersClientListResponse) []*ams.AssetFilter { return p.Value }); len(all) != 1 {
		t.Errorf("list: %v", all)
	}
	_, err = s.ofAsset.Delete(ctx, sdkGroup, sdkAccount, "as 2", "f1", nil)
	check(t, err)
	for range 2 {
		_, err = s.filters.Delete(ctx, sdkGroup, sdkAccount, "f1", nil)
		check(t, err)
	}
}

func sdkPolicies(t *testing.T, s *sdk) {
	ctx := t.Context()
	clear := ams.StreamingPolicy{Properties: &ams.StreamingPolicyProperties{NoEncryption: &ams.NoEncryption{EnabledProtocols: &ams.EnabledProtocols{
		Dash: to.Ptr(false), Download: to.Ptr(false), Hls: to.Ptr(true), SmoothStreaming: to.Ptr(false)}}}}
	_, err := s.policies.Create(ctx, sdkGroup, sdkAccount, "p1", clear, nil)
	check(t, err)
	_, err = s.policies.Create(ctx, sdkGroup, sdkAccount, "p1", clear, nil)
	wantSDK(t, err, 409, "Conflict")
	clear.Properties.EnvelopeEncryption = &ams.EnvelopeEncryption{}
	_, err = s.policies.Create(ctx, sdkGroup, sdkAccount, "p2", clear, nil)
	wantSDK(t, err, 400, "BadRequest")
	all := collect(t, s.policies.NewListPager(sdkGroup, sdkAccount, nil), func(p ams.StreamingPoliciesClientListResponse) []*ams.StreamingPolicy { return p.Value })
	if len(all) != 7 {
		t.Errorf("%d policies", len(all))
	}
	_, err = s.policies.Delete(ctx, sdkGroup, sdkAccount, "Predefined_ClearKey", nil)
	wantSDK(t, err, 400, "BadRequest")
	for range 2 {
		_, err = s.policies.Delete(ctx, sdkGroup, sdkAccount, "p1", nil)
		check(t, err)
	}
}
