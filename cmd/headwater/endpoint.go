package main

import (
	"context"
	"strconv"

	"github.com/spf13/cobra"

	"headwater.stream/api"
)

func (a *app) endpointCommand() *cobra.Command {
	return group("endpoint", "Streaming endpoints: while none runs, nothing published is served", a.endpointCreate(), a.endpointList(), a.endpointShow(), a.endpointDelete(), a.endpointScale(),
		a.endpointVerb("start", "Start serving what is published", "started", func(ctx context.Context, c *api.Client, name string) error {
			return c.StartStreamingEndpoint(ctx, name)
		}),
		a.endpointVerb("stop", "Stop serving what is published, live and recorded", "stopped", func(ctx context.Context, c *api.Client, name string) error { return c.StopStreamingEndpoint(ctx, name) }),
	)
}

func (a *app) endpointVerb(verb, short, state string, do func(context.Context, *api.Client, string) error) *cobra.Command {
	return &cobra.Command{
		Use: verb + " NAME", Short: short, Args: cobra.ExactArgs(1),
		RunE: a.call(func(cmd *cobra.Command, c *api.Client, args []string) error {
			if err := do(cmd.Context(), c, args[0]); err != nil {
				return err
			}
			return a.done(cmd, "endpoint", args[0], state)
		}),
	}
}

func printEndpoint(cmd *cobra.Command, e *api.StreamingEndpoint) error {
	p := e.Properties
	return pairs(cmd, "Name", e.Name, "State", p.ResourceState, "Description", p.Description, "Host name", p.HostName, "Created", date(p.Created))
}

func (a *app) endpointCreate() *cobra.Command {
	var start bool
	var description string
	cmd := &cobra.Command{Use: "create NAME", Short: "Make a streaming endpoint", Args: cobra.ExactArgs(1)}
	cmd.Flags().BoolVar(&start, "start", false, "start it too")
	cmd.Flags().StringVar(&description, "description", "", "a note")
	cmd.RunE = a.call(func(cmd *cobra.Command, c *api.Client, args []string) error {
		scale := int32(0)
		e, err := c.CreateStreamingEndpoint(cmd.Context(), args[0], &api.StreamingEndpoint{
			Tracked: api.Tracked{Location: "local"}, Properties: api.StreamingEndpointProperties{ScaleUnits: &scale, Description: description},
		}, api.WriteOptions{AutoStart: start})
		if err != nil {
			return err
		}
		return a.show(cmd, e, func() error { return printEndpoint(cmd, e) })
	})
	return cmd
}

func (a *app) endpointList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List streaming endpoints", Args: cobra.NoArgs,
		RunE: a.call(func(cmd *cobra.Command, c *api.Client, _ []string) error {
			endpoints, err := c.ListStreamingEndpoints(cmd.Context())
			if err != nil {
				return err
			}
			return list(a, cmd, endpoints, []string{"NAME", "STATE", "HOST NAME"}, func(e *api.StreamingEndpoint) []string {
				return []string{e.Name, e.Properties.ResourceState, e.Properties.HostName}
			})
		}),
	}
}

func (a *app) endpointShow() *cobra.Command {
	return &cobra.Command{
		Use: "show NAME", Short: "Show a streaming endpoint", Args: cobra.ExactArgs(1),
		RunE: a.call(func(cmd *cobra.Command, c *api.Client, args []string) error {
			e, err := c.GetStreamingEndpoint(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return a.show(cmd, e, func() error { return printEndpoint(cmd, e) })
		}),
	}
}

func (a *app) endpointScale() *cobra.Command {
	return &cobra.Command{
		Use: "scale NAME UNITS", Short: "Set the scale units of a streaming endpoint", Args: cobra.ExactArgs(2),
		RunE: a.call(func(cmd *cobra.Command, c *api.Client, args []string) error {
			n, err := strconv.ParseInt(args[1], 10, 32)
			if err != nil {
				return usageError("UNITS has to be a number")
			}
			units := int32(n)
			if err := c.ScaleStreamingEndpoint(cmd.Context(), args[0], api.ScaleOptions{ScaleUnit: &units}); err != nil {
				return err
			}
			return a.done(cmd, "endpoint", args[0], "scaled")
		}),
	}
}

func (a *app) endpointDelete() *cobra.Command {
	return &cobra.Command{
		Use: "delete NAME", Short: "Delete a stopped streaming endpoint", Args: cobra.ExactArgs(1),
		RunE: a.call(func(cmd *cobra.Command, c *api.Client, args []string) error {
			existed, err := c.DeleteStreamingEndpoint(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return a.deleted(cmd, "endpoint", args[0], existed)
		}),
	}
}
