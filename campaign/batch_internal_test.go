package campaign

import (
	"testing"
	"time"

	"facteur/internal/database"
)

// Law 1: whatever the queue says, and however often, a batch is executed once.
func TestBatch_IsOfOneExecution(t *testing.T) {
	eachDesk(t, func(d *desk) {
		id := d.launch(Campaign{ListIDs: []int64{d.list("all", "", 2)}}, Canary{})
		d.tick()
		const session, execution = 1, 7
		take := func(execution int64) (Batch, bool) {
			b, ok, err := d.store.Take(d.ctx, d.queue.ids[0], session, execution)
			d.must(err)
			return b, ok
		}
		b, ok := take(execution)
		if _, other := take(execution + 1); !ok || other {
			d.Fatalf("taken: %v, and by another execution: %v", ok, other)
		}
		if _, again := take(execution); !again {
			d.Error("not taken again after a commit whose answer was lost")
		}
		other := b
		other.Execution++
		d.must(d.store.Done(d.ctx, other))
		d.must(d.store.Finish(d.ctx, other, b.Members, 0))
		if rows, err := d.store.Load(d.ctx, b); err != nil || len(rows) != 2 {
			d.Errorf("%d rows are left in the batch that another execution has given back, %v", len(rows), err)
		}
		d.must(d.store.Finish(d.ctx, b, b.Members, 0))
		if _, ok := take(execution); ok {
			d.Error("taken again after its end")
		}
		if n := d.books(id); n.Queued != 2 {
			d.Errorf("%+v", n)
		}
	})
}

// Law 5: what a process had begun that only fell silent may still be answered,
// for as long as a relay may think; of one that has ended nothing is waited for.
func TestRecover_WaitsForASilentProcess(t *testing.T) {
	eachDesk(t, func(d *desk) {
		for _, proven := range []bool{false, true} {
			id := d.launch(Campaign{ListIDs: []int64{d.list("all", "", 1)}}, Canary{})
			d.tick()
			b, rows := d.take(d.queue.ids[len(d.queue.ids)-1])
			if !d.begin(b, rows[0]) {
				d.Fatal("not begun")
			}
			d.write(func(tx *database.Tx) error {
				_, _, err := d.store.Recover(d.ctx, tx, b.Session, proven, d.scheduler.patience.FinalDot.Milliseconds())
				return err
			})
			if d.begin(b, rows[0]) {
				d.Error("begun by a process that was given up")
			}
			if d.advance(d.scheduler.patience.FinalDot - time.Second); proven {
				d.advance(-d.scheduler.patience.FinalDot + 2*time.Second)
			}
			d.tick()
			want := Uncertain
			if proven {
				want = Queued
			}
			if row, err := d.store.Delivery(d.ctx, id, rows[0].SubscriberID); err != nil || row.Status != want {
				d.Errorf("proven %v: %s, want %s; %v", proven, row.Status, want, err)
			}
			d.advance(time.Minute)
		}
	})
}
