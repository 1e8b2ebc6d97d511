//! Stands in for the crate of this name. openraft records histograms which without its feature
//! `runtime-stats` nobody ever reads; the original answers the first use with 26 MB of lookup
//! tables, more than the rest of an idle node. Only what openraft names is here; it keeps nothing.

#![allow(
    clippy::new_without_default,
    clippy::must_use_candidate,
    reason = "the shapes are the original's"
)]

use std::fmt;

/// A histogram that keeps nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram<T = ()> {
    slots: std::marker::PhantomData<T>,
}

impl<T> Histogram<T> {
    pub fn new() -> Self {
        Self {
            slots: std::marker::PhantomData,
        }
    }

    pub fn record(&mut self, _value: u64) {}

    pub fn record_n(&mut self, _value: u64, _count: u64) {}

    pub fn percentile_stats(&self) -> PercentileStats {
        PercentileStats::default()
    }
}

/// What is read of a histogram: nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PercentileStats {
    pub samples: u64,
    pub p0_1: u64,
    pub p1: u64,
    pub p5: u64,
    pub p10: u64,
    pub p50: u64,
    pub p90: u64,
    pub p99: u64,
    pub p99_9: u64,
}

impl fmt::Display for PercentileStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[not recorded]")
    }
}

/// A drawing of histograms: empty.
#[derive(Clone, Debug, Default)]
pub struct AsciiChart {}

impl AsciiChart {
    pub fn new() -> Self {
        Self {}
    }

    #[must_use]
    #[allow(
        clippy::should_implement_trait,
        clippy::needless_pass_by_value,
        reason = "the shape is the original's"
    )]
    pub fn add(self, _name: &str, _histogram: Histogram) -> Self {
        self
    }
}

impl fmt::Display for AsciiChart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[not recorded]")
    }
}
