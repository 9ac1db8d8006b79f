//! Bars and moving lines: a bar a wave, a line a server of the waves under way, events above them as they come.

use super::progress::{ServerView, View, WaveView};
use super::{Canvas, lines};
use console::{Term, style};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use jiff::Timestamp;
use landfall_domain::plan::ProgramPlan;
use landfall_domain::report::WaveOutcome;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Real time that a picture stands at least when it shows something new, so that an eye can follow.
const PICTURE: Duration = Duration::from_millis(25);

/// Steps of a wave's bar.
const BAR_STEPS: u64 = 1_000;

/// Lines below the events that are not servers: the clock, and one left free.
const OTHER_LINES: usize = 2;

/// Events that stay visible above the bars, at least.
const EVENT_LINES_MIN: usize = 4;

/// The picture.
pub(super) struct Bars {
    start: Timestamp,
    began: Instant,
    multi: MultiProgress,
    clock: ProgressBar,
    waves: Vec<ProgressBar>,
    servers: Vec<ProgressBar>,
    width: usize,
}

impl Bars {
    pub(super) fn new(start: Timestamp, program: &ProgramPlan) -> Self {
        let multi = MultiProgress::new();
        let (rows, columns) = Term::stdout().size();
        let width = usize::from(columns).max(40);
        let clock = multi.add(ProgressBar::new(1).with_style(text_style()));
        let longest = program
            .waves
            .iter()
            .map(|wave| wave.wave_id.as_str().len())
            .max()
            .unwrap_or_default();
        let style = wave_style(longest, width);
        let waves: Vec<ProgressBar> = program
            .waves
            .iter()
            .map(|wave| {
                let bar = multi.add(ProgressBar::new(BAR_STEPS).with_style(style.clone()));
                bar.set_prefix(wave.wave_id.to_string());
                bar
            })
            .collect();
        let room = usize::from(rows).saturating_sub(waves.len() + OTHER_LINES + EVENT_LINES_MIN);
        let most = program
            .waves
            .iter()
            .map(|wave| wave.servers.len() + wave.databases.len())
            .max()
            .unwrap_or_default();
        let servers = (0..room.min(most))
            .map(|_| multi.add(ProgressBar::new(1).with_style(text_style())))
            .collect();
        Self {
            start,
            began: Instant::now(),
            multi,
            clock,
            waves,
            servers,
            width,
        }
    }

    fn draw_servers(&self, waves: &[WaveView]) {
        let active: Vec<&ServerView> = waves
            .iter()
            .filter(|wave| wave.is_active())
            .flat_map(|wave| wave.databases.iter().chain(&wave.servers))
            .collect();
        let texts = if active.len() <= self.servers.len() {
            active.iter().map(|server| self.server_text(server)).collect()
        } else {
            self.folded(&active)
        };
        for (index, line) in self.servers.iter().enumerate() {
            line.set_message(texts.get(index).cloned().unwrap_or_default());
        }
    }

    fn server_text(&self, server: &ServerView) -> String {
        let instance = server.instance.as_deref().unwrap_or_default();
        let text = format!("  {:<10} {:<34} {instance}", server.host, cut(&server.stage, 34));
        cut(&text, self.width - 1)
    }

    /// More servers than lines: how many are at which stage, the furthest first.
    fn folded(&self, servers: &[&ServerView]) -> Vec<String> {
        let mut stages: BTreeMap<(u64, &str), usize> = BTreeMap::new();
        for server in servers {
            *stages
                .entry(((server.share * 100.0) as u64, &server.stage))
                .or_default() += 1;
        }
        let rows = stages.into_iter().rev();
        rows.map(|((_, stage), number)| cut(&format!("  {number:>4} servers: {stage}"), self.width - 1))
            .collect()
    }
}

impl Canvas for Bars {
    fn line(&mut self, at: Timestamp, text: &str) {
        let time = style(lines::clock(self.start, at)).dim();
        let text = cut(text, self.width.saturating_sub(13));
        // A terminal that went away is no reason to end the run.
        let _ = self.multi.println(format!("{time}  {text}"));
        std::thread::sleep(PICTURE);
    }

    fn view(&mut self, view: &View, changes: &[String]) {
        let simulated = lines::clock(self.start, view.now);
        let real = self.began.elapsed().as_secs_f64();
        let transitions = view.transitions;
        let text = format!("simulated {simulated}   real {real:.1} s   {transitions} state transitions");
        self.clock
            .set_message(style(cut(&text, self.width - 1)).bold().to_string());
        for (bar, wave) in self.waves.iter().zip(&view.waves) {
            bar.set_position((wave.share * BAR_STEPS as f64) as u64);
            bar.set_message(wave_text(wave));
        }
        self.draw_servers(&view.waves);
        if !changes.is_empty() {
            std::thread::sleep(PICTURE);
        }
    }

    fn end(&mut self) {
        for line in &self.servers {
            line.finish_and_clear();
        }
        for bar in &self.waves {
            bar.abandon();
        }
        self.clock.abandon();
        eprintln!();
    }
}

fn wave_text(wave: &WaveView) -> String {
    let words = wave.words.clone();
    let styled = match wave.outcome {
        Some(WaveOutcome::Completed) => style(words).green(),
        Some(WaveOutcome::RolledBack) => style(words).yellow(),
        Some(WaveOutcome::NeedsOperator) => style(words).red(),
        _ if wave.share > 0.0 => style(words).cyan(),
        _ => style(words).dim(),
    };
    styled.to_string()
}

fn text_style() -> ProgressStyle {
    ProgressStyle::with_template("{msg}").expect("a fixed template")
}

fn wave_style(name_width: usize, width: usize) -> ProgressStyle {
    // Name, blanks, percentage and the longest words beside the bar.
    let bar = width.saturating_sub(name_width + 38).clamp(10, 60);
    let template = format!("{{prefix:{name_width}}} {{bar:{bar}.cyan/dim}} {{percent:>3}}% {{msg}}");
    ProgressStyle::with_template(&template)
        .expect("a template made of numbers")
        .progress_chars("━╸─")
}

/// The beginning of a text that fits into so many columns.
fn cut(text: &str, columns: usize) -> String {
    if text.chars().count() <= columns {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(columns.saturating_sub(1)).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_at_its_column() {
        assert_eq!(cut("web-01", 6), "web-01");
        assert_eq!(cut("web-01 waits", 6), "web-0…");
    }
}
