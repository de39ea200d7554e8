package main

import (
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"headwater.stream/api"
)

func (a *app) webhookCommand() *cobra.Command {
	return group("webhook", "Send events to a URL, signed and retried", a.webhookCreate(), a.webhookList(), a.webhookShow(), a.webhookTest(), a.webhookLog(), a.webhookDelete())
}

func (a *app) webhookCreate() *cobra.Command {
	w := &api.Webhook{}
	p := &w.Properties
	var event string
	cmd := &cobra.Command{
		Use: "create NAME URL", Short: "Send what happens from now on to a URL",
		Long: `Send what happens from now on to a URL, each event until it is taken, those of one live event in order. Every request is
signed with the webhook's secret, which is printed once. docs/events.md says how to check it and what the events are.

Addresses inside the network are refused unless the server was started with --webhook-allow.`,
		Args: cobra.ExactArgs(2),
	}
	flags := cmd.Flags()
	flags.StringVar(&p.Schema, "schema", "cloudevents", "`cloudevents`, or eventgrid for the schema and the handshake of Azure Event Grid")
	flags.StringSliceVar(&p.EventTypes, "type", nil, "only events of this `type`, or of all that begin like it if it ends in * (repeatable)")
	flags.StringVar(&p.SubjectBeginsWith, "subject", "", "only events whose subject begins with this `text`")
	flags.StringVar(&event, "event", "", "only events about live events whose name begins with this `text`")
	flags.StringVar(&p.Secret, "secret", "", "`secret` of the signatures (default: one is made)")
	cmd.MarkFlagsMutuallyExclusive("subject", "event")
	cmd.RunE = a.call(func(cmd *cobra.Command, c *api.Client, args []string) error {
		if p.URL = args[1]; event != "" {
			p.SubjectBeginsWith = "liveEvent/" + event
		}
		made, err := c.CreateWebhook(cmd.Context(), args[0], w)
		if err != nil {
			return err
		}
		return a.show(cmd, made, func() error {
			return pairs(cmd, "Name", made.Name, "URL", made.Properties.URL, "Schema", made.Properties.Schema, "Secret", made.Properties.Secret)
		})
	})
	return cmd
}

func (a *app) webhookList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List webhooks", Args: cobra.NoArgs,
		RunE: a.call(func(cmd *cobra.Command, c *api.Client, _ []string) error {
			hooks, err := c.ListWebhooks(cmd.Context())
			if err != nil {
				return err
			}
			return list(a, cmd, hooks, []string{"NAME", "STATE", "PENDING", "DELIVERED", "DROPPED", "URL"}, func(w *api.Webhook) []string {
				d := w.Properties.Delivery
				if d == nil {
					d = &api.WebhookStatus{State: "Starting"}
				}
				return []string{w.Name, d.State, strconv.Itoa(int(d.Pending)), strconv.FormatInt(int64(d.Delivered), 10), strconv.FormatInt(int64(d.Dropped), 10), w.Properties.URL}
			})
		}),
	}
}

func (a *app) webhookShow() *cobra.Command {
	return &cobra.Command{
		Use: "show NAME", Short: "Show a webhook and how its deliveries do", Args: cobra.ExactArgs(1),
		RunE: a.call(func(cmd *cobra.Command, c *api.Client, args []string) error {
			w, err := c.GetWebhook(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return a.show(cmd, w, func() error {
				p := &w.Properties
				lines := []string{"Name", w.Name, "URL", p.URL, "Schema", p.Schema, "Types", strings.Join(p.EventTypes, ","), "Subject", p.SubjectBeginsWith, "Created", date(p.Created)}
				if d := p.Delivery; d != nil {
					lines = append(lines, "State", d.State, "Pending", strconv.Itoa(int(d.Pending)), "Oldest", date(d.Oldest), "Delivered", strconv.FormatInt(int64(d.Delivered), 10),
						"Retried", strconv.FormatInt(int64(d.Retried), 10), "Dropped", strconv.FormatInt(int64(d.Dropped), 10))
					if d.Last != nil {
						lines = append(lines, "Last", strings.Join(deliveryCells(*d.Last), "  "))
					}
				}
				return pairs(cmd, lines...)
			})
		}),
	}
}

func deliveryCells(d api.WebhookDelivery) []string {
	why := d.Error
	if why == "" && d.Status != 0 {
		why = strconv.Itoa(int(d.Status))
	}
	return []string{date(d.Time), d.Result, strconv.Itoa(int(d.Attempt)), d.EventType, d.Subject, d.EventID, why}
}

func (a *app) webhookTest() *cobra.Command {
	return &cobra.Command{
		Use: "test NAME", Short: "Send a test event to a webhook, once", Args: cobra.ExactArgs(1),
		RunE: a.call(func(cmd *cobra.Command, c *api.Client, args []string) error {
			d, err := c.TestWebhook(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if err := a.show(cmd, d, func() error {
				return pairs(cmd, "Result", d.Result, "Status", strconv.Itoa(int(d.Status)), "Error", d.Error, "Took", d.Took)
			}); err != nil {
				return err
			}
			if d.Result != "Delivered" {
				return &api.Error{Code: api.CodeConflict, Message: "The receiver did not take the event."}
			}
			return nil
		}),
	}
}

func (a *app) webhookLog() *cobra.Command {
	return &cobra.Command{
		Use: "log NAME", Short: "List the last attempts to deliver to a webhook", Args: cobra.ExactArgs(1),
		RunE: a.call(func(cmd *cobra.Command, c *api.Client, args []string) error {
			log, err := c.WebhookDeliveries(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return list(a, cmd, log.Value, []string{"TIME", "RESULT", "ATTEMPT", "TYPE", "SUBJECT", "ID", "WHY"}, deliveryCells)
		}),
	}
}

func (a *app) webhookDelete() *cobra.Command {
	return &cobra.Command{
		Use: "delete NAME", Short: "Delete a webhook; what is not delivered is forgotten", Args: cobra.ExactArgs(1),
		RunE: a.call(func(cmd *cobra.Command, c *api.Client, args []string) error {
			existed, err := c.DeleteWebhook(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return a.deleted(cmd, "webhook", args[0], existed)
		}),
	}
}
