package main

import (
	"strconv"

	"github.com/spf13/cobra"

	"headwater.stream/api"
)

// locatorAudience shows who watches what a locator publishes.
func (a *app) locatorAudience() *cobra.Command {
	return &cobra.Command{
		Use: "audience NAME", Short: "Show how many watch what a locator publishes, and what their players say", Args: cobra.ExactArgs(1),
		Long: `Show what is known of the last minute: an estimate of the viewers, and what players that send CMCD (CTA-5004) say of their
latency, stalls, buffer and bit rate (docs/monitoring.md).`,
		RunE: a.call(func(cmd *cobra.Command, c *api.Client, args []string) error {
			w, err := c.StreamingLocatorAudience(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			n := func(v api.Int64) string { return strconv.FormatInt(int64(v), 10) }
			return a.show(cmd, w, func() error {
				lines := []string{"Viewers", strconv.Itoa(int(w.Viewers)), "Requests", n(w.Requests), "With CMCD", n(w.Reports)}
				if w.Reports > 0 {
					lines = append(lines, "Stalls", n(w.Stalls), "Latency", w.Latency, "Buffer", w.Buffer, "Bit rate", n(w.Bitrate), "Throughput", n(w.Throughput))
				}
				return pairs(cmd, lines...)
			})
		}),
	}
}
