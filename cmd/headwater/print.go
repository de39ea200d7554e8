package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"headwater.stream/api"
)

// printJSON prints v, indented.
func printJSON(cmd *cobra.Command, v any) error {
	e := json.NewEncoder(cmd.OutOrStdout())
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// show prints v as JSON when that is asked for, and else as text.
func (a *app) show(cmd *cobra.Command, v any, text func() error) error {
	if a.json {
		return printJSON(cmd, v)
	}
	return text()
}

// table prints rows under a heading.
func table(cmd *cobra.Command, heading []string, rows [][]string) error {
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, strings.Join(heading, "\t"))
	for _, r := range rows {
		fmt.Fprintln(w, strings.Join(r, "\t"))
	}
	return w.Flush()
}

// pairs prints names and values, leaving out what has no value.
func pairs(cmd *cobra.Command, nameValue ...string) error {
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	for i := 0; i+1 < len(nameValue); i += 2 {
		if nameValue[i+1] != "" {
			fmt.Fprintf(w, "%s\t%s\n", nameValue[i], nameValue[i+1])
		}
	}
	return w.Flush()
}

// list prints items as JSON or as a table.
func list[T any](a *app, cmd *cobra.Command, items []T, heading []string, line func(T) []string) error {
	return a.show(cmd, items, func() error {
		rows := make([][]string, 0, len(items))
		for _, i := range items {
			rows = append(rows, line(i))
		}
		return table(cmd, heading, rows)
	})
}

// deleted says what came of a deletion.
func (a *app) deleted(cmd *cobra.Command, what, name string, existed bool) error {
	if !existed {
		return api.NotFound(what + " " + name)
	}
	return a.done(cmd, what, name, "deleted")
}

// done says that something was done.
func (a *app) done(cmd *cobra.Command, what, name, state string) error {
	return a.show(cmd, map[string]string{"kind": what, "name": name, "result": state}, func() error {
		_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s %s %s\n", what, name, state)
		return err
	})
}

func date(t *api.Time) string {
	if t == nil {
		return ""
	}
	if t.Year() >= 9999 {
		return "never"
	}
	return t.UTC().Format(time.RFC3339)
}
