package node

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	azruntime "github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	ams "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/mediaservices/armmediaservices/v3"
)

// fileToken is the node's control token as a credential of the Azure SDK.
type fileToken string

func (f fileToken) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: string(f), ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// followed is the result of a long-running operation of the Azure SDK.
func followed[T any](t *testing.T) func(*azruntime.Poller[T], error) T {
	t.Helper()
	return func(p *azruntime.Poller[T], err error) (v T) {
		t.Helper()
		if err == nil {
			v, err = p.PollUntilDone(t.Context(), nil)
		}
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// TestAzureWorkflow goes through Microsoft's live streaming workflow with Microsoft's own SDK over HTTPS, a real encoder and
// a viewer: each step does on the wire what it says.
func TestAzureWorkflow(t *testing.T) {
	ctx := t.Context()
	dir := t.TempDir()
	r := startWith(t, dir, Config{ControlTLS: TLSSelf})
	defer r.end()
	pem, err := os.ReadFile(filepath.Join(dir, certificateName))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	r.http.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: roots}
	secret, err := os.ReadFile(r.ready.TokenFile)
	if err != nil {
		t.Fatal(err)
	}
	const subscription, group, account = "00000000-0000-0000-0000-000000000000", "headwater", "headwater"
	credential := fileToken(strings.TrimSpace(string(secret)))
	options := &arm.ClientOptions{ClientOptions: policy.ClientOptions{
		Cloud: cloud.Configuration{Services: map[cloud.ServiceName]cloud.ServiceConfiguration{
			cloud.ResourceManager: {Endpoint: r.ready.Control, Audience: "https://headwater.example"},
		}},
		Transport: r.http,
	}}
	events, err1 := ams.NewLiveEventsClient(subscription, credential, options)
	outputs, err2 := ams.NewLiveOutputsClient(subscription, credential, options)
	assets, err3 := ams.NewAssetsClient(subscription, credential, options)
	filters, err4 := ams.NewAssetFiltersClient(subscription, credential, options)
	locators, err5 := ams.NewStreamingLocatorsClient(subscription, credential, options)
	endpoints, err6 := ams.NewStreamingEndpointsClient(subscription, credential, options)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(errors.Join(err1, err2, err3, err4, err5, err6))
	fetch := func(url string) (int, string) {
		t.Helper()
		return r.get(strings.TrimPrefix(url, r.ready.Origin))
	}
	plays := func(what, hls string) {
		t.Helper()
		r.until(what, func() bool {
			status, body := fetch(hls)
			if status != http.StatusOK || !strings.Contains(body, "v1/media.m3u8") {
				return false
			}
			base := hls[:strings.LastIndex(hls, "/")+1]
			_, list := fetch(base + "v1/media.m3u8")
			names := segmentNumber.FindAllString(list, -1)
			if len(names) < 2 {
				return false
			}
			status, body = fetch(base + "v1/" + names[0])
			return status == http.StatusOK && strings.Contains(body[:64], "moof")
		})
	}

	// 1. The streaming endpoint runs.
	endpoint, err := endpoints.Get(ctx, group, account, "default", nil)
	must(err)
	if *endpoint.Properties.ResourceState != ams.StreamingEndpointResourceStateRunning {
		followed[ams.StreamingEndpointsClientStartResponse](t)(endpoints.BeginStart(ctx, group, account, "default", nil))
	}
	// 2. Create the live event and start it.
	event := followed[ams.LiveEventsClientCreateResponse](t)(events.BeginCreate(ctx, group, account, "show", ams.LiveEvent{
		Location: to.Ptr("local"),
		Properties: &ams.LiveEventProperties{
			Input:         &ams.LiveEventInput{StreamingProtocol: to.Ptr(ams.LiveEventInputProtocolRTMP), KeyFrameIntervalDuration: to.Ptr("PT1S")},
			Encoding:      &ams.LiveEventEncoding{EncodingType: to.Ptr(ams.LiveEventEncodingTypePassthroughStandard)},
			StreamOptions: []*ams.StreamOptionsFlag{to.Ptr(ams.StreamOptionsFlagLowLatency)},
		},
	}, nil))
	followed[ams.LiveEventsClientStartResponse](t)(events.BeginStart(ctx, group, account, "show", nil))
	// 3. Point the encoder at the ingest URL.
	ingest := *event.Properties.Input.Endpoints[0].URL
	unplug := r.publish(ingest)
	// 4. Check the preview.
	preview := *event.Properties.Preview.Endpoints[0].URL
	plays("the preview plays", preview+"(format=m3u8-cmaf)")
	// 5. Create an asset. 6. Create the live output: it records.
	_, err = assets.CreateOrUpdate(ctx, group, account, "recording", ams.Asset{}, nil)
	must(err)
	followed[ams.LiveOutputsClientCreateResponse](t)(outputs.BeginCreate(ctx, group, account, "show", "output", ams.LiveOutput{
		Properties: &ams.LiveOutputProperties{AssetName: to.Ptr("recording"), ArchiveWindowLength: to.Ptr("PT1H"), ManifestName: to.Ptr("evening")},
	}, nil))
	// 7. Create a streaming locator with a built-in policy.
	_, err = locators.Create(ctx, group, account, "locator", ams.StreamingLocator{
		Properties: &ams.StreamingLocatorProperties{AssetName: to.Ptr("recording"), StreamingPolicyName: to.Ptr("Predefined_ClearStreamingOnly")},
	}, nil)
	must(err)
	// 8. List its paths. 9. The endpoint's host and a path make the URL.
	paths, err := locators.ListPaths(ctx, group, account, "locator", nil)
	must(err)
	url := map[ams.StreamingPolicyStreamingProtocol]string{}
	for _, p := range paths.StreamingPaths {
		url[*p.StreamingProtocol] = "http://" + *endpoint.Properties.HostName + *p.Paths[0]
	}
	hls, dash := url[ams.StreamingPolicyStreamingProtocolHls], url[ams.StreamingPolicyStreamingProtocolDash]
	plays("the locator plays", hls)
	if status, body := fetch(dash); status != http.StatusOK || !strings.Contains(body, `type="dynamic"`) {
		t.Errorf("DASH: %d %s", status, body)
	}
	_, err = filters.CreateOrUpdate(ctx, group, account, "recording", "sound", ams.AssetFilter{Properties: &ams.MediaFilterProperties{
		Tracks: []*ams.FilterTrackSelection{{TrackSelections: []*ams.FilterTrackPropertyCondition{
			{Property: to.Ptr(ams.FilterTrackPropertyTypeType), Operation: to.Ptr(ams.FilterTrackPropertyCompareOperationEqual), Value: to.Ptr("Audio")},
		}}},
	}}, nil)
	must(err)
	filtered := strings.Replace(dash, "(format=mpd-time-cmaf)", "(format=mpd-time-cmaf,filter=sound)", 1)
	r.until("the filter lets only sound through", func() bool {
		status, body := fetch(filtered)
		return status == http.StatusOK && strings.Contains(body, `"audio/mp4"`) && !strings.Contains(body, `"video/mp4"`)
	})
	// 10. Stopping is refused while it records; deleting the output makes the asset on-demand at the same URL.
	_, err = events.BeginStop(ctx, group, account, "show", ams.LiveEventActionInput{}, nil)
	var refused *azcore.ResponseError
	if !errors.As(err, &refused) || refused.StatusCode != http.StatusConflict {
		t.Errorf("stopping while it records: %v", err)
	}
	followed[ams.LiveOutputsClientDeleteResponse](t)(outputs.BeginDelete(ctx, group, account, "show", "output", nil))
	plays("the replay plays", hls)
	if status, body := fetch(dash); status != http.StatusOK || !strings.Contains(body, `type="static"`) {
		t.Errorf("DASH of the replay: %d %s", status, body)
	}
	// 11. Deleting the locator withdraws it.
	_, err = locators.Delete(ctx, group, account, "locator", nil)
	must(err)
	if status, _ := fetch(hls); status != http.StatusNotFound {
		t.Errorf("after the locator is deleted: %d", status)
	}
	// 12. Stop the event: no more input. Started again it has the same ingest URL.
	followed[ams.LiveEventsClientStopResponse](t)(events.BeginStop(ctx, group, account, "show", ams.LiveEventActionInput{}, nil))
	unplug()
	if status, _ := fetch(preview + "(format=m3u8-cmaf)"); status != http.StatusNotFound {
		t.Errorf("the preview of a stopped event: %d", status)
	}
	followed[ams.LiveEventsClientStartResponse](t)(events.BeginStart(ctx, group, account, "show", nil))
	again, err := events.Get(ctx, group, account, "show", nil)
	must(err)
	if *again.Properties.Input.Endpoints[0].URL != ingest {
		t.Errorf("ingest URL %s, before %s", *again.Properties.Input.Endpoints[0].URL, ingest)
	}
	unplug = r.publish(*again.Properties.Input.Endpoints[0].URL)
	plays("the preview plays again", preview+"(format=m3u8-cmaf)")
	unplug()
	followed[ams.LiveEventsClientStopResponse](t)(events.BeginStop(ctx, group, account, "show", ams.LiveEventActionInput{}, nil))
	followed[ams.LiveEventsClientDeleteResponse](t)(events.BeginDelete(ctx, group, account, "show", nil))
	_, err = assets.Delete(ctx, group, account, "recording", nil)
	must(err)
}
