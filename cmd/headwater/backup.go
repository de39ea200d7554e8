package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"headwater.stream/api"
	"headwater.stream/internal/node"
)

func (a *app) backupCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "backup FILE", Short: "Save the state of the running server into a file",
		Long: `Save all resources, the control token and the certificates of the running server into a new file (a tar archive), which is as secret
as the token. Recordings are not in it: their files under <data-dir>/assets never change once written, so that any tool
may copy them at any time.`,
		Args: cobra.ExactArgs(1),
	}
	cmd.RunE = a.callLong(func(cmd *cobra.Command, c *api.Client, args []string) error {
		f, err := os.CreateTemp(filepath.Dir(args[0]), ".backup-") // 0600
		if err != nil {
			return fmt.Errorf("backup: %w", err)
		}
		defer os.Remove(f.Name()) // of no effect once it has its name
		err = c.Backup(cmd.Context(), f)
		if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
			return err
		}
		if err := os.Link(f.Name(), args[0]); err != nil { // unlike Rename it writes over nothing
			return fmt.Errorf("backup: %w", err)
		}
		return a.done(cmd, "state", args[0], "saved")
	})
	return cmd
}

func (a *app) restoreCommand() *cobra.Command {
	return &cobra.Command{
		Use: "restore FILE", Short: "Make the data directory of a server from a backup",
		Long: `Make the state in --data-dir from a file of 'headwater backup', before the server is started there. Copy the recordings into
<data-dir>/assets as well; an asset without its files has nothing to replay.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := os.Open(args[0])
			if err != nil {
				return fmt.Errorf("restore: %w", err)
			}
			defer f.Close()
			if err := node.Restore(a.dataDir, f); err != nil {
				return err
			}
			return a.done(cmd, "state", a.dataDir, "restored")
		},
	}
}
