//! Operands larger than what a kernel may see of a buffer.

use super::*;

/// Operands several times what a kernel may see: every way of cutting them.
#[test]
fn operands_beyond_the_binding_limit() {
    let mut products = vec![
        // Rows of a and out; panels of b; both. 24 KiB are 3072 ring words.
        Product { m: 300, k: 24, n: 12, bias: true, ..PLAIN },
        Product { m: 9, k: 40, n: 210, b_transposed: true, bias: true, mode: Mode::Add, ..PLAIN },
        Product { m: 150, k: 60, n: 130, mode: Mode::Sub, ..PLAIN },
        // Batches side by side in a row, each with its matrix; rows of one batch beyond the limit.
        Product { m: 40, k: 8, n: 24, batches: 3, heads: 5, b_transposed: true, offset: 4, ..PLAIN },
        Product { m: 90, k: 13, n: 7, batches: 2, heads: 3, shared_b: true, offset: 3, mode: Mode::Add, ..PLAIN },
    ];
    for format in [Format::I32, Format::I16] {
        products.push(Product { m: 70, k: 52, n: 333, format, bias: true, ..PLAIN });
    }
    let s = ConvShape { n: 3, h: 20, w: 12, c: 8, kernel: 3, stride: 1, pad: 1, pad_after: 1, outputs: 24 };
    let convolutions = [
        s,
        ConvShape { stride: 2, pad: 0, ..s },
        ConvShape { n: 2, h: 5, w: 5, c: 20, outputs: 90, ..s },
        ConvShape { n: 1, h: 31, w: 9, c: 7, kernel: 5, pad: 2, pad_after: 2, outputs: 3, ..s },
        ConvShape { n: 5, h: 9, w: 9, c: 16, kernel: 1, pad: 0, pad_after: 0, ..s },
    ]
    .map(|s| Convolution { s, bias: true, mode: Mode::Add, seed: 5, format: Format::Ring });
    for mut r in limited(24 << 10) {
        for p in &products {
            product::<u64>(&mut r, p);
            product::<f32>(&mut r, p);
        }
        for c in &convolutions {
            convolution::<u64>(&mut r, c);
            convolution::<f32>(&mut r, c);
        }
    }
}

#[test]
fn one_row_beyond_the_binding_limit_is_an_error() {
    for mut r in limited(16 << 10) {
        let (a, b) = (r.words(3 * 4096).unwrap(), r.words(4096).unwrap());
        let out = r.words(3).unwrap();
        let packed = pack_with_bias(&mut r, Element::Ring, &b, Strided::rows(1), 4096, 1, None);
        let failed = packed.and_then(|packed| {
            matmul(&mut r, Element::Ring, Mode::Set, &a, Strided::rows(4096), &packed, &out, Strided::rows(1), 3)
        });
        assert!(matches!(failed, Err(GpuError::TooLarge { limit: 16384, .. })), "{failed:?}");
    }
}
