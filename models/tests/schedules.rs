//! Sampling against diffusers: schedules, single steps and a whole trajectory.

mod common;

use common::{Fixture, asset, distance};
use masque_models::config::{BetaSchedule, Spacing};
use masque_models::{Clip, GuidanceWeight, Schedule, SchedulerConfig, Step, ddim_step};

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
    let limit = |x: f64| match clip {
        Clip::Off => x,
        Clip::Sample(r) | Clip::Rederive(r) => x.clamp(-r as f64, r as f64),
    };
    let next = |(x, e): (&f32, &f32)| {
        let (x, e) = (*x as f64, *e as f64);
        (u.x0 * limit(u.x0_sample * x + u.x0_eps * e) + u.eps * e + u.sample * x) as f32
    };
    sample.iter().zip(eps).map(next).collect()
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
