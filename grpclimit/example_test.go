package grpclimit_test

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/netip"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/grpclimit"
	"github.com/sluice-project/sluice/store/memstore"
)

func perHour(n int64) *sluice.Limiter {
	store, err := memstore.New(memstore.Config{})
	if err != nil {
		log.Fatal(err)
	}
	limiter, err := sluice.New(store, sluice.Policy{Name: "api", Limits: []sluice.Limit{sluice.PerHour(n)}})
	if err != nil {
		log.Fatal(err)
	}
	return limiter
}

// start serves gRPC's own health service, and returns its address and the function that ends it.
func start(options ...grpc.ServerOption) (addr string, stop func()) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	server := grpc.NewServer(options...)
	healthpb.RegisterHealthServer(server, health.NewServer())
	go server.Serve(l)
	return l.Addr().String(), server.Stop
}

func connect(addr string, options ...grpc.DialOption) *grpc.ClientConn {
	conn, err := grpc.NewClient(addr, append(options, grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		log.Fatal(err)
	}
	return conn
}

// A server limits clients by their addresses, behind a load balancer on the same host.
func Example() {
	config := grpclimit.Config{
		Key:     grpclimit.ByIP(netip.MustParsePrefix("127.0.0.0/8")),
		OnError: sluice.Allow,
	}
	api := perHour(1)
	addr, stop := start(
		grpc.ChainUnaryInterceptor(grpclimit.UnaryServer(api, config)),
		grpc.ChainStreamInterceptor(grpclimit.StreamServer(api, config)),
	)
	defer stop()
	conn := connect(addr)
	defer conn.Close()

	ctx := metadata.AppendToOutgoingContext(context.Background(), "x-forwarded-for", "198.51.100.1") // as the balancer does
	for range 2 {
		var header metadata.MD
		_, err := healthpb.NewHealthClient(conn).Check(ctx, &healthpb.HealthCheckRequest{}, grpc.Header(&header))
		fmt.Println(status.Code(err), header["ratelimit"])
		for _, detail := range status.Convert(err).Details() {
			switch detail := detail.(type) {
			case *errdetails.QuotaFailure:
				fmt.Println(detail.Violations[0].Subject)
			case *errdetails.RetryInfo:
				fmt.Println("retry within the hour:", detail.RetryDelay.AsDuration().Hours() <= 1)
			}
		}
	}
	// Output:
	// OK ["hour";r=0;t=3600]
	// ResourceExhausted ["hour";r=0;t=3600]
	// limit:hour
	// retry within the hour: true
}

// A limit for each tenant and method.
func ExampleJoin() {
	key := grpclimit.Join(grpclimit.ByMetadata("tenant"), grpclimit.ByMethod())
	call := grpclimit.Call{Method: "/shop.Orders/Put"}

	fmt.Println(key(metadata.NewIncomingContext(context.Background(), metadata.Pairs("tenant", "t1")), call))
	_, err := key(context.Background(), call)
	fmt.Println(err)
	// Output:
	// t1|/shop.Orders/Put <nil>
	// the call has no metadata tenant, which says who is limited
}

// Each message that a client sends costs what it weighs, in a stream as in a call.
func ExampleConfig_perMessage() {
	config := grpclimit.Config{PerMessage: true, Cost: func(_ context.Context, c grpclimit.Call) int64 {
		return int64(len(c.Message.(*healthpb.HealthCheckRequest).GetService()))
	}}
	addr, stop := start(grpc.ChainStreamInterceptor(grpclimit.StreamServer(perHour(10), config)))
	defer stop()
	conn := connect(addr)
	defer conn.Close()

	for range 2 {
		stream, err := healthpb.NewHealthClient(conn).Watch(context.Background(), &healthpb.HealthCheckRequest{Service: "billing"})
		if err != nil {
			log.Fatal(err)
		}
		_, err = stream.Recv()
		fmt.Printf("%s: %q\n", status.Code(err), status.Convert(err).Message())
	}
	// Output:
	// OK: ""
	// ResourceExhausted: "no room for a cost of 7 under hour: try again in 3600 s"
}

// A client keeps to its part of what a service can take, and waits where it has used it.
func ExampleWaiting() {
	addr, stop := start()
	defer stop()
	conn := connect(addr, grpc.WithChainUnaryInterceptor(
		grpclimit.UnaryClient(grpclimit.Waiting(perHour(1)), grpclimit.Config{Key: grpclimit.ByMethod()}),
	))
	defer conn.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second) // a call that would wait for longer fails at once
	defer cancel()
	for range 2 {
		_, err := healthpb.NewHealthClient(conn).Check(ctx, &healthpb.HealthCheckRequest{})
		fmt.Println(status.Code(err))
	}
	// Output:
	// OK
	// ResourceExhausted
}
