package telemetry

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics counts what a server does. Its methods may be called on nil.
type Metrics struct {
	registry *prometheus.Registry

	requests, refusals, killed, cache *prometheus.CounterVec
	requestSeconds, phaseSeconds      *prometheus.HistogramVec
	bytes, files                      *prometheus.CounterVec
	inFlight                          prometheus.Gauge
}

const (
	namespace = "core_pipeline_cmp"
	resultOK  = "ok"
)

// NewMetrics returns metrics at zero, with those of the process.
func NewMetrics() *Metrics {
	// From a cache hit to the default of --timeout.
	buckets := []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
	}
	histogram := func(name, help, label string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets}, []string{label})
	}
	m := &Metrics{
		registry:       prometheus.NewRegistry(),
		requests:       counter("requests_total", "Requests answered.", "method", "result"),
		refusals:       counter("refusals_total", "Requests refused or failed, by reason.", "reason"),
		killed:         counter("workers_killed_total", "Worker processes ended before their request was answered.", "reason"),
		cache:          counter("cache_requests_total", "Requests by how the cache served them.", "result"),
		requestSeconds: histogram("request_seconds", "Time from the first message of a request to its answer.", "method"),
		phaseSeconds:   histogram("phase_seconds", "Time that requests spend in each phase.", "phase"),
		bytes:          counter("archive_bytes_total", "Bytes of archives: as they were received, compressed, and as they were kept, unpacked.", "state"),
		files:          counter("archive_files_total", "Entries of archives: received, and kept.", "state"),
		inFlight:       prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: "requests_in_flight", Help: "Requests being received, waiting or rendered."}),
	}
	m.registry.MustRegister(m.requests, m.refusals, m.killed, m.cache, m.requestSeconds, m.phaseSeconds, m.bytes, m.files, m.inFlight,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Handler serves the metrics.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// Declare makes the series of what may happen to a request, at 0: one that
// appears with the first event has no rate.
func (m *Metrics) Declare(methods, reasons []string) {
	if m == nil {
		return
	}
	for _, reason := range reasons {
		m.refusals.WithLabelValues(reason)
	}
	for _, method := range methods {
		m.requests.WithLabelValues(method, resultOK)
		for _, reason := range reasons {
			m.requests.WithLabelValues(method, reason)
		}
	}
}

// DeclareKilled does the same for worker processes.
func (m *Metrics) DeclareKilled(reasons []string) {
	if m == nil {
		return
	}
	for _, reason := range reasons {
		m.killed.WithLabelValues(reason)
	}
}

// Gauge adds a metric that is read when it is asked for: queue_length.
func (m *Metrics) Gauge(name, help string, read func() float64) {
	if m != nil {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, read))
	}
}

// Begin counts a request as in flight until the result is called with how it
// ended: "ok" or a reason.
func (m *Metrics) Begin(method string) (end func(result string)) {
	if m == nil {
		return func(string) {}
	}
	begin := time.Now()
	m.inFlight.Inc()
	return func(result string) {
		m.inFlight.Dec()
		m.requests.WithLabelValues(method, result).Inc()
		m.requestSeconds.WithLabelValues(method).Observe(time.Since(begin).Seconds())
		if result != resultOK {
			m.refusals.WithLabelValues(result).Inc()
		}
	}
}

// Phase adds the time that one request spent in a phase.
func (m *Metrics) Phase(name string, d time.Duration) {
	if m != nil {
		m.phaseSeconds.WithLabelValues(name).Observe(d.Seconds())
	}
}

// Archive counts what one request brought, and how much of it is kept.
func (m *Metrics) Archive(bytesReceived, bytesKept int64, filesReceived, filesKept int) {
	if m == nil {
		return
	}
	m.bytes.WithLabelValues("received").Add(float64(bytesReceived))
	m.bytes.WithLabelValues("kept").Add(float64(bytesKept))
	m.files.WithLabelValues("received").Add(float64(filesReceived))
	m.files.WithLabelValues("kept").Add(float64(filesKept))
}

// Cache counts a request as "hit", "miss", "shared" or "uncached".
func (m *Metrics) Cache(result string) {
	if m != nil {
		m.cache.WithLabelValues(result).Inc()
	}
}

// Killed counts a worker process that was ended.
func (m *Metrics) Killed(reason string) {
	if m != nil {
		m.killed.WithLabelValues(reason).Inc()
	}
}
