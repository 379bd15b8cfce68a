package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/rueidis"
	"github.com/sluice-project/sluice/store/redisstore"
)

// startPatience is how long a redis-server may take until it answers.
const startPatience = 10 * time.Second

// server is a private redis-server.
type server struct {
	addr    string
	version string
	dir     string
	cmd     *exec.Cmd
	log     *bytes.Buffer // to be read when it has ended
	ended   chan struct{}
}

// startRedis starts a redis-server on a free loopback port, which keeps nothing on disk, and waits until it answers.
func startRedis(ctx context.Context) (*server, error) {
	binary, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, fmt.Errorf("%w: install it by \"sudo apt-get install redis-server\" (Debian, Ubuntu) or \"brew install redis\" (macOS)", err)
	}
	const tries = 5 // another process may take the port before the server does
	for range tries {
		s := &server{log: &bytes.Buffer{}, ended: make(chan struct{})}
		if err = s.start(binary); err != nil {
			return nil, fmt.Errorf("start redis-server: %w", err)
		}
		if err = s.wait(ctx); err == nil {
			return s, nil
		}
		s.stop()
		err = fmt.Errorf("start redis-server on %s: %w: %s", s.addr, err, strings.TrimSpace(s.log.String()))
		if !strings.Contains(s.log.String(), "in use") {
			break
		}
	}
	return nil, err
}

func (s *server) start(binary string) error {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s.addr = free.Addr().String()
	port := strconv.Itoa(free.Addr().(*net.TCPAddr).Port)
	if err := free.Close(); err != nil {
		return err
	}
	if s.dir, err = os.MkdirTemp("", "bench-redis"); err != nil {
		return err
	}
	s.cmd = exec.Command(binary, "--bind", "127.0.0.1", "--port", port, "--dir", s.dir, "--save", "", "--appendonly", "no")
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	if err := s.cmd.Start(); err != nil {
		return err
	}
	go func() {
		defer close(s.ended)
		_ = s.cmd.Wait() // it is told to end; how it did is no news
	}()
	return nil
}

// wait returns when the server answers. Whoever else has got the port would answer too, but not by its process id.
func (s *server) wait(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	client := redis.NewClient(&redis.Options{Addr: s.addr, MaxRetries: -1})
	defer client.Close()
	mine := strconv.Itoa(s.cmd.Process.Pid)
	for {
		info, err := client.InfoMap(ctx, "server").Result()
		if err == nil && info["Server"]["process_id"] == mine {
			s.version = info["Server"]["redis_version"]

			return nil
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-s.ended:
			return fmt.Errorf("it has ended")
		case <-ctx.Done():
			return fmt.Errorf("it does not answer: %w", ctx.Err())
		}
	}
}

// stop ends the server.
func (s *server) stop() {
	_ = s.cmd.Process.Kill() // it fails where the server has ended, which is what is wanted
	<-s.ended
	_ = os.RemoveAll(s.dir)
}

// clients are the connections to the private redis-server, nil where there is none.
type clients struct {
	rueidis     rueidis.Client
	goRedis     *redis.Client // with the default pool
	goRedisWide *redis.Client // with a connection for each goroutine
}

// connect returns the clients: rueidis with the settings that redisstore asks for, and go-redis, which all rivals use.
func connect(addr string) (clients, error) {
	option, err := redisstore.ClientOption("redis://" + addr)
	if err != nil {
		return clients{}, err
	}
	ours, err := rueidis.NewClient(option)
	if err != nil {
		return clients{}, err
	}
	return clients{
		rueidis:     ours,
		goRedis:     redis.NewClient(&redis.Options{Addr: addr}),
		goRedisWide: redis.NewClient(&redis.Options{Addr: addr, PoolSize: mostGoroutines}),
	}, nil
}

// forget removes all keys.
func (c clients) forget(ctx context.Context) error {
	if c.goRedis == nil {
		return nil
	}
	return c.goRedis.FlushAll(ctx).Err()
}

func (c clients) close() {
	c.rueidis.Close()
	c.goRedis.Close()
	c.goRedisWide.Close()
}
