package services

import (
	"context"
	"errors"
)

// ErrMissing says that a server's programs are not on this machine.
var ErrMissing = errors.New("not installed")

// Part is one server that tests may ask for: how to find it, how to get it, how
// to start it and how tests hear of it.
type Part struct {
	Name     string   // in lists of needs: "postgres"
	Title    string   // for people: "PostgreSQL"
	Packages []string // of Debian, that bring its programs
	Variable string   // environment variable that carries its URL to tests

	// Find is nil when all programs are there, else wraps [ErrMissing].
	Find func() error
	// Start starts it as tests want it; the caller stops it.
	Start func(context.Context) (Running, error)
}

// Running is a server that answers.
type Running interface {
	URL() string
	Stop() error
}

// Parts is every server known here.
func Parts() []Part {
	return []Part{
		{
			Name:     "postgres",
			Title:    "PostgreSQL",
			Packages: []string{"postgresql"},
			Variable: "FACTEUR_TEST_POSTGRES_URL",
			Find: func() error {
				_, err := findPostgres()
				return err
			},
			Start: func(ctx context.Context) (Running, error) {
				return StartPostgres(ctx, PostgresOptions{})
			},
		},
		{
			Name:     "redis",
			Title:    "Redis",
			Packages: []string{"redis-server"},
			Variable: "FACTEUR_TEST_REDIS_URL",
			Find: func() error {
				_, err := findRedis()
				return err
			},
			Start: func(ctx context.Context) (Running, error) {
				return StartRedis(ctx, RedisOptions{})
			},
		},
		programPart(Part{Name: "postfix", Title: "Postfix", Packages: []string{"postfix"}, Variable: "FACTEUR_TEST_POSTFIX"}, FindPostfix),
		programPart(Part{Name: "dovecot", Title: "Dovecot", Packages: []string{"dovecot-core", "dovecot-imapd"}, Variable: "FACTEUR_TEST_DOVECOT"}, FindDovecot),
		programPart(Part{Name: "dkim", Title: "OpenDKIM and dkimpy", Packages: []string{"opendkim", "python3-dkim", "python3-nacl"}, Variable: "FACTEUR_TEST_DKIM"}, func() (string, error) {
			v, err := FindVerifiers()
			return v.OpenDKIM, err
		}),
		programPart(Part{Name: "chromium", Title: "Chromium", Packages: []string{"chromium", "fonts-dejavu-core"}, Variable: "FACTEUR_TEST_CHROMIUM"}, FindChromium),
		programPart(Part{Name: "spamd", Title: "SpamAssassin", Packages: []string{"spamassassin", "spamd"}, Variable: "FACTEUR_TEST_SPAMD"}, FindSpamd),
	}
}
