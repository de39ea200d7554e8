package node

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"headwater.stream/internal/hook"
	"headwater.stream/internal/journal"
	"headwater.stream/origin"
)

// metrics are what the node counts. Every name begins with headwater_.
type metrics struct {
	registry     *prometheus.Registry
	repairs      *prometheus.CounterVec
	dropped      *prometheus.CounterVec
	recordErrors prometheus.Counter
	refused      prometheus.Counter
	capacity     atomic.Int64     // encoders refused because a limit was reached
	late         origin.Histogram // parts
	origin       *origin.Metrics

	discontinuities *prometheus.CounterVec

	storageFaults  *prometheus.CounterVec
	storageRepairs prometheus.Counter
	recordGaps     *prometheus.CounterVec
}

func newMetrics() *metrics {
	m := &metrics{
		origin:   &origin.Metrics{},
		registry: prometheus.NewRegistry(),
		repairs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "headwater_input_repairs_total", Help: "Things in the input of encoders that were mended or dropped, by kind.",
		}, []string{"kind"}),
		dropped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "headwater_input_dropped_total", Help: "Messages of encoders that could not be used, by reason.",
		}, []string{"reason"}),
		discontinuities: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "headwater_discontinuities_total", Help: "Discontinuities in live events, by what caused them.",
		}, []string{"cause"}),
		recordErrors: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "headwater_record_errors_total", Help: "Failures to write to an asset.",
		}),
		storageFaults: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "headwater_storage_faults_total", Help: "Times that a live event or a recording could not be written any more, by reason.",
		}, []string{"reason"}),
		storageRepairs: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "headwater_storage_repairs_total", Help: "Torn ends and lost segments found when directories were opened.",
		}),
		recordGaps: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "headwater_record_gaps_total", Help: "Segments recorded as gaps because they could not be written, by reason.",
		}, []string{"reason"}),
		refused: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "headwater_publish_refused_total", Help: "Publishers that were refused.",
		}),
	}
	for _, c := range []struct {
		name, help string
		value      *atomic.Int64
	}{
		{"headwater_origin_requests_total", "Requests of viewers.", &m.origin.Requests},
		{"headwater_origin_manifests_total", "Playlists and MPDs sent, 304 included.", &m.origin.Manifests},
		{"headwater_origin_objects_total", "Initialization sections, segments and parts sent, 304 included.", &m.origin.Objects},
		{"headwater_origin_not_modified_total", "Answers 304.", &m.origin.NotModified},
		{"headwater_origin_client_errors_total", "Answers 4xx.", &m.origin.ClientError},
		{"headwater_origin_server_errors_total", "Answers 5xx.", &m.origin.ServerError},
		{"headwater_origin_bytes_total", "Bytes of bodies sent.", &m.origin.Bytes},
		{"headwater_origin_waits_total", "Requests that have waited for a part or segment.", &m.origin.Waited},
		{"headwater_origin_waits_expired_total", "Waits that ended at their time limit.", &m.origin.Expired},
		{"headwater_origin_waits_refused_total", "Requests refused because too many were waiting, with 503.", &m.origin.Refused},
		{"headwater_origin_turned_away_total", "Connections of viewers refused because there were too many.", &m.origin.TurnedAway},
		{"headwater_origin_stalled_total", "Connections dropped because the viewer did not read.", &m.origin.Stalled},
	} {
		m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: c.name, Help: c.help},
			func() float64 { return float64(c.value.Load()) }))
	}
	m.registry.MustRegister(m.repairs, m.dropped, m.discontinuities, m.recordErrors, m.refused, m.storageFaults, m.storageRepairs, m.recordGaps, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// watch adds what is read from the runtime when it is asked for.
func (m *metrics) watch(r *runtime) {
	m.registry.MustRegister(collector{r})
	gauge := func(name, help string, f func() float64) {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, f))
	}
	count := func(f func(*event) bool) func() float64 {
		return func() (n float64) {
			for _, e := range r.routes.Load().events {
				if f(e) {
					n++
				}
			}
			return n
		}
	}
	gauge("headwater_origin_waiting", "Requests that wait for a part or segment.", func() float64 { return float64(m.origin.Waiting.Load()) })
	gauge("headwater_events_running", "Live events that run.", count(func(*event) bool { return true }))
	gauge("headwater_publishers", "Encoders that publish.", count(func(e *event) bool { return e.status().Connected }))
	gauge("headwater_inputs_lost", "Live events from whose encoder nothing has come for too long.", count(func(e *event) bool { _, lost := e.silence.since(); return lost }))
	gauge("headwater_storage_alarms", "Spools and recordings that cannot be written now.", func() (n float64) {
		for _, e := range r.routes.Load().events {
			n += float64(len(e.alarms.read()))
		}
		return n
	})
	gauge("headwater_spools_degraded", "Live events whose parts are announced before they are on disk.", count(func(e *event) bool { return e.tl.Health().Degraded }))
}

// follow adds what is read from the event log when it is asked for.
func (m *metrics) follow(j *journal.Journal, h *hook.Manager) {
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "headwater_events_unstored_total", Help: "Events that could not be written to the event log.",
	}, func() float64 { return float64(j.Unstored()) }))
	hooks := func(f func(hook.Status) float64) func() float64 {
		return func() (n float64) {
			for _, st := range h.All() {
				n += f(st)
			}
			return n
		}
	}
	gauge := func(name, help string, f func() float64) {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, f))
	}
	gauge("headwater_webhook_pending", "Events that wait to be delivered to webhooks.", hooks(func(st hook.Status) float64 { return float64(st.Pending) }))
	gauge("headwater_webhooks_failing", "Webhooks whose last delivery did not succeed.", hooks(func(st hook.Status) float64 {
		if st.Failing {
			return 1
		}
		return 0
	}))
	gauge("headwater_webhook_lag_seconds", "How old the oldest event is that waits to be delivered.", func() (most float64) {
		for _, st := range h.All() {
			if !st.Oldest.IsZero() {
				most = max(most, time.Since(st.Oldest).Seconds())
			}
		}
		return most
	})
}
