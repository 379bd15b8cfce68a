package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sluice-project/sluice/server"
	"github.com/sluice-project/sluice/server/envoyrls/environment"
)

func newServe() *cobra.Command {
	c := &cobra.Command{
		Use:   "serve",
		Short: "Answer checks over HTTP",
		Long: `Answers checks over HTTP, and those of clients of Redis, until it is interrupted or
terminated; then requests under way end and new ones are refused.

Without --config it serves example policies, api and login, from its own memory.
The configuration file is read again when it changes and on SIGHUP; a faulty one
changes nothing. Of its policies and schedules, what has changed in the file changes
live; what was changed over HTTP or by "sluice policies" stays.

With --envoy-env it takes the place of envoyproxy/ratelimit: it reads that program's
environment variables and rate limit files, and answers on its ports and paths.

Every flag is also an environment variable, such as SLUICE_STORE or
SLUICE_LISTEN_HTTP: a flag beats the environment, the environment beats the file.`,
		Example: `  sluice serve
  sluice serve --config sluice.yaml --store redis://127.0.0.1:6379
  SLUICE_LISTEN_HTTP=127.0.0.1:9000 sluice serve
  REDIS_SOCKET_TYPE=tcp REDIS_URL=127.0.0.1:6379 RUNTIME_ROOT=/srv/ratelimit sluice serve --envoy-env`,
		Args: cobra.NoArgs,
	}
	envoyEnv := c.Flags().Bool("envoy-env", false, "read the environment variables of envoyproxy/ratelimit, in the place of a configuration file")
	file := c.Flags().String("config", "", "configuration file (default: example policies; SLUICE_CONFIG)")
	for _, s := range server.Settings() {
		addSetting(c.Flags(), s)
	}
	c.RunE = func(c *cobra.Command, _ []string) error {
		if !c.Flags().Changed("config") {
			*file = os.Getenv("SLUICE_CONFIG")
		}
		config := server.Config{
			File:    *file,
			Flags:   map[string]string{},
			Env:     os.Getenv,
			Logger:  slog.New(slog.NewTextHandler(os.Stderr, nil)),
			Version: version(),
		}
		if *envoyEnv {
			if err := replaceUpstream(&config); err != nil {
				return err
			}
		}
		for _, s := range server.Settings() {
			if f := c.Flags().Lookup(s.Flag); f.Changed {
				config.Flags[s.Path] = f.Value.String()
			}
		}
		return serve(config)
	}
	return c
}

// replaceUpstream has a server take the place of envoyproxy/ratelimit, by its environment variables.
func replaceUpstream(config *server.Config) error {
	if config.File != "" {
		return errors.New("--envoy-env takes the place of a configuration file: leave out --config and SLUICE_CONFIG, or --envoy-env")
	}
	settings, err := environment.Read(os.Getenv)
	if err != nil {
		return err
	}
	options := &slog.HandlerOptions{Level: settings.LogLevel}
	config.Logger = slog.New(slog.NewTextHandler(os.Stderr, options))
	if settings.LogJSON {
		config.Logger = slog.New(slog.NewJSONHandler(os.Stderr, options))
	}
	for _, warning := range settings.Warnings {
		config.Logger.Warn(warning)
	}
	config.Upstream = settings
	return nil
}

// addSetting adds the flag of a setting.
func addSetting(flags *pflag.FlagSet, s server.Setting) {
	usage := strings.ToLower(s.Doc[:1]) + strings.TrimSuffix(s.Doc[1:], ".")
	if s.Default != "" {
		usage += fmt.Sprintf(" (default %s; %s)", s.Default, s.Env)
	} else {
		usage += fmt.Sprintf(" (%s)", s.Env)
	}
	flag := flags.VarPF(&settingValue{kind: s.Type}, s.Flag, "", usage)
	if flag.Value.Type() == "bool" {
		flag.NoOptDefVal = "true"
	}
}

// settingValue is the text of a setting. The server reads it, as it would be read in the file.
type settingValue struct{ text, kind string }

func (v *settingValue) String() string { return v.text }

func (v *settingValue) Set(text string) error {
	v.text = text
	return nil
}

// Type returns what the help calls the value.
func (v *settingValue) Type() string {
	if v.kind == "true or false" {
		return "bool"
	}
	kind, _, _ := strings.Cut(v.kind, ",")
	return strings.ReplaceAll(kind, " ", "-")
}

// serve runs a server until the process is told to end. Told a second time, it ends at once.
func serve(config server.Config) error {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP) // before all else: one that nobody waits for ends the process
	defer signal.Stop(hangups)
	s, err := server.New(config)
	if err != nil {
		return err
	}
	defer newBallast(os.Getenv).keep()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)

	reload := make(chan struct{})
	go func() {
		for {
			select {
			case <-hangups:
			case <-ctx.Done():
				return
			}
			select {
			case reload <- struct{}{}:
			case <-ctx.Done():
				return
			}
		}
	}()
	return s.Run(ctx, reload)
}
