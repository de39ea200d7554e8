package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"headwater.stream/api"
)

func (a *app) eventCommand() *cobra.Command {
	return group("event", "Live events: what an encoder sends to",
		a.eventCreate(), a.eventList(), a.eventShow(), a.eventUpdate(), a.eventStop(), a.eventDelete(), a.eventStatus(), a.eventDoctor(), a.eventEvents(), a.eventHeartbeats(),
		a.eventVerb("start", "Start a live event: encoders are admitted", "started", func(ctx context.Context, c *api.Client, name string) error {
			return c.StartLiveEvent(ctx, name)
		}),
		a.eventVerb("reset", "Delete the outputs of a running live event and start it anew", "reset", func(ctx context.Context, c *api.Client, name string) error {
			return c.ResetLiveEvent(ctx, name)
		}),
		a.eventVerb("allocate", "Bring a stopped live event to StandBy", "allocated", func(ctx context.Context, c *api.Client, name string) error {
			return c.AllocateLiveEvent(ctx, name)
		}),
	)
}

// eventVerb is a command that does one thing to one event.
func (a *app) eventVerb(verb, short, state string, do func(context.Context, *api.Client, string) error) *cobra.Command {
	return &cobra.Command{
		Use: verb + " NAME", Short: short, Args: cobra.ExactArgs(1),
		RunE: a.call(func(cmd *cobra.Command, c *api.Client, args []string) error {
			if err := do(cmd.Context(), c, args[0]); err != nil {
				return err
			}
			return a.done(cmd, "event", args[0], state)
		}),
	}
}

// latencyFlag adds --latency and returns what it means.
func latencyFlag(cmd *cobra.Command) func() ([]string, error) {
	latency := cmd.Flags().String("latency", "low", "`low` (LL-HLS parts) or normal")
	return func() ([]string, error) {
		switch *latency {
		case "low":
			return []string{"LowLatencyV2"}, nil
		case "normal":
			return []string{"Default"}, nil
		}
		return nil, usageError("--latency has to be low or normal")
	}
}

func (a *app) eventCreate() *cobra.Command {
	var start, static bool
	var token, preview, keyFrames, description, kind, prefix string
	cmd := &cobra.Command{Use: "create NAME", Short: "Make a live event", Args: cobra.ExactArgs(1)}
	latency := latencyFlag(cmd)
	tags, access := tagFlag(cmd), eventAccess(cmd)
	f := cmd.Flags()
	f.BoolVar(&start, "start", false, "start it too")
	f.StringVar(&token, "access-token", "", "`GUID` for the ingest URL (default: a random one)")
	f.StringVar(&preview, "preview-locator", "", "`GUID` for the preview URL (default: a random one)")
	f.StringVar(&keyFrames, "key-frame-interval", "", "segment length aimed at, a `duration` like 2s (default 2s)")
	f.StringVar(&kind, "type", "PassthroughStandard", "PassthroughStandard or PassthroughBasic")
	f.StringVar(&description, "description", "", "a note")
	f.BoolVar(&static, "static-hostname", false, "set useStaticHostname, which scripts look at; URLs stay the same anyway")
	f.StringVar(&prefix, "hostname-prefix", "", "set hostnamePrefix, the same")
	cmd.RunE = a.call(func(cmd *cobra.Command, c *api.Client, args []string) error {
		ingest, watch, err := access()
		if err != nil {
			return err
		}
		options, err := latency()
		if err != nil {
			return err
		}
		interval, err := duration("key-frame-interval", keyFrames)
		if err != nil {
			return err
		}
		e, err := c.CreateLiveEvent(cmd.Context(), args[0], &api.LiveEvent{
			Tracked: api.Tracked{Location: "local", Tags: *tags},
			Properties: api.LiveEventProperties{
				Description: description, UseStaticHostname: static, HostnamePrefix: prefix, StreamOptions: options, Encoding: &api.LiveEventEncoding{EncodingType: kind},
				Input:   &api.LiveEventInput{StreamingProtocol: "RTMP", AccessToken: token, KeyFrameIntervalDuration: interval, AccessControl: &api.AccessControl{IP: ingest}},
				Preview: &api.LiveEventPreview{PreviewLocator: preview, AccessControl: &api.AccessControl{IP: watch}},
			},
		}, api.WriteOptions{AutoStart: start})
		if err != nil {
			return err
		}
		return a.show(cmd, e, func() error { return printEvent(cmd, e, nil) })
	})
	return cmd
}

// eventAccess adds the flags for who may send and who may look at the preview.
func eventAccess(cmd *cobra.Command) func() (ingest, preview *api.IPAccessControl, err error) {
	ingest, preview := allowFlag(cmd, "ingest-allow", "send"), allowFlag(cmd, "preview-allow", "watch the preview")
	return func() (in, pre *api.IPAccessControl, err error) {
		if in, _, err = ingest(); err == nil {
			pre, _, err = preview()
		}
		return in, pre, err
	}
}

func (a *app) eventList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List live events", Args: cobra.NoArgs,
		RunE: a.call(func(cmd *cobra.Command, c *api.Client, _ []string) error {
			events, err := c.ListLiveEvents(cmd.Context())
			if err != nil {
				return err
			}
			return list(a, cmd, events, []string{"NAME", "STATE", "TYPE", "LATENCY", "INGEST"}, func(e *api.LiveEvent) []string {
				p := e.Properties
				return []string{e.Name, p.ResourceState, p.Encoding.EncodingType, strings.Join(p.StreamOptions, ","), ingestURL(e)}
			})
		}),
	}
}

func ingestURL(e *api.LiveEvent) string {
	if in := e.Properties.Input; in != nil && len(in.Endpoints) > 0 {
		return in.Endpoints[0].URL
	}
	return ""
}

func previewURL(e *api.LiveEvent) string {
	if p := e.Properties.Preview; p != nil && len(p.Endpoints) > 0 {
		return p.Endpoints[0].URL + "(format=m3u8-cmaf)"
	}
	return ""
}

func (a *app) eventShow() *cobra.Command {
	var watch bool
	cmd := &cobra.Command{
		Use: "show NAME", Short: "Show a live event and what its encoder sends", Args: cobra.ExactArgs(1),
		RunE: a.call(func(cmd *cobra.Command, c *api.Client, args []string) error {
			if watch {
				return a.watchEvent(cmd, c, args[0])
			}
			e, err := c.GetLiveEvent(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if a.json {
				return printJSON(cmd, e)
			}
			status, err := c.LiveEventStatus(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return printEvent(cmd, e, status)
		}),
	}
	cmd.Flags().BoolVar(&watch, "watch", false, "go on, with a line whenever something changes")
	return cmd
}

// printEvent prints an event for people; status may be nil.
func printEvent(cmd *cobra.Command, e *api.LiveEvent, status *api.LiveEventStatusList) error {
	p := e.Properties
	lines := []string{"Name", e.Name, "State", p.ResourceState, "Description", p.Description, "Type", p.Encoding.EncodingType, "Latency", strings.Join(p.StreamOptions, ", "),
		"OBS server", ingestURL(e), "OBS stream key", "anything, for example " + e.Name, "Preview", previewURL(e), "Created", date(p.Created), "Tags", tagLine(e.Tags)}
	if in := p.Input; in != nil && in.AccessControl != nil && in.AccessControl.IP != nil {
		lines = append(lines, "May send", allowLine(in.AccessControl.IP))
	}
	if pre := p.Preview; pre != nil && pre.AccessControl != nil && pre.AccessControl.IP != nil {
		lines = append(lines, "May preview", allowLine(pre.AccessControl.IP))
	}
	if status != nil && len(status.Value) > 0 {
		lines = append(lines, "Encoder", encoderLine(status.Value[0]))
		for _, t := range status.Value[0].TrackStatus {
			lines = append(lines, "Track", t.TrackID)
		}
	}
	if err := pairs(cmd, lines...); err != nil {
		return err
	}
	hint := ""
	switch {
	case p.ResourceState == api.Stopped:
		hint = "The event is stopped: start it with 'headwater event start " + e.Name + "'."
	case status != nil && p.ResourceState == api.Running && (len(status.Value) == 0 || len(status.Value[0].TrackStatus) == 0):
		hint = "No encoder connected yet: point OBS at the server above."
	}
	if hint != "" {
		_, err := fmt.Fprintln(cmd.OutOrStdout(), hint)
		return err
	}
	return nil
}

func encoderLine(st api.LiveEventStatus) string {
	switch in := st.Ingestion; {
	case in == nil:
		return "none"
	case in.End != nil:
		return "none since " + date(in.End)
	default:
		return in.Encoder + " since " + date(in.Begin)
	}
}

// watchEvery is how often --watch looks.
const watchEvery = time.Second

// watchEvent prints a line whenever state, encoder or tracks have changed, until it is interrupted.
func (a *app) watchEvent(cmd *cobra.Command, c *api.Client, name string) error {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	last := ""
	for {
		e, err := c.GetLiveEvent(cmd.Context(), name)
		if err != nil {
			return interrupted(cmd, err)
		}
		status, err := c.LiveEventStatus(cmd.Context(), name)
		if err != nil {
			return interrupted(cmd, err)
		}
		st := api.LiveEventStatus{}
		if len(status.Value) > 0 {
			st = status.Value[0]
		}
		var tracks []string
		for _, t := range st.TrackStatus {
			tracks = append(tracks, t.TrackID)
		}
		line := fmt.Sprintf("%s  encoder: %s", e.Properties.ResourceState, encoderLine(st))
		if len(tracks) > 0 {
			line += "  " + strings.Join(tracks, "; ")
		}
		if line != last {
			last = line
			now := time.Now().UTC().Format(time.TimeOnly)
			if a.json {
				b, err := json.Marshal(map[string]any{"time": now, "state": e.Properties.ResourceState, "status": st})
				if err != nil {
					return err
				}
				line = string(b)
			} else {
				line = now + "  " + line
			}
			if _, err := fmt.Fprintln(cmd.OutOrStdout(), line); err != nil {
				return err
			}
		}
		select {
		case <-cmd.Context().Done():
			return nil
		case <-tick.C:
		}
	}
}

// interrupted: being told to stop is how a watch ends.
func interrupted(cmd *cobra.Command, err error) error {
	if cmd.Context().Err() != nil {
		return nil
	}
	return err
}

func (a *app) eventUpdate() *cobra.Command {
	var description, keyFrames string
	cmd := &cobra.Command{Use: "update NAME", Short: "Change a live event", Args: cobra.ExactArgs(1)}
	cmd.Flags().StringVar(&description, "description", "", "a note")
	cmd.Flags().StringVar(&keyFrames, "key-frame-interval", "", "segment length aimed at, a `duration` like 2s; only while stopped")
	tags := tagFlag(cmd)
	ingest, preview := allowFlag(cmd, "ingest-allow", "send"), allowFlag(cmd, "preview-allow", "watch the preview")
	cmd.RunE = a.call(func(cmd *cobra.Command, c *api.Client, args []string) error {
		input, properties, patch := map[string]any{}, map[string]any{}, map[string]any{}
		if cmd.Flags().Changed("description") {
			properties["description"] = description
		}
		if interval, err := duration("key-frame-interval", keyFrames); err != nil {
			return err
		} else if interval != "" {
			input["keyFrameIntervalDuration"] = interval
		}
		if list, changed, err := ingest(); err != nil {
			return err
		} else if changed {
			input["accessControl"] = map[string]any{"ip": list}
		}
		if list, changed, err := preview(); err != nil {
			return err
		} else if changed {
			properties["preview"] = map[string]any{"accessControl": map[string]any{"ip": list}}
		}
		if len(input) > 0 {
			properties["input"] = input
		}
		patch["properties"] = properties
		if cmd.Flags().Changed("tag") {
			patch["tags"] = *tags
		}
		e, err := c.UpdateLiveEvent(cmd.Context(), args[0], patch)
		if err != nil {
			return err
		}
		return a.show(cmd, e, func() error { return printEvent(cmd, e, nil) })
	})
	return cmd
}

func (a *app) eventStop() *cobra.Command {
	var remove bool
	cmd := &cobra.Command{
		Use: "stop NAME", Short: "Stop a live event: its encoder is disconnected", Args: cobra.ExactArgs(1),
		RunE: a.call(func(cmd *cobra.Command, c *api.Client, args []string) error {
			if err := c.StopLiveEvent(cmd.Context(), args[0], api.StopOptions{RemoveOutputsOnStop: remove}); err != nil {
				return err
			}
			return a.done(cmd, "event", args[0], "stopped")
		}),
	}
	cmd.Flags().BoolVar(&remove, "remove-outputs", false, "end its live outputs first; their recordings stay")
	return cmd
}

func (a *app) eventDelete() *cobra.Command {
	return &cobra.Command{
		Use: "delete NAME", Short: "Delete a stopped live event", Args: cobra.ExactArgs(1),
		RunE: a.call(func(cmd *cobra.Command, c *api.Client, args []string) error {
			existed, err := c.DeleteLiveEvent(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return a.deleted(cmd, "event", args[0], existed)
		}),
	}
}
