package api

import "net/http"

const (
	get  = http.MethodGet
	post = http.MethodPost
	put  = http.MethodPut
	del  = http.MethodDelete
)

// table is the table of contents: method, path, scope, what it does, handler.
func (c *calls) table() []route {
	return []route{
		{get, "/lists", "lists:read", "All lists", read(c, c.lists)},
		{post, "/lists", "lists:write", "Make a list", create(c, c.createList)},
		{get, "/lists/{id}", "lists:read", "One list with its sizes", read(c, c.list)},
		{put, "/lists/{id}", "lists:write", "Replace a list's settings", read(c, c.updateList)},
		{get, "/lists/{id}/wordings", "lists:read", "All versions of the words that people agree to", read(c, c.wordings)},
		{post, "/lists/{id}/wordings", "lists:write", "Add a version of the words", create(c, c.addWording)},
		{post, "/lists/{id}/reconfirm", "subscribers:write", "Ask people whose yes is old for it again, in their turn", answered(c, http.StatusAccepted, c.reconfirm)},
		{post, "/lists/{id}/hygiene", "subscribers:read", "Begin a report on the addresses of a list", act(c, c.examine)},
		{get, "/hygiene/{id}", "subscribers:read", "A report on a list", read(c, c.hygiene)},
		{post, "/lists/{id}/hygiene/decide", "subscribers:write", "Do something about the people of a finding", answered(c, http.StatusOK, c.decide)},

		{get, "/lists/{id}/subscribers", "subscribers:read", "The people of a list", read(c, c.listSubscribers)},
		{post, "/lists/{id}/subscribers", "subscribers:write", "Bring one person to a list", change(c, http.StatusCreated, c.subscribe, c.LettersNudge)},
		{post, "/lists/{id}/imports", "subscribers:write", "Bring a CSV or JSON Lines file of people to a list", c.csv},
		{get, "/imports/{id}", "subscribers:read", "How far an import has come", read(c, c.importStatus)},
		{get, "/imports/{id}/refused", "subscribers:read", "The refused rows of an import, as a file to mend", filed(c, "CSV, or JSON Lines if the import was.", "text/csv", c.refusals)},
		{get, "/subscribers", "subscribers:read", "All people, or the one with an address", read(c, c.subscribers)},
		{get, "/subscribers/{id}", "subscribers:read", "One person with their subscriptions", read(c, c.subscriber)},
		{put, "/subscribers/{id}/tracking", "subscribers:write", "Note whether a person lets us see what they open and follow", read(c, c.setTracking)},
		{del, "/subscribers/{id}", "privacy:write", "Erase all that is held about one person", read(c, c.erase)},
		{get, "/subscribers/{id}/export", "privacy:read", "All that is held about one person", filed(c, "JSON, or a page for reading.", "application/json", c.dossier)},
		{get, "/subscribers/{id}/consents", "privacy:read", "What one person said, and how we know", read(c, c.consents)},
		{get, "/subscribers/{id}/consent-proof", "privacy:read", "The same as a file that facteur verify-proof checks", read(c, c.consentProof)},
		{get, "/subscribers/{id}/history", "privacy:read", "What happened to one person, and why", read(c, c.history)},

		{get, "/consent-ledger", "privacy:read", "The consent ledger: its head, its keys, its last check", read(c, c.ledger)},
		{post, "/consent-ledger/check", "privacy:read", "Go through the whole chain now", answered(c, http.StatusOK, c.checkLedger)},
		{get, "/retention", "privacy:read", "For how many days things are kept", read(c, c.retention)},
		{put, "/retention", "privacy:write", "Replace how long things are kept", read(c, c.setRetention)},
		{get, "/retention/runs", "privacy:read", "What was removed, day by day", read(c, c.retentionRuns)},
		{get, "/register", "privacy:read", "Register of processing (GDPR art. 30)", filed(c, "JSON, or a page for reading.", "application/json", c.register)},
		{post, "/keys/rotate", "keys:write", "Sign links with a new key from now on; old links stay good", answered(c, http.StatusCreated, c.rotateKeys)},

		{get, "/suppressions", "suppressions:read", "Addresses that are not mailed", read(c, c.suppressions)},
		{post, "/suppressions", "suppressions:write", "Never mail an address again", create(c, c.suppress)},
		{del, "/suppressions", "suppressions:write", "Let an address be mailed again", read(c, c.unsuppress)},
		{post, "/suppressions/undo", "suppressions:write", "Undo a wrong day: all of a source or reason in a span of time", answered(c, http.StatusOK, c.undoSuppressions)},
		{get, "/suppressions/export", "suppressions:read", "The same as a file", filed(c, "CSV.", "text/csv", c.exportSuppressions)},
		{post, "/suppressions/import", "suppressions:write", "Never mail the addresses of a file again", c.suppressFile},
		{get, "/unsubscribes", "subscribers:read", "Who left, by which way, why, and how soon it was honoured", read(c, c.leavings)},
		{post, "/segments/preview", "subscribers:read", "Whom a segment means: how many, and the first few", answered(c, http.StatusOK, c.reach)},

		{post, "/feedback/messages", "feedback:write", "Take in a mail that came back", c.mails},
		{get, "/feedback", "feedback:read", "What came back, newest first", read(c, c.feedback)},
		{get, "/feedback/hooks", "feedback:read", "The doors for providers' webhooks", read(c, c.hooks)},
		{post, "/feedback/hooks", "feedback:write", "Open a door for a provider's webhook", create(c, c.createHook)},
		{del, "/feedback/hooks/{id}", "feedback:write", "Close a door", read(c, c.deleteHook)},
		{get, "/complaints/rates", "feedback:read", "Bounces and complaints by campaign, domain, provider and day", read(c, c.rates)},
		{put, "/complaints/external", "feedback:write", "Put in a complaint rate seen elsewhere", read(c, c.putExternalRate)},

		{get, "/webhooks", "webhooks:read", "Who is told by HTTP what happens", read(c, c.webhooks)},
		{post, "/webhooks", "webhooks:write", "Let an address be told what happens", create(c, c.createWebhook)},
		{del, "/webhooks/{id}", "webhooks:write", "Tell an address nothing more", read(c, c.deleteWebhook)},
		{get, "/webhooks/{id}/dead", "webhooks:read", "What could not be told", read(c, c.deadCalls)},
		{post, "/webhooks/{id}/retry", "webhooks:write", "Tell again what could not be told", act(c, c.retryWebhook)},

		{get, "/relays", "relays:read", "All relays", read(c, c.relays)},
		{post, "/relays", "relays:write", "Add a relay", create(c, c.createRelay)},
		{get, "/relays/{id}", "relays:read", "One relay and how it is doing", read(c, c.relay)},
		{put, "/relays/{id}", "relays:write", "Replace a relay's settings, and let it work again", read(c, c.mendRelay)},
		{post, "/relays/{id}/test", "relays:write", "Speak to a relay and report each step; nothing is sent", read(c, c.testRelay)},
		{post, "/relays/{id}/resume", "relays:write", "Let a stopped or resting relay work again", act(c, c.resumeRelay, c.Nudge)},
		{get, "/domains", "domains:read", "All sending domains", read(c, c.domains)},
		{post, "/domains", "domains:write", "Add a sending domain", create(c, c.createDomain)},
		{get, "/domains/{id}", "domains:read", "One sending domain", read(c, c.domain)},
		{get, "/domains/{id}/check", "domains:read", "Examine a sending domain now: SPF, DKIM, DMARC, MX, PTR, block lists, relays", read(c, c.checkDomain)},
		{post, "/domains/{id}/probe", "domains:write", "Mail the domain's return path, to see whether that comes home", act(c, c.probeDomain, c.LettersNudge)},
		{put, "/domains/{id}/dkim", "domains:write", "Choose whether facteur signs a domain's mail or its relays do", read(c, c.setDKIM)},
		{post, "/domains/{id}/dkim/rotate", "domains:write", "Make new DKIM keys, to be published before they sign", create(c, c.rotateDKIM)},
		{post, "/domains/{id}/dkim/activate", "domains:write", "Sign with the new keys, once they are published", prepared(c, http.StatusAccepted, c.activateDKIM)},
		{get, "/senders", "senders:read", "All senders", read(c, c.senders)},
		{post, "/senders", "senders:write", "Add a sender", create(c, c.createSender)},
		{get, "/throttles", "throttles:read", "All limits that are set", read(c, c.throttles)},
		{get, "/throttles/{scope}", "throttles:read", "The limits of a scope", read(c, c.throttle)},
		{put, "/throttles/{scope}", "throttles:write", "Replace the limits of a scope", read(c, c.setThrottle)},
		{del, "/throttles/{scope}", "throttles:write", "Remove the limits of a scope, so that wider ones hold", read(c, c.dropThrottle)},
		{get, "/lanes", "throttles:read", "What holds now between each sending domain and provider", read(c, c.lanes)},
		{post, "/lanes/{domain}/{provider}/resume", "throttles:write", "Let a lane that a provider's answers have slowed go at its pace, with a reason", act(c, c.resumeLane, c.Nudge)},
		{get, "/breakers", "throttles:read", "What complaints and bounces have slowed or stopped", read(c, c.breakers)},
		{post, "/breakers/{scope}/resume", "throttles:write", "Let a lane or a domain go again, with a reason", read(c, c.resumeBreaker)},
		{get, "/warmups", "throttles:read", "How the sending domains warm up", read(c, c.warmups)},
		{get, "/warmups/{domain}", "throttles:read", "How one domain warms up, with its history", read(c, c.warmup)},
		{put, "/warmups/{domain}", "throttles:write", "Choose a domain's ramp", read(c, c.setWarmup)},

		{get, "/campaigns", "campaigns:read", "All campaigns, newest first", read(c, c.campaigns)},
		{post, "/campaigns", "campaigns:write", "Draft a campaign", create(c, c.createCampaign)},
		{get, "/campaigns/{id}", "campaigns:read", "One campaign with its books", read(c, c.campaign)},
		{put, "/campaigns/{id}", "campaigns:write", "Replace a draft", read(c, c.updateCampaign)},
		{get, "/campaigns/{id}/files", "campaigns:read", "The files of a campaign", read(c, c.files)},
		{post, "/campaigns/{id}/files", "campaigns:write", "Attach a file to a campaign's mails, show it in them, or host it", c.upload},
		{del, "/campaigns/{id}/files/{file}", "campaigns:write", "Take a file away", read(c, c.deleteFile)},
		{post, "/campaigns/{id}/forecast", "campaigns:read", "When the campaign would end, day by day and provider by provider", read(c, c.forecast)},
		{post, "/campaigns/{id}/preflight", "campaigns:read", "May this campaign go? All that is found about it, by code", read(c, c.preflight)},
		{get, "/campaigns/{id}/preflight", "campaigns:read", "What was found at the launch, and what was acknowledged", read(c, c.keptPreflight)},
		{post, "/campaigns/{id}/launch", "campaigns:write", "Check, freeze and start a campaign", prepared(c, http.StatusAccepted, c.launch, c.Nudge)},
		{post, "/campaigns/{id}/pause", "campaigns:write", "Let nothing more of a campaign begin", act(c, c.pause)},
		{post, "/campaigns/{id}/resume", "campaigns:write", "Let a paused campaign go on", act(c, c.resume, c.Nudge)},
		{post, "/campaigns/{id}/cancel", "campaigns:write", "End a campaign", act(c, c.cancel, c.Nudge)},
		{post, "/campaigns/{id}/resend-failed", "campaigns:write", "Send again to the failed and the held", answered(c, http.StatusAccepted, c.resendFailed)},
		{post, "/campaigns/{id}/test", "campaigns:write", "Mail a campaign to addresses of your own", prepared(c, http.StatusAccepted, c.test, c.LettersNudge)},
		{post, "/campaigns/{id}/preview", "campaigns:read", "A campaign as a person would get it", answered(c, http.StatusOK, c.preview)},
		{get, "/campaigns/{id}/letters", "campaigns:read", "The test mails of a campaign, newest first", read(c, c.letters)},
		{get, "/letters/held", "campaigns:read", "One-off mails in doubt that wait for a person's word", read(c, c.heldLetters)},
		{post, "/letters/{id}/resend", "campaigns:write", "Send a held one-off mail once more", act(c, c.resendLetter, c.LettersNudge)},
		{get, "/campaigns/{id}/deliveries", "campaigns:read", "What became of each message", read(c, c.deliveries)},
		{get, "/campaigns/{id}/interactions", "campaigns:read", "Links followed and mails opened, of those who agreed to be watched", read(c, c.interactions)},
		{get, "/campaigns/{id}/events", "campaigns:read", "Counts and rate, live", c.live},

		{get, "/templates", "campaigns:read", "What a campaign may start from, in each language", read(c, c.templates)},
		{get, "/templates/{name}", "campaigns:read", "One starting template with its HTML and text", read(c, c.template)},

		{get, "/stop", "stop:read", "Is everything stopped?", read(c, c.stopped)},
		{post, "/stop", "stop:write", "The red button: nothing begins anywhere", act(c, c.stopAll)},
		{del, "/stop", "stop:write", "Let mail go again", read(c, c.liftStop)},

		{get, "/status", "status:read", "How things are: processes, relays, campaigns under way", read(c, c.status)},
		{post, "/clock/confirm", "stop:write", "Say that the clock is right, after it was doubted, with a reason", change(c, http.StatusOK, c.confirmClock, c.lookAtClock)},

		{get, "/tokens", "tokens:read", "All tokens, without their secrets", read(c, c.tokens)},
		{post, "/tokens", "tokens:write", "Make a token", create(c, c.createToken)},
		{del, "/tokens/{id}", "tokens:write", "Revoke a token", read(c, c.revokeToken)},
	}
}
