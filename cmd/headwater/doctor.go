package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"headwater.stream/api"
)

// eventDoctor says what is wrong with what an encoder sends.
func (a *app) eventDoctor() *cobra.Command {
	var watch bool
	cmd := &cobra.Command{
		Use: "doctor NAME", Short: "Say what is wrong with what an encoder sends, and which setting changes it", Args: cobra.ExactArgs(1),
		Long: "Measures what the encoder of a running live event sends (the preview is enough, nothing has to be published) and says in plain words what is wrong,\n" +
			"what it does to viewers, and what to change in OBS and in ffmpeg; then what was measured, and where the latency comes from. The codes are explained in docs/doctor.md.",
		RunE: a.call(func(cmd *cobra.Command, c *api.Client, args []string) error {
			if watch {
				return a.watchDoctor(cmd, c, args[0])
			}
			r, err := c.LiveEventDoctor(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return a.show(cmd, r, func() error { return printReport(cmd, r) })
		}),
	}
	cmd.Flags().BoolVar(&watch, "watch", false, "go on, with a line for each finding that comes or goes")
	return cmd
}

// printReport prints a report for people.
func printReport(cmd *cobra.Command, r *api.DoctorReport) error {
	w := cmd.OutOrStdout()
	switch r.State {
	case api.DoctorStopped:
		_, err := fmt.Fprintln(w, "The event is stopped: start it, then point the encoder at it.")
		return err
	case api.DoctorNoEncoder:
		_, err := fmt.Fprintln(w, "No encoder is connected.")
		return err
	}
	encoder := r.Encoder.Address + " since " + date(r.Encoder.Since)
	if r.Encoder.Name != "" {
		encoder = r.Encoder.Name + ", " + encoder
	}
	lines := []string{"Encoder", encoder, "Health", r.HealthStatus}
	for _, why := range r.HealthDescriptions {
		if !slices.ContainsFunc(r.Findings, func(f api.DoctorFinding) bool { return f.Message == why }) {
			lines = append(lines, "", why)
		}
	}
	lines = append(lines, "Latency", latencyLine(r.Latency))
	for _, why := range r.Latency.Reasons {
		lines = append(lines, "", why)
	}
	if err := pairs(cmd, lines...); err != nil {
		return err
	}
	fmt.Fprintln(w)
	for _, f := range r.Findings {
		printFinding(w, f)
	}
	if len(r.Findings) == 0 {
		fmt.Fprintln(w, "Nothing is wrong.")
	}
	if r.State == api.DoctorMeasuring {
		fmt.Fprintln(w, "It is still being measured: ask again in some seconds.")
	}
	fmt.Fprintln(w)
	var rows [][]string
	for _, m := range r.Measurements {
		rows = append(rows, []string{m.Label, m.Text})
	}
	if err := table(cmd, []string{"MEASURED", ""}, rows); err != nil {
		return err
	}
	fmt.Fprintln(w)
	return printStages(cmd, r.Latency.Stages)
}

func latencyLine(l *api.DoctorLatency) string {
	line := "not low"
	if l.Achievable {
		line = "low"
	} else if l.LowLatency {
		line = "not low, although the event is made for it"
	}
	if l.ExpectedSeconds > 0 {
		line += fmt.Sprintf(", about %.1f s from the encoder to the screen", l.ExpectedSeconds)
	}
	return line
}

func printFinding(w io.Writer, f api.DoctorFinding) {
	fmt.Fprintf(w, "%s (%s)\n  %s\n", strings.ToUpper(f.Severity), f.Code, f.Message)
	fmt.Fprintf(w, "  %s\n  OBS     %s\n  ffmpeg  %s\n", f.Consequence, f.OBS, f.FFmpeg)
}

// printStages prints where the latency comes from.
func printStages(cmd *cobra.Command, stages []api.LatencyStage) error {
	ms := func(v float64) string { return strconv.FormatFloat(v, 'f', 0, 64) }
	var rows [][]string
	for _, s := range stages {
		row := []string{s.Label, ms(s.Typical), ms(s.P95), ms(s.Max), s.Source}
		switch {
		case s.Samples == 0 && s.Source != "computed":
			row = []string{s.Label, "?", "?", "?", s.Source}
		case s.Typical > 0 && s.Max == 0: // an average
			row = []string{s.Label, ms(s.Typical), "", "", s.Source}
		}
		rows = append(rows, row)
	}
	return table(cmd, []string{"LATENCY, MS", "TYPICAL", "95 %", "MOST", ""}, rows)
}

// watchDoctor prints a line for each finding that comes or goes, as JSON the report whenever they change, until it is interrupted.
func (a *app) watchDoctor(cmd *cobra.Command, c *api.Client, name string) error {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	var last *api.DoctorReport
	for {
		r, err := c.LiveEventDoctor(cmd.Context(), name)
		if err != nil {
			return interrupted(cmd, err)
		}
		if err := a.reportChange(cmd, last, r); err != nil {
			return err
		}
		last = r
		select {
		case <-cmd.Context().Done():
			return nil
		case <-tick.C:
		}
	}
}

// reportChange prints what is other in a report than in the one before, which may be nil.
func (a *app) reportChange(cmd *cobra.Command, last, r *api.DoctorReport) error {
	var lines []string
	now := time.Now().UTC().Format(time.TimeOnly)
	same := func(f api.DoctorFinding) func(api.DoctorFinding) bool {
		return func(g api.DoctorFinding) bool { return f.Code == g.Code && f.TrackType == g.TrackType }
	}
	if last == nil || last.State != r.State {
		lines = append(lines, fmt.Sprintf("%s  %s, %s", now, r.State, plural(len(r.Findings), "finding")))
	}
	if last == nil {
		last = &api.DoctorReport{}
	}
	for _, f := range r.Findings {
		if !slices.ContainsFunc(last.Findings, same(f)) {
			lines = append(lines, fmt.Sprintf("%s  + %s (%s): %s", now, f.Severity, f.Code, f.Message))
		}
	}
	for _, f := range last.Findings {
		if !slices.ContainsFunc(r.Findings, same(f)) {
			lines = append(lines, fmt.Sprintf("%s  - %s: no more", now, f.Code))
		}
	}
	if a.json && len(lines) > 0 {
		b, err := json.Marshal(r)
		if err != nil {
			return err
		}
		lines = []string{string(b)}
	}
	for _, line := range lines {
		if _, err := fmt.Fprintln(cmd.OutOrStdout(), line); err != nil {
			return err
		}
	}
	return nil
}

func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return strconv.Itoa(n) + " " + thing + "s"
}
