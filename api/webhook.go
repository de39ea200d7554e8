package api

import (
	"context"
	"net/http"
)

// Webhooks is the collection of webhooks; AMS has event subscriptions of Event Grid instead.
const Webhooks = "webhooks"

// Webhook gets events as they happen (docs/events.md). It never changes; another secret is another webhook.
type Webhook struct {
	Resource
	Properties WebhookProperties `json:"properties"`
}

// WebhookProperties are the properties of a webhook.
type WebhookProperties struct {
	URL               string         `json:"url"`
	Schema            string         `json:"schema,omitempty"`            // cloudevents (default) or eventgrid
	EventTypes        []string       `json:"eventTypes,omitempty"`        // one that ends in "*" stands for all that begin like it; absent: all
	SubjectBeginsWith string         `json:"subjectBeginsWith,omitempty"` // "liveEvent/NAME"
	Secret            string         `json:"secret,omitempty"`            // of the signatures; made if absent. Only in the answer to its creation
	Created           *Time          `json:"created,omitempty"`
	Delivery          *WebhookStatus `json:"delivery,omitempty"` // set by the server
}

// WebhookStatus is how the deliveries of a webhook do, counted since the server was started.
type WebhookStatus struct {
	State     string           `json:"state"`   // AwaitingValidation, Delivering, Failing
	Pending   int32            `json:"pending"` // events that wait, of the next 1024
	Oldest    *Time            `json:"oldest,omitempty"`
	Delivered Int64            `json:"delivered"`
	Retried   Int64            `json:"retried"`
	Dropped   Int64            `json:"dropped"` // refused by the receiver, given up, or gone from the log
	Last      *WebhookDelivery `json:"last,omitempty"`
}

// WebhookDelivery is one attempt to deliver an event.
type WebhookDelivery struct {
	Time      *Time  `json:"time"`
	EventID   string `json:"eventId,omitempty"`
	EventType string `json:"eventType,omitempty"`
	Subject   string `json:"subject,omitempty"`
	Attempt   int32  `json:"attempt,omitempty"`
	Result    string `json:"result"` // Delivered, Retrying, Refused, Expired, Lost
	Status    int32  `json:"status,omitempty"`
	Error     string `json:"error,omitempty"`
	Took      string `json:"took,omitempty"`
}

// WebhookDeliveries is the answer to listDeliveries.
type WebhookDeliveries struct {
	Value []WebhookDelivery `json:"value"`
}

// WebhookService manages webhooks.
type WebhookService interface {
	ListWebhooks(ctx context.Context, o ListOptions) (Page[*Webhook], error)
	GetWebhook(ctx context.Context, name string) (*Webhook, error)
	CreateWebhook(ctx context.Context, name string, w *Webhook, o WriteOptions) (*Webhook, error)
	DeleteWebhook(ctx context.Context, name string, o WriteOptions) (existed bool, err error)
	// TestWebhook sends an event of the type Headwater.WebhookTest, once, and says what came of it.
	TestWebhook(ctx context.Context, name string) (*WebhookDelivery, error)
	// WebhookDeliveries returns the last attempts, oldest first.
	WebhookDeliveries(ctx context.Context, name string) (*WebhookDeliveries, error)
}

func (t *routeTable) webhooks(s WebhookService) {
	const hook = "/webhooks/{webhook}"
	t.in("GET", "/webhooks", "Webhooks_List", RoleAdmin, list(s.ListWebhooks))
	t.in("GET", hook, "Webhooks_Get", RoleAdmin, get(s.GetWebhook))
	t.in("PUT", hook, "Webhooks_Create", RoleAdmin, create(s.CreateWebhook))
	t.in("DELETE", hook, "Webhooks_Delete", RoleAdmin, remove(s.DeleteWebhook))
	t.in("POST", hook+"/test", "Webhooks_Test", RoleAdmin, get(s.TestWebhook))
	t.in("POST", hook+"/listDeliveries", "Webhooks_ListDeliveries", RoleAdmin, get(s.WebhookDeliveries))
}

// ListWebhooks returns all webhooks.
func (c *Client) ListWebhooks(ctx context.Context) ([]*Webhook, error) {
	return all[*Webhook](ctx, c, ListOptions{}, Webhooks)
}

// GetWebhook returns a webhook.
func (c *Client) GetWebhook(ctx context.Context, name string) (*Webhook, error) {
	return get1[Webhook](ctx, c, http.MethodGet, nil, Webhooks, name)
}

// CreateWebhook makes a webhook; its answer alone holds the secret.
func (c *Client) CreateWebhook(ctx context.Context, name string, w *Webhook) (*Webhook, error) {
	return write[Webhook](ctx, c, http.MethodPut, w, WriteOptions{}, Webhooks, name)
}

// DeleteWebhook deletes a webhook; what is not delivered is forgotten.
func (c *Client) DeleteWebhook(ctx context.Context, name string) (bool, error) {
	return c.run(ctx, http.MethodDelete, nil, Webhooks, name)
}

// TestWebhook sends a test event and returns what came of it.
func (c *Client) TestWebhook(ctx context.Context, name string) (*WebhookDelivery, error) {
	return get1[WebhookDelivery](ctx, c, http.MethodPost, nil, Webhooks, name, "test")
}

// WebhookDeliveries returns the last attempts to deliver to a webhook, oldest first.
func (c *Client) WebhookDeliveries(ctx context.Context, name string) (*WebhookDeliveries, error) {
	return get1[WebhookDeliveries](ctx, c, http.MethodPost, nil, Webhooks, name, "listDeliveries")
}
