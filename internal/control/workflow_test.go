package control_test

import (
	"reflect"
	"strings"
	"testing"

	"headwater.stream/api"
	"headwater.stream/internal/control"
)

// TestWorkflow is the seed workflow, from the event to the clean-up.
func TestWorkflow(t *testing.T) {
	p := startMem(t)
	ctx := t.Context()

	endpoint := must[*api.StreamingEndpoint](t)(p.GetStreamingEndpoint(ctx, "default"))
	if endpoint.Properties.ResourceState != api.Running || endpoint.Properties.HostName != "media.example:8080" {
		t.Errorf("the default endpoint at first boot: %+v", endpoint.Properties)
	}

	want := rtmp()
	want.Properties.Input.AccessToken = "7AD61CEB-dc1c-4cf0-a345-6d20987c4b7a"
	want.Properties.StreamOptions = []string{"lowlatencyv2"}
	want.Properties.Input.KeyFrameIntervalDuration = "PT1S"
	event := must[*api.LiveEvent](t)(p.CreateLiveEvent(ctx, "Show", want, api.WriteOptions{AutoStart: true}))
	props := event.Properties
	if props.ResourceState != api.Running || props.ProvisioningState != api.Succeeded || props.Encoding.EncodingType != "PassthroughStandard" {
		t.Errorf("after create with autoStart: %+v", props)
	}
	const ingest = "rtmp://media.example:1935/live/7ad61cebdc1c4cf0a3456d20987c4b7a"
	if len(props.Input.Endpoints) != 1 || props.Input.Endpoints[0].URL != ingest {
		t.Errorf("ingest endpoints %+v, want %s", props.Input.Endpoints, ingest)
	}
	preview := "http://media.example:8080/" + props.Preview.PreviewLocator + "/preview.ism/manifest"
	if props.Preview.Endpoints[0].URL != preview {
		t.Errorf("preview %s, want %s", props.Preview.Endpoints[0].URL, preview)
	}
	d := p.runtime.desired()
	if len(d.Events) != 1 || !d.Events[0].Running || !d.Events[0].Parts || d.Events[0].SegmentTarget.Seconds() != 1 || d.Events[0].Token != "7ad61cebdc1c4cf0a3456d20987c4b7a" || !d.EndpointRunning {
		t.Errorf("the runtime was brought to %+v", d)
	}
	if st := must[*api.LiveEventStatusList](t)(p.LiveEventStatus(ctx, "show")); st.Value[0].State != api.Running || st.Value[0].HealthStatus != "Excellent" {
		t.Errorf("getStatus: %+v", st.Value[0])
	}

	asset := must[*api.Asset](t)(p.PutAsset(ctx, "Recording 1", &api.Asset{}))
	if asset.Properties.Container != "asset-"+asset.Properties.AssetID {
		t.Errorf("asset: %+v", asset.Properties)
	}
	out := outputOn("recording 1")
	out.Properties.ManifestName = "evening"
	output := must[*api.LiveOutput](t)(p.CreateLiveOutput(ctx, "show", "out", out))
	if output.Properties.ResourceState != api.Running {
		t.Errorf("output: %+v", output.Properties)
	}
	d = p.runtime.desired()
	if len(d.Outputs) != 1 || d.Outputs[0].EventID != d.Events[0].ID || d.Outputs[0].AssetID != asset.Properties.AssetID || d.Outputs[0].ArchiveWindow.Hours() != 1 {
		t.Errorf("the runtime records %+v", d.Outputs)
	}

	const id = "5a3b1f0e-0000-4000-8000-0123456789ab"
	l := &api.StreamingLocator{Properties: api.StreamingLocatorProperties{AssetName: "Recording 1", StreamingPolicyName: "predefined_clearstreamingonly", StreamingLocatorID: strings.ToUpper(id)}}
	must[*api.StreamingLocator](t)(p.CreateStreamingLocator(ctx, "loc", l))
	if d = p.runtime.desired(); len(d.Locators) != 1 || !reflect.DeepEqual(d.Locators[0], control.LocatorSpec{ID: id, AssetID: asset.Properties.AssetID, HLS: true, DASH: true}) {
		t.Errorf("the runtime publishes %+v", d.Locators)
	}
	paths := must[*api.Paths](t)(p.StreamingLocatorPaths(ctx, "loc"))
	if len(paths.StreamingPaths) != 2 || paths.StreamingPaths[0].Paths[0] != "/"+id+"/evening.ism/manifest(format=m3u8-cmaf)" ||
		paths.StreamingPaths[1].Paths[0] != "/"+id+"/evening.ism/manifest(format=mpd-time-cmaf)" {
		t.Errorf("listPaths: %+v", paths)
	}
	if users := must[*api.AssetLocators](t)(p.AssetStreamingLocators(ctx, "recording 1")); len(users.StreamingLocators) != 1 || users.StreamingLocators[0].StreamingLocatorID != id {
		t.Errorf("listStreamingLocators: %+v", users)
	}

	_, err := p.DeleteAsset(ctx, "Recording 1")
	wantError(t, err, 409, api.CodeConflict)
	wantError(t, p.StopLiveEvent(ctx, "show", api.StopOptions{}), 409, api.CodeConflict)
	must[bool](t)(p.DeleteLiveOutput(ctx, "show", "out"))
	if d = p.runtime.desired(); len(d.Outputs) != 0 || d.Assets[0].ManifestName != "evening" {
		t.Errorf("after the output: %+v", d)
	}
	if again := must[*api.Paths](t)(p.StreamingLocatorPaths(ctx, "loc")); again.StreamingPaths[0].Paths[0] != paths.StreamingPaths[0].Paths[0] {
		t.Error("the replay is at another path")
	}
	_, err = p.CreateLiveOutput(ctx, "show", "again", outputOn("Recording 1"))
	wantError(t, err, 409, api.CodeConflict)

	check(t, p.StopLiveEvent(ctx, "show", api.StopOptions{}))
	check(t, p.StartLiveEvent(ctx, "show"))
	if e := must[*api.LiveEvent](t)(p.GetLiveEvent(ctx, "show")); e.Properties.Input.Endpoints[0].URL != ingest || e.Properties.Preview.Endpoints[0].URL != preview {
		t.Errorf("the URLs changed over stop and start: %+v", e.Properties)
	}
	check(t, p.ResetLiveEvent(ctx, "show"))
	check(t, p.StopLiveEvent(ctx, "show", api.StopOptions{RemoveOutputsOnStop: true}))

	must[bool](t)(p.DeleteStreamingLocator(ctx, "loc"))
	if d = p.runtime.desired(); len(d.Locators) != 0 {
		t.Errorf("still published: %+v", d.Locators)
	}
	must[bool](t)(p.DeleteAsset(ctx, "Recording 1"))
	must[bool](t)(p.DeleteLiveEvent(ctx, "show"))
	if d = p.runtime.desired(); len(d.Assets)+len(d.Events) != 0 {
		t.Errorf("left over: %+v", d)
	}
	if existed := must[bool](t)(p.DeleteLiveEvent(ctx, "show")); existed {
		t.Error("a second delete found something")
	}
	check(t, p.StopStreamingEndpoint(ctx, "default"))
	if p.runtime.desired().EndpointRunning {
		t.Error("the endpoint still serves")
	}
}

// TestRemoveOutputs: reset and stop with removeOutputsOnStop delete the outputs and keep their assets.
func TestRemoveOutputs(t *testing.T) {
	p := startMem(t)
	ctx := t.Context()
	must[*api.LiveEvent](t)(p.CreateLiveEvent(ctx, "e", rtmp(), api.WriteOptions{AutoStart: true}))
	for i, end := range []func() error{
		func() error { return p.ResetLiveEvent(ctx, "e") },
		func() error { return p.StopLiveEvent(ctx, "e", api.StopOptions{RemoveOutputsOnStop: true}) },
	} {
		asset := []string{"a", "b"}[i]
		must[*api.Asset](t)(p.PutAsset(ctx, asset, &api.Asset{}))
		must[*api.LiveOutput](t)(p.CreateLiveOutput(ctx, "e", "o", outputOn(asset)))
		check(t, end())
		if all := must[[]*api.LiveOutput](t)(p.ListLiveOutputs(ctx, "e")); len(all) != 0 {
			t.Errorf("outputs left: %v", all)
		}
		must[*api.Asset](t)(p.GetAsset(ctx, asset))
		state := must[*api.LiveEvent](t)(p.GetLiveEvent(ctx, "e")).Properties.ResourceState
		if want := []string{api.Running, api.Stopped}[i]; state != want {
			t.Errorf("the event is %s, want %s", state, want)
		}
	}
}
