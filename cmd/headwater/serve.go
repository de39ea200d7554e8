package main

import (
	"io"
	"log/slog"

	"github.com/spf13/cobra"

	"headwater.stream/internal/node"
)

func (a *app) serveCommand() *cobra.Command {
	var cfg node.Config
	var config string
	logs := logFlags{}
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the server",
		Long: `Run the server until SIGTERM or SIGINT, which end it in order: recordings are closed whole and go on at the next start.

Each flag can also be set in the environment (--origin-listen as HEADWATER_ORIGIN_LISTEN) and in a file given with --config, of
lines like 'origin-listen: ":8080"'. Flags win over the environment, the environment over the file.
Listen addresses are host:port; port 0 takes one that is free, which the ready file then names. Sockets that systemd opened
(docs/deploy/headwater.socket) are taken in place of the addresses they have.`,
		Args: cobra.NoArgs,
	}
	f := cmd.Flags()
	f.StringVar(&cfg.OriginListen, "origin-listen", node.DefaultOriginListen, "`address` of the HTTP listener for viewers")
	f.StringVar(&cfg.ControlListen, "control-listen", node.DefaultControlListen, "`address` of the HTTP listener of the control API")
	f.StringVar(&cfg.RTMPListen, "rtmp-listen", node.DefaultRTMPListen, "`address` of the RTMP listener for encoders")
	f.StringVar(&cfg.RTMPSecondary, "rtmp-secondary-listen", "", "`address` of a second RTMP listener, which takes the same streams (Azure Media Services: :1936)")
	f.StringVar(&cfg.RTMPTLS, "rtmp-tls", "", "RTMPS for encoders: `self`, acme or CERT,KEY, as for --origin-tls")
	f.StringVar(&cfg.RTMPSListen, "rtmps-listen", node.DefaultRTMPSListen, "`address` of the RTMPS listener")
	f.StringVar(&cfg.RTMPSSecondary, "rtmps-secondary-listen", "", "`address` of a second RTMPS listener (Azure Media Services: :2936)")
	f.StringVar(&cfg.PublicHost, "public-host", node.DefaultPublicHost, "`host` name or address under which encoders and viewers reach this machine, for the URLs handed out")
	f.StringVar(&cfg.ReadyFile, "ready-file", "", "`file` written as JSON when everything listens (default: only <data-dir>/ready.json)")
	f.DurationVar(&cfg.SyncInterval, "sync-interval", node.DefaultSyncInterval, "how often recorded bytes are forced to disk: what a power loss may cost, in seconds; 0: before each part is announced")
	f.DurationVar(&cfg.AssetRetention, "asset-retention", 0, "how long assets are kept after their recordings ended, in hours; they and their locators are deleted then, unless an asset says otherwise (default: for ever)")
	f.DurationVar(&cfg.InputLost, "input-lost-after", node.DefaultInputLost, "without media, after which an event reports that its input is lost, in seconds")
	f.Var(newSize(&cfg.ArchiveMinFree, node.DefaultArchiveMinFree), "archive-min-free", "`bytes` of the disk that recordings leave free, but never more than a twentieth of it; below, they get gaps until there is room again; 0: fill it")
	f.Var(newSize(&cfg.AssetQuota, 0), "asset-quota", "`bytes` that one asset may hold; 0: no limit")
	f.Var(newSize(&cfg.ArchiveQuota, 0), "archive-quota", "`bytes` that all assets may hold together; 0: no limit")
	f.DurationVar(&cfg.PreviewSpan, "preview-span", node.DefaultPreviewSpan, "how much media a preview lists, in seconds")
	f.StringVar(&cfg.Storyboard, "storyboard", node.StoryboardAuto, "what makes posters and storyboards of recordings when viewers ask for them: `auto`, an ffmpeg in PATH if there is one; off; or the path of an ffmpeg")
	f.StringVar(&cfg.OriginTLS, "origin-tls", "", "TLS for viewers, and HTTP/2 with it: `self` for a certificate that is made and kept in the data directory, acme for one from Let's Encrypt for the public host, or the files CERT,KEY, which are read again when they change")
	f.BoolVar(&cfg.HTTP3, "http3", false, "HTTP/3 for viewers too, on the UDP port of --origin-listen; needs --origin-tls")
	f.StringVar(&cfg.ControlTLS, "control-tls", "", "TLS for the control API: `self`, acme or CERT,KEY, as for --origin-tls")
	f.StringVar(&cfg.ACMEDirectory, "acme-directory", "", "`URL` of another authority that speaks ACME than Let's Encrypt")
	f.BoolVar(&cfg.TrustForwarded, "trust-forwarded", false, "believe X-Forwarded-Proto and -Host of a TLS terminator in front of the control API")
	f.StringVar(&cfg.Quotas, "quotas", "generous", "limits on resources: `generous`, or ams for those of Azure Media Services")
	admit := &cfg.Admission
	f.IntVar(&admit.Publishers, "max-publishers", 0, "encoders that may publish at a time; 0: no limit")
	f.IntVar(&admit.IngestBitrate, "max-ingest-bitrate", 0, "bit/s that encoders may send together before another is refused; 0: no limit")
	f.IntVar(&admit.Viewers, "max-viewer-connections", 0, "connections of viewers at a time; 0: three quarters of the open files that the system allows")
	f.IntVar(&admit.ViewersAddress, "max-connections-per-address", 0, "of these from one address, which a cache in front of the origin is; 0: half of them")
	f.IntVar(&admit.Waiting, "max-waiting", node.DefaultMaxWaiting, "requests of viewers that may wait for media at a time")
	f.Var((*prefixes)(&cfg.WebhookAllow), "webhook-allow", "`addresses` inside the network, as CIDR, that webhooks may be at (repeatable; default: public addresses only)")
	f.StringVar(&config, "config", "", "`file` with settings (env HEADWATER_CONFIG)")
	logs.add(cmd)
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error { return settings(cmd, config) }
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		log, err := logs.logger(cmd.ErrOrStderr())
		if err != nil {
			return err
		}
		cfg.DataDir, cfg.Log = a.dataDir, log
		if err := underSystemd(&cfg); err != nil {
			return err
		}
		if err := node.Run(cmd.Context(), cfg); err != nil {
			log.Error("the server ended", "error", err)
			return reportedError{err}
		}
		return nil
	}
	return cmd
}

// logFlags say how to log.
type logFlags struct{ format, level string }

func (l *logFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&l.format, "log-format", "text", "`text` or json")
	cmd.Flags().StringVar(&l.level, "log-level", "info", "debug, `info`, warn or error")
}

func (l *logFlags) logger(w io.Writer) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(l.level)); err != nil {
		return nil, usageError("--log-level has to be debug, info, warn or error")
	}
	o := &slog.HandlerOptions{Level: level}
	switch l.format {
	case "text":
		return slog.New(slog.NewTextHandler(w, o)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, o)), nil
	}
	return nil, usageError("--log-format has to be text or json")
}
