package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"headwater.stream/internal/lint"
)

// What lint found, for the exit code; the report has told it.
var (
	errMust   = errors.New("a MUST rule is broken")
	errShould = errors.New("a SHOULD rule is broken")
)

func (a *app) lintCommand() *cobra.Command {
	o := lint.Options{}
	var insecure bool
	cmd := &cobra.Command{
		Use:   "lint URL",
		Short: "Look at a stream as players and caches do and explain what of it breaks the rules",
		Long: `Look at a stream as players and caches do and explain what of it breaks the rules of HLS, DASH, CMAF and HTTP: what was seen,
whom it hurts, where it is written, and how to mend it. The URL is that of an HLS playlist (multivariant or media) or a DASH MPD, of this server or
any other, live or recorded. docs/lint.md lists the rules.

` + exitHelp,
		Args: cobra.ExactArgs(1),
	}
	cmd.Flags().DurationVar(&o.For, "for", 30*time.Second, "`time` to follow a live stream")
	cmd.Flags().BoolVar(&insecure, "insecure", false, "take any TLS certificate")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		u, err := url.Parse(args[0])
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return usageError(fmt.Sprintf("%q is not an http or https URL", args[0]))
		}
		if o.For < 0 || o.For > time.Hour {
			return usageError("--for has to be between 0 and 1h")
		}
		trusted, err := a.trust("")
		if err != nil {
			return err
		}
		if insecure {
			trusted = &tls.Config{InsecureSkipVerify: true}
		}
		transport := &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: trusted, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 16, ResponseHeaderTimeout: time.Minute}
		defer transport.CloseIdleConnections()
		o.URL, o.Client = args[0], &http.Client{Transport: transport}
		report, err := lint.Run(cmd.Context(), o)
		if err != nil {
			return err
		}
		if err := a.show(cmd, report, func() error { return report.Write(cmd.OutOrStdout()) }); err != nil {
			return err
		}
		switch {
		case report.Count(lint.Must) > 0:
			return reportedError{errMust}
		case report.Count(lint.Should) > 0:
			return reportedError{errShould}
		}
		return nil
	}
	return cmd
}
