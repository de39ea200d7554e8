package main

import (
	"github.com/spf13/cobra"

	"headwater.stream/internal/node"
)

func (a *app) publishCommand() *cobra.Command {
	var loop bool
	logs := logFlags{}
	cmd := &cobra.Command{
		Use:   "publish FILE URL",
		Short: "Send a file to a live event by RTMP, in real time, as an encoder would",
		Long: `Send an FLV or MP4 file (H.264, HEVC, AV1 or VP9; AAC, Opus, AC-3, E-AC-3 or FLAC) to a live event by RTMP, in real time, as an encoder would.
URL is the ingest URL of the event and a stream key: rtmp://HOST:1935/live/TOKEN/KEY, or rtmps://...`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			log, err := logs.logger(cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			trusted, err := a.trust("")
			if err != nil {
				return err
			}
			return node.Publish(cmd.Context(), args[0], args[1], loop, trusted, log)
		},
	}
	cmd.Flags().BoolVar(&loop, "loop", false, "begin again at the end, until interrupted")
	logs.add(cmd)
	return cmd
}
