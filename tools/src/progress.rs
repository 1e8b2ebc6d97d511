//! How far a long copy has come: a bar on standard error, where that is a terminal; nothing else anywhere else.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

const TEMPLATE: &str = "{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}";

/// A bar; it goes away at its end.
pub(crate) struct Bar(ProgressBar);

impl Bar {
    pub(crate) fn new(doing: &str, bytes: u64) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self(ProgressBar::hidden());
        }
        let bar = ProgressBar::with_draw_target(Some(bytes), ProgressDrawTarget::stderr());
        // The template is ours, and good.
        if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
            bar.set_style(style);
        }
        bar.set_message(doing.to_owned());
        Self(bar)
    }

    pub(crate) fn tell(&self) -> impl Fn(u64) + '_ {
        |bytes| self.0.inc(bytes)
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
