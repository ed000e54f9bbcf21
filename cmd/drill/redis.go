package main

import (
	"context"
	"time"

	"facteur/internal/services"
)

func redisDrills() []drill {
	return []drill{
		{name: "Redis flushed five times", engine: "postgres", play: redisFlushed},
		{name: "Redis stopped, and back empty", engine: "postgres", play: redisStopped},
		{name: "Redis suspended", engine: "postgres", play: redisSuspended},
		{name: "Redis out of memory", engine: "postgres", play: redisFull},
		{name: "Redis fails over to a replica", engine: "postgres", linked: true, play: redisFailover},
	}
}

func redisFlushed(s *stage) error {
	for i := range 5 {
		if err := s.arrived(s.people * (i + 1) / 8); err != nil {
			return err
		}
		s.calm()
		if err := s.redis.FlushAll(s.ctx); err != nil {
			return err
		}
	}
	return nil
}

func redisStopped(s *stage) error {
	return s.away(s.redis.Kill, func() error { return s.redis.Start(s.ctx) })
}

func redisSuspended(s *stage) error { return s.away(s.redis.Suspend, s.redis.Resume) }

// redisFull lets Redis refuse all that would take memory.
func redisFull(s *stage) error {
	memory := func(most string) func() error {
		return func() error { return s.redis.Do(s.ctx, "CONFIG", "SET", "maxmemory", most) }
	}
	return s.away(memory("1"), memory("0"))
}

// redisFailover cuts a replica off a while before the leader dies, so that it
// takes over with an older state, as an asynchronous one may.
func redisFailover(s *stage) error {
	replica, err := services.StartRedis(s.ctx, services.RedisOptions{})
	if err != nil {
		return err
	}
	s.also = append(s.also, replica)
	ctx, cancel := context.WithTimeout(s.ctx, time.Minute)
	defer cancel()
	if err := replica.Follow(ctx, s.redis); err != nil {
		return err
	}
	if err := s.arrived(s.people / 4); err != nil {
		return err
	}
	if err := replica.Promote(s.ctx); err != nil { // from now on it misses what is written
		return err
	}
	s.sleep(2*time.Second, 2*time.Second)
	s.calm()
	if err := s.redis.Kill(); err != nil {
		return err
	}
	for _, l := range s.cluster.Links {
		l.Redis.Lead(replica.Addr())
	}
	s.rest()
	return nil
}
