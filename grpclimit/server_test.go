package grpclimit_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/grpclimit"
)

func TestZeroConfig(t *testing.T) {
	t.Parallel()
	s := &service{}
	client := serve(t, s, limited(newLimiter(t, sluice.PerHour(2)), grpclimit.Config{}))
	for _, state := range []string{`"hour";r=1;t=3600`, `"hour";r=0;t=3600`} {
		var header, trailer metadata.MD
		if err := unary(t.Context(), client, grpc.Header(&header), grpc.Trailer(&trailer)); err != nil {
			t.Fatal(err)
		}
		want := metadata.MD{"ratelimit-policy": {`"hour";q=2;w=3600`}, "ratelimit": {state}}
		if diff := cmp.Diff(want, ours(header)); diff != "" {
			t.Errorf("header (-want +got):\n%s", diff)
		}
		if got := ours(trailer); len(got) > 0 {
			t.Errorf("trailer %v, want nothing of ours", got)
		}
	}

	// A made-up address makes no other client, nor does a stream.
	forged := metadata.AppendToOutgoingContext(t.Context(), "x-forwarded-for", "203.0.113.9")
	var header metadata.MD
	err := unary(forged, client, grpc.Header(&header))
	wantCode(t, err, codes.ResourceExhausted)
	if diff := cmp.Diff([]string{"3600"}, header["retry-after"]); diff != "" {
		t.Errorf("retry-after (-want +got):\n%s", diff)
	}
	if got := status.Convert(err).Message(); got != "no room for a cost of 1 under hour: try again in 3600 s" {
		t.Errorf("message %q", got)
	}
	details := status.Convert(err).Details()
	if len(details) != 2 {
		t.Fatalf("details %v, want two", details)
	}
	want := &errdetails.QuotaFailure{Violations: []*errdetails.QuotaFailure_Violation{{
		Subject: "limit:hour", Description: "2/hour has no room for a cost of 1: 0 remaining", QuotaId: "hour", QuotaValue: 2,
	}}}
	if diff := cmp.Diff(want, details[0], protocmp.Transform()); diff != "" {
		t.Errorf("first detail (-want +got):\n%s", diff)
	}
	if retry, ok := details[1].(*errdetails.RetryInfo); !ok || retry.RetryDelay.AsDuration() <= 0 || retry.RetryDelay.AsDuration() > time.Hour {
		t.Errorf("second detail %v, want the time to wait", details[1])
	}
	stream, err := client.StreamingOutputCall(t.Context(), &testpb.StreamingOutputCallRequest{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = stream.Recv()
	wantCode(t, err, codes.ResourceExhausted)
	if header, err := stream.Header(); err != nil || header["ratelimit"] == nil || header["retry-after"] == nil {
		t.Errorf("header %v (%v), want what the decision says", header, err)
	}
	if got := s.calls.Load(); got != 2 {
		t.Errorf("handlers ran %d times, want for the two calls that were allowed", got)
	}
}

// ours are the metadata that this package sends.
func ours(md metadata.MD) metadata.MD {
	found := metadata.MD{}
	for name, values := range md {
		if strings.HasPrefix(name, "ratelimit") || name == "retry-after" {
			found[name] = values
		}
	}
	return found
}

func TestKeyAndCostReachTheLimiter(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("k", sluice.MaxKeyBytes+1)
	tests := []struct {
		name   string
		config grpclimit.Config
		key    string
		cost   int64
	}{
		{"zero config", grpclimit.Config{}, "127.0.0.1", 1},
		{"metadata", grpclimit.Config{Key: grpclimit.ByMetadata("X-Long")}, sluice.JoinKey(long), 1},
		{"method", grpclimit.Config{Key: grpclimit.ByMethod()}, "/grpc.testing.TestService/UnaryCall", 1},
		{"cost of the message", grpclimit.Config{Cost: func(_ context.Context, c grpclimit.Call) int64 {
			return int64(c.Message.(*testpb.SimpleRequest).ResponseSize)
		}}, "127.0.0.1", 5},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			asked := 0
			limiter := limiterFunc(func(_ context.Context, key string, cost int64) (sluice.Decision, error) {
				if asked++; key != test.key || cost != test.cost {
					t.Errorf("Check(%q, %d), want (%q, %d)", key, cost, test.key, test.cost)
				}
				return sluice.Decision{Allowed: true}, nil
			})
			client := serve(t, &service{}, limited(limiter, test.config))
			ctx := metadata.AppendToOutgoingContext(t.Context(), "x-long", long)
			if _, err := client.UnaryCall(ctx, &testpb.SimpleRequest{ResponseSize: 5}); err != nil {
				t.Fatal(err)
			}
			if asked != 1 {
				t.Errorf("asked %d times, want once", asked)
			}
		})
	}
}

// What the caller can get wrong is refused whatever OnError says: it is no outage.
func TestWhatTheCallerGotWrong(t *testing.T) {
	t.Parallel()
	cost := func(n int64) func(context.Context, grpclimit.Call) int64 {
		return func(context.Context, grpclimit.Call) int64 { return n }
	}
	custom := func(context.Context, grpclimit.Call) (string, error) { return "", nil }
	wrapped := func(context.Context, grpclimit.Call) (string, error) {
		return "", fmt.Errorf("in confidence: %w", &grpclimit.MissingError{What: "tenant"})
	}
	tests := []struct {
		name    string
		config  grpclimit.Config
		message string // "" where the call passes
	}{
		{"no metadata", grpclimit.Config{Key: grpclimit.ByMetadata("x-api-key")}, "the call has no metadata x-api-key, which says who is limited"},
		{"no metadata, allowed", grpclimit.Config{Key: grpclimit.ByMetadata("x-api-key"), AllowMissing: true}, ""},
		{"empty key", grpclimit.Config{Key: custom}, "the call has no key, which says who is limited"},
		{"empty key, allowed", grpclimit.Config{Key: custom, AllowMissing: true}, ""},
		{"wrapped", grpclimit.Config{Key: wrapped}, "the call has no tenant, which says who is limited"},
		{"negative cost", grpclimit.Config{Cost: cost(-1)}, "cost: it is -1; it must be a whole number from 0 to 4294967295"},
		{"negative cost is not missing", grpclimit.Config{Cost: cost(-1), AllowMissing: true}, "cost: it is -1; it must be a whole number from 0 to 4294967295"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var reported []error
			test.config.Report = func(_ context.Context, _ grpclimit.Call, err error) { reported = append(reported, err) }
			client := serve(t, &service{}, limited(newLimiter(t, sluice.PerHour(2)), test.config))
			var header metadata.MD
			err := unary(t.Context(), client, grpc.Header(&header))
			if got := ours(header); len(got) > 0 {
				t.Errorf("header %v, want nothing of ours", got)
			}
			if test.message == "" {
				if err != nil || reported != nil {
					t.Errorf("the call ended with %v, reported %v, want neither", err, reported)
				}
				return
			}
			wantCode(t, err, codes.InvalidArgument)
			if got := status.Convert(err).Message(); got != test.message {
				t.Errorf("message %q, want %q", got, test.message)
			}
			if len(reported) != 1 {
				t.Errorf("reported %v, want one error", reported)
			}
		})
	}
}

func TestOnError(t *testing.T) {
	t.Parallel()
	down := errors.New("dial tcp 192.0.2.7:6379: connection refused")
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	late, cancelLate := context.WithDeadline(context.Background(), time.Unix(0, 0))
	defer cancelLate()
	failing := limiterFunc(func(context.Context, string, int64) (sluice.Decision, error) { return sluice.Decision{}, down })
	key := func(context.Context, grpclimit.Call) (string, error) { return "k", nil }
	failingKey := func(context.Context, grpclimit.Call) (string, error) { return "", down }
	tests := []struct {
		name   string
		ctx    context.Context
		config grpclimit.Config
		code   codes.Code
	}{
		{"default", t.Context(), grpclimit.Config{Key: key}, codes.OK},
		{"allow", t.Context(), grpclimit.Config{Key: key, OnError: sluice.Allow}, codes.OK},
		{"deny", t.Context(), grpclimit.Config{Key: key, OnError: sluice.Deny}, codes.Unavailable},
		{"local is deny", t.Context(), grpclimit.Config{Key: key, OnError: sluice.Local}, codes.Unavailable},
		{"unknown policy", t.Context(), grpclimit.Config{Key: key, OnError: 7}, codes.Unavailable},
		{"key fails, allow", t.Context(), grpclimit.Config{Key: failingKey}, codes.OK},
		{"key fails, deny", t.Context(), grpclimit.Config{Key: failingKey, OnError: sluice.Deny}, codes.Unavailable},
		{"key fails, which is not missing", t.Context(), grpclimit.Config{Key: failingKey, OnError: sluice.Deny, AllowMissing: true}, codes.Unavailable},
		{"allow, but the client has canceled", canceled, grpclimit.Config{Key: key}, codes.Canceled},
		{"allow, but the deadline has passed", late, grpclimit.Config{Key: key}, codes.DeadlineExceeded},
		{"deny, and the deadline has passed", late, grpclimit.Config{Key: key, OnError: sluice.Deny}, codes.DeadlineExceeded},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var reported []error
			test.config.Report = func(_ context.Context, _ grpclimit.Call, err error) { reported = append(reported, err) }
			handled := 0
			handler := func(context.Context, any) (any, error) {
				handled++
				return "served", nil
			}
			// Over a connection, a client whose context has ended sees its own end and not the server's answer.
			_, err := grpclimit.UnaryServer(failing, test.config)(test.ctx, nil, &grpc.UnaryServerInfo{FullMethod: "/s/m"}, handler)
			wantCode(t, err, test.code)
			if want := test.code == codes.OK; want != (handled == 1) {
				t.Errorf("handled %d times", handled)
			}
			if len(reported) != 1 || !errors.Is(reported[0], down) {
				t.Errorf("reported %v, want the limiter's error once", reported)
			}
			if message := status.Convert(err).Message(); strings.Contains(message, "6379") {
				t.Errorf("message %q, want none with the store's address", message)
			}
		})
	}
}

func TestRefuse(t *testing.T) {
	t.Parallel()
	config := grpclimit.Config{Refuse: func(_ context.Context, c grpclimit.Call, d sluice.Decision) error {
		if c.Message.(*testpb.SimpleRequest).FillUsername {
			return nil
		}
		return status.Errorf(codes.PermissionDenied, "%s %v", d.Source, d.DeniedBy())
	}}
	client := serve(t, &service{}, limited(newLimiter(t, sluice.PerHour(1)), config))
	if err := unary(t.Context(), client); err != nil {
		t.Fatal(err)
	}
	err := unary(t.Context(), client)
	wantCode(t, err, codes.PermissionDenied)
	if got := status.Convert(err).Message(); got != "store [hour]" {
		t.Errorf("message %q, want that of Refuse", got)
	}
	_, err = client.UnaryCall(t.Context(), &testpb.SimpleRequest{FillUsername: true})
	wantCode(t, err, codes.ResourceExhausted) // for no error is no permission
}

// No part of a key that is a secret comes back in any response.
func TestKeyIsNotEchoed(t *testing.T) {
	t.Parallel()
	const secret = "s3cr3t-key"
	client := serve(t, &service{}, limited(newLimiter(t, sluice.PerHour(1)), grpclimit.Config{Key: grpclimit.ByMetadata("x-api-key")}))
	ctx := metadata.AppendToOutgoingContext(t.Context(), "x-api-key", secret)
	var err error
	for range 2 {
		var header, trailer metadata.MD
		err = unary(ctx, client, grpc.Header(&header), grpc.Trailer(&trailer))
		if all := fmt.Sprint(header, trailer, status.Convert(err).Proto()); strings.Contains(all, secret) {
			t.Errorf("response %s holds the key", all)
		}
	}
	wantCode(t, err, codes.ResourceExhausted)
}

func TestChainedLimitersShowBoth(t *testing.T) {
	t.Parallel()
	server := append(limited(newLimiter(t, sluice.PerHour(5).WithName("user")), grpclimit.Config{}),
		limited(newLimiter(t, sluice.PerHour(3).WithName("address")), grpclimit.Config{})...)
	var header metadata.MD
	if err := unary(t.Context(), serve(t, &service{}, server), grpc.Header(&header)); err != nil {
		t.Fatal(err)
	}
	want := []string{`"user";q=5;w=3600`, `"address";q=3;w=3600`}
	if diff := cmp.Diff(want, header["ratelimit-policy"]); diff != "" {
		t.Errorf("ratelimit-policy (-want +got):\n%s", diff)
	}
}
