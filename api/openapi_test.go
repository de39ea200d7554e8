package api

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var updateGolden = flag.Bool("update", false, "write openapi.json anew from the routes and types")

// noService is a Service whose methods are never called.
type noService struct{ Service }

// TestOpenAPI: the document is exactly what routes and types say.
func TestOpenAPI(t *testing.T) {
	want, err := json.MarshalIndent(describe(routes(noService{})), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	want = append(want, '\n')
	if *updateGolden {
		if err := os.WriteFile("openapi.json", want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(want, openAPI) {
		t.Error("openapi.json is not what the routes and types say; look at the difference of: go test ./api -run OpenAPI -update")
	}
}

type document = map[string]any

// describe makes an OpenAPI 3.1 document of routes.
func describe(all []route) document {
	d := &describer{schemas: document{}}
	failure := document{"description": "The error, with a code, a sentence and what it is about.", "content": d.content(envelope{})}
	paths := document{}
	for _, rt := range all {
		item, ok := paths[rt.path].(document)
		if !ok {
			item = document{"parameters": pathParameters(rt.path)}
			paths[rt.path] = item
		}
		op := document{
			"operationId": rt.id, "tags": []string{strings.Split(rt.id, "_")[0]},
			"parameters": queryParameters(rt.binding, rt.method),
			"responses":  d.answers(rt.binding, failure),
		}
		if rt.role != "" {
			op["description"] = "Needs the role " + string(rt.role) + "."
		}
		if rt.body != nil {
			op["requestBody"] = document{"content": d.content(rt.body)}
		}
		item[strings.ToLower(rt.method)] = op
	}
	for path, id := range map[string]string{"/healthz": "Health", "/readyz": "Ready"} {
		paths[path] = document{"get": document{"operationId": id, "security": []any{}, "responses": document{"200": document{"description": "It is."}, "503": failure}}}
	}
	paths["/openapi.json"] = document{"get": document{"operationId": "OpenAPI", "responses": document{"200": document{"description": "This document."}, "401": failure}}}
	events := document{"description": "Events as CloudEvents: a list, or a stream of server-sent events to who accepts it (docs/events.md).",
		"content": document{"application/cloudevents-batch+json": document{"schema": d.schema(reflect.TypeFor[[]Event]())}, "text/event-stream": document{"schema": document{"type": "string"}}}}
	paths["/events"] = document{"get": document{"operationId": "Events", "parameters": eventParameters(), "responses": document{"200": events, "400": failure, "401": failure, "503": failure}}}
	return document{
		"openapi": "3.1.0",
		"info": document{"title": "Headwater control API", "version": version,
			"description": "Azure Media Services v3 as far as live streaming goes. Literal path segments and names are matched without regard to case."},
		"security":   []any{document{"token": []any{}}},
		"paths":      paths,
		"components": document{"schemas": d.schemas, "securitySchemes": document{"token": document{"type": "http", "scheme": "bearer"}}},
	}
}

func eventParameters() []any {
	all := []any{}
	for _, p := range [][3]string{{"last", "query", "integer"}, {"after", "query", "string"}, {"types", "query", "string"}, {"subject", "query", "string"}, {"Last-Event-ID", "header", "string"}} {
		all = append(all, document{"name": p[0], "in": p[1], "schema": document{"type": p[2]}})
	}
	return all
}

func pathParameters(path string) []any {
	all := []any{}
	for _, s := range strings.Split(path, "/") {
		if strings.HasPrefix(s, "{") {
			all = append(all, document{"name": strings.Trim(s, "{}"), "in": "path", "required": true, "schema": document{"type": "string"}})
		}
	}
	return all
}

func queryParameters(b binding, method string) []any {
	text := document{"type": "string"}
	all := []any{document{"name": "api-version", "in": "query", "required": true, "schema": text}}
	if b.list {
		for _, name := range []string{"$filter", "$orderby", "$top", "$skiptoken"} {
			all = append(all, document{"name": name, "in": "query", "schema": text})
		}
	}
	if method == http.MethodPut && b.long {
		all = append(all, document{"name": "autoStart", "in": "query", "schema": document{"type": "boolean"}})
	}
	if method == http.MethodPut || method == http.MethodPatch || method == http.MethodDelete {
		all = append(all, document{"name": "If-Match", "in": "header", "schema": text}, document{"name": "If-None-Match", "in": "header", "schema": text})
	}
	return all
}

type describer struct{ schemas document }

func (d *describer) answers(b binding, failure document) document {
	all := document{"default": failure}
	for _, status := range b.statuses {
		a := document{"description": http.StatusText(status)}
		if b.answer != nil && (status == http.StatusOK || status == http.StatusCreated) {
			a["content"] = d.content(b.answer)
		}
		if b.long && status != http.StatusNoContent {
			header := document{"schema": document{"type": "string", "format": "uri"}}
			a["headers"] = document{"Azure-AsyncOperation": header, "Location": header}
		}
		all[strconv.Itoa(status)] = a
	}
	return all
}

func (d *describer) content(v any) document {
	return document{"application/json": document{"schema": d.schema(reflect.TypeOf(v))}}
}

func (d *describer) schema(t reflect.Type) document {
	switch t {
	case reflect.TypeFor[Time]():
		return document{"type": "string", "format": "date-time"}
	case reflect.TypeFor[json.RawMessage]():
		return document{}
	case reflect.TypeFor[Int64]():
		return document{"type": "integer", "format": "int64"}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return d.schema(t.Elem())
	case reflect.String:
		return document{"type": "string"}
	case reflect.Bool:
		return document{"type": "boolean"}
	case reflect.Float64:
		return document{"type": "number"}
	case reflect.Int32:
		return document{"type": "integer", "format": "int32"}
	case reflect.Slice:
		return document{"type": "array", "items": d.schema(t.Elem())}
	case reflect.Map:
		return document{"type": "object", "additionalProperties": d.schema(t.Elem())}
	case reflect.Struct:
		if t.NumField() == 0 {
			return document{"type": "object"}
		}
		name := schemaName(t)
		if _, ok := d.schemas[name]; !ok {
			d.schemas[name] = document{} // ends recursion
			properties := document{}
			d.fields(t, properties)
			d.schemas[name] = document{"type": "object", "properties": properties}
		}
		return document{"$ref": "#/components/schemas/" + name}
	}
	panic("no schema for " + t.String())
}

// schemaName turns "Page[*headwater.stream/api.LiveEvent]" into "PageOfLiveEvent".
func schemaName(t reflect.Type) string {
	name, of, generic := strings.Cut(strings.TrimSuffix(t.Name(), "]"), "[")
	if generic {
		return name + "Of" + of[strings.LastIndexByte(of, '.')+1:]
	}
	return strings.ToUpper(name[:1]) + name[1:]
}

func (d *describer) fields(t reflect.Type, into document) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous:
			d.fields(f.Type, into)
		case name != "-" && name != "":
			into[name] = d.schema(f.Type)
		}
	}
}

// TestRoutes: every operation has its own ID, and no two have the same method and path.
func TestRoutes(t *testing.T) {
	var ids, places []string
	for _, rt := range routes(noService{}) {
		if len(rt.statuses) == 0 {
			t.Errorf("%s answers nothing", rt.id)
		}
		place := rt.method + " " + strings.ToLower(rt.path)
		if slices.Contains(ids, rt.id) || slices.Contains(places, place) {
			t.Errorf("%s or %s is there twice", rt.id, place)
		}
		ids, places = append(ids, rt.id), append(places, place)
	}
}
