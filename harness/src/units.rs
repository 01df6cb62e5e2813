//! Numbers and tables for people. Sizes are decimal: 1 GB = 10^9 bytes.

use std::fmt::Write;

/// `1.23 GB`, with three significant digits from 1 kB on.
pub fn bytes(n: u64) -> String {
    const UNITS: [&str; 6] = ["B", "kB", "MB", "GB", "TB", "PB"];
    let mut value = n as f64;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 { format!("{n} B") } else { format!("{} {}", significant(value), UNITS[unit]) }
}

/// Reads a size such as `4GiB`, `512MB` or `1000000`.
pub fn size(text: &str) -> std::result::Result<u64, String> {
    const UNITS: [(&str, u64); 9] = [
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("TiB", 1 << 40),
        ("kB", 1000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("TB", 1_000_000_000_000),
        ("B", 1),
    ];
    let text = text.trim();
    let unit = UNITS.iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?.trim_end(), *factor)));
    let (number, factor) = unit.unwrap_or((text, 1));
    let bytes = number.parse::<f64>().ok().map(|n| n * factor as f64).filter(|n| (1.0..1e18).contains(n));
    bytes.map(|n| n as u64).ok_or_else(|| "expected a size such as 4GiB or 500MB".into())
}

/// `0.42 s`, `12.3 s`, `2 min 12 s`, `1 h 02 min`.
pub fn seconds(s: f64) -> String {
    if !s.is_finite() || s < 0.0 {
        return "–".into();
    }
    if s < 0.0995 {
        return format!("{} ms", significant(s * 1000.0));
    }
    if s < 59.95 {
        return format!("{} s", significant(s));
    }
    let whole = s.round() as u64;
    match whole {
        0..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

/// `1,234,567`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// `1 image`, `4 images`.
pub fn plural(n: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(n), if n == 1 { "" } else { "s" })
}

/// Text in columns; the first is left-aligned.
pub fn aligned(lines: &[Vec<String>]) -> String {
    let columns = lines.first().map_or(0, Vec::len);
    let width = |c: usize| lines.iter().map(|l| l[c].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for line in lines {
        for (c, (entry, width)) in line.iter().zip(&widths).enumerate() {
            let _ = if c == 0 { write!(text, "{entry:width$}") } else { write!(text, "  {entry:>width$}") };
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text
}

/// Three significant digits below 100, whole numbers above.
fn significant(value: f64) -> String {
    match value {
        v if v < 9.995 => format!("{v:.2}"),
        v if v < 99.95 => format!("{v:.1}"),
        v => format!("{v:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let cases = [(0, "0 B"), (999, "999 B"), (1000, "1.00 kB"), (999_949, "1.00 MB"), (1_234_567_890, "1.23 GB")];
        for (n, text) in cases {
            assert_eq!(bytes(n), text);
        }
        assert_eq!(bytes(u64::MAX), "18447 PB");
    }

    #[test]
    fn sizes_are_read() {
        let cases =
            [("4GiB", 4 << 30), ("512 MB", 512_000_000), ("1.5kB", 1500), ("77", 77), (" 2TiB ", 2 << 40), ("9B", 9)];
        for (text, n) in cases {
            assert_eq!(size(text), Ok(n), "{text}");
        }
        for bad in ["", "GiB", "-1GB", "4XB", "nan", "inf", "0", "4 G"] {
            assert!(size(bad).is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn times() {
        let cases =
            [(0.0004, "0.40 ms"), (0.42, "0.42 s"), (12.34, "12.3 s"), (59.96, "1 min 00 s"), (132.0, "2 min 12 s")];
        for (s, text) in cases {
            assert_eq!(seconds(s), text);
        }
        assert_eq!(seconds(3720.0), "1 h 02 min");
        assert_eq!(seconds(f64::NAN), "–");
    }

    #[test]
    fn counts() {
        assert_eq!(count(7), "7");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(plural(1, "image"), "1 image");
        assert_eq!(plural(4, "image"), "4 images");
    }
}
