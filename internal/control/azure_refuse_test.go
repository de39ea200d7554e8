package control_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	ams "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/mediaservices/armmediaservices/v3"

	"headwater.stream/api"
)

// refusals holds what the SDK was refused to the status and code of ams-wire §7, and to a message.
type refusals struct{ t *testing.T }

func (r refusals) want(what string, err error, status int, code string) {
	r.t.Helper()
	var e *azcore.ResponseError
	if !errors.As(err, &e) || e.StatusCode != status || e.ErrorCode != code || !strings.Contains(e.Error(), `"message": "`) {
		r.t.Errorf("%s: %v, want %d %s", what, err, status, code)
	}
}

// sdkRefusals is ams-wire §7.1 as far as the SDK can send it: it knows types, so wrong ones and unreadable JSON are
// TestRefusals' matter. Nothing has changed after.
func sdkRefusals(t *testing.T, p *plane, s *sdk) {
	ctx := t.Context()
	for _, name := range []string{"run", "stopped", "basic"} {
		e := sdkEvent()
		if name == "basic" {
			e.Properties.Encoding.EncodingType = to.Ptr(ams.LiveEventEncodingTypePassthroughBasic)
		}
		poll[ams.LiveEventsClientCreateResponse](t)(s.events.BeginCreate(ctx, sdkGroup, sdkAccount, name, e, &ams.LiveEventsClientBeginCreateOptions{AutoStart: to.Ptr(name == "run")}))
	}
	for _, name := range []string{"a", "b", "c", "d", "free"} {
		_, err := s.assets.CreateOrUpdate(ctx, sdkGroup, sdkAccount, name, ams.Asset{}, nil)
		check(t, err)
	}
	for event, assets := range map[string][]string{"run": {"a", "b", "c"}, "basic": {"d"}} {
		for _, asset := range assets {
			poll[ams.LiveOutputsClientCreateResponse](t)(s.outputs.BeginCreate(ctx, sdkGroup, sdkAccount, event, "o"+asset, sdkOutput(asset), nil))
		}
	}
	_, err := s.locators.Create(ctx, sdkGroup, sdkAccount, "l", sdkLocator("a"), nil)
	check(t, err)
	_, err = s.policies.Create(ctx, sdkGroup, sdkAccount, "p", sdkPolicy(), nil)
	check(t, err)
	before := p.everything(t)
	sdkRefusedEvents(ctx, refusals{t}, s)
	sdkRefusedOutputs(ctx, refusals{t}, s)
	sdkRefusedAssets(ctx, refusals{t}, s)
	sdkRefusedPublishing(ctx, refusals{t}, s)
	if after := p.everything(t); after != before {
		t.Errorf("a refused request changed something:\n%s\n%s", before, after)
	}
	sdkLimits(t, s)
}

func sdkOutput(asset string) ams.LiveOutput {
	return ams.LiveOutput{Properties: &ams.LiveOutputProperties{AssetName: to.Ptr(asset), ArchiveWindowLength: to.Ptr("PT1H")}}
}

func sdkLocator(asset string) ams.StreamingLocator {
	return ams.StreamingLocator{Properties: &ams.StreamingLocatorProperties{AssetName: to.Ptr(asset), StreamingPolicyName: to.Ptr("Predefined_ClearStreamingOnly"),
		StreamingLocatorID: to.Ptr("5a3b1f0e-0000-4000-8000-0123456789ab")}}
}

func sdkPolicy() ams.StreamingPolicy {
	return ams.StreamingPolicy{Properties: &ams.StreamingPolicyProperties{NoEncryption: &ams.NoEncryption{EnabledProtocols: &ams.EnabledProtocols{
		Dash: to.Ptr(false), Download: to.Ptr(false), Hls: to.Ptr(true), SmoothStreaming: to.Ptr(false)}}}}
}

func sdkRefusedEvents(ctx context.Context, r refusals, s *sdk) {
	allow := func(address string, bits int32) *ams.IPAccessControl {
		return &ams.IPAccessControl{Allow: []*ams.IPRange{{Name: to.Ptr("n"), Address: to.Ptr(address), SubnetPrefixLength: to.Ptr(bits)}}}
	}
	for what, change := range map[string]func(*ams.LiveEvent){
		"no input":    func(e *ams.LiveEvent) { e.Properties.Input = nil },
		"no protocol": func(e *ams.LiveEvent) { e.Properties.Input.StreamingProtocol = nil },
		"protocol": func(e *ams.LiveEvent) {
			e.Properties.Input.StreamingProtocol = to.Ptr(ams.LiveEventInputProtocol("SRT"))
		},
		"protocol not taken": func(e *ams.LiveEvent) {
			e.Properties.Input.StreamingProtocol = to.Ptr(ams.LiveEventInputProtocolFragmentedMP4)
		},
		"accessToken":     func(e *ams.LiveEvent) { e.Properties.Input.AccessToken = to.Ptr("secret") },
		"previewLocator":  func(e *ams.LiveEvent) { e.Properties.Preview = &ams.LiveEventPreview{PreviewLocator: to.Ptr("x")} },
		"duration":        func(e *ams.LiveEvent) { e.Properties.Input.KeyFrameIntervalDuration = to.Ptr("2s") },
		"ingest address":  func(e *ams.LiveEvent) { e.Properties.Input.AccessControl.IP = allow("example.com", 0) },
		"IPv4 prefix":     func(e *ams.LiveEvent) { e.Properties.Input.AccessControl.IP = allow("10.0.0.1", 33) },
		"IPv6 prefix":     func(e *ams.LiveEvent) { e.Properties.Input.AccessControl.IP = allow("::1", 129) },
		"negative prefix": func(e *ams.LiveEvent) { e.Properties.Input.AccessControl.IP = allow("10.0.0.1", -1) },
		"encodingType":    func(e *ams.LiveEvent) { e.Properties.Encoding.EncodingType = to.Ptr(ams.LiveEventEncodingType("Fast")) },
		"transcoding": func(e *ams.LiveEvent) {
			e.Properties.Encoding.EncodingType = to.Ptr(ams.LiveEventEncodingTypePremium1080P)
		},
		"streamOptions": func(e *ams.LiveEvent) {
			e.Properties.StreamOptions = []*ams.StreamOptionsFlag{to.Ptr(ams.StreamOptionsFlag("Fast"))}
		},
		"transcriptions": func(e *ams.LiveEvent) {
			e.Properties.Transcriptions = []*ams.LiveEventTranscription{{Language: to.Ptr("en-US")}}
		},
		"preview policy, encrypted": func(e *ams.LiveEvent) {
			e.Properties.Preview = &ams.LiveEventPreview{StreamingPolicyName: to.Ptr("Predefined_ClearKey")}
		},
		"preview address": func(e *ams.LiveEvent) {
			e.Properties.Preview = &ams.LiveEventPreview{AccessControl: &ams.LiveEventPreviewAccessControl{IP: allow("1.2.3", 0)}}
		},
	} {
		e := sdkEvent()
		change(&e)
		_, err := s.events.BeginCreate(ctx, sdkGroup, sdkAccount, "new", e, nil)
		r.want("create: "+what, err, 400, "BadRequest")
	}
	nowhere := sdkEvent()
	nowhere.Location = nil
	_, err := s.events.BeginCreate(ctx, sdkGroup, sdkAccount, "new", nowhere, nil)
	r.want("create: no location", err, 400, "LocationRequired")
	for _, name := range []string{"a_b", "-a", "a-", "é", strings.Repeat("x", 33)} {
		_, err = s.events.BeginCreate(ctx, sdkGroup, sdkAccount, name, sdkEvent(), nil)
		r.want("create: name "+name, err, 400, "InvalidResourceName")
	}
	_, err = s.events.BeginCreate(ctx, sdkGroup, sdkAccount, "RUN", sdkEvent(), nil)
	r.want("create: exists", err, 409, "Conflict")

	for what, change := range map[string]func(*ams.LiveEventProperties){
		"protocol": func(p *ams.LiveEventProperties) {
			p.Input.StreamingProtocol = to.Ptr(ams.LiveEventInputProtocolFragmentedMP4)
		},
		"accessToken": func(p *ams.LiveEventProperties) { p.Input.AccessToken = to.Ptr("5a3b1f0e-0000-4000-8000-0123456789ac") },
		"encoding type": func(p *ams.LiveEventProperties) {
			p.Encoding.EncodingType = to.Ptr(ams.LiveEventEncodingTypePassthroughBasic)
		},
		"preset": func(p *ams.LiveEventProperties) { p.Encoding.PresetName = to.Ptr("Default720p") },
		"previewLocator": func(p *ams.LiveEventProperties) {
			p.Preview.PreviewLocator = to.Ptr("5a3b1f0e-0000-4000-8000-0123456789ac")
		},
		"streamOptions": func(p *ams.LiveEventProperties) {
			p.StreamOptions = []*ams.StreamOptionsFlag{to.Ptr(ams.StreamOptionsFlagDefault)}
		},
		"hostnamePrefix": func(p *ams.LiveEventProperties) { p.HostnamePrefix = to.Ptr("other") },
	} {
		for _, name := range []string{"run", "stopped"} {
			if what == "hostnamePrefix" && name == "stopped" {
				continue
			}
			e, err := s.events.Get(ctx, sdkGroup, sdkAccount, name, nil)
			check(r.t, err)
			change(e.Properties)
			_, err = s.events.BeginUpdate(ctx, sdkGroup, sdkAccount, name, e.LiveEvent, nil)
			r.want("update of "+name+": "+what, err, 400, "BadRequest")
		}
	}
	_, err = s.events.BeginUpdate(ctx, sdkGroup, sdkAccount, "none", sdkEvent(), nil)
	r.want("update: absent", err, 404, "NotFound")
	_, err = s.events.BeginStop(ctx, sdkGroup, sdkAccount, "run", ams.LiveEventActionInput{RemoveOutputsOnStop: to.Ptr(false)}, nil)
	r.want("stop with outputs", err, 409, "Conflict")
	_, err = s.events.BeginDelete(ctx, sdkGroup, sdkAccount, "basic", nil)
	r.want("delete with outputs", err, 409, "Conflict")
}

func sdkRefusedOutputs(ctx context.Context, r refusals, s *sdk) {
	for what, c := range map[string]struct {
		event, name string
		change      func(*ams.LiveOutputProperties)
		status      int
		code        string
	}{
		"exists":                {"run", "oa", func(*ams.LiveOutputProperties) {}, 409, "Conflict"},
		"event absent":          {"none", "n", func(*ams.LiveOutputProperties) {}, 404, "ParentResourceNotFound"},
		"name":                  {"stopped", "a_b", func(*ams.LiveOutputProperties) {}, 400, "InvalidResourceName"},
		"no asset":              {"stopped", "n", func(p *ams.LiveOutputProperties) { p.AssetName = nil }, 400, "BadRequest"},
		"asset absent":          {"stopped", "n", func(p *ams.LiveOutputProperties) { p.AssetName = to.Ptr("none") }, 400, "BadRequest"},
		"asset recorded":        {"stopped", "n", func(p *ams.LiveOutputProperties) { p.AssetName = to.Ptr("a") }, 409, "Conflict"},
		"no archive window":     {"stopped", "n", func(p *ams.LiveOutputProperties) { p.ArchiveWindowLength = nil }, 400, "BadRequest"},
		"archive window short":  {"stopped", "n", func(p *ams.LiveOutputProperties) { p.ArchiveWindowLength = to.Ptr("PT59S") }, 400, "BadRequest"},
		"archive window long":   {"stopped", "n", func(p *ams.LiveOutputProperties) { p.ArchiveWindowLength = to.Ptr("PT25H1S") }, 400, "BadRequest"},
		"archive window, basic": {"basic", "n", func(p *ams.LiveOutputProperties) { p.ArchiveWindowLength = to.Ptr("PT8H1S") }, 400, "BadRequest"},
		"rewind window":         {"stopped", "n", func(p *ams.LiveOutputProperties) { p.RewindWindowLength = to.Ptr("PT59S") }, 400, "BadRequest"},
		"snap time":             {"stopped", "n", func(p *ams.LiveOutputProperties) { p.OutputSnapTime = to.Ptr[int64](-1) }, 400, "BadRequest"},
		"fragments":             {"stopped", "n", func(p *ams.LiveOutputProperties) { p.Hls = &ams.Hls{FragmentsPerTsSegment: to.Ptr[int32](0)} }, 400, "BadRequest"},
		"manifest name":         {"stopped", "n", func(p *ams.LiveOutputProperties) { p.ManifestName = to.Ptr("a/b") }, 400, "BadRequest"},
		"the 4th":               {"run", "n", func(*ams.LiveOutputProperties) {}, 409, "QuotaExceeded"},
		"the 2nd, basic":        {"basic", "n", func(*ams.LiveOutputProperties) {}, 409, "QuotaExceeded"},
	} {
		o := sdkOutput("free")
		c.change(o.Properties)
		_, err := s.outputs.BeginCreate(ctx, sdkGroup, sdkAccount, c.event, c.name, o, nil)
		r.want("output: "+what, err, c.status, c.code)
	}
	_, err := s.outputs.Get(ctx, sdkGroup, sdkAccount, "run", "none", nil)
	r.want("output: get absent", err, 404, "NotFound")
}

func sdkRefusedAssets(ctx context.Context, r refusals, s *sdk) {
	other := ams.Asset{Properties: &ams.AssetProperties{Container: to.Ptr("other-name")}}
	_, err := s.assets.CreateOrUpdate(ctx, sdkGroup, sdkAccount, "a", other, nil)
	r.want("asset: PUT of another container", err, 400, "BadRequest")
	_, err = s.assets.Update(ctx, sdkGroup, sdkAccount, "a", other, nil)
	r.want("asset: PATCH of another container", err, 400, "BadRequest")
	_, err = s.assets.CreateOrUpdate(ctx, sdkGroup, sdkAccount, "a.b", ams.Asset{}, nil)
	r.want("asset: name", err, 400, "InvalidResourceName")
	_, err = s.assets.CreateOrUpdate(ctx, sdkGroup, sdkAccount, "n", ams.Asset{Properties: &ams.AssetProperties{StorageAccountName: to.Ptr("elsewhere")}}, nil)
	r.want("asset: storage account", err, 400, "BadRequest")
	for what, name := range map[string]string{"recorded": "b", "recorded and published": "a"} {
		_, err = s.assets.Delete(ctx, sdkGroup, sdkAccount, name, nil)
		r.want("asset: delete while "+what, err, 409, "Conflict")
	}
	_, err = s.assets.GetEncryptionKey(ctx, sdkGroup, sdkAccount, "a", nil)
	r.want("asset: getEncryptionKey", err, 400, "BadRequest")
	for what, f := range map[string]*ams.MediaFilterProperties{
		"forceEndTimestamp alone": {PresentationTimeRange: &ams.PresentationTimeRange{ForceEndTimestamp: to.Ptr(true)}},
		"negative time":           {PresentationTimeRange: &ams.PresentationTimeRange{StartTimestamp: to.Ptr[int64](-1)}},
		"no bit rate":             {FirstQuality: &ams.FirstQuality{}},
		"property":                {Tracks: sdkCondition("Colour", "Equal")},
		"operation":               {Tracks: sdkCondition("Type", "Like")},
	} {
		_, err = s.filters.CreateOrUpdate(ctx, sdkGroup, sdkAccount, "f", ams.AccountFilter{Properties: f}, nil)
		r.want("account filter: "+what, err, 400, "BadRequest")
		_, err = s.ofAsset.CreateOrUpdate(ctx, sdkGroup, sdkAccount, "a", "f", ams.AssetFilter{Properties: f}, nil)
		r.want("asset filter: "+what, err, 400, "BadRequest")
	}
}

func sdkCondition(property, operation string) []*ams.FilterTrackSelection {
	return []*ams.FilterTrackSelection{{TrackSelections: []*ams.FilterTrackPropertyCondition{{
		Property: to.Ptr(ams.FilterTrackPropertyType(property)), Operation: to.Ptr(ams.FilterTrackPropertyCompareOperation(operation)), Value: to.Ptr("Audio")}}}}
}

func sdkRefusedPublishing(ctx context.Context, r refusals, s *sdk) {
	_, err := s.policies.Create(ctx, sdkGroup, sdkAccount, "p", sdkPolicy(), nil)
	r.want("policy: exists", err, 409, "Conflict")
	_, err = s.policies.Create(ctx, sdkGroup, sdkAccount, "Predefined_ClearKey", sdkPolicy(), nil)
	r.want("policy: built in", err, 409, "Conflict")
	few := sdkPolicy()
	few.Properties.NoEncryption.EnabledProtocols.SmoothStreaming = nil
	_, err = s.policies.Create(ctx, sdkGroup, sdkAccount, "q", few, nil)
	r.want("policy: three protocols", err, 400, "BadRequest")
	_, err = s.policies.Create(ctx, sdkGroup, sdkAccount, "q", ams.StreamingPolicy{Properties: &ams.StreamingPolicyProperties{CommonEncryptionCenc: &ams.CommonEncryptionCenc{}}}, nil)
	r.want("policy: encrypted", err, 400, "BadRequest")
	_, err = s.policies.Delete(ctx, sdkGroup, sdkAccount, "Predefined_DownloadOnly", nil)
	r.want("policy: delete of a built-in one", err, 400, "BadRequest")

	_, err = s.locators.Create(ctx, sdkGroup, sdkAccount, "l", sdkLocator("a"), nil)
	r.want("locator: exists", err, 409, "Conflict")
	for what, c := range map[string]struct {
		change func(*ams.StreamingLocatorProperties)
		status int
	}{
		"ID used":       {func(*ams.StreamingLocatorProperties) {}, 409},
		"ID":            {func(p *ams.StreamingLocatorProperties) { p.StreamingLocatorID = to.Ptr("x") }, 400},
		"no asset":      {func(p *ams.StreamingLocatorProperties) { p.AssetName = nil }, 400},
		"asset absent":  {func(p *ams.StreamingLocatorProperties) { p.AssetName = to.Ptr("none") }, 400},
		"no policy":     {func(p *ams.StreamingLocatorProperties) { p.StreamingPolicyName = nil }, 400},
		"policy absent": {func(p *ams.StreamingLocatorProperties) { p.StreamingPolicyName = to.Ptr("none") }, 400},
		"encrypted": {func(p *ams.StreamingLocatorProperties) {
			p.StreamingPolicyName = to.Ptr("Predefined_MultiDrmStreaming")
		}, 400},
		"key policy": {func(p *ams.StreamingLocatorProperties) { p.DefaultContentKeyPolicyName = to.Ptr("k") }, 400},
		"filter absent": {func(p *ams.StreamingLocatorProperties) {
			p.Filters, p.StreamingLocatorID = []*string{to.Ptr("none")}, nil
		}, 400},
		"end before start": {func(p *ams.StreamingLocatorProperties) {
			p.StartTime, p.EndTime = to.Ptr(time.Now()), to.Ptr(time.Now().Add(-time.Hour))
		}, 400},
	} {
		l := sdkLocator("free")
		c.change(l.Properties)
		_, err = s.locators.Create(ctx, sdkGroup, sdkAccount, "m", l, nil)
		r.want("locator: "+what, err, c.status, map[int]string{400: "BadRequest", 409: "Conflict"}[c.status])
	}

	_, err = s.endpoints.BeginStart(ctx, sdkGroup, sdkAccount, "default", nil)
	r.want("endpoint: start while Running", err, 409, "Conflict")
	_, err = s.endpoints.BeginDelete(ctx, sdkGroup, sdkAccount, "default", nil)
	r.want("endpoint: delete while Running", err, 409, "Conflict")
	_, err = s.endpoints.BeginScale(ctx, sdkGroup, sdkAccount, "default", ams.StreamingEntityScaleUnit{ScaleUnit: to.Ptr[int32](51)}, nil)
	r.want("endpoint: scale", err, 400, "BadRequest")
	for what, c := range map[string]struct {
		name   string
		change func(*ams.StreamingEndpoint)
		code   string
	}{
		"name":           {strings.Repeat("n", 25), func(*ams.StreamingEndpoint) {}, "InvalidResourceName"},
		"no location":    {"n", func(e *ams.StreamingEndpoint) { e.Location = nil }, "LocationRequired"},
		"no scale units": {"n", func(e *ams.StreamingEndpoint) { e.Properties.ScaleUnits = nil }, "BadRequest"},
		"CDN":            {"n", func(e *ams.StreamingEndpoint) { e.Properties.CdnEnabled = to.Ptr(true) }, "BadRequest"},
		"host name":      {"n", func(e *ams.StreamingEndpoint) { e.Properties.CustomHostNames = []*string{to.Ptr("a b")} }, "BadRequest"},
		"cache age":      {"n", func(e *ams.StreamingEndpoint) { e.Properties.MaxCacheAge = to.Ptr[int64](-1) }, "BadRequest"},
	} {
		e := sdkEndpoint()
		c.change(&e)
		_, err = s.endpoints.BeginCreate(ctx, sdkGroup, sdkAccount, c.name, e, nil)
		r.want("endpoint: "+what, err, 400, c.code)
	}
}

func sdkEndpoint() ams.StreamingEndpoint {
	return ams.StreamingEndpoint{Location: to.Ptr("local"), Properties: &ams.StreamingEndpointProperties{ScaleUnits: to.Ptr[int32](0)}}
}

// sdkLimits reaches the limits of an account; and a deleted locator's name and ID can be used again.
func sdkLimits(t *testing.T, s *sdk) {
	ctx, r := t.Context(), refusals{t}
	for i := range 3 {
		_, err := s.events.BeginCreate(ctx, sdkGroup, sdkAccount, fmt.Sprint("more", i), sdkEvent(), nil)
		if i < 2 {
			check(t, err)
			continue
		}
		r.want("the 6th live event", err, 409, "QuotaExceeded")
	}
	poll[ams.StreamingEndpointsClientCreateResponse](t)(s.endpoints.BeginCreate(ctx, sdkGroup, sdkAccount, "e2", sdkEndpoint(), nil))
	_, err := s.endpoints.BeginCreate(ctx, sdkGroup, sdkAccount, "e3", sdkEndpoint(), nil)
	r.want("the 3rd endpoint", err, 409, "QuotaExceeded")
	_, err = s.endpoints.BeginStop(ctx, sdkGroup, sdkAccount, "e2", nil)
	r.want("endpoint: stop while Stopped", err, 409, "Conflict")
	for range 2 {
		_, err = s.locators.Delete(ctx, sdkGroup, sdkAccount, "l", nil)
		check(t, err)
		_, err = s.locators.Create(ctx, sdkGroup, sdkAccount, "l", sdkLocator("a"), nil)
		check(t, err)
	}
	for i := range 101 {
		l := sdkLocator("free")
		l.Properties.StreamingLocatorID = nil
		_, err = s.locators.Create(ctx, sdkGroup, sdkAccount, fmt.Sprint("many", i), l, nil)
		if i < 100 {
			check(t, err)
			continue
		}
		r.want("the 101st locator of an asset", err, 409, "QuotaExceeded")
	}
}

// sdkStates tries every verb in every state of a live event: what is not legal there is refused with 409, and the state
// stays (ams-v3 §2.1, ams-wire §6.5).
func sdkStates(t *testing.T, p *plane, s *sdk) {
	ctx := t.Context()
	begin := map[string]func(name string) error{
		"create": func(name string) error {
			_, err := s.events.BeginCreate(ctx, sdkGroup, sdkAccount, name, sdkEvent(), nil)
			return err
		},
		"update": func(name string) error {
			_, err := s.events.BeginUpdate(ctx, sdkGroup, sdkAccount, name, sdkEvent(), nil)
			return err
		},
		"allocate": func(name string) error {
			_, err := s.events.BeginAllocate(ctx, sdkGroup, sdkAccount, name, nil)
			return err
		},
		"start": func(name string) error {
			_, err := s.events.BeginStart(ctx, sdkGroup, sdkAccount, name, nil)
			return err
		},
		"stop": func(name string) error {
			_, err := s.events.BeginStop(ctx, sdkGroup, sdkAccount, name, ams.LiveEventActionInput{}, nil)
			return err
		},
		"reset": func(name string) error {
			_, err := s.events.BeginReset(ctx, sdkGroup, sdkAccount, name, nil)
			return err
		},
		"delete": func(name string) error {
			_, err := s.events.BeginDelete(ctx, sdkGroup, sdkAccount, name, nil)
			return err
		},
	}
	state := func(name string) string {
		e, err := s.events.Get(ctx, sdkGroup, sdkAccount, name, nil)
		if err != nil {
			return ""
		}
		return string(*e.Properties.ResourceState)
	}
	gone, cancel := context.WithCancel(ctx)
	cancel() // waits for no loop
	held := 0
	for _, c := range []struct {
		state string
		steps []string // from a stopped event; the last is held up when the state is one on the way
		held  bool
		legal string
	}{
		{"Stopped", nil, false, "update allocate start delete"},
		{"StandBy", []string{"allocate"}, false, "update start stop"},
		{"Running", []string{"start"}, false, "update stop reset"},
		{"Allocating", []string{"allocate"}, true, ""},
		{"Starting", []string{"start"}, true, ""},
		{"Stopping", []string{"start", "stop"}, true, ""},
		{"Deleting", []string{"delete"}, true, ""},
	} {
		for verb, do := range begin {
			name := "states"
			poll[ams.LiveEventsClientCreateResponse](t)(s.events.BeginCreate(ctx, sdkGroup, sdkAccount, name, sdkEvent(), nil))
			release := func() {}
			for i, step := range c.steps {
				if c.held && i == len(c.steps)-1 {
					release = p.runtime.hold()
					// Allocating alone gives the runtime nothing to do; this holds the loop up too.
					_, _, err := p.svc.PutAsset(gone, fmt.Sprint("held ", held), &api.Asset{}, api.WriteOptions{})
					check(t, err)
					held++
				}
				check(t, begin[step](name))
				if !c.held || i < len(c.steps)-1 {
					p.rest(t, name)
				}
			}
			if got := state(name); got != c.state {
				t.Fatalf("the event is %s and should be %s", got, c.state)
			}
			err := do(name)
			if strings.Contains(c.legal, verb) {
				if err != nil {
					t.Errorf("%s while %s: %v", verb, c.state, err)
				}
			} else {
				refusals{t}.want(verb+" while "+c.state, err, 409, "Conflict")
				if got := state(name); got != c.state {
					t.Errorf("a refused %s brought the event from %s to %s", verb, c.state, got)
				}
			}
			release()
			p.rest(t, name)
			if now := state(name); now == "Running" || now == "StandBy" {
				poll[ams.LiveEventsClientStopResponse](t)(s.events.BeginStop(ctx, sdkGroup, sdkAccount, name, ams.LiveEventActionInput{}, nil))
			}
			poll[ams.LiveEventsClientDeleteResponse](t)(s.events.BeginDelete(ctx, sdkGroup, sdkAccount, name, nil))
		}
	}
}

// rest waits until an event is in no state on the way.
func (p *plane) rest(t *testing.T, name string) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); <-time.After(time.Millisecond) {
		a := p.raw(t, "GET", "~/liveEvents/"+name, "")
		switch a.property("properties.resourceState") {
		case nil, "Stopped", "StandBy", "Running":
			return
		}
	}
	t.Fatal("the event does not come to rest")
}
