package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"facteur/campaign"
	"facteur/internal/database"
	"facteur/internal/keyring"
	"facteur/sending"
	"facteur/subscribers"
	"facteur/throttle"
)

type doctorCmd struct {
	Domain     string   `arg:"" optional:"" help:"Sending domain to examine from outside: SPF, DKIM, DMARC, MX, PTR, block lists, relays."`
	Relay      string   `help:"The relay to look at, instead of those that are set." placeholder:"HOST:PORT"`
	DKIM       []string `help:"DKIM selectors to look for, separated by commas; SELECTOR@DOMAIN for signatures of another domain." name:"dkim" placeholder:"SELECTOR"`
	ReturnPath string   `help:"Domain of the envelope senders, instead of the one that is set." placeholder:"DOMAIN"`
	Egress     []string `help:"Addresses from which the mail leaves, separated by commas, instead of those that are set." placeholder:"IP"`
	JSON       bool     `help:"Print JSON." name:"json"`
	Books      bool     `help:"Compare the running totals of every campaign with its deliveries."`
	Ledger     bool     `help:"Go through the whole consent ledger: every row, every seal."`
}

func (doctorCmd) Help() string {
	return "Example:\n  facteur doctor example.com\n  facteur doctor example.com --dkim s1,s2 --relay smtp.example.com:587 --egress 192.0.2.1\n  facteur doctor --books\n  facteur doctor --ledger\n\nIt only reads, and may run beside the server. It ends with 1 when something is wrong. A domain need not have been added; what is stored about it is used where nothing is said here."
}

// Run prints what it finds and fails when something is wrong.
func (d doctorCmd) Run(c *Config) error {
	if n := len(slices.DeleteFunc([]bool{d.Domain != "", d.Books, d.Ledger}, func(on bool) bool { return !on })); n != 1 {
		return errors.New("name a domain, or give one of --books and --ledger")
	}
	ctx := context.Background()
	if d.Domain != "" {
		return d.examine(ctx, c)
	}
	db, err := database.Open(ctx, c.DatabaseURL, database.Options{Now: wallClock()})
	if err != nil {
		return err
	}
	if d.Ledger {
		return errors.Join(examineLedger(ctx, c, db), db.Close())
	}
	off, err := checkBooks(ctx, db)
	if err := errors.Join(err, db.Close()); err != nil {
		return err
	}
	if off > 0 {
		return fmt.Errorf("the books of %d campaigns and letters are off", off)
	}
	return nil
}

// examineLedger checks the consent ledger with this installation's own keys.
func examineLedger(ctx context.Context, c *Config, db *database.DB) error {
	secret, err := c.secret()
	if err != nil {
		return err
	}
	keys, err := keyring.Open(ctx, db, secret)
	if err != nil {
		return err
	}
	_, trusted, err := keys.SigningKey(ctx, "ledger")
	if err != nil {
		return err
	}
	r, err := subscribers.NewStore(db).CheckLedger(ctx, trusted)
	if err != nil {
		return err
	}
	fmt.Printf("%d rows in %d seals, %d not sealed yet, %d with erased details\n", r.Entries, r.Seals, r.Unsealed, r.Erased)
	for _, f := range r.Faults {
		fmt.Println("WRONG:", f)
	}
	if len(r.Faults) > 0 {
		return fmt.Errorf("the consent ledger is not as it was written: %d faults", len(r.Faults))
	}
	return nil
}

func checkBooks(ctx context.Context, db *database.DB) (off int, err error) {
	people, senders := subscribers.NewStore(db), sending.NewStore(db, (*keyring.Keyring)(nil))
	wrong, err := senders.CheckLetters(ctx)
	if err != nil {
		return 0, err
	}
	for _, l := range wrong {
		fmt.Printf("WRONG: letter %d (%s) is %s, waits for %d, after %d attempts and %d doubts\n", l.ID, l.Kind, l.Status, l.Wait, l.Attempts, l.Doubts)
	}
	off = len(wrong)
	store := campaign.NewStore(db, people, senders, throttle.NewStore(db))
	for before := int64(0); ; {
		page, err := store.Campaigns(ctx, before, 100)
		if err != nil || len(page) == 0 {
			return off, err
		}
		for _, one := range page {
			before = one.ID
			n, rows, err := booksOf(ctx, store, one.ID)
			if err != nil {
				return off, err
			}
			verdict := "balanced"
			if n != rows || n.Balance() != 0 {
				off++
				verdict = fmt.Sprintf("OFF: the rows say %+v", rows)
			}
			fmt.Printf("%d %s %+v %s\n", one.ID, one.Status, n, verdict)
		}
	}
}

// booksOf reads a campaign's totals before and after its rows, until both are
// the same: while it is being sent, they are of different moments.
func booksOf(ctx context.Context, store *campaign.Store, id int64) (n, rows campaign.Counts, err error) {
	for range 20 {
		before, err := store.Counts(ctx, id)
		if err != nil {
			return n, rows, err
		}
		if rows, err = store.Recount(ctx, id); err != nil {
			return n, rows, err
		}
		if n, err = store.Counts(ctx, id); err != nil || n == before || n == rows || before == rows {
			if before == rows {
				n = before
			}
			return n, rows, err
		}
	}
	return n, n, nil // it changes faster than it can be counted; the totals balance in themselves or not
}
