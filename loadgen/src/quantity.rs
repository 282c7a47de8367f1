//! Quantities as people write them, with their bounds.

use std::time::Duration;

use humantime_serde::re::humantime::{self, format_duration};
use ringhub_edge::config::ByteSize;

/// Longest part of a run.
const TIME_MAX: Duration = Duration::from_secs(30 * 24 * 3600);
/// Largest payload: no hub takes a message of more.
const PAYLOAD_BYTES_MAX: u64 = 262_144;

/// A time such as `0s`, `500ms` or `5m`, of 30 days at most.
pub(crate) fn parse_time(text: &str) -> Result<Duration, String> {
    let refused = |error| format!("{error}: write a number and a unit, such as 500ms, 30s or 5m");
    let time = humantime::parse_duration(text).map_err(refused)?;
    match time <= TIME_MAX {
        true => Ok(time),
        false => Err(format!("longer than {}", format_duration(TIME_MAX))),
    }
}

/// As [`parse_time`], but for nothing.
pub(crate) fn parse_some_time(text: &str) -> Result<Duration, String> {
    let time = parse_time(text)?;
    if time.is_zero() { Err("no time at all: write 1ms to 30days".to_owned()) } else { Ok(time) }
}

/// An MQTT keep-alive: whole seconds, with a unit or without.
pub(crate) fn parse_keep_alive(text: &str) -> Result<u16, String> {
    let refused = || "write whole seconds from 0 to 65535, such as 240 or 4m".to_owned();
    if let Ok(seconds) = text.parse::<u64>() {
        return u16::try_from(seconds).map_err(|_| refused());
    }
    let time = parse_time(text).map_err(|_| refused())?;
    let seconds = u16::try_from(time.as_secs()).map_err(|_| refused())?;
    if time.subsec_nanos() == 0 { Ok(seconds) } else { Err(refused()) }
}

/// Bytes of a payload: a number, or one with a unit.
pub(crate) fn parse_payload(text: &str) -> Result<u32, String> {
    let size = text.parse().map(ByteSize::bytes).or_else(|_| text.parse::<ByteSize>());
    let bytes = size.ok().map(ByteSize::as_bytes).filter(|bytes| *bytes <= PAYLOAD_BYTES_MAX);
    let bytes = bytes.and_then(|bytes| u32::try_from(bytes).ok());
    bytes.ok_or_else(|| format!("write 0 to {PAYLOAD_BYTES_MAX}, or a size such as 4KiB"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units_and_an_end() {
        assert_eq!(parse_time("0s"), Ok(Duration::ZERO));
        assert_eq!(parse_time("1m 500ms"), Ok(Duration::from_millis(60_500)));
        assert_eq!(parse_some_time("1ms"), Ok(Duration::from_millis(1)));
        for (text, remedy) in [("5", "a unit"), ("soon", "a unit"), ("31days", "30days")] {
            let error = parse_time(text).unwrap_err();
            assert!(error.contains(remedy), "{error}");
        }
        assert!(parse_some_time("0s").unwrap_err().contains("1ms"));
    }

    #[test]
    fn a_keep_alive_is_whole_seconds() {
        for (text, seconds) in [("0", 0), ("240", 240), ("4m", 240), ("65535s", 65_535)] {
            assert_eq!(parse_keep_alive(text), Ok(seconds));
        }
        for bad in ["-1", "65536", "19h", "1500ms", "often", ""] {
            assert!(parse_keep_alive(bad).unwrap_err().contains("0 to 65535"), "{bad}");
        }
    }

    #[test]
    fn a_payload_fits_into_a_message() {
        for (text, bytes) in [("0", 0), ("256", 256), ("4KiB", 4096), ("256KiB", 262_144)] {
            assert_eq!(parse_payload(text), Ok(bytes));
        }
        for bad in ["262145", "1MiB", "-1", "large"] {
            assert!(parse_payload(bad).unwrap_err().contains("262144"), "{bad}");
        }
    }
}
