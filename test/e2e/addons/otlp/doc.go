// Command otlp is a receiver of traces that answers what it received.
//
// In: spans over OTLP/HTTP, protobuf, on port 4318, as they would be sent to
// Tempo. Out: GET /spans on port 3200, as JSON, newest last. It stands in for
// Tempo, whose module is not published as a whole: what an application sends
// is checked, not how it is stored. Spans are kept in memory, 10,000 at most.
package main
