//! How far a job is: a bar on a terminal, a line every tenth elsewhere, nothing but warnings with `--quiet`.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::engine::Progress;
use crate::units;

const BAR: &str = "{msg}  {bar:32.cyan/dim}  {pos}/{len} image steps, {elapsed} elapsed, {eta} left";
const SPINNER: &str = "{spinner} {msg}  {elapsed}";

/// Shows progress on stderr, in the form that suits what stderr is.
pub enum Reporter {
    /// Says nothing.
    Quiet,
    /// Draws on a terminal.
    Bar(ProgressBar),
    /// Writes lines to a file or a pipe.
    Lines(Lines<io::Stderr>),
}

impl Reporter {
    /// A reporter on stderr.
    pub fn new(quiet: bool) -> Self {
        if quiet {
            return Self::Quiet;
        }
        if !io::stderr().is_terminal() {
            return Self::Lines(Lines::new(io::stderr()));
        }
        let bar = ProgressBar::new_spinner();
        bar.set_style(style(SPINNER));
        bar.enable_steady_tick(Duration::from_millis(120));
        Self::Bar(bar)
    }

    /// Takes one event.
    pub fn event(&mut self, event: &Progress) {
        if let Progress::Warning(text) = event {
            return self.warn(text);
        }
        match self {
            Self::Quiet => {}
            Self::Lines(lines) => lines.event(event),
            Self::Bar(bar) => match *event {
                Progress::Phase(name) => bar.set_message(name),
                Progress::Warning(_) => {}
                Progress::Steps { done, total } => {
                    if bar.length() != Some(total) {
                        bar.disable_steady_tick();
                        bar.set_length(total);
                        bar.set_style(style(BAR));
                        bar.reset_eta();
                    }
                    bar.set_position(done);
                }
            },
        }
    }

    fn warn(&mut self, text: &str) {
        let line = format!("warning: {text}");
        match self {
            Self::Bar(bar) => bar.suspend(|| eprintln!("{line}")),
            _ => eprintln!("{line}"),
        }
    }

    /// Takes the bar off the screen, so that what follows starts on a clean line.
    pub fn finish(&mut self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

/// A style of ours; a template that does not parse falls back to the library's default.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// Plain lines: one per phase, one per tenth of the steps.
pub struct Lines<W> {
    to: W,
    since: Instant,
    tenths: u64,
}

impl<W: Write> Lines<W> {
    /// Writes to `to`; a failed write is ignored, progress is no result.
    pub fn new(to: W) -> Self {
        Self { to, since: Instant::now(), tenths: 0 }
    }

    fn event(&mut self, event: &Progress) {
        match *event {
            Progress::Phase(name) => {
                let _ = writeln!(self.to, "{name}");
                (self.since, self.tenths) = (Instant::now(), 0);
            }
            Progress::Warning(_) => {}
            Progress::Steps { done, total } => {
                let tenths = (u128::from(done) * 10).checked_div(u128::from(total)).unwrap_or(10) as u64;
                if tenths > self.tenths {
                    self.tenths = tenths;
                    let gone = self.since.elapsed().as_secs_f64();
                    let left = gone * total.saturating_sub(done) as f64 / done as f64;
                    let (gone, left) = (units::seconds(gone), units::seconds(left));
                    let percent = tenths * 10;
                    let _ =
                        writeln!(self.to, "{percent:3} % ({done} of {total} image steps), {gone} gone, {left} left");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_lines_for_any_number_of_steps() {
        let mut lines = Lines::new(Vec::new());
        lines.event(&Progress::Phase("generating"));
        for done in 0..=200 {
            lines.event(&Progress::Steps { done, total: 200 });
        }
        let text = String::from_utf8(lines.to).expect("text");
        assert_eq!(text.lines().count(), 11);
        assert_eq!(text.lines().next(), Some("generating"));
        assert!(text.contains(" 10 % (20 of 200 image steps), ") && text.contains("100 % (200 of 200 "));
    }

    #[test]
    fn few_or_no_steps() {
        let mut lines = Lines::new(Vec::new());
        for (done, total) in [(0, 0), (1, 3), (3, 3), (3, 3), (u64::MAX, u64::MAX)] {
            lines.event(&Progress::Steps { done, total });
        }
        let text = String::from_utf8(lines.to).expect("text");
        assert!(text.lines().count() <= 3, "{text}");
    }

    #[test]
    fn the_templates_parse() {
        assert!(ProgressStyle::with_template(BAR).is_ok() && ProgressStyle::with_template(SPINNER).is_ok());
    }

    #[test]
    fn a_bar_takes_all_events() {
        let mut reporter = Reporter::Bar(ProgressBar::hidden());
        reporter.event(&Progress::Phase("generating"));
        reporter.event(&Progress::Steps { done: 3, total: 10 });
        let Reporter::Bar(bar) = &reporter else { panic!("it was a bar") };
        assert_eq!((bar.position(), bar.length()), (3, Some(10)));
        reporter.finish();
    }
}
