package control

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"slices"
	"time"

	"headwater.stream/api"
)

// webhookRec is a webhook. The secret has to be kept as it is, to sign with.
type webhookRec struct {
	stamp
	Properties api.WebhookProperties `json:"properties"`
}

// WebhookSpec is one webhook: it gets what happens from its creation on.
type WebhookSpec struct {
	ID         string // GUID made with the webhook
	Name       string
	URL        string
	Secret     string
	Schema     string // api.WebhookProperties.Schema
	EventTypes []string
	Subject    string
	Since      time.Time
}

// Webhooks delivers events to webhooks. Which there are it learns through the Runtime.
type Webhooks interface {
	// CheckURL says what is wrong with a URL.
	CheckURL(url string) error
	// Status returns how a webhook does; nil when it does not run.
	Status(id string) *api.WebhookStatus
	// Deliveries returns the last attempts, oldest first.
	Deliveries(id string) []api.WebhookDelivery
	// Test makes one attempt with an event that says that it is a test.
	Test(ctx context.Context, w WebhookSpec) api.WebhookDelivery
}

func webhookSpec(r *webhookRec) WebhookSpec {
	p := &r.Properties
	return WebhookSpec{ID: r.ID, Name: r.Name, URL: p.URL, Secret: p.Secret, Schema: p.Schema, EventTypes: p.EventTypes, Subject: p.SubjectBeginsWith, Since: r.Created}
}

func (w WebhookSpec) equal(o WebhookSpec) bool {
	return w.ID == o.ID && w.URL == o.URL && w.Secret == o.Secret && w.Schema == o.Schema && w.Subject == o.Subject && slices.Equal(w.EventTypes, o.EventTypes)
}

func (s *Service) webhookWire(r *row[webhookRec]) *api.Webhook {
	v := &api.Webhook{Resource: api.Resource{Name: r.rec.Name, ID: s.path(api.Webhooks, r.rec.Name), Type: "Headwater/webhooks", SystemData: r.rec.systemData(), ETag: r.etag()},
		Properties: r.rec.Properties}
	v.Properties.Secret, v.Properties.Created = "", api.NewTime(r.rec.Created)
	if s.o.Webhooks != nil {
		v.Properties.Delivery = s.o.Webhooks.Status(r.rec.ID)
	}
	return v
}

// ListWebhooks implements api.Service.
func (s *Service) ListWebhooks(_ context.Context, o api.ListOptions) (api.Page[*api.Webhook], error) {
	return listRows(s, &s.webhooks, o, nil, func(r *row[webhookRec]) fields { return namedFields(r.rec.stamp) }, s.webhookWire)
}

// GetWebhook implements api.Service.
func (s *Service) GetWebhook(_ context.Context, name string) (*api.Webhook, error) {
	r, err := lookup(s, &s.webhooks, name)
	if err != nil {
		return nil, err
	}
	return s.webhookWire(r), nil
}

// Bounds of webhooks.
const (
	maxWebhooks   = 20 // each looks at every event
	maxEventTypes = 50
	maxTypeName   = 200
	minSecret     = 16
	maxSecret     = 256
)

// prepareWebhook checks what a caller wants and fills in the rest.
func (s *Service) prepareWebhook(p api.WebhookProperties) (api.WebhookProperties, error) {
	p.Created, p.Delivery = nil, nil
	if s.o.Webhooks != nil {
		if err := s.o.Webhooks.CheckURL(p.URL); err != nil {
			return p, bad("properties.url", "The URL is refused: %v.", err)
		}
	}
	if p.Schema == "" {
		p.Schema = "cloudevents"
	}
	var err error
	if p.Schema, err = oneOf("properties.schema", p.Schema, "cloudevents", "eventgrid"); err != nil {
		return p, err
	}
	if len(p.EventTypes) > maxEventTypes {
		return p, bad("properties.eventTypes", "A webhook has %d event types at most.", maxEventTypes)
	}
	for _, t := range p.EventTypes {
		if t == "" || len(t) > maxTypeName {
			return p, bad("properties.eventTypes", "An event type has 1 to %d characters.", maxTypeName)
		}
	}
	if len(p.SubjectBeginsWith) > maxTypeName {
		return p, bad("properties.subjectBeginsWith", "The beginning of a subject has %d characters at most.", maxTypeName)
	}
	switch n := len(p.Secret); {
	case n == 0:
		var raw [32]byte
		rand.Read(raw[:])
		p.Secret = hex.EncodeToString(raw[:])
	case n < minSecret || n > maxSecret:
		return p, bad("properties.secret", "The secret has %d to %d characters.", minSecret, maxSecret)
	}
	return p, nil
}

// CreateWebhook implements api.Service.
func (s *Service) CreateWebhook(ctx context.Context, name string, v *api.Webhook, o api.WriteOptions) (*api.Webhook, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	p, err := s.prepareWebhook(v.Properties)
	if err != nil {
		return nil, err
	}
	x := s.begin()
	defer x.end()
	etag := ""
	existing := s.webhooks.find(name)
	if existing != nil {
		etag = existing.etag()
	}
	if err := checkMatch(o, etag); err != nil {
		return nil, err
	}
	if existing != nil {
		return nil, conflict(name, "Choose another name, or delete it first.", "The webhook '%s' exists.", name)
	}
	if err := checkQuota(len(s.webhooks.rows), maxWebhooks, "webhooks"); err != nil {
		return nil, err
	}
	r := put(x, &s.webhooks, key(name), webhookRec{stamp: s.stamp(ctx, name), Properties: p})
	if err := x.commit(ctx); err != nil {
		return nil, err
	}
	made := s.webhookWire(r)
	made.Properties.Secret = p.Secret
	return made, nil
}

// DeleteWebhook implements api.Service.
func (s *Service) DeleteWebhook(ctx context.Context, name string, o api.WriteOptions) (bool, error) {
	return deleteRow(ctx, s, &s.webhooks, key(name), o, nil)
}

// TestWebhook implements api.Service.
func (s *Service) TestWebhook(ctx context.Context, name string) (*api.WebhookDelivery, error) {
	r, err := lookup(s, &s.webhooks, name)
	if err != nil {
		return nil, err
	}
	if s.o.Webhooks == nil {
		return nil, &api.Error{Code: api.CodeServiceUnavailable, Message: "This server delivers to no webhooks."}
	}
	d := s.o.Webhooks.Test(ctx, webhookSpec(&r.rec))
	return &d, nil
}

// WebhookDeliveries implements api.Service.
func (s *Service) WebhookDeliveries(_ context.Context, name string) (*api.WebhookDeliveries, error) {
	r, err := lookup(s, &s.webhooks, name)
	if err != nil {
		return nil, err
	}
	v := &api.WebhookDeliveries{Value: []api.WebhookDelivery{}}
	if s.o.Webhooks != nil {
		v.Value = append(v.Value, s.o.Webhooks.Deliveries(r.rec.ID)...)
	}
	return v, nil
}
