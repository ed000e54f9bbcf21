package smtp

import "facteur/internal/panics"

// A mail's own code, such as a template or a signer, may panic. That is the
// fault of this mail alone, and what the connection has under way goes on.

// ready is [Mail.Ready]; one that panicked has taken care of nothing.
func ready(m Mail) (ok bool, err error) {
	defer panics.Catch(&err)
	return m.Ready(), nil
}

// envelope is [Mail.Envelope].
func envelope(m Mail) (from, to string, utf8 bool, err error) {
	defer panics.Catch(&err)
	from, to, utf8 = m.Envelope()
	return from, to, utf8, nil
}

// compose is [Mail.Compose].
func compose(m Mail, dst []byte) (out []byte, err error) {
	defer panics.Catch(&err)
	return m.Compose(dst)
}

// unmade is the end of a mail that could not be made.
func unmade(m Mail, err error) Ended {
	return Ended{Mail: m, Result: Result{Stage: Compose, Err: err}}
}

// survive runs a connection to its end and keeps its panics from ending the
// process. What had begun is then in doubt, as after any end of a connection;
// what had not is given back.
func (c *conn) survive() {
	err := panics.Do(func() error { c.run(); return nil })
	if err == nil {
		return
	}
	c.drop()
	c.pool.panicked(err)
	if m := c.begun; m != nil {
		c.settle(nil, Ended{Mail: m, Begun: true, Result: Result{Stage: Body, Err: err}})
	}
	c.giveBack(ErrLost)
}
