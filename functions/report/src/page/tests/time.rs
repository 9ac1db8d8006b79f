//! Time as people read it, and its place on a drawing.

use super::super::format::{duration, rough_duration};
use super::super::scale::Scale;
use super::samples::at;

#[test]
fn a_duration_is_told_in_its_two_largest_units() {
    for (seconds, words) in [
        (0, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (252, "4 min 12 s"),
        (3_600, "1 h"),
        (3_799, "1 h 3 min"),
        (86_399, "23 h 59 min"),
        (273_600, "3 d 4 h"),
    ] {
        assert_eq!(duration(seconds), words);
    }
    assert_eq!(rough_duration(71 * 3_600), "3 d");
    assert_eq!(rough_duration(20 * 3_600 + 100), "20 h");
}

fn scale(seconds: &[i64]) -> Scale {
    Scale::over(seconds.iter().map(|second| at(*second))).expect("there are moments")
}

#[test]
fn without_a_moment_there_is_no_axis_and_one_moment_is_enough() {
    assert!(Scale::over([]).is_none());
    assert_eq!(scale(&[0]).x(at(0)), 0.0);
}

#[test]
fn a_wave_without_long_waits_is_drawn_in_proportion() {
    let scale = scale(&[0, 900, 3_600]);
    assert_eq!(scale.folds().count(), 0);
    assert!((scale.x(at(900)) - 25.0).abs() < 1e-9);
    assert!((scale.x(at(3_600)) - 100.0).abs() < 1e-9);
}

#[test]
fn a_bake_of_days_is_folded_so_that_the_cutover_can_be_seen() {
    let scale = scale(&[0, 600, 1_800, 3_000, 3_000 + 72 * 3_600, 3_300 + 72 * 3_600]);
    let folds: Vec<_> = scale.folds().collect();
    assert_eq!(folds.len(), 1);
    assert_eq!(folds[0].label, "3 d");
    assert!(folds[0].right - folds[0].left < 10.0);
    assert!(
        scale.x(at(3_000)) > 75.0,
        "what happened before the bake fills most of the axis"
    );
}

#[test]
fn time_never_runs_backwards_on_the_axis_and_never_leaves_it() {
    let moments = [0, 1, 7_000, 20_000, 400_000, 400_100, 900_000, 900_050];
    let scale = scale(&moments);
    let places: Vec<f64> = (0..900_050).step_by(97).map(|second| scale.x(at(second))).collect();
    assert!(places.is_sorted());
    assert!(scale.x(at(-500)) >= 0.0);
    assert!(scale.x(at(2_000_000)) <= 100.0 + 1e-9);
}

#[test]
fn labels_of_the_axis_do_not_touch_and_fall_on_round_times() {
    for end in [50, 400, 3_600, 20_000, 86_400, 1_000_000] {
        let ticks = scale(&[0, end / 2, end]).ticks();
        assert!(!ticks.is_empty(), "{end}");
        assert!(ticks.windows(2).all(|pair| pair[1].x - pair[0].x >= 12.0), "{end}");
        assert_eq!(
            ticks[0].day.as_deref().map(|day| day.ends_with("Mar")),
            Some(true),
            "{end}"
        );
    }
    let ticks = scale(&[0, 1_800, 3_600]).ticks();
    assert!(ticks.iter().all(|tick| tick.time.ends_with('0')));
}
