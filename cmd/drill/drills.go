package main

import (
	"slices"
	"time"
)

// drill is one way to break an installation while it works.
type drill struct {
	name   string
	engine string        // "": on both
	full   bool          // with all recipients
	apart  bool          // on PostgreSQL: each role in processes of its own, as docker-compose.yml has it
	roles  []string      // on PostgreSQL: of the processes, if not as usual
	domain string        // of the people, several with commas between them; "": many
	lasts  time.Duration // how long the campaign takes undisturbed; 0: 20 s
	env    []string
	paced  bool // by a limit, so that it lasts as long as it shall
	holds  bool // the relay may rightly lose the answer to one message twice

	linked bool                                              // each process reaches its servers by a network of its own
	slow   bool                                              // the database's disk can be made slow, or fail
	off    bool                                              // the processes' clock can be set off
	names  bool                                              // the relay is found by name
	disk   func(*stage) error                                // puts the data on a disk of its own, at stage.data
	before func(*stage) error                                // with the servers up and no process started yet
	launch func(*stage) error                                // instead of a plain launch
	play   func(*stage) error                                // breaks things while the campaign runs
	lost   func(*stage) (bound int)                          // extras that are right, known only at the end
	check  func(*stage, *result, map[string][]arrival) error // what else must be true at the end
}

// drills is the whole table.
func drills(o options) []drill {
	return slices.Concat(
		killDrills(), relayDrills(), redisDrills(), postgresDrills(), networkDrills(o),
		suspendDrills(o), clockDrills(), diskDrills(), startDrills(),
	)
}
