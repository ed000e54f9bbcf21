package database

import "context"

// What orders transactions on PostgreSQL, where two that run side by side each
// read what was before the other (READ COMMITTED). On SQLite the single writer
// is the order, and none of this does anything. A transaction asks for them in
// this order and before it reads what it decides by: [Tx.Yes] or [Tx.No], then
// [Tx.Gate], then rows ([Tx.Lock]). See docs/decisions/0017-transactions-in-order.md.

// Yes is asked by what brings somebody onto a list: it is ordered against
// every [Tx.No], and not against others of its kind. It must come first: who
// has asked for Yes never asks for No.
func (tx *Tx) Yes(ctx context.Context) error {
	return tx.advisory(ctx, `SELECT pg_advisory_xact_lock_shared(7239)`)
}

// No is asked by what takes somebody off a list, suppresses or erases them. It
// waits for each [Tx.Yes] under way and then, by the gate, for each begin; who
// asks for either after it has committed sees it.
func (tx *Tx) No(ctx context.Context) error {
	if err := tx.advisory(ctx, `SELECT pg_advisory_xact_lock(7239)`); err != nil {
		return err
	}
	return tx.Gate(ctx, true)
}

func (tx *Tx) advisory(ctx context.Context, query string) error {
	if tx.db.engine == SQLite {
		return nil
	}
	return tx.exec(ctx, query)
}

// Lock keeps the rows that a SELECT finds from being changed or locked by
// anybody else until the transaction ends; what is read after it is the latest.
// Several rows are found in the order of their key, so that two transactions
// never wait for each other.
func (tx *Tx) Lock(ctx context.Context, query string, args ...any) error {
	if tx.db.engine == SQLite {
		return nil
	}
	_, err := tx.Exec(ctx, query+` FOR UPDATE`, args...)
	return err
}
