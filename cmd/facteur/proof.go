package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"facteur/subscribers/consent"
)

type verifyProofCmd struct {
	File string   `arg:"" help:"What GET /subscribers/{id}/consent-proof answered; - is standard input." placeholder:"FILE"`
	Key  []string `help:"Public key of the sender, as GET /consent-ledger shows it and the sender publishes it; may be given several times. Without it the keys of the seals are printed, to be compared." placeholder:"HEX"`
}

func (verifyProofCmd) Help() string {
	return "Example:\n  facteur verify-proof proof.json\n\nIt needs neither the database nor the network."
}

// maxProof bounds the file.
const maxProof = 64 << 20

// Run prints what the person said, and fails when the file is not what was sealed.
func (v verifyProofCmd) Run(*Config) error {
	in := os.Stdin
	if v.File != "-" {
		var err error
		if in, err = os.Open(v.File); err != nil {
			return err
		}
		defer func() { _ = in.Close() }() // it was only read
	}
	var p consent.Proof
	if err := json.NewDecoder(io.LimitReader(in, maxProof)).Decode(&p); err != nil {
		return fmt.Errorf("%s is no consent proof: %w", v.File, err)
	}
	return v.report(os.Stdout, p)
}

func (v verifyProofCmd) report(to io.Writer, p consent.Proof) error {
	found := p.Verify(v.Key...)
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(to, format+"\n", args...) }
	if p.Person == nil {
		say("person: erased")
	} else {
		say("person: %s (number %d)", p.Person.Email, p.Person.SubscriberID)
	}
	for _, e := range p.Entries {
		var said consent.Said
		_ = json.Unmarshal(e.Statement, &said) // what cannot be read is shown as nothing said
		details := "no details"
		if len(e.Evidence) > 0 {
			details = string(e.Evidence)
		} else if e.EvidenceHash != "" {
			details = "details erased"
		}
		list := e.List
		if list == "" {
			list = fmt.Sprint("list ", e.ListID)
		}
		say("%s  %-9s %s  %s, source %q, wording %q, %s", time.UnixMilli(e.StatedAt).UTC().Format(time.RFC3339), e.Act, list, e.Basis, said.Source, said.Wording, details)
	}
	say("%d rows proven, %d not sealed yet, %d with erased details", found.Entries, found.Unsealed, found.Erased)
	for _, key := range found.Keys {
		if len(v.Key) > 0 {
			say("sealed with the given key %s", key)
		} else {
			say("sealed with the key %s: compare it with the one that the sender publishes", key)
		}
	}
	for _, f := range found.Faults {
		say("WRONG: %s", f)
	}
	if len(found.Faults) > 0 {
		return fmt.Errorf("this is not what was sealed: %d faults", len(found.Faults))
	}
	return nil
}
