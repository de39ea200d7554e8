package node

import (
	"context"

	"headwater.stream/api"
	"headwater.stream/internal/control"
	"headwater.stream/internal/hook"
	"headwater.stream/internal/journal"
)

// webhooks is what the control plane sees of the webhooks that run.
type webhooks struct{ *hook.Manager }

var _ control.Webhooks = webhooks{}

func hookSpec(w control.WebhookSpec) hook.Spec {
	return hook.Spec{ID: w.ID, Name: w.Name, URL: w.URL, Secret: w.Secret, Schema: w.Schema, Filter: journal.Filter{Types: w.EventTypes, Subject: w.Subject}, Since: w.Since}
}

// apply makes these the webhooks that run.
func (h webhooks) apply(list []control.WebhookSpec) error {
	specs := make([]hook.Spec, 0, len(list))
	for _, w := range list {
		specs = append(specs, hookSpec(w))
	}
	return h.Apply(specs)
}

// Status implements control.Webhooks.
func (h webhooks) Status(id string) *api.WebhookStatus {
	st, ok := h.Manager.Status(id)
	if !ok {
		return nil
	}
	v := &api.WebhookStatus{State: "Delivering", Pending: int32(st.Pending), Delivered: api.Int64(st.Counts[hook.Delivered]), Retried: api.Int64(st.Counts[hook.Retrying]),
		Dropped: api.Int64(st.Counts[hook.Refused] + st.Counts[hook.Expired] + st.Counts[hook.Lost])}
	switch {
	case !st.Validated:
		v.State = "AwaitingValidation"
	case st.Failing:
		v.State = "Failing"
	}
	if !st.Oldest.IsZero() {
		v.Oldest = api.NewTime(st.Oldest)
	}
	if st.Last != nil {
		d := deliveryWire(*st.Last)
		v.Last = &d
	}
	return v
}

// Deliveries implements control.Webhooks.
func (h webhooks) Deliveries(id string) (all []api.WebhookDelivery) {
	for _, d := range h.Manager.Deliveries(id) {
		all = append(all, deliveryWire(d))
	}
	return all
}

// Test implements control.Webhooks.
func (h webhooks) Test(ctx context.Context, w control.WebhookSpec) api.WebhookDelivery {
	return deliveryWire(h.Manager.Test(ctx, hookSpec(w)))
}

func deliveryWire(d hook.Delivery) api.WebhookDelivery {
	return api.WebhookDelivery{Time: api.NewTime(d.Time), EventID: d.ID, EventType: d.Type, Subject: d.Subject, Attempt: int32(d.Attempt), Result: string(d.Result), Status: int32(d.Status), Error: d.Error,
		Took: api.FormatDuration(d.Took)}
}
