//! Figures of others, to stand beside ours.

/// What the paper states of its Figure 1, loose against precise, as the range over SiLU, GeLU and exp.
pub struct Stated {
    /// What it is about.
    pub what: &'static str,
    /// Smallest and largest, loose over precise.
    pub range: (f64, f64),
}

/// Online latency: -35.60 % to -14.05 %.
pub const LATENCY: Stated = Stated { what: "latency", range: (0.6440, 0.8595) };
/// Bytes: -33.33 % to -13.51 %.
pub const BYTES: Stated = Stated { what: "communication", range: (0.6667, 0.8649) };
/// Mean square error.
pub const MSE: Stated = Stated { what: "MSE", range: (2.55, 26.25) };

/// The MSE ratio of the plain approximations on the paper's intervals, from its coefficients in double precision.
pub const PLAIN_MSE: [(&str, f64); 3] = [("silu", 2.55), ("gelu", 8.23), ("exp", 26.2)];

/// Bytes an element between two parties, both ways, for operation and approximation: CrypTen 0.4.1 and SPU 0.9.5 (semi2k),
/// measured by us with the paper's polynomials. Neither counts the triples of its trusted third party. Softmax: 4096 rows of
/// 64, their own exponential.
const PEERS: [(&str, &str, Option<u32>, Option<u32>); 12] = [
    ("silu", "precise", Some(1456), Some(608)),
    ("silu", "loose", Some(1008), Some(496)),
    ("gelu", "precise", Some(1472), Some(648)),
    ("gelu", "loose", Some(960), Some(400)),
    ("exp", "precise", Some(592), Some(472)),
    ("exp", "loose", Some(512), Some(248)),
    ("relu", "", Some(464), Some(144)),
    ("compare", "", Some(432), Some(112)),
    ("multiply", "", Some(32), Some(40)),
    ("reciprocal", "", Some(608), Some(1010)),
    ("rsqrt", "", Some(368), Some(858)),
    ("softmax", "", Some(1382), Some(1394)),
];

/// CrypTen's and SPU's bytes an element, both ways.
pub fn peers(op: &str, approx: Option<&str>) -> (Option<u32>, Option<u32>) {
    let found = PEERS.iter().find(|(o, a, ..)| *o == op && (a.is_empty() || Some(*a) == approx));
    found.map_or((None, None), |(.., crypten, spu)| (*crypten, *spu))
}

/// What the paper states of a module of Stable Diffusion v1.5 at 512x512 between two parties, with row maxima in the clear.
/// The bytes of its UNet step are, by our count of openings, those of two evaluations, with and without the prompt, in units
/// of 2^30.
pub struct Module {
    /// What it is, as our reports call it.
    pub module: &'static str,
    /// Polynomials.
    pub approx: &'static str,
    /// Seconds.
    pub seconds: f64,
    /// Gigabytes between the parties, both ways.
    pub gigabytes: f64,
}

/// The paper's Table 9 and, for loose functions, Table 1. They say nothing of corrections and rounds.
pub const MODULES: [Module; 4] = [
    Module { module: "text encoder", approx: "precise", seconds: 40.34, gigabytes: 7.76 },
    Module { module: "conditional UNet", approx: "precise", seconds: 3696.45, gigabytes: 1122.51 },
    Module { module: "conditional UNet", approx: "loose", seconds: 3103.32, gigabytes: 933.22 },
    Module { module: "VAE decoder", approx: "precise", seconds: 2668.66, gigabytes: 763.40 },
];

/// The paper's row for a module, with these functions or else with precise ones.
pub fn module(module: &str, approx: &str) -> Option<&'static Module> {
    let with = |approx| MODULES.iter().find(|m| m.module == module && m.approx == approx);
    with(approx).or_else(|| with("precise"))
}
