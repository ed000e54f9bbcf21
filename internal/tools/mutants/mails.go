package main

// ofMails are the guards of laws 1 to 5: what becomes of a mail.
func ofMails() []mutant {
	return []mutant{
		{
			law: "1", guard: "a batch that the queue has lost is offered again", file: "campaign/scheduler.go",
			old: "{\"offer again\", s.offerAgain},", new: "",
			pkg: "worker", test: "^TestQueue_AWorkerThatDiesBeforeItTookHoldsNothingUp$",
		},
		{
			law: "1", guard: "offers have numbers", file: "worker/queue.go",
			old: `+":"+offer)`, new: `+":"+offer[:0])`,
			test: "^TestQueue_AWorkerThatDiesBeforeItTookHoldsNothingUp$",
		},
		{
			law: "1", guard: "a batch is taken once", file: "campaign/batch.go",
			old: "(state = 'released' OR execution = ?)", new: "(1 = 1 OR execution = ?)",
			test: "^TestBatch_IsOfOneExecution$",
		},
		{
			law: "1", guard: "a batch's end is its execution's", file: "campaign/batch.go",
			old:  "n, err := tx.Exec(ctx, `DELETE FROM batches WHERE id = ? AND execution = ?`",
			new:  "n, err := tx.Exec(ctx, `DELETE FROM batches WHERE id = ? AND execution <> -?`",
			test: "^TestBatch_IsOfOneExecution$",
		},
		{
			law: "1", guard: "an emptied Redis gives no permits for a while", file: "throttle/limiter.go",
			old: "next, by, late, forgot = now + horizon, interval, 0, true", new: "next, by, late = now, interval, 0",
			test: "^TestLimiter_GivesRarePermitsOneByOne$",
		},
		{
			law: "1", guard: "nor does another Redis than the last", file: "throttle/limiter.go",
			old: "if seen ~= server or", new: "if",
			test: "^TestLimiter_GivesNothingForAHorizonAfterAFailover$",
		},
		{
			law: "1", guard: "an emptied Redis gives no connections for a while", file: "throttle/leases.go",
			old: "if now - born < horizon then", new: "if now < born then",
			test: "^TestLeases_AfterAFlush",
		},
		{
			law: "2", guard: "a page planned by what was read before is not planned again", file: "campaign/plan.go",
			old: "now.PlanAfter != c.PlanAfter ||", new: "",
			test: plan,
		},
		{
			law: "2", guard: "one delivery for each campaign and person", file: "migrations/0006_campaigns.sql",
			old: "    PRIMARY KEY (campaign_id, subscriber_id)", new: "    CHECK (campaign_id > 0)",
			pkg: "campaign", test: plan,
		},
		{
			law: "2", guard: "who paused or cancelled meanwhile is seen by the planning", file: "campaign/plan.go",
			old: "if err == nil && n == 0 {", new: "if err != nil && n == 0 {",
			test: "^TestOrder_ACancelAndThePlanning$", engine: postgres,
		},
		{
			law: "2", guard: "a launch is of what was looked at", file: "campaign/launch.go",
			old: " AND updated_at = ?`, c.ID, string(c.Status)", new: " AND updated_at <> -?`, c.ID, string(c.Status)",
			test: "^TestOrder_AnEditAndALaunch$", engine: postgres,
		},
		{
			law: "3", guard: "begin: the campaign is being sent", file: "campaign/settle.go",
			old: "WHERE id = ? AND status = 'sending' AND NOT EXISTS", new: "WHERE id = ? AND NOT EXISTS",
			pkg: "worker", test: door,
		},
		{
			law: "3", guard: "begin: nothing is stopped", file: "campaign/settle.go",
			old: " AND NOT EXISTS (SELECT 1 FROM stops WHERE lifted_at = 0)", new: "",
			pkg: "worker", test: door,
		},
		{
			law: "3", guard: "begin: the batch is this execution's", file: "campaign/settle.go",
			old: "!found || n != executions[i].Execution", new: "!found",
			pkg: "worker", test: door,
		},
		{
			law: "3", guard: "begin: the batch is there", file: "campaign/settle.go",
			old: "!found || n != executions[i].Execution", new: "found && n != executions[i].Execution",
			pkg: "worker", test: door,
		},
		{
			law: "3", guard: "begin: the delivery is in this batch", file: "campaign/settle.go",
			old: "AND status = 'queued' AND batch_id = ? AND wait = 0`, len(attempts)",
			new: "AND status = 'queued' AND batch_id >= ? AND wait = 0`, len(attempts)",
			pkg: "worker", test: door,
		},
		{
			law: "3", guard: "begin: no breaker holds the lane or the domain", file: "worker/recorder.go",
			old: "!t.why.reread {", new: "true {",
			test: door,
		},
		{
			law: "3", guard: "begin: the person may be mailed", file: "worker/recorder.go",
			old: "if answers[i] == subscribers.Mailable {", new: "if true {",
			test: door,
		},
		{
			law: "3", guard: "begin: the person is not suppressed", file: "subscribers/mailable.go",
			old: "WHERE key = ? AND list_id IN (0, ?)", new: "WHERE key = ? AND list_id IN (-1, ?)",
			pkg: "worker", test: door,
		},
		{
			law: "3", guard: "begin: the person has not paused", file: "subscribers/mailable.go",
			old: "paused_until > ?", new: "paused_until > 9 * ?",
			pkg: "worker", test: door,
		},
		{
			law: "3", guard: "begin: not more often than the person wants", file: "campaign/frequency.go",
			old: "if n >= limit.most {", new: "if n > limit.most {",
			pkg: "worker", test: door,
		},
		{
			law: "3", guard: "begin: the day's cap has room", file: "worker/claims.go",
			old: "case capped && day.Room() == 0,", new: "case capped && day.Room() < 0,",
			test: door,
		},
		{
			law: "3", guard: "begin: the hour's limit has room", file: "worker/claims.go",
			old: "case ok && room.All == 0:", new: "case ok && room.All < 0:",
			test: door,
		},
		{
			law: "3", guard: "begin: the process is not written off", file: "worker/recorder.go",
			old: "|| !r.process.Alive() {", new: "{",
			test: "^TestBegin_OfAProcessThatIsWrittenOffIsRefused$",
		},
		{
			law: "3", guard: "begin: terms are read anew when they have changed", file: "worker/terms.go",
			old: "k.mark == mark", new: "k.mark <= mark",
			test: terms,
		},
		{
			law: "3", guard: "begin: a limit that is set says so", file: "throttle/limit.go",
			old: touch, new: untouched,
			pkg: "worker", test: terms,
		},
		{
			law: "3", guard: "begin: a breaker says so", file: "throttle/breakers.go",
			old: touch, new: untouched,
			pkg: "worker", test: terms,
		},
		{
			law: "3", guard: "begin: a warm-up says so", file: "sending/warmup.go",
			old: touch, new: untouched,
			pkg: "worker", test: terms,
		},
		{
			law: "3", guard: "begin: who was released without a day waits once the domain warms up", file: "worker/claims.go",
			old: ", k.date == 0 && c.terms.warms[p.Lane.Domain]", new: "",
			test: terms,
		},
		{
			law: "3", guard: "a no is in turn with the begins", file: "internal/database/tx.go",
			old: "SELECT pg_advisory_xact_lock(7238)", new: "SELECT 7238",
			pkg: "campaign", test: "^TestBegin_IsInTurnWithWhatForbidsIt$", engine: postgres,
		},
		{
			law: "3", guard: "a begin is in turn with the noes", file: "internal/database/tx.go",
			old: "SELECT pg_advisory_xact_lock_shared(7238)", new: "SELECT 7238",
			pkg: "campaign", test: "^TestBegin_IsInTurnWithWhatForbidsIt$", engine: postgres,
		},
		{
			law: "3", guard: "an open envelope is taken back by the end of the connection", file: "sending/smtp/conn.go",
			old: "c.withdrawn = true\n\tc.drop()", new: "c.withdrawn = true\n\tc.dead = true\n\t_ = c.client.Quit()",
			test: "^TestConnection_",
		},
		{
			law: "3", guard: "a begin too old is not written", file: "sending/smtp/conn.go",
			old: "if c.stale() {", new: "if c.stale() && c.dead {",
			test: "^TestConnection_",
		},
		{
			law: "3", guard: "what was refused opens no further envelopes", file: "worker/refusals.go",
			old: "d.batch.refused.Store(true)", new: "_ = d",
			test: cut,
		},
		{
			law: "3", guard: "a batch that is over opens no envelopes", file: "worker/delivery.go",
			old: "if !d.batch.goOn() {", new: "if d.batch.ctx.Err() != nil {",
			test: cut,
		},
		{
			law: "3", guard: "one who left makes the others be asked", file: "worker/batch.go",
			old: "if b.suspicious() {", new: "if b.suspicious() && b.ctx.Err() != nil {",
			test: cut,
		},
		{
			law: "3", guard: "a begin asks for the gate", file: "worker/record.go",
			old: "if err := tx.Gate(ctx, false); err != nil {", new: "if err := ctx.Err(); err != nil {",
			test: "^TestBegin_IsInTurnWithANo$", engine: postgres,
		},
		{
			law: "3", guard: "a no asks for the gate", file: "internal/database/order.go",
			old: "return tx.Gate(ctx, true)", new: "return nil",
			pkg: "worker", test: "^TestBegin_IsInTurnWithANo$", engine: postgres,
		},
		{
			law: "3", guard: "a stop asks for the gate", file: "campaign/stop.go",
			old: "if err := tx.Gate(ctx, true); err != nil {", new: "if err := ctx.Err(); err != nil {",
			pkg: "worker", test: "^TestBegin_IsInTurnWithANo$", engine: postgres,
		},
		{
			law: "3", guard: "who waited for the gate reads what is true after it", file: "internal/database/write.go",
			old: "BEGIN ISOLATION LEVEL READ COMMITTED", new: "BEGIN ISOLATION LEVEL REPEATABLE READ",
			test: "^TestTx_ReadsAfterTheGate", engine: postgres,
		},
		{
			law: "3", guard: "a day's last place is of one", file: "throttle/warmup.go",
			old:  "`UPDATE warmup_days SET used = used WHERE lane = ? AND date = ? RETURNING `+warmupColumns",
			new:  "`SELECT `+warmupColumns+` FROM warmup_days WHERE lane = ? AND date = ?`",
			test: "^TestCaps_", engine: postgres,
		},
		{
			law: "3", guard: "an hour's last place is of one", file: "throttle/room.go",
			old: "WHERE scope = ?`, []any{scope}", new: "WHERE scope = '-' AND scope = ?`, []any{scope}",
			test: "^TestCaps_", engine: postgres,
		},
		{
			law: "3", guard: "a day that is over has no room", file: "throttle/warmup.go",
			old: "now < d.From || now >= d.Until", new: "now < d.From",
			test: "^TestClaim_OnlyWhileItsDayLasts$",
		},
		{
			law: "3", guard: "a day that has not come has no room", file: "throttle/warmup.go",
			old: "now < d.From || now >= d.Until", new: "now >= d.Until",
			test: "^TestClaim_OnlyWhileItsDayLasts$",
		},
		{
			law: "3", guard: "a cap that is spent opens no further envelopes", file: "worker/batch.go",
			old: "&& !b.spent() && b.today()", new: "&& b.today()",
			test: cut,
		},
		{
			law: "3", guard: "what is stopped or paused opens no further envelopes", file: "worker/batch.go",
			old: "&& !w.halted(b.CampaignID) && !b.held()", new: "&& !b.held()",
			test: cut,
		},
		{
			law: "4", guard: "an accept settles its own attempt", file: "campaign/settle.go",
			old: "AND attempts = ? AND status = 'sending'`, len(plain)", new: "AND attempts <> -? AND status = 'sending'`, len(plain)",
			pkg: "campaign", test: "^TestSettle_IsKeyedByTheAttempt$",
		},
		{
			law: "4", guard: "any other answer settles its own attempt", file: "campaign/settle.go",
			old: "AND status = ? AND attempts = ? AND (batch_id", new: "AND status = ? AND attempts <> -? AND (batch_id",
			pkg: "campaign", test: "^TestSettle_IsKeyedByTheAttempt$",
		},
		{
			law: "4", guard: "a late accept is of an attempt that was made", file: "campaign/late.go",
			old: "return d.Attempts >= v.Attempt", new: "return d.Attempts >= 0",
			pkg: "campaign", test: "^TestSettle_IsKeyedByTheAttempt$",
		},
		{
			law: "4", guard: "a late accept ends a doubt", file: "campaign/late.go",
			old: "return d.Attempts >= v.Attempt", new: "return d.Attempts < 0",
			pkg: "campaign", test: "^TestSettle_TakesALateAnswerWhereverTheDoubtIs$",
		},
		{
			law: "4", guard: "a report that comes back ends a doubt", file: "campaign/settle.go",
			old: "d.Status == Uncertain || d.Doubts > 0", new: "d.Attempts < 0",
			pkg: "worker", test: "^TestFeedback_EndsADoubt$",
		},
		{
			law: "4", guard: "a late refusal is believed where its doubt is the last attempt", file: "campaign/late.go",
			old: "return d.Attempts == v.Attempt &&", new: "return d.Attempts >= v.Attempt &&",
			test: "^TestSettle_",
		},
		{
			law: "4", guard: "a commit that hangs is cut while its answers still count", file: "worker/record.go",
			old: "r.limit = min(commitTime, r.patience.FinalDot/3)", new: "r.limit = 100 * commitTime",
			test: "^TestRecorder_TriesACommitAnewThatGetsNoAnswer$", engine: postgres,
		},
		{
			law: "4", guard: "a database that lets nobody in says nothing about an answer", file: "internal/database/errors.go",
			old: "\treturn ErrUnavailable\n}\n\n// kindOfSQLite", new: "\treturn ErrRefused\n}\n\n// kindOfSQLite",
			pkg: "worker", test: "^TestRecorder_KeepsAnswersWhileLoginsAreRefused$", engine: postgres,
		},
		{
			law: "5", guard: "a second doubt waits for a person", file: "campaign/retry.go",
			old: `|| d.Doubts >= 1 {`, new: `{`,
			pkg: "worker", test: "^TestWorker_TwoDoubtsAreNeverResentByMachine$",
		},
		{
			law: "5", guard: "a campaign's doubts are held where it says so", file: "campaign/retry.go",
			old: `onUncertain == "hold" || `, new: "",
			pkg: "worker", test: "^TestWorker_HoldsDoubtsWhenTheCampaignSaysSo$",
		},
		{
			law: "5", guard: "five doubts in a row rest the relay", file: "sending/health.go",
			old: "s.doubts >= doubtsInARow", new: "s.doubts > doubtsInARow",
			test: "^TestStreak_",
		},
		{
			law: "5", guard: "doubts of a relay that swallows are held", file: "sending/health.go",
			old: "Hold: probing || often", new: "Hold: false",
			test: "^TestStreak_",
		},
		{
			law: "5", guard: "what a silent process had begun waits for its answer", file: "campaign/batch.go",
			old: "if !proven {", new: "if proven {",
			test: "^TestRecover_WaitsForASilentProcess$",
		},
		{
			law: "5", guard: "a doubt waits until its relay answers plainly", file: "campaign/wake.go",
			old: "if d.Status == Uncertain && doubtful[d.RelayID] && !probes[d.SubscriberID] {", new: "if false {",
			test: "^TestWake_",
		},
		{
			law: "5", guard: "all doubts of a relay that swallows are held", file: "worker/recorder.go",
			old: "for _, id := range swallowing {", new: "for _, id := range swallowing[:0] {",
			test: "^TestWorker_ARelayThatSwallows",
		},
	}
}
