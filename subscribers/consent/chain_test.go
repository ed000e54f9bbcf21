package consent_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"facteur/internal/database"
	"facteur/internal/database/databasetest"
	"facteur/subscribers/consent"
)

// ledger is a chain over the acts of some people, and its sealer.
type ledger struct {
	*testing.T
	db     *database.DB
	key    ed25519.PrivateKey
	people map[int64]consent.Person
}

func newLedger(t *testing.T, db *database.DB) *ledger {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &ledger{t, db, key, map[int64]consent.Person{}}
}

func (l *ledger) public() string { return hex.EncodeToString(l.key.Public().(ed25519.PublicKey)) }

// say records a yes of each person from one to another, in one transaction.
func (l *ledger) say(from, to int64) {
	l.Helper()
	var entries []consent.Entry
	for id := from; id <= to; id++ {
		if _, ok := l.people[id]; !ok {
			l.people[id] = consent.Person{Salt: consent.NewSalt(), Key: fmt.Sprintf("p%d@example.org", id)}
		}
		entries = append(entries, consent.Entry{
			SubscriberID: id, ListID: 7, Act: consent.Given, Person: l.people[id], Evidence: consent.Evidence{IP: "192.0.2.1", UserAgent: "a <browser>"},
			Statement: consent.Statement{Basis: consent.DoubleOptIn, Source: "form", At: time.Now(), Wording: "Yes & <please>"},
		})
	}
	if err := l.db.Write(l.Context(), func(tx *database.Tx) error { return consent.Record(l.Context(), tx, entries) }); err != nil {
		l.Fatal(err)
	}
}

func (l *ledger) seal() int64 {
	l.Helper()
	n, err := consent.NewSealer(l.db, l.key).Seal(l.Context(), l.db.Write)
	if err != nil {
		l.Fatal(err)
	}
	return n
}

func (l *ledger) check() consent.LedgerReport {
	l.Helper()
	r, err := consent.Check(l.Context(), l.db, []string{l.public()}, func(_ context.Context, ids []int64) (map[int64]consent.Person, error) {
		found := map[int64]consent.Person{}
		for _, id := range ids {
			if p, ok := l.people[id]; ok {
				found[id] = p
			}
		}
		return found, nil
	})
	if err != nil {
		l.Fatal(err)
	}
	return r
}

// force does what only somebody with the database's own rights can: it takes
// the triggers away first.
func (l *ledger) force(change string, args ...any) {
	l.Helper()
	drops := []string{`DROP TRIGGER IF EXISTS consents_no_update`, `DROP TRIGGER IF EXISTS consents_no_delete`, `DROP TRIGGER IF EXISTS statements_no_update`, `DROP TRIGGER IF EXISTS seals_no_update`, `DROP TRIGGER IF EXISTS seals_no_delete`}
	if l.db.Engine() == database.Postgres {
		drops = []string{`DROP TRIGGER IF EXISTS consents_append_only ON consents`, `DROP TRIGGER IF EXISTS statements_append_only ON statements`, `DROP TRIGGER IF EXISTS seals_append_only ON seals`}
	}
	for _, d := range drops {
		if _, err := l.db.Exec(l.Context(), d); err != nil {
			l.Fatal(err)
		}
	}
	if n, err := l.db.Exec(l.Context(), change, args...); err != nil || n == 0 {
		l.Fatalf("%s: %d rows, %v", change, n, err)
	}
}

// row is the ledger's row of a person.
func (l *ledger) row(person int64) (id int64) {
	l.Helper()
	if err := l.db.Get(l.Context(), &id, `SELECT id FROM consents WHERE subscriber_id = ?`, person); err != nil {
		l.Fatal(err)
	}
	return id
}

func TestCheck_FindsTheLedgerAsItWasWritten(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		l := newLedger(t, db)
		if r := l.check(); r.Seals != 0 || len(r.Faults) != 0 {
			t.Errorf("an empty ledger: %+v", r)
		}
		l.say(1, 1)
		if r := l.check(); r.Unsealed != 1 || len(r.Faults) != 0 {
			t.Errorf("before the seal: %+v", r)
		}
		l.say(2, 700)
		l.say(701, 2400)
		if n := l.seal(); n != 2400 {
			t.Errorf("%d sealed", n)
		}
		l.say(2401, 2401)
		if n := l.seal(); n != 1 || l.seal() != 0 {
			t.Errorf("%d sealed", n)
		}
		if r := l.check(); r.Entries != 2401 || r.Seals < 3 || r.Unsealed != 0 || r.Erased != 0 || len(r.Faults) != 0 {
			t.Errorf("%+v", r)
		}
		delete(l.people, 5) // erased: the salt is gone, and the details
		if err := db.Write(t.Context(), func(tx *database.Tx) error { _, err := consent.Erase(t.Context(), tx, 5); return err }); err != nil {
			t.Fatal(err)
		}
		if r := l.check(); r.Erased != 1 || len(r.Faults) != 0 {
			t.Errorf("after an erasure: %+v", r)
		}
	})
}

func TestCheck_NamesWhatWasTamperedWith(t *testing.T) {
	for name, c := range map[string]struct {
		tamper func(l *ledger)
		want   string // part of the fault's text
		row    bool   // the row of person 42 is named
	}{
		"an act was turned": {func(l *ledger) { l.force(`UPDATE consents SET act = 'withdrawn' WHERE subscriber_id = 42`) }, "it was changed", true},
		"a time was turned back": {func(l *ledger) {
			l.force(`UPDATE consents SET stated_at = stated_at - 86400000 WHERE subscriber_id = 42`)
		}, "it was changed", true},
		"a yes was given to another": {func(l *ledger) { l.force(`UPDATE consents SET subscriber_id = 43 WHERE subscriber_id = 42`) }, "it was changed", true},
		"a row was deleted":          {func(l *ledger) { l.force(`DELETE FROM consents WHERE subscriber_id = 42`) }, "deleted", true},
		"a row was slipped in": {func(l *ledger) {
			l.force(`INSERT INTO consents (id, subscriber_id, list_id, act, basis, statement, stated_at, recorded_at, person, evidence) SELECT 42, 42, 7, 'given', basis, statement, 1, 1, person, '' FROM consents WHERE subscriber_id = 42`)
		}, "another way", false},
		"the address was exchanged": {func(l *ledger) { l.people[42] = consent.Person{Salt: l.people[42].Salt, Key: "other@example.org"} }, "another address", true},
		"the details were changed": {func(l *ledger) {
			l.force(`UPDATE evidences SET details = '{"ip":"198.51.100.1"}' WHERE subscriber_id = 42`)
		}, "details were changed", true},
		"the words were changed": {func(l *ledger) { l.force(`UPDATE statements SET text = '{"source":"form","wording":"No"}'`) }, "what was said", false},
		"a seal was deleted":     {func(l *ledger) { l.force(`DELETE FROM seals WHERE number = 1`) }, "is missing", false},
	} {
		t.Run(name, func(t *testing.T) {
			databasetest.Each(t, func(t *testing.T, db *database.DB) {
				l := newLedger(t, db)
				l.say(1, 100)
				l.seal()
				l.say(101, 120)
				l.seal()
				id := l.row(42)
				c.tamper(l)
				faults := fmt.Sprint(l.check().Faults)
				if !strings.Contains(faults, c.want) || c.row && !strings.Contains(faults, fmt.Sprintf("row %d ", id)) {
					t.Errorf("%s, want %q", faults, c.want)
				}
			})
		})
	}
}

// Whoever holds the database can compute the whole chain anew; the signature he cannot.
func TestCheck_FindsAChainComputedAnew(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		l := newLedger(t, db)
		l.say(1, 50)
		l.seal()
		var rows string
		if err := db.Get(t.Context(), &rows, `SELECT ids FROM seals WHERE number = 1`); err != nil {
			t.Fatal(err)
		}
		l.force(`UPDATE consents SET act = 'withdrawn' WHERE subscriber_id = 42`)
		l.force(`DELETE FROM seals`)
		l.force(`INSERT INTO unsealed (id, entries) VALUES (1, ?)`, rows)
		forger := newLedger(t, db)
		if forger.seal() != 50 {
			t.Fatal("the forger sealed nothing")
		}
		if faults := fmt.Sprint(l.check().Faults); !strings.Contains(faults, "a key that is not ours") {
			t.Errorf("%s", faults)
		}
		l.force(`UPDATE seals SET key = ?`, l.public()) // he writes our key's name on it
		if faults := fmt.Sprint(l.check().Faults); !strings.Contains(faults, "signature is wrong") {
			t.Errorf("%s", faults)
		}
	})
}

func TestProof_IsVerifiedWithoutTheDatabase(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		l := newLedger(t, db)
		l.say(1, 37)
		l.seal()
		l.say(5, 5)
		l.seal()
		l.say(5, 5) // not sealed yet
		prove := func() consent.Proof {
			p, err := consent.Prove(t.Context(), db, 5)
			if err != nil {
				t.Fatal(err)
			}
			p.Person = &consent.ProofPerson{SubscriberID: 5, Email: "p5@example.org", Key: "p5@example.org", Salt: l.people[5].Salt}
			text, err := json.MarshalIndent(p, "", "\t") // whatever a program does to a file
			if err != nil {
				t.Fatal(err)
			}
			var back consent.Proof
			if err := json.Unmarshal([]byte(strings.ReplaceAll(string(text), "\\u0026", "&")), &back); err != nil {
				t.Fatal(err)
			}
			return back
		}
		p := prove()
		v := p.Verify()
		if v.Entries != 2 || v.Unsealed != 1 || len(v.Faults) != 0 || len(v.Keys) != 1 || v.Keys[0] != l.public() {
			t.Fatalf("%+v", v)
		}
		for name, tamper := range map[string]func(p *consent.Proof){
			"act":       func(p *consent.Proof) { p.Entries[0].Act = consent.Withdrawn },
			"list":      func(p *consent.Proof) { p.Entries[0].ListID = 8 },
			"time":      func(p *consent.Proof) { p.Entries[0].StatedAt-- },
			"words":     func(p *consent.Proof) { p.Entries[0].Statement = json.RawMessage(`{"source":"form"}`) },
			"evidence":  func(p *consent.Proof) { p.Entries[0].Evidence = json.RawMessage(`{"ip":"192.0.2.2"}`) },
			"address":   func(p *consent.Proof) { p.Person.Key = "p6@example.org" },
			"person":    func(p *consent.Proof) { p.Person.SubscriberID = 6 },
			"path":      func(p *consent.Proof) { p.Entries[0].Path = p.Entries[0].Path[1:] },
			"index":     func(p *consent.Proof) { p.Entries[0].Index++ },
			"seal":      func(p *consent.Proof) { p.Entries[0].Seal = 2 },
			"no seal":   func(p *consent.Proof) { p.Entries[0].Seal = 99 },
			"root":      func(p *consent.Proof) { p.Seals[0].Root = p.Seals[1].Root },
			"signature": func(p *consent.Proof) { p.Seals[0].Signature = p.Seals[1].Signature },
			"format":    func(p *consent.Proof) { p.Format = "x" },
		} {
			p := prove()
			tamper(&p)
			if v := p.Verify(); len(v.Faults) == 0 {
				t.Errorf("%s: not found", name)
			}
		}
		if err := db.Write(t.Context(), func(tx *database.Tx) error { _, err := consent.Erase(t.Context(), tx, 5); return err }); err != nil {
			t.Fatal(err)
		}
		p = prove()
		p.Person = nil
		if v := p.Verify(); len(v.Faults) != 0 || v.Erased != 3 {
			t.Errorf("erased: %+v", v)
		}
	})
}

func FuzzProof(f *testing.F) {
	f.Add([]byte(`{"format":"facteur-consent-proof/1","entries":[{"id":"1","index":3,"path":["00"],"seal":1,"statement":{"source":"x"}}],"seals":[{"number":1,"key":"00","signature":"11","entries":9}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var p consent.Proof
		if json.Unmarshal(text, &p) == nil {
			if v := p.Verify(); v.Entries > 0 {
				t.Fatalf("%s is proven", text) // nobody can guess a signature
			}
		}
	})
}
