// Package services runs real servers for tests, drills and benches: PostgreSQL
// and Redis as Debian ships them, each on a loopback port and in a folder of
// its own, gone without a trace when the run is over.
//
// The life of each:
//
//  1. its programs are looked for on PATH and where Debian keeps them
//     ([ErrMissing] if they are not there);
//  2. a folder is made and a port picked that nothing else will be given;
//  3. it is started in a process group of its own, so that a Ctrl-C at the
//     terminal does not reach it, and dies with this process (on Linux);
//  4. it has started when it answers a question only our own server can answer
//     rightly: which folder is yours?
//  5. Kill and Start again, on the same port and the same data, play a crash;
//  6. Stop ends it and removes the folder.
//
// Processes are ended by their id only, never by name: servers that belong to
// the machine are out of reach. A folder left by a process that was killed
// itself is removed by the next one that makes a folder in the same place.
//
// Another server is another file here, with a [Part] in [Parts]; command
// services then installs and starts it too.
package services
