package grpclimit_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/grpclimit"
)

func TestClientIsRefusedBeforeItSends(t *testing.T) {
	t.Parallel()
	s := &service{}
	client := serve(t, s, nil, limitedClient(newLimiter(t, sluice.PerHour(2)), grpclimit.Config{})...)
	if err := unary(t.Context(), client); err != nil {
		t.Fatal(err)
	}
	stream, err := client.StreamingOutputCall(t.Context(), &testpb.StreamingOutputCallRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := stream.Recv(); err != nil {
			t.Fatal(err)
		}
	}
	// Of all methods of the target together two were allowed.
	err = unary(t.Context(), client)
	wantCode(t, err, codes.ResourceExhausted)
	if got := len(status.Convert(err).Details()); got != 2 {
		t.Errorf("%d details, want those of a server", got)
	}
	_, err = client.StreamingOutputCall(t.Context(), &testpb.StreamingOutputCallRequest{})
	wantCode(t, err, codes.ResourceExhausted)
	if got := s.calls.Load(); got != 2 {
		t.Errorf("%d calls came to the server, want the two that were allowed", got)
	}
}

func TestClientPerMessage(t *testing.T) {
	t.Parallel()
	s := &service{ended: make(chan struct{})}
	client := serve(t, s, nil, limitedClient(newLimiter(t, sluice.PerHour(3)), grpclimit.Config{PerMessage: true})...)
	stream, err := client.FullDuplexCall(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := stream.Send(&testpb.StreamingOutputCallRequest{}); err != nil {
			t.Fatal(err)
		}
		if _, err := stream.Recv(); err != nil {
			t.Fatal(err)
		}
	}
	received := make(chan error)
	go func() {
		_, err := stream.Recv()
		received <- err
	}()
	wantCode(t, stream.Send(&testpb.StreamingOutputCallRequest{}), codes.ResourceExhausted)
	select {
	case err := <-received:
		wantCode(t, err, codes.ResourceExhausted)
	case <-time.After(20 * time.Second):
		t.Fatal("who waits for a response still waits")
	}
	wantCode(t, stream.Send(&testpb.StreamingOutputCallRequest{}), codes.ResourceExhausted)
	<-s.ended // nor does the server wait for another message
	if got := s.messages.Load(); got != 3 {
		t.Errorf("%d messages came to the server, want the three that were allowed", got)
	}
}

func TestClientStreamThatIsAllowed(t *testing.T) {
	t.Parallel()
	s := &service{}
	client := serve(t, s, nil, limitedClient(newLimiter(t, sluice.PerHour(100)), grpclimit.Config{PerMessage: true})...)
	up, err := client.StreamingInputCall(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := up.Send(&testpb.StreamingInputCallRequest{}); err != nil {
			t.Fatal(err)
		}
	}
	if resp, err := up.CloseAndRecv(); err != nil || resp.AggregatedPayloadSize != 3 {
		t.Errorf("response %v, %v, want that there were 3 messages", resp, err)
	}
	down, err := client.StreamingOutputCall(t.Context(), &testpb.StreamingOutputCallRequest{})
	if err != nil {
		t.Fatal(err)
	}
	responses := 0
	for _, err = down.Recv(); err == nil; _, err = down.Recv() {
		responses++
	}
	if err != io.EOF || responses != 3 {
		t.Errorf("%d responses and then %v, want 3 and the end", responses, err)
	}
}

func TestWaiting(t *testing.T) {
	t.Parallel()
	limit, err := sluice.ParseLimit("1/50ms")
	if err != nil {
		t.Fatal(err)
	}
	client := serve(t, &service{}, nil, limitedClient(grpclimit.Waiting(newLimiter(t, limit)), grpclimit.Config{})...)
	begun := time.Now()
	for range 3 {
		if err := unary(t.Context(), client); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(begun); took < 100*time.Millisecond {
		t.Errorf("three calls at one in 50 ms took %s, want 100 ms at least", took)
	}
}

// A call that would wait for longer than it has is refused at once, and told what a server would have told it.
func TestWaitingTooLong(t *testing.T) {
	t.Parallel()
	client := serve(t, &service{}, nil, limitedClient(grpclimit.Waiting(newLimiter(t, sluice.PerHour(1))), grpclimit.Config{})...)
	if err := unary(t.Context(), client); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err := unary(ctx, client)
	wantCode(t, err, codes.ResourceExhausted)
	details := status.Convert(err).Details()
	if retry, ok := details[len(details)-1].(*errdetails.RetryInfo); !ok || retry.RetryDelay.AsDuration() <= time.Minute {
		t.Errorf("details %v, want that the wait is more than a minute", details)
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	wantCode(t, unary(canceled, client), codes.Canceled)
}

type waiterFunc func(ctx context.Context, key string, cost int64) error

func (f waiterFunc) Wait(ctx context.Context, key string, cost int64) error { return f(ctx, key, cost) }

func TestWaitingThatFails(t *testing.T) {
	t.Parallel()
	down := errors.New("connection refused")
	d, err := grpclimit.Waiting(waiterFunc(func(context.Context, string, int64) error { return down })).Check(t.Context(), "k", 1)
	if d.Allowed || !errors.Is(err, down) {
		t.Errorf("Check = %v, %v, want the waiter's error", d, err)
	}
}
