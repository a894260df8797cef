// Package chaostest breaks a real control plane under two replicas of the real
// controller, again and again, and then checks all that was ever written. It has tests
// only.
//
// What was written, in its true order, comes from etcd, which keeps every revision. By
// whom, and what was asked before, comes from the API server's audit log. What went
// wrong on the way comes from a proxy between each replica and the API server.
//
// GITSEAL_TEST_CHAOS_OBJECTS and GITSEAL_TEST_CHAOS_FAULTS make a run longer,
// GITSEAL_TEST_CHAOS_MINUTES ends the faults of one that is too long, and
// GITSEAL_TEST_SEED repeats the choices of an earlier one; GITSEAL_TEST_CHAOS_ONLY is part
// of the names of the faults that are wanted. From 100 faults on, the leases are as long
// as they are in production, and wall clocks jump. go test -artifacts keeps the logs of a
// run that failed.
package chaostest
