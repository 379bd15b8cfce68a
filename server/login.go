package server

import (
	"context"
	"crypto/tls"
	"net"
	"net/url"
	"sync/atomic"

	"github.com/redis/rueidis"

	"github.com/sluice-project/sluice/store/redisstore"
)

// logins is the login that connections are made with from now on. Those that are open stay as they are: Redis asks nobody
// again who has said it once.
type logins struct {
	now atomic.Pointer[redisstore.Login]
}

// use has the client of the options ask for the login, which is at first the one that they have.
func (l *logins) use(o *rueidis.ClientOption) {
	first := redisstore.LoginOf(*o)
	l.now.Store(&first)
	if o.Sentinel.MasterSet != "" {
		dial := o.DialCtxFn
		o.DialCtxFn = func(ctx context.Context, address string, dialer *net.Dialer, config *tls.Config) (net.Conn, error) {
			conn, err := dial(redisstore.WithLogin(ctx, *l.now.Load()), address, dialer, config)
			if err != nil || !redisstore.DialsSentinel(dialer) {
				return conn, err
			}
			return sentinelConn{conn}, nil
		}
	}
	o.AuthCredentialsFn = func(to rueidis.AuthCredentialsContext) (rueidis.AuthCredentials, error) {
		if _, ok := to.Address.(sentinelAddr); ok {
			return l.now.Load().Sentinel, nil
		}
		return l.now.Load().Redis, nil
	}
}

// change has connections that are made from now on log in by the options, and reports whether that is anything new.
func (l *logins) change(o rueidis.ClientOption) bool {
	next := redisstore.LoginOf(o)
	return *l.now.Swap(&next) != next
}

// sentinelConn is a connection to a Sentinel, which its address tells: the client asks with one function for the login of all, and
// tells it no more than an address.
type sentinelConn struct{ net.Conn }

// RemoteAddr implements [net.Conn].
func (c sentinelConn) RemoteAddr() net.Addr { return sentinelAddr{c.Conn.RemoteAddr()} }

type sentinelAddr struct{ net.Addr }

// sameStore reports whether two URLs of stores differ by nothing but the login.
func sameStore(a, b string) bool { return a == b || withoutLogin(a) == withoutLogin(b) }

// withoutLogin returns the URL of a store without its login; one that cannot be read as it is.
func withoutLogin(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	query := u.Query()
	query.Del("sentinel_username")
	query.Del("sentinel_password")
	u.User, u.RawQuery = nil, query.Encode()
	return u.String()
}
