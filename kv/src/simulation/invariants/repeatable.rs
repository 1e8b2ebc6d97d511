//! The same seed is the same run: what it found is found again.

use super::super::plan::Plan;
use super::super::world::run;

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in [3, 4] {
        let once = run(seed, Plan::default()).unwrap();
        assert_eq!(run(seed, Plan::default()).unwrap(), once);
        assert_ne!(run(seed + 100, Plan::default()).unwrap(), once);
    }
}
