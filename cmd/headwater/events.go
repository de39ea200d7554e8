package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"headwater.stream/api"
)

// eventsCommand shows the log of everything that happens.
func (a *app) eventsCommand() *cobra.Command {
	var follow bool
	var o api.EventOptions
	var event string
	cmd := &cobra.Command{
		Use: "events", Short: "Show what happened: encoders, heartbeats, live events, outputs, assets, locators",
		Long: `Show the event log, the newest last; with --follow go on with what happens next, over restarts of the server too.

Types are those of Azure Media Services (Microsoft.Media.LiveEventEncoderConnected, …) and our own (Headwater.AssetCreated,
…); docs/events.md lists them. --json prints CloudEvents, one a line with --follow.`,
		Args: cobra.NoArgs,
	}
	flags := cmd.Flags()
	flags.BoolVar(&follow, "follow", false, "go on with what happens next")
	flags.IntVar(&o.Last, "last", 0, "how `many` of those before (default: 100, with --follow 10)")
	flags.StringVar(&o.After, "after", "", "only what came after the event with this `ID`")
	flags.StringSliceVar(&o.Types, "type", nil, "only events of this `type`, or of all that begin like it if it ends in * (repeatable)")
	flags.StringVar(&event, "event", "", "only events about the live event `NAME` and its outputs")
	cmd.MarkFlagsMutuallyExclusive("last", "after")
	cmd.RunE = a.callLong(func(cmd *cobra.Command, c *api.Client, _ []string) error {
		if event != "" {
			o.Subject = "liveEvent/" + event
		}
		about := func(e api.Event) bool { // NAME is not a prefix of names
			return event == "" || e.Subject == o.Subject || strings.HasPrefix(e.Subject, o.Subject+"/")
		}
		if !follow {
			events, err := c.ListEvents(cmd.Context(), o)
			if err != nil {
				return err
			}
			events = slices.DeleteFunc(events, func(e api.Event) bool { return !about(e) })
			return list(a, cmd, events, []string{"TIME", "EVENT", "SUBJECT", "DATA"}, happenedCells)
		}
		if o.Last == 0 && o.After == "" {
			o.Last = 10
		}
		return interrupted(cmd, c.FollowEvents(cmd.Context(), o, func(e api.Event) error {
			if !about(e) {
				return nil
			}
			line := strings.Join(happenedCells(e), "  ")
			if a.json {
				b, err := json.Marshal(e)
				if err != nil {
					return err
				}
				line = string(b)
			}
			_, err := fmt.Fprintln(cmd.OutOrStdout(), line)
			return err
		}))
	})
	return cmd
}

func happenedCells(e api.Event) []string {
	short := strings.TrimPrefix(strings.TrimPrefix(e.Type, "Microsoft.Media."), "Headwater.")
	return []string{date(e.Time), short, e.Subject, dataWords(e.Data)}
}

// dataWords prints the members of an event's data in order of their names, without what the subject says.
func dataWords(data json.RawMessage) string {
	var members map[string]json.RawMessage
	if json.Unmarshal(data, &members) != nil {
		return string(data)
	}
	var words []string
	for name, value := range members {
		if name != "resourceId" && name != "name" && name != "liveEventName" {
			words = append(words, name+"="+strings.Trim(string(value), `"`))
		}
	}
	slices.Sort(words)
	return strings.Join(words, " ")
}
