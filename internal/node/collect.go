package node

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"headwater.stream/origin"
)

// collector gives what is known when it is asked for. It has a label only for what there are few of: running events, their
// outputs, statuses, and the locators that are watched most.
type collector struct{ *runtime }

// maxLocators bounds the locators that have their own number of viewers.
const maxLocators = 50

// Describe implements prometheus.Collector: what there is depends on what runs.
func (collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c collector) Collect(out chan<- prometheus.Metric) {
	now := c.clock.now()
	send := func(kind prometheus.ValueType, name, help string, value float64, labels ...string) {
		var names, values []string
		for i := 0; i+1 < len(labels); i += 2 {
			names, values = append(names, labels[i]), append(values, labels[i+1])
		}
		if m, err := prometheus.NewConstMetric(prometheus.NewDesc(name, help, names, nil), kind, value, values...); err == nil {
			out <- m
		}
	}
	gauge := func(name, help string, value float64, labels ...string) {
		send(prometheus.GaugeValue, name, help, value, labels...)
	}
	histogram := func(name, help string, h *origin.Histogram) {
		upTo, count, sum := h.Read()
		if m, err := prometheus.NewConstHistogram(prometheus.NewDesc(name, help, nil, nil), count, sum, upTo); err == nil {
			out <- m
		}
	}
	c.live(now, gauge)
	for code, n := range c.metrics.origin.Statuses() {
		send(prometheus.CounterValue, "headwater_origin_responses_total", "Answers to viewers, by status.", float64(n), "code", strconv.Itoa(code))
	}
	for limit, n := range map[string]int64{"viewer_waits": c.metrics.origin.Refused.Load(), "viewer_connections": c.metrics.origin.TurnedAway.Load(), "ingest": c.metrics.capacity.Load()} {
		send(prometheus.CounterValue, "headwater_limits_hit_total", "What was refused because a limit was reached, by limit.", float64(n), "limit", limit)
	}
	histogram("headwater_origin_added_seconds", "From the announcement of media to the answer that had waited for it: what the origin adds to the latency.", &c.metrics.origin.Added)
	histogram("headwater_part_lateness_seconds", "How much later than the end of its media a part was announced, by the clock that the encoder began with.", &c.metrics.late)
	histogram("headwater_viewer_latency_seconds", "How far behind live players are, as they say by CMCD.", &c.crowd.Latency)
	send(prometheus.CounterValue, "headwater_cmcd_reports_total", "Requests of players with CMCD.", float64(c.crowd.Reports.Load()))
	send(prometheus.CounterValue, "headwater_cmcd_stalls_total", "Of these, those that say that the buffer ran empty.", float64(c.crowd.Stalls.Load()))
	c.viewers(now, gauge)
	if free, size, err := c.assets.Space(); err == nil {
		gauge("headwater_disk_free_bytes", "Bytes that are free where recordings are.", float64(free))
		gauge("headwater_disk_size_bytes", "Bytes of the file system of the recordings.", float64(size))
	}
}

// live tells of live events and outputs.
func (c collector) live(now time.Time, gauge func(name, help string, value float64, labels ...string)) {
	t := c.routes.Load()
	for _, e := range t.events {
		name := e.spec.Load().Name
		if connected, rate := e.load(); connected {
			gauge("headwater_ingest_bits_per_second", "What comes from the encoder of a live event.", float64(rate), "event", name)
			if edge, ok := e.edge(); ok {
				gauge("headwater_publish_lag_seconds", "How far behind the clock the end of what is announced of a live event is.", max(0, now.Sub(edge).Seconds()), "event", name)
			}
		}
		gauge("headwater_spool_lag_seconds", "For how long the oldest thing has waited that is to be written to the spool of a live event.", e.tl.Health().Lag.Seconds(), "event", name)
	}
	for _, a := range t.assets {
		if lag, o := a.behind(now); o != nil {
			gauge("headwater_recorder_lag_seconds", "How old the oldest segment is that is not yet written to the recording of a live output.", lag.Seconds(), "output", o.spec.Name)
		}
	}
}

// edge returns the time of day at which what is announced ends.
func (e *event) edge() (time.Time, bool) {
	v := e.tl.View()
	for i := range v.Renditions {
		r := &v.Renditions[i] // the first leads: video before audio
		if r.Open != nil {
			return v.Anchor.Add(r.Time(r.Open.End())), true
		}
		if n := len(r.Segments); n > 0 {
			return v.Anchor.Add(r.Time(r.Segments[n-1].End())), true
		}
	}
	return time.Time{}, false
}

// behind returns how far the recording into an asset is behind, and whose it is; nil when there is none.
func (a *asset) behind(now time.Time) (lag time.Duration, of *output) {
	if !a.mu.TryLock() { // a disk that hangs may hold it up
		return 0, nil
	}
	defer a.mu.Unlock()
	if a.output == nil || a.output.rec == nil {
		return 0, nil
	}
	if oldest := a.output.rec.Behind(); !oldest.IsZero() {
		lag = max(0, now.Sub(oldest))
	}
	return lag, a.output
}

// viewers tells who watches: all together, and the most watched locators.
func (c collector) viewers(now time.Time, gauge func(name, help string, value float64, labels ...string)) {
	var all []*origin.Audience
	type watched struct {
		id string
		n  int
	}
	var list []watched
	for id, l := range c.routes.Load().locators {
		all = append(all, l.audience)
		if n := origin.Viewers(now, l.audience); n > 0 {
			list = append(list, watched{id, n})
		}
	}
	gauge("headwater_viewers", "Estimate of different viewers in the last minute: by the session of CMCD, else by address and player.", float64(origin.Viewers(now, all...)))
	slices.SortFunc(list, func(a, b watched) int { return cmp.Or(b.n-a.n, cmp.Compare(a.id, b.id)) })
	for _, w := range list[:min(len(list), maxLocators)] {
		gauge("headwater_locator_viewers", "The same, of the locators that are watched most.", float64(w.n), "locator", w.id)
	}
}
