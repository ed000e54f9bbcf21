// Package segment is the language by which an audience is narrowed: conditions
// over one person, read by people.
//
//	attributes.city = "Lyon" and (locale = "fr" or list(12) is confirmed)
//	  and not last_sent_at > 30 days ago
//
// docs/segments.md has the grammar. [Parse] reads a text once and says where it
// is wrong; [Condition.Match] then judges one [Person] after the other. It is
// judged here and not by the database, so that SQLite and PostgreSQL, which
// compare texts and read JSON each in its own way, give the same people.
//
// The package knows nothing of where persons come from.
package segment
