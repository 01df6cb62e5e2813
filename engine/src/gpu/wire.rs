//! WGSL of the wire format for one element width: straight-line code, because a software adapter executes both sides of
//! every branch and cannot keep a variable-length bit stream in registers.
//!
//! Format: k bits an element, k a multiple of 4, least significant bit first, so 8 elements fill k / 4 words.

use std::fmt::Write as _;

/// Names under which a kernel is compiled for a width.
pub(super) const WIDTHS: [&str; 16] =
    ["K4", "K8", "K12", "K16", "K20", "K24", "K28", "K32", "K36", "K40", "K44", "K48", "K52", "K56", "K60", "K64"];

/// The width among a kernel's defines.
pub(super) fn width(defines: &[&str]) -> Option<u32> {
    defines.iter().find(|d| WIDTHS.contains(d)).map(|d| d[1..].parse().expect("a width's name"))
}

fn mask(bits: u32) -> u32 {
    u32::MAX >> (32 - bits)
}

/// `fn pack8(v, group)`: writes 8 elements to `msg`.
pub(super) fn pack(k: u32) -> String {
    let mut out = String::from("#import ring\n");
    let _ = writeln!(out, "fn pack8(v: array<R, 8>, group: u32) {{\n    let at = group * {}u;", k / 4);
    // (name, first bit, bits) of every half of every element.
    let mut parts = Vec::new();
    for e in 0..8 {
        let low = k.min(32);
        let _ = writeln!(out, "    let l{e} = r_lo(v[{e}]) & {}u;", mask(low));
        parts.push((format!("l{e}"), e * k, low));
        if k > 32 {
            let _ = writeln!(out, "    let h{e} = r_hi(v[{e}]) & {}u;", mask(k - 32));
            parts.push((format!("h{e}"), e * k + 32, k - 32));
        }
    }
    for w in 0..k / 4 {
        let (from, to) = (32 * w, 32 * w + 32);
        let pieces = parts.iter().filter(|(_, s, n)| *s < to && s + n > from).map(|(name, s, _)| match s.cmp(&from) {
            std::cmp::Ordering::Equal => name.clone(),
            std::cmp::Ordering::Greater => format!("({name} << {}u)", s - from),
            std::cmp::Ordering::Less => format!("({name} >> {}u)", from - s),
        });
        let _ = writeln!(out, "    msg[at + {w}u] = {};", pieces.collect::<Vec<_>>().join(" | "));
    }
    out.push_str("}\n");
    out
}

/// `fn unpack8_<buffer>(group)`: reads 8 elements from a packed buffer.
pub(super) fn unpack(k: u32, buffer: &str) -> String {
    let mut out = String::from("#import ring\n");
    let _ = writeln!(out, "fn unpack8_{buffer}(group: u32) -> array<R, 8> {{\n    let at = group * {}u;", k / 4);
    for w in 0..k / 4 {
        let _ = writeln!(out, "    let w{w} = {buffer}[at + {w}u];");
    }
    let bits = |s: u32, n: u32| {
        let (w, at) = (s / 32, s % 32);
        let first = if at == 0 { format!("w{w}") } else { format!("(w{w} >> {at}u)") };
        let both = if at + n > 32 { format!("({first} | (w{} << {}u))", w + 1, 32 - at) } else { first };
        format!("({both} & {}u)", mask(n))
    };
    out.push_str("    return array<R, 8>(\n");
    for e in 0..8 {
        let hi = if k > 32 { bits(e * k + 32, k - 32) } else { "0u".into() };
        let _ = writeln!(out, "        r_make({}, {hi}){}", bits(e * k, k.min(32)), if e < 7 { "," } else { ");" });
    }
    out.push_str("}\n");
    out
}
