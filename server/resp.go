package server

import (
	"context"
	"fmt"
	"net"

	"github.com/sluice-project/sluice/policy/filesource"
	"github.com/sluice-project/sluice/server/respapi"
	"github.com/sluice-project/sluice/server/telemetry"
)

// respDefault is where the door for clients of Redis is, where the HTTP door is at its default and nobody has said another.
// Whoever chooses an address for the one has to choose one for the other, too: so a second server on a machine does not
// run into the door of the first.
const (
	respDefault = "127.0.0.1:7379"
	httpDefault = "127.0.0.1:8080"
)

// respListener is the door for clients of Redis and where it listens; both nil where it is shut.
type respListener struct {
	door     *respapi.Door
	net      net.Listener
	loopback bool
	certs    *certificates // nil where it has no TLS
}

// respPlace returns the address of that door; nil where it is shut.
func respPlace(listen filesource.Listen) (*net.TCPAddr, error) {
	address := listen.RESP
	switch {
	case address == filesource.Off, address == "" && listen.HTTP != httpDefault:
		return nil, nil
	case address == "":
		address = respDefault
	}
	place, err := resolve("listen.resp", address)
	return place.addr, err
}

// openRESP listens for clients of Redis, where the configuration says so.
func (s *Server) openRESP(settings *filesource.File) (err error) {
	addr, err := respPlace(settings.Listen)
	if err != nil || addr == nil {
		return err
	}
	certs, err := readCertificates("listen.resp_tls", settings.Listen.RESPTLS)
	if err != nil {
		return err
	}
	config := respapi.Config{
		Password: settings.Listen.RESPPassword, Tokens: s.tokens, TLS: certs.config(), MaxClients: settings.Listen.MaxConnections,
		IdleTime: settings.Listen.IdleTime, Version: s.config.Version, Logger: s.logger,
	}
	listener, err := net.ListenTCP("tcp", addr)
	if err != nil {
		return fmt.Errorf("listen.resp: %w; give it another address, as in 127.0.0.1:7380, or off for none, or stop what listens there", err)
	}
	s.resp = respListener{respapi.New(s.engine, s.control, config, respOptions(settings)), listener, addr.IP.IsLoopback(), certs}
	door := s.resp.door
	s.telemetry.RESP(func() telemetry.RESPStats { return telemetry.RESPStats(door.Stats()) })
	if config.Password == "" && s.tokens == nil && !s.resp.loopback {
		s.logger.Warn("listen.resp can be reached from other machines, and there are neither tokens nor a listen.resp_password: there are checks by policies "+
			"only, CL.THROTTLE if allow_inline_limits is true, and no administration", "address", listener.Addr().String())
	}
	return nil
}

// respOptions are those settings of the door that a running server can change.
func respOptions(settings *filesource.File) respapi.Options {
	return respapi.Options{AllowInlineLimits: settings.AllowInlineLimits, ChecksNeedToken: settings.Admin.ChecksRequireToken}
}

// serve answers clients of Redis until the listener is closed.
func (r respListener) serve() error { return r.door.Serve(r.net, r.loopback) }

// drainRESP ends the door.
func (s *Server) drainRESP(ctx context.Context) {
	if s.resp.door == nil {
		return
	}
	if err := s.resp.door.Shutdown(ctx); err != nil {
		s.logger.Warn("clients of Redis were cut off", "error", err)
	}
}
