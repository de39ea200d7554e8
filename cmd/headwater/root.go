package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"headwater.stream/api"
)

const (
	defaultDataDir = "headwater-data"
	defaultControl = "http://127.0.0.1:8081"
)

// app holds the flags that every command has.
type app struct {
	dataDir string
	control string
	token   string
	json    bool
	ran     bool // a command was found and its arguments were right
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "headwater",
		Short: "Live streaming: RTMP in, LL-HLS and DASH out, recordings that replay at the same URL",
		Long: `Headwater takes a live stream from an encoder by RTMP and serves it as LL-HLS and DASH; it records, and
replays recordings at the URL they had live. It is managed like Azure Media Services v3.

In a hurry:
  headwater serve                 start the server
  headwater live start NAME       make everything for a broadcast and print where to send and watch it
  headwater live end NAME         end it; the recording replays at the same URLs

` + exitHelp,
		SilenceUsage:  true,
		SilenceErrors: true,
		PersistentPreRun: func(*cobra.Command, []string) {
			a.ran = true
		},
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.CompletionOptions.HiddenDefaultCmd = false
	flags := root.PersistentFlags()
	flags.StringVar(&a.dataDir, "data-dir", envOr("HEADWATER_DATA_DIR", defaultDataDir), "`directory` with all data of the server; others find its URL and token there (env HEADWATER_DATA_DIR)")
	flags.StringVar(&a.control, "control", "", "`URL` of the control API (env HEADWATER_CONTROL; default: what the server wrote to <data-dir>/ready.json)")
	flags.StringVar(&a.token, "token", "", "bearer `token` of the control API (env HEADWATER_TOKEN; default: the one in <data-dir>/control.token)")
	flags.BoolVar(&a.json, "json", false, "print JSON instead of text")
	root.AddCommand(
		a.serveCommand(), a.liveCommand(), a.publishCommand(), a.eventCommand(), a.eventsCommand(), a.outputCommand(), a.assetCommand(), a.locatorCommand(),
		a.endpointCommand(), a.policyCommand(), a.filterCommand(), a.tokenCommand(), a.webhookCommand(), a.accountCommand(), a.lintCommand(), a.backupCommand(), a.restoreCommand(), a.manualCommand(), a.versionCommand(),
	)
	return root
}

func envOr(name, otherwise string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return otherwise
}

// group is a command that only has commands.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	g := &cobra.Command{
		Use: use, Short: short, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return usageError("'" + cmd.CommandPath() + "' needs one of its commands")
		},
	}
	g.AddCommand(commands...)
	return g
}

// certificateName is the file in the data directory with the certificate that a server made for itself.
const certificateName = "control.crt"

// trust returns a TLS configuration that also trusts the server's own certificate, when the data directory has one, and takes
// one in the name of name, if that is not empty; nil when there is neither.
func (a *app) trust(name string) (*tls.Config, error) {
	own, err := os.ReadFile(filepath.Join(a.dataDir, certificateName))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading the server's certificate: %w", err)
	}
	if err != nil && name == "" {
		return nil, nil
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if own != nil && !roots.AppendCertsFromPEM(own) {
		return nil, fmt.Errorf("%s in %s holds no certificate", certificateName, a.dataDir)
	}
	return &tls.Config{RootCAs: roots, ServerName: name, MinVersion: tls.VersionTLS12}, nil
}

// requestTimeout bounds a request to the control API, but for those that move files.
const requestTimeout = 30 * time.Second

// client returns a client for the control API that the flags, the environment or the data directory name. A timeout of 0 is none.
func (a *app) client(timeout time.Duration) (*api.Client, error) {
	o := api.ClientOptions{BaseURL: a.control, Token: a.token}
	if o.BaseURL == "" {
		o.BaseURL = os.Getenv("HEADWATER_CONTROL")
	}
	var ready struct {
		Control     string `json:"control"`
		ControlName string `json:"controlName"`
	}
	if o.BaseURL == "" {
		o.BaseURL = defaultControl
		if b, err := os.ReadFile(filepath.Join(a.dataDir, "ready.json")); err == nil {
			if err := json.Unmarshal(b, &ready); err != nil {
				return nil, fmt.Errorf("reading ready.json in %s: %w", a.dataDir, err)
			}
			o.BaseURL = ready.Control
		}
	}
	trusted, err := a.trust(ready.ControlName)
	if err != nil {
		return nil, err
	}
	o.HTTP = &http.Client{Timeout: timeout}
	if trusted != nil {
		o.HTTP.Transport = &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: trusted}
	}
	if o.Token == "" {
		o.Token = os.Getenv("HEADWATER_TOKEN")
	}
	if o.Token == "" {
		b, err := os.ReadFile(filepath.Join(a.dataDir, "control.token"))
		switch {
		case err == nil:
			o.Token = strings.TrimSpace(string(b))
		case errors.Is(err, fs.ErrNotExist):
			return nil, fmt.Errorf("%w: no token in %s, in HEADWATER_TOKEN or in --token", api.ErrUnreachable, filepath.Join(a.dataDir, "control.token"))
		default:
			return nil, fmt.Errorf("reading the control token: %w", err)
		}
	}
	return api.NewClient(o), nil
}

// call adapts a function that needs a client.
func (a *app) call(f func(cmd *cobra.Command, c *api.Client, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		c, err := a.client(requestTimeout)
		if err != nil {
			return err
		}
		return f(cmd, c, args)
	}
}

// callLong is call for what may take as long as copying files does.
func (a *app) callLong(f func(cmd *cobra.Command, c *api.Client, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		c, err := a.client(0)
		if err != nil {
			return err
		}
		return f(cmd, c, args)
	}
}

// duration reads "1h30m" or "PT1H30M" and returns the ISO form; "" stays.
func duration(flag, text string) (string, error) {
	if text == "" {
		return "", nil
	}
	if _, err := api.ParseDuration(text); err == nil {
		return text, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return "", usageError(fmt.Sprintf("--%s: %q is not a duration like 1h30m or PT1H30M", flag, text))
	}
	return api.FormatDuration(d), nil
}

// instant reads a date for a flag; "" is none.
func instant(flag, text string) (*api.Time, error) {
	if text == "" {
		return nil, nil
	}
	t, err := api.ParseTime(text)
	if err != nil {
		return nil, usageError(fmt.Sprintf("--%s: %v", flag, err))
	}
	return &t, nil
}
