package node

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.yaml.in/yaml/v3"

	"headwater.stream/api"
	"headwater.stream/internal/hook"
	"headwater.stream/internal/journal"
	"headwater.stream/origin"
)

// known returns the names of all metrics of a node that is watched and recorded.
func known(t *testing.T, m *metrics) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	descs := make(chan *prometheus.Desc, 1000)
	m.registry.Describe(descs)
	close(descs)
	for d := range descs {
		names[regexp.MustCompile(`fqName: "(\w+)"`).FindStringSubmatch(d.String())[1]] = true
	}
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		names[f.GetName()] = true
	}
	return names
}

// TestMonitoring: every metric that the dashboard, the alert rules and docs/monitoring.md name exists on a node with an encoder, a
// recording and a viewer whose player sends CMCD, and has the value that it should.
func TestMonitoring(t *testing.T) {
	faults(t, func(r *faultRig) {
		m := r.rt.metrics
		j, err := journal.Open(r.dir+"/journal", journal.Options{})
		if err != nil {
			t.Fatal(err)
		}
		h, err := hook.New(r.dir+"/webhooks", j, hook.Options{})
		if err != nil {
			t.Fatal(err)
		}
		m.watch(r.rt)
		m.follow(j, h)
		s := r.send(publisher{audio: 48000}, 25*time.Second)
		_, playlist := r.get("v1/media.m3u8")
		segments := regexp.MustCompile(`(?m)^seg-.*$`).FindAllString(playlist, -1)
		if len(segments) < 3 {
			t.Fatalf("%s", playlist)
		}
		last := segments[len(segments)-1]
		_, plain := r.get("v1/" + last)
		ask := func(cmcd string) *httptest.ResponseRecorder {
			w := httptest.NewRecorder()
			origin.NewHandler(origin.Options{Resolver: r.rt, Metrics: m.origin}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, r.base+"v1/"+last+"?CMCD="+cmcd, nil))
			return w
		}
		if w := ask("bl%3D1000%2Cbs%2Cbr%3D2500%2Cot%3Dv%2Csid%3D%22x%22"); w.Code != http.StatusOK || w.Body.String() != plain || w.Header().Get("Cache-Control") == "" || strings.Contains(w.Header().Get("Vary"), "CMCD") {
			t.Errorf("CMCD changes the answer: %d, %d bytes, %v", w.Code, w.Body.Len(), w.Header())
		}
		if w := ask("%zz&%22"); w.Code != http.StatusOK || w.Body.String() != plain {
			t.Errorf("what is no CMCD gets %d", w.Code)
		}
		a := r.rt.Audience(faultLocator)
		if a.Viewers < 1 || a.Viewers > 2 || a.Reports != 1 || a.Stalls != 1 || a.Bitrate != 2_500_000 || a.Buffer != "PT1S" || a.Latency == "PT0S" {
			t.Errorf("%+v", a)
		}
		stages := r.rt.Examine("e").Latency.Stages
		if p := stages[len(stages)-1]; p.Name != "players" || p.N != 1 || api.FormatDuration(p.Typical) != a.Latency {
			t.Errorf("the event's latency has %+v", p)
		}
		if r.rt.Audience("none") != nil {
			t.Error("a locator that is none has an audience")
		}
		gathered, err := m.registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		value := map[string]float64{}
		for _, f := range gathered {
			for _, x := range f.GetMetric() {
				value[f.GetName()] += x.GetGauge().GetValue() + x.GetCounter().GetValue() + float64(x.GetHistogram().GetSampleCount())
			}
		}
		for name, least := range map[string]float64{"headwater_part_lateness_seconds": 100, "headwater_cmcd_reports_total": 1, "headwater_cmcd_stalls_total": 1, "headwater_viewers": 1,
			"headwater_locator_viewers": 1, "headwater_viewer_latency_seconds": 1, "headwater_disk_free_bytes": 1, "headwater_ingest_bits_per_second": 1} {
			if value[name] < least {
				t.Errorf("%s is %v", name, value[name])
			}
		}
		if lag := value["headwater_publish_lag_seconds"]; lag > 1 {
			t.Errorf("the live edge is %v s behind", lag)
		}
		names := known(t, m)
		for _, file := range []string{"grafana-dashboard.json", "prometheus-alerts.yml", "../monitoring.md"} {
			b, err := os.ReadFile("../../docs/deploy/" + file)
			if err != nil {
				t.Fatal(err)
			}
			list := regexp.MustCompile(`\bheadwater_\w+`).FindAllString(string(b), -1)
			slices.Sort(list)
			for _, name := range slices.Compact(list) {
				if !names[name] && !names[strings.TrimSuffix(name, "_bucket")] {
					t.Errorf("%s: there is no metric %s", file, name)
				}
			}
			if len(list) < 15 {
				t.Errorf("%s names %d metrics", file, len(list))
			}
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestMonitoringFiles: the dashboard and the rules have the form that Grafana and Prometheus want (promtool is not at hand
// everywhere).
func TestMonitoringFiles(t *testing.T) {
	read := func(name string) []byte {
		b, err := os.ReadFile("../../docs/deploy/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	balanced := func(expr string) bool {
		return expr != "" && strings.Count(expr, "(") == strings.Count(expr, ")") && strings.Count(expr, "{") == strings.Count(expr, "}") && strings.Count(expr, "[") == strings.Count(expr, "]")
	}
	var rules struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Expr, For    string
				Labels, Annotations map[string]string
			}
		}
	}
	if err := yaml.Unmarshal(read("prometheus-alerts.yml"), &rules); err != nil || len(rules.Groups) != 1 || len(rules.Groups[0].Rules) < 10 {
		t.Fatalf("%v, %d groups", err, len(rules.Groups))
	}
	for _, r := range rules.Groups[0].Rules {
		if _, err := time.ParseDuration(r.For); r.Alert == "" || !balanced(r.Expr) || r.Labels["severity"] == "" || r.Annotations["summary"] == "" || r.For != "" && err != nil {
			t.Errorf("%+v", r)
		}
	}
	var board struct {
		UID    string
		Panels []struct {
			ID      int
			Title   string
			Type    string
			GridPos struct{ X, W int }
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(read("grafana-dashboard.json"), &board); err != nil || board.UID == "" || len(board.Panels) < 15 {
		t.Fatalf("%v, %d panels", err, len(board.Panels))
	}
	for i, p := range board.Panels {
		if p.ID != i+1 || p.Title == "" || p.GridPos.X+p.GridPos.W > 24 || p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("%+v", p)
		}
		for _, target := range p.Targets {
			if !balanced(target.Expr) {
				t.Errorf("%s: %s", p.Title, target.Expr)
			}
		}
	}
}
