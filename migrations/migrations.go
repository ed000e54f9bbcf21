// Package migrations holds the numbered schema changes and applies them.
//
// They go forward only, one subject each, in the portable subset that both
// engines understand. A process refuses a schema newer than it knows.
package migrations

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"facteur/internal/database"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed *.sql
var files embed.FS

// without hides the files of the other engine: NNNN_x.sqlite.sql stands beside
// NNNN_x.postgres.sql where the two have no text in common.
type without struct {
	fs.FS
	ending string
}

// Glob implements [fs.GlobFS].
func (w without) Glob(pattern string) ([]string, error) {
	names, err := fs.Glob(w.FS, pattern)
	return slices.DeleteFunc(names, func(name string) bool { return strings.HasSuffix(name, w.ending) }), err
}

// Up brings the schema to the newest version this program knows. On
// PostgreSQL a session lock lets one of several starting processes do it.
func Up(ctx context.Context, db *database.DB) error {
	dialect, texts := goose.DialectSQLite3, fs.FS(onSQLite{without{files, ".postgres.sql"}})
	var options []goose.ProviderOption
	if db.Engine() == database.Postgres {
		dialect, texts = goose.DialectPostgres, fs.FS(without{files, ".sqlite.sql"})
		locker, err := lock.NewPostgresSessionLocker()
		if err != nil {
			return fmt.Errorf("prepare migrations: %w", err)
		}
		options = append(options, goose.WithSessionLocker(locker))
	}
	provider, err := goose.NewProvider(dialect, db.Pool(), texts, options...)
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	known := provider.ListSources()[len(provider.ListSources())-1].Version
	current, err := provider.GetDBVersion(ctx)
	if err != nil {
		return fmt.Errorf("read the schema's version: %w", err)
	}
	if current > known {
		return fmt.Errorf("the schema of %s is version %d, this program knows up to %d: start a newer facteur", db.Name(), current, known)
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrate %s: %w", db.Name(), err)
	}
	return nil
}
