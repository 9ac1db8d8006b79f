//! Times and durations as the three services print them.

use jiff::{SignedDuration, Timestamp};

use super::knobs::TimestampStyle;

/// An MGN time, in the style of the knob.
pub(crate) fn mgn(at: Timestamp, style: TimestampStyle) -> String {
    let micros = match style {
        TimestampStyle::MicrosWithOffset => true,
        TimestampStyle::Zulu => false,
        // The instant decides, so that it looks the same whenever it is printed.
        TimestampStyle::Mixed => scramble(at.as_millisecond() as u64).is_multiple_of(2),
    };
    if micros {
        at.strftime("%Y-%m-%dT%H:%M:%S%.6f+00:00").to_string()
    } else {
        zulu(at)
    }
}

/// `2022-08-31T17:10:13.411Z`, as EC2 and SSM's strings print it.
pub(crate) fn zulu(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// Seconds since 1970, with milliseconds: a time in AWS JSON 1.1.
pub(crate) fn epoch_seconds(at: Timestamp) -> serde_json::Value {
    serde_json::json!(at.as_millisecond() as f64 / 1000.0)
}

/// Any RFC 3339 time a client may send.
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}

/// An ISO 8601 duration as MGN prints it: `P0D`, `PT3.200000S`, `P2DT16H20M38.697305S`.
pub(crate) fn iso_duration(duration: SignedDuration) -> String {
    if duration <= SignedDuration::ZERO {
        return "P0D".to_owned();
    }
    let seconds = duration.as_secs();
    let micros = duration.subsec_micros();
    let (days, hours, minutes) = (seconds / 86_400, seconds % 86_400 / 3600, seconds % 3600 / 60);
    let mut text = String::from("P");
    if days > 0 {
        text.push_str(&format!("{days}D"));
    }
    let mut time = String::new();
    if hours > 0 {
        time.push_str(&format!("{hours}H"));
    }
    if minutes > 0 {
        time.push_str(&format!("{minutes}M"));
    }
    match (seconds % 60, micros) {
        (0, 0) => {}
        (rest, 0) => time.push_str(&format!("{rest}S")),
        (rest, micros) => time.push_str(&format!("{rest}.{micros:06}S")),
    }
    if !time.is_empty() {
        text.push('T');
        text.push_str(&time);
    }
    if text == "P" { "P0D".to_owned() } else { text }
}

/// A fixed mixing of bits: the same number for the same input, in every run.
pub(crate) fn scramble(input: u64) -> u64 {
    let mut mixed = input.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_print_as_mgn_prints_them() {
        assert_eq!(iso_duration(SignedDuration::ZERO), "P0D");
        assert_eq!(iso_duration(SignedDuration::from_secs(90_000)), "P1DT1H");
        assert_eq!(
            iso_duration(SignedDuration::new(58_838, 697_305_000)),
            "PT16H20M38.697305S"
        );
    }

    #[test]
    fn both_forms_of_a_time_occur_and_parse_to_the_same_instant() {
        let at: Timestamp = "2022-08-31T17:10:13.411Z".parse().expect("a literal");
        for style in [
            TimestampStyle::MicrosWithOffset,
            TimestampStyle::Zulu,
            TimestampStyle::Mixed,
        ] {
            assert_eq!(parse(&mgn(at, style)), Some(at));
        }
        assert_eq!(
            mgn(at, TimestampStyle::MicrosWithOffset),
            "2022-08-31T17:10:13.411000+00:00"
        );
    }
}
