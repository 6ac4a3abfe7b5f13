package app

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"tianweitong/internal/job"
)

// metrics are the house's figures for Prometheus. Labels are names of the
// house (routes, topics, operations), never identifiers of people.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.HistogramVec
	writes   *prometheus.HistogramVec
	jobs     *prometheus.HistogramVec
	crypto   *prometheus.HistogramVec
}

func newMetrics(count func(context.Context) ([]job.Count, error)) *metrics {
	seconds := prometheus.ExponentialBuckets(0.0005, 2, 15)
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "twt_http_request_seconds", Help: "Requests by door, route and status.", Buckets: seconds,
		}, []string{"door", "route", "status"}),
		writes: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "twt_store_write_seconds", Help: "Business transactions by name and result.", Buckets: seconds,
		}, []string{"name", "result"}),
		jobs: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "twt_job_seconds", Help: "Job attempts by topic and result.", Buckets: seconds,
		}, []string{"topic", "result"}),
		crypto: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "twt_custody_seconds", Help: "Computations with a share or a role key, by name and result.", Buckets: seconds,
		}, []string{"name", "result"}),
	}
	m.registry.MustRegister(m.requests, m.writes, m.jobs, m.crypto, collectors.NewGoCollector(), queue{count})
	return m
}

func result(err error) string {
	if err != nil {
		return "error"
	}
	return "ok"
}

func (m *metrics) write(name string, took time.Duration, err error) {
	m.writes.WithLabelValues(name, result(err)).Observe(took.Seconds())
}

func (m *metrics) job(topic string, took time.Duration, err error) {
	m.jobs.WithLabelValues(topic, result(err)).Observe(took.Seconds())
}

func (m *metrics) request(door string) func(route string, status int, took time.Duration) {
	return func(route string, status int, took time.Duration) {
		if route == "" {
			route = "none"
		}
		m.requests.WithLabelValues(door, route, http.StatusText(status)).Observe(took.Seconds())
	}
}

// queue reports waiting and dead jobs when Prometheus asks.
type queue struct {
	count func(context.Context) ([]job.Count, error)
}

var queueDesc = prometheus.NewDesc("twt_jobs", "Jobs by topic and state.", []string{"topic", "state"}, nil)

func (queue) Describe(ch chan<- *prometheus.Desc) { ch <- queueDesc }

func (q queue) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	counts, err := q.count(ctx)
	if err != nil {
		ch <- prometheus.NewInvalidMetric(queueDesc, err)
		return
	}
	for _, c := range counts {
		state := "waiting"
		if c.Dead {
			state = "dead"
		}
		ch <- prometheus.MustNewConstMetric(queueDesc, prometheus.GaugeValue, float64(c.N), c.Topic, state)
	}
}

// opsHandler serves health (the process runs), readiness (it can serve) and metrics.
func opsHandler(m *metrics, ready func(context.Context) map[string]error) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Write([]byte(`{"status":"ok"}` + "\n"))
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
		defer cancel()
		answer := map[string]string{"status": "ok"}
		status := http.StatusOK
		for part, err := range ready(ctx) {
			answer[part] = "ok"
			if err != nil {
				answer[part], answer["status"], status = "failed", "failed", http.StatusServiceUnavailable
			}
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		json.NewEncoder(w).Encode(answer)
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}))
	return mux
}
