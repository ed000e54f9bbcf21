package main

import (
	"fmt"
	"os"

	"facteur/internal/address"
	"facteur/preflight"
	"facteur/preflight/inspect"
	"facteur/sending"
	"facteur/sending/doctor"
	"facteur/worker"
)

// guard lets no campaign go that the preflight finds errors in.
func (a *App) guard(composer *worker.Composer, senders *sending.Store, dns *address.Resolver, checker *doctor.Checker) error {
	var words []inspect.Word
	if name := a.config.SpamWords; name != "" {
		text, err := os.ReadFile(name)
		if err == nil {
			words, err = inspect.ParseWords(string(text))
		}
		if err != nil {
			return fmt.Errorf("FACTEUR_SPAM_WORDS: %w", err)
		}
	}
	a.campaigns.AlsoStart(composer.Seed)
	a.campaigns.Guard(preflight.New(preflight.Options{
		Campaigns: a.campaigns, Senders: senders, DNS: dns, Doctor: checker, PublicURL: a.config.PublicURL, Words: words, Spamd: a.config.Spamd, Compose: composer.Sample,
	}))
	return nil
}
