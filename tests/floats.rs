//! Kernels on `f32` against plain loops in `f64`. Outputs are poisoned with NaN before and the words after them looked
//! at.

use masque_engine::approx::Approx;
use masque_engine::gpu::{AdapterChoice, Buf, Gpu, Recorder};
use masque_engine::graph::ops::Function;
use masque_engine::kernels::*;
use masque_engine::reference;

/// Largest error, as a fraction of `1 + |expected|`.
const TOLERANCE: f32 = 1e-6;
/// Of polynomials of degree 8 that cancel, and of 8 squarings: each doubles the relative error.
const STAND_IN_TOLERANCE: f32 = 4e-5;
const GUARD: usize = 67;

fn recorder() -> Recorder {
    Recorder::new(Gpu::open(&AdapterChoice::default()).unwrap())
}

/// One that sees whole buffers, and one for which inputs are larger than a kernel may see.
fn recorders() -> [Recorder; 2] {
    let limited = Gpu::open_limited(&AdapterChoice::default(), 16 << 10).unwrap();
    [recorder(), Recorder::new(limited)]
}

/// Numbers in [-1, 1).
fn draw(n: usize, seed: u64) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..n).map(|_| next()).collect()
}

/// Runs a kernel on an output of NaNs and compares.
fn check(r: &mut Recorder, want: &[f32], tolerance: f32, what: &str, run: impl FnOnce(&mut Recorder, &Buf)) {
    let out = r.upload_slice(&vec![f32::NAN; want.len() + GUARD]).unwrap();
    run(r, &out);
    let got: Vec<f32> = r.read_slice(&out, want.len() + GUARD).unwrap();
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        assert!((g - w).abs() <= tolerance * (1.0 + w.abs()), "{what}: element {i} is {g}, expected {w}");
    }
    assert!(got[want.len()..].iter().all(|g| g.is_nan()), "{what}: wrote past the end");
}

#[test]
fn activations_of_every_set() {
    for mut r in recorders() {
        let mut x: Vec<f32> = (-6000..6000).map(|i| i as f32 / 400.0).collect();
        x.extend([-1e30, -200.0, -88.0, -0.0, 1e-30, 88.0, 200.0, 1e30]);
        // The borders and their neighbours.
        x.extend(
            [-8.0f32, -5.4, -5.0, -4.0, -2.1, -1.97, 3.0, 4.0].iter().flat_map(|b| [b.next_down(), *b, b.next_up()]),
        );
        let input = r.upload_slice(&x).unwrap();
        for function in [Function::Relu, Function::Silu, Function::Gelu, Function::QuickGelu] {
            let want = reference::activation::activation(Approx::Exact, function, &x);
            // A number of elements that four divides, and one that it does not.
            assert!(x.len().is_multiple_of(4));
            for n in [x.len(), x.len() - 3] {
                check(&mut r, &want[..n], TOLERANCE, &format!("{function:?}"), |r, out| {
                    activation(r, Curve::Exact(function), &input, out, n).unwrap()
                });
            }
            for set in [Approx::Precise, Approx::Loose, Approx::Cipherdm] {
                let f = set.activation(function).unwrap();
                // The kernel's borders are the nearest f32; segments do not meet, so the oracle has to use the same
                // borders.
                let rounded = f.thresholds.iter().map(|t| f64::from(*t as f32)).collect();
                let f = masque_engine::approx::Piecewise { thresholds: rounded, ..f };
                let want: Vec<f32> = x.iter().map(|x| f.eval(f64::from(*x)) as f32).collect();
                let table = Table::new(&r, &f).unwrap();
                for n in [x.len(), x.len() - 3] {
                    check(&mut r, &want[..n], STAND_IN_TOLERANCE, &format!("{set} {function:?}"), |r, out| {
                        activation(r, Curve::Table(&table), &input, out, n).unwrap()
                    });
                }
            }
        }
    }
}

#[test]
fn rows_of_softmax() {
    let mut r = recorder();
    let shapes = [(1, 1), (5, 3), (98, 49), (3, 257), (7, 4), (33, 64)].map(|(rows, cols)| Scores::full(rows, cols));
    let causal = [(14, 7, 7, 1), (6, 9, 3, 4), (2, 3, 2, 3)];
    let causal = causal.map(|(rows, cols, queries, seen)| Scores { rows, cols, queries, seen });
    for shape in shapes.into_iter().chain(causal) {
        let Scores { rows, cols, .. } = shape;
        let x: Vec<f32> = draw(rows * cols, 3).iter().map(|v| 40.0 * v).collect();
        let input = r.upload_slice(&x).unwrap();
        for set in Approx::ALL {
            let tolerance = if set == Approx::Exact { TOLERANCE } else { STAND_IN_TOLERANCE };
            for scale in [1.0, 0.17677669] {
                let want = reference::softmax::softmax(set, scale, &x, &shape);
                let e = Exponential::new(&r, set).unwrap();
                check(&mut r, &want, tolerance, &format!("{set} {shape:?}"), |r, out| {
                    softmax(r, &e, scale, &input, out, &shape).unwrap()
                });
            }
        }
    }
}

#[test]
fn groups_with_large_means() {
    for mut r in recorders() {
        for (images, positions, channels, groups) in
            [(1, 1, 4, 2), (2, 49, 64, 8), (3, 784, 16, 8), (1, 1000, 30, 3), (2, 5, 7, 7), (9, 25, 24, 4)]
        {
            let s = GroupShape { images, positions, channels, groups, eps: 1e-5 };
            // Every channel's mean is up to 30 times its deviation.
            let offset = draw(channels, 9);
            let x = draw(images * positions * channels, 5);
            let x: Vec<f32> =
                x.iter().enumerate().map(|(i, v)| v + 30.0 * offset[i % channels / (channels / groups)]).collect();
            let (weight, bias) = (draw(channels, 6), draw(channels, 7));
            let want = reference::group_norm::group_norm(&s, &x, &weight, &bias);
            let [xb, wb, bb] = [&x, &weight, &bias].map(|v| r.upload_slice(v).unwrap());
            // The input's own rounding is 30 times the output's.
            check(&mut r, &want, 30.0 * TOLERANCE, &format!("{s:?}"), |r, out| {
                group_norm(r, &s, &xb, &wb, &bb, out).unwrap()
            });
        }
    }
}

#[test]
fn rows_with_large_means() {
    let mut r = recorder();
    for (rows, cols) in [(1, 1), (3, 64), (130, 7), (2, 1280), (9, 4)] {
        let offset = draw(rows, 9);
        let x: Vec<f32> = draw(rows * cols, 5).iter().enumerate().map(|(i, v)| v + 30.0 * offset[i / cols]).collect();
        let (weight, bias) = (draw(cols, 6), draw(cols, 7));
        let want = reference::layer_norm::layer_norm(1e-5, &x, &weight, &bias);
        let [xb, wb, bb] = [&x, &weight, &bias].map(|v| r.upload_slice(v).unwrap());
        // The input's own rounding is 30 times the output's.
        check(&mut r, &want, 30.0 * TOLERANCE, &format!("{rows} x {cols}"), |r, out| {
            layer_norm(r, (rows, cols), 1e-5, &xb, &wb, &bb, out).unwrap()
        });
    }
}

#[test]
fn rows_of_tables() {
    let mut r = recorder();
    let (entries, width) = (11, 5);
    let table = draw(entries * width, 8);
    let index: Vec<f32> = [10, 0, 3, 4, 4, 7, 8, 0].map(|i: u16| f32::from(i)).to_vec();
    let ib = r.upload_slice(&index).unwrap();
    let want = reference::gather::gather(&index, &table, width);
    for rows in [1, 4, 8, 11, 20] {
        let pieces: Vec<Buf> = table.chunks(rows * width).map(|p| r.upload_slice(p).unwrap()).collect();
        check(&mut r, &want, 0.0, &format!("pieces of {rows}"), |r, out| {
            gather(r, &ib, index.len(), &pieces, width, out).unwrap()
        });
    }
}

#[test]
fn sums_and_copies_are_exact() {
    for mut r in recorders() {
        for (n, h, w, c) in [(2, 5, 3, 7), (2, 3, 4, 8), (1, 1, 1, 1), (3, 22, 17, 20), (2, 31, 13, 9)] {
            let (a, b, v) = (draw(n * h * w * c, 1), draw(n * h * w * c, 2), draw(n * c, 3));
            let [ab, bb, vb] = [&a, &b, &v].map(|v| r.upload_slice(v).unwrap());
            let want = reference::add::add(&a, &b, None);
            check(&mut r, &want, 0.0, "add", |r, out| add(r, &ab, &bb, None, out, a.len()).unwrap());
            let broadcast = Some(Broadcast { image: h * w * c, channels: c });
            let want = reference::add::add(&a, &v, broadcast);
            check(&mut r, &want, 0.0, "add vector", |r, out| add(r, &ab, &vb, broadcast, out, a.len()).unwrap());
            let want = reference::copy::concat(&a, c, &b, c);
            check(&mut r, &want, 0.0, "concat", |r, out| {
                concat(r, Element::F32, n * h * w, (&ab, c), (&bb, c), out).unwrap()
            });
            let want = reference::copy::upsample(&a, [n, h, w, c]);
            check(&mut r, &want, 0.0, "upsample", |r, out| upsample(r, Element::F32, &ab, [n, h, w, c], out).unwrap());
            let want: Vec<f32> = a.iter().map(|x| x.max(0.0)).collect();
            check(&mut r, &want, 0.0, "relu", |r, out| {
                activation(r, Curve::Exact(Function::Relu), &ab, out, a.len()).unwrap()
            });
            for (start, cols) in [(0, c), (c / 2, c - c / 2)] {
                let want = reference::copy::slice(&a, c, start, cols);
                check(&mut r, &want, 0.0, "slice", |r, out| {
                    slice(r, Element::F32, &ab, n * h * w, c, (start, cols), out).unwrap()
                });
            }
            let want = reference::product::product(&a, &b);
            check(&mut r, &want, 0.0, "product", |r, out| product(r, &ab, &bb, out, a.len()).unwrap());
            let want = reference::scale::scale(-1.7, &a);
            check(&mut r, &want, 0.0, "scale", |r, out| scale(r, -1.7, &ab, out, a.len()).unwrap());
        }
    }
}

#[test]
fn largest_and_mean_of_windows() {
    let mut r = recorder();
    for (image, kernel, stride, pad) in [
        ([2, 7, 5, 3], 2, 2, 0),
        ([1, 9, 9, 4], 3, 2, 0),
        ([3, 4, 6, 1], 3, 1, 1),
        ([1, 1, 1, 5], 1, 1, 0),
        ([2, 8, 3, 2], 2, 3, 1),
        ([1, 2, 2, 3], 5, 1, 3),
    ] {
        let s = PoolShape { image, kernel, stride, pad };
        let x: Vec<f32> = draw(image.iter().product(), 5).iter().map(|v| v - 0.9).collect();
        let input = r.upload_slice(&x).unwrap();
        for (what, tolerance) in [(Pool::Max, 0.0), (Pool::Mean, TOLERANCE)] {
            let want = reference::pool::pool(what, &x, &s);
            check(&mut r, &want, tolerance, &format!("{what:?} {s:?}"), |r, out| {
                pool(r, what, &input, &s, out).unwrap()
            });
        }
    }
}

#[test]
fn taps_side_by_side() {
    let mut r = recorder();
    for (image, kernel) in [
        ([2, 5, 6, 8], [1, 7]),
        ([1, 6, 5, 4], [7, 1]),
        ([2, 4, 3, 3], [3, 3]),
        ([3, 1, 2, 5], [3, 5]),
        ([1, 1, 1, 1], [1, 1]),
    ] {
        let s = UnfoldShape { image, kernel };
        let x = draw(image.iter().product(), 7);
        let input = r.upload_slice(&x).unwrap();
        let want = reference::unfold::unfold(&x, &s);
        check(&mut r, &want, 0.0, &format!("{s:?}"), |r, out| unfold(r, &input, &s, out).unwrap());
    }
}

#[test]
fn rounding_in_place() {
    for mut r in recorders() {
        let mut x: Vec<f32> = draw(5000, 6).iter().map(|v| 9.0 * v).collect();
        x.extend([0.5, 1.5, -0.5, -2.5, 0.03125, 1e6, -0.0]);
        for bits in [0, 3, 4, 12] {
            let want = reference::round::round(bits, &x);
            let buf = r.upload_slice(&[x.as_slice(), &[f32::NAN; GUARD]].concat()).unwrap();
            round(&mut r, bits, &buf, x.len()).unwrap();
            let got: Vec<f32> = r.read_slice(&buf, x.len() + GUARD).unwrap();
            assert_eq!(got[..x.len()], want, "{bits} bits");
            assert!(got[x.len()..].iter().all(|g| g.is_nan()), "{bits} bits: wrote past the end");
        }
    }
}
