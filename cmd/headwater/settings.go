package main

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// settings gives every flag of cmd that the command line did not set its value from the environment, and else from the
// settings file.
func settings(cmd *cobra.Command, path string) error {
	if path == "" {
		path = os.Getenv(envName("config"))
	}
	file := map[string]setting{}
	if path != "" {
		var err error
		if file, err = readSettings(path); err != nil {
			return err
		}
	}
	var failed error
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		s, inFile := file[f.Name]
		delete(file, f.Name)
		if f.Changed || failed != nil || f.Name == "config" || f.Name == "help" {
			return
		}
		value, where := os.Getenv(envName(f.Name)), envName(f.Name)
		if value == "" && inFile {
			value, where = s.value, fmt.Sprintf("%s:%d", path, s.line)
		}
		if value == "" {
			return
		}
		if err := cmd.Flags().Set(f.Name, value); err != nil {
			failed = usageError(fmt.Sprintf("%s: %v", where, err))
		}
	})
	for name, s := range file {
		return usageError(fmt.Sprintf("%s:%d: there is no setting %q", path, s.line, name))
	}
	return failed
}

func envName(flag string) string {
	return "HEADWATER_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

type setting struct {
	value string
	line  int
}

// readSettings reads lines of "name: value", which is also YAML; values may be quoted, # begins a comment.
func readSettings(path string) (map[string]setting, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading the settings: %w", err)
	}
	defer f.Close()
	all := map[string]setting{}
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' || line == "---" {
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok || strings.ContainsAny(name, " \t\"'") {
			return nil, usageError(fmt.Sprintf("%s:%d: a setting is a line like 'origin-listen: \":8080\"'", path, n))
		}
		value = strings.TrimSpace(value)
		if strings.HasPrefix(value, `"`) || strings.HasPrefix(value, "'") {
			end := strings.LastIndexByte(value, value[0])
			if end == 0 {
				return nil, usageError(fmt.Sprintf("%s:%d: a quote is not closed", path, n))
			}
			quoted := value[:end+1]
			value = quoted[1:end]
			if quoted[0] == '"' {
				if value, err = strconv.Unquote(quoted); err != nil {
					return nil, usageError(fmt.Sprintf("%s:%d: the value cannot be read", path, n))
				}
			}
		} else if before, _, ok := strings.Cut(value, " #"); ok {
			value = strings.TrimSpace(before)
		}
		if _, twice := all[name]; twice {
			return nil, usageError(fmt.Sprintf("%s:%d: %q is set twice", path, n, name))
		}
		all[name] = setting{value, n}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading the settings: %w", err)
	}
	return all, nil
}
