package telemetry

import (
	"context"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// Tracer makes spans. A nil Tracer makes none.
type Tracer struct {
	tracer   trace.Tracer
	provider *sdktrace.TracerProvider
}

// TraceOptions configures a Tracer.
type TraceOptions struct {
	// Address is host:port of a collector that speaks OTLP over gRPC, as in
	// Argo CD's --otlp-address; empty for no traces at all.
	Address string
	// Insecure talks to it without TLS.
	Insecure bool
	// Version is that of the program.
	Version string
}

// NewTracer connects to the collector in the background. A collector that is
// not there delays nothing.
func NewTracer(ctx context.Context, opts TraceOptions) (*Tracer, error) {
	if opts.Address == "" {
		return nil, nil //nolint:nilnil // nil is a valid Tracer
	}
	options := []otlptracegrpc.Option{otlptracegrpc.WithEndpoint(opts.Address)}
	if opts.Insecure {
		options = append(options, otlptracegrpc.WithInsecure())
	}
	exporter, err := otlptracegrpc.New(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("connecting to the trace collector: %w", err)
	}
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(exporter),
		// Argo CD decides which reconciliations are sampled.
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.AlwaysSample())),
		sdktrace.WithResource(resource.NewSchemaless(
			attribute.String("service.name", "core-pipeline-cmp"), attribute.String("service.version", opts.Version))),
	)
	return &Tracer{tracer: provider.Tracer("github.com/core-pipeline/core-pipeline-cmp/plugin"), provider: provider}, nil
}

// Close sends what is left, for at most as long as ctx allows.
func (t *Tracer) Close(ctx context.Context) error {
	if t == nil {
		return nil
	}
	return t.provider.Shutdown(ctx)
}

// Start begins the span of a request. header looks up the metadata of the
// request, where Argo CD puts the context of its own trace.
func (t *Tracer) Start(ctx context.Context, name string, header func(string) string) (context.Context, Span) {
	if t == nil {
		return ctx, Span{noop.Span{}}
	}
	ctx = propagation.TraceContext{}.Extract(ctx, carrier(header))
	ctx, span := t.tracer.Start(ctx, name, trace.WithSpanKind(trace.SpanKindServer))
	return ctx, Span{span}
}

// Span is one step of a trace.
type Span struct{ span trace.Span }

// Set adds a fact about the request.
func (s Span) Set(key, value string) { s.span.SetAttributes(attribute.String(key, value)) }

// ID is the trace's, for logs; empty if there is none.
func (s Span) ID() string {
	if id := s.span.SpanContext().TraceID(); id.IsValid() {
		return id.String()
	}
	return ""
}

// End ends the span; result is "ok" or why the request failed.
func (s Span) End(result string) {
	if result != resultOK {
		s.span.SetStatus(codes.Error, result)
	}
	s.span.End()
}

// Phase adds a step that has ended to the span in ctx.
func Phase(ctx context.Context, name string, begin, end time.Time) {
	parent := trace.SpanFromContext(ctx)
	if !parent.IsRecording() {
		return
	}
	_, span := parent.TracerProvider().Tracer("github.com/core-pipeline/core-pipeline-cmp/plugin").Start(ctx, name, trace.WithTimestamp(begin))
	span.End(trace.WithTimestamp(end))
}

type carrier func(string) string

func (c carrier) Get(key string) string { return c(key) }
func (c carrier) Set(string, string)    {}
func (c carrier) Keys() []string        { return []string{"traceparent", "tracestate"} }
