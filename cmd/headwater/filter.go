package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"headwater.stream/api"
)

func (a *app) filterCommand() *cobra.Command {
	var asset string
	g := group("filter", "Filters: what of a presentation is shown", a.filterPut(&asset), a.filterList(&asset), a.filterShow(&asset), a.filterDelete(&asset))
	g.PersistentFlags().StringVar(&asset, "asset", "", "`name` of the asset the filter belongs to (default: the account)")
	return g
}

func (a *app) filterPut(asset *string) *cobra.Command {
	return &cobra.Command{
		Use: "create NAME FILE", Short: "Make or replace a filter from a JSON file with its properties (- reads the standard input)", Args: cobra.ExactArgs(2),
		RunE: a.call(func(cmd *cobra.Command, c *api.Client, args []string) error {
			var b []byte
			var err error
			if args[1] == "-" {
				b, err = io.ReadAll(cmd.InOrStdin())
			} else {
				b, err = os.ReadFile(args[1])
			}
			if err != nil {
				return fmt.Errorf("reading the filter: %w", err)
			}
			var f api.Filter
			if err := json.Unmarshal(b, &f.Properties); err != nil {
				return fmt.Errorf("reading the filter: %w", err)
			}
			v, err := c.PutFilter(cmd.Context(), *asset, args[0], &f)
			if err != nil {
				return err
			}
			return printJSON(cmd, v)
		}),
	}
}

func (a *app) filterList(asset *string) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List filters", Args: cobra.NoArgs,
		RunE: a.call(func(cmd *cobra.Command, c *api.Client, _ []string) error {
			filters, err := c.ListFilters(cmd.Context(), *asset)
			if err != nil {
				return err
			}
			return list(a, cmd, filters, []string{"NAME", "PROPERTIES"}, func(f *api.Filter) []string {
				b, err := json.Marshal(f.Properties)
				if err != nil {
					return []string{f.Name, err.Error()}
				}
				return []string{f.Name, string(b)}
			})
		}),
	}
}

func (a *app) filterShow(asset *string) *cobra.Command {
	return &cobra.Command{
		Use: "show NAME", Short: "Show a filter", Args: cobra.ExactArgs(1),
		RunE: a.call(func(cmd *cobra.Command, c *api.Client, args []string) error {
			f, err := c.GetFilter(cmd.Context(), *asset, args[0])
			if err != nil {
				return err
			}
			return printJSON(cmd, f)
		}),
	}
}

func (a *app) filterDelete(asset *string) *cobra.Command {
	return &cobra.Command{
		Use: "delete NAME", Short: "Delete a filter", Args: cobra.ExactArgs(1),
		RunE: a.call(func(cmd *cobra.Command, c *api.Client, args []string) error {
			existed, err := c.DeleteFilter(cmd.Context(), *asset, args[0])
			if err != nil {
				return err
			}
			return a.deleted(cmd, "filter", args[0], existed)
		}),
	}
}
