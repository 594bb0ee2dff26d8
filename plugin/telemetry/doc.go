// Package telemetry is what the server tells about itself: Prometheus metrics
// and OpenTelemetry traces.
//
// In: events of the other packages, which know no library for this. Out: the
// text of /metrics, and spans to one collector if an address is configured.
// A nil *Metrics is valid and counts nothing.
//
// Labels take their values from this program only, never from a request: an
// Application must not be able to make a series.
package telemetry
