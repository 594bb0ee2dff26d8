package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	receive := flag.String("receive", ":4318", "address to take spans on")
	answer := flag.String("answer", ":3200", "address to answer on")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	store := &store{limit: 10_000}
	err := serve(ctx, map[string]http.Handler{*receive: store.receiver(), *answer: store.answers()})
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "otlp:", err)
		os.Exit(1)
	}
}

// serve serves until the context ends or one server fails.
func serve(ctx context.Context, handlers map[string]http.Handler) error {
	failed := make(chan error, len(handlers))
	for addr, handler := range handlers {
		server := &http.Server{Addr: addr, Handler: handler, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second}
		go func() { failed <- server.ListenAndServe() }()
		defer server.Close() //nolint:errcheck // the process ends
	}
	select {
	case err := <-failed:
		if errors.Is(err, http.ErrServerClosed) {
			return nil
		}
		return err
	case <-ctx.Done():
		return nil
	}
}
