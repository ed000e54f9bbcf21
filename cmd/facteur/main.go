// Command facteur is the whole engine: serve runs it, the other commands look
// after it.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	_ "time/tzdata" // subscribers' time zones, where the host has none

	"facteur/internal/database"
	"facteur/migrations"

	"github.com/alecthomas/kong"
)

// version is set at build time from git.
var version = "unknown"

// commands is the command line.
type commands struct {
	Config
	File kong.ConfigFlag `name:"config" help:"JSON file with settings, named as the flags without the dashes in front; a flag or a variable wins over it." placeholder:"FILE"`

	Demo     demoCmd        `cmd:"" help:"Send a sample campaign to a sandbox, and show what happened."`
	Serve    serveCmd       `cmd:"" help:"Run the engine."`
	Migrate  migrateCmd     `cmd:"" help:"Bring the database's schema up to date and stop."`
	Doctor   doctorCmd      `cmd:"" help:"Examine a sending domain from outside; or the books of the campaigns, or the consent ledger."`
	Status   statusCmd      `cmd:"" help:"Ask the running server how things are."`
	Ready    readyCmd       `cmd:"" help:"Ask the server on this host whether it is ready."`
	Import   importCmd      `cmd:"" help:"Bring a CSV file of people to a list, through the running server."`
	Feedback feedbackCmd    `cmd:"" help:"Understand mails that came back."`
	Token    tokenCmd       `cmd:"" help:"Make, list and revoke API tokens."`
	Settings configCmd      `cmd:"" name:"config" help:"Print every setting with its value, default, unit and meaning."`
	Proof    verifyProofCmd `cmd:"" name:"verify-proof" help:"Check a person's consent proof, without the database."`
	Simulate simulateCmd    `cmd:"" help:"Play weeks of mailings under limits and a warm-up, in seconds."`
	Sandbox  sandboxCmd     `cmd:"" help:"Run the SMTP server that plays mailbox providers."`
	Version  versionCmd     `cmd:"" help:"Print the version."`
}

func main() {
	var c commands
	parser, err := kong.New(&c, kong.Name("facteur"), kong.Description("A self-hosted engine for mass mailings that stay welcome."),
		kong.UsageOnError(), kong.Configuration(settingsFile), kong.ConfigureHelp(kong.HelpOptions{Compact: true}))
	if err != nil {
		panic(err) // the command line's own definition is wrong
	}
	k, err := parser.Parse(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "facteur:", err)
		os.Exit(2)
	}
	if err := c.complete(); err != nil {
		fmt.Fprintln(os.Stderr, "facteur:", err)
		os.Exit(2)
	}
	if err := k.Run(&c.Config); err != nil {
		fmt.Fprintln(os.Stderr, "facteur:", err)
		os.Exit(1)
	}
}

type serveCmd struct {
	Roles string `help:"Some of api, scheduler, worker, inbound, separated by commas; empty: all." placeholder:"ROLES"`
}

// Help is shown by --help.
func (serveCmd) Help() string {
	return "Example:\n  FACTEUR_ADMIN_TOKEN=choose-a-long-secret facteur serve\n\nSIGTERM drains: nothing begins any more, open dialogues get 25 s."
}

// Run serves until SIGINT or SIGTERM; a second one ends at once.
func (s *serveCmd) Run(c *Config) error {
	roles, err := ParseRoles(s.Roles)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	log := NewLog(*c, os.Stderr)
	app, err := Start(ctx, *c, roles, log)
	if err != nil {
		return err
	}
	<-ctx.Done()
	stop()
	log.Info("stopping: nothing begins any more; open dialogues get 25 s")
	app.Stop()
	return nil
}

type migrateCmd struct{}

func (migrateCmd) Help() string { return "Example:\n  facteur migrate" }

func (migrateCmd) Run(c *Config) error {
	ctx := context.Background()
	if err := c.makeFolder(); err != nil {
		return err
	}
	db, err := database.Open(ctx, c.DatabaseURL, database.Options{Now: wallClock()})
	if err != nil {
		return err
	}
	if err := migrations.Up(ctx, db); err != nil {
		return errors.Join(err, db.Close())
	}
	fmt.Println("the schema of", db.Name(), "is up to date")
	return db.Close()
}

type configCmd struct{}

func (configCmd) Help() string { return "Example:\n  facteur config" }

func (configCmd) Run(c *Config) error { return c.describe(os.Stdout) }

type versionCmd struct{}

func (versionCmd) Help() string { return "Example:\n  facteur version" }

func (versionCmd) Run(*Config) error {
	fmt.Println("facteur", version, runtime.Version())
	return nil
}
