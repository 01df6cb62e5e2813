//! A case is a dispatch with everything it reads, and what every output must hold afterwards.

use std::io::Write;
use std::sync::{Arc, OnceLock};

use bytemuck::{NoUninit, Pod};
use masque_engine::gpu::{AdapterChoice, Form, Gpu, GpuError, Kernel, Recorder, Word};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Elements behind every output.
const GUARD: usize = 67;
/// Bytes of every output before the dispatch.
const POISON: u8 = 0xa5;
/// Seed of all inputs; `MASQUE_SEED` sets another.
const SEED: u64 = 20_260_901;

/// Lengths around one group of 8 elements and one workgroup, and several workgroups.
pub const SIZES: [usize; 9] = [1, 7, 8, 9, 63, 64, 65, 513, 1000];
/// Numbers of elements of kernels that take whole groups of eight.
pub const EIGHTS: [usize; 6] = [8, 24, 56, 64, 520, 1000];

/// Test inputs from the printed seed.
pub struct Draw(ChaCha20Rng);

impl Draw {
    /// A generator for one kernel.
    pub fn new(label: &str) -> Self {
        let seed = std::env::var("MASQUE_SEED").map_or(SEED, |s| s.parse().expect("MASQUE_SEED is a number"));
        println!("{label}: seed {seed}");
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        for (k, b) in key[8..].iter_mut().zip(label.bytes()) {
            *k = b;
        }
        Self(ChaCha20Rng::from_seed(key))
    }

    /// A ring word; one in eight is an edge of carries, shifts or signs.
    pub fn word(&mut self) -> u64 {
        let v = self.0.next_u64();
        match v % 8 {
            0 => match v >> 8 & 7 {
                0 => 0,
                1 => u64::MAX,
                2 => 0xffff_ffff,
                3 => 0xffff_ffff_0000_0000,
                4 => 1 << (v >> 16 & 63),
                5 => (1 << (v >> 16 & 63)) - 1,
                6 => !(1 << (v >> 16 & 63)),
                _ => 0x1_0000_0001,
            },
            _ => self.0.next_u64(),
        }
    }

    /// A number in `range`.
    pub fn within(&mut self, range: std::ops::RangeInclusive<u32>) -> u32 {
        let (low, high) = range.into_inner();
        low + (self.0.next_u64() % u64::from(high - low + 1)) as u32
    }

    /// Ring words.
    pub fn words(&mut self, n: usize) -> Vec<u64> {
        (0..n).map(|_| self.word()).collect()
    }

    /// Words of 32 bits.
    pub fn halves(&mut self, n: usize) -> Vec<u32> {
        (0..n).map(|_| (self.word() >> 16) as u32).collect()
    }

    /// One of the values.
    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.within(0..=of.len() as u32 - 1) as usize]
    }
}

/// A dispatch and its expected outcome.
pub struct Case {
    /// What runs.
    pub kernel: Kernel,
    args: Vec<(&'static str, Word)>,
    threads: usize,
    inputs: Vec<(&'static str, Vec<u8>)>,
    outputs: Vec<(&'static str, usize, Vec<u8>)>,
}

/// An output of `n` elements and a guard, for a twin to write to.
pub fn poisoned<T: Pod>(n: usize) -> Vec<T> {
    bytemuck::pod_collect_to_vec(&vec![POISON; (n + GUARD) * size_of::<T>()])
}

impl Case {
    /// A dispatch of one thread per element of `0..threads`.
    pub fn new(file: &'static str, args: Vec<(&'static str, Word)>, threads: usize) -> Self {
        Self { kernel: Kernel::new(file), args, threads, inputs: vec![], outputs: vec![] }
    }

    /// With a switch defined.
    pub fn with(mut self, define: &'static str) -> Self {
        self.kernel = self.kernel.with(define);
        self
    }

    /// For messages of `k` bits an element.
    pub fn bits(mut self, k: u32) -> Self {
        self.kernel = self.kernel.bits(k);
        self
    }

    /// For a second message, of `k` bits an element.
    pub fn second(mut self, k: u32) -> Self {
        self.kernel = self.kernel.second(k);
        self
    }

    /// A buffer that the kernel reads.
    pub fn input<T: NoUninit>(mut self, name: &'static str, data: &[T]) -> Self {
        self.inputs.push((name, bytemuck::cast_slice(data).to_vec()));
        self
    }

    /// A buffer that the kernel writes: [`poisoned`], and then written to by the twin.
    pub fn output<T: NoUninit>(mut self, name: &'static str, want: &[T]) -> Self {
        self.outputs.push((name, size_of::<T>(), bytemuck::cast_slice(want).to_vec()));
        self
    }

    fn run(&self, r: &mut Recorder) -> Result<Vec<Vec<u8>>, GpuError> {
        let upload = |bytes: &[u8]| r.upload(bytes);
        let inputs = self.inputs.iter().map(|(_, data)| upload(data)).collect::<Result<Vec<_>, _>>()?;
        let outputs =
            self.outputs.iter().map(|(.., want)| upload(&vec![POISON; want.len()])).collect::<Result<Vec<_>, _>>()?;
        let mut bufs: Vec<_> = self.inputs.iter().zip(&inputs).map(|((name, _), b)| (*name, b)).collect();
        bufs.extend(self.outputs.iter().zip(&outputs).map(|((name, ..), b)| (*name, b)));
        r.run(&self.kernel, &self.args, &bufs, self.threads)?;
        let what: Vec<_> = outputs.iter().zip(&self.outputs).map(|(b, (.., want))| (b, want.len())).collect();
        r.read(&what)
    }
}

/// Devices of the forms there are; a missing native form is said aloud.
pub fn devices() -> Vec<Arc<Gpu>> {
    static OPEN: OnceLock<Vec<Arc<Gpu>>> = OnceLock::new();
    let open = |form| match Gpu::open(&AdapterChoice { form: Some(form), ..AdapterChoice::default() }) {
        Ok(gpu) => Some(gpu),
        Err(e @ GpuError::NoInt64(_)) => {
            // Not through println, which is shown for failing tests only.
            let _ = writeln!(std::io::stderr(), "SKIPPED: {form:?} kernels were not tested: {e}");
            None
        }
        Err(e) => panic!("{e}"),
    };
    OPEN.get_or_init(|| [Form::Native, Form::Portable].into_iter().filter_map(open).collect()).clone()
}

/// Runs every case on every device.
pub fn check(cases: &[Case]) {
    assert!(!cases.is_empty(), "no cases");
    for gpu in devices() {
        let form = gpu.form();
        let mut r = Recorder::new(gpu);
        for case in cases {
            let Case { kernel, args, .. } = case;
            let got = case.run(&mut r).unwrap_or_else(|e| panic!("{kernel:?} {form:?} {args:?}: {e}"));
            for ((name, size, want), got) in case.outputs.iter().zip(&got) {
                let length = want.len() / size - GUARD;
                // Kernels that write whole groups of eight words fill the padding of the last group.
                let padding = if *size == 8 { length..length.next_multiple_of(8) } else { 0..0 };
                let mut pairs = want.chunks(*size).zip(got.chunks(*size)).enumerate();
                let differs = pairs.find(|(i, (w, g))| w != g && !padding.contains(i));
                let Some((at, _)) = differs else { continue };
                let hex = |b: &[u8]| b[at * size..(at + 1) * size].iter().rev().map(|b| format!("{b:02x}")).collect();
                let (want_hex, got_hex): (String, String) = (hex(want), hex(got));
                panic!("{kernel:?} {form:?} {args:?}: {name}[{at}] of {length} is {got_hex}, expected {want_hex}");
            }
        }
    }
}
