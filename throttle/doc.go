// Package throttle sets the pace. A [Lane] is a sending domain and a mailbox
// provider ([Providers]: a data file, and what is learned of exchangers); a
// [Limit] of a scope holds over all workers together.
//
// Pure, and called alike by the scheduler, the forecast and the simulation:
// [Plan] shares what gates let through, [Ramp] gives the cap of a sending day,
// [Quota] what of it is left, [Outlook.Play] plays all that forward.
//
// Seconds and minutes are kept in Redis by one atomic script ([Limiter]): it
// hands out permits by the handful, evenly spaced, each void soon after its
// time. Connections are leased there ([Leases]). Hours, days and the caps of a
// warm-up are counted in the database, in the transaction that begins a
// message ([Store.Rooms], [Store.Claim]), and asked before a batch is released.
//
// What comes back slows it: answers of a provider its lane for a while
// ([Slowdown]), complaints and bounces a campaign, lane or domain until a
// person resumes it ([Breaker]), by rates of each hour ([Outcomes]).
package throttle
