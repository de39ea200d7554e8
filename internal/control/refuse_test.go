package control_test

import (
	"fmt"
	"strings"
	"testing"

	"headwater.stream/api"
	"headwater.stream/internal/control"
	"headwater.stream/internal/state/memstate"
)

// TestRefusals is ams-wire §7.1 with the limits of AMS: all with 4xx and envelope, and nothing has changed after.
func TestRefusals(t *testing.T) {
	p := start(t, memstate.New(), control.AMSQuotas())
	ctx := t.Context()
	must[*api.LiveEvent](t)(p.CreateLiveEvent(ctx, "run", rtmp(), api.WriteOptions{AutoStart: true}))
	must[*api.LiveEvent](t)(p.CreateLiveEvent(ctx, "stopped", rtmp(), api.WriteOptions{}))
	basic := rtmp()
	basic.Properties.Encoding = &api.LiveEventEncoding{EncodingType: "passthroughbasic"}
	must[*api.LiveEvent](t)(p.CreateLiveEvent(ctx, "basic", basic, api.WriteOptions{}))
	for _, a := range []string{"a", "b", "c", "d", "free"} {
		must[*api.Asset](t)(p.PutAsset(ctx, a, &api.Asset{}))
	}
	for i, a := range []string{"a", "b", "c"} {
		must[*api.LiveOutput](t)(p.CreateLiveOutput(ctx, "run", fmt.Sprintf("o%d", i), outputOn(a)))
	}
	must[*api.LiveOutput](t)(p.CreateLiveOutput(ctx, "basic", "o", outputOn("d")))
	const id = "5a3b1f0e-0000-4000-8000-0123456789ab"
	locator := fmt.Sprintf(`{"properties":{"assetName":"a","streamingPolicyName":"Predefined_ClearStreamingOnly","streamingLocatorId":"%s"}}`, id)
	policy := `{"properties":{"noEncryption":{"enabledProtocols":{"dash":false,"download":false,"hls":true,"smoothStreaming":false}}}}`
	for path, body := range map[string]string{"~/streamingLocators/l": locator, "~/streamingPolicies/p": policy} {
		if a := p.raw(t, "PUT", path, body); a.status != 201 {
			t.Fatalf("PUT %s: %d %s", path, a.status, a.raw)
		}
	}
	before := p.everything(t)
	event := func(properties string) string { return `{"location":"local","properties":{` + properties + `}}` }
	input := func(more string) string { return event(`"input":{"streamingProtocol":"RTMP"` + more + `}`) }
	output := func(more string) string { return `{"properties":{"assetName":"free"` + more + `}}` }
	for _, c := range []struct {
		method, path, body string
		status             int
	}{
		{"PUT", "~/liveEvents/n", `{"properties":{"input":{"streamingProtocol":"RTMP"}}}`, 400},
		{"PUT", "~/liveEvents/n", event(``), 400}, {"PUT", "~/liveEvents/n", event(`"input":{}`), 400},
		{"PUT", "~/liveEvents/n", event(`"input":{"streamingProtocol":"SRT"}`), 400}, {"PUT", "~/liveEvents/n", event(`"input":{"streamingProtocol":"FragmentedMP4"}`), 400},
		{"PUT", "~/liveEvents/n", event(`"input":{"streamingProtocol":7}`), 400}, {"PUT", "~/liveEvents/n", event(`"input":[]`), 400},
		{"PUT", "~/liveEvents/n", input(`,"accessToken":"secret"`), 400}, {"PUT", "~/liveEvents/n", input(`},"preview":{"previewLocator":"x"`), 400},
		{"PUT", "~/liveEvents/n", input(`},"preview":{"previewLocator":"` + id + `"`), 409},
		{"PUT", "~/liveEvents/n", input(`,"keyFrameIntervalDuration":"2s"`), 400}, {"PUT", "~/liveEvents/n", input(`,"keyFrameIntervalDuration":"PT0S"`), 400},
		{"PUT", "~/liveEvents/n", input(`,"accessControl":{"ip":{"allow":[{"address":"example.com"}]}}`), 400},
		{"PUT", "~/liveEvents/n", input(`,"accessControl":{"ip":{"allow":[{"address":"10.0.0.1","subnetPrefixLength":33}]}}`), 400},
		{"PUT", "~/liveEvents/n", input(`,"accessControl":{"ip":{"allow":[{"address":"::1","subnetPrefixLength":129}]}}`), 400},
		{"PUT", "~/liveEvents/n", input(`,"accessControl":{"ip":{"allow":[{"address":"::1","subnetPrefixLength":"1"}]}}`), 400},
		{"PUT", "~/liveEvents/n", input(`},"preview":{"accessControl":{"ip":{"allow":[{"address":"1.2.3"}]}}`), 400},
		{"PUT", "~/liveEvents/n", input(`},"streamOptions":["Fast"],"x":{`), 400}, {"PUT", "~/liveEvents/n", input(`},"encoding":{"encodingType":"Standard"`), 400},
		{"PUT", "~/liveEvents/n", input(`},"encoding":{"encodingType":"premium1080p"`), 400}, {"PUT", "~/liveEvents/n", input(`},"encoding":{"presetName":"Default720p"`), 400},
		{"PUT", "~/liveEvents/n", input(`},"transcriptions":[{"language":"en-US"}],"x":{`), 400}, {"PUT", "~/liveEvents/n?autoStart=perhaps", input(``), 400},
		{"PUT", "~/liveEvents/n", input(`},"preview":{"streamingPolicyName":"Predefined_ClearKey"`), 400},
		{"PUT", "~/liveEvents/RUN", input(``), 409},
		{"PATCH", "~/liveEvents/stopped", input(`},"encoding":{"encodingType":"PassthroughBasic"`), 400},
		{"PATCH", "~/liveEvents/stopped", input(`},"preview":{"previewLocator":"` + id + `"`), 400}, {"PATCH", "~/liveEvents/stopped", input(`,"accessToken":"` + id + `"`), 400},
		{"PATCH", "~/liveEvents/stopped", event(`"streamOptions":["LowLatency"]`), 400}, {"PATCH", "~/liveEvents/stopped", event(`"input":null`), 400},
		{"PATCH", "~/liveEvents/run", event(`"hostnamePrefix":"other"`), 400}, {"PATCH", "~/liveEvents/run", `{`, 400},
		{"POST", "~/liveEvents/run/start", "", 409}, {"POST", "~/liveEvents/run/allocate", "", 409}, {"POST", "~/liveEvents/stopped/reset", "", 409},
		{"POST", "~/liveEvents/stopped/stop", "", 409}, {"POST", "~/liveEvents/run/stop", `{"removeOutputsOnStop":false}`, 409}, {"POST", "~/liveEvents/run/stop", `{"removeOutputsOnStop":"yes"}`, 400},
		{"DELETE", "~/liveEvents/run", "", 409}, {"DELETE", "~/liveEvents/basic", "", 409},
		{"PUT", "~/liveEvents/run/liveOutputs/o0", output(`,"archiveWindowLength":"PT1H"`), 409}, {"PUT", "~/liveEvents/stopped/liveOutputs/n", `{"properties":{"archiveWindowLength":"PT1H"}}`, 400},
		{"PUT", "~/liveEvents/stopped/liveOutputs/n", `{"properties":{"archiveWindowLength":"PT1H","assetName":"none"}}`, 400},
		{"PUT", "~/liveEvents/stopped/liveOutputs/n", `{"properties":{"archiveWindowLength":"PT1H","assetName":"a"}}`, 409},
		{"PUT", "~/liveEvents/stopped/liveOutputs/n", output(``), 400}, {"PUT", "~/liveEvents/stopped/liveOutputs/n", output(`,"archiveWindowLength":"PT59S"`), 400},
		{"PUT", "~/liveEvents/stopped/liveOutputs/n", output(`,"archiveWindowLength":"PT25H1S"`), 400}, {"PUT", "~/liveEvents/stopped/liveOutputs/n", output(`,"archiveWindowLength":3600`), 400},
		{"PUT", "~/liveEvents/stopped/liveOutputs/n", output(`,"archiveWindowLength":"PT1H","rewindWindowLength":"PT59S"`), 400},
		{"PUT", "~/liveEvents/stopped/liveOutputs/n", output(`,"archiveWindowLength":"PT1H","manifestName":"a/b"`), 400},
		{"PUT", "~/liveEvents/run/liveOutputs/o3", output(`,"archiveWindowLength":"PT1H"`), 409}, {"PUT", "~/liveEvents/basic/liveOutputs/o1", output(`,"archiveWindowLength":"PT1H"`), 409},
		{"PUT", "~/liveEvents/basic/liveOutputs/o1", output(`,"archiveWindowLength":"PT9H"`), 400},
		{"PUT", "~/assets/a", `{"properties":{"container":"other-name"}}`, 400}, {"PATCH", "~/assets/a", `{"properties":{"container":"other-name"}}`, 400},
		{"PUT", "~/assets/n", `{"properties":{"container":"../../etc"}}`, 400}, {"PUT", "~/assets/n", `{"properties":{"container":"UPPER"}}`, 400}, {"PUT", "~/assets/n", `{"properties":{"container":"ab"}}`, 400},
		{"PUT", "~/assets/n", `{"properties":{"description":7}}`, 400}, {"PUT", "~/assets/n", `{"properties":{"storageAccountName":"elsewhere"}}`, 400},
		{"DELETE", "~/assets/b", "", 409}, {"DELETE", "~/assets/a", "", 409}, {"POST", "~/assets/a/listContainerSas", `{"permissions":"Read"}`, 400}, {"POST", "~/assets/a/getEncryptionKey", "", 400},
		{"PUT", "~/accountFilters/f", `{"properties":{"presentationTimeRange":{"forceEndTimestamp":true}}}`, 400},
		{"PUT", "~/accountFilters/f", `{"properties":{"tracks":[{"trackSelections":[{"property":"Colour","operation":"Equal","value":"x"}]}]}}`, 400},
		{"PUT", "~/accountFilters/f", `{"properties":{"presentationTimeRange":{"startTimestamp":"1"}}}`, 400}, {"PUT", "~/accountFilters/f", `{"properties":{"presentationTimeRange":{"startTimestamp":1.5}}}`, 400},
		{"PUT", "~/assets/a/assetFilters/f", `{"properties":{"firstQuality":{}}}`, 400},
		{"PUT", "~/streamingPolicies/p", policy, 409}, {"PUT", "~/streamingPolicies/Predefined_ClearKey", policy, 409}, {"DELETE", "~/streamingPolicies/Predefined_DownloadOnly", "", 400},
		{"PUT", "~/streamingPolicies/q", `{"properties":{"noEncryption":{"enabledProtocols":{"dash":false,"hls":true}}}}`, 400}, {"PUT", "~/streamingPolicies/q", `{}`, 400},
		{"PUT", "~/streamingPolicies/q", `{"properties":{"commonEncryptionCenc":{}}}`, 400},
		{"PUT", "~/streamingLocators/l", locator, 409}, {"PUT", "~/streamingLocators/m", locator, 409},
		{"PUT", "~/streamingLocators/m", `{"properties":{"streamingPolicyName":"p"}}`, 400}, {"PUT", "~/streamingLocators/m", `{"properties":{"assetName":"a"}}`, 400},
		{"PUT", "~/streamingLocators/m", `{"properties":{"assetName":"none","streamingPolicyName":"p"}}`, 400}, {"PUT", "~/streamingLocators/m", `{"properties":{"assetName":"a","streamingPolicyName":"none"}}`, 400},
		{"PUT", "~/streamingLocators/m", `{"properties":{"assetName":"a","streamingPolicyName":"Predefined_MultiDrmStreaming"}}`, 400},
		{"PUT", "~/streamingLocators/m", `{"properties":{"assetName":"a","streamingPolicyName":"p","streamingLocatorId":"x"}}`, 400},
		{"PUT", "~/streamingLocators/m", `{"properties":{"assetName":"a","streamingPolicyName":"p","startTime":"2026-01-02T00:00:00Z","endTime":"2026-01-01T00:00:00Z"}}`, 400},
		{"PUT", "~/streamingLocators/m", `{"properties":{"assetName":"a","streamingPolicyName":"p","endTime":"soon"}}`, 400},
		{"PUT", "~/streamingLocators/m", `{"properties":{"assetName":"a","streamingPolicyName":"p","filters":["none"]}}`, 400},
		{"POST", "~/streamingEndpoints/default/start", "", 409}, {"DELETE", "~/streamingEndpoints/default", "", 409}, {"POST", "~/streamingEndpoints/default/scale", `{}`, 400},
		{"PUT", "~/streamingEndpoints/n", `{"location":"local","properties":{}}`, 400}, {"PUT", "~/streamingEndpoints/n", `{"properties":{"scaleUnits":0}}`, 400},
		{"PUT", "~/streamingEndpoints/n", `{"location":"local","properties":{"scaleUnits":"0"}}`, 400}, {"PUT", "~/streamingEndpoints/n", `{"location":"local","properties":{"scaleUnits":0,"cdnEnabled":true}}`, 400},
		{"PUT", "~/streamingEndpoints/" + strings.Repeat("n", 25), `{"location":"local","properties":{"scaleUnits":0}}`, 400},
	} {
		if a := p.raw(t, c.method, c.path, c.body); a.status != c.status {
			t.Errorf("%s %s %s: %d %s, want %d", c.method, c.path, c.body, a.status, a.raw, c.status)
		}
	}
	if after := p.everything(t); after != before {
		t.Errorf("a refused request changed something:\n%s\n%s", before, after)
	}
}

// everything lists all resources, as one text.
func (p *plane) everything(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	for _, path := range []string{"liveEvents", "liveEvents/run/liveOutputs", "liveEvents/basic/liveOutputs", "streamingEndpoints", "assets", "accountFilters", "streamingLocators", "streamingPolicies"} {
		b.WriteString(p.raw(t, "GET", "~/"+path, "").raw + "\n")
	}
	return b.String()
}

// TestLimits: what is one too many is refused with the limit, and 409.
func TestLimits(t *testing.T) {
	quotas := must[control.Quotas](t)(control.QuotasNamed("ams"))
	p := start(t, memstate.New(), quotas)
	ctx := t.Context()
	for i := range 6 {
		_, err := p.CreateLiveEvent(ctx, fmt.Sprint("e", i), rtmp(), api.WriteOptions{})
		if i < 5 {
			check(t, err)
		} else {
			wantError(t, err, 409, api.CodeQuotaExceeded)
		}
	}
	endpoint := `{"location":"local","properties":{"scaleUnits":0}}`
	for i, want := range []int{201, 409} {
		if a := p.raw(t, "PUT", fmt.Sprint("~/streamingEndpoints/n", i), endpoint); a.status != want {
			t.Errorf("endpoint %d: %d %s", i+2, a.status, a.raw)
		}
	}
	must[*api.Asset](t)(p.PutAsset(ctx, "a", &api.Asset{}))
	for i := range 101 {
		l := &api.StreamingLocator{Properties: api.StreamingLocatorProperties{AssetName: "a", StreamingPolicyName: "Predefined_ClearStreamingOnly"}}
		_, err := p.CreateStreamingLocator(ctx, fmt.Sprint("l", i), l)
		if i < 100 {
			check(t, err)
		} else {
			wantError(t, err, 409, api.CodeQuotaExceeded)
		}
	}
}

// TestReadModifyWrite: what a GET answered can be sent back whole, with one thing changed.
func TestReadModifyWrite(t *testing.T) {
	p := startMem(t)
	ctx := t.Context()
	body := `{"location":"local","tags":{"k":"v","x":"y"},"properties":{"useStaticHostname":true,"input":{"streamingProtocol":"rtmp","accessToken":"7ad61ceb-dc1c-4cf0-a345-6d20987c4b7a",
		"accessControl":{"ip":{"allow":[{"name":"AllowAll","address":"0.0.0.0","subnetPrefixLength":0},{"name":"one","address":"127.0.0.1"}]}}},"crossSiteAccessPolicies":{"clientAccessPolicy":"<a/>"}}}`
	p.follow(t, p.raw(t, "PUT", "~/liveEvents/e?autoStart=true", body))
	got := p.raw(t, "GET", "~/liveEvents/e", "")
	if !strings.Contains(got.raw, `{"name":"AllowAll","address":"0.0.0.0","subnetPrefixLength":0},{"name":"one","address":"127.0.0.1"}`) {
		t.Errorf("the allow list became %s", got.raw)
	}
	changed := strings.Replace(got.raw, `"properties":{`, `"properties":{"description":"déjà \u003cvu\u003e",`, 1)
	changed = strings.Replace(changed, "7ad61cebdc1c4cf0a3456d20987c4b7a", "7AD61CEB-DC1C-4CF0-A345-6D20987C4B7A", 1)
	a := p.raw(t, "PATCH", "~/liveEvents/e", changed)
	if a.status != 200 || a.property("properties.description") != "déjà <vu>" || a.property("properties.input.accessToken") != "7ad61cebdc1c4cf0a3456d20987c4b7a" {
		t.Errorf("PATCH: %d %s", a.status, a.raw)
	}
	a = p.raw(t, "PATCH", "~/liveEvents/e", `{"tags":{"n":"m"},"properties":{"description":null,"input":{"accessControl":null}}}`)
	if a.status != 200 || a.property("properties.description") != nil || a.property("tags.k") != nil || a.property("tags.n") != "m" || a.property("properties.input.accessControl") != nil ||
		a.property("properties.crossSiteAccessPolicies.clientAccessPolicy") != "<a/>" {
		t.Errorf("PATCH with null: %d %s", a.status, a.raw)
	}
	a = p.raw(t, "PATCH", "~/liveEvents/e", `{"properties":{"input":{"accessControl":{"ip":{"allow":[]}}}}}`)
	if !strings.Contains(a.raw, `"allow":[]`) {
		t.Errorf("an explicit empty list became %s", a.raw)
	}
	must[*api.Asset](t)(p.PutAsset(ctx, "a", &api.Asset{}))
	asset := p.raw(t, "GET", "~/assets/a", "")
	if a := p.raw(t, "PUT", "~/assets/a", asset.raw); a.status != 200 || a.property("properties.assetId") != asset.property("properties.assetId") {
		t.Errorf("PUT of what was read: %d %s", a.status, a.raw)
	}
	endpoint := p.raw(t, "GET", "~/streamingEndpoints/default", "")
	if a := p.raw(t, "PATCH", "~/streamingEndpoints/default", endpoint.raw); a.status != 200 {
		t.Errorf("PATCH of what was read: %d %s", a.status, a.raw)
	}
}

// TestScalars: integers are exact and clamped, dates have their instant, durations their text.
func TestScalars(t *testing.T) {
	p := startMem(t)
	a := p.raw(t, "PUT", "~/accountFilters/f", `{"properties":{"presentationTimeRange":{"startTimestamp":1234567890123456789,"presentationWindowDuration":9223372036854776000,"timescale":1e7}}}`)
	if a.status != 201 || !strings.Contains(a.raw, `"startTimestamp":1234567890123456789`) || !strings.Contains(a.raw, `"presentationWindowDuration":9223372036854775807`) || !strings.Contains(a.raw, `"timescale":10000000`) {
		t.Errorf("%d %s", a.status, a.raw)
	}
	p.raw(t, "PUT", "~/assets/a", "{}")
	a = p.raw(t, "PUT", "~/streamingLocators/l", `{"properties":{"assetName":"a","streamingPolicyName":"Predefined_ClearStreamingOnly","startTime":"2026-01-02T03:04:05.1234567+02:00","endTime":"2026-01-04T03:04:05"}}`)
	if a.property("properties.startTime") != "2026-01-02T01:04:05.1234567Z" || a.property("properties.endTime") != "2026-01-04T03:04:05Z" {
		t.Errorf("%s", a.raw)
	}
	a = p.raw(t, "PUT", "~/streamingLocators/m", `{"properties":{"assetName":"a","streamingPolicyName":"Predefined_ClearStreamingOnly","endTime":"9999-12-31T23:59:59.9999999Z"}}`)
	if a.property("properties.endTime") != "9999-12-31T23:59:59.9999999Z" || a.property("properties.startTime") != nil {
		t.Errorf("%s", a.raw)
	}
}

// TestETag: a change on a condition that no longer holds is refused.
func TestETag(t *testing.T) {
	p := startMem(t)
	a := p.raw(t, "PUT", "~/assets/a", "{}")
	tag := a.header.Get("ETag")
	if tag == "" {
		t.Fatal("no ETag")
	}
	if a := p.raw(t, "PATCH", "~/assets/a", `{"properties":{"description":"1"}}`, "If-Match", tag); a.status != 200 || a.header.Get("ETag") == tag {
		t.Errorf("%d %s", a.status, a.raw)
	}
	for _, c := range [][]string{{"PATCH", "~/assets/a", "If-Match", tag}, {"PUT", "~/assets/a", "If-Match", tag}, {"DELETE", "~/assets/a", "If-Match", tag},
		{"PUT", "~/assets/a", "If-None-Match", "*"}, {"PUT", "~/assets/new", "If-Match", "*"}} {
		if a := p.raw(t, c[0], c[1], "{}", c[2], c[3]); a.status != 412 || a.code() != "PreconditionFailed" {
			t.Errorf("%v: %d %s", c, a.status, a.raw)
		}
	}
}
