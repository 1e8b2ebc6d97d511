//! A cluster that is simulated: the machine that applies commands, its state and its watches are the real ones, and so is the
//! consensus between members, but log disks, network, clock and crashes are made up, all by one seed, on one thread whose time is
//! nobody's. A run of a minute takes a fraction of a second, and the same seed is the same run. What holds in the simulation is
//! written down one invariant a file. TRIAD_SIM_RUNS says how many seeds each goes through, TRIAD_SIM_SEED from which on.
//!
//! Not in it: raft's own log on RocksDB, its connections and its threads, which `tests/fault` and the server's cluster tests prove.

mod client;
mod clock;
mod disk;
mod driver;
mod invariants;
mod life;
mod member;
mod network;
mod observer;
mod plan;
mod types;
mod watch;
mod watcher;
mod world;
