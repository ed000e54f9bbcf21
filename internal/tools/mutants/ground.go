package main

// ofGround are the guards of laws 6 to 12: people's words, letters, the ground and time.
func ofGround() []mutant {
	return []mutant{
		{
			law: "6", guard: "a no that was not written is not told as done", file: "unsubscribe/optout.go",
			old: "\tif err != nil {\n\t\treturn fmt.Errorf(\"opt out: %w\", err)\n\t}", new: "\t_, _ = err, fmt.Errorf",
			test: "^TestOptOut_IsNotToldWhenItIsNotDurable$",
		},
		{
			law: "6", guard: "a no is written before it is answered", file: "unsubscribe/optout.go",
			old:  "\tif err := o.db.Write(ctx, func(tx *database.Tx) error { return change(ctx, tx) }); err != nil {\n\t\treturn err\n\t}",
			new:  "\tgo func() { _ = o.db.Write(context.WithoutCancel(ctx), func(tx *database.Tx) error { return change(ctx, tx) }) }()",
			test: "^TestOptOut_TakesEffectAtOnceAndOnce$",
		},
		{
			law: "6", guard: "a no is in turn with what brings people", file: "internal/database/order.go",
			old: "SELECT pg_advisory_xact_lock(7239)", new: "SELECT 7239",
			pkg: "subscribers", test: "^TestOrder_", engine: postgres,
		},
		{
			law: "6", guard: "what brings people is in turn with the noes", file: "internal/database/order.go",
			old: "SELECT pg_advisory_xact_lock_shared(7239)", new: "SELECT 7239",
			pkg: "subscribers", test: "^TestOrder_", engine: postgres,
		},
		{
			law: "6", guard: "a no by one click needs no form", file: "web/recipient/leave.go",
			old: `form.Get("from") != "page"`, new: `form.Get("List-Unsubscribe") == "One-Click"`,
			test: "^TestOneClick_",
		},
		{
			law: "6", guard: "who has said no may hang up", file: "web/recipient/leave.go",
			old: "context.WithoutCancel(r.Context())", new: "r.Context()",
			test: "^TestLeave_HoldsWhenTheSenderHangsUp$",
		},
		{
			law: "6", guard: "looking at the page changes nothing", file: "web/recipient/leave.go",
			old:  "words := d.words.of(r, r.URL.Query()",
			new:  "_ = d.OptOut.Leave(r.Context(), unsubscribe.Word{Reference: ref}, lists)\n\twords := d.words.of(r, r.URL.Query()",
			test: "^TestGETAndHEAD_",
		},
		{
			law: "6", guard: "a leaving is in the ledger", file: "subscribers/subscription.go",
			old: "if err := consent.Record(ctx, tx, entries); err != nil {",
			new: "if err := consent.Record(ctx, tx, entries[:0]); err != nil {",
			pkg: "web/recipient", test: "^TestOneClick_",
		},
		{
			law: "6", guard: "who left is not brought back by an import", file: "subscribers/subscription.go",
			old: "case s.Left() && !(renewed", new: "case s.Left() && s.LeftAt < 0 && !(renewed",
			test: "^TestOrder_ALeaving",
		},
		{
			law: "6", guard: "an import brings no suppressed person", file: "subscribers/enroll.go",
			old: "for _, k := range append(keys, erased...) {", new: "for _, k := range erased {",
			test: "^TestOrder_AListsSuppression",
		},
		{
			law: "6", guard: "an import brings no erased person", file: "subscribers/enroll.go",
			old: "append(keys, erased...)", new: "append(keys, erased[:0]...)",
			test: "^TestOrder_AnErasure",
		},
		{
			law: "6", guard: "an erasure is in turn with what brings people", file: "subscribers/erase.go",
			old: "if err := tx.No(ctx); err != nil {", new: "if err := ctx.Err(); err != nil {",
			test: "^TestOrder_AnErasure", engine: postgres,
		},
		{
			law: "6", guard: "a suppression is in turn with what brings people", file: "subscribers/suppression.go",
			old: "if err := tx.No(ctx); err != nil {", new: "if err := ctx.Err(); err != nil {",
			test: "^TestOrder_AListsSuppression", engine: postgres,
		},
		{
			law: "6", guard: "an erased address is remembered", file: "subscribers/erase.go",
			old: "if err := st.bury(ctx, tx, p.Key); err != nil {", new: "if err := ctx.Err(); err != nil {",
			test: "^TestOrder_AnErasure",
		},
		{
			law: "6", guard: "two who speak for a person do so in turn", file: "internal/database/order.go",
			old: "query+` FOR UPDATE`", new: "query",
			pkg: "subscribers", test: "^TestOrder_", engine: postgres,
		},
		{
			law: "6", guard: "the ledger is append-only", file: "migrations/0010_append_only.sqlite.sql",
			old: "BEFORE DELETE ON consents BEGIN SELECT RAISE(ABORT, 'the consent ledger is append-only'); END",
			new: "BEFORE DELETE ON consents BEGIN SELECT 1; END",
			pkg: "subscribers/consent", test: "^TestRecord_OnlyEverAdds$",
		},
		{
			law: "7", guard: "what is about us is never held against the person", file: "sending/outcome.go",
			old: "if o.Class = class(r); o.AboutUs() {", new: "if o.Class = class(r); false {",
			test: "^TestJudge_",
		},
		{
			law: "7", guard: "three soft bounces suppress only over 21 days", file: "feedback/policy.go",
			old: "newest-first < softSpan.Milliseconds()", new: "newest < first",
			pkg: "worker", test: "^TestFeedback_ThreeSoftBouncesSuppressOnlyOverThreeWeeks$",
		},
		{
			law: "7", guard: "fewer than three soft bounces suppress nobody", file: "feedback/policy.go",
			old: "n < softCampaigns ||", new: "n < 1 ||",
			pkg: "worker", test: "^TestFeedback_SoftBouncesCountByCampaignAndDecay$",
		},
		{
			law: "7", guard: "a canary stops at one dead address in twenty", file: "campaign/canary.go",
			old: "canaryBounces = 0.05", new: "canaryBounces = 0.06",
			test: "^TestCanary_FailsFromOneDeadAddressInTwenty$",
		},
		{
			law: "7", guard: "a canary stops at one refusal in four", file: "campaign/canary.go",
			old: "canaryRefused = 0.25", new: "canaryRefused = 0.26",
			test: "^TestCanary_FailsFromOneDeadAddressInTwenty$",
		},
		{
			law: "7", guard: "five complaints in five thousand pause", file: "throttle/breaker.go",
			old: "{Tripped, 0.001, 5}", new: "{Tripped, 0.002, 5}",
			test: "^TestJudge_",
		},
		{
			law: "8", guard: "the table of imports", file: "cmd/facteur/layout_test.go",
			old: `"sending/dkim":    {},`, new: `"sending/dkim":    {"sending/smtp"},`,
			test: "^TestLayout_",
		},
		{
			law: "8", guard: "a table is of its owner", file: "cmd/facteur/layout_test.go",
			old: `"letters": "sending"`, new: `"letters": "campaign"`,
			test: "^TestLayout_EachTable",
		},
		{
			law: "9", guard: "begin: the letter is this execution's", file: "sending/letter_take.go",
			old: "WHERE id = ? AND execution = ? AND session <> 0 AND (status = 'queued' OR",
			new: "WHERE id = ? AND execution <> -? AND session <> 0 AND (status = 'queued' OR",
			pkg: "worker", test: letters,
		},
		{
			law: "9", guard: "begin: the letter was not given back", file: "sending/letter_take.go",
			old: "WHERE id = ? AND execution = ? AND session <> 0 AND (status = 'queued' OR",
			new: "WHERE id = ? AND execution = ? AND (status = 'queued' OR",
			pkg: "worker", test: letters,
		},
		{
			law: "9", guard: "begin: nothing is stopped for letters", file: "worker/letter_record.go",
			old: "!errors.Is(err, database.ErrNotFound) {", new: "err != nil && !errors.Is(err, database.ErrNotFound) {",
			test: letters,
		},
		{
			law: "9", guard: "begin: the addressee may have this kind", file: "worker/letter_record.go",
			old: "reason := refusal(m.letter, standings[i], now)", new: "reason := refusal(m.letter, standings[i], now)[:0]",
			test: letters,
		},
		{
			law: "9", guard: "begin: no breaker holds an invitation's lane", file: "worker/letter_record.go",
			old: `brakes.Held(mails[i].lane) != ""`, new: "false",
			test: letters,
		},
		{
			law: "9", guard: "begin: the invitations' share has room", file: "worker/claims.go",
			old: "case capped && invitation && day.ForInvitations() == 0:", new: "case capped && invitation && day.ForInvitations() < 0:",
			test: letters,
		},
		{
			law: "9", guard: "a kind says which noes it passes", file: "worker/letter_gate.go",
			old: "if !passes(l.Kind, no) {", new: "if false {",
			test: "^TestLetters_AskTheLastGate$",
		},
		{
			law: "9", guard: "a no since the asking outweighs it", file: "worker/letter_gate.go",
			old: "return !no.Since && said(", new: "return said(",
			test: "^TestLetters_AskTheLastGate$",
		},
		{
			law: "9", guard: "a letter's second doubt waits for a person", file: "sending/letter_take.go",
			old: "wait = CASE WHEN doubts = 0 THEN 2 ELSE 3 END", new: "wait = 2",
			test: "^TestLetter_",
		},
		{
			law: "9", guard: "a late accept ends a letter's doubt", file: "sending/letter_take.go",
			old:  "OR ? AND attempts >= ? AND doubts > 0 AND status <> 'sent')",
			new:  "OR ? AND attempts >= ? AND doubts > 9 AND status <> 'sent')",
			test: "^TestLetter_",
		},
		{
			law: "9", guard: "a letter's answer settles its own attempt", file: "sending/letter_take.go",
			old: "OR ? AND attempts = ? AND (status = 'sending'", new: "OR ? AND attempts <> -? AND (status = 'sending'",
			test: "^TestLetter_",
		},
		{
			law: "9", guard: "a sender whose relays take nothing is passed over", file: "sending/letter_due.go",
			old: "if !ways.open(sender) {", new: "if false {",
			test: "^TestDueLetters_",
		},
		{
			law: "9", guard: "a link is good when it comes", file: "worker/letter_gate.go",
			old: "0 <= age && age < linksFor", new: "age < 100*linksFor",
			test: "^TestLetters_ComeWithALinkThatIsGood$",
		},
		{
			law: "9", guard: "urgent letters go ahead of batches", file: "sending/smtp/pool.go",
			old: "case m := <-p.urgent:\n\t\treturn m\n\tdefault:\n\t}", new: "case m := <-p.bulk:\n\t\treturn m\n\tdefault:\n\t}",
			test: "^TestPool_TakesUrgentMailBeforeBulk$",
		},
		{
			law: "9", guard: "no rank waits behind another", file: "sending/letter_due.go",
			old: "ORDER BY sender_id, rank LIMIT 1", new: "ORDER BY sender_id, rank DESC LIMIT 1",
			test: "^TestDueLetters_AreFair$",
		},
		{
			law: "9", guard: "a letter in doubt waits for its relay", file: "sending/letter_due.go",
			old: "l.Status != string(Doubted) || w.plain(l.RelayID)", new: `l.Status != "" || w.plain(l.RelayID)`,
			test: "^TestDueLetters_InDoubt",
		},
		{
			law: "9", guard: "a letter's doubts of a relay that swallows are held", file: "sending/letter_take.go",
			old: "UPDATE letters SET wait = 3, not_before = 0 WHERE relay_id = ?",
			new: "UPDATE letters SET wait = 3, not_before = 0 WHERE relay_id = -?",
			pkg: "worker", test: "^TestLetters_OfARelayThatSwallowsAreHeld$",
		},
		{
			law: "9", guard: "a letter is taken once", file: "sending/letter_take.go",
			old: "(wait = 2 AND not_before <= ? OR execution = ?", new: "(wait >= 0 AND not_before <= ? OR execution = ?",
			test: "^TestLetter_",
		},
		{
			law: "9", guard: "the invitations' share of a limit has room", file: "worker/claims.go",
			old: "case ok && invitation && room.Invitations == 0:", new: "case ok && invitation && room.Invitations < 0:",
			test: letters,
		},
		{
			law: "10", guard: "each transaction of the leader renews its fence", file: "campaign/scheduler.go",
			old: "if err := lease.Renew(ctx, tx); err != nil {", new: "if err := ctx.Err(); err != nil {",
			test: "^TestScheduler_ChangesNothingOnceAnotherLeads$",
		},
		{
			law: "10", guard: "a lease is of one fence", file: "internal/database/lease.go",
			old: "AND holder = ? AND fence = ?`", new: "AND holder <> -? AND fence <> -?`",
			test: "^TestLease_",
		},
		{
			law: "10", guard: "the data folder is one process's", file: "cmd/facteur/lock.go",
			old: "syscall.LOCK_EX|syscall.LOCK_NB", new: "syscall.LOCK_SH|syscall.LOCK_NB",
			test: "^TestLock_",
		},
		{
			law: "10", guard: "commits are durable on SQLite", file: "internal/database/sqlite.go",
			old: "_synchronous=FULL", new: "_synchronous=NORMAL",
			test: "^TestSQLite_CommitsAreDurable$",
		},
		{
			law: "10", guard: "commits are durable on PostgreSQL", file: "internal/database/postgres.go",
			old: `case commit == "off":`, new: `case commit == "never":`,
			test: "^TestOpen_", engine: postgres,
		},
		{
			law: "10", guard: "a process stops before others may take over", file: "internal/database/process.go",
			old: "-ProcessMargin &&", new: "&&",
			test: "^TestProcess_IsNotAlive",
		},
		{
			law: "10", guard: "a connection that promises less is refused", file: "internal/database/postgres.go",
			old: `case replication != "origin":`, new: `case replication == "":`,
			test: "^TestPostgres_IsUnavailable", engine: postgres,
		},
		{
			law: "11", guard: "a batch whose permits are far away goes back", file: "worker/batch.go",
			old: "wait > throttle.Horizon {", new: "wait > 1000*throttle.Horizon {",
			test: "^TestBatch_WaitsForLongElsewhere$",
		},
		{
			law: "11", guard: "what is early by our clock goes back after a pause", file: "worker/skew.go",
			old: "earlyPause = time.Second", new: "earlyPause = 0",
			test: "^TestSkew_", engine: postgres,
		},
		{
			law: "11", guard: "a letter whose permits are far away goes back", file: "worker/letter_run.go",
			old: "if p.N == 0 && wait > throttle.Horizon {", new: "if p.N == 0 && wait > 1000*throttle.Horizon {",
			test: "^TestLetter_WaitsForLongElsewhere$",
		},
		{
			law: "12", guard: "what cannot be taken back rests while the clock may be wrong", file: "campaign/duty.go",
			old: "if d.Final {", new: "if false {",
			test: "^TestScheduler_FinalDutiesRestWhileTheClockMayBeWrong$",
		},
		{
			law: "12", guard: "a jump launches nothing", file: "campaign/scheduler.go",
			old: "return s.watch.Sure(s.store.db.Now())", new: "return s.store.db.Now()",
			test: "^TestScheduler_AJumpLaunchesNothing$",
		},
		{
			law: "12", guard: "a jump gives nobody up", file: "campaign/retry.go",
			old: " && p.Watch.Steady() == nil", new: "",
			test: "^TestPatience_NobodyIsGivenUpByAJump$",
		},
		{
			law: "12", guard: "what was begun before a jump is undone", file: "campaign/duty.go",
			old: "\t\treturn s.watch.Steady()", new: "\t\treturn nil",
			test: "^TestScheduler_FinalDuties",
		},
		{
			law: "–", guard: "permits are void soon after their time", file: "throttle/limiter.go",
			old: "return p.Every > 0 && now-p.At(i) > p.Late(connections)", new: "return false",
			test: "^TestPermits_AreVoidAfterTheMachineHasSlept$",
		},
		{
			law: "–", guard: "a person handed over before a no is asked about", file: "worker/delivery.go",
			old: "w.recorder.refusals.people.Load() > d.asked)", new: "false)",
			test: cut, engine: postgres,
		},
		{
			law: "–", guard: "a batch that panicked goes back", file: "worker/batch.go",
			old: "notBefore, err := b.survive()", new: "notBefore, err := b.execute()",
			test: "^TestPanic_InABatch",
		},
		{
			law: "–", guard: "a message that panicked ends nobody else", file: "sending/smtp/survive.go",
			old: "(out []byte, err error) {\n\tdefer panics.Catch(&err)", new: "(out []byte, err error) {",
			test: "^TestConnection_WithdrawsAMailWhoseMakingPanics",
		},
		{
			law: "–", guard: "the third panic pauses the campaign", file: "campaign/panicked.go",
			old: "if n < panicsMost {", new: "if n < 1000 {",
			pkg: "worker", test: "^TestPanic_InABatch",
		},
	}
}
