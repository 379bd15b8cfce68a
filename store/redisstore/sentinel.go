package redisstore

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"

	"github.com/redis/rueidis"
)

// A client that has lost its Sentinel asks one after the other for the master until it has that, by a goroutine that goes on
// until then. It listens to each that it is connected to, and where the connection is closed again, because the master cannot be had,
// there is another such goroutine: some three hundred more a second, while a master is dead that nobody takes the place of.
//
// So a connection to a Sentinel is only made while the master that it names is there, which is looked at by connections that
// are closed again. A goroutine that finds none tries again by itself, at most a second later.

// sentinelMark is in the dialer of connections to Sentinels: the client tells no more of what a connection is for. A resolver that
// is zero is the one that a dialer has by default.
var sentinelMark = new(net.Resolver)

// DialsSentinel reports whether a dialer, as the client of [ClientOption] hands it to DialCtxFn, is that of connections to
// Sentinels.
func DialsSentinel(dialer *net.Dialer) bool { return dialer.Resolver == sentinelMark }

// Login is who a client says that it is: to Redis, and to the Sentinels before it.
type Login struct{ Redis, Sentinel rueidis.AuthCredentials }

// loginKey is where a context has a login.
type loginKey struct{}

// WithLogin returns a context for DialCtxFn of [ClientOption], where connections log in by something else than the URL has.
func WithLogin(ctx context.Context, login Login) context.Context {
	return context.WithValue(ctx, loginKey{}, login)
}

// LoginOf returns the login that options have.
func LoginOf(o rueidis.ClientOption) Login {
	return Login{
		Redis:    rueidis.AuthCredentials{Username: o.Username, Password: o.Password},
		Sentinel: rueidis.AuthCredentials{Username: o.Sentinel.Username, Password: o.Sentinel.Password},
	}
}

// knowing returns a function that makes connections as the options have it, to Sentinels only where they know a master that is one.
func knowing(o rueidis.ClientOption) connectFunc {
	dial := o.DialCtxFn
	return func(ctx context.Context, address string, dialer *net.Dialer, config *tls.Config) (net.Conn, error) {
		if DialsSentinel(dialer) {
			login, ok := ctx.Value(loginKey{}).(Login)
			if !ok {
				login = LoginOf(o)
			}
			if err := knowsMaster(ctx, o, address, login); err != nil {
				return nil, err
			}
		}
		return dial(ctx, address, dialer, config)
	}
}

// knowsMaster says why the Sentinel at an address knows no master; nil where it does.
func knowsMaster(ctx context.Context, o rueidis.ClientOption, address string, login Login) error {
	s, err := rueidis.NewClient(single(o, address, login.Sentinel, o.Sentinel.TLSConfig))
	if err != nil {
		return err
	}
	defer s.Close()
	at, err := s.Do(ctx, s.B().SentinelGetMasterAddrByName().Master(o.Sentinel.MasterSet).Build()).AsStrSlice()
	if err != nil {
		return err
	}
	if len(at) != 2 {
		return fmt.Errorf("redisstore: the Sentinel %s names a master by %d words", address, len(at))
	}
	master := net.JoinHostPort(at[0], at[1])
	option := single(o, master, login.Redis, o.TLSConfig)
	option.SelectDB = o.SelectDB
	c, err := rueidis.NewClient(option)
	if err != nil {
		return err
	}
	defer c.Close()
	role, err := c.Do(ctx, c.B().Role().Build()).ToArray()
	if err != nil {
		return err
	}
	if len(role) > 0 {
		if is, err := role[0].ToString(); err == nil && is == "master" {
			return nil
		}
	}
	return fmt.Errorf("redisstore: the Sentinel %s names %s, which is no master", address, master)
}

// single returns the options of a client that asks one server and nobody besides.
func single(o rueidis.ClientOption, address string, as rueidis.AuthCredentials, config *tls.Config) rueidis.ClientOption {
	return rueidis.ClientOption{
		InitAddress: []string{address}, ForceSingleClient: true, Username: as.Username, Password: as.Password, TLSConfig: config,
		Dialer: net.Dialer{Timeout: o.Dialer.Timeout}, DialCtxFn: connect, ConnWriteTimeout: o.ConnWriteTimeout, AlwaysRESP2: o.AlwaysRESP2,
		DisableRetry: true, DisableCache: true, PipelineMultiplex: -1,
	}
}
