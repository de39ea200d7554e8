package control_test

import (
	"strings"
	"testing"
	"time"

	"headwater.stream/api"
)

// TestWebhooks: what a webhook may be, and that its secret is shown once.
func TestWebhooks(t *testing.T) {
	p := startMem(t)
	ctx := t.Context()
	hook := func(f func(*api.WebhookProperties)) *api.Webhook {
		w := &api.Webhook{Properties: api.WebhookProperties{URL: "https://hooks.example/in"}}
		f(&w.Properties)
		return w
	}
	for name, w := range map[string]*api.Webhook{
		"schema": hook(func(w *api.WebhookProperties) { w.Schema = "xml" }),
		"secret": hook(func(w *api.WebhookProperties) { w.Secret = "short" }),
		"types":  hook(func(w *api.WebhookProperties) { w.EventTypes = []string{""} }),
		"many":   hook(func(w *api.WebhookProperties) { w.EventTypes = strings.Split(strings.Repeat("x,", 60), ",") }),
	} {
		_, err := p.CreateWebhook(ctx, name, w)
		wantError(t, err, 400, "")
	}
	made := must[*api.Webhook](t)(p.CreateWebhook(ctx, "one", hook(func(w *api.WebhookProperties) { w.EventTypes = []string{"Headwater.*"} })))
	if len(made.Properties.Secret) != 64 || made.Properties.Schema != "cloudevents" {
		t.Errorf("%+v", made.Properties)
	}
	for end := time.Now().Add(10 * time.Second); len(p.runtime.desired().Webhooks) == 0; <-time.After(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the webhook does not run")
		}
	}
	if d := p.runtime.desired().Webhooks[0]; d.Secret != made.Properties.Secret || d.Since.IsZero() || d.URL != "https://hooks.example/in" {
		t.Errorf("%+v", d)
	}
	got := must[*api.Webhook](t)(p.GetWebhook(ctx, "ONE"))
	if got.Properties.Secret != "" || got.Properties.EventTypes[0] != "Headwater.*" {
		t.Errorf("%+v", got.Properties)
	}
	_, err := p.CreateWebhook(ctx, "one", hook(func(*api.WebhookProperties) {}))
	wantError(t, err, 409, "")
	if !must[bool](t)(p.DeleteWebhook(ctx, "one")) || len(must[[]*api.Webhook](t)(p.ListWebhooks(ctx))) != 0 {
		t.Error("it is still there")
	}
}
