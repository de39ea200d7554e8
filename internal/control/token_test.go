package control_test

import (
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"headwater.stream/api"
	"headwater.stream/internal/control"
	"headwater.stream/internal/state/memstate"
)

// TestRoles: a token does what its roles say and nothing else, until it is revoked or expires; what is kept is not the token.
func TestRoles(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	store := memstate.New()
	o := quiet()
	o.Now = func() time.Time { return now }
	svc, err := control.New(store, &memRuntime{}, o)
	check(t, err)
	var audit strings.Builder
	server := httptest.NewServer(api.Handler(svc, api.HandlerOptions{
		Tokens: api.AnyToken(api.SingleToken(testToken), svc.CheckToken), Log: slog.New(slog.NewTextHandler(&audit, nil)),
	}))
	defer server.Close()
	p := &plane{url: server.URL, svc: svc}
	token := map[string]string{}
	for _, role := range []string{"admin", "operator", "publisher", "reader"} {
		a := p.raw(t, "PUT", "~/accessTokens/the-"+role, `{"properties":{"roles":["`+strings.ToUpper(role)+`"]}}`)
		token[role], _ = a.property("properties.token").(string)
		if a.status != 201 || len(token[role]) != 64 {
			t.Fatalf("%d %s", a.status, a.raw)
		}
	}
	for _, c := range []struct {
		method, path, body string
		may                string
	}{
		{"GET", "~/liveEvents", "", "admin operator publisher reader"},
		{"GET", "~/accessTokens", "", "admin"},
		{"PUT", "~/accessTokens/x", `{}`, "admin"},
		{"DELETE", "~/accessTokens/x", "", "admin"},
		{"PUT", "~/liveEvents/x", `{}`, "admin operator"},
		{"POST", "~/liveEvents/x/stop", "", "admin operator"},
		{"DELETE", "~/liveEvents/x/liveOutputs/y", "", "admin operator"},
		{"PUT", "~/streamingLocators/x", `{}`, "admin publisher"},
		{"POST", "~/streamingLocators/x/listPaths", "", "admin operator publisher reader"},
		{"POST", "~/streamingEndpoints/x/start", "", "admin publisher"},
	} {
		for role := range token {
			a := p.raw(t, c.method, c.path, c.body, "Authorization", "Bearer "+token[role])
			if refused := a.status == 403 && a.code() == "AuthorizationFailed"; refused == strings.Contains(c.may, role) || a.status == 401 {
				t.Errorf("%s %s as %s: %d", c.method, c.path, role, a.status)
			}
		}
	}
	for _, bad := range []string{`{}`, `{"properties":{"roles":[]}}`, `{"properties":{"roles":["king"]}}`, `{"properties":{"roles":"admin"}}`} {
		if a := p.raw(t, "PUT", "~/accessTokens/bad", bad); a.status != 400 {
			t.Errorf("%s: %d", bad, a.status)
		}
	}
	if a := p.raw(t, "PUT", "~/accessTokens/the-reader", `{"properties":{"roles":["admin"]}}`); a.status != 409 {
		t.Errorf("an existing token: %d", a.status)
	}
	brief := p.raw(t, "PUT", "~/accessTokens/brief", `{"properties":{"roles":["reader"],"expires":"2026-01-01T00:00:10Z"}}`).property("properties.token").(string)
	if a := p.raw(t, "GET", "~/assets", "", "Authorization", "Bearer "+brief); a.status != 200 {
		t.Errorf("before it expires: %d", a.status)
	}
	now = now.Add(10 * time.Second)
	if a := p.raw(t, "GET", "~/assets", "", "Authorization", "Bearer "+brief); a.status != 401 {
		t.Errorf("after it expired: %d", a.status)
	}
	p.raw(t, "DELETE", "~/accessTokens/the-operator", "")
	if a := p.raw(t, "GET", "~/assets", "", "Authorization", "Bearer "+token["operator"]); a.status != 401 {
		t.Errorf("after it was revoked: %d", a.status)
	}
	kept, err := store.List(t.Context(), "accessToken")
	check(t, err)
	seen := audit.String() + p.raw(t, "GET", "~/accessTokens", "").raw + p.raw(t, "GET", "~/accessTokens/the-reader", "").raw
	for _, r := range kept {
		seen += string(r.Body)
	}
	for role, secret := range token {
		if strings.Contains(seen, secret) {
			t.Errorf("the token of %s is in the state, a list or the log", role)
		}
	}
	for _, want := range []string{"caller=the-publisher operation=LiveEvents_Create", "needs=admin", "InvalidAuthenticationToken"} {
		if !strings.Contains(audit.String(), want) {
			t.Errorf("the audit log lacks %q", want)
		}
	}
}
