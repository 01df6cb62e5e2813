//! WGSL of the wire format for one element width: straight-line code, because a software adapter executes both sides of
//! every branch and cannot keep a variable-length bit stream in registers.
//!
//! Format: k bits an element, k a multiple of 4, least significant bit first, so 8 elements fill k / 4 words. Adapters with
//! 64-bit integers read and write two of them at once where they are even in number: software adapters do so lane by lane.

use std::fmt::Write as _;

use super::Form;

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

/// Whether a message of `k` bits an element is one of ring words.
fn paired(k: u32, form: Form) -> bool {
    form == Form::Native && k.is_multiple_of(8)
}

/// `alias Packed_<buffer>`: what the buffer of a message is an array of.
fn word(k: u32, form: Form, buffer: &str) -> String {
    format!("alias Packed_{buffer} = {};\n", if paired(k, form) { "u64" } else { "u32" })
}

/// `fn <name>(v, group)`: writes 8 elements to a buffer.
pub(super) fn pack(k: u32, form: Form, name: &str, buffer: &str) -> String {
    let pairs = paired(k, form);
    let mut out = String::from("#import ring\n#import whole\n") + &word(k, form, buffer);
    let _ = writeln!(out, "fn {name}(v: array<R, 8>, group: u32) {{");
    let _ = writeln!(out, "    let at = group * {}u;", if pairs { k / 8 } else { k / 4 });
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
        let _ = writeln!(out, "    let w{w} = {};", pieces.collect::<Vec<_>>().join(" | "));
        match pairs {
            true if w % 2 == 1 => {
                let _ = writeln!(out, "    {buffer}[at + {}u] = r_whole(r_make(w{}, w{w}), none);", w / 2, w - 1);
            }
            true => {}
            false => {
                let _ = writeln!(out, "    {buffer}[at + {w}u] = select(w{w}, 0u, none);");
            }
        }
    }
    out.push_str("}\n");
    out
}

/// `fn <name>(group)`: reads 8 elements from a packed buffer.
pub(super) fn unpack(k: u32, form: Form, name: &str, buffer: &str) -> String {
    let mut out = String::from("#import ring\n") + &word(k, form, buffer);
    let _ = writeln!(out, "fn {name}(group: u32) -> array<R, 8> {{");
    if paired(k, form) {
        let _ = writeln!(out, "    let at = group * {}u;", k / 8);
        for q in 0..k / 8 {
            let _ = writeln!(out, "    let q{q} = {buffer}[at + {q}u];");
            let _ = writeln!(out, "    let w{} = r_lo(q{q});\n    let w{} = r_hi(q{q});", 2 * q, 2 * q + 1);
        }
    } else {
        let _ = writeln!(out, "    let at = group * {}u;", k / 4);
        for w in 0..k / 4 {
            let _ = writeln!(out, "    let w{w} = {buffer}[at + {w}u];");
        }
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

/// `fn drawn8_<buffer>(word, groups)`: the next 8 elements of the client's stream at the address `p.<buffer>0` to
/// `p.<buffer>2`. Words of a section are numbered: those that fit share a block, and the first one has a new one. There are
/// `groups` blocks of each, of which this thread's is in `block_<buffer>`.
fn drawn(k: u32, buffer: &str) -> String {
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
        2 => "    var e = halves(b, word % 2u);\n",
        _ => "    var e = spread(shorts(b, word % 4u));\n",
    };
    format!(
        "#import ring\n#import draw\n#import eights\nvar<private> block_{buffer}: u32;\n\
         var<private> held_{buffer}: Block;\n\
         fn drawn8_{buffer}(word: u32, groups: u32) -> array<R, 8> {{\n    \
         if (word % {per}u == 0u) {{\n        \
         held_{buffer} = draw(0u, vec3<u32>(p.{buffer}0, p.{buffer}1, p.{buffer}2), block_{buffer});\n        \
         block_{buffer} += groups;\n    }}\n    \
         let b = held_{buffer};\n{take}    return array<R, 8>({});\n}}\n",
        elements.join(", ")
    )
}

/// `fn dealt8_<buffer>(word, groups)`: the next 8 dealt elements, which the client draws and the server reads from the
/// dealer's message, [word][n]. `fn start_<buffer>(group)` comes first.
pub(super) fn dealt(k: u32, form: Form, client: bool, buffer: &str) -> String {
    if client {
        return drawn(k, buffer)
            + &format!(
                "fn start_{buffer}(group: u32) {{ block_{buffer} = group; }}\n\
                 fn dealt8_{buffer}(word: u32, groups: u32) -> array<R, 8> {{ return drawn8_{buffer}(word, groups); }}\n"
            );
    }
    unpack(k, form, &format!("unpack8_{buffer}"), buffer)
        + &format!(
            "var<private> at_{buffer}: u32;\nfn start_{buffer}(group: u32) {{ at_{buffer} = group; }}\n\
             fn dealt8_{buffer}(word: u32, groups: u32) -> array<R, 8> {{\n    let at = at_{buffer};\n    \
             at_{buffer} += groups;\n    return unpack8_{buffer}(at);\n}}\n"
        )
}

/// `fn deal8_<buffer>(v, word, groups)`: writes what the dealer sends of the next 8 elements, each less the client's stream.
/// `fn start_<buffer>(group)` comes first.
pub(super) fn deal(k: u32, form: Form, buffer: &str) -> String {
    let (draw, pack) = (drawn(k, buffer), pack(k, form, &format!("pack8_{buffer}"), buffer));
    let rest: [String; 8] = std::array::from_fn(|e| format!("r_sub(v[{e}], l[{e}])"));
    format!(
        "{draw}{pack}var<private> at_{buffer}: u32;\n\
         fn start_{buffer}(group: u32) {{\n    block_{buffer} = group;\n    at_{buffer} = group;\n}}\n\
         fn deal8_{buffer}(v: array<R, 8>, word: u32, groups: u32) {{\n    let l = drawn8_{buffer}(word, groups);\n    \
         pack8_{buffer}(array<R, 8>({}), at_{buffer});\n    at_{buffer} += groups;\n}}\n",
        rest.join(", ")
    )
}
