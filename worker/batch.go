package worker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"facteur/campaign"
	"facteur/internal/address"
	"facteur/internal/database"
	"facteur/internal/panics"
	"facteur/sending/dkim"
	"facteur/sending/smtp"
	"facteur/throttle"

	"github.com/hibiken/asynq"
)

// maxTries is how often one execution hands a delivery to another connection
// after losing one before the body.
const maxTries = 3

// batch is one execution of a released batch.
type batch struct {
	campaign.Batch
	worker      *Worker
	ctx         context.Context // ends when no more may begin
	made        *composition
	signer      *dkim.Signer // nil: the relay signs
	line        *line
	lane        throttle.Lane
	onUncertain string
	hours       campaign.Hours

	mu      sync.Mutex
	out     int         // handed to connections and not ended
	back    []*delivery // returned with their body unbegun
	unbegun []int64     // once executed: those whose body did not begin
	changed chan struct{}
	unsure  atomic.Bool     // some answer could not be written
	refused atomic.Bool     // some begin, for a reason that the others share
	asked   atomic.Int64    // when those who are to come were last asked about, Unix nanoseconds
	places  []chan struct{} // that it holds of its line's
}

// runBatch executes a batch to its end. It never fails the task: what cannot
// be sent now goes back to the table.
func (w *Worker) runBatch(ctx context.Context, t *asynq.Task) error {
	id, err := idOf(t)
	if err != nil {
		w.log.Error("strange task", "error", err)
		return nil
	}
	if w.draining.Err() != nil || !w.process.Alive() {
		return nil // offered again to whoever lives
	}
	taken, ok, err := w.take(ctx, id)
	if err != nil || !ok {
		return err
	}
	w.busy.Add(1)
	defer w.busy.Add(-1)
	b := &batch{Batch: taken, worker: w, ctx: w.draining, changed: make(chan struct{}, 1)}
	b.asked.Store(time.Now().Add(-peopleFor).UnixNano())
	notBefore, err := b.survive()
	if err != nil {
		w.log.Error("batch", "batch", id, "campaign", taken.CampaignID, "error", err)
		pause := 5 * time.Second
		if panics.Is(err) {
			pause = time.Second // the third pauses the campaign
		}
		notBefore = w.db.Now().Add(pause).UnixMilli()
	}
	if notBefore > 0 || !b.today() || b.suspended() {
		b.pause(time.UnixMilli(notBefore))
	}
	b.finish(notBefore)
	return nil
}

// survive executes the batch. A panic ends the execution: what is out has its
// answers awaited, the rest goes back, and the campaign is paused after the third.
func (b *batch) survive() (notBefore int64, err error) {
	err = panics.Do(func() (err error) {
		notBefore, err = b.execute()
		return err
	})
	if b.worker.mishaps.Note("batch", err) {
		b.await()
		b.unbegun = b.leftover()
		b.unsure.Store(true) // it is not known who else was handed over
		b.worker.recorder.panicked(b.CampaignID)
	}
	return notBefore, err
}

// take asks again with the same execution when the database did not answer:
// the first asking may have been granted.
func (w *Worker) take(ctx context.Context, id int64) (taken campaign.Batch, ok bool, err error) {
	session, execution := w.process.Session(), w.db.NewID()
	for {
		taken, ok, err = w.campaigns.Take(ctx, id, session, execution)
		if !errors.Is(err, database.ErrUnavailable) || w.closing.Err() != nil {
			return taken, ok, err
		}
		time.Sleep(500 * time.Millisecond)
	}
}

// execute sends what it can, and says from when on (Unix milliseconds, 0: at
// once) the rest may be tried again.
func (b *batch) execute() (notBefore int64, err error) {
	ctx, w := context.WithoutCancel(b.ctx), b.worker
	defer b.leave()
	b.unbegun = b.Members // until they are handed over
	if err := b.prepare(ctx); err != nil {
		return 0, err
	}
	var again int64
	if b.line, again, err = w.lines.pick(ctx, b.made.version.Sender.RelayIDs, len(b.Members)); err != nil || b.line == nil {
		return again, err
	}
	unpaced := throttle.Interval(b.gates()) == 0
	if unpaced && !b.enter(b.line.loaded) {
		return 0, nil
	}
	rows, err := w.campaigns.Load(ctx, b.Batch)
	if err != nil {
		return 0, err
	}
	deliveries, err := b.meet(ctx, rows)
	if err == nil {
		deliveries, err = b.postpone(ctx, deliveries)
	}
	if err != nil {
		return 0, err
	}
	if unpaced && !b.enter(b.line.feeding) {
		return 0, nil
	}
	notBefore = b.feed(deliveries)
	b.unbegun = b.leftover()
	return notBefore, nil
}

// enter waits for a place; false when this process begins no more.
func (b *batch) enter(places chan struct{}) bool {
	select {
	case places <- struct{}{}:
		b.places = append(b.places, places)
		return true
	case <-b.ctx.Done():
		return false
	}
}

// leave gives its places to others.
func (b *batch) leave() {
	for _, places := range b.places {
		<-places
	}
	b.places = nil
}

// prepare reads what all messages of the batch have in common.
func (b *batch) prepare(ctx context.Context) error {
	w := b.worker
	c, err := w.campaigns.Campaign(ctx, b.CampaignID)
	if err != nil {
		return err
	}
	b.onUncertain = c.OnUncertain
	if b.made, err = w.composer.of(ctx, c.ID, c.Version); err != nil {
		return err
	}
	if b.signer, err = w.signers.Of(ctx, b.made.version.Sender.Domain); err != nil {
		return err
	}
	b.hours = w.campaigns.Hours(c, b.made.version.Calendar)
	if b.lane, err = w.pace.Lane(ctx, b.Lane); err != nil {
		return err
	}
	return w.readPace(ctx)
}

// meet joins the rows with their people.
func (b *batch) meet(ctx context.Context, rows []campaign.Delivery) ([]*delivery, error) {
	ids := make([]int64, len(rows))
	for i, r := range rows {
		ids[i] = r.SubscriberID
	}
	people, err := b.worker.people.People(ctx, ids)
	if err != nil {
		return nil, err
	}
	at := make(map[int64]int, len(people))
	for i, p := range people {
		at[p.ID] = i
	}
	now := b.worker.db.Now()
	list, all := make([]*delivery, 0, len(rows)), make([]delivery, len(rows))
	for n, r := range rows {
		i, ok := at[r.SubscriberID]
		if !ok { // erased since: the gate refuses them, and asks for nothing but the number
			if all[n] = (delivery{batch: b, row: r}); !b.worker.recorder.left(&all[n]) {
				return nil, fmt.Errorf("subscriber %d is gone", r.SubscriberID)
			}
			continue
		}
		d := &all[n]
		list = append(list, d)
		*d = delivery{batch: b, row: r, person: people[i], at: now, asked: b.asked.Load()}
		if n > 0 && rows[n-1].Lists == r.Lists && all[n-1].lists != nil {
			d.lists = all[n-1].lists
		} else {
			d.lists = campaign.Reached(r.Lists, b.made.version.ListIDs)
		}
		if d.to, err = address.Parse(people[i].Email); err != nil {
			return nil, fmt.Errorf("subscriber %d: %w", r.SubscriberID, err)
		}
		if r.FirstAt != 0 {
			d.at = time.UnixMilli(r.FirstAt)
		}
	}
	return list, nil
}

// postpone lets those wait whose quiet hours have begun since they were
// planned, each for their own time, and returns the others.
func (b *batch) postpone(ctx context.Context, list []*delivery) ([]*delivery, error) {
	if b.hours.Always() {
		return list, nil
	}
	now := b.worker.db.Now()
	var people, until []int64
	kept := list[:0]
	for _, d := range list {
		if next := b.hours.Next(now, d.person.Timezone); next.After(now) {
			people, until = append(people, d.row.SubscriberID), append(until, next.UnixMilli())
		} else {
			kept = append(kept, d)
		}
	}
	if len(people) == 0 {
		return kept, nil
	}
	b.pause(time.UnixMilli(slices.Min(until)))
	return kept, b.worker.campaigns.Postpone(ctx, b.Batch, people, until)
}

// feed hands the deliveries to the connections as permits allow, and those
// that come back again, until all have ended or it must stop. It returns when
// the rest may be tried.
func (b *batch) feed(todo []*delivery) (notBefore int64) {
	for len(todo) > 0 && b.goOn() {
		if b.suspicious() {
			todo = b.willing(todo)
		}
		if len(todo) == 0 {
			todo = b.rest()
			continue
		}
		pace := b.worker.pacing.Load()
		gates := b.gates()
		if throttle.Interval(gates) > 0 {
			b.leave() // it waits for permits now, and others must not wait for it
		}
		permits, err := b.worker.limiter.Take(b.ctx, gates, len(todo))
		if err != nil {
			if b.ctx.Err() == nil {
				b.worker.log.Warn("no permits", "lane", b.Lane, "error", err)
			}
			notBefore = b.worker.db.Now().Add(2 * time.Second).UnixMilli()
			break
		}
		if permits.N == 0 {
			if wait := permits.First - b.worker.db.Since(); wait > throttle.Horizon {
				notBefore = b.worker.db.Now().Add(wait).UnixMilli()
				break
			}
			b.sleep(permits.First)
			continue
		}
		n, err := b.use(permits, gates, pace, todo)
		todo = todo[n:]
		if errors.Is(err, throttle.ErrFull) {
			notBefore = b.worker.db.Now().Add(time.Second).UnixMilli()
		}
		if err != nil {
			break
		}
		if len(todo) == 0 {
			todo = b.rest()
		}
	}
	b.keep(todo)
	b.await()
	return notBefore
}

// rest is those that come back when all have been handed over; the next batch
// may feed while the last of this one are answered.
func (b *batch) rest() []*delivery {
	b.leave()
	return b.again()
}

// use spends permits on the first deliveries and returns how many were handed
// over. Permits whose time has gone by, as when this process was held up, and
// those of limits that have changed since, are left.
func (b *batch) use(permits throttle.Permits, gates []throttle.Gate, pace *pacing, todo []*delivery) (int, error) {
	for i := range permits.N {
		if permits.Every > 0 {
			b.sleep(permits.At(i))
		}
		if permits.Void(i, b.line.pool.Connections(), b.worker.db.Since()) || b.worker.pacing.Load() != pace || b.suspicious() {
			return i, nil
		}
		if !b.goOn() {
			return i, context.Canceled
		}
		release, err := b.worker.leases.Acquire(b.ctx, gates)
		if err != nil {
			return i, err
		}
		todo[i].release = release
		if err := b.hand(todo[i]); err != nil {
			return i, err
		}
	}
	return permits.N, nil
}

// hand waits until a connection takes d.
func (b *batch) hand(d *delivery) (err error) {
	b.count(1)
	defer func() {
		if err != nil {
			b.count(-1)
			d.free()
		}
	}()
	defer panics.Catch(&err)
	d.permitted = time.Now()
	return b.line.pool.Send(b.ctx, d, false)
}

// goOn tells whether more of the batch may be handed over.
func (b *batch) goOn() bool {
	w := b.worker
	return b.ctx.Err() == nil && w.process.Alive() && !b.refused.Load() && b.Execution > w.recorder.refusals.lost.Load() &&
		w.recorder.failing.Load() == 0 && !w.halted(b.CampaignID) && !b.held() && !b.spent() && b.today()
}

func (b *batch) sleep(until time.Duration) {
	d := until - b.worker.db.Since()
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-b.ctx.Done():
	}
}

func (b *batch) count(n int) {
	b.mu.Lock()
	b.out += n
	b.mu.Unlock()
}

// end notes that a delivery has an answer.
func (b *batch) end(d *delivery) {
	d.free()
	b.mu.Lock()
	b.out--
	b.mu.Unlock()
	b.signal()
}

// give takes back a delivery that may be tried again.
func (b *batch) give(d *delivery) {
	d.free()
	b.mu.Lock()
	b.out--
	b.back = append(b.back, d)
	b.mu.Unlock()
	b.signal()
}

func (b *batch) signal() {
	select {
	case b.changed <- struct{}{}:
	default:
	}
}

// again waits until all handed over have ended or some came back, and returns
// those worth another connection.
func (b *batch) again() []*delivery {
	for {
		b.mu.Lock()
		out, back := b.out, b.back
		var retry, kept, lost []*delivery
		for _, d := range back {
			switch {
			case d.tries >= maxTries:
				lost = append(lost, d)
			case d.tries > 0:
				retry = append(retry, d)
			default:
				kept = append(kept, d)
			}
		}
		b.back = kept
		b.mu.Unlock()
		b.giveUp(lost)
		if len(retry) > 0 || out == 0 {
			return retry
		}
		<-b.changed
	}
}

// giveUp defers deliveries at whose envelope the relay has cut the line
// each time, so that they wait as any other refusal does.
func (b *batch) giveUp(lost []*delivery) {
	for _, d := range lost {
		b.count(1)
		b.worker.recorder.turn(b.line, []smtp.Ended{{Mail: d, Result: smtp.Result{Stage: smtp.Rcpt, Err: smtp.ErrLost}}}, nil)
	}
}

// keep puts deliveries that were not handed over with those that came back.
func (b *batch) keep(todo []*delivery) {
	b.mu.Lock()
	b.back = append(b.back, todo...)
	b.mu.Unlock()
}

// await waits for the open dialogues.
func (b *batch) await() {
	for {
		b.mu.Lock()
		out := b.out
		b.mu.Unlock()
		if out == 0 {
			return
		}
		<-b.changed
	}
}

func (b *batch) leftover() []int64 {
	ids := make([]int64, len(b.back))
	for i, d := range b.back {
		ids[i] = d.row.SubscriberID
	}
	return ids
}

// finish gives the rest back; while the database is away it goes on trying,
// as long as the process may hold the batch at all.
func (b *batch) finish(notBefore int64) {
	w := b.worker
	for {
		err := b.close(w.closing, notBefore)
		if err == nil {
			w.onFinished()
			return
		}
		w.log.Error("finish batch", "batch", b.ID, "error", err)
		if w.closing.Err() != nil || errors.Is(err, context.Canceled) {
			return // the scheduler picks it up once this process has said goodbye
		}
		time.Sleep(time.Second)
	}
}

// close writes the end of the execution.
func (b *batch) close(ctx context.Context, notBefore int64) error {
	if len(b.unbegun) == 0 && !b.unsure.Load() {
		return b.worker.campaigns.Done(ctx, b.Batch)
	}
	return b.worker.campaigns.Finish(ctx, b.Batch, b.unbegun, notBefore)
}
