//! Kernels alone, on the default adapter: products, masks, and the two halves of an opening.
//!
//! Each case is checked against its reference before the first sample. A sample is one dispatch with submission and
//! wait; at these sizes that overhead (some 30 us) does not show.

use std::sync::Arc;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use masque_engine::bufs;
use masque_engine::correlated::elements_of_block;
use masque_engine::gpu::{AdapterChoice, Buf, Form, Gpu, Kernel, Recorder};
use masque_engine::kernels::{Format, Mode, Strided, matmul, pack};
use masque_engine::reference;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Elements of the elementwise cases.
const N: usize = 1 << 20;
/// Rows of a product that are compared with the reference.
const CHECKED_ROWS: usize = 16;

fn device(form: Form) -> Option<Arc<Gpu>> {
    match Gpu::open(&AdapterChoice { form: Some(form), ..AdapterChoice::default() }) {
        Ok(gpu) => Some(gpu),
        Err(e) => {
            println!("SKIPPED: {form:?} kernels: {e}");
            None
        }
    }
}

fn best() -> Recorder {
    Recorder::new(Gpu::open(&AdapterChoice::default()).expect("an adapter"))
}

fn draw(n: usize, seed: u64) -> Vec<u64> {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    (0..n).map(|_| rng.next_u64()).collect()
}

fn keys() -> Vec<u32> {
    draw(8, 1).iter().flat_map(|w| [*w as u32, (*w >> 32) as u32]).collect()
}

fn group<'a>(c: &'a mut Criterion, name: &str) -> BenchmarkGroup<'a, WallTime> {
    let mut g = c.benchmark_group(name);
    g.sample_size(10).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(3));
    g.sampling_mode(SamplingMode::Flat);
    g
}

/// Waits for everything recorded.
fn wait(r: &mut Recorder, out: &Buf) {
    r.read(&[(out, 8)]).expect("a result");
}

fn products(c: &mut Criterion) {
    let mut g = group(c, "kernels/matmul");
    let cases = [
        (Form::Native, Format::Ring, 512, 512, 512),
        (Form::Native, Format::I32, 512, 512, 512),
        (Form::Native, Format::I16, 512, 512, 512),
        (Form::Native, Format::Ring, 1024, 1024, 1024),
        (Form::Native, Format::Ring, 4096, 320, 320),
        (Form::Native, Format::I16, 1024, 1024, 1024),
        (Form::Native, Format::F32, 1024, 1024, 1024),
        (Form::Portable, Format::Ring, 512, 512, 512),
        (Form::Portable, Format::I32, 512, 512, 512),
        (Form::Portable, Format::I16, 512, 512, 512),
        (Form::Portable, Format::Ring, 1024, 1024, 1024),
        (Form::Portable, Format::Ring, 4096, 320, 320),
    ];
    for (form, format, m, k, n) in cases {
        let Some(gpu) = device(form) else { continue };
        let mut r = Recorder::new(gpu);
        let name = format!("{form:?} {format:?}").to_lowercase();
        let id = BenchmarkId::new(name, format!("{m}x{k}x{n}"));
        g.throughput(Throughput::Elements((m * k * n) as u64));
        if format == Format::F32 {
            // Sums of small integers are exact.
            let (a, b) = (vec![1.0f32; m * k], vec![2.0f32; k * n]);
            product(&mut g, &mut r, id, format, (&a, &b), (m, k, n), |got| got.iter().all(|v| *v == 2.0 * k as f32));
            continue;
        }
        let a = draw(m * k, 2);
        let narrow = |w: u64| match format {
            Format::I16 => w as i16 as i64 as u64,
            Format::I32 => w as i32 as i64 as u64,
            _ => w,
        };
        let b: Vec<u64> = draw(k * n, 3).into_iter().map(narrow).collect();
        // An odd step, so that every row of a tile is among them.
        let step = m / CHECKED_ROWS - 1;
        let some = Strided { row_stride: step * k, ..Strided::rows(k) };
        let want = reference::matmul::matmul(0u64, (&a, &some), (&b, &Strided::rows(n)), None, (CHECKED_ROWS, k, n));
        let check = |got: &[u64]| want.chunks_exact(n).enumerate().all(|(i, row)| got[i * step * n..][..n] == *row);
        product(&mut g, &mut r, id, format, (&a, &b), (m, k, n), check);
    }
}

/// Times a product once it is right.
fn product<T: bytemuck::Pod>(
    g: &mut BenchmarkGroup<'_, WallTime>,
    r: &mut Recorder,
    id: BenchmarkId,
    format: Format,
    (a, b): (&[T], &[T]),
    (m, k, n): (usize, usize, usize),
    right: impl Fn(&[T]) -> bool,
) {
    let (a, b) = (r.upload_slice(a).unwrap(), r.upload_slice(b).unwrap());
    let (from, to) = (Strided::rows(k), Strided::rows(n));
    let packed = pack(r, format, &b, to, k, n).unwrap();
    let out = r.alloc(m * n * size_of::<T>()).unwrap();
    let run = |r: &mut Recorder| matmul(r, format.element(), Mode::Set, &a, from, &packed, &out, to, m).unwrap();
    run(r);
    let got: Vec<T> = r.read_slice(&out, m * n).unwrap();
    assert!(right(&got), "{format:?} {m}x{k}x{n}: not the product");
    g.bench_function(id, |bench| {
        bench.iter(|| {
            run(r);
            wait(r, &out);
        });
    });
}

fn prg(c: &mut Criterion) {
    let mut g = group(c, "kernels/prg");
    let mut r = best();
    let keys = keys();
    let key_buf = r.upload_slice(&keys).unwrap();
    let out = r.words(N).unwrap();
    let p = reference::prg::Params { n: N, k: 44, key: 1, n0: 7, n1: 8, n2: 9, block: 0 };
    for (name, dealer) in [("party", false), ("dealer", true)] {
        let kernel = if dealer { Kernel::new("prg").with("BOTH") } else { Kernel::new("prg") }.bits(p.k);
        let run = |r: &mut Recorder| r.run(&kernel, &p.args(), bufs![keys: &key_buf, out: &out], N / 8).unwrap();
        run(&mut r);
        let mut want = vec![0; N];
        match dealer {
            true => reference::prg::both(&p, &keys, &mut want),
            false => reference::prg::prg(reference::prg::ROUNDS, &p, &keys, &mut want),
        }
        assert!(r.read_slice::<u64>(&out, N).unwrap() == want, "{name}: other words than the reference");
        // Bytes of key stream: the dealer draws two.
        g.throughput(Throughput::Bytes((N * 8) as u64 * if dealer { 2 } else { 1 }));
        g.bench_function(name, |bench| {
            bench.iter(|| {
                run(&mut r);
                wait(&mut r, &out);
            });
        });
    }
}

fn open(c: &mut Criterion) {
    let mut g = group(c, "kernels/open");
    let mut r = best();
    let (keys, x) = (keys(), draw(N, 4));
    let (key_buf, x_buf) = (r.upload_slice(&keys).unwrap(), r.upload_slice(&x).unwrap());
    for k in [24, 44] {
        let p = reference::open::Params {
            n: N,
            k,
            from_: k + 16,
            shift: 16,
            key: 0,
            n0: 7,
            n1: 8,
            n2: 9,
            block: 0,
            add: (1 << 16) - 1,
        };
        let words = N * k as usize / 32;
        let (lam, msg) = (r.words(N).unwrap(), r.alloc(words * 4).unwrap());
        let kernel = Kernel::new("open").bits(k);
        let run = |r: &mut Recorder| {
            r.run(&kernel, &p.args(), bufs![keys: &key_buf, x: &x_buf, lam: &lam, msg: &msg], N / elements_of_block(k))
                .unwrap();
        };
        run(&mut r);
        let (mut masks, mut message) = (vec![0; N], vec![0; words]);
        reference::open::open(false, &p, &keys, &x, &mut masks, &mut message);
        assert!(r.read_slice::<u64>(&lam, N).unwrap() == masks, "{k} bits: other masks than the reference");
        assert!(r.read_slice::<u32>(&msg, words).unwrap() == message, "{k} bits: another message than the reference");
        g.throughput(Throughput::Elements(N as u64));
        g.bench_function(format!("{k} bits"), |bench| {
            bench.iter(|| {
                run(&mut r);
                wait(&mut r, &msg);
            });
        });
    }
}

fn unpack(c: &mut Criterion) {
    let mut g = group(c, "kernels/unpack");
    let mut r = best();
    for k in [24, 44] {
        let words = N * k as usize / 32;
        let [a, b] = [5, 6].map(|seed| draw(words, seed).iter().map(|w| *w as u32).collect::<Vec<u32>>());
        let [a_buf, b_buf] = [&a, &b].map(|m| r.upload_slice(m).unwrap());
        let out = r.words(N).unwrap();
        let p = reference::unpack::Params { n: N, k };
        let kernel = Kernel::new("unpack").with("SUM").bits(k);
        let run = |r: &mut Recorder| r.run(&kernel, &p.args(), bufs![a: &a_buf, b: &b_buf, out: &out], N / 8).unwrap();
        run(&mut r);
        let mut want = vec![0; N];
        reference::unpack::sum(&p, &a, &b, &mut want);
        assert!(r.read_slice::<u64>(&out, N).unwrap() == want, "{k} bits: other words than the reference");
        g.throughput(Throughput::Elements(N as u64));
        g.bench_function(format!("{k} bits"), |bench| {
            bench.iter(|| {
                run(&mut r);
                wait(&mut r, &out);
            });
        });
    }
}

criterion_group!(benches, products, prg, open, unpack);
criterion_main!(benches);
