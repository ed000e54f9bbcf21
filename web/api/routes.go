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

		{get, "/lists/{id}/subscribers", "subscribers:read", "The people of a list", read(c, c.listSubscribers)},
		{post, "/lists/{id}/subscribers", "subscribers:write", "Bring one person to a list", create(c, c.subscribe)},
		{post, "/lists/{id}/imports", "subscribers:write", "Bring a CSV file of people to a list", c.csv},
		{get, "/imports/{id}", "subscribers:read", "How far an import has come", read(c, c.importStatus)},
		{get, "/subscribers", "subscribers:read", "All people, or the one with an address", read(c, c.subscribers)},
		{get, "/subscribers/{id}", "subscribers:read", "One person with their subscriptions", read(c, c.subscriber)},

		{get, "/relays", "relays:read", "All relays", read(c, c.relays)},
		{post, "/relays", "relays:write", "Add a relay", create(c, c.createRelay)},
		{get, "/relays/{id}", "relays:read", "One relay and how it is doing", read(c, c.relay)},
		{put, "/relays/{id}", "relays:write", "Replace a relay's settings, and let it work again", read(c, c.mendRelay)},
		{post, "/relays/{id}/test", "relays:write", "Speak to a relay and report each step; nothing is sent", read(c, c.testRelay)},
		{post, "/relays/{id}/resume", "relays:write", "Let a stopped or resting relay work again", act(c, c.resumeRelay, c.Nudge)},
		{get, "/domains", "domains:read", "All sending domains", read(c, c.domains)},
		{post, "/domains", "domains:write", "Add a sending domain", create(c, c.createDomain)},
		{get, "/senders", "senders:read", "All senders", read(c, c.senders)},
		{post, "/senders", "senders:write", "Add a sender", create(c, c.createSender)},
		{get, "/throttles/{scope}", "throttles:read", "The limits of a scope", read(c, c.throttle)},
		{put, "/throttles/{scope}", "throttles:write", "Replace the limits of a scope", read(c, c.setThrottle)},

		{get, "/campaigns", "campaigns:read", "All campaigns, newest first", read(c, c.campaigns)},
		{post, "/campaigns", "campaigns:write", "Draft a campaign", create(c, c.createCampaign)},
		{get, "/campaigns/{id}", "campaigns:read", "One campaign with its books", read(c, c.campaign)},
		{put, "/campaigns/{id}", "campaigns:write", "Replace a draft", read(c, c.updateCampaign)},
		{post, "/campaigns/{id}/launch", "campaigns:write", "Freeze and start a campaign", act(c, c.launch, c.Nudge)},
		{post, "/campaigns/{id}/pause", "campaigns:write", "Let nothing more of a campaign begin", act(c, c.pause)},
		{post, "/campaigns/{id}/resume", "campaigns:write", "Let a paused campaign go on", act(c, c.resume, c.Nudge)},
		{post, "/campaigns/{id}/cancel", "campaigns:write", "End a campaign", act(c, c.cancel, c.Nudge)},
		{post, "/campaigns/{id}/resend-failed", "campaigns:write", "Send again to the failed and the held", answered(c, http.StatusAccepted, c.resendFailed)},
		{post, "/campaigns/{id}/test", "campaigns:write", "Mail a campaign to addresses of your own", prepared(c, http.StatusAccepted, c.test, c.LettersNudge)},
		{get, "/campaigns/{id}/letters", "campaigns:read", "The test mails of a campaign, newest first", read(c, c.letters)},
		{get, "/campaigns/{id}/deliveries", "campaigns:read", "What became of each message", read(c, c.deliveries)},
		{get, "/campaigns/{id}/events", "campaigns:read", "Counts and rate, live", c.live},

		{get, "/stop", "stop:read", "Is everything stopped?", read(c, c.stopped)},
		{post, "/stop", "stop:write", "The red button: nothing begins anywhere", act(c, c.stopAll)},
		{del, "/stop", "stop:write", "Let mail go again", read(c, c.liftStop)},

		{get, "/status", "status:read", "How things are: processes, relays, campaigns under way", read(c, c.status)},

		{get, "/tokens", "tokens:read", "All tokens, without their secrets", read(c, c.tokens)},
		{post, "/tokens", "tokens:write", "Make a token", create(c, c.createToken)},
		{del, "/tokens/{id}", "tokens:write", "Revoke a token", read(c, c.revokeToken)},
	}
}
