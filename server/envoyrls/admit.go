package envoyrls

import (
	"context"
	"strings"

	"google.golang.org/grpc"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
)

// tokenOf returns the token that a call shows in its metadata; "" where it shows none.
func tokenOf(ctx context.Context) string {
	values := metadata.ValueFromIncomingContext(ctx, "authorization")
	if len(values) == 0 {
		return ""
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// isOpen reports whether a method is for everybody.
func isOpen(method string) bool {
	return strings.HasPrefix(method, "/"+healthpb.Health_ServiceDesc.ServiceName+"/")
}

func admitUnary(admit func(context.Context, string) error) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		if !isOpen(info.FullMethod) {
			if err := admit(ctx, tokenOf(ctx)); err != nil {
				return nil, err
			}
		}
		return handler(ctx, req)
	}
}

func admitStream(admit func(context.Context, string) error) grpc.StreamServerInterceptor {
	return func(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
		if !isOpen(info.FullMethod) {
			if err := admit(stream.Context(), tokenOf(stream.Context())); err != nil {
				return err
			}
		}
		return handler(srv, stream)
	}
}
