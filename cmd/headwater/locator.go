package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"headwater.stream/api"
	"headwater.stream/locator"
)

func (a *app) locatorCommand() *cobra.Command {
	return group("locator", "Streaming locators: what is published", a.locatorCreate(), a.locatorList(), a.locatorShow(), a.locatorPaths(), a.locatorAudience(), a.locatorAccess(), a.locatorToken(), a.locatorDelete())
}

func (a *app) locatorCreate() *cobra.Command {
	var p api.StreamingLocatorProperties
	var start, end string
	var access accessFlags
	cmd := &cobra.Command{Use: "create NAME", Short: "Publish an asset", Args: cobra.ExactArgs(1)}
	f := cmd.Flags()
	f.StringVar(&p.AssetName, "asset", "", "`name` of the asset to publish (required)")
	f.StringVar(&p.StreamingPolicyName, "policy", "Predefined_ClearStreamingOnly", "`name` of the streaming policy")
	f.StringVar(&p.StreamingLocatorID, "id", "", "`GUID` for the URL (default: a random one)")
	f.StringVar(&start, "start", "", "`date` from which it serves")
	f.StringVar(&end, "end", "", "`date` until which it serves")
	f.StringSliceVar(&p.Filters, "filter", nil, "`name` of a filter that always applies (repeatable)")
	access.add(cmd)
	cmd.RunE = a.call(func(cmd *cobra.Command, c *api.Client, args []string) (err error) {
		if p.AssetName == "" {
			return usageError("--asset is required")
		}
		if p.StartTime, err = instant("start", start); err != nil {
			return err
		}
		if p.EndTime, err = instant("end", end); err != nil {
			return err
		}
		if p.Access, err = access.read(); err != nil {
			return err
		}
		l, err := c.CreateStreamingLocator(cmd.Context(), args[0], &api.StreamingLocator{Properties: p})
		if err != nil {
			return err
		}
		return a.show(cmd, l, func() error { return printLocator(cmd, l) })
	})
	return cmd
}

func printLocator(cmd *cobra.Command, l *api.StreamingLocator) error {
	p := l.Properties
	return pairs(cmd, "Name", l.Name, "Asset", p.AssetName, "ID", p.StreamingLocatorID, "Policy", p.StreamingPolicyName, "From", date(p.StartTime), "Until", date(p.EndTime), "Access", accessText(p.Access), "Created", date(p.Created))
}

// accessText says who may watch.
func accessText(a *api.LocatorAccess) string {
	if a == nil {
		return "everybody"
	}
	return fmt.Sprintf("with a token for %s, by one of %d keys", a.TokenRestriction.Audience, 1+len(a.TokenRestriction.AlternateVerificationKeys))
}

func (a *app) locatorList() *cobra.Command {
	var filter, order string
	cmd := &cobra.Command{
		Use: "list", Short: "List streaming locators", Args: cobra.NoArgs,
		RunE: a.call(func(cmd *cobra.Command, c *api.Client, _ []string) error {
			locators, err := c.ListStreamingLocators(cmd.Context(), api.ListOptions{Filter: filter, OrderBy: order})
			if err != nil {
				return err
			}
			return list(a, cmd, locators, []string{"NAME", "ASSET", "ID", "POLICY", "UNTIL"}, func(l *api.StreamingLocator) []string {
				p := l.Properties
				return []string{l.Name, p.AssetName, p.StreamingLocatorID, p.StreamingPolicyName, date(p.EndTime)}
			})
		}),
	}
	listFlags(cmd, &filter, &order)
	return cmd
}

func (a *app) locatorShow() *cobra.Command {
	return &cobra.Command{
		Use: "show NAME", Short: "Show a streaming locator", Args: cobra.ExactArgs(1),
		RunE: a.call(func(cmd *cobra.Command, c *api.Client, args []string) error {
			l, err := c.GetStreamingLocator(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return a.show(cmd, l, func() error { return printLocator(cmd, l) })
		}),
	}
}

// published are the URLs of a locator on an endpoint.
type published struct {
	HLS   string `json:"hls,omitempty"`
	DASH  string `json:"dash,omitempty"`
	MP4   string `json:"mp4,omitempty"`   // once the recording has ended
	Watch string `json:"watch,omitempty"` // page that plays it

	Poster     string `json:"poster,omitempty"` // once the recording has ended, where the server has ffmpeg
	Storyboard string `json:"storyboard,omitempty"`
}

// publishedURLs joins the paths of a locator with the host of an endpoint, and a token if there is one.
func publishedURLs(ctx context.Context, c *api.Client, name, endpoint, token string) (published, error) {
	var urls published
	paths, err := c.StreamingLocatorPaths(ctx, name)
	if err != nil {
		return urls, err
	}
	e, err := c.GetStreamingEndpoint(ctx, endpoint)
	if err != nil {
		return urls, err
	}
	base := e.Properties.Scheme + "://" + e.Properties.HostName
	for _, p := range paths.StreamingPaths {
		if len(p.Paths) == 0 {
			continue
		}
		path := locator.WithToken(p.Paths[0], token)
		switch p.StreamingProtocol {
		case "Hls":
			urls.HLS = base + path
			urls.Watch = base + "/watch?src=" + path
		case "Dash":
			urls.DASH = base + path
		}
	}
	if len(paths.DownloadPaths) > 0 {
		urls.MP4 = base + paths.DownloadPaths[0]
	}
	for _, path := range paths.ThumbnailPaths {
		if strings.HasSuffix(path, ".vtt") {
			urls.Storyboard = base + locator.WithToken(path, token)
		} else {
			urls.Poster = base + locator.WithToken(path, token)
		}
	}
	if urls.Watch == "" && urls.DASH != "" {
		urls.Watch = base + "/watch?src=" + urls.DASH[len(base):]
	}
	return urls, nil
}

func (a *app) locatorPaths() *cobra.Command {
	var endpoint string
	cmd := &cobra.Command{
		Use: "paths NAME", Short: "Print the full URLs under which a locator serves", Args: cobra.ExactArgs(1),
		RunE: a.call(func(cmd *cobra.Command, c *api.Client, args []string) error {
			urls, err := publishedURLs(cmd.Context(), c, args[0], endpoint, "")
			if err != nil {
				return err
			}
			return a.show(cmd, urls, func() error {
				if urls == (published{}) {
					_, err := fmt.Fprintln(cmd.ErrOrStderr(), "Nothing to serve yet: create a live output on the asset first.")
					return err
				}
				return pairs(cmd, "HLS", urls.HLS, "DASH", urls.DASH, "Watch", urls.Watch, "MP4", urls.MP4, "Poster", urls.Poster, "Storyboard", urls.Storyboard)
			})
		}),
	}
	cmd.Flags().StringVar(&endpoint, "endpoint", "default", "`name` of the streaming endpoint")
	return cmd
}

func (a *app) locatorDelete() *cobra.Command {
	return &cobra.Command{
		Use: "delete NAME", Short: "Withdraw what a locator published", Args: cobra.ExactArgs(1),
		RunE: a.call(func(cmd *cobra.Command, c *api.Client, args []string) error {
			existed, err := c.DeleteStreamingLocator(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return a.deleted(cmd, "locator", args[0], existed)
		}),
	}
}
