package envoyrls_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	pb "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"

	"github.com/sluice-project/sluice/server/envoyrls"
)

// receiveTime is how long a call may take.
const receiveTime = 15 * time.Second

// pipes is a listener within a bubble of synctest.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes"} }

func (p *pipes) dial(ctx context.Context) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.conns <- theirs:
		b := &buffered{Conn: ours, out: make(chan []byte, 1000), closed: make(chan struct{})}
		go b.pump()
		return b, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// buffered is a pipe into which can be written while the other end writes too.
type buffered struct {
	net.Conn
	out    chan []byte
	closed chan struct{}
	once   sync.Once
}

func (b *buffered) Write(p []byte) (int, error) {
	select {
	case b.out <- bytes.Clone(p):
		return len(p), nil
	case <-b.closed:
		return 0, net.ErrClosed
	}
}

func (b *buffered) pump() {
	for {
		select {
		case p := <-b.out:
			if _, err := b.Conn.Write(p); err != nil {
				b.Close()
				return
			}
		case <-b.closed:
			return
		}
	}
}

func (b *buffered) Close() error {
	b.once.Do(func() { close(b.closed) })
	return b.Conn.Close()
}

// serveDoor has a door answer gRPC within a bubble.
func serveDoor(t *testing.T, cfg envoyrls.ServerConfig) (*asker, *pipes) {
	t.Helper()
	a := newDoor(t, envoyrls.Options{}, file("{key: k, rate_limit: {unit: year, requests_per_unit: 9}}"))
	p := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
	s := a.door.Server(cfg)
	ended := make(chan struct{})
	go func() {
		_ = s.Serve(p)
		close(ended)
	}()
	t.Cleanup(func() {
		s.Stop()
		<-ended
	})
	return a, p
}

// client returns a connection of a client who keeps to the protocol.
func (p *pipes) client(t *testing.T) *grpc.ClientConn {
	t.Helper()
	c, err := grpc.NewClient("passthrough:door", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return p.dial(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// unfinished calls a method by a message of which the last byte never comes, and returns how long it took to be answered,
// and what.
func (p *pipes) unfinished(t *testing.T, method string, size int) (time.Duration, string) {
	t.Helper()
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{
		Protocols:   protocols,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return p.dial(ctx) },
	}
	defer transport.CloseIdleConnections()
	body, write := io.Pipe()
	defer write.Close()
	go func() {
		_, _ = write.Write(append(binary.BigEndian.AppendUint32([]byte{0}, uint32(size)), make([]byte, size-1)...))
	}()
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, "POST", "http://door"+method, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/grpc")
	r.Header.Set("Te", "trailers")
	begun := time.Now()
	response, err := transport.RoundTrip(r)
	if err != nil {
		return time.Since(begun), err.Error()
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body)
	answer := response.Header.Get("Grpc-Status") + response.Trailer.Get("Grpc-Status")
	return time.Since(begun), answer
}

// TestReceiveTime has clients begin a message and never end it, of every method that there is.
func TestReceiveTime(t *testing.T) {
	t.Parallel()
	for _, method := range []string{
		pb.RateLimitService_ShouldRateLimit_FullMethodName,
		healthpb.Health_Check_FullMethodName, healthpb.Health_List_FullMethodName, healthpb.Health_Watch_FullMethodName,
		reflectionpb.ServerReflection_ServerReflectionInfo_FullMethodName,
		strings.Replace(reflectionpb.ServerReflection_ServerReflectionInfo_FullMethodName, ".v1.", ".v1alpha.", 1),
	} {
		synctest.Test(t, func(t *testing.T) {
			_, p := serveDoor(t, envoyrls.ServerConfig{})
			if took, answer := p.unfinished(t, method, 1000); took != receiveTime || answer == "" || answer == "0" {
				t.Errorf("%s is answered %q after %s, want an error after %s", method, answer, took, receiveTime)
			}
		})
	}
}

// TestDeadlines gives a call the time that its client gives it, where that is less.
func TestDeadlines(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, p := serveDoor(t, envoyrls.ServerConfig{})
		c := p.client(t)
		for patience, want := range map[time.Duration]time.Duration{time.Second: time.Second, time.Hour: receiveTime} {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			begun := time.Now()
			reflection, err := reflectionpb.NewServerReflectionClient(c).ServerReflectionInfo(ctx)
			if err == nil {
				_, err = reflection.Recv()
			}
			if took := time.Since(begun); took != want || status.Code(err) != codes.DeadlineExceeded {
				t.Errorf("who waits %s is answered %v after %s, want %s", patience, err, took, want)
			}
			cancel()
		}
	})
}

// TestWatch watches the health, for as long as a connection may be idle.
func TestWatch(t *testing.T) {
	t.Parallel()
	for idle, want := range map[time.Duration]time.Duration{0: 10 * time.Minute, time.Hour: time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			a, p := serveDoor(t, envoyrls.ServerConfig{IdleTime: idle, MaxConnectionAge: 24 * time.Hour})
			ctx, cancel := context.WithTimeout(t.Context(), 2*want)
			defer cancel()
			watch, err := healthpb.NewHealthClient(p.client(t)).Watch(ctx, &healthpb.HealthCheckRequest{})
			if err != nil {
				t.Fatal(err)
			}
			begun := time.Now()
			for _, ready := range []bool{false, true, false, true} {
				a.door.SetReady(ready)
				time.Sleep(time.Minute)
				if answer, err := watch.Recv(); err != nil || (answer.GetStatus() == healthpb.HealthCheckResponse_SERVING) != ready {
					t.Errorf("who watches is told %v, %v, want %t", answer, err, ready)
				}
			}
			answer, err := watch.Recv()
			if took := time.Since(begun).Round(time.Second); took != want || status.Code(err) != codes.Unavailable {
				t.Errorf("after %s who watches is told %v, %v, want that it has an end after %s", took, answer, err, want)
			}
		})
	}
}

// TestAside has one connection ask for more than it may besides decisions, and is asked for decisions as ever.
func TestAside(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, p := serveDoor(t, envoyrls.ServerConfig{})
		c, other := p.client(t), p.client(t)
		watch := func(c *grpc.ClientConn) (end func(), err error) {
			ctx, cancel := context.WithCancel(t.Context())
			stream, err := healthpb.NewHealthClient(c).Watch(ctx, &healthpb.HealthCheckRequest{})
			if err == nil {
				_, err = stream.Recv()
			}
			return cancel, err
		}
		var ends []func()
		for i := range 9 {
			end, err := watch(c)
			if (status.Code(err) == codes.ResourceExhausted) != (i == 8) {
				t.Errorf("watch %d is answered %v", i, err)
			}
			ends = append(ends, end)
		}
		if _, _, err := askOver(t, c); err != nil {
			t.Errorf("a decision is answered %v", err)
		}
		if _, err := healthpb.NewHealthClient(c).Check(t.Context(), &healthpb.HealthCheckRequest{}); status.Code(err) != codes.ResourceExhausted {
			t.Errorf("health beside all that watch is answered %v", err)
		}
		if end, err := watch(other); err != nil {
			t.Errorf("another connection is answered %v", err)
		} else {
			end()
		}
		ends[0]()
		synctest.Wait()
		end, err := watch(c)
		if err != nil {
			t.Errorf("in the place of one that has ended: %v", err)
		}
		for _, end := range append(ends, end) {
			end()
		}
	})
}

func askOver(t *testing.T, c *grpc.ClientConn) (pb.RateLimitResponse_Code, *pb.RateLimitResponse, error) {
	t.Helper()
	response, err := pb.NewRateLimitServiceClient(c).ShouldRateLimit(t.Context(), request("d", "k=a"))
	return response.GetOverallCode(), response, err
}

// TestTokenBeforeMessage refuses who may not ask before anything of the message is waited for.
func TestTokenBeforeMessage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		refused := status.Error(codes.Unauthenticated, "no")
		_, p := serveDoor(t, envoyrls.ServerConfig{Admit: func(context.Context, string) error { return refused }})
		for _, method := range []string{
			pb.RateLimitService_ShouldRateLimit_FullMethodName, reflectionpb.ServerReflection_ServerReflectionInfo_FullMethodName,
		} {
			if took, answer := p.unfinished(t, method, 1000); took != 0 || answer != "16" {
				t.Errorf("%s is answered %q after %s, want that a token is missing, at once", method, answer, took)
			}
		}
		c := p.client(t)
		if _, _, err := askOver(t, c); !errors.Is(err, refused) {
			t.Errorf("a decision is answered %v", err)
		}
		if _, err := healthpb.NewHealthClient(c).Check(t.Context(), &healthpb.HealthCheckRequest{}); err != nil {
			t.Errorf("health is answered %v", err)
		}
	})
}

// TestTooMuch asks for more than a request may have in it, and for all that one may.
func TestTooMuch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, p := serveDoor(t, envoyrls.ServerConfig{})
		c := p.client(t)
		many := func(n int, text string) *pb.RateLimitRequest {
			return request("d", slices.Repeat([]string{text}, n)...)
		}
		for _, test := range []struct {
			request *pb.RateLimitRequest
			want    codes.Code
		}{
			{many(1000, "k=a b=c d=e f=g"), codes.OK},
			{many(1001, "k=a"), codes.InvalidArgument},
			{many(501, "a= b= c= d= e= f= g= h="), codes.InvalidArgument},
			{many(1, "k="+strings.Repeat("v", 60<<10)), codes.OK},
			{many(1, "k="+strings.Repeat("v", 64<<10)), codes.ResourceExhausted},
		} {
			if _, err := pb.NewRateLimitServiceClient(c).ShouldRateLimit(t.Context(), test.request); status.Code(err) != test.want {
				t.Errorf("a request with %d descriptors is answered %v, want %s", len(test.request.GetDescriptors()), err, test.want)
			}
		}
	})
}
