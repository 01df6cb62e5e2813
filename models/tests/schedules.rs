//! Sampling against diffusers: schedules, single steps and a whole trajectory.

mod common;

use common::{Fixture, asset, distance};
use masque_models::config::{BetaSchedule, Consistency, Spacing};
use masque_models::{
    Clip, GuidanceWeight, Rule, Sampler, Schedule, SchedulerConfig, Step, ddim_step, initial_noise, step_noise,
};

fn linear() -> SchedulerConfig {
    SchedulerConfig::read(asset("binary-mnist/scheduler/scheduler_config.json")).unwrap()
}

/// The schedule of Stable Diffusion v1.5.
fn stable_diffusion() -> SchedulerConfig {
    SchedulerConfig {
        num_train_timesteps: 1000,
        beta_start: 0.00085,
        beta_end: 0.012,
        beta_schedule: BetaSchedule::ScaledLinear,
        clip_sample: None,
        set_alpha_to_one: false,
        steps_offset: 1,
        timestep_spacing: Spacing::Leading,
        sampler: Sampler::Ddim,
        consistency: None,
    }
}

fn timesteps(config: SchedulerConfig, spacing: Spacing, n: usize) -> Vec<u32> {
    Schedule::new(&SchedulerConfig { timestep_spacing: spacing, ..config }, n).unwrap().timesteps
}

#[test]
fn schedules_are_those_of_diffusers() {
    let fixture = Fixture::open("fixtures/schedule.safetensors");
    for (config, prefix) in [(linear(), "linear:"), (stable_diffusion(), "")] {
        let s = Schedule::new(&config, 50).unwrap();
        let expected: Vec<u32> = fixture.i64(&format!("{prefix}timesteps50")).iter().map(|t| *t as u32).collect();
        assert_eq!(s.timesteps, expected);
        assert!(s.steps.iter().map(|s| s.t).eq(expected));
        assert_eq!(s.betas, fixture.f32(&format!("{prefix}betas")));
        assert_eq!(s.alphas_cumprod, fixture.f32(&format!("{prefix}alphas_cumprod")));
    }
    let sd = Schedule::new(&stable_diffusion(), 50).unwrap();
    assert_eq!(sd.steps[49].abar_prev as f32, fixture.f32("final_alpha_cumprod")[0]);
    let mnist = Schedule::new(&linear(), 50).unwrap();
    assert_eq!((mnist.steps[49].t, mnist.steps[49].abar_prev), (0, 1.0));
    assert_eq!(mnist.steps[48].abar_prev, mnist.steps[49].abar);
}

#[test]
fn single_steps_are_those_of_diffusers() {
    let fixture = Fixture::open("fixtures/schedule.safetensors");
    let (sample, eps) = (fixture.f32("in:sample"), fixture.f32("in:eps"));
    let s = Schedule::new(&stable_diffusion(), 50).unwrap();
    for t in [981, 501, 1] {
        let step = s.steps.iter().find(|s| s.t == t).unwrap();
        let expected = fixture.f32(&format!("ddim_step_t{t}"));
        let d = distance(&ddim_step(step, &sample, &eps, Clip::Off), &expected);
        assert!(d <= 1e-6, "t = {t}: {d}");
    }
}

#[test]
fn a_whole_trajectory() {
    let fixture = Fixture::open("binary-mnist/reference.safetensors");
    let s = Schedule::new(&linear(), 50).unwrap();
    assert!(fixture.i64("timesteps").into_iter().eq(s.timesteps.iter().map(|t| *t as i64)));
    let (mut x, scores) = (fixture.f32("in:x_T"), fixture.f32("uncond:eps_all"));
    for (step, eps) in s.steps.iter().zip(scores.chunks_exact(x.len())) {
        x = ddim_step(step, &x, eps, Clip::Off);
    }
    // without a network that corrects them, the first steps' rounding errors are divided by sqrt(abar) = 0.006
    let d = distance(&x, &fixture.f32("uncond:x_0"));
    assert!(d <= 1e-4, "{d}");
}

/// The step by its public scalars, in 64 bits.
fn by_scalars(step: &Step, sample: &[f32], eps: &[f32], clip: Clip) -> Vec<f32> {
    let u = step.update(clip);
    sample.iter().zip(eps).map(|(x, e)| u.apply(clip, (*x).into(), (*e).into(), 0.0) as f32).collect()
}

/// Largest difference as a fraction of the largest element.
fn relative(a: &[f32], b: &[f32]) -> f32 {
    distance(a, b) / b.iter().fold(0.0f32, |m, x| m.max(x.abs()))
}

#[test]
fn means_of_algorithm_1() {
    let fixture = Fixture::open("fixtures/schedule.safetensors");
    let (sample, eps) = (fixture.f32("in:sample"), fixture.f32("in:eps"));
    let s = Schedule::with(&stable_diffusion(), Sampler::Ddpm, 50).unwrap();
    let printed = Schedule::with(&stable_diffusion(), Sampler::DdpmPrinted, 50).unwrap();
    assert_eq!((&s.timesteps, s.steps.len()), (&printed.timesteps, 50));
    for t in [981, 501] {
        let at = s.timesteps.iter().position(|s| *s == t).unwrap();
        let expected = fixture.f32(&format!("ddpm_respaced_mean_t{t}"));
        let d = relative(&by_scalars(&s.steps[at], &sample, &eps, Clip::Off), &expected);
        assert!(d <= 1e-5, "t = {t}: {d}");

        let step = &printed.steps[at];
        let b = step.beta;
        let expected: Vec<f32> = (sample.iter().zip(&eps))
            .map(|(x, e)| ((f64::from(*x) - b / b.sqrt() * f64::from(*e)) / (1.0 - b).sqrt()) as f32)
            .collect();
        let d = relative(&by_scalars(step, &sample, &eps, Clip::Off), &expected);
        assert!(d <= 1e-5, "t = {t}: {d}");
        assert_eq!(step.update(Clip::Off).noise, b.sqrt());
        let respaced = 1.0 - s.steps[at].abar / s.steps[at].abar_prev;
        assert_eq!(s.steps[at].update(Clip::Off).noise, respaced.sqrt());
    }
    for s in [&s, &printed] {
        assert!(s.steps[49].last && s.steps[49].update(Clip::Off).noise == 0.0);
        assert!(s.steps[..49].iter().all(|step| !step.last && step.update(Clip::Off).noise > 0.0));
    }
}

#[test]
fn clipping_without_effect_changes_nothing() {
    let (sample, eps) = (vec![0.3, -0.2, 0.1], vec![0.1, 0.4, -0.3]);
    for sampler in Sampler::ALL {
        for step in &Schedule::with(&stable_diffusion(), sampler, 8).unwrap().steps {
            let plain = by_scalars(step, &sample, &eps, Clip::Off);
            for clip in [Clip::Sample(1e9), Clip::Rederive(1e9)] {
                let d = distance(&by_scalars(step, &sample, &eps, clip), &plain);
                assert!(d <= 1e-5, "{sampler} {clip:?} at {}: {d}", step.t);
            }
        }
    }
}

/// Timesteps of diffusers' `LCMScheduler` for 4 and 8 steps.
#[test]
fn consistency_sampling() {
    let few = |n| Schedule::with(&stable_diffusion(), Sampler::Lcm, n).unwrap();
    assert_eq!(few(4).timesteps, [999, 759, 499, 259]);
    assert_eq!(few(8).timesteps, [999, 879, 759, 639, 499, 379, 259, 139]);
    assert_eq!((few(1).timesteps, few(50).timesteps[49]), (vec![999], 19));
    let message = Schedule::with(&stable_diffusion(), Sampler::Lcm, 51).unwrap_err().to_string();
    assert!(message.contains("1..=50"), "{message}");

    let s = few(4);
    for (i, step) in s.steps.iter().enumerate() {
        let (x, e, n) = (0.7f64, -1.2f64, 0.4f64);
        let scaled = f64::from(step.t) * 10.0;
        let (skip, out) = (0.25 / (scaled * scaled + 0.25), scaled / (scaled * scaled + 0.25).sqrt());
        assert_eq!(step.rule, Rule::Consistency { skip, out });
        let x0 = (x - (1.0 - step.abar).sqrt() * e) / step.abar.sqrt();
        let denoised = out * x0 + skip * x;
        let expected = match s.steps.get(i + 1) {
            Some(next) => next.abar.sqrt() * denoised + (1.0 - next.abar).sqrt() * n,
            None => denoised,
        };
        let got = step.update(Clip::Off).apply(Clip::Off, x, e, n);
        assert!((got - expected).abs() <= 1e-12, "step {i}: {got} instead of {expected}");
    }
    let other = Consistency { original_inference_steps: 100, timestep_scaling: 10.0 };
    let config = SchedulerConfig { consistency: Some(other), ..stable_diffusion() };
    assert_eq!(Schedule::with(&config, Sampler::Lcm, 3).unwrap().timesteps, [999, 669, 339]);
}

#[test]
fn phased_consistency_is_ddim_from_the_last_step() {
    let s = Schedule::with(&stable_diffusion(), Sampler::Pcm, 4).unwrap();
    assert_eq!(s.timesteps, [999, 749, 499, 249]);
    assert_eq!(s.steps[3].abar_prev, 1.0);
    assert!(s.steps.iter().all(|step| step.rule == Rule::Ddim && step.update(Clip::Off).noise == 0.0));
    assert!(s.steps.windows(2).all(|w| w[0].abar_prev == w[1].abar));
    let trailing =
        SchedulerConfig { timestep_spacing: Spacing::Trailing, set_alpha_to_one: true, ..stable_diffusion() };
    assert_eq!(s, Schedule::new(&trailing, 4).unwrap());
}

#[test]
fn samplers_have_names() {
    for sampler in Sampler::ALL {
        assert_eq!(sampler.to_string().parse::<Sampler>().unwrap(), sampler);
    }
    let message = "euler".parse::<Sampler>().unwrap_err().to_string();
    assert_eq!(message, "unknown sampler \"euler\"; known: ddim, ddpm, ddpm-printed, lcm, pcm");
}

#[test]
fn noise_of_steps() {
    let noise = |image, step| step_noise(3, image, step, 256);
    assert_eq!(noise(1, 2), noise(1, 2));
    for other in [noise(1, 3), noise(2, 2), noise(2, 1), step_noise(4, 1, 2, 256), initial_noise(3, 1, 256)] {
        assert_ne!(noise(1, 2), other);
    }
    let x = step_noise(3, 0, 0, 100_000);
    let moment = |k: i32| x.iter().map(|x| f64::from(*x).powi(k)).sum::<f64>() / x.len() as f64;
    assert!(moment(1).abs() < 0.01 && (moment(2) - 1.0).abs() < 0.02);
}

#[test]
fn scalars_say_the_same_as_the_step() {
    let fixture = Fixture::open("fixtures/schedule.safetensors");
    let (sample, eps) = (fixture.f32("in:sample"), fixture.f32("in:eps"));
    for config in [linear(), stable_diffusion()] {
        for step in Schedule::new(&config, 50).unwrap().steps {
            for clip in [Clip::Off, Clip::Sample(1.0), Clip::Rederive(1.0)] {
                let (a, b) = (ddim_step(&step, &sample, &eps, clip), by_scalars(&step, &sample, &eps, clip));
                let (d, scale) = (distance(&a, &b), a.iter().fold(1.0f32, |m, x| m.max(x.abs())));
                assert!(d <= 2e-5 * scale, "t = {}, {clip:?}: {d}", step.t);
            }
        }
    }
}

#[test]
fn clipping() {
    assert_eq!(Clip::of(&linear()), Clip::Sample(1.0));
    assert_eq!(Clip::of(&stable_diffusion()), Clip::Off);
    let step = Schedule::new(&linear(), 50).unwrap().steps[49];
    // the last step returns the predicted image itself
    for clip in [Clip::Sample(0.5), Clip::Rederive(0.5)] {
        assert_eq!(ddim_step(&step, &[3.0, -3.0], &[0.0, 0.0], clip), [0.5, -0.5]);
    }
    let first = Schedule::new(&linear(), 50).unwrap().steps[0];
    let far = ddim_step(&first, &[3.0], &[0.0], Clip::Off)[0];
    let kept = ddim_step(&first, &[3.0], &[0.0], Clip::Sample(1.0))[0];
    let derived = ddim_step(&first, &[3.0], &[0.0], Clip::Rederive(1.0))[0];
    assert!(far > 3.0 && kept < 0.1 && (derived - 3.0).abs() < 0.1, "{far} {kept} {derived}");
}

#[test]
fn spacings() {
    let spaced = |spacing, n| timesteps(linear(), spacing, n);
    assert_eq!(spaced(Spacing::Leading, 4), [750, 500, 250, 0]);
    assert_eq!(spaced(Spacing::Leading, 3), [666, 333, 0]);
    assert_eq!(spaced(Spacing::Trailing, 4), [999, 749, 499, 249]);
    assert_eq!(spaced(Spacing::Trailing, 3), [999, 666, 332]);
    assert_eq!(spaced(Spacing::Linspace, 4), [999, 666, 333, 0]);
    // 499.5 goes to the even neighbour, as numpy rounds
    assert_eq!(spaced(Spacing::Linspace, 3), [999, 500, 0]);
    assert_eq!(spaced(Spacing::Linspace, 1), [0]);
    for n in [1, 2, 7, 61, 103, 999, 1000] {
        for spacing in [Spacing::Leading, Spacing::Trailing, Spacing::Linspace] {
            let ts = spaced(spacing, n);
            assert!(ts.len() == n && ts.windows(2).all(|w| w[0] > w[1]), "{spacing:?} {n}");
        }
    }
}

#[test]
fn impossible_schedules_are_errors() {
    for n in [0, 1001] {
        let message = Schedule::new(&linear(), n).unwrap_err().to_string();
        assert!(message.contains(&format!("{n} steps asked for, possible are 1..=1000")), "{message}");
    }
    let message = Schedule::new(&stable_diffusion(), 1000).unwrap_err().to_string();
    assert!(message.contains("step 1000, beyond the last training step 999"), "{message}");
    let lost = SchedulerConfig { beta_start: 0.99, beta_end: 0.99, ..linear() };
    assert!(Schedule::new(&lost, 50).unwrap_err().to_string().contains("no signal is left"));
}

#[test]
fn squared_cosine() {
    let config = SchedulerConfig { beta_schedule: BetaSchedule::SquaredCosine, ..linear() };
    let s = Schedule::new(&config, 50).unwrap();
    assert_eq!(s.betas[999], 0.999);
    // abar(t) = f(t + 1) / f(0) until the cap
    let f = |t: f64| ((t / 1000.0 + 0.008) / 1.008 * std::f64::consts::FRAC_PI_2).cos().powi(2);
    for t in [0usize, 10, 500, 990] {
        let expected = f(t as f64 + 1.0) / f(0.0);
        assert!((s.alphas_cumprod[t] as f64 - expected).abs() < 1e-5, "{t}");
    }
}

#[test]
fn guidance_weights() {
    let weight = |config: &SchedulerConfig, w: GuidanceWeight, t| {
        let s = Schedule::new(config, 50).unwrap();
        w.at(s.steps.iter().find(|s| s.t == t).unwrap())
    };
    // measured with the script guidance.py
    let sd = [("snr", [13.12, 1.52, 0.041]), ("beta", [0.109, 0.068, 0.029]), ("respaced", [0.573, 0.322, 0.029])];
    let lin = [("snr", [130.1, 3.09, 0.010]), ("beta", [0.143, 0.099, 0.010]), ("respaced", [0.844, 0.504, 0.010])];
    for (config, ts, table) in [(stable_diffusion(), [981, 481, 1], sd), (linear(), [980, 480, 0], lin)] {
        for (name, expected) in table {
            let w: GuidanceWeight = name.parse().unwrap();
            assert_eq!(w.to_string(), name);
            for (t, expected) in ts.into_iter().zip(expected) {
                let value = weight(&config, w, t);
                let printed = if expected < 1.0 { 0.0006 } else { 0.06 };
                assert!((value - expected).abs() <= printed, "{name} at {t}: {value} instead of {expected}");
            }
        }
    }
    let message = "A".parse::<GuidanceWeight>().unwrap_err().to_string();
    assert_eq!(message, "unknown guidance weight \"A\"; known: snr, beta, respaced");
}
