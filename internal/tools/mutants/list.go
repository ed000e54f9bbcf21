package main

// mutant is a guard, and the program without it.
type mutant struct {
	law, guard string
	file       string
	old, new   string // the first old of the file
	pkg        string // of the test; "": the file's
	test       string // its name, as -run takes it
}

// mutants are the guards of the laws of docs/architecture.md.
func mutants() []mutant {
	const (
		door    = "^TestBegin_EachGuardAloneRefuses$"
		model   = "^TestDelivery_HoldsItsLawsUnderAnyInterleaving$"
		plan    = "^TestPlan_TwicePlansOnce$"
		letters = "^TestBegin_EachGuardAloneRefusesALetter$"
		terms   = "^TestBegin_HearsOfTermsThatHaveChanged$"
		cut     = "^TestBegin_ANoCutsNoMoreConnectionsThanAreOpen$"

		touch     = "tx.Touch(ctx, database.Terms)"
		untouched = "ctx.Err()"
	)
	return []mutant{
		{"1", "a batch that the queue has lost is offered again", "campaign/scheduler.go", "{\"offer again\", s.offerAgain},", "", "worker", "^TestQueue_AWorkerThatDiesBeforeItTookHoldsNothingUp$"},
		{"1", "offers have numbers", "worker/queue.go", `+":"+offer)`, `+":"+offer[:0])`, "", "^TestQueue_AWorkerThatDiesBeforeItTookHoldsNothingUp$"},
		{"1", "a batch is taken once", "campaign/batch.go", "(state = 'released' OR execution = ?)", "(1 = 1 OR execution = ?)", "campaign", model},
		{"2", "a page planned by what was read before is not planned again", "campaign/plan.go", "now.PlanAfter != c.PlanAfter ||", "", "", plan},
		{"2", "one delivery for each campaign and person", "migrations/0006_campaigns.sql", "    PRIMARY KEY (campaign_id, subscriber_id)", "    UNIQUE (campaign_id, subscriber_id, rank, batch_id, not_before, lists, settled_at, wait, status)", "campaign", plan},
		{"3", "begin: the campaign is being sent", "campaign/settle.go", "WHERE id = ? AND status = 'sending' AND NOT EXISTS", "WHERE id = ? AND NOT EXISTS", "worker", door},
		{"3", "begin: nothing is stopped", "campaign/settle.go", " AND NOT EXISTS (SELECT 1 FROM stops WHERE lifted_at = 0)", "", "worker", door},
		{"3", "begin: the batch is this execution's", "campaign/settle.go", "!found || n != executions[i].Execution", "!found", "worker", door},
		{"3", "begin: the batch is there", "campaign/settle.go", "!found || n != executions[i].Execution", "found && n != executions[i].Execution", "worker", door},
		{"3", "begin: the delivery is in this batch", "campaign/settle.go", "AND status = 'queued' AND batch_id = ? AND wait = 0`, len(attempts)", "AND status = 'queued' AND batch_id >= ? AND wait = 0`, len(attempts)", "worker", door},
		{"3", "begin: no breaker holds the lane or the domain", "worker/recorder.go", "!t.why.reread {", "true {", "", door},
		{"3", "begin: the person may be mailed", "worker/recorder.go", "if answers[i] == subscribers.Mailable {", "if true {", "", door},
		{"3", "begin: the person is not suppressed", "subscribers/mailable.go", "WHERE key = ? AND list_id IN (0, ?)", "WHERE key = ? AND list_id IN (-1, ?)", "worker", door},
		{"3", "begin: the person has not paused", "subscribers/mailable.go", "paused_until > ?", "paused_until > 9 * ?", "worker", door},
		{"3", "begin: not more often than the person wants", "campaign/frequency.go", "if n >= limit.most {", "if n > limit.most {", "worker", door},
		{"3", "begin: the day's cap has room", "worker/claims.go", "case capped && day.Room() == 0,", "case capped && day.Room() < 0,", "", door},
		{"3", "begin: the hour's limit has room", "worker/claims.go", "case ok && room.All == 0:", "case ok && room.All < 0:", "", door},
		{"3", "begin: the process is not written off", "worker/recorder.go", "|| !r.process.Alive() {", "{", "", "^TestBegin_OfAProcessThatIsWrittenOffIsRefused$"},
		{"3", "begin: terms are read anew when they have changed", "worker/terms.go", "k.mark == mark", "k.mark <= mark", "", terms},
		{"3", "begin: a limit that is set says so", "throttle/limit.go", touch, untouched, "worker", terms},
		{"3", "begin: a breaker says so", "throttle/breakers.go", touch, untouched, "worker", terms},
		{"3", "begin: a warm-up says so", "sending/warmup.go", touch, untouched, "worker", terms},
		{"3", "begin: who was released without a day waits once the domain warms up", "worker/claims.go", ", k.date == 0 && c.terms.warms[p.Lane.Domain]", "", "", terms},
		{"3", "a no is in turn with the begins", "internal/database/tx.go", "SELECT pg_advisory_xact_lock(7238)", "SELECT 7238", "campaign", "^TestBegin_IsInTurnWithWhatForbidsIt$"},
		{"3", "a begin is in turn with the noes", "internal/database/tx.go", "SELECT pg_advisory_xact_lock_shared(7238)", "SELECT 7238", "campaign", "^TestBegin_IsInTurnWithWhatForbidsIt$"},
		{"3", "an open envelope is taken back by the end of the connection", "sending/smtp/conn.go", "c.withdrawn = true\n\tc.drop()", "c.withdrawn = true\n\tc.dead = true\n\t_ = c.client.Quit()", "", "^TestConnection_"},
		{"3", "a begin too old is not written", "sending/smtp/conn.go", "if c.stale() {", "if c.stale() && c.dead {", "", "^TestConnection_"},
		{"3", "what was refused opens no further envelopes", "worker/refusals.go", "d.batch.refused.Store(true)", "_ = d", "", cut},
		{"3", "a batch that is over opens no envelopes", "worker/delivery.go", "if !d.batch.goOn() {", "if d.batch.ctx.Err() != nil {", "", cut},
		{"3", "one who left makes the others be asked", "worker/batch.go", "if b.suspicious() {", "if b.suspicious() && b.ctx.Err() != nil {", "", cut},
		{"4", "an accept settles its own attempt", "campaign/settle.go", "AND attempts = ? AND status = 'sending'`, len(plain)", "AND attempts <> -? AND status = 'sending'`, len(plain)", "campaign", "^TestSettle_IsKeyedByTheAttempt$"},
		{"4", "any other answer settles its own attempt", "campaign/settle.go", "AND status = ? AND attempts = ? AND (batch_id", "AND status = ? AND attempts <> -? AND (batch_id", "campaign", "^TestSettle_IsKeyedByTheAttempt$"},
		{"4", "a late accept is of an attempt that was made", "campaign/late.go", "return d.Attempts >= v.Attempt", "return d.Attempts >= 0", "campaign", "^TestSettle_IsKeyedByTheAttempt$"},
		{"4", "a late accept ends a doubt", "campaign/late.go", "return d.Attempts >= v.Attempt", "return d.Attempts < 0", "campaign", "^TestSettle_TakesALateAnswerWhereverTheDoubtIs$"},
		{"5", "a second doubt waits for a person", "campaign/retry.go", `|| d.Doubts >= 1 {`, `{`, "worker", "^TestWorker_TwoDoubtsAreNeverResentByMachine$"},
		{"5", "a campaign's doubts are held where it says so", "campaign/retry.go", `onUncertain == "hold" || `, "", "worker", "^TestWorker_HoldsDoubtsWhenTheCampaignSaysSo$"},
		{"5", "five doubts in a row rest the relay", "sending/health.go", "s.doubts >= doubtsInARow", "s.doubts > doubtsInARow", "", "^TestStreak_"},
		{"5", "doubts of a relay that swallows are held", "sending/health.go", "Hold: probing || often", "Hold: false", "", "^TestStreak_"},
		{"6", "a no that was not written is not told as done", "unsubscribe/optout.go", "\tif err != nil {\n\t\treturn fmt.Errorf(\"opt out: %w\", err)\n\t}", "\t_, _ = err, fmt.Errorf", "", "^TestOptOut_IsNotToldWhenItIsNotDurable$"},
		{
			"6", "a no is written before it is answered", "unsubscribe/optout.go", "\tif err := o.db.Write(ctx, func(tx *database.Tx) error { return change(ctx, tx) }); err != nil {\n\t\treturn err\n\t}",
			"\tgo func() { _ = o.db.Write(context.WithoutCancel(ctx), func(tx *database.Tx) error { return change(ctx, tx) }) }()", "", "^TestOptOut_TakesEffectAtOnceAndOnce$",
		},
		{"6", "a no is in turn with what brings people", "internal/database/order.go", "SELECT pg_advisory_xact_lock(7239)", "SELECT 7239", "subscribers", "^TestOrder_"},
		{"6", "what brings people is in turn with the noes", "internal/database/order.go", "SELECT pg_advisory_xact_lock_shared(7239)", "SELECT 7239", "subscribers", "^TestOrder_"},
		{"7", "what is about us is never held against the person", "sending/outcome.go", "if o.Class = class(r); o.AboutUs() {", "if o.Class = class(r); false {", "", "^TestJudge_"},
		{"7", "three soft bounces suppress only over 21 days", "feedback/policy.go", "newest-first < softSpan.Milliseconds()", "newest < first", "worker", "^TestFeedback_ThreeSoftBouncesSuppressOnlyOverThreeWeeks$"},
		{"7", "fewer than three soft bounces suppress nobody", "feedback/policy.go", "n < softCampaigns ||", "n < 1 ||", "worker", "^TestFeedback_SoftBouncesCountByCampaignAndDecay$"},
		{"7", "a canary stops at one dead address in twenty", "campaign/canary.go", "canaryBounces = 0.05", "canaryBounces = 0.06", "", "^TestCanary_FailsFromOneDeadAddressInTwenty$"},
		{"7", "a canary stops at one refusal in four", "campaign/canary.go", "canaryRefused = 0.25", "canaryRefused = 0.26", "", "^TestCanary_FailsFromOneDeadAddressInTwenty$"},
		{"7", "five complaints in five thousand pause", "throttle/breaker.go", "{Tripped, 0.001, 5}", "{Tripped, 0.002, 5}", "", "^TestJudge_"},
		{"8", "the table of imports", "cmd/facteur/layout_test.go", `"sending/dkim":    {},`, `"sending/dkim":    {"sending/smtp"},`, "", "^TestLayout_"},
		{"9", "begin: the letter is this execution's", "sending/letter_take.go", "WHERE id = ? AND execution = ? AND session <> 0 AND (status = 'queued' OR", "WHERE id = ? AND execution <> -? AND session <> 0 AND (status = 'queued' OR", "worker", letters},
		{"9", "begin: the letter was not given back", "sending/letter_take.go", "WHERE id = ? AND execution = ? AND session <> 0 AND (status = 'queued' OR", "WHERE id = ? AND execution = ? AND (status = 'queued' OR", "worker", letters},
		{"9", "begin: nothing is stopped for letters", "worker/letter_record.go", "!errors.Is(err, database.ErrNotFound) {", "err != nil && !errors.Is(err, database.ErrNotFound) {", "", letters},
		{"9", "begin: the addressee may have this kind", "worker/letter_record.go", "if pass[i] && !t.why.reread {", "if !t.why.reread {", "", letters},
		{"9", "begin: no breaker holds an invitation's lane", "worker/letter_record.go", `brakes.Held(mails[i].lane) != ""`, "false", "", letters},
		{"9", "begin: the invitations' share has room", "worker/claims.go", "case capped && invitation && day.ForInvitations() == 0:", "case capped && invitation && day.ForInvitations() < 0:", "", letters},
		{"9", "a kind says which noes it passes", "worker/letter_gate.go", "if !passes(l.Kind, no) {", "if false {", "", "^TestLetters_AskTheLastGate$"},
		{"9", "a no since the asking outweighs it", "worker/letter_gate.go", "return !no.Since && said(", "return said(", "", "^TestLetters_AskTheLastGate$"},
		{"9", "a letter's second doubt waits for a person", "sending/letter_take.go", "wait = CASE WHEN doubts = 0 THEN 2 ELSE 3 END", "wait = 2", "", "^TestLetter_"},
		{"9", "a late accept ends a letter's doubt", "sending/letter_take.go", "OR ? AND attempts >= ? AND doubts > 0 AND status <> 'sent')", "OR ? AND attempts >= ? AND doubts > 9 AND status <> 'sent')", "", "^TestLetter_"},
		{"9", "a letter's answer settles its own attempt", "sending/letter_take.go", "OR ? AND attempts = ? AND (status = 'sending'", "OR ? AND attempts <> -? AND (status = 'sending'", "", "^TestLetter_"},
		{"9", "a sender whose relays take nothing is passed over", "sending/letter_due.go", "if !ways.open(sender) {", "if false {", "", "^TestDueLetters_"},
		{"9", "a link is good when it comes", "worker/letter_gate.go", "0 <= age && age < linksFor", "true", "", "^TestLetters_ComeWithALinkThatIsGood$"},
		{"10", "each transaction of the leader renews its fence", "campaign/scheduler.go", "if err := lease.Renew(ctx, tx); err != nil {", "if err := ctx.Err(); err != nil {", "", "^TestScheduler_ChangesNothingOnceAnotherLeads$"},
		{"10", "a lease is of one fence", "internal/database/lease.go", "AND holder = ? AND fence = ?`", "AND holder <> -? AND fence <> -?`", "", "^TestLease_"},
		{"10", "the data folder is one process's", "cmd/facteur/lock.go", "syscall.LOCK_EX|syscall.LOCK_NB", "syscall.LOCK_SH|syscall.LOCK_NB", "", "^TestLock_"},
		{"10", "commits are durable on SQLite", "internal/database/sqlite.go", "_synchronous=FULL", "_synchronous=NORMAL", "", "^TestSQLite_CommitsAreDurable$"},
		{"10", "commits are durable on PostgreSQL", "internal/database/postgres.go", `case commit == "off":`, `case commit == "never":`, "", "^TestOpen_"},
		{"11", "a batch whose permits are far away goes back", "worker/batch.go", "wait > throttle.Horizon {", "wait > 1000*throttle.Horizon {", "", "^TestBatch_WaitsForLongElsewhere$"},
		{"11", "what is early by our clock goes back after a pause", "worker/skew.go", "earlyPause = time.Second", "earlyPause = 0", "", "^TestSkew_"},
		{"12", "what cannot be taken back rests while the clock may be wrong", "campaign/duty.go", "if d.Final {", "if false {", "", "^TestScheduler_FinalDutiesRestWhileTheClockMayBeWrong$"},
		{"12", "a jump launches nothing", "campaign/scheduler.go", "return s.watch.Sure(s.store.db.Now())", "return s.store.db.Now()", "", "^TestScheduler_AJumpLaunchesNothing$"},
		{"12", "a jump gives nobody up", "campaign/retry.go", " && p.Watch.Steady() == nil", "", "", "^TestPatience_NobodyIsGivenUpByAJump$"},
		{"–", "permits are void soon after their time", "throttle/limiter.go", "return p.Every > 0 && now-p.At(i) > p.Late(connections)", "return false", "", "^TestPermits_AreVoidAfterTheMachineHasSlept$"},
		{"–", "a person handed over before a no is asked about", "worker/delivery.go", "w.recorder.refusals.people.Load() > d.asked)", "d.batch.suspicious())", "", cut},
		{"–", "a batch that panicked goes back", "worker/batch.go", "notBefore, err := b.survive()", "notBefore, err := b.execute()", "", "^TestPanic_InABatch"},
		{"–", "a message that panicked ends nobody else", "sending/smtp/survive.go", "(out []byte, err error) {\n\tdefer panics.Catch(&err)", "(out []byte, err error) {", "", "^TestConnection_WithdrawsAMailWhoseMakingPanics"},
		{"–", "the third panic pauses the campaign", "campaign/panicked.go", "if n < panicsMost {", "if n < 1000 {", "worker", "^TestPanic_InABatch"},
	}
}
