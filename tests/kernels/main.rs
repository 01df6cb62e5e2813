//! Share kernels against their twins in `engine/src/reference`, tolerance 0: every shipped variant in every form the
//! adapter has. Outputs are poisoned before; what the twin leaves alone must stay poisoned, guard words included.
//!
//! A new kernel gets a function from [`Draw`] to cases and a line in `kernels!`.

mod case;
mod comparison;
mod elementwise;
mod piecewise;
mod ring;
mod streams;
mod vectors;
mod weights;

use std::collections::BTreeSet;
use std::path::Path;

use case::{Case, Draw, check};
use masque_engine::gpu::shader::{SOURCES, shipped};

/// Kernels on `f32`, and products, which have tests of their own with other tolerances.
const ELSEWHERE: [(&str, &str); 18] = [
    ("activation", "floats.rs"),
    ("add", "floats.rs"),
    ("gather", "floats.rs"),
    ("group_norm", "floats.rs"),
    ("group_norm_parts", "floats.rs"),
    ("group_norm_scale", "floats.rs"),
    ("layer_norm", "floats.rs"),
    ("pool", "floats.rs"),
    ("product", "floats.rs"),
    ("relu", "floats.rs"),
    ("round", "floats.rs"),
    ("scale", "floats.rs"),
    ("softmax", "floats.rs"),
    ("table", "floats.rs"),
    ("unfold", "floats.rs"),
    ("conv2d", "matmul.rs"),
    ("matmul", "matmul.rs"),
    ("pack_b", "matmul.rs"),
];

/// Kernels that share a twin: steps of one computation, or forms of one function.
const WITHIN: [(&str, &str); 5] = [
    ("pack_b", "matmul"),
    ("group_norm_parts", "group_norm"),
    ("group_norm_scale", "group_norm"),
    ("relu", "activation"),
    ("table", "activation"),
];

macro_rules! kernels {
    ($($stem:ident: $cases:path),* $(,)?) => {
        /// Kernels tested here, with their cases.
        const CASES: &[(&str, fn(&mut Draw) -> Vec<Case>)] = &[$((stringify!($stem), $cases)),*];
        $(#[test]
        fn $stem() {
            check(&$cases(&mut Draw::new(stringify!($stem))));
        })*
    };
}

kernels! {
    affine: elementwise::affine,
    compare_deal: comparison::compare_deal,
    compare_final: comparison::compare_final,
    compare_leaf: comparison::compare_leaf,
    compare_wide: comparison::compare_wide,
    pick: comparison::pick,
    pick_deal: comparison::pick_deal,
    compare_level: comparison::compare_level,
    compare_products: comparison::compare_products,
    copy: elementwise::copy,
    deal: streams::deal,
    encode: elementwise::encode,
    guidance: elementwise::guidance,
    lift: elementwise::lift,
    lift_deal: elementwise::lift_deal,
    maximum: comparison::maximum,
    maximum_deal: comparison::maximum_deal,
    multiply: elementwise::multiply,
    open: streams::open,
    pack: streams::pack,
    pairs: comparison::pairs,
    piecewise: piecewise::piecewise,
    piecewise_deal: piecewise::piecewise_deal,
    prg: streams::prg,
    quartic_deal: weights::quartic_deal,
    quartic_square: weights::quartic_square,
    quartic_value: weights::quartic_value,
    raise: weights::raise,
    raise_deal: weights::raise_deal,
    reduce: elementwise::reduce,
    select: weights::select,
    select_deal: weights::select_deal,
    truncate: elementwise::truncate,
    unpack: streams::unpack,
    xor: elementwise::xor,
}

/// File stems of a folder of the repository.
fn stems(folder: &str, extension: &str) -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder);
    let paths = folder.read_dir().expect("a folder of the repository").map(|e| e.expect("folder entry").path());
    let files = paths.filter(|p| p.extension().is_some_and(|e| e == extension));
    files.map(|p| p.file_stem().expect("file name").to_string_lossy().into_owned()).collect()
}

#[test]
fn every_shipped_variant_is_exercised() {
    let mut exercised: BTreeSet<_> = BTreeSet::new();
    for (stem, cases) in CASES {
        let cases = cases(&mut Draw::new(stem));
        assert!(cases.iter().all(|c| c.kernel.file == *stem), "{stem}: cases of another kernel");
        exercised.extend(cases.into_iter().map(|c| (c.kernel.file, c.kernel.defines)));
    }
    for kernel in shipped() {
        let here = exercised.remove(&(kernel.file, kernel.defines.clone()));
        let elsewhere = ELSEWHERE.iter().any(|(stem, _)| *stem == kernel.file);
        assert!(here != elsewhere, "{kernel:?}: tested here: {here}, listed as tested elsewhere: {elsewhere}");
    }
    assert!(exercised.is_empty(), "exercised but not in variants.txt: {exercised:?}");
    for (stem, file) in ELSEWHERE {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests").join(file);
        assert!(path.exists(), "{stem} is said to be tested in {file}");
    }
}

#[test]
fn kernels_and_references_have_the_same_names() {
    let shaders = stems("shaders", "wgsl");
    let shared = stems("shaders/shared", "wgsl");
    let mut twins = stems("engine/src/reference", "rs");
    twins.remove("mod");
    for (stem, whole) in WITHIN {
        assert!(
            shaders.contains(stem) && shaders.contains(whole),
            "{stem} or {whole} is no kernel: remove the exception"
        );
        assert!(!twins.contains(stem), "{stem} has a twin: remove the exception");
    }
    let expected = shaders.iter().filter(|s| WITHIN.iter().all(|(stem, _)| stem != s));
    let missing: Vec<_> = expected.filter(|s| !twins.contains(*s)).collect();
    assert!(missing.is_empty(), "kernels without engine/src/reference/<stem>.rs: {missing:?}");
    // Functions that kernels share have twins of their file's name; `ring` stands for both preludes.
    let known = |t: &str| shaders.contains(t) || shared.contains(t) || t == "ring";
    let strays: Vec<_> = twins.iter().filter(|t| !known(t)).collect();
    assert!(strays.is_empty(), "references without shaders/<stem>.wgsl: {strays:?}");
}

#[test]
fn sources_embed_every_file() {
    for (folder, prefix) in [("shaders", ""), ("shaders/shared", "shared/"), ("shaders/testing", "testing/")] {
        for stem in stems(folder, "wgsl") {
            let name = format!("{prefix}{stem}");
            assert!(SOURCES.iter().any(|(n, _)| *n == name), "{name} is not embedded");
        }
    }
}
