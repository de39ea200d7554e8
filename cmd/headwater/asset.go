package main

import (
	"strings"

	"github.com/spf13/cobra"

	"headwater.stream/api"
)

func (a *app) assetCommand() *cobra.Command {
	return group("asset", "Assets: recordings", a.assetCreate(), a.assetList(), a.assetShow(), a.assetUpdate(), a.assetTracks(), a.assetDelete(),
		a.assetImport(), a.assetClip(), a.assetExport(), a.assetCheck())
}

// assetFlags adds the flags that say what an asset is.
func assetFlags(cmd *cobra.Command) *api.AssetProperties {
	p := new(api.AssetProperties)
	cmd.Flags().StringVar(&p.Description, "description", "", "a note")
	cmd.Flags().StringVar(&p.AlternateID, "alternate-id", "", "an `ID` of your own, to filter lists by")
	cmd.Flags().Func("expires", "`date` when it is deleted with its locators, if no output records into it then, or never (default: as serve --asset-retention says)", func(text string) error {
		switch text {
		case "":
			p.Expires = nil
			return nil
		case "never":
			far := api.FarFuture()
			p.Expires = &far
			return nil
		}
		t, err := api.ParseTime(text)
		p.Expires = &t
		return err
	})
	return p
}

func (a *app) assetCreate() *cobra.Command {
	cmd := &cobra.Command{Use: "create NAME", Short: "Make an asset to record into", Args: cobra.ExactArgs(1)}
	p := assetFlags(cmd)
	cmd.Flags().StringVar(&p.Container, "container", "", "`name` of its directory below <data-dir>/assets (default: asset-<id>)")
	cmd.RunE = a.call(func(cmd *cobra.Command, c *api.Client, args []string) error {
		v, err := c.PutAsset(cmd.Context(), args[0], &api.Asset{Properties: *p})
		if err != nil {
			return err
		}
		return a.show(cmd, v, func() error { return printAsset(cmd, v, nil) })
	})
	return cmd
}

func printAsset(cmd *cobra.Command, v *api.Asset, locators *api.AssetLocators) error {
	p := v.Properties
	lines := []string{"Name", v.Name, "ID", p.AssetID, "Description", p.Description, "Alternate ID", p.AlternateID, "Container", p.Container, "Created", date(p.Created), "Expires", date(p.Expires)}
	if locators != nil {
		for _, l := range locators.StreamingLocators {
			lines = append(lines, "Locator", l.Name)
		}
	}
	return pairs(cmd, lines...)
}

func (a *app) assetList() *cobra.Command {
	var filter, order string
	cmd := &cobra.Command{
		Use: "list", Short: "List assets", Args: cobra.NoArgs,
		RunE: a.call(func(cmd *cobra.Command, c *api.Client, _ []string) error {
			assets, err := c.ListAssets(cmd.Context(), api.ListOptions{Filter: filter, OrderBy: order})
			if err != nil {
				return err
			}
			return list(a, cmd, assets, []string{"NAME", "CONTAINER", "CREATED"}, func(v *api.Asset) []string {
				return []string{v.Name, v.Properties.Container, date(v.Properties.Created)}
			})
		}),
	}
	listFlags(cmd, &filter, &order)
	return cmd
}

// listFlags adds the OData flags of a list.
func listFlags(cmd *cobra.Command, filter, order *string) {
	cmd.Flags().StringVar(filter, "filter", "", "OData `expression`: \"name ge 'b' and properties/created lt 2026-01-01\"")
	cmd.Flags().StringVar(order, "order-by", "", "`property` to order by, as in \"properties/created desc\"")
}

func (a *app) assetShow() *cobra.Command {
	return &cobra.Command{
		Use: "show NAME", Short: "Show an asset and its locators", Args: cobra.ExactArgs(1),
		RunE: a.call(func(cmd *cobra.Command, c *api.Client, args []string) error {
			v, err := c.GetAsset(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if a.json {
				return printJSON(cmd, v)
			}
			locators, err := c.AssetStreamingLocators(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return printAsset(cmd, v, locators)
		}),
	}
}

func (a *app) assetUpdate() *cobra.Command {
	cmd := &cobra.Command{Use: "update NAME", Short: "Change an asset", Args: cobra.ExactArgs(1)}
	p := assetFlags(cmd)
	cmd.RunE = a.call(func(cmd *cobra.Command, c *api.Client, args []string) error {
		properties := map[string]any{}
		if cmd.Flags().Changed("expires") {
			properties["expires"] = p.Expires
		}
		if cmd.Flags().Changed("description") {
			properties["description"] = p.Description
		}
		if cmd.Flags().Changed("alternate-id") {
			properties["alternateId"] = p.AlternateID
		}
		v, err := c.UpdateAsset(cmd.Context(), args[0], map[string]any{"properties": properties})
		if err != nil {
			return err
		}
		return a.show(cmd, v, func() error { return printAsset(cmd, v, nil) })
	})
	return cmd
}

func (a *app) assetTracks() *cobra.Command {
	return &cobra.Command{
		Use: "tracks NAME", Short: "List the tracks of an asset's recording", Args: cobra.ExactArgs(1),
		RunE: a.call(func(cmd *cobra.Command, c *api.Client, args []string) error {
			tracks, err := c.ListTracks(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return list(a, cmd, tracks, []string{"NAME", "KIND", "CODEC", "BIT RATE", "LANGUAGE"}, func(v *api.AssetTrack) []string {
				t := v.Properties.Track
				kind := strings.TrimSuffix(t.ODataType[strings.LastIndexByte(t.ODataType, '.')+1:], "Track")
				return []string{v.Name, kind, t.Codec, rate(t.BitRate), t.LanguageCode}
			})
		}),
	}
}

func (a *app) assetDelete() *cobra.Command {
	return &cobra.Command{
		Use: "delete NAME", Short: "Delete an asset and its recording", Args: cobra.ExactArgs(1),
		RunE: a.call(func(cmd *cobra.Command, c *api.Client, args []string) error {
			existed, err := c.DeleteAsset(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return a.deleted(cmd, "asset", args[0], existed)
		}),
	}
}
