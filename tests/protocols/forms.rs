//! Native and portable kernels, and two runs with one key, produce the same words in every place.

use masque_engine::gpu::{AdapterChoice, Form, Gpu, GpuError};
use masque_engine::testing::World;

use super::programs::PROGRAMS;

/// Everything the three roles saw.
fn run(world: &World) -> Vec<(&'static str, [Vec<u64>; 3])> {
    let all = PROGRAMS.iter().map(|(name, program)| {
        let out = world.run(|w, ctx| program(w, ctx, 1234));
        (*name, [out.client, out.server, out.dealer])
    });
    all.collect()
}

fn compare(a: &[(&str, [Vec<u64>; 3])], b: &[(&str, [Vec<u64>; 3])]) {
    for ((name, a), (_, b)) in a.iter().zip(b) {
        for (role, (a, b)) in ["client", "server", "dealer"].iter().zip(a.iter().zip(b)) {
            assert_eq!(a.len(), b.len(), "{name}: words of the {role}");
            assert!(!a.is_empty() || *role == "dealer", "{name}: the {role} saw nothing");
            let differ = a.iter().zip(b).filter(|(a, b)| a != b).count();
            assert_eq!(differ, 0, "{name}: of {} words of the {role} differ {differ}", a.len());
        }
    }
}

#[test]
fn runs_repeat_bit_for_bit() {
    let world = World::new(60);
    compare(&run(&world), &run(&world.beside(60)));
}

#[test]
fn native_and_portable_kernels_agree_bit_for_bit() {
    let native = AdapterChoice { form: Some(Form::Native), ..AdapterChoice::default() };
    if let Err(GpuError::NoInt64(adapter)) = Gpu::open(&native) {
        println!("skipped: {adapter} has no 64-bit integers, so there is one form only");
        return;
    }
    let world = |form| World::with_form(61, Some(form));
    compare(&run(&world(Form::Native)), &run(&world(Form::Portable)));
}
