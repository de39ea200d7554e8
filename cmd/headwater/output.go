package main

import (
	"github.com/spf13/cobra"

	"headwater.stream/api"
)

func (a *app) outputCommand() *cobra.Command {
	return group("output", "Live outputs: recordings under way", a.outputCreate(), a.outputList(), a.outputShow(), a.outputDelete())
}

func (a *app) outputCreate() *cobra.Command {
	var asset, archive, rewind, manifest, description string
	cmd := &cobra.Command{Use: "create EVENT NAME", Short: "Record a live event into an asset, from now on", Args: cobra.ExactArgs(2)}
	f := cmd.Flags()
	f.StringVar(&asset, "asset", "", "`name` of the asset to record into (required)")
	f.StringVar(&archive, "archive-window", "6h", "how much is kept, a `duration` from 1m to 25h")
	f.StringVar(&rewind, "rewind-window", "", "how far viewers can rewind while it is live, a `duration` (default: the archive window)")
	f.StringVar(&manifest, "manifest", "", "`name` in the URL (default: the output's)")
	f.StringVar(&description, "description", "", "a note")
	var snap int64
	var fragments int32
	f.Int64Var(&snap, "snap-time", 0, "record from this `time` of the encoder's clock on, in 1/10 000 000 s (default: from now on)")
	f.Int32Var(&fragments, "fragments-per-ts-segment", 0, "kept and given back; transport streams are not made")
	cmd.RunE = a.call(func(cmd *cobra.Command, c *api.Client, args []string) error {
		if asset == "" {
			return usageError("--asset is required")
		}
		window, err := duration("archive-window", archive)
		if err != nil {
			return err
		}
		back, err := duration("rewind-window", rewind)
		if err != nil {
			return err
		}
		var pack *api.HLSPack
		if cmd.Flags().Changed("fragments-per-ts-segment") {
			pack = &api.HLSPack{FragmentsPerTSSegment: &fragments}
		}
		o, err := c.CreateLiveOutput(cmd.Context(), args[0], args[1], &api.LiveOutput{Properties: api.LiveOutputProperties{
			AssetName: asset, ArchiveWindowLength: window, RewindWindowLength: back, ManifestName: manifest, Description: description, OutputSnapTime: api.Int64(snap), HLS: pack,
		}})
		if err != nil {
			return err
		}
		return a.show(cmd, o, func() error { return printOutput(cmd, o) })
	})
	return cmd
}

func printOutput(cmd *cobra.Command, o *api.LiveOutput) error {
	p := o.Properties
	return pairs(cmd, "Name", o.Name, "State", p.ResourceState, "Description", p.Description, "Asset", p.AssetName, "Manifest", p.ManifestName,
		"Archive window", p.ArchiveWindowLength, "Rewind window", p.RewindWindowLength, "Created", date(p.Created))
}

func (a *app) outputList() *cobra.Command {
	return &cobra.Command{
		Use: "list EVENT", Short: "List the outputs of a live event", Args: cobra.ExactArgs(1),
		RunE: a.call(func(cmd *cobra.Command, c *api.Client, args []string) error {
			outputs, err := c.ListLiveOutputs(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return list(a, cmd, outputs, []string{"NAME", "STATE", "ASSET", "MANIFEST", "ARCHIVE"}, func(o *api.LiveOutput) []string {
				p := o.Properties
				return []string{o.Name, p.ResourceState, p.AssetName, p.ManifestName, p.ArchiveWindowLength}
			})
		}),
	}
}

func (a *app) outputShow() *cobra.Command {
	return &cobra.Command{
		Use: "show EVENT NAME", Short: "Show a live output", Args: cobra.ExactArgs(2),
		RunE: a.call(func(cmd *cobra.Command, c *api.Client, args []string) error {
			o, err := c.GetLiveOutput(cmd.Context(), args[0], args[1])
			if err != nil {
				return err
			}
			return a.show(cmd, o, func() error { return printOutput(cmd, o) })
		}),
	}
}

func (a *app) outputDelete() *cobra.Command {
	return &cobra.Command{
		Use: "delete EVENT NAME", Short: "End a recording; its asset stays and replays", Args: cobra.ExactArgs(2),
		RunE: a.call(func(cmd *cobra.Command, c *api.Client, args []string) error {
			existed, err := c.DeleteLiveOutput(cmd.Context(), args[0], args[1])
			if err != nil {
				return err
			}
			return a.deleted(cmd, "output", args[0]+"/"+args[1], existed)
		}),
	}
}
