package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"headwater.stream/internal/node"
)

// errDamaged is what asset check ends with when something is wrong; the report has said what.
var errDamaged = errors.New("the asset is damaged")

func (a *app) assetCheck() *cobra.Command {
	var o node.AssetCheck
	cmd := &cobra.Command{
		Use: "check DIRECTORY", Short: "Verify a recording's files, and repair them",
		Long: `Verify an asset directory (<data-dir>/assets/<container>, or a copy of one): asset.json, the indexes, the checksum, boxes and times
of every segment, the static manifests, and that there is nothing else. It says which media is lost, from when to when, and why.
No server is needed, and one may go on serving the recording.

With --repair, what can be set right is: damaged segments become recorded gaps, damaged indexes and manifests are written again,
a recording that was never ended is ended at its last whole chunk, and what does not belong there is moved to set-aside/ in the
directory. Bytes that are good are never changed.`,
		Args: cobra.ExactArgs(1),
	}
	cmd.Flags().BoolVar(&o.Repair, "repair", false, "set right what can be")
	cmd.Flags().BoolVar(&o.Force, "force", false, "repair it even though it has not ended and was written since this machine started: no server must be recording it")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		bar := newProgress(cmd.ErrOrStderr(), "checking")
		o.Progress = bar.at
		r, err := node.CheckAsset(cmd.Context(), a.assetDirectory(args[0]), o)
		bar.end()
		if err != nil {
			return err
		}
		err = a.show(cmd, r, func() error {
			w := cmd.OutOrStdout()
			state := "ended"
			if !r.Ended {
				state = "not ended"
			}
			fmt.Fprintf(w, "%s: %s, %d segments, %.1f MB\n", r.Directory, state, r.Segments, float64(r.Bytes)/1e6)
			for _, g := range r.Gaps {
				fmt.Fprintf(w, "gap: %v\n", g)
			}
			for _, f := range r.Findings {
				fmt.Fprintf(w, "%s %s\n", f.File, f.Problem)
				if f.Lost != nil {
					fmt.Fprintf(w, "    lost: %v\n", f.Lost)
				}
				switch {
				case f.Done:
					fmt.Fprintf(w, "    repaired: %s\n", f.Repair)
				case f.Repair != "":
					fmt.Fprintf(w, "    --repair would %s\n", f.Repair)
				default:
					fmt.Fprintln(w, "    cannot be repaired")
				}
			}
			_, err := fmt.Fprintf(w, "%d problems, %v of media lost\n", len(r.Findings), r.Lost.Round(time.Millisecond))
			return err
		})
		if err == nil && r.Damaged {
			err = errDamaged
		}
		return err
	}
	return cmd
}

// assetDirectory returns a path as it was given, or of the container with that name in the data directory.
func (a *app) assetDirectory(path string) string {
	if _, err := os.Stat(path); err != nil && !strings.ContainsRune(path, filepath.Separator) {
		return filepath.Join(a.dataDir, "assets", path)
	}
	return path
}
