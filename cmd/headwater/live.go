package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"headwater.stream/api"
)

func (a *app) liveCommand() *cobra.Command {
	return group("live", "A whole broadcast in one command", a.liveStart(), a.liveEnd())
}

// broadcast is what a broadcast consists of, and where it is sent and watched.
type broadcast struct {
	Event     string    `json:"event"`
	Output    string    `json:"output,omitempty"`
	Asset     string    `json:"asset"`
	Locator   string    `json:"locator"`
	Server    string    `json:"server,omitempty"`    // for OBS
	StreamKey string    `json:"streamKey,omitempty"` // for OBS
	Preview   string    `json:"preview,omitempty"`
	URLs      published `json:"urls"`
}

const (
	liveOutputName = "live"
	defaultLocator = "Predefined_ClearStreamingOnly"
)

func (a *app) liveStart() *cobra.Command {
	var archive string
	cmd := &cobra.Command{
		Use:   "start NAME",
		Short: "Make and start everything for a broadcast, and print where to send and watch it",
		Long: `Make and start everything for a broadcast: a live event, an asset, a live output that records the event into it, and a
locator that publishes it. What is there already is used, so the command can be repeated.`,
		Args: cobra.ExactArgs(1),
	}
	latency := latencyFlag(cmd)
	cmd.Flags().StringVar(&archive, "archive-window", "25h", "how much of a new recording is kept, a `duration` from 1m to 25h")
	cmd.RunE = a.call(func(cmd *cobra.Command, c *api.Client, args []string) error {
		options, err := latency()
		if err != nil {
			return err
		}
		window, err := duration("archive-window", archive)
		if err != nil {
			return err
		}
		b, err := startBroadcast(cmd.Context(), c, args[0], options, window)
		if err != nil {
			return err
		}
		return a.show(cmd, b, func() error {
			if err := pairs(cmd, "OBS server", b.Server, "OBS stream key", b.StreamKey+"  (or anything else)", "Preview", b.Preview,
				"HLS", b.URLs.HLS, "DASH", b.URLs.DASH, "Watch", b.URLs.Watch, "Recording", "asset "+b.Asset); err != nil {
				return err
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "Start the encoder now; end with 'headwater live end %s'.\n", b.Event)
			return err
		})
	})
	return cmd
}

// absent reports whether err says that something does not exist.
func absent(err error) bool {
	var e *api.Error
	return errors.As(err, &e) && e.Status == http.StatusNotFound
}

// startBroadcast goes through the steps of a broadcast and does those that are not done.
func startBroadcast(ctx context.Context, c *api.Client, name string, options []string, window string) (*broadcast, error) {
	event, err := c.GetLiveEvent(ctx, name)
	switch {
	case absent(err):
		event, err = c.CreateLiveEvent(ctx, name, &api.LiveEvent{
			Tracked:    api.Tracked{Location: "local"},
			Properties: api.LiveEventProperties{StreamOptions: options, Input: &api.LiveEventInput{StreamingProtocol: "RTMP"}},
		}, api.WriteOptions{AutoStart: true})
	case err == nil && (event.Properties.ResourceState == api.Stopped || event.Properties.ResourceState == api.StandBy):
		err = c.StartLiveEvent(ctx, name)
	}
	if err != nil {
		return nil, fmt.Errorf("live event %s: %w", name, err)
	}
	b := &broadcast{Event: event.Name, Server: ingestURL(event), StreamKey: event.Name, Preview: previewURL(event)}
	outputs, err := c.ListLiveOutputs(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("live outputs of %s: %w", name, err)
	}
	if len(outputs) > 0 {
		b.Output, b.Asset = outputs[0].Name, outputs[0].Properties.AssetName
	} else if err := b.record(ctx, c, window); err != nil {
		return nil, err
	}
	if err := b.publish(ctx, c); err != nil {
		return nil, err
	}
	endpoint, err := c.GetStreamingEndpoint(ctx, "default")
	if err == nil && endpoint.Properties.ResourceState == api.Stopped {
		err = c.StartStreamingEndpoint(ctx, "default")
	}
	if err != nil {
		return nil, fmt.Errorf("streaming endpoint default: %w", err)
	}
	b.URLs, err = publishedURLs(ctx, c, b.Locator, "default", "")
	return b, err
}

// record makes an asset for this broadcast and an output that records into it.
func (b *broadcast) record(ctx context.Context, c *api.Client, window string) error {
	b.Output = liveOutputName
	b.Asset = b.Event + "-" + time.Now().UTC().Format("20060102-150405")
	_, err := c.PutAsset(ctx, b.Asset, &api.Asset{Properties: api.AssetProperties{AlternateID: b.Event, Description: "Recording of the live event " + b.Event}})
	if err != nil {
		return fmt.Errorf("asset %s: %w", b.Asset, err)
	}
	_, err = c.CreateLiveOutput(ctx, b.Event, b.Output, &api.LiveOutput{Properties: api.LiveOutputProperties{
		AssetName: b.Asset, ArchiveWindowLength: window, ManifestName: b.Event,
	}})
	if err != nil {
		return fmt.Errorf("live output %s: %w", b.Output, err)
	}
	return nil
}

// publish finds the asset's locator or makes one.
func (b *broadcast) publish(ctx context.Context, c *api.Client) error {
	locators, err := c.AssetStreamingLocators(ctx, b.Asset)
	if err != nil {
		return fmt.Errorf("locators of asset %s: %w", b.Asset, err)
	}
	if len(locators.StreamingLocators) > 0 {
		b.Locator = locators.StreamingLocators[0].Name
		return nil
	}
	b.Locator = b.Asset
	_, err = c.CreateStreamingLocator(ctx, b.Locator, &api.StreamingLocator{Properties: api.StreamingLocatorProperties{
		AssetName: b.Asset, StreamingPolicyName: defaultLocator,
	}})
	if err != nil {
		return fmt.Errorf("streaming locator %s: %w", b.Locator, err)
	}
	return nil
}

func (a *app) liveEnd() *cobra.Command {
	return &cobra.Command{
		Use:   "end NAME",
		Short: "End a broadcast and print where its recording replays",
		Args:  cobra.ExactArgs(1),
		RunE: a.call(func(cmd *cobra.Command, c *api.Client, args []string) error {
			b, err := endBroadcast(cmd.Context(), c, args[0])
			if err != nil {
				return err
			}
			return a.show(cmd, b, func() error {
				if b.Asset == "" {
					_, err := fmt.Fprintf(cmd.OutOrStdout(), "The live event %s is stopped; it has no recording.\n", b.Event)
					return err
				}
				return pairs(cmd, "Recording", "asset "+b.Asset, "HLS", b.URLs.HLS, "DASH", b.URLs.DASH, "Watch", b.URLs.Watch)
			})
		}),
	}
}

// endBroadcast ends the outputs and stops the event; done before, it finds the recording again.
func endBroadcast(ctx context.Context, c *api.Client, name string) (*broadcast, error) {
	event, err := c.GetLiveEvent(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("live event %s: %w", name, err)
	}
	b := &broadcast{Event: event.Name}
	outputs, err := c.ListLiveOutputs(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("live outputs of %s: %w", name, err)
	}
	for _, o := range outputs {
		b.Asset = o.Properties.AssetName
		if _, err := c.DeleteLiveOutput(ctx, name, o.Name); err != nil {
			return nil, fmt.Errorf("live output %s: %w", o.Name, err)
		}
	}
	if state := event.Properties.ResourceState; state == api.Running || state == api.StandBy {
		if err := c.StopLiveEvent(ctx, name, api.StopOptions{}); err != nil {
			return nil, fmt.Errorf("live event %s: %w", name, err)
		}
	}
	if b.Asset == "" {
		one := 1
		assets, err := c.ListAssets(ctx, api.ListOptions{
			Filter: "properties/alternateId eq '" + strings.ReplaceAll(event.Name, "'", "''") + "'", OrderBy: "properties/created desc", Top: &one,
		})
		if err != nil || len(assets) == 0 {
			return b, err
		}
		b.Asset = assets[0].Name
	}
	locators, err := c.AssetStreamingLocators(ctx, b.Asset)
	if err != nil || len(locators.StreamingLocators) == 0 {
		return b, err
	}
	b.Locator = locators.StreamingLocators[0].Name
	b.URLs, err = publishedURLs(ctx, c, b.Locator, "default", "")
	return b, err
}
