// Command kafka is one broker that speaks Kafka's protocol and keeps its records in memory: franz-go's kfake, in place
// of Kafka itself, which is not to be had from the module proxy, Debian or npm. Topics appear when they are asked for.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net"
	"os/signal"
	"strconv"
	"syscall"

	"github.com/twmb/franz-go/pkg/kfake"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:9092", "address to listen on")
	advertise := flag.String("advertise", "", "host:port that clients are told (default: the address it listens on)")
	flag.Parse()
	if err := run(*listen, *advertise); err != nil {
		log.Fatal(err)
	}
}

func run(listen, advertise string) error {
	_, text, err := net.SplitHostPort(listen)
	if err != nil {
		return fmt.Errorf("reading -listen: %w", err)
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		return fmt.Errorf("reading the port of -listen: %w", err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	broker, err := kfake.NewCluster(
		kfake.NumBrokers(1), kfake.Ports(port), kfake.AllowAutoTopicCreation(), kfake.DefaultNumPartitions(3),
		kfake.ListenFn(func(network, _ string) (net.Listener, error) {
			l, err := (&net.ListenConfig{}).Listen(ctx, network, listen)
			if err != nil || advertise == "" {
				return l, err
			}
			return advertised{l, address(advertise)}, nil
		}),
	)
	if err != nil {
		return fmt.Errorf("starting the broker: %w", err)
	}
	defer broker.Close()
	<-ctx.Done()
	return nil
}

// advertised is a listener whose address is the one that clients come to.
type advertised struct {
	net.Listener
	name net.Addr
}

func (a advertised) Addr() net.Addr { return a.name }

type address string

func (address) Network() string  { return "tcp" }
func (a address) String() string { return string(a) }
