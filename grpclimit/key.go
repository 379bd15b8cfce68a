package grpclimit

import (
	"context"
	"net/http"
	"net/netip"
	"slices"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/httplimit"
)

// Call is a call that is asked about, besides its context.
type Call struct {
	// Method is the full name of what is called, such as "/grpc.health.v1.Health/Check".
	Method string
	// Message is what the client sends: the request of a call that is no stream, or the message of a stream that is
	// asked about under [Config].PerMessage. It is nil for a stream as it begins.
	Message any
	// Target is what the client's connection was made for, as it was given to grpc.NewClient. It is empty on a server.
	Target string
}

// Metadata returns the values of the call's metadata by a name: of those that a server received, or that a client is
// about to send. Names are the same in upper and lower case.
func (c Call) Metadata(ctx context.Context, name string) []string {
	if c.Target == "" {
		return metadata.ValueFromIncomingContext(ctx, name)
	}
	md, _ := metadata.FromOutgoingContext(ctx)
	return md.Get(name)
}

// KeyFunc returns who a call is from: the key that it is limited under, any bytes. A key that is longer than
// [sluice.MaxKeyBytes] is limited under its hash, the one that [sluice.JoinKey] makes of it. A call that lacks what the
// key is made of is a [*MissingError], or an empty key and no error. Every other error means that nobody knows, and
// [Config].OnError says what is done. A KeyFunc is safe for concurrent use.
//
// Whoever can choose a part of his key has a budget for each value of it. Metadata makes a limit that cannot be dodged only
// where something in front of the interceptor has refused all values but the right one.
type KeyFunc func(context.Context, Call) (string, error)

// MissingError says that a call lacks what its key is made of.
type MissingError struct {
	// What is lacking, such as "metadata x-api-key".
	What string
}

func (e *MissingError) Error() string {
	return "the call has no " + e.What + ", which says who is limited"
}

// find is the function itself, with an empty key as the error that it stands for.
func (f KeyFunc) find(ctx context.Context, c Call) (string, error) {
	key, err := f(ctx, c)
	if err == nil && key == "" {
		err = &MissingError{What: "key"}
	}
	return key, err
}

// ByIP returns the key function of a client's address on a server: the peer's, the one of the connection, or behind the
// trusted proxies the one that [httplimit.ClientAddr] finds in the metadata x-forwarded-for. An IPv4 address is a key of
// its own, such as "192.0.2.1". IPv6 addresses share a key, such as "2001:db8::/64", where they share their first 64 bits,
// because that many addresses is what one customer is given: see [ByIPv6Prefix] for another number of bits. A call that
// came without an address, as over a Unix socket, lacks the key, and so does every call in a client.
func ByIP(trusted ...netip.Prefix) KeyFunc { return ByIPv6Prefix(64, trusted...) }

// ByIPv6Prefix is [ByIP], but IPv6 addresses share a key where they share their first so many bits: 1 to 128, which is
// each address by itself. Any other number of bits means 64.
func ByIPv6Prefix(bits int, trusted ...netip.Prefix) KeyFunc {
	key := httplimit.ByIPv6Prefix(bits, trusted...)
	return func(ctx context.Context, c Call) (string, error) {
		p, ok := peer.FromContext(ctx)
		if !ok || p.Addr == nil || c.Target != "" {
			return "", &MissingError{What: "client address"}
		}
		addr, err := key(&http.Request{
			RemoteAddr: p.Addr.String(),
			Header:     http.Header{"X-Forwarded-For": c.Metadata(ctx, "x-forwarded-for")},
		})
		if err != nil {
			return "", &MissingError{What: "client address"}
		}
		return addr, nil
	}
}

// ByCertificate returns the key function of the certificate that a client has shown, as far as the server has verified
// it: its SPIFFE ID where it has one, else its subject, such as "CN=billing,O=Example". A call without such a certificate
// lacks the key, and so does every call in a client.
func ByCertificate() KeyFunc {
	return func(ctx context.Context, c Call) (string, error) {
		p, ok := peer.FromContext(ctx)
		if !ok || c.Target != "" {
			return "", &MissingError{What: "client certificate"}
		}
		info, ok := p.AuthInfo.(credentials.TLSInfo)
		if !ok || len(info.State.VerifiedChains) == 0 {
			return "", &MissingError{What: "client certificate"}
		}
		if info.SPIFFEID != nil {
			return info.SPIFFEID.String(), nil
		}
		return present(info.State.VerifiedChains[0][0].Subject.String(), "subject in its client certificate")
	}
}

// ByMetadata returns the key function of a value of the call's metadata: the first where there are several of the name.
// An empty value is missing.
func ByMetadata(name string) KeyFunc {
	what := "metadata " + name
	return func(ctx context.Context, c Call) (string, error) {
		values := c.Metadata(ctx, name)
		if len(values) == 0 {
			return "", &MissingError{What: what}
		}
		return present(values[0], what)
	}
}

// ByMethod returns the key function of the full name of what is called, such as "/grpc.health.v1.Health/Check".
func ByMethod() KeyFunc {
	return func(_ context.Context, c Call) (string, error) { return c.Method, nil }
}

// ByTarget returns the key function of what a client's connection was made for, such as "dns:///orders:443": all calls of
// the connection, and of others to the same target, share a limit. Every call on a server lacks the key.
func ByTarget() KeyFunc {
	return func(_ context.Context, c Call) (string, error) { return present(c.Target, "target") }
}

// Join returns the key function of several keys together, such as an address and a method: [sluice.JoinKey] of them in
// their order, so that different parts never make the same key. Where one part fails, so does the whole, with the error
// of the first that did. Join of nothing is always missing.
func Join(keys ...KeyFunc) KeyFunc {
	keys = slices.Clone(keys)
	return func(ctx context.Context, c Call) (string, error) {
		parts := make([]string, len(keys))
		for i, key := range keys {
			part, err := key.find(ctx, c)
			if err != nil {
				return "", err
			}
			parts[i] = part
		}
		return sluice.JoinKey(parts...), nil
	}
}

func present(value, what string) (string, error) {
	if value == "" {
		return "", &MissingError{What: what}
	}
	return value, nil
}
