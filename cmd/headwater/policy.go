package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"headwater.stream/api"
)

func (a *app) policyCommand() *cobra.Command {
	return group("policy", "Streaming policies: which protocols a locator serves", a.policyCreate(), a.policyList(), a.policyShow(), a.policyDelete())
}

// protocolNames lists what a policy enables.
func protocolNames(p *api.StreamingPolicy) string {
	switch v := p.Properties; {
	case v.NoEncryption == nil || v.NoEncryption.EnabledProtocols == nil:
		return "encrypted (not available)"
	default:
		var names []string
		on := v.NoEncryption.EnabledProtocols
		for _, e := range []struct {
			name string
			on   *bool
		}{{"hls", on.HLS}, {"dash", on.DASH}, {"smoothStreaming", on.SmoothStreaming}, {"download", on.Download}} {
			if e.on != nil && *e.on {
				names = append(names, e.name)
			}
		}
		return strings.Join(names, ",")
	}
}

func printPolicy(cmd *cobra.Command, p *api.StreamingPolicy) error {
	return pairs(cmd, "Name", p.Name, "Protocols", protocolNames(p), "Created", date(p.Properties.Created))
}

func (a *app) policyCreate() *cobra.Command {
	var protocols []string
	cmd := &cobra.Command{Use: "create NAME", Short: "Make a streaming policy", Args: cobra.ExactArgs(1)}
	cmd.Flags().StringSliceVar(&protocols, "protocol", []string{"hls", "dash"}, "protocols to serve: hls, dash, download (an MP4 file of the whole, once it has ended)")
	cmd.RunE = a.call(func(cmd *cobra.Command, c *api.Client, args []string) error {
		for _, p := range protocols {
			if p != "hls" && p != "dash" && p != "download" {
				return usageError("--protocol has to be hls, dash or download")
			}
		}
		off, hls, dash, download := false, slices.Contains(protocols, "hls"), slices.Contains(protocols, "dash"), slices.Contains(protocols, "download")
		p, err := c.CreateStreamingPolicy(cmd.Context(), args[0], &api.StreamingPolicy{Properties: api.StreamingPolicyProperties{
			NoEncryption: &api.NoEncryption{EnabledProtocols: &api.EnabledProtocols{HLS: &hls, DASH: &dash, SmoothStreaming: &off, Download: &download}},
		}})
		if err != nil {
			return err
		}
		return a.show(cmd, p, func() error { return printPolicy(cmd, p) })
	})
	return cmd
}

func (a *app) policyList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List streaming policies, the built-in ones too", Args: cobra.NoArgs,
		RunE: a.call(func(cmd *cobra.Command, c *api.Client, _ []string) error {
			policies, err := c.ListStreamingPolicies(cmd.Context(), api.ListOptions{})
			if err != nil {
				return err
			}
			return list(a, cmd, policies, []string{"NAME", "PROTOCOLS"}, func(p *api.StreamingPolicy) []string { return []string{p.Name, protocolNames(p)} })
		}),
	}
}

func (a *app) policyShow() *cobra.Command {
	return &cobra.Command{
		Use: "show NAME", Short: "Show a streaming policy", Args: cobra.ExactArgs(1),
		RunE: a.call(func(cmd *cobra.Command, c *api.Client, args []string) error {
			p, err := c.GetStreamingPolicy(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return a.show(cmd, p, func() error { return printPolicy(cmd, p) })
		}),
	}
}

func (a *app) policyDelete() *cobra.Command {
	return &cobra.Command{
		Use: "delete NAME", Short: "Delete a streaming policy", Args: cobra.ExactArgs(1),
		RunE: a.call(func(cmd *cobra.Command, c *api.Client, args []string) error {
			existed, err := c.DeleteStreamingPolicy(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return a.deleted(cmd, "policy", args[0], existed)
		}),
	}
}
