package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
	"github.com/spf13/pflag"
)

// manualCommand writes what the commands and flags say of themselves in other forms; packages are made with it.
func (a *app) manualCommand() *cobra.Command {
	pages := &cobra.Command{
		Use: "pages DIR", Short: "Write a man page for each command into a directory", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return fmt.Errorf("man pages: %w", err)
			}
			root := cmd.Root()
			root.DisableAutoGenTag = true
			date := time.Unix(0, 0).UTC() // pages of one version are the same bytes
			version, _ := built()
			header := &doc.GenManHeader{Section: "1", Source: "Headwater " + version, Manual: "Headwater", Date: &date}
			if err := doc.GenManTree(root, header, args[0]); err != nil {
				return fmt.Errorf("man pages: %w", err)
			}
			return nil
		},
	}
	table := &cobra.Command{
		Use: "settings", Short: "Print the settings of 'serve' as docs/settings.md has them", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			serve, _, err := cmd.Root().Find([]string{"serve"})
			if err != nil {
				return err
			}
			return settingsTable(cmd.OutOrStdout(), serve)
		},
	}
	c := group("manual", "Write man pages and the list of settings", pages, table)
	c.Hidden = true
	return c
}

// settingsTable writes the flags of serve as a page of Markdown.
func settingsTable(w io.Writer, serve *cobra.Command) error {
	var b strings.Builder
	b.WriteString(`# Settings

Of ` + "`headwater serve`" + `, as ` + "`headwater manual settings`" + ` prints them. Each is a flag (` + "`--origin-listen :80`" + `), a variable of the environment
(` + "`HEADWATER_ORIGIN_LISTEN=:80`" + `) and a line of the file that ` + "`--config`" + ` or HEADWATER_CONFIG names (` + "`origin-listen: \":80\"`" + `). Flags win over the
environment, the environment over the file; a name that does not exist is an error. Durations are like ` + "`1m30s`" + `, sizes like ` + "`20GiB`" + `.

| setting | default | meaning |
| --- | --- | --- |
`)
	row := func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" || f.Name == "config" {
			return
		}
		value, usage := pflag.UnquoteUsage(f)
		def := f.DefValue
		if def != "" {
			def = "`" + def + "`"
		}
		name := f.Name
		if value != "" {
			name += ": *" + value + "*"
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", name, def, strings.ReplaceAll(usage, "|", `\|`))
	}
	dataDir := *serve.Root().PersistentFlags().Lookup("data-dir")
	dataDir.DefValue = defaultDataDir // not the environment's
	row(&dataDir)
	serve.LocalNonPersistentFlags().VisitAll(row)
	_, err := io.WriteString(w, b.String())
	return err
}
