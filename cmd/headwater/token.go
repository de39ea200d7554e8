package main

import (
	"strings"

	"github.com/spf13/cobra"

	"headwater.stream/api"
)

func (a *app) tokenCommand() *cobra.Command {
	return group("token", "Access tokens for the control API, by role", a.tokenCreate(), a.tokenList(), a.tokenRevoke())
}

func (a *app) tokenCreate() *cobra.Command {
	var roles []string
	var expires string
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Make an access token and print it, once",
		Long: `Make an access token and print it: it is kept hashed and cannot be shown again.

Roles: admin (everything), operator (live events and outputs), publisher (assets, filters, policies, locators and
endpoints), reader (looking only). Everybody may read.`,
		Args: cobra.ExactArgs(1),
	}
	cmd.Flags().StringSliceVar(&roles, "role", nil, "`role` (repeatable; required)")
	cmd.Flags().StringVar(&expires, "expires", "", "`date` from which it is not valid any more (default: never)")
	cmd.RunE = a.call(func(cmd *cobra.Command, c *api.Client, args []string) (err error) {
		if len(roles) == 0 {
			return usageError("--role is required")
		}
		t := &api.AccessToken{}
		for _, r := range roles {
			t.Properties.Roles = append(t.Properties.Roles, api.Role(r))
		}
		if t.Properties.Expires, err = instant("expires", expires); err != nil {
			return err
		}
		made, err := c.CreateAccessToken(cmd.Context(), args[0], t)
		if err != nil {
			return err
		}
		return a.show(cmd, made, func() error {
			return pairs(cmd, "Name", made.Name, "Roles", roleNames(made), "Expires", date(made.Properties.Expires), "Token", made.Properties.Token)
		})
	})
	return cmd
}

func roleNames(t *api.AccessToken) string {
	var names []string
	for _, r := range t.Properties.Roles {
		names = append(names, string(r))
	}
	return strings.Join(names, ",")
}

func (a *app) tokenList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List access tokens", Args: cobra.NoArgs,
		RunE: a.call(func(cmd *cobra.Command, c *api.Client, _ []string) error {
			tokens, err := c.ListAccessTokens(cmd.Context())
			if err != nil {
				return err
			}
			return list(a, cmd, tokens, []string{"NAME", "ROLES", "CREATED", "EXPIRES"}, func(t *api.AccessToken) []string {
				return []string{t.Name, roleNames(t), date(t.Properties.Created), date(t.Properties.Expires)}
			})
		}),
	}
}

func (a *app) tokenRevoke() *cobra.Command {
	return &cobra.Command{
		Use: "revoke NAME", Short: "Revoke an access token", Args: cobra.ExactArgs(1), Aliases: []string{"delete"},
		RunE: a.call(func(cmd *cobra.Command, c *api.Client, args []string) error {
			existed, err := c.DeleteAccessToken(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return a.deleted(cmd, "token", args[0], existed)
		}),
	}
}
