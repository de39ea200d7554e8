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
	g := group("filter", "Filters: what of a presentation is shown", a.filterPut(&asset), a.filterUpdate(&asset), a.filterList(&asset), a.filterShow(&asset), a.filterDelete(&asset))
	g.PersistentFlags().StringVar(&asset, "asset", "", "`name` of the asset the filter belongs to (default: the account)")
	return g
}

func (a *app) filterPut(asset *string) *cobra.Command {
	return &cobra.Command{
		Use: "create NAME FILE", Short: "Make or replace a filter from a JSON file with its properties (- reads the standard input)", Args: cobra.ExactArgs(2),
		RunE: a.call(func(cmd *cobra.Command, c *api.Client, args []string) error {
			b, err := readInput(cmd, args[1])
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

// readInput reads a file, or the standard input for "-".
func readInput(cmd *cobra.Command, name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(cmd.InOrStdin())
	}
	return os.ReadFile(name)
}

func (a *app) filterUpdate(asset *string) *cobra.Command {
	return &cobra.Command{
		Use: "update NAME FILE", Short: "Change those properties of a filter that a JSON file has; null clears (- reads the standard input)", Args: cobra.ExactArgs(2),
		RunE: a.call(func(cmd *cobra.Command, c *api.Client, args []string) error {
			b, err := readInput(cmd, args[1])
			if err != nil {
				return fmt.Errorf("reading the filter: %w", err)
			}
			v, err := c.UpdateFilter(cmd.Context(), *asset, args[0], map[string]any{"properties": json.RawMessage(b)})
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
