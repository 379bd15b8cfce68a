package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"github.com/sluice-project/sluice/engine"
	"github.com/sluice-project/sluice/policy/filesource"
	"github.com/sluice-project/sluice/server/access"
	"github.com/sluice-project/sluice/server/envoyrls"
	"github.com/sluice-project/sluice/server/envoyrls/config"
	"github.com/sluice-project/sluice/server/envoyrls/environment"
)

// grpcSetting is the setting of the address of the gRPC door.
const grpcSetting = "listen.grpc"

// envoyDoor is the door for Envoy, its files, and where it listens.
type envoyDoor struct {
	door   *envoyrls.Door
	server *grpc.Server
	net    net.Listener
	logger *slog.Logger
	files  string // the directory
	read   config.Options
	loaded bool          // at the start
	certs  *certificates // nil where it has no TLS

	needToken atomic.Bool // whether a caller must show one
}

// newEnvoyDoor reads the rate limit files of the configuration; without a directory there is no door, and nil.
//
// Where upstream's environment says so, files with faults do not keep the door from opening.
func newEnvoyDoor(
	e *engine.Engine, settings *filesource.File, upstream *environment.Settings, tokens *access.Book, logger *slog.Logger,
) (*envoyDoor, error) {
	if settings.Envoy.Directory == "" {
		return nil, nil
	}
	d := &envoyDoor{
		door:  envoyrls.New(e, envoyOptions(settings), envoyrls.Config{StoreTimeout: settings.StoreTimeout, Logger: logger}),
		files: settings.Envoy.Directory, read: config.Options{Merge: settings.Envoy.MergeDomains}, logger: logger,
	}
	serve := envoyrls.ServerConfig{IdleTime: settings.Listen.IdleTime}
	d.needToken.Store(settings.Admin.ChecksRequireToken)
	if tokens != nil {
		serve.Admit = d.admit(tokens)
	}
	if upstream != nil {
		d.read.AllFiles = true
		serve.MaxConnectionAge, serve.MaxConnectionAgeGrace = upstream.MaxConnectionAge, upstream.MaxConnectionAgeGrace
	}
	c, err := config.Load(d.files, d.read)
	if err == nil {
		err = d.door.Apply(c)
	}
	if err != nil && (upstream == nil || !upstream.Force) {
		return nil, fmt.Errorf("envoy.directory: %w", err)
	}
	if err == nil {
		d.loaded = true
		d.door.Loaded(nil)
	}
	if d.certs, err = readCertificates("listen.grpc_tls", settings.Listen.GRPCTLS, overGRPC...); err != nil {
		return nil, err
	}
	if d.certs != nil {
		if upstream != nil {
			d.certs.allow(tls.VersionTLS12) // as upstream does: Envoy speaks no newer one unless it is told to
		}
		serve.Credentials = credentials.NewTLS(d.certs.config())
	}
	d.server = d.door.Server(serve)
	return d, nil
}

// admit returns what lets callers in who show a token that may check or, where callers must have a certificate, every one.
func (d *envoyDoor) admit(tokens *access.Book) func(context.Context, string) error {
	return func(_ context.Context, token string) error {
		if !d.needToken.Load() || d.certs != nil && d.certs.files.ClientCAFile != "" {
			return nil
		}
		if caller, found := tokens.Find(token); found && caller.Role.Includes(access.Check) {
			return nil
		}
		return status.Error(codes.Unauthenticated, "checks need a token with the role check: send it as the metadata authorization: Bearer TOKEN")
	}
}

// validateEnvoy reports what would keep the door for Envoy from opening.
func validateEnvoy(settings *filesource.File) error {
	if settings.Envoy.Directory == "" {
		return nil
	}
	if _, err := config.Load(settings.Envoy.Directory, config.Options{Merge: settings.Envoy.MergeDomains}); err != nil {
		return fmt.Errorf("envoy.directory: %w", err)
	}
	return nil
}

// envoyOptions are those settings of the door that a running server can change.
func envoyOptions(settings *filesource.File) envoyrls.Options {
	e := settings.Envoy
	o := envoyrls.Options{
		OnError: e.OnError, DenyCache: e.DenyCache, NearLimitRatio: e.NearLimitRatio, Shadow: e.ShadowMode, Quota: e.QuotaMode,
		DynamicMetadata: e.DynamicMetadata,
	}
	if e.ResponseHeaders {
		o.Headers = envoyrls.Headers{Limit: e.LimitHeader, Remaining: e.RemainingHeader, Reset: e.ResetHeader}
	}
	return o
}

// listen opens the address.
func (d *envoyDoor) listen(listen filesource.Listen) (err error) {
	address := listen.GRPC
	if path, unix := strings.CutPrefix(address, "unix:"); unix {
		if info, err := os.Stat(path); err == nil && info.Mode().Type() == os.ModeSocket {
			_ = os.Remove(path) // left behind by a server that was killed; one that runs would be cut off from it, as upstream does
		}
		d.net, err = net.Listen("unix", path)
	} else {
		d.net, err = net.Listen("tcp", address)
	}
	if err != nil {
		return fmt.Errorf("%s: %w; give it another address or stop what listens there", grpcSetting, err)
	}
	d.net = limitConnections(d.net, listen.MaxConnections)
	return nil
}

// serve answers until the door is drained.
func (d *envoyDoor) serve() error {
	d.logger.Info("listening", "setting", grpcSetting, "address", d.net.Addr().String(), "domains", d.door.Domains())
	if err := d.server.Serve(d.net); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		return err
	}
	return nil
}

// watch reads the files again when they change, until ctx ends.
func (d *envoyDoor) watch(ctx context.Context) {
	again := !d.loaded
	apply := func(c *config.Config) {
		if err := d.door.Apply(c); err != nil {
			d.refuse(err)
			return
		}
		if again { // else they are those of the start
			d.door.Loaded(nil)
		}
		again = true
		d.logger.Info("rate limit files loaded", "directory", d.files, "domains", c.Domains(), "rules", len(c.Rules))
	}
	_ = config.Watch(ctx, d.files, d.read, nil, apply, d.refuse) // it ends with ctx
}

// refuse leaves everything as it was.
func (d *envoyDoor) refuse(err error) {
	d.door.Loaded(err)
	d.logger.Error("the rate limit files are refused, those before stay in force", "directory", d.files, "error", err)
}

// configure takes over what a running server can change.
func (d *envoyDoor) configure(settings *filesource.File) {
	if d == nil {
		return
	}
	d.needToken.Store(settings.Admin.ChecksRequireToken)
	if err := d.door.Configure(envoyOptions(settings)); err != nil {
		d.logger.Error("the settings of envoy are refused, those before stay in force", "error", err)
	}
}

// drain lets requests under way end, until ctx ends, and refuses new ones.
func (d *envoyDoor) drain(ctx context.Context) {
	ended := make(chan struct{})
	go func() {
		d.server.GracefulStop()
		close(ended)
	}()
	select {
	case <-ended:
	case <-ctx.Done():
		d.logger.Warn("requests under way were cut off", "setting", grpcSetting)
		d.server.Stop()
	}
}
