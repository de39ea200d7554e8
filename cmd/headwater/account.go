package main

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"headwater.stream/api"
)

func (a *app) accountCommand() *cobra.Command {
	return group("account", "The Media Services account, which is the server", a.accountShow(), a.accountUpdate())
}

func printAccount(cmd *cobra.Command, v *api.Account) error {
	return pairs(cmd, "Name", v.Name, "ID", v.ID, "Location", v.Location, "Tags", tagLine(v.Tags))
}

func (a *app) accountShow() *cobra.Command {
	return &cobra.Command{
		Use: "show", Short: "Show the account", Args: cobra.NoArgs,
		RunE: a.call(func(cmd *cobra.Command, c *api.Client, _ []string) error {
			v, err := c.GetAccount(cmd.Context())
			if err != nil {
				return err
			}
			return a.show(cmd, v, func() error { return printAccount(cmd, v) })
		}),
	}
}

func (a *app) accountUpdate() *cobra.Command {
	cmd := &cobra.Command{Use: "update", Short: "Change the account's tags", Args: cobra.NoArgs}
	tags := tagFlag(cmd)
	cmd.RunE = a.call(func(cmd *cobra.Command, c *api.Client, _ []string) error {
		if !cmd.Flags().Changed("tag") {
			return usageError("--tag is required")
		}
		v, err := c.UpdateAccount(cmd.Context(), map[string]any{"tags": *tags})
		if err != nil {
			return err
		}
		return a.show(cmd, v, func() error { return printAccount(cmd, v) })
	})
	return cmd
}

// tagFlag adds --tag.
func tagFlag(cmd *cobra.Command) *map[string]string {
	tags := new(map[string]string)
	cmd.Flags().StringToStringVar(tags, "tag", nil, "`name=value` (repeatable); the tags there are go")
	return tags
}

// tagLine prints tags in one order.
func tagLine(tags map[string]string) string {
	var words []string
	for _, name := range slices.Sorted(maps.Keys(tags)) {
		words = append(words, name+"="+tags[name])
	}
	return strings.Join(words, ", ")
}

// allowFlag adds a flag for an allow list and returns what was asked for: changed is false when it was not given.
func allowFlag(cmd *cobra.Command, name, who string) func() (list *api.IPAccessControl, changed bool, err error) {
	addresses := new([]string)
	cmd.Flags().StringSliceVar(addresses, name, nil, "`address` or network that may "+who+" (repeatable), or all, or none")
	return func() (*api.IPAccessControl, bool, error) {
		switch given := *addresses; {
		case !cmd.Flags().Changed(name):
			return nil, false, nil
		case len(given) == 1 && given[0] == "all":
			return nil, true, nil
		case len(given) == 1 && given[0] == "none":
			return &api.IPAccessControl{Allow: []api.IPRange{}}, true, nil
		case slices.Contains(given, "all") || slices.Contains(given, "none"):
			return nil, true, usageError("--" + name + ": all and none stand alone")
		}
		list := &api.IPAccessControl{}
		for _, address := range *addresses {
			list.Allow = append(list.Allow, api.IPRange{Name: address, Address: address})
		}
		return list, true, nil
	}
}

// allowLine prints an allow list.
func allowLine(list *api.IPAccessControl) string {
	if list == nil || list.Allow == nil {
		return "everybody"
	}
	if len(list.Allow) == 0 {
		return "nobody"
	}
	var words []string
	for _, r := range list.Allow {
		words = append(words, r.Address)
		if r.SubnetPrefixLength != nil {
			words[len(words)-1] += "/" + strconv.Itoa(int(*r.SubnetPrefixLength))
		}
	}
	return strings.Join(words, ", ")
}
