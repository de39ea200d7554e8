package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"headwater.stream/api"
)

func (a *app) endpointCommand() *cobra.Command {
	return group("endpoint", "Streaming endpoints: while none runs, nothing published is served", a.endpointCreate(), a.endpointList(), a.endpointShow(), a.endpointUpdate(), a.endpointDelete(), a.endpointScale(), a.endpointSKUs(),
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
	return pairs(cmd, "Name", e.Name, "State", p.ResourceState, "Description", p.Description, "Host name", p.HostName, "Custom host names", strings.Join(p.CustomHostNames, ", "),
		"Cache age", cacheAge(p.MaxCacheAge), "May watch", viewersLine(p.AccessControl), "Created", date(p.Created), "Tags", tagLine(e.Tags))
}

func cacheAge(age *api.Int64) string {
	if age == nil {
		return ""
	}
	return strconv.FormatInt(int64(*age), 10) + " s"
}

func viewersLine(a *api.EndpointAccessControl) string {
	if a == nil || a.IP == nil {
		return ""
	}
	return allowLine(a.IP)
}

// endpointFlags adds what create and update have in common, and returns the properties that were asked for and the tags.
func endpointFlags(cmd *cobra.Command) func() (properties map[string]any, tags map[string]string, err error) {
	var description string
	var age int64
	var hosts []string
	cmd.Flags().StringVar(&description, "description", "", "a note")
	cmd.Flags().Int64Var(&age, "max-cache-age", 0, "`seconds` that caches may keep segments and recordings; 0: as the origin likes")
	cmd.Flags().StringSliceVar(&hosts, "host-name", nil, "custom host `name` (repeatable); it is kept and given back")
	allow, tags := allowFlag(cmd, "allow", "watch"), tagFlag(cmd)
	return func() (map[string]any, map[string]string, error) {
		p := map[string]any{}
		for flag, v := range map[string]struct {
			name  string
			value any
		}{"description": {"description", description}, "max-cache-age": {"maxCacheAge", age}, "host-name": {"customHostNames", hosts}} {
			if cmd.Flags().Changed(flag) {
				p[v.name] = v.value
			}
		}
		list, changed, err := allow()
		if changed {
			p["accessControl"] = map[string]any{"ip": list}
		}
		return p, *tags, err
	}
}

func (a *app) endpointUpdate() *cobra.Command {
	cmd := &cobra.Command{Use: "update NAME", Short: "Change a streaming endpoint", Args: cobra.ExactArgs(1)}
	flags := endpointFlags(cmd)
	cmd.RunE = a.call(func(cmd *cobra.Command, c *api.Client, args []string) error {
		properties, tags, err := flags()
		if err != nil {
			return err
		}
		patch := map[string]any{"properties": properties}
		if cmd.Flags().Changed("tag") {
			patch["tags"] = tags
		}
		e, err := c.UpdateStreamingEndpoint(cmd.Context(), args[0], patch)
		if err != nil {
			return err
		}
		return a.show(cmd, e, func() error { return printEndpoint(cmd, e) })
	})
	return cmd
}

func (a *app) endpointSKUs() *cobra.Command {
	return &cobra.Command{
		Use: "skus NAME", Short: "List the classes a streaming endpoint can have", Args: cobra.ExactArgs(1),
		RunE: a.call(func(cmd *cobra.Command, c *api.Client, args []string) error {
			skus, err := c.StreamingEndpointSKUs(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return list(a, cmd, skus.Value, []string{"NAME", "SCALE UNITS"}, func(s api.EndpointSKUInfo) []string {
				return []string{s.SKU.Name, fmt.Sprintf("%d to %d", s.Capacity.Minimum, s.Capacity.Maximum)}
			})
		}),
	}
}

func (a *app) endpointCreate() *cobra.Command {
	var start bool
	cmd := &cobra.Command{Use: "create NAME", Short: "Make a streaming endpoint", Args: cobra.ExactArgs(1)}
	cmd.Flags().BoolVar(&start, "start", false, "start it too")
	flags := endpointFlags(cmd)
	cmd.RunE = a.call(func(cmd *cobra.Command, c *api.Client, args []string) error {
		properties, tags, err := flags()
		if err != nil {
			return err
		}
		properties["scaleUnits"] = 0
		body, err := json.Marshal(map[string]any{"location": "local", "tags": tags, "properties": properties})
		if err != nil {
			return err
		}
		v, err := api.DecodeResource[api.StreamingEndpoint](body)
		if err != nil {
			return err
		}
		e, err := c.CreateStreamingEndpoint(cmd.Context(), args[0], v, api.WriteOptions{AutoStart: start})
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
