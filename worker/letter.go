package worker

import (
	"context"
	"time"

	"facteur/campaign"
	"facteur/internal/address"
	"facteur/sending"
	"facteur/sending/smtp"
	"facteur/unsubscribe"

	"github.com/hibiken/asynq"
)

// letterMail is a letter on its way; a [smtp.Mail].
type letterMail struct {
	worker  *Worker
	letter  sending.Letter
	sender  sending.Sender
	line    *line
	session int64
	to      address.Address
	result  chan bool // true: it has an answer; false: its body never began
}

func (m *letterMail) Envelope() (from, to string, utf8 bool) {
	from = m.sender.FromEmail
	if m.line.relay.Envelope == sending.VERP {
		// Campaign 0 stands for letters.
		from = unsubscribe.Reference{SubscriberID: m.letter.ID}.ReturnName(m.worker.composer.keys) + "@" + m.sender.ReturnPath
	}
	return from, m.to.Wire(), !m.to.ASCII()
}

func (m *letterMail) Ready() bool {
	if !m.worker.process.Alive() || m.worker.draining.Err() != nil {
		m.result <- false
		return false
	}
	return true
}

func (m *letterMail) Compose(dst []byte) ([]byte, error) {
	return append(dst, m.letter.Message...), nil
}

func (m *letterMail) Return(error) { m.result <- false }

func (m *letterMail) end() { m.result <- true }

// retryAt is when a deferred letter is tried again: as a delivery is.
func (m *letterMail) retryAt(o sending.Outcome, p campaign.Patience, now time.Time) int64 {
	return p.Settle(campaign.Delivery{Attempts: m.letter.Attempts}, o, "hold", now, 0).NotBefore
}

// runLetter sends one letter, ahead of all batches.
func (w *Worker) runLetter(ctx context.Context, t *asynq.Task) error {
	id, err := idOf(t)
	if err != nil || w.draining.Err() != nil || !w.process.Alive() {
		return nil
	}
	session := w.process.Session()
	l, ok, err := w.senders.TakeLetter(ctx, id, session)
	if err != nil || !ok {
		return err
	}
	answered, again, err := w.sendLetter(l, session)
	if err != nil {
		w.log.Error("letter", "letter", id, "error", err)
	}
	if answered {
		return nil
	}
	if again == 0 {
		again = w.db.Now().Add(2 * time.Second).UnixMilli()
	}
	return w.senders.GiveBackLetter(context.Background(), id, session, again)
}

func (w *Worker) sendLetter(l sending.Letter, session int64) (answered bool, again int64, err error) {
	ctx := context.WithoutCancel(w.draining)
	m := &letterMail{worker: w, letter: l, session: session, result: make(chan bool, 1)}
	if m.sender, err = w.senders.Sender(ctx, l.SenderID); err != nil {
		return false, 0, err
	}
	if m.to, err = address.Parse(l.Email); err != nil {
		return false, 0, err
	}
	if m.line, again, err = w.lines.pick(ctx, m.sender.RelayIDs); err != nil || m.line == nil {
		return false, again, err
	}
	if err := m.line.pool.Send(w.draining, m, true); err != nil {
		return false, 0, nil // the relay rests, or this process ends
	}
	return <-m.result, 0, nil
}

var (
	_ smtp.Mail = (*letterMail)(nil)
	_ smtp.Mail = (*delivery)(nil)
)
