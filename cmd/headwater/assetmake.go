package main

import (
	"path/filepath"

	"github.com/spf13/cobra"

	"headwater.stream/api"
)

func (a *app) assetImport() *cobra.Command {
	var move, copied bool
	cmd := &cobra.Command{
		Use: "import NAME DIRECTORY", Short: "Make an asset of an asset directory, of another server perhaps",
		Long: `Make the asset NAME of an asset directory on the server's machine: it replays as it did where it was recorded. The files become
hard links where the file system allows it, else copies. A recording that was never ended ends with its last whole chunk.`,
		Args: cobra.ExactArgs(2),
	}
	p := assetFlags(cmd)
	cmd.Flags().BoolVar(&copied, "copy", false, "copy the files in any case")
	cmd.Flags().BoolVar(&move, "move", false, "remove the recording from DIRECTORY when the asset is made")
	cmd.RunE = a.callLong(func(cmd *cobra.Command, c *api.Client, args []string) error {
		if copied && move {
			return usageError("--copy and --move exclude each other")
		}
		dir, err := filepath.Abs(args[1])
		if err != nil {
			return err
		}
		o := &api.AssetImport{Directory: dir, Description: p.Description, AlternateID: p.AlternateID, Expires: p.Expires}
		switch {
		case copied:
			o.Mode = api.ImportCopy
		case move:
			o.Mode = api.ImportMove
		}
		v, err := c.ImportAsset(cmd.Context(), args[0], o)
		if err != nil {
			return err
		}
		return a.show(cmd, v, func() error { return printAsset(cmd, v, nil) })
	})
	return cmd
}

func (a *app) assetClip() *cobra.Command {
	var from, to string
	cmd := &cobra.Command{
		Use: "clip SOURCE NAME", Short: "Make an asset of a part of another, without copying",
		Long: `Make the asset NAME of a part of the asset SOURCE, by hard links. SOURCE may still be recorded: what is sealed of it can be
taken. It is cut to segment borders: a segment that --from or --to lies in is whole. Times are dates (2026-11-25T12:00:00Z), or
media time in seconds or as a duration (90.5, 1h30m), which is what filters take and 'asset check' prints.`,
		Args: cobra.ExactArgs(2),
	}
	p := assetFlags(cmd)
	cmd.Flags().StringVar(&from, "from", "", "`time` of the beginning (default: that of SOURCE)")
	cmd.Flags().StringVar(&to, "to", "", "`time` of the end (default: that of SOURCE)")
	cmd.RunE = a.callLong(func(cmd *cobra.Command, c *api.Client, args []string) error {
		v, err := c.ClipAsset(cmd.Context(), args[1], &api.AssetClip{AssetName: args[0], Start: from, End: to, Description: p.Description, AlternateID: p.AlternateID, Expires: p.Expires})
		if err != nil {
			return err
		}
		return a.show(cmd, v, func() error { return printAsset(cmd, v, nil) })
	})
	return cmd
}
