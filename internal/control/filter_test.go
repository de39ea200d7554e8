package control_test

import (
	"fmt"
	"testing"
)

// TestImpossibleFilters: what could never be played is refused when a filter is made or changed, with the property that is
// wrong, and leaves the filter as it was.
func TestImpossibleFilters(t *testing.T) {
	p := startMem(t)
	p.raw(t, "PUT", "~/assets/a", "{}")
	const timeRange, selection = "properties.presentationTimeRange.", "properties.tracks.trackSelections."
	track := func(property, operation, value string) string {
		return fmt.Sprintf(`"tracks":[{"trackSelections":[{"property":%q,"operation":%q,"value":%q}]}]`, property, operation, value)
	}
	second := func(n int) string { return fmt.Sprint(n * 10_000_000) }
	for _, path := range []string{"~/accountFilters/f", "~/assets/a/assetFilters/f"} {
		before := p.raw(t, "PUT", path, `{"properties":{"firstQuality":{"bitrate":128000}}}`)
		if before.status != 201 {
			t.Fatalf("%d %s", before.status, before.raw)
		}
		for _, c := range []struct{ properties, target string }{
			{`"presentationTimeRange":{"startTimestamp":-1}`, timeRange + "startTimestamp"},
			{`"presentationTimeRange":{"endTimestamp":-1}`, timeRange + "endTimestamp"},
			{`"presentationTimeRange":{"endTimestamp":0}`, timeRange + "endTimestamp"},
			{`"presentationTimeRange":{"startTimestamp":20,"endTimestamp":20,"timescale":1}`, timeRange + "endTimestamp"},
			{`"presentationTimeRange":{"startTimestamp":20,"endTimestamp":10}`, timeRange + "endTimestamp"},
			{`"presentationTimeRange":{"startTimestamp":9000000000000000001,"endTimestamp":9000000000000000000}`, timeRange + "endTimestamp"},
			{`"presentationTimeRange":{"forceEndTimestamp":true}`, timeRange + "endTimestamp"},
			{`"presentationTimeRange":{"timescale":0}`, timeRange + "timescale"},
			{`"presentationTimeRange":{"presentationWindowDuration":-1}`, timeRange + "presentationWindowDuration"},
			{`"presentationTimeRange":{"presentationWindowDuration":` + second(59) + `}`, timeRange + "presentationWindowDuration"},
			{`"presentationTimeRange":{"presentationWindowDuration":59,"timescale":1}`, timeRange + "presentationWindowDuration"},
			{`"presentationTimeRange":{"presentationWindowDuration":1}`, timeRange + "presentationWindowDuration"},
			{`"presentationTimeRange":{"liveBackoffDuration":-1}`, timeRange + "liveBackoffDuration"},
			{`"presentationTimeRange":{"liveBackoffDuration":` + second(301) + `}`, timeRange + "liveBackoffDuration"},
			{`"presentationTimeRange":{"liveBackoffDuration":` + second(60) + `,"presentationWindowDuration":` + second(60) + `}`, timeRange + "liveBackoffDuration"},
			{`"firstQuality":{"bitrate":null}`, "properties.firstQuality.bitrate"},
			{`"firstQuality":{"bitrate":0}`, "properties.firstQuality.bitrate"},
			{`"firstQuality":{"bitrate":-5}`, "properties.firstQuality.bitrate"},
			{track("Unknown", "Equal", "x"), selection + "property"},
			{track("Colour", "Equal", "x"), selection + "property"},
			{track("", "Equal", "x"), selection + "property"},
			{track("Type", "Like", "Video"), selection + "operation"},
			{track("Type", "Equal", "Smell"), selection + "value"},
			{track("Bitrate", "Equal", "fast"), selection + "value"},
			{track("Bitrate", "NotEqual", "200-100"), selection + "value"},
			{track("Bitrate", "Equal", ""), selection + "value"},
		} {
			body := `{"properties":{` + c.properties + `}}`
			for _, verb := range []string{"PUT", "PATCH"} {
				if a := p.raw(t, verb, path, body); a.status != 400 || a.code() != "BadRequest" || a.property("error.target") != c.target || a.property("error.message") == nil {
					t.Errorf("%s %s %s: %d %s, want target %s", verb, path, body, a.status, a.raw, c.target)
				}
			}
			if a := p.raw(t, "PUT", path+"new", body); a.status != 400 {
				t.Errorf("PUT of a new one %s: %d %s", body, a.status, a.raw)
			}
		}
		if a := p.raw(t, "GET", path, ""); a.raw != before.raw {
			t.Errorf("%s is now %s, was %s", path, a.raw, before.raw)
		}
		// Two PATCHes that are each possible may not be together.
		for _, c := range []struct {
			body   string
			status int
		}{
			{`{"properties":{"presentationTimeRange":{"startTimestamp":` + second(30) + `}}}`, 200},
			{`{"properties":{"presentationTimeRange":{"endTimestamp":` + second(20) + `}}}`, 400},
			{`{"properties":{"presentationTimeRange":{"endTimestamp":` + second(40) + `,"forceEndTimestamp":true}}}`, 200},
			{`{"properties":{"presentationTimeRange":{"endTimestamp":null}}}`, 400},
			{`{"properties":{"presentationTimeRange":{"liveBackoffDuration":` + second(60) + `}}}`, 200},
			{`{"properties":{"presentationTimeRange":{"presentationWindowDuration":` + second(60) + `}}}`, 400},
			{`{"properties":{"presentationTimeRange":{"presentationWindowDuration":` + second(61) + `}}}`, 200},
			{`{"properties":{"presentationTimeRange":{"presentationWindowDuration":9223372036854776000}}}`, 200}, // how SDKs say "none"
			{`{"properties":{` + track("type", "notequal", "text") + `}}`, 200},
			{`{"properties":{` + track("Bitrate", "Equal", "0-1000000") + `}}`, 200},
		} {
			if a := p.raw(t, "PATCH", path, c.body); a.status != c.status {
				t.Errorf("PATCH %s %s: %d %s, want %d", path, c.body, a.status, a.raw, c.status)
			}
		}
	}
}

// TestEndpointProperties: what has no effect here is kept as it was given, and a host name belongs to one endpoint.
func TestEndpointProperties(t *testing.T) {
	p := startMem(t)
	body := `{"location":"local","properties":{"scaleUnits":0,"customHostNames":["Live.example","b.example"],"maxCacheAge":20,
		"crossSiteAccessPolicies":{"clientAccessPolicy":"<access-policy/>","crossDomainPolicy":"<cross-domain-policy/>"}}}`
	p.follow(t, p.raw(t, "PUT", "~/streamingEndpoints/one?autoStart=true", body))
	a := p.raw(t, "GET", "~/streamingEndpoints/one", "")
	for name, want := range map[string]any{"properties.crossSiteAccessPolicies.clientAccessPolicy": "<access-policy/>", "properties.crossSiteAccessPolicies.crossDomainPolicy": "<cross-domain-policy/>",
		"properties.maxCacheAge": "20"} {
		if got := fmt.Sprint(a.property(name)); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	if names, _ := a.property("properties.customHostNames").([]any); len(names) != 2 || names[0] != "Live.example" {
		t.Errorf("customHostNames are %v", names)
	}
	if d := p.runtime.desired(); d.MaxCacheAge.Seconds() != 20 {
		t.Errorf("the runtime is told %v", d.MaxCacheAge)
	}
	taken := `{"location":"local","properties":{"scaleUnits":0,"customHostNames":["LIVE.example"]}}`
	if a := p.raw(t, "PUT", "~/streamingEndpoints/two", taken); a.status != 409 || a.code() != "Conflict" {
		t.Errorf("a host name of another endpoint: %d %s", a.status, a.raw)
	}
	if a := p.raw(t, "PATCH", "~/streamingEndpoints/default", taken); a.status != 409 {
		t.Errorf("PATCH with a host name of another endpoint: %d %s", a.status, a.raw)
	}
	if a := p.raw(t, "PATCH", "~/streamingEndpoints/one", taken); a.status != 200 {
		t.Errorf("PATCH with one's own host name: %d %s", a.status, a.raw)
	}
	if a := p.raw(t, "PATCH", "~/streamingEndpoints/one", `{"properties":{"customHostNames":["a/b"]}}`); a.status != 400 {
		t.Errorf("no host name: %d %s", a.status, a.raw)
	}
}
