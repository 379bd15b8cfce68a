// Package server is a process that answers checks: it reads the configuration, opens the store and the doors, and stops
// them in order.
//
// It wires and decides nothing: what a check is answered is the engine's business, how it is asked that of the doors, such
// as httpapi. It imports all of them, and is imported by cmd only.
package server

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluice-project/sluice"
	"github.com/sluice-project/sluice/control"
	"github.com/sluice-project/sluice/engine"
	"github.com/sluice-project/sluice/policy"
	"github.com/sluice-project/sluice/policy/filesource"
	"github.com/sluice-project/sluice/server/access"
	"github.com/sluice-project/sluice/server/envoyrls/environment"
	"github.com/sluice-project/sluice/server/httpapi"
	"github.com/sluice-project/sluice/server/telemetry"
)

// Config says where a [Server] finds its settings. The zero Config serves the embedded store with example policies.
type Config struct {
	// File is the path of the configuration file. The default is none: example policies are served.
	File string
	// Flags are the settings that the command line gives, by their paths in the file, such as "listen.http". The default
	// is none.
	Flags map[string]string
	// Env returns an environment variable, "" where there is none. By default there is none.
	Env func(name string) string
	// Upstream is what the environment variables of envoyproxy/ratelimit say, in the place of a file: the server then
	// answers on that program's ports and paths. The default is none.
	Upstream *environment.Settings
	// Logger is told what becomes of the process, never of single checks, and is told no key and no password. The
	// default discards.
	Logger *slog.Logger
	// Version is the version of the binary. The default is "".
	Version string
}

const (
	// drainTime is how long requests under way have to end when the server stops.
	drainTime = 10 * time.Second
	// lingerTime is how long connections that are open when the server stops stay so, if their clients do not close them.
	// Each answer on them asks for that: a connection that the server closed by itself could break a request that is
	// just being sent.
	lingerTime = time.Second
	// connectTime is how long the start waits for the store before it answers checks without it.
	connectTime = 2 * time.Second
	// probeTime is how long lies between two looks at whether the store answers. What is known of it is as before within two
	// seconds: up to 600 ms until it is asked again, one second without an error, and this.
	probeTime = 250 * time.Millisecond
)

// Server is one process that answers checks.
type Server struct {
	config    Config
	logger    *slog.Logger
	started   *filesource.File // the settings at the start
	engine    *engine.Engine
	control   *control.Control
	api       *httpapi.API
	telemetry *telemetry.Telemetry
	store     backend
	doors     []door
	resp      respListener
	envoy     *envoyDoor   // nil where there is no directory of rate limit files
	tokens    *access.Book // nil where there are none

	probeKey string // what the store is asked for where nobody asks; it is random, so that no caller can use its units up

	metrics net.Listener // of metrics alone, as upstream has it; nil where there is none

	connections atomic.Int64 // that are open
}

// New reads the configuration and listens; [Server.Run] answers. The error says everything that is wrong with the
// configuration, or which address cannot be listened on.
func New(config Config) (*Server, error) {
	if config.Env == nil {
		config.Env = func(string) string { return "" }
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	settings, err := config.read()
	if err != nil {
		return nil, err
	}
	s := &Server{
		config: config, logger: config.Logger, started: settings, telemetry: telemetry.New(config.Version), probeKey: rand.Text(),
	}
	if s.tokens, err = openTokens(settings); err != nil {
		return nil, err
	}
	holds := func(before sluice.Tick) bool { return s.control.Holds(before) }
	if s.store, err = openStore(settings, s.logger, s.telemetry, holds); err != nil {
		return nil, err
	}
	entries, outlasting := s.store.ledger()
	s.control = control.New(entries, s.store, control.Config{
		Swap: func(snapshot *policy.Snapshot) { s.engine.Swap(snapshot) }, Server: processName(), Logger: s.logger,
	})
	shares, fleet := s.store.fallback()
	s.engine = engine.New(s.store, engine.Config{
		Logger: s.logger, Observer: s.telemetry.Observe, View: s.control, Deadline: settings.StoreTimeout, Fallback: shares, Fleet: fleet,
	})
	s.api = httpapi.New(s.engine, s.control, s.telemetry.Handler(), options(settings, outlasting))
	s.api.Guard(s.tokens)
	addresses, err := places(settings)
	if err != nil {
		return nil, err
	}
	if s.envoy, err = newEnvoyDoor(s.engine, settings, config.Upstream, s.tokens, s.logger); err != nil {
		return nil, err
	}
	if s.envoy != nil {
		s.telemetry.Include(s.envoy.door.Metrics())
		s.api.ServeEnvoy(http.HandlerFunc(s.envoy.door.JSON))
	}
	if config.File == "" && config.Upstream == nil {
		s.logger.Info("there is no configuration file; serving the policies of example.yaml", "policies", len(settings.Policies))
	}
	if s.doors, err = open(addresses, settings.Listen); err != nil {
		return nil, err
	}
	if s.envoy != nil {
		if err := s.envoy.listen(settings.Listen); err != nil {
			closeAll(s.doors)
			return nil, err
		}
	}
	if err := s.listenForMetrics(); err != nil {
		closeAll(s.doors)
		_ = s.envoy.net.Close() // upstream's environment always has the door
		return nil, err
	}
	if err := s.openRESP(settings); err != nil {
		closeAll(s.doors)
		if s.envoy != nil {
			_ = s.envoy.net.Close()
		}
		if s.metrics != nil {
			_ = s.metrics.Close()
		}
		return nil, err
	}
	return s, nil
}

// Validate reports what would keep a server from starting with a configuration file that has no faults in itself.
func Validate(file *filesource.File) error {
	if err := validateSettings(file); err != nil {
		return err
	}
	if _, err := openTokens(file); err != nil {
		return err
	}
	return validateCertificates(file.Listen)
}

// validateSettings is Validate without a look at tokens and certificates: those are renewed by themselves, and a key that
// is just being written is no reason to refuse policies.
func validateSettings(file *filesource.File) error {
	if _, err := places(file); err != nil {
		return err
	}
	if err := validateAccess(file); err != nil {
		return err
	}
	if _, err := respPlace(file.Listen); err != nil {
		return err
	}
	if err := validateEnvoy(file); err != nil || file.Store == "memory" {
		return err
	}
	_, err := clientOption(file.Store, file.StoreTimeout)
	return err
}

// Addr returns the address that a setting's door listens on, "listen.http", "listen.admin", "listen.grpc", "listen.resp"
// or, in upstream's place, "PROMETHEUS_ADDR"; nil where it has none.
func (s *Server) Addr(setting string) net.Addr {
	switch {
	case setting == grpcSetting && s.envoy != nil:
		return s.envoy.net.Addr()
	case setting == metricsSetting && s.metrics != nil:
		return s.metrics.Addr()
	case setting == "listen.resp" && s.resp.net != nil:
		return s.resp.net.Addr()
	}
	for _, d := range s.doors {
		if d.setting == setting {
			return d.net.Addr()
		}
	}
	return nil
}

// Run answers until ctx ends. Then it refuses what is new, gives requests under way 10 seconds to end, and returns nil.
// The configuration file is read again when it changes and when something comes from reload.
func (s *Server) Run(ctx context.Context, reload <-chan struct{}) error {
	running, stop := context.WithCancel(context.WithoutCancel(ctx)) // the store is needed until the last request has ended
	var group sync.WaitGroup
	defer group.Wait()
	defer stop()
	group.Go(func() { s.store.run(running) })
	s.store.wait(ctx, connectTime)
	s.begin(ctx)
	group.Go(func() { _ = s.control.Run(running) }) // it ends with the context
	s.probe(ctx)
	s.tellReady()
	group.Go(func() { s.probeOften(running) })
	group.Go(func() { s.watch(ctx, reload) })
	s.watchAccess(ctx, &group)

	failed := make(chan error, len(s.doors)+3)
	if s.envoy != nil {
		group.Go(func() { failed <- s.envoy.serve() })
		group.Go(func() { s.envoy.watch(ctx) })
	}
	var servers []*http.Server
	for _, d := range s.doors {
		server := s.newHTTPServer(d)
		servers = append(servers, server)
		group.Go(func() { failed <- d.serve(server) })
		s.logger.Info("listening", "setting", d.setting, "address", d.net.Addr().String(), "checks", d.serves.Checks, "administration", d.serves.Admin, "tls", d.certs != nil)
	}
	if s.metrics != nil {
		server := s.newMetricsServer()
		servers = append(servers, server)
		group.Go(func() { failed <- server.Serve(s.metrics) })
	}
	if s.resp.door != nil {
		group.Go(func() { failed <- s.resp.serve() })
		s.logger.Info("listening", "setting", "listen.resp", "address", s.resp.net.Addr().String(), "password", s.started.Listen.RESPPassword != "")
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	s.drain(servers)
	return err
}

// maxHeaderBytes is the longest header of a request: a key of 4096 bytes, escaped in a URL, is 12 KiB.
const maxHeaderBytes = 64 << 10

func (s *Server) newHTTPServer(d door) *http.Server {
	return &http.Server{
		Handler:           s.asUpstream(d, s.api.Handler(d.serves)),
		Protocols:         onlyHTTP1(),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second, // a body is at most 1 MiB
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       s.started.Listen.IdleTime,
		TLSConfig:         d.certs.config(),
		ConnState:         s.count,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          newHTTPLog(s.logger),
	}
}

// onlyHTTP1 is what the HTTP doors speak. A connection of HTTP/2 could have many requests under way, so that no bound on
// connections were one on memory, and a part of a header would have no deadline of its own.
func onlyHTTP1() *http.Protocols {
	p := new(http.Protocols)
	p.SetHTTP1(true)
	return p
}

// drain ends the servers: they listen no more, connections that are open have lingerTime to send what they have begun,
// and requests under way have drainTime to end.
func (s *Server) drain(servers []*http.Server) {
	s.logger.Info("stopping; requests under way end, new ones are refused", "within", drainTime)
	s.api.Drain()
	s.tellReady()
	for _, d := range s.doors {
		_ = d.net.Close() // Serve has it too, and closes it again
	}
	if s.resp.net != nil {
		_ = s.resp.net.Close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	var group sync.WaitGroup
	group.Go(func() { s.drainRESP(ctx) })
	if s.envoy != nil {
		group.Go(func() { s.envoy.drain(ctx) })
	}
	for begun := time.Now(); s.connections.Load() > 0 && time.Since(begun) < lingerTime; {
		time.Sleep(5 * time.Millisecond)
	}
	for _, server := range servers {
		group.Go(func() {
			if err := server.Shutdown(ctx); err != nil {
				s.logger.Warn("requests under way were cut off", "error", err)
				_ = server.Close() // what it could not end is gone
			}
		})
	}
	group.Wait()
	s.logger.Info("stopped")
}

// count follows how many connections are open.
func (s *Server) count(conn net.Conn, state http.ConnState) {
	note(conn, state)
	switch state {
	case http.StateNew:
		s.connections.Add(1)
	case http.StateClosed, http.StateHijacked:
		s.connections.Add(-1)
	}
}

// probeOften looks each probeTime whether the store answers, so that a server that nobody asks knows too.
func (s *Server) probeOften(ctx context.Context) {
	ticker := time.NewTicker(probeTime)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			s.probe(ctx)
			s.tellReady()
		}
	}
}

// tellReady tells the doors that have no readyz of their own.
func (s *Server) tellReady() {
	if s.envoy != nil {
		s.envoy.door.SetReady(s.ready())
	}
}

// probe looks at a key that nobody uses: the way of every check, and nothing is written. While the store fails it takes a
// unit of it, as checks do: a Redis that may not write answers looks all the same. The engine notes how it ends.
func (s *Server) probe(ctx context.Context) {
	limits := []sluice.Limit{sluice.PerSecond(1000)}
	_, _ = s.engine.CheckInline(ctx, engine.Inline{
		Namespace: "probe", Limits: limits, Key: s.probeKey, Cost: 1, Peek: s.engine.StoreFailure() == nil,
	})
}

// watch reads the configuration file again when it changes or somebody asks for it, until ctx ends.
func (s *Server) watch(ctx context.Context, reload <-chan struct{}) {
	if s.config.File != "" {
		_ = filesource.Watch(ctx, s.config.File, reload, s.apply, s.refuse) // it ends with ctx
		return
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-reload:
			s.logger.Warn("there is no configuration file to read again; start with --config FILE to have one")
		}
	}
}

// begin brings the policies of the start into force.
func (s *Server) begin(ctx context.Context) {
	if err := s.control.Start(ctx, fileOf(s.started)); err != nil && ctx.Err() == nil {
		s.logger.Error("the live policies are not known yet; those of the configuration file hold on this server until they are", "error", err)
	}
}

// apply takes over what the configuration file says now, as far as a running server can.
func (s *Server) apply(file *filesource.File) {
	settings, err := s.config.override(file)
	if err == nil {
		err = validateSettings(settings)
	}
	if err != nil {
		s.refuse(err)
		return
	}
	_, outlasting := s.store.ledger()
	if s.tokens == nil {
		settings.Admin.ChecksRequireToken = false // the tokens come with the next start: until then nobody could show one
	}
	s.api.Configure(options(settings, outlasting))
	s.store.configure(settings)
	s.envoy.configure(settings)
	if s.resp.door != nil {
		s.resp.door.Configure(respOptions(settings))
	}
	if err := s.control.Apply(context.Background(), fileOf(settings)); err != nil {
		s.logger.Error("the policies of the configuration file are not in force yet; trying on", "file", s.config.File, "error", err)
	}
	s.telemetry.Loaded(nil)
	s.logger.Info("configuration loaded", "file", s.config.File, "policies", len(settings.Policies), "schedules", len(settings.Schedules))
	if changed := needRestart(s.started, settings); len(changed) > 0 {
		s.logger.Warn("some settings have changed that hold from the next start on", "settings", changed)
	}
}

// refuse leaves everything as it was.
func (s *Server) refuse(err error) {
	s.telemetry.Loaded(err)
	s.logger.Error("the configuration is refused, the one before stays in force", "file", s.config.File, "error", err)
}

// fileOf returns what the configuration says of policies and schedules.
func fileOf(settings *filesource.File) control.File {
	return control.File{Policies: settings.Policies, Schedules: settings.Schedules}
}

// options are those settings of the HTTP door that a running server can change.
func options(settings *filesource.File, outlasting bool) httpapi.Options {
	return httpapi.Options{
		TrustedProxies:     settings.TrustedProxies,
		AllowInlineLimits:  settings.AllowInlineLimits,
		ReadyRequiresStore: settings.ReadyRequiresStore,
		ChecksNeedToken:    settings.Admin.ChecksRequireToken,
		Persistent:         outlasting,
	}
}

// processName is how this process is called in the history of schedules.
func processName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%s/%d", host, os.Getpid())
}
