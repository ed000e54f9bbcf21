package main

import (
	"facteur/internal/rig"
)

func postgresDrills() []drill {
	return []drill{
		{name: "PostgreSQL killed", engine: "postgres", play: postgresKilled},
		{name: "PostgreSQL refuses logins", engine: "postgres", play: loginsRefused},
		{name: "PostgreSQL takes no connections", engine: "postgres", play: connectionsRefused},
		{name: "PostgreSQL fails over to a standby", engine: "postgres", linked: true, play: postgresFailover},
	}
}

func postgresKilled(s *stage) error {
	return s.away(s.postgres.Kill, func() error { return s.postgres.Start(s.ctx) })
}

const endSessions = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '" + rig.Role + "'"

func loginsRefused(s *stage) error {
	return s.away(
		func() error { return s.postgres.Exec(s.ctx, "ALTER ROLE "+rig.Role+" NOLOGIN", endSessions) },
		func() error { return s.postgres.Exec(s.ctx, "ALTER ROLE "+rig.Role+" LOGIN") })
}

// connectionsRefused is the same by a limit, whose code says something else.
func connectionsRefused(s *stage) error {
	return s.away(
		func() error {
			return s.postgres.Exec(s.ctx, "ALTER ROLE "+rig.Role+" CONNECTION LIMIT 0", endSessions)
		},
		func() error { return s.postgres.Exec(s.ctx, "ALTER ROLE "+rig.Role+" CONNECTION LIMIT -1") })
}

// postgresFailover ends the server for good and lets a standby, for which each
// commit has waited, take its place at the same address.
func postgresFailover(s *stage) error {
	standby, err := s.postgres.Standby(s.ctx)
	if err != nil {
		return err
	}
	s.also = append(s.also, standby)
	if err := s.arrived(s.people / 4); err != nil {
		return err
	}
	s.calm()
	if err := s.postgres.Kill(); err != nil {
		return err
	}
	s.sleep(s.pause/6, s.pause/6)
	if err := standby.Promote(s.ctx); err != nil {
		return err
	}
	for _, l := range s.cluster.Links {
		l.Postgres.Lead(standby.Addr())
	}
	s.rest()
	return nil
}
