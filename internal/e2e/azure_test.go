package e2e

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

// fileToken is the daemon's control token as a credential of the Azure SDK.
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

// TestAzureWorkflow goes through Microsoft's live streaming workflow with Microsoft's own SDK for Go, over HTTPS with the
// daemon's own certificate and over plain HTTP, with ffmpeg as encoder and players in a browser: each step does on the
// wire what it says.
func TestAzureWorkflow(t *testing.T) {
	t.Parallel()
	for name, flags := range map[string][]string{"https": {"--control-tls", "self"}, "http": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			begin(t, 4*time.Minute)
			azureWorkflow(t, StartDaemon(t, flags...))
		})
	}
}

// azureClients are Microsoft's clients, unmodified, on a daemon.
type azureClients struct {
	events    *ams.LiveEventsClient
	outputs   *ams.LiveOutputsClient
	assets    *ams.AssetsClient
	tracks    *ams.TracksClient
	filters   *ams.AssetFiltersClient
	locators  *ams.StreamingLocatorsClient
	endpoints *ams.StreamingEndpointsClient
}

func newAzureClients(t *testing.T, d *Daemon) azureClients {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	secure := strings.HasPrefix(d.Control, "https://")
	if secure {
		pem, err := os.ReadFile(filepath.Join(d.Dir, "control.crt"))
		if err != nil {
			t.Fatal(err)
		}
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(pem)
		transport.TLSClientConfig = &tls.Config{RootCAs: roots}
	}
	secret, err := os.ReadFile(filepath.Join(d.Dir, "control.token"))
	if err != nil {
		t.Fatal(err)
	}
	credential := fileToken(strings.TrimSpace(string(secret)))
	options := &arm.ClientOptions{ClientOptions: policy.ClientOptions{
		Cloud: cloud.Configuration{Services: map[cloud.ServiceName]cloud.ServiceConfiguration{
			cloud.ResourceManager: {Endpoint: d.Control, Audience: "https://headwater.example"},
		}},
		Transport: &http.Client{Transport: transport, Timeout: time.Minute}, InsecureAllowCredentialWithHTTP: !secure,
	}}
	var c azureClients
	var errs [7]error
	c.events, errs[0] = ams.NewLiveEventsClient(subscription, credential, options)
	c.outputs, errs[1] = ams.NewLiveOutputsClient(subscription, credential, options)
	c.assets, errs[2] = ams.NewAssetsClient(subscription, credential, options)
	c.tracks, errs[3] = ams.NewTracksClient(subscription, credential, options)
	c.filters, errs[4] = ams.NewAssetFiltersClient(subscription, credential, options)
	c.locators, errs[5] = ams.NewStreamingLocatorsClient(subscription, credential, options)
	c.endpoints, errs[6] = ams.NewStreamingEndpointsClient(subscription, credential, options)
	if err := errors.Join(errs[:]...); err != nil {
		t.Fatal(err)
	}
	return c
}

const subscription, group, account = "00000000-0000-0000-0000-000000000000", "headwater", "headwater"

func azureWorkflow(t *testing.T, d *Daemon) {
	ctx := t.Context()
	az := newAzureClients(t, d)
	c := &Channel{d: d, Name: "show"}
	browser := NewBrowser(t)
	plays := func(manifests ...string) {
		t.Helper()
		for _, m := range manifests {
			p := browser.Open(t, c.Watch(m))
			p.Plays(t, 2, 60*time.Second)
			p.Close()
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}

	// 1. The streaming endpoint runs.
	endpoint, err := az.endpoints.Get(ctx, group, account, "default", nil)
	must(err)
	if *endpoint.Properties.ResourceState != ams.StreamingEndpointResourceStateRunning {
		followed[ams.StreamingEndpointsClientStartResponse](t)(az.endpoints.BeginStart(ctx, group, account, "default", nil))
	}
	// 2. Create the live event and start it.
	event := followed[ams.LiveEventsClientCreateResponse](t)(az.events.BeginCreate(ctx, group, account, "show", ams.LiveEvent{
		Location: to.Ptr("local"),
		Properties: &ams.LiveEventProperties{
			Input:         &ams.LiveEventInput{StreamingProtocol: to.Ptr(ams.LiveEventInputProtocolRTMP), KeyFrameIntervalDuration: to.Ptr("PT1S")},
			Encoding:      &ams.LiveEventEncoding{EncodingType: to.Ptr(ams.LiveEventEncodingTypePassthroughStandard)},
			StreamOptions: []*ams.StreamOptionsFlag{to.Ptr(ams.StreamOptionsFlagLowLatency)},
		},
	}, nil))
	followed[ams.LiveEventsClientStartResponse](t)(az.events.BeginStart(ctx, group, account, "show", nil))
	// 3. Point the encoder at the ingest URL.
	ingest := *event.Properties.Input.Endpoints[0].URL
	encoder := Publish(t, ingest+"/any-key", "../../testdata/demo.flv", true)
	// 4. Check the preview.
	preview := *event.Properties.Preview.Endpoints[0].URL
	c.Shows(t, base(preview), 2*time.Second, 30*time.Second)
	plays(preview + "(format=m3u8-cmaf)")
	// 5. Create an asset. 6. Create the live output: it records.
	_, err = az.assets.CreateOrUpdate(ctx, group, account, "recording", ams.Asset{}, nil)
	must(err)
	followed[ams.LiveOutputsClientCreateResponse](t)(az.outputs.BeginCreate(ctx, group, account, "show", "output", ams.LiveOutput{
		Properties: &ams.LiveOutputProperties{AssetName: to.Ptr("recording"), ArchiveWindowLength: to.Ptr("PT1H"), ManifestName: to.Ptr("evening")},
	}, nil))
	// 7. Create a streaming locator with a built-in policy.
	_, err = az.locators.Create(ctx, group, account, "locator", ams.StreamingLocator{
		Properties: &ams.StreamingLocatorProperties{AssetName: to.Ptr("recording"), StreamingPolicyName: to.Ptr("Predefined_ClearStreamingOnly")},
	}, nil)
	must(err)
	// 8. List its paths. 9. The endpoint's host and a path make the URL.
	paths, err := az.locators.ListPaths(ctx, group, account, "locator", nil)
	must(err)
	url := map[ams.StreamingPolicyStreamingProtocol]string{}
	for _, p := range paths.StreamingPaths {
		url[*p.StreamingProtocol] = "http://" + *endpoint.Properties.HostName + *p.Paths[0]
	}
	hls, dash := url[ams.StreamingPolicyStreamingProtocolHls], url[ams.StreamingPolicyStreamingProtocolDash]
	c.Shows(t, base(hls), 2*time.Second, 30*time.Second)
	plays(hls, dash)
	if mpd := get(t, dash).Body; !strings.Contains(string(mpd), `type="dynamic"`) {
		t.Errorf("DASH: %s", mpd)
	}
	_, err = az.filters.CreateOrUpdate(ctx, group, account, "recording", "sound", ams.AssetFilter{Properties: &ams.MediaFilterProperties{
		Tracks: []*ams.FilterTrackSelection{{TrackSelections: []*ams.FilterTrackPropertyCondition{
			{Property: to.Ptr(ams.FilterTrackPropertyTypeType), Operation: to.Ptr(ams.FilterTrackPropertyCompareOperationEqual), Value: to.Ptr("Audio")},
		}}},
	}}, nil)
	must(err)
	filtered := strings.Replace(dash, "(format=mpd-time-cmaf)", "(format=mpd-time-cmaf,filter=sound)", 1)
	if mpd := string(get(t, filtered).Body); !strings.Contains(mpd, `"audio/mp4"`) || strings.Contains(mpd, `"video/mp4"`) {
		t.Errorf("the filter does not let only sound through:\n%s", mpd)
	}
	for name, kind := range map[string]string{"v1": "#Microsoft.Media.VideoTrack", "a1": "#Microsoft.Media.AudioTrack"} {
		track, err := az.tracks.Get(ctx, group, account, "recording", name, nil)
		must(err)
		if got := *track.Properties.Track.GetTrackBase().ODataType; got != kind {
			t.Errorf("track %s is a %s", name, got)
		}
	}
	// 10. Stopping is refused while it records; deleting the output makes the asset on-demand at the same URL.
	_, err = az.events.BeginStop(ctx, group, account, "show", ams.LiveEventActionInput{}, nil)
	var refused *azcore.ResponseError
	if !errors.As(err, &refused) || refused.StatusCode != http.StatusConflict {
		t.Errorf("stopping while it records: %v", err)
	}
	followed[ams.LiveOutputsClientDeleteResponse](t)(az.outputs.BeginDelete(ctx, group, account, "show", "output", nil))
	plays(hls, dash)
	if mpd := get(t, dash).Body; !strings.Contains(string(mpd), `type="static"`) {
		t.Errorf("DASH of the replay: %s", mpd)
	}
	// 11. Deleting the locator withdraws it.
	_, err = az.locators.Delete(ctx, group, account, "locator", nil)
	must(err)
	if s := status(hls); s != http.StatusNotFound {
		t.Errorf("after the locator is deleted: %d", s)
	}
	// 12. Stop the event: no more input. Started again it has the same ingest URL.
	followed[ams.LiveEventsClientStopResponse](t)(az.events.BeginStop(ctx, group, account, "show", ams.LiveEventActionInput{}, nil))
	if !waitFor(10*time.Second, func() bool { return closed(encoder.done) }) {
		t.Error("the encoder of a stopped event is still connected")
	}
	if s := status(preview + "(format=m3u8-cmaf)"); s != http.StatusNotFound {
		t.Errorf("the preview of a stopped event: %d", s)
	}
	followed[ams.LiveEventsClientStartResponse](t)(az.events.BeginStart(ctx, group, account, "show", nil))
	again, err := az.events.Get(ctx, group, account, "show", nil)
	must(err)
	if *again.Properties.Input.Endpoints[0].URL != ingest {
		t.Errorf("ingest URL %s, before %s", *again.Properties.Input.Endpoints[0].URL, ingest)
	}
	encoder = Publish(t, *again.Properties.Input.Endpoints[0].URL+"/other-key", "../../testdata/demo.flv", true)
	c.Shows(t, base(preview), 2*time.Second, 30*time.Second)
	encoder.Stop(t)
	followed[ams.LiveEventsClientStopResponse](t)(az.events.BeginStop(ctx, group, account, "show", ams.LiveEventActionInput{}, nil))
	followed[ams.LiveEventsClientDeleteResponse](t)(az.events.BeginDelete(ctx, group, account, "show", nil))
	_, err = az.assets.Delete(ctx, group, account, "recording", nil)
	must(err)
}
