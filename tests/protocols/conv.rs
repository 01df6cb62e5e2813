//! Convolution of two secrets, against plain loops.

use masque_engine::kernels::ConvShape;
use masque_engine::protocol::{conv2d, conv2d_cost, open_all, open_cost};
use masque_engine::testing::{World, reconstruct, words};

use super::uniform;

#[test]
fn secret_image_and_secret_kernel() {
    let world = World::new(41);
    for (kernel, stride, pad) in [(3, 1, 1), (1, 1, 0), (3, 2, 1)] {
        let s = ConvShape { n: 2, h: 7, w: 6, c: 5, kernel, stride, pad, pad_after: pad, outputs: 9 };
        let (inputs, weights) = (s.n * s.h * s.w * s.c, s.outputs * s.c * kernel * kernel);
        let (x, w) = (uniform(&world, "x", inputs, 1 << 12), uniform(&world, "w", weights, 1 << 12));
        let out = world.run(|world, ctx| {
            let (a, b) = (world.share(ctx, "x", &x, 48, 10)?, world.share(ctx, "w", &w, 48, 10)?);
            let wires = open_all(ctx, &[(&a, 0, 40), (&b, 0, 40)])?;
            let y = conv2d(ctx, &wires[0], &wires[1], &s)?;
            assert_eq!((y.k, y.f), (40, 20));
            words(ctx, &y)
        });
        assert_eq!(out.cost, open_cost(&[(inputs, 40), (weights, 40)]) + conv2d_cost(&s, 40));
        let y = reconstruct(&out.client, &out.server, 40);
        let at = |n: usize, h: i64, w: i64, c: usize| -> i64 {
            let inside = (0..s.h as i64).contains(&h) && (0..s.w as i64).contains(&w);
            if inside { x[((n * s.h + h as usize) * s.w + w as usize) * s.c + c] } else { 0 }
        };
        for (i, y) in y.iter().enumerate() {
            let (o, place) = (i % s.outputs, i / s.outputs);
            let (n, oh, ow) = (place / (s.oh() * s.ow()), place / s.ow() % s.oh(), place % s.ow());
            let mut want = 0;
            for (c, ky, kx) in (0..s.c).flat_map(|c| (0..kernel * kernel).map(move |t| (c, t / kernel, t % kernel))) {
                let from = |place: usize, k: usize| (place * stride + k) as i64 - pad as i64;
                want += at(n, from(oh, ky), from(ow, kx), c) * w[((o * s.c + c) * kernel + ky) * kernel + kx];
            }
            assert_eq!(*y, want, "kernel {kernel}, stride {stride}: element {i}");
        }
    }
}
