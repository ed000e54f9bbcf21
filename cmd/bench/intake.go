package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"facteur/internal/rig"
	"facteur/internal/services"

	_ "github.com/jackc/pgx/v5/stdlib" // PostgreSQL, as pgx
	_ "github.com/mattn/go-sqlite3"    // SQLite, as sqlite3
)

// plainSQL writes the rows of an import and nothing else: the measure for what
// reading, checking and proving costs.
const plainSQL = "plain SQL"

// intake is an import of many people beside plain SQL of the same rows.
type intake struct {
	Engine   string  `json:"engine"`
	Rows     int     `json:"rows"`
	Plain    float64 `json:"plain_rows_per_s"`
	Imported float64 `json:"rows_per_s"`
	Ratio    float64 `json:"ratio"`
	PeakMB   float64 `json:"peak_mb"`
	KilledAt int64   `json:"killed_at_row"`
	Same     bool    `json:"same_end_state_after_kill"`
	Sealed   float64 `json:"seconds_until_all_sealed"` // after the import's end
}

// intakes measures both engines and prints a table.
func intakes(ctx context.Context, o options, binary, dir string) ([]intake, error) {
	fmt.Printf("\nImport of a CSV file with name, city and offer by `POST /lists/{id}/imports`, until it is done, beside plain SQL of the same rows (person, subscription, ledger) with their indexes:\n500 rows a statement, 10,000 a transaction, nothing read, checked or hashed. Then the same file again, with `kill -9` on the way.\n\n")
	fmt.Println("| engine | rows | plain rows/s | imported rows/s | ratio | peak MB | killed at row | same end state | all sealed after s |\n|---|---|---|---|---|---|---|---|---|")
	var all []intake
	for _, engine := range strings.Split(o.engines, ",") {
		one, err := measureIntake(ctx, o, engine, binary, dir+"/intake-"+engine)
		if err != nil {
			return nil, fmt.Errorf("import, %s: %w", engine, err)
		}
		fmt.Printf("| %s | %d | %.0f | %.0f | %.2f | %.0f | %d | %v | %.1f |\n", one.Engine, one.Rows, one.Plain, one.Imported, one.Ratio, one.PeakMB, one.KilledAt, one.Same, one.Sealed)
		all = append(all, one)
	}
	return all, nil
}

// store is where a facteur of the bench keeps its data.
type store struct {
	driver, dsn string
	env         []string
	stop        func() error
}

func newStore(ctx context.Context, engine, dir string) (s store, err error) {
	s = store{driver: "sqlite3", dsn: "file:" + dir + "/data/facteur.db?_busy_timeout=5000", stop: func() error { return nil }}
	if engine != "postgres" {
		return s, nil
	}
	pg, err := services.StartPostgres(ctx, services.PostgresOptions{})
	if err != nil {
		return s, err
	}
	return store{driver: "pgx", dsn: pg.URL(), env: []string{"FACTEUR_DATABASE_URL=" + pg.URL()}, stop: pg.Stop}, nil
}

func measureIntake(ctx context.Context, o options, engine, binary, dir string) (r intake, err error) {
	r = intake{Engine: engine, Rows: o.imports}
	if r.Plain, err = runPlain(ctx, engine, dir+"-plain", o.imports); err != nil {
		return r, err
	}
	whole, err := bring(ctx, engine, binary, dir+"-whole", o.imports, 0)
	if err != nil {
		return r, err
	}
	killed, err := bring(ctx, engine, binary, dir+"-killed", o.imports, int64(o.imports)/2)
	if err != nil {
		return r, err
	}
	r.Imported, r.PeakMB, r.Sealed = float64(o.imports)/whole.took.Seconds(), whole.peak, whole.sealed.Seconds()
	r.Ratio, r.KilledAt, r.Same = r.Imported/r.Plain, killed.killedAt, whole.state == killed.state
	return r, nil
}

// runPlain runs plain SQL in a process of its own.
func runPlain(ctx context.Context, engine, dir string, n int) (rate float64, err error) {
	if err := os.MkdirAll(dir+"/data", 0o755); err != nil {
		return 0, err
	}
	s, err := newStore(ctx, engine, dir)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	cmd := exec.CommandContext(ctx, self, "-be", plainSQL, "-to", s.driver+" "+s.dsn, "-n", strconv.Itoa(n))
	cmd.Stderr = os.Stderr
	begin := time.Now()
	if err := cmd.Run(); err != nil {
		return 0, fmt.Errorf("%s: %w", plainSQL, err)
	}
	return float64(n) / time.Since(begin).Seconds(), nil
}

// brought is what an import left behind.
type brought struct {
	took, sealed time.Duration
	peak         float64
	killedAt     int64
	state        string
}

// bring imports n people with a fresh facteur, which is killed and started
// again when it has done killAt rows; 0: never.
func bring(ctx context.Context, engine, binary, dir string, n int, killAt int64) (b brought, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return b, err
	}
	s, err := newStore(ctx, engine, dir)
	if err != nil {
		return b, err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	p, err := rig.New(binary, dir+"/data", append(s.env, "FACTEUR_LOG_LEVEL=warn"), "")
	if err != nil {
		return b, err
	}
	if err := p.Start(ctx); err != nil {
		return b, err
	}
	defer func() { _ = p.Kill() }()
	api := p.API()
	list, err := api.List(ctx, "Many")
	if err != nil {
		return b, err
	}
	query := url.Values{"basis": {"opt_in"}, "source": {"bench"}, "at": {"2026-01-01T00:00:00Z"}}
	begin := time.Now()
	var im rig.Import
	if err := api.Upload(ctx, http.MethodPost, "/lists/"+list+"/imports?"+query.Encode(), "text/csv", rig.CSV(n), &im); err != nil {
		return b, err
	}
	for im.Status == "running" {
		time.Sleep(20 * time.Millisecond)
		if err := api.Call(ctx, http.MethodGet, "/imports/"+im.ID, nil, &im); err != nil {
			return b, err
		}
		if killAt > 0 && b.killedAt == 0 && im.Rows >= killAt && im.Status == "running" {
			b.killedAt = im.Rows
			if err := p.Kill(); err != nil {
				return b, err
			}
			if err := p.Start(ctx); err != nil {
				return b, err
			}
		}
	}
	b.took = time.Since(begin)
	if im.Status != "done" {
		return b, fmt.Errorf("the import %s: %s", im.Status, im.Error)
	}
	usage, err := p.Usage()
	if err != nil {
		return b, err
	}
	b.peak = float64(usage.Peak) / (1 << 20)
	return b, b.settle(ctx, api, list, im)
}

// settle waits until every row is sealed, and asks for the end state: the
// import's counts, the list's sizes, and the whole ledger checked.
func (b *brought) settle(ctx context.Context, api *rig.API, list string, im rig.Import) error {
	begin := time.Now()
	for waiting := int64(1); waiting > 0; time.Sleep(50 * time.Millisecond) {
		var ledger struct {
			Waiting int64 `json:"waiting"`
		}
		if err := api.Call(ctx, http.MethodGet, "/consent-ledger", nil, &ledger); err != nil {
			return err
		}
		waiting = ledger.Waiting
		if time.Since(begin) > 5*time.Minute {
			return errors.New("rows wait for their seal for 5 minutes")
		}
	}
	b.sealed = time.Since(begin)
	var of struct {
		Sizes json.RawMessage `json:"sizes"`
	}
	if err := api.Call(ctx, http.MethodGet, "/lists/"+list, nil, &of); err != nil {
		return err
	}
	var ledger struct {
		Entries int64             `json:"entries"`
		Faults  []json.RawMessage `json:"faults"`
	}
	if err := api.Call(ctx, http.MethodPost, "/consent-ledger/check", map[string]any{}, &ledger); err != nil {
		return err
	}
	b.state = fmt.Sprintf("%d rows, %d created, %d refused; %s; %d in the ledger, %d faults", im.Rows, im.Created, im.Refused, of.Sizes, ledger.Entries, len(ledger.Faults))
	return nil
}

// plain writes n people as an import leaves them: to is "driver dsn".
func plain(ctx context.Context, to string, n int) error {
	driver, dsn, _ := strings.Cut(to, " ")
	serial, clustered := "BIGINT", ""
	if driver == "sqlite3" {
		dsn, serial, clustered = dsn+"&_journal_mode=WAL&_synchronous=FULL&_txlock=immediate", "INTEGER", " WITHOUT ROWID"
	}
	db, err := sql.Open(driver, dsn)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	db.SetMaxOpenConns(1)
	for _, query := range []string{
		`CREATE TABLE people (id ` + serial + ` NOT NULL PRIMARY KEY, email TEXT NOT NULL, key TEXT NOT NULL UNIQUE, name TEXT NOT NULL, locale TEXT NOT NULL, timezone TEXT NOT NULL,
			attributes TEXT NOT NULL, created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, salt TEXT NOT NULL, active_at BIGINT NOT NULL)`,
		`CREATE TABLE memberships (list_id BIGINT NOT NULL, subscriber_id BIGINT NOT NULL, status TEXT NOT NULL, confirmed_at BIGINT NOT NULL, changed_at BIGINT NOT NULL, PRIMARY KEY (list_id, subscriber_id))` + clustered,
		`CREATE INDEX memberships_person ON memberships (subscriber_id)`,
		`CREATE TABLE yeses (id ` + serial + ` NOT NULL PRIMARY KEY, subscriber_id BIGINT NOT NULL, list_id BIGINT NOT NULL, act TEXT NOT NULL, basis TEXT NOT NULL, statement TEXT NOT NULL,
			stated_at BIGINT NOT NULL, recorded_at BIGINT NOT NULL, person TEXT NOT NULL, evidence TEXT NOT NULL)`,
		`CREATE INDEX yeses_person ON yeses (subscriber_id)`,
	} {
		if _, err := db.ExecContext(ctx, query); err != nil {
			return err
		}
	}
	const hash = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	for done := 0; done < n; {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		for end := min(n, done+10_000); done < end; {
			size := min(500, end-done)
			var people, memberships, yeses []any
			for i := done; i < done+size; i++ {
				id, email := int64(i)*7+384_000_000_000_000_000, fmt.Sprintf("person.%07d@example-%d.com", i, i%97)
				people = append(people, id, email, email, "Ann Person", "", "", `{"city":"Lyon","offer":"4711"}`, id, id, hash[:32], id)
				memberships = append(memberships, 1, id, "confirmed", id, id)
				yeses = append(yeses, id, id, 1, "given", "opt_in", hash, id, id, hash, "")
			}
			for _, insert := range []struct {
				into string
				args []any
				n    int
			}{{"people", people, 11}, {"memberships", memberships, 5}, {"yeses", yeses, 10}} {
				if _, err := tx.ExecContext(ctx, `INSERT INTO `+insert.into+` VALUES `+marks(driver, size, insert.n), insert.args...); err != nil {
					return errors.Join(err, tx.Rollback())
				}
			}
			done += size
		}
		if err := tx.Commit(); err != nil {
			return err
		}
	}
	return nil
}

// marks are the places of many rows' parameters.
func marks(driver string, rows, columns int) string {
	var b strings.Builder
	for r := range rows {
		if r > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('(')
		for c := range columns {
			if c > 0 {
				b.WriteByte(',')
			}
			if driver == "sqlite3" {
				b.WriteByte('?')
			} else {
				b.WriteString("$" + strconv.Itoa(r*columns+c+1))
			}
		}
		b.WriteByte(')')
	}
	return b.String()
}
