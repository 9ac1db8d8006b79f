//! From time to a place on a drawing.
//!
//! A wave works for an hour and then bakes for days. On a straight axis the hour, which is what people look for,
//! would be a hair; so long stretches in which nothing happened are folded, and say how long they are.

use super::format::rough_duration;
use jiff::Timestamp;

/// A stretch in which nothing happened is folded only if it is at least this long.
const FOLD_SECONDS_MIN: i64 = 2 * 3_600;
/// And only if it is this many times as long as everything that is shorter, together.
const FOLD_FACTOR: i64 = 3;
/// How wide a fold is, in percent, and how wide all of them may become.
const FOLD_WIDTH: f64 = 7.0;
const FOLDS_WIDTH_MAX: f64 = 28.0;
/// What a stretch between folds gets in any case, in percent, so that a finalize of seconds can be seen.
const SPAN_WIDTH_MIN: f64 = 3.0;
const SPANS_WIDTH_MIN_MAX: f64 = 30.0;
/// How far apart the labels of the axis stand at least, in percent. On a phone this is 40 pixels.
const LABEL_DISTANCE: f64 = 12.0;
/// Distances between the labels, in seconds; all divide a day or are made of days, so labels fall on round hours.
const STEPS: [i64; 15] = [
    10, 30, 60, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800,
];

/// A time axis, 0 to 100 percent.
pub(super) struct Scale {
    spans: Vec<Span>,
}

/// A part of the axis: drawn in proportion, or folded.
pub(super) struct Span {
    from: i64,
    to: i64,
    left: f64,
    right: f64,
    folded: bool,
}

/// A place where the axis is labelled.
pub(super) struct Tick {
    /// Where, in percent.
    pub(super) x: f64,
    /// On which side of it the label stands: "start", "middle", "end".
    pub(super) anchor: &'static str,
    /// The time of day.
    pub(super) time: String,
    /// The day, on the first label of each day.
    pub(super) day: Option<String>,
}

/// A stretch in which nothing happened.
pub(super) struct Fold {
    /// Its edges, in percent.
    pub(super) left: f64,
    pub(super) right: f64,
    /// How long it is: "3 d".
    pub(super) label: String,
}

impl Scale {
    /// The axis on which all these moments have a place; none without a moment.
    pub(super) fn over(moments: impl IntoIterator<Item = Timestamp>) -> Option<Scale> {
        let mut seconds: Vec<i64> = moments.into_iter().map(Timestamp::as_second).collect();
        seconds.sort_unstable();
        seconds.dedup();
        if let [only] = seconds[..] {
            seconds.push(only + 60);
        }
        let fold_from = shortest_fold(&seconds)?;
        let mut spans: Vec<Span> = Vec::new();
        for pair in seconds.windows(2) {
            let (from, to) = (pair[0], pair[1]);
            let folded = to - from >= fold_from;
            match spans.last_mut() {
                Some(last) if !last.folded && !folded => last.to = to,
                _ => spans.push(Span {
                    from,
                    to,
                    left: 0.0,
                    right: 0.0,
                    folded,
                }),
            }
        }
        lay_out(&mut spans);
        Some(Scale { spans })
    }

    /// Where a moment is, in percent; moments beyond the axis are put at its ends.
    pub(super) fn x(&self, at: Timestamp) -> f64 {
        self.x_of(at.as_second())
    }

    fn x_of(&self, second: i64) -> f64 {
        let Some(span) = self.spans.iter().find(|span| second <= span.to) else {
            return 100.0;
        };
        let part = (second - span.from).max(0) as f64 / (span.to - span.from) as f64;
        span.left + part * (span.right - span.left)
    }

    /// The folded stretches.
    pub(super) fn folds(&self) -> impl Iterator<Item = Fold> {
        self.spans.iter().filter(|span| span.folded).map(|span| Fold {
            left: span.left,
            right: span.right,
            label: rough_duration(u64::try_from(span.to - span.from).unwrap_or(0)),
        })
    }

    /// Where the axis is labelled, from left to right, and never so densely that labels touch.
    pub(super) fn ticks(&self) -> Vec<Tick> {
        let mut places: Vec<(i64, f64, Anchor)> = Vec::new();
        for span in self.spans.iter().filter(|span| !span.folded) {
            for (index, second) in span.round_seconds().into_iter().enumerate() {
                let x = self.x_of(second);
                let anchor = Anchor::at(x, span.left);
                let touches = |(_, last, side): &(i64, f64, Anchor)| x - last < side.distance_to(anchor);
                // The first label after a fold says where the axis goes on: it is worth more than its neighbour.
                if index == 0 {
                    places.pop_if(|last| touches(last));
                }
                if !places.last().is_some_and(touches) {
                    places.push((second, x, anchor));
                }
            }
        }
        let mut last_day = String::new();
        let labelled = |(second, x, anchor): (i64, f64, Anchor)| {
            let at = Timestamp::from_second(second).ok()?;
            let day = at.strftime("%-d %b").to_string();
            let time = at
                .strftime(if second % 60 == 0 { "%H:%M" } else { "%H:%M:%S" })
                .to_string();
            let new_day = (day != last_day).then(|| day.clone());
            last_day = day;
            Some(Tick {
                x,
                anchor: anchor.word(),
                time,
                day: new_day,
            })
        };
        places.into_iter().filter_map(labelled).collect()
    }
}

/// On which side of its place a label stands.
#[derive(Clone, Copy)]
enum Anchor {
    Start,
    Middle,
    End,
}

impl Anchor {
    /// A label goes into the axis at its ends, and away from a fold.
    fn at(x: f64, span_left: f64) -> Anchor {
        match x {
            x if x > 97.0 => Anchor::End,
            x if x - span_left < 4.0 => Anchor::Start,
            x if x > 95.0 => Anchor::End,
            _ => Anchor::Middle,
        }
    }

    /// How far the next label must be from this one, in percent: what stands between their places is half a label
    /// for each that is centred, and a whole one for each that leans to the other.
    fn distance_to(self, next: Anchor) -> f64 {
        let leaning = usize::from(matches!(self, Anchor::Start)) + usize::from(matches!(next, Anchor::End));
        LABEL_DISTANCE * (1.0 + leaning as f64 * 0.25)
    }

    /// The value of the attribute `text-anchor`.
    fn word(self) -> &'static str {
        match self {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        }
    }
}

impl Span {
    /// Round moments in this span, as far apart as labels must be; its beginning if it holds none.
    fn round_seconds(&self) -> Vec<i64> {
        let per_second = (self.right - self.left) / (self.to - self.from) as f64;
        let fits = |step: &i64| *step as f64 * per_second >= LABEL_DISTANCE;
        let Some(step) = STEPS.into_iter().find(fits) else {
            return vec![self.whole_minute()];
        };
        let past_round = self.from.rem_euclid(step);
        let first = if past_round == 0 {
            self.from
        } else {
            self.from - past_round + step
        };
        let every = usize::try_from(step).unwrap_or(usize::MAX);
        let round: Vec<i64> = (first..=self.to).step_by(every).collect();
        if round.is_empty() {
            vec![self.whole_minute()]
        } else {
            round
        }
    }

    /// The minute in which the span begins: a label needs no seconds there.
    fn whole_minute(&self) -> i64 {
        self.from - self.from.rem_euclid(60)
    }
}

/// The length from which on a stretch is folded; none without a stretch.
fn shortest_fold(seconds: &[i64]) -> Option<i64> {
    let mut gaps: Vec<i64> = seconds.windows(2).map(|pair| pair[1] - pair[0]).collect();
    gaps.sort_unstable();
    let (shortest, longer) = gaps.split_first()?;
    let mut together = *shortest;
    for gap in longer {
        if *gap >= FOLD_SECONDS_MIN && *gap > FOLD_FACTOR * together {
            return Some(*gap);
        }
        together += gap;
    }
    Some(i64::MAX)
}

fn lay_out(spans: &mut [Span]) {
    let folds = spans.iter().filter(|span| span.folded).count() as f64;
    let drawn = spans.len() as f64 - folds;
    let fold_width = FOLD_WIDTH.min(FOLDS_WIDTH_MAX / folds.max(1.0));
    let base = if folds == 0.0 {
        0.0
    } else {
        SPAN_WIDTH_MIN.min(SPANS_WIDTH_MIN_MAX / drawn.max(1.0))
    };
    let seconds: i64 = spans
        .iter()
        .filter(|span| !span.folded)
        .map(|span| span.to - span.from)
        .sum();
    let rest = 100.0 - folds * fold_width - drawn * base;
    let mut left = 0.0;
    for span in spans {
        let share = (span.to - span.from) as f64 / seconds as f64;
        let width = if span.folded { fold_width } else { base + rest * share };
        (span.left, span.right) = (left, left + width);
        left += width;
    }
}
