package main

// mutant is a guard, and the program without it.
type mutant struct {
	law, guard string
	file       string
	old, new   string // the first old of the file
	pkg        string // of the test; "": the file's
	test       string // its name, as -run takes it
	engine     string // on which it is tried; "": SQLite, unless the guard shows on PostgreSQL alone
}

// mutants are the guards of the laws of docs/architecture.md.
func mutants() []mutant { return append(ofMails(), ofGround()...) }

// Tests that name several guards.
const (
	door    = "^TestBegin_EachGuardAloneRefuses$"
	plan    = "^TestPlan_TwicePlansOnce$"
	letters = "^TestBegin_EachGuardAloneRefusesALetter$"
	terms   = "^TestBegin_HearsOfTermsThatHaveChanged$"
	cut     = "^TestBegin_ANoCutsNoMoreConnectionsThanAreOpen$"

	touch     = "tx.Touch(ctx, database.Terms)"
	untouched = "ctx.Err()"
)
