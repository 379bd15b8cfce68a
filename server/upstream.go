package server

import (
	"fmt"
	"net"
	"net/http"
	"time"
)

// What this file does is done only where the server takes the place of envoyproxy/ratelimit, see [Config].Upstream.

// metricsSetting is upstream's variable of the address of metrics.
const metricsSetting = "PROMETHEUS_ADDR"

// healthcheckPath is where upstream answers whether it is healthy.
const healthcheckPath = "/healthcheck"

// asUpstream answers the paths that upstream has and we have not, besides those of a handler.
func (s *Server) asUpstream(d door, handler http.Handler) http.Handler {
	if s.config.Upstream == nil || !d.serves.Checks {
		return handler
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path != healthcheckPath:
			handler.ServeHTTP(w, r)
		case s.ready():
			_, _ = w.Write([]byte("OK")) // who has gone gets nothing
		default:
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
}

// ready reports whether requests should be sent here.
func (s *Server) ready() bool {
	lacksDomain := s.config.Upstream != nil && s.config.Upstream.RequireDomain && s.envoy.door.Domains() == 0
	return s.api.Ready() && !lacksDomain
}

// listenForMetrics opens the address where upstream serves metrics alone.
func (s *Server) listenForMetrics() (err error) {
	if s.config.Upstream == nil || s.config.Upstream.MetricsAddress == "" {
		return nil
	}
	if s.metrics, err = net.Listen("tcp", s.config.Upstream.MetricsAddress); err != nil {
		return fmt.Errorf(metricsSetting+": %w; give it another address or stop what listens there", err)
	}
	s.metrics = limitConnections(s.metrics, s.started.Listen.MaxConnections)
	return nil
}

// newMetricsServer returns what serves metrics there.
func (s *Server) newMetricsServer() *http.Server {
	mux := http.NewServeMux()
	mux.Handle(s.config.Upstream.MetricsPath, s.telemetry.Handler())
	return &http.Server{
		Handler: mux, Protocols: onlyHTTP1(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second, WriteTimeout: 30 * time.Second,
		IdleTimeout: s.started.Listen.IdleTime, MaxHeaderBytes: maxHeaderBytes, ConnState: note, ErrorLog: newHTTPLog(s.logger),
	}
}
