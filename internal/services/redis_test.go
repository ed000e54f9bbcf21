package services_test

import (
	"context"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"facteur/internal/services"
	"facteur/internal/services/servicestest"
)

func TestRedis_AppendOnlyKeepsWhatWasAnsweredWhenKilled(t *testing.T) {
	server := servicestest.Redis(t, services.RedisOptions{Dir: t.TempDir(), AppendOnly: true})
	client := dial(t, server)
	set(t, client, "lane")
	before := server.URL()

	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	nobodyAt(t, server.URL())
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if after := server.URL(); after != before {
		t.Errorf("it came back at %s, was at %s", after, before)
	}
	if got := client.Exists(t.Context(), "lane").Val(); got != 1 {
		t.Error("the key is gone after the crash")
	}
}

func TestRedis_ForgetsAllWhenKilledUnlessAppendOnly(t *testing.T) {
	server := servicestest.Redis(t, services.RedisOptions{Dir: t.TempDir()})
	client := dial(t, server)
	set(t, client, "lane")
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := client.DBSize(t.Context()).Val(); got != 0 {
		t.Errorf("%d keys after the crash, want 0", got)
	}
}

func TestRedis_FlushAllEmptiesEveryDatabase(t *testing.T) {
	server := servicestest.Redis(t, services.RedisOptions{Dir: t.TempDir()})
	first, last := dial(t, server), dialDatabase(t, server, 255)
	set(t, first, "lane")
	set(t, last, "lane")
	if err := server.FlushAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := first.DBSize(t.Context()).Val() + last.DBSize(t.Context()).Val(); n != 0 {
		t.Errorf("%d keys are left", n)
	}
}

func TestRedis_SuspendedIsSilentAndGoesOnWhenResumed(t *testing.T) {
	server := servicestest.Redis(t, services.RedisOptions{Dir: t.TempDir()})
	client := dial(t, server)
	set(t, client, "lane")
	if err := server.Suspend(); err != nil {
		t.Fatal(err)
	}
	brief, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := client.Ping(brief).Err(); err == nil {
		t.Error("a suspended server answered")
	}
	if err := server.Resume(); err != nil {
		t.Fatal(err)
	}
	if got := client.Exists(t.Context(), "lane").Val(); got != 1 {
		t.Error("the key is gone after the pause")
	}
}

func TestRedis_StopEndsASuspendedOneAndLeavesNothingBehind(t *testing.T) {
	dir := t.TempDir()
	server := start(t, func() (*services.Redis, error) {
		return services.StartRedis(t.Context(), services.RedisOptions{Dir: dir, AppendOnly: true})
	})
	if err := server.Suspend(); err != nil {
		t.Fatal(err)
	}
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	nothingIn(t, dir)
}

func TestRedis_ThatCannotStartSaysWhyAndLeavesNothingBehind(t *testing.T) {
	dir := t.TempDir()
	_, err := services.StartRedis(t.Context(), services.RedisOptions{
		Dir: dir, Settings: map[string]string{"maxmemory": "plenty"},
	})
	missing(t, err)
	wantText(t, err, "maxmemory")
	nothingIn(t, dir)
}

func dial(t *testing.T, server *services.Redis) *redis.Client {
	t.Helper()
	return dialDatabase(t, server, 0)
}

func dialDatabase(t *testing.T, server *services.Redis, database int) *redis.Client {
	t.Helper()
	options, err := redis.ParseURL(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	options.DB = database
	options.ContextTimeoutEnabled = true
	client := redis.NewClient(options)
	t.Cleanup(func() { client.Close() })
	return client
}

func set(t *testing.T, client *redis.Client, key string) {
	t.Helper()
	if err := client.Set(t.Context(), key, "x", 0).Err(); err != nil {
		t.Fatal(err)
	}
}
