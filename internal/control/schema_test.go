package control_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// schema is the OpenAPI document, as far as answers go.
type schema struct {
	paths   map[string]map[string]any
	schemas map[string]any
}

func loadSchema(t *testing.T) *schema {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "api", "openapi.json"))
	check(t, err)
	var doc struct {
		Paths      map[string]map[string]any
		Components struct{ Schemas map[string]any }
	}
	check(t, json.Unmarshal(b, &doc))
	return &schema{doc.Paths, doc.Components.Schemas}
}

// checkAnswer holds a real answer to what the document says of it.
func (s *schema) checkAnswer(t *testing.T, method, target string, a answer) {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	op := s.operation(method, u.EscapedPath())
	if op == nil {
		if a.status < 400 {
			t.Errorf("%s %s is not in the document and answered %d", method, u.Path, a.status)
		}
		return
	}
	responses := op["responses"].(map[string]any)
	response, ok := responses[strconv.Itoa(a.status)].(map[string]any)
	if !ok {
		if a.status < 400 {
			t.Errorf("%s %s: %d is not among its answers", method, u.Path, a.status)
			return
		}
		response = responses["default"].(map[string]any)
	}
	if headers, ok := response["headers"].(map[string]any); ok {
		for name := range headers {
			if a.header.Get(name) == "" {
				t.Errorf("%s %s: no header %s", method, u.Path, name)
			}
		}
	}
	content, ok := response["content"].(map[string]any)
	if !ok {
		return
	}
	of := content["application/json"].(map[string]any)["schema"].(map[string]any)
	if problem := s.check(of, a.body, ""); problem != "" {
		t.Errorf("%s %s: %d %s: %s", method, u.Path, a.status, a.raw, problem)
	}
}

func (s *schema) operation(method, path string) map[string]any {
	have := strings.Split(path, "/")
	for template, item := range s.paths {
		want := strings.Split(template, "/")
		if len(have) != len(want) {
			continue
		}
		same := true
		for i := range want {
			same = same && (strings.HasPrefix(want[i], "{") || strings.EqualFold(want[i], have[i]))
		}
		if op, ok := item[strings.ToLower(method)].(map[string]any); same && ok {
			return op
		}
	}
	return nil
}

// check returns what is wrong with v at a place, or "".
func (s *schema) check(of map[string]any, v any, at string) string {
	if v == nil {
		return "" // null is accepted everywhere (ams-wire §5)
	}
	if ref, ok := of["$ref"].(string); ok {
		return s.check(s.schemas[strings.TrimPrefix(ref, "#/components/schemas/")].(map[string]any), v, at)
	}
	switch of["type"] {
	case "object":
		members, ok := v.(map[string]any)
		if !ok {
			return at + " is no object"
		}
		properties, _ := of["properties"].(map[string]any)
		more, open := of["additionalProperties"].(map[string]any)
		for name, m := range members {
			p, known := properties[name].(map[string]any)
			if !known && !open {
				return at + "." + name + " is not in the document"
			}
			if !known {
				p = more
			}
			if problem := s.check(p, m, at+"."+name); problem != "" {
				return problem
			}
		}
	case "array":
		items, ok := v.([]any)
		if !ok {
			return at + " is no array"
		}
		for i, item := range items {
			if problem := s.check(of["items"].(map[string]any), item, fmt.Sprint(at, "[", i, "]")); problem != "" {
				return problem
			}
		}
	case "string":
		if _, ok := v.(string); !ok {
			return at + " is no string"
		}
	case "boolean":
		if _, ok := v.(bool); !ok {
			return at + " is no boolean"
		}
	case "integer":
		n, ok := v.(json.Number)
		if _, err := strconv.ParseInt(n.String(), 10, 64); !ok || err != nil {
			return at + " is no integer"
		}
	}
	return ""
}

// TestDocument holds a tour through the API to the OpenAPI document that the server gives out.
func TestDocument(t *testing.T) {
	p := startMem(t)
	doc := loadSchema(t)
	if a := p.raw(t, "GET", "/openapi.json", ""); a.body["openapi"] != "3.1.0" || len(a.body["paths"].(map[string]any)) != len(doc.paths) {
		t.Errorf("the server gives out %d paths", len(a.body["paths"].(map[string]any)))
	}
	steps := []struct{ method, path, body string }{
		{"GET", "~", ""}, {"PUT", "~", `{"location":"local","tags":{"a":"b"}}`}, {"PATCH", "~", `{"tags":{"c":"d"}}`}, {"DELETE", "~", ""}, {"POST", "~/syncStorageKeys", "{}"}, {"POST", "~/listEdgePolicies", "{}"},
		{"GET", "~/contentKeyPolicies", ""}, {"PUT", "~/contentKeyPolicies/k", `{"properties":{"options":[]}}`}, {"DELETE", "~/contentKeyPolicies/k", ""},
		{"PUT", "~/liveEvents/e?autoStart=true", eventBody}, {"PATCH", "~/liveEvents/e", `{"tags":{"a":"b"}}`}, {"POST", "~/liveEvents/e/getStatus", ""},
		{"POST", "~/liveEvents/e/getStreamEvents", ""}, {"POST", "~/liveEvents/e/getTrackIngestHeartbeats", ""},
		{"PUT", "~/assets/a", `{}`}, {"PUT", "~/assets/a", `{"properties":{"alternateId":"x"}}`}, {"PATCH", "~/assets/a", `{}`},
		{"PUT", "~/liveEvents/e/liveOutputs/o", `{"properties":{"assetName":"a","archiveWindowLength":"PT1H","hls":{"fragmentsPerTsSegment":1}}}`},
		{"GET", "~/assets/a/tracks", ""}, {"GET", "~/assets/a/tracks/v1", ""}, {"PUT", "~/assets/a/tracks/t1", "{}"}, {"PATCH", "~/assets/a/tracks/v1", "{}"}, {"DELETE", "~/assets/a/tracks/v1", ""},
		{"DELETE", "~/assets/a/tracks/none", ""}, {"POST", "~/assets/a/tracks/v1/updateTrackData", ""},
		{"PUT", "~/assets/a/assetFilters/f", `{"properties":{"firstQuality":{"bitrate":1},"presentationTimeRange":{"startTimestamp":1},"tracks":[{"trackSelections":[{"property":"type","operation":"equal","value":"Video"}]}]}}`},
		{"PUT", "~/accountFilters/f", `{}`}, {"PATCH", "~/accountFilters/f", `{}`}, {"PUT", "~/streamingPolicies/p", `{"properties":{"noEncryption":{"enabledProtocols":{"hls":true,"dash":true,"download":false,"smoothStreaming":false}}}}`},
		{"PUT", "~/streamingLocators/l", `{"properties":{"assetName":"a","streamingPolicyName":"p","filters":["f"]}}`}, {"POST", "~/streamingLocators/l/listPaths", ""},
		{"POST", "~/streamingLocators/l/listContentKeys", ""}, {"POST", "~/assets/a/listStreamingLocators", ""}, {"POST", "~/assets/a/listContainerSas", "{}"},
		{"PUT", "~/streamingEndpoints/s", `{"location":"local","properties":{"scaleUnits":0}}`}, {"POST", "~/streamingEndpoints/s/start", ""}, {"GET", "~/streamingEndpoints/s/skus", ""},
		{"POST", "~/streamingEndpoints/s/scale", `{"scaleUnit":1}`}, {"PATCH", "~/streamingEndpoints/s", `{}`}, {"POST", "~/streamingEndpoints/s/stop", ""}, {"DELETE", "~/streamingEndpoints/s", ""},
		{"DELETE", "~/liveEvents/e", ""}, {"GET", "~/liveEvents", ""}, {"GET", "~/liveEvents/e", ""}, {"GET", "~/liveEvents/e/liveOutputs", ""}, {"GET", "~/liveEvents/e/liveOutputs/o", ""}, {"GET", "~/assets", ""},
		{"GET", "~/assets/a", ""}, {"GET", "~/assets/a/assetFilters", ""}, {"GET", "~/assets/a/assetFilters/f", ""}, {"GET", "~/accountFilters", ""}, {"GET", "~/streamingLocators", ""}, {"GET", "~/streamingLocators/l", ""},
		{"GET", "~/streamingPolicies", ""}, {"GET", "~/streamingPolicies/p", ""}, {"GET", "~/streamingEndpoints", ""}, {"GET", "~/streamingEndpoints/default", ""},
		{"DELETE", "~/liveEvents/e/liveOutputs/o", ""}, {"POST", "~/liveEvents/e/reset", ""}, {"POST", "~/liveEvents/e/stop", "{}"}, {"POST", "~/liveEvents/e/allocate", ""}, {"POST", "~/liveEvents/e/stop", ""},
		{"POST", "~/liveEvents/e/start", ""}, {"POST", "~/liveEvents/e/stop", ""}, {"DELETE", "~/liveEvents/e", ""},
		{"DELETE", "~/streamingLocators/l", ""}, {"DELETE", "~/streamingPolicies/p", ""}, {"DELETE", "~/assets/a/assetFilters/f", ""}, {"DELETE", "~/accountFilters/f", ""}, {"DELETE", "~/assets/a", ""}, {"DELETE", "~/assets/a", ""},
	}
	for _, s := range steps {
		a := p.raw(t, s.method, s.path, s.body)
		if a.status == http.StatusNotFound || a.status == http.StatusMethodNotAllowed {
			t.Errorf("%s %s: %d", s.method, s.path, a.status)
		}
		doc.checkAnswer(t, s.method, strings.Replace(s.path, "~", account, 1), a)
		if a.header.Get("Azure-AsyncOperation") != "" {
			_, location := p.follow(t, a)
			doc.checkAnswer(t, "GET", a.header.Get("Azure-AsyncOperation"), p.raw(t, "GET", a.header.Get("Azure-AsyncOperation"), ""))
			doc.checkAnswer(t, "GET", a.header.Get("Location"), location)
		}
	}
}
