package main

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"headwater.stream/api"
)

// eventStatus shows what the ingest of an event sees.
func (a *app) eventStatus() *cobra.Command {
	return &cobra.Command{
		Use: "status NAME", Short: "Show the health of a live event's input", Args: cobra.ExactArgs(1),
		RunE: a.call(func(cmd *cobra.Command, c *api.Client, args []string) error {
			list, err := c.LiveEventStatus(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return a.show(cmd, list, func() error {
				var lines []string
				for _, st := range list.Value {
					lines = append(lines, "State", st.State, "Health", st.HealthStatus, "Encoder", encoderLine(st))
					for _, why := range st.HealthDescriptions {
						lines = append(lines, "", why)
					}
					for _, t := range st.TrackStatus {
						lines = append(lines, "Track", fmt.Sprintf("%s, %s of %s bit/s, drift %s", t.TrackID, rate(t.IncomingBitrate), rate(t.ExpectedBitrate), t.IngestDrift))
					}
					if st.Ingestion == nil {
						continue
					}
					for _, i := range st.Ingestion.IngestInterruptions {
						lines = append(lines, "Interrupted", date(i.Begin)+" for "+i.Duration+": "+i.Reason)
					}
				}
				return pairs(cmd, lines...)
			})
		}),
	}
}

// rate prints a bit rate, "?" when it is not known.
func rate(bits int32) string {
	if bits == 0 {
		return "?"
	}
	return strconv.Itoa(int(bits))
}

// eventEvents lists the stream events of a live event.
func (a *app) eventEvents() *cobra.Command {
	var watch bool
	cmd := &cobra.Command{
		Use: "events NAME", Short: "List what happened to a live event's input lately", Args: cobra.ExactArgs(1),
		RunE: a.call(func(cmd *cobra.Command, c *api.Client, args []string) error {
			if watch {
				return a.watchEvents(cmd, c, args[0])
			}
			events, err := c.LiveEventStreamEvents(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return list(a, cmd, events.Value, []string{"TIME", "LEVEL", "EVENT", "ABOUT"}, eventCells)
		}),
	}
	cmd.Flags().BoolVar(&watch, "watch", false, "go on, with a line for each that comes")
	return cmd
}

func eventCells(e api.StreamEvent) []string {
	return []string{date(e.EventTime), e.EventLevel, strings.TrimPrefix(e.EventType, "StreamEvent/"), aboutEvent(e.Data)}
}

// aboutEvent says in words what a stream event is about.
func aboutEvent(d api.StreamEventData) string {
	var words []string
	for _, w := range []struct{ name, value string }{{"", d.TrackName}, {"", d.FourCC}, {"stream ", d.StreamName}, {"from ", d.RemoteIP}, {"", d.ResultCode}, {"", d.ResultMessage}, {"gap ", seconds(d.DiscontinuityGap, d.Timescale)}} {
		if w.value != "" {
			words = append(words, w.name+w.value)
		}
	}
	return strings.Join(words, ", ")
}

// seconds prints a number of ticks as seconds; "" and 0 are "".
func seconds(ticks, timescale string) string {
	n, err := strconv.ParseFloat(ticks, 64)
	scale, scaleErr := strconv.ParseFloat(timescale, 64)
	if err != nil || scaleErr != nil || n == 0 || scale == 0 {
		return ""
	}
	return strconv.FormatFloat(n/scale, 'f', 3, 64) + " s"
}

// watchEvents prints the stream events there are and each that comes, until it is interrupted.
func (a *app) watchEvents(cmd *cobra.Command, c *api.Client, name string) error {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	var last *api.StreamEvent
	for {
		events, err := c.LiveEventStreamEvents(cmd.Context(), name)
		if err != nil {
			return interrupted(cmd, err)
		}
		for _, e := range after(events.Value, last) {
			line := strings.Join(eventCells(e), "  ")
			if a.json {
				b, err := json.Marshal(e)
				if err != nil {
					return err
				}
				line = string(b)
			}
			if _, err := fmt.Fprintln(cmd.OutOrStdout(), line); err != nil {
				return err
			}
			last = &e
		}
		select {
		case <-cmd.Context().Done():
			return nil
		case <-tick.C:
		}
	}
}

// after returns the events after the last one that was seen; all of them when it is not there any more.
func after(events []api.StreamEvent, last *api.StreamEvent) []api.StreamEvent {
	for i := len(events) - 1; last != nil && i >= 0; i-- {
		if reflect.DeepEqual(events[i], *last) {
			return events[i+1:]
		}
	}
	return events
}

// eventHeartbeats lists how the tracks of a live event came in.
func (a *app) eventHeartbeats() *cobra.Command {
	return &cobra.Command{
		Use: "heartbeats NAME", Short: "List how the tracks of a live event came in, every 20 seconds", Args: cobra.ExactArgs(1),
		RunE: a.call(func(cmd *cobra.Command, c *api.Client, args []string) error {
			beats, err := c.LiveEventHeartbeats(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			heading := []string{"TIME", "TRACK", "HEALTHY", "INCOMING", "LAST", "OVERLAPS", "JUMPS", "DRIFT"}
			return list(a, cmd, beats.Value, heading, func(b api.TrackEvent) []string {
				d := b.Data
				return []string{date(b.EventTime), d.TrackName, strconv.FormatBool(d.Healthy), rate(d.IncomingBitrate), seconds(d.LastTimestamp, d.Timescale),
					strconv.Itoa(int(d.OverlapCount)), strconv.Itoa(int(d.DiscontinuityCount)), d.IngestDriftValue}
			})
		}),
	}
}
