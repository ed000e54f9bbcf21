package migrations

import (
	"bytes"
	"io/fs"
	"strings"
	"time"
)

// onSQLite are the files as SQLite should read them. Each table is then kept
// in the order of its key, as one tree instead of a tree and an index into it:
// only the type INTEGER makes a column the row's own number there
// (https://sqlite.org/rowidtable.html), and a table marked "-- clustered" has
// no such number at all (https://sqlite.org/withoutrowid.html).
type onSQLite struct{ fs.FS }

var sqliteText = strings.NewReplacer(
	"BIGINT  NOT NULL PRIMARY KEY", "INTEGER NOT NULL PRIMARY KEY",
	"BIGINT NOT NULL PRIMARY KEY", "INTEGER NOT NULL PRIMARY KEY",
	"); -- clustered", ") WITHOUT ROWID;",
)

// Open implements [fs.FS].
func (o onSQLite) Open(name string) (fs.File, error) {
	text, err := fs.ReadFile(o.FS, name)
	if err != nil {
		return o.FS.Open(name) // a folder, or the reason
	}
	text = []byte(sqliteText.Replace(string(text)))
	return &file{Reader: bytes.NewReader(text), name: name}, nil
}

// Glob implements [fs.GlobFS].
func (o onSQLite) Glob(pattern string) ([]string, error) { return fs.Glob(o.FS, pattern) }

// file is one rewritten text; it is its own [fs.FileInfo].
type file struct {
	*bytes.Reader
	name string
}

func (f *file) Stat() (fs.FileInfo, error) { return f, nil }
func (f *file) Close() error               { return nil }
func (f *file) Name() string               { return f.name }
func (f *file) Mode() fs.FileMode          { return 0o444 }
func (f *file) ModTime() time.Time         { return time.Time{} }
func (f *file) IsDir() bool                { return false }
func (f *file) Sys() any                   { return nil }
