//! WGSL of the wire format for one element width: straight-line code, because a software adapter executes both sides of
//! every branch and cannot keep a variable-length bit stream in registers.
//!
//! Format: k bits an element, k a multiple of 4, least significant bit first, so 8 elements fill k / 4 words.

use std::fmt::Write as _;

/// Names under which a kernel is compiled for a width.
pub(super) const WIDTHS: [&str; 16] =
    ["K4", "K8", "K12", "K16", "K20", "K24", "K28", "K32", "K36", "K40", "K44", "K48", "K52", "K56", "K60", "K64"];

/// Names for the width of a second message.
pub(super) const SECOND: [&str; 16] =
    ["S4", "S8", "S12", "S16", "S20", "S24", "S28", "S32", "S36", "S40", "S44", "S48", "S52", "S56", "S60", "S64"];

/// The width among a kernel's defines, of [`WIDTHS`] or [`SECOND`].
pub(super) fn width(defines: &[&str], names: &[&str; 16]) -> Option<u32> {
    defines.iter().find(|d| names.contains(d)).map(|d| d[1..].parse().expect("a width's name"))
}

fn mask(bits: u32) -> u32 {
    u32::MAX >> (32 - bits)
}

/// `fn <name>(v, group)`: writes 8 elements to a buffer.
pub(super) fn pack(k: u32, name: &str, buffer: &str) -> String {
    let mut out = String::from("#import ring\n#import whole\n");
    let _ = writeln!(out, "fn {name}(v: array<R, 8>, group: u32) {{\n    let at = group * {}u;", k / 4);
    out.push_str("    let none = beyond(group);\n");
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
        let _ =
            writeln!(out, "    {buffer}[at + {w}u] = select({}, 0u, none);", pieces.collect::<Vec<_>>().join(" | "));
    }
    out.push_str("}\n");
    out
}

/// `fn <name>(group)`: reads 8 elements from a packed buffer.
pub(super) fn unpack(k: u32, name: &str, buffer: &str) -> String {
    let mut out = String::from("#import ring\n");
    let _ = writeln!(out, "fn {name}(group: u32) -> array<R, 8> {{\n    let at = group * {}u;", k / 4);
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

/// `fn <name>(group)`: draws 8 elements of the client's stream at the address `p.<address>0` to `p.<address>2`. Where a block
/// holds more of them, every group draws it again: cheaper than memory on a software adapter.
fn drawn(k: u32, name: &str, address: &str) -> String {
    let per = crate::correlated::elements_of_block(k) / 8;
    let low = mask(k.min(32));
    let elements: [String; 8] = std::array::from_fn(|e| match per {
        1 => {
            let (vector, at) = (["a", "b", "c", "d"][e / 2], [["x", "y"], ["z", "w"]][e % 2]);
            format!("r_make(b.{vector}.{} & {low}u, b.{vector}.{} & {}u)", at[0], at[1], mask(k - 32))
        }
        _ => format!("r_of(e[{e}] & {low}u)"),
    });
    let take = match per {
        1 => "",
        2 => "    var e = halves(b, group % 2u);\n",
        _ => "    var e = spread(shorts(b, group % 4u));\n",
    };
    format!(
        "#import ring\n#import draw\n#import eights\nfn {name}(group: u32) -> array<R, 8> {{\n    \
         let b = draw(0u, vec3<u32>(p.{address}0, p.{address}1, p.{address}2), group / {per}u);\n{take}    \
         return array<R, 8>({});\n}}\n",
        elements.join(", ")
    )
}

/// `fn dealt8_<buffer>(group)`: 8 dealt elements, which the client draws and the server reads from the dealer's message.
pub(super) fn dealt(k: u32, client: bool, buffer: &str) -> String {
    let name = format!("dealt8_{buffer}");
    if client { drawn(k, &name, buffer) } else { unpack(k, &name, buffer) }
}

/// `fn deal8_<buffer>(v, group)`: writes what the dealer sends of 8 elements, each less the client's stream.
pub(super) fn deal(k: u32, buffer: &str) -> String {
    let (draw, pack) = (drawn(k, &format!("client8_{buffer}"), buffer), pack(k, &format!("pack8_{buffer}"), buffer));
    let rest: [String; 8] = std::array::from_fn(|e| format!("r_sub(v[{e}], l[{e}])"));
    format!(
        "{draw}{pack}fn deal8_{buffer}(v: array<R, 8>, group: u32) {{\n    let l = client8_{buffer}(group);\n    \
         pack8_{buffer}(array<R, 8>({}), group);\n}}\n",
        rest.join(", ")
    )
}
