package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"facteur/access"
	"facteur/internal/database"
	"facteur/internal/journal"
	"facteur/migrations"
	"facteur/web/client"
)

type tokenCmd struct {
	Make   tokenMakeCmd   `cmd:"" default:"withargs" help:"Make a token; its secret is printed now and never again."`
	List   tokenListCmd   `cmd:"" help:"List the tokens, without their secrets."`
	Revoke tokenRevokeCmd `cmd:"" help:"End a token at once."`
}

const tokenWay = "With --token or FACTEUR_ADMIN_TOKEN it goes through the running server. When none runs, and always with PostgreSQL, it needs no token: who can open the database may do everything."

func (tokenCmd) Help() string {
	return "Example:\n  facteur token --name website --scopes lists:read,subscribers:write\n\n" + tokenWay
}

type tokenMakeCmd struct {
	server
	Name   string   `help:"What it is for." required:"" placeholder:"NAME"`
	Scopes []string `help:"What it may do, separated by commas, such as lists:read,subscribers:write; * is everything." required:"" placeholder:"SCOPES"`
}

func (tokenMakeCmd) Help() string { return tokenCmd{}.Help() }

// Run prints the secret alone to standard output, so that a script can take it.
func (t *tokenMakeCmd) Run(c *Config) error {
	var made struct {
		ID     string `json:"id"`
		Secret string `json:"token"`
	}
	err := t.either(c, func(ctx context.Context, api *client.Client) error {
		return api.Call(ctx, http.MethodPost, "/tokens", map[string]any{"name": t.Name, "scopes": t.Scopes}, &made)
	}, func(ctx context.Context, db *database.DB, store *access.Store) error {
		return db.Write(ctx, func(tx *database.Tx) error {
			token, secret, err := store.CreateToken(ctx, tx, access.Actor{Scopes: []string{access.All}}, t.Name, t.Scopes)
			made.ID, made.Secret = strconv.FormatInt(token.ID, 10), secret
			return err
		})
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "token %s %q may %s; this is shown now and never again:\n", made.ID, t.Name, strings.Join(t.Scopes, ", "))
	fmt.Println(made.Secret)
	return nil
}

type tokenListCmd struct{ server }

func (tokenListCmd) Help() string { return "Example:\n  facteur token list\n\n" + tokenWay }

// listed is a token as the API lists it.
type listed struct {
	ID        string     `json:"id"`
	Name      string     `json:"name"`
	Scopes    []string   `json:"scopes"`
	CreatedAt *time.Time `json:"created_at"`
	RevokedAt *time.Time `json:"revoked_at"`
}

func (t *tokenListCmd) Run(c *Config) error {
	var all []listed
	err := t.either(c, func(ctx context.Context, api *client.Client) (err error) {
		all, err = tokensBy(ctx, api)
		return err
	}, func(ctx context.Context, _ *database.DB, store *access.Store) error {
		for after := int64(0); ; {
			page, err := store.Tokens(ctx, after, 500)
			if err != nil || len(page) == 0 {
				return err
			}
			for _, one := range page {
				after = one.ID
				all = append(all, listedOf(one))
			}
		}
	})
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "ID\tNAME\tSCOPES\tMADE\tREVOKED") // Flush tells
	for _, one := range all {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", one.ID, one.Name, strings.Join(one.Scopes, ","), stamp(one.CreatedAt), stamp(one.RevokedAt))
	}
	return w.Flush()
}

func listedOf(t access.Token) listed {
	l := listed{ID: strconv.FormatInt(t.ID, 10), Name: t.Name, Scopes: t.Scopes}
	made, revoked := database.Time(t.CreatedAt), database.Time(t.RevokedAt)
	if l.CreatedAt = &made; t.RevokedAt != 0 {
		l.RevokedAt = &revoked
	}
	return l
}

func stamp(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return t.Format(time.RFC3339)
}

func tokensBy(ctx context.Context, api *client.Client) (all []listed, err error) {
	for cursor := ""; ; {
		var page struct {
			Items []listed `json:"items"`
			Next  *string  `json:"next"`
		}
		if err := api.Call(ctx, http.MethodGet, "/tokens?limit=500&cursor="+url.QueryEscape(cursor), nil, &page); err != nil {
			return nil, err
		}
		if all = append(all, page.Items...); page.Next == nil {
			return all, nil
		}
		cursor = *page.Next
	}
}

type tokenRevokeCmd struct {
	server
	ID string `arg:"" help:"The token's id, as facteur token list shows it."`
}

func (tokenRevokeCmd) Help() string {
	return "Example:\n  facteur token revoke 412345678901234567\n\n" + tokenWay
}

func (t *tokenRevokeCmd) Run(c *Config) error {
	id, err := strconv.ParseInt(t.ID, 10, 64)
	if err != nil {
		return fmt.Errorf("%q is no token's id: facteur token list shows them", t.ID)
	}
	err = t.either(c, func(ctx context.Context, api *client.Client) error {
		return api.Call(ctx, http.MethodDelete, "/tokens/"+t.ID, nil, nil)
	}, func(ctx context.Context, db *database.DB, store *access.Store) error {
		err := db.Write(ctx, func(tx *database.Tx) error { return store.RevokeToken(ctx, tx, id) })
		if errors.Is(err, database.ErrNotFound) {
			return fmt.Errorf("there is no token %s: facteur token list shows them", t.ID)
		}
		return err
	})
	if err == nil {
		fmt.Println("token", t.ID, "is revoked")
	}
	return err
}

// either goes through the server when there is a token for it and it answers,
// else to the database itself.
func (s server) either(c *Config, remote func(context.Context, *client.Client) error, local func(context.Context, *database.DB, *access.Store) error) error {
	ctx := context.Background()
	api := s.client(c)
	if api.Token != "" || s.URL != "" {
		if err := remote(ctx, api); err == nil || s.URL != "" || !unreachable(err) {
			return explain(api, err)
		}
	}
	err := onDatabase(ctx, c, local)
	if errors.Is(err, errInUse) && api.Token == "" {
		return fmt.Errorf("a server has the database: let it do this, with FACTEUR_ADMIN_TOKEN or --token (%w)", err)
	}
	if errors.Is(err, errInUse) {
		return fmt.Errorf("nobody answers at %s, but a server has the database: say where it is with --url (%w)", api.Base, err)
	}
	return err
}

// onDatabase does something to the database without a server. SQLite must be
// ours alone meanwhile: law 10.
func onDatabase(ctx context.Context, c *Config, do func(context.Context, *database.DB, *access.Store) error) (err error) {
	if strings.HasPrefix(c.DatabaseURL, "sqlite:") {
		locks, err := lockAll(*c, "facteur token")
		if err != nil {
			return err
		}
		for _, l := range locks {
			defer l.release()
		}
	}
	db, err := database.Open(ctx, c.DatabaseURL, database.Options{Now: wallClock()})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := migrations.Up(ctx, db); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "facteur-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	process, err := database.Join(ctx, db, dir) // for ids that nobody else gives out
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, process.Withdraw(ctx)) }()
	return do(journal.WithActor(ctx, "command line"), db, access.NewStore(db, nil, ""))
}
