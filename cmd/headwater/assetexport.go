package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"headwater.stream/api"
	"headwater.stream/internal/node"
)

func (a *app) assetExport() *cobra.Command {
	var mp4, static, from, to string
	cmd := &cobra.Command{
		Use: "export ASSET|DIRECTORY", Short: "Take a recording away: as an MP4 file, or as a directory for any web server",
		Long: `Write a recording, or a part of it, as one MP4 file (progressive, moov first) or as a directory that plays from object storage or
any web server. It reads the files: of an asset of this name on this machine, or of an asset directory, without a server. Of what
is still being recorded it takes what is sealed. An MP4 export that was interrupted goes on where it was: run the same command again;
to standard output ("-") it cannot.
Times are as for 'asset clip'.`,
		Args: cobra.ExactArgs(1),
	}
	f := cmd.Flags()
	f.StringVar(&mp4, "mp4", "", "`file` to write; -: standard output")
	f.StringVar(&static, "static", "", "`directory` to make")
	f.StringVar(&from, "from", "", "`time` of the beginning")
	f.StringVar(&to, "to", "", "`time` of the end")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if (mp4 == "") == (static == "") {
			return usageError("give --mp4 FILE or --static DIRECTORY")
		}
		bar := newProgress(cmd.ErrOrStderr(), "exporting")
		o := node.AssetExport{Progress: bar.at}
		var err error
		if o.From.UTC, o.From.Media, o.From.Set, err = moment("from", from); err != nil {
			return err
		}
		if o.To.UTC, o.To.Media, o.To.Set, err = moment("to", to); err != nil {
			return err
		}
		dir, err := a.recordingOf(cmd, args[0])
		if err != nil {
			return err
		}
		target := mp4
		switch {
		case static != "":
			target = static
			err = node.ExportStatic(cmd.Context(), dir, static, o)
		case mp4 == "-":
			err = node.WriteMP4(cmd.Context(), dir, cmd.OutOrStdout(), o)
		default:
			err = node.ExportMP4(cmd.Context(), dir, mp4, o)
		}
		bar.end()
		switch {
		case cmd.Context().Err() != nil && static == "" && mp4 != "-":
			return fmt.Errorf("interrupted; the same command again goes on with %s.part", mp4)
		case static != "" && errors.Is(err, fs.ErrExist):
			return fmt.Errorf("%s exists: name a directory that does not", static)
		case err != nil || mp4 == "-":
			return err
		}
		return a.done(cmd, "asset", args[0], "exported to "+target)
	}
	return cmd
}

// recordingOf returns the directory of an asset: the path itself, or where the server of this machine keeps the asset.
func (a *app) recordingOf(cmd *cobra.Command, name string) (string, error) {
	dir := a.assetDirectory(name)
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	c, err := a.client(requestTimeout)
	if err != nil {
		return "", err
	}
	v, err := c.GetAsset(cmd.Context(), name)
	if err != nil {
		return "", err
	}
	dir = filepath.Join(a.dataDir, "assets", v.Properties.Container)
	if _, err := os.Stat(dir); err != nil {
		return "", errors.Join(fmt.Errorf("the files of asset %s are not in this data directory", name), err)
	}
	return dir, nil
}

// moment reads a date or media time; "" is none.
func moment(flag, text string) (utc time.Time, media time.Duration, set bool, err error) {
	if text == "" {
		return utc, 0, false, nil
	}
	if utc, media, err = api.ParseMoment(text); err != nil {
		return utc, 0, false, usageError(fmt.Sprintf("--%s: %v", flag, err))
	}
	return utc, media, true, nil
}
