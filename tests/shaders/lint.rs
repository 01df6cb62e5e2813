//! Rules of our own, checked on the parsed module of every share kernel.

use masque_engine::gpu::Form;
use naga::{Expression, Function, Handle, Scalar, ScalarKind, TypeInner};

use crate::{Shader, all};

/// Kernels on plaintext; with `F32` others are, too.
pub const PLAINTEXT: [&str; 15] = [
    "activation",
    "add",
    "gather",
    "group_norm",
    "group_norm_parts",
    "group_norm_scale",
    "layer_norm",
    "pool",
    "product",
    "relu",
    "round",
    "scale",
    "softmax",
    "table",
    "unfold",
];
/// Kernels that turn values a party knows into ring words, or back.
const CODEC: [&str; 1] = ["encode"];

/// Whether a kernel computes on shares.
pub fn on_shares(s: &Shader) -> bool {
    !PLAINTEXT.contains(&s.kernel.file) && !s.kernel.defines.contains(&"F32")
}

fn functions(s: &Shader) -> Vec<(String, &Function, &naga::valid::FunctionInfo)> {
    let named = s.module.functions.iter().map(|(h, f)| (f.name.clone().unwrap_or_default(), f, &s.info[h]));
    let entries = s.module.entry_points.iter().enumerate();
    let entries = entries.map(|(i, e)| (e.name.clone(), &e.function, s.info.get_entry_point(i)));
    named.chain(entries).collect()
}

fn scalar(inner: &TypeInner) -> Option<Scalar> {
    match inner {
        TypeInner::Scalar(scalar) | TypeInner::Vector { scalar, .. } => Some(*scalar),
        _ => None,
    }
}

#[test]
fn no_float_on_shares() {
    for s in all().filter(|s| on_shares(s) && !CODEC.contains(&s.kernel.file)) {
        let floats = |inner: &TypeInner| scalar(inner).is_some_and(|s| s.kind == ScalarKind::Float);
        for (_, t) in s.module.types.iter() {
            assert!(!floats(&t.inner), "{}: type {:?} in a kernel on shares", s.name(), t.inner);
        }
        for (name, f, info) in functions(&s) {
            for (h, e) in f.expressions.iter() {
                let ty = info[h].ty.inner_with(&s.module.types);
                assert!(!floats(ty), "{}: {name} computes {e:?} in floating point", s.name());
            }
        }
    }
}

/// In the native form a ring word is the only 64-bit scalar, so arithmetic on one outside the helpers is arithmetic that
/// the portable form does otherwise, or not at all.
#[test]
fn ring_arithmetic_only_through_helpers() {
    let helper = |name: &str| ["r_", "e_", "e4_"].iter().any(|p| name.starts_with(p));
    for s in all().filter(|s| s.form == Form::Native) {
        for (name, f, info) in functions(&s).into_iter().filter(|(name, ..)| !helper(name)) {
            let word =
                |h: Handle<Expression>| scalar(info[h].ty.inner_with(&s.module.types)).is_some_and(|s| s.width == 8);
            for (_, e) in f.expressions.iter() {
                let raw = match e {
                    Expression::Binary { left, right, .. } => word(*left) || word(*right),
                    Expression::Unary { expr, .. } | Expression::As { expr, .. } => word(*expr),
                    Expression::Math { arg, .. } => word(*arg),
                    Expression::Select { accept, .. } => word(*accept),
                    _ => false,
                };
                assert!(!raw, "{}: {name} computes {e:?} on a ring word without a helper", s.name());
            }
        }
    }
}
