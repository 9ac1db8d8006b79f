//! A line for each thing that happens, for logs and for whoever reads later.

use super::progress::View;
use super::{Canvas, lines};
use jiff::Timestamp;
use std::io::Write;

/// Prints lines to standard output, each with simulated time.
pub(super) struct Plain {
    start: Timestamp,
}

impl Plain {
    pub(super) fn new(start: Timestamp) -> Self {
        Self { start }
    }

    fn print(&self, at: Timestamp, text: &str) {
        // Whoever closed the pipe does not want to read any more; the run goes on for its exit status.
        let _ = writeln!(std::io::stdout(), "{}  {text}", lines::clock(self.start, at));
    }
}

impl Canvas for Plain {
    fn line(&mut self, at: Timestamp, text: &str) {
        self.print(at, text);
    }

    fn view(&mut self, view: &View, changes: &[String]) {
        for change in changes {
            self.print(view.now, change);
        }
    }

    fn end(&mut self) {}
}
