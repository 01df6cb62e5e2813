//! Kernels against plain references, tolerance 0, on every form the adapter has.
use masque_engine::gpu::{AdapterChoice, Form, Gpu, Kernel, Recorder};
use masque_engine::{args, bufs};

#[test]
fn open_then_unpack_restores_the_sum() {
    for form in [Form::Native, Form::Portable] {
        let gpu = Gpu::open(&AdapterChoice { adapter: None, form: Some(form) }).unwrap();
        let mut r = Recorder::new(gpu);
        let n = 1003usize;
        for k in [4u32, 20, 24, 32, 36, 40, 52, 64] {
            let x: Vec<u64> = (0..n as u64).map(|i| i.wrapping_mul(0x9E3779B97F4A7C15)).collect();
            let keys = r.upload_slice(&(0..16u32).collect::<Vec<_>>()).unwrap();
            let xb = r.upload_slice(&x).unwrap();
            let (lam, out) = (r.words(n).unwrap(), r.words(n).unwrap());
            let msg = r.alloc(n.div_ceil(8) * k as usize).unwrap();
            r.run(
                &Kernel::new("open"),
                args![n: n, k: k, from_: 64u32, shift: 0u32, key: 1u32, n0: 1u32, n1: 2u32, n2: 3u32, add: 0u64],
                bufs![keys: &keys, x: &xb, lam: &lam, msg: &msg],
                n.div_ceil(8),
            )
            .unwrap();
            r.run(&Kernel::new("unpack"), args![n: n, k: k], bufs![a: &msg, out: &out], n).unwrap();
            let (l, o): (Vec<u64>, Vec<u64>) = (r.read_slice(&lam, n).unwrap(), r.read_slice(&out, n).unwrap());
            for i in 0..n {
                assert_eq!(x[i].wrapping_add(l[i]) << (64 - k) >> (64 - k), o[i], "k {k} i {i} {form:?}");
            }
        }
    }
}
