//! One sampler step on shares: classifier-free guidance, score guidance and the update, from public scalars.
//!
//! Source: paper section 3.2 and Algorithm 1; DDIM as in the models crate.

use super::secure::Secure;
use super::{ExecError, NARROW};
use crate::gpu::{Buf, Kernel};
use crate::protocol::{self, Map, Role, Segment, Share, Table, Window, lift, open, piecewise};
use crate::{args, bufs};

/// Public scalars of a linear combination of sample, predictions and the known unconditional prediction.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Mix {
    /// Factor of the sample.
    pub sample: f64,
    /// Factor of the conditional prediction.
    pub conditional: f64,
    /// Factor of the prediction without condition.
    pub unconditional: f64,
    /// Factor of the exact unconditional prediction that the server adds.
    pub known: f64,
}

/// Clipping inside a step: `gain * clamp(mix, -bound, bound)` is added.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Clamp {
    /// What is clipped.
    pub mix: Mix,
    /// Bound of the clip.
    pub bound: f64,
    /// Factor of the clipped value.
    pub gain: f64,
}

/// A step: `next = mix + gain * clamp(..)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GuidedStep {
    /// Linear part.
    pub mix: Mix,
    /// Clipped part.
    pub clamp: Option<Clamp>,
}

/// Fraction bits of the scalars.
const SCALAR: u32 = 14;
/// Ring in which a sample is opened: 14 fraction bits and magnitudes to 2^12.
const SAMPLE_RING: u32 = 28;

impl GuidedStep {
    /// The step in `f64`, for tests and the plaintext run.
    pub fn apply(&self, sample: f64, conditional: f64, unconditional: f64, known: f64) -> f64 {
        let mix = |m: &Mix| {
            m.sample * sample + m.conditional * conditional + m.unconditional * unconditional + m.known * known
        };
        mix(&self.mix) + self.clamp.map_or(0.0, |c| c.gain * mix(&c.mix).clamp(-c.bound, c.bound))
    }

    /// The next sample.
    ///
    /// * Before: `sample` in Z_2^64 and `prediction` (`[2 n]` with classifier-free guidance: conditional half first, else
    ///   `[n]`), both with the plan's port fraction bits; `known` the server's exact unconditional prediction.
    /// * After: share in Z_2^64 with the port's fraction bits.
    /// * Cost: without clipping 1 round and 28 bits an element each way; with clipping 5 rounds and 28 + 28 + 48 + 2 bits.
    /// * Error: rounding of scalars (2^-15 relative to each operand) and two units of 2^-14; clipping borders within 2^-11.
    pub fn secure(
        &self,
        s: &mut Secure,
        sample: &Share,
        prediction: &Share,
        known: Option<&Buf>,
    ) -> Result<Share, ExecError> {
        let f = s.plan.config.port;
        let known = s.encode(known, sample.n, f)?;
        let mut next = mix(s, &self.mix, sample, prediction, known.as_ref())?;
        if let Some(c) = &self.clamp {
            let u = mix(s, &c.mix, sample, prediction, known.as_ref())?;
            let u = open(&mut s.ctx, &u, SCALAR, SAMPLE_RING)?;
            let bound = (c.bound * f64::from(f).exp2()).round() as i64;
            let window = Window { lo: f.saturating_sub(12), hi: f + 8 };
            let bits = protocol::compare(&mut s.ctx, &u, &[-bound, bound], window)?;
            let edge = c.gain * c.bound;
            let segments = [
                Segment { above: None, below: Some(0), coefficients: vec![-edge] },
                Segment { above: Some(0), below: Some(1), coefficients: vec![0.0, c.gain] },
                Segment { above: Some(1), below: None, coefficients: vec![edge] },
            ];
            let table = Table::new(&segments, f, f + SCALAR)?;
            let clipped = piecewise(&mut s.ctx, &u, Some(&bits), &table, next.k.next_multiple_of(4))?;
            next = protocol::add(&mut s.ctx, &next, 1, &clipped, 1, Map::SAME)?;
        }
        let wire = open(&mut s.ctx, &next, SCALAR, SAMPLE_RING.max(NARROW))?;
        Ok(lift(&mut s.ctx, &wire, 64)?)
    }
}

fn mix(s: &mut Secure, m: &Mix, sample: &Share, prediction: &Share, known: Option<&Buf>) -> Result<Share, ExecError> {
    let n = sample.n;
    let guided = u32::from(prediction.n == 2 * n);
    let k = sample.k.min(prediction.k);
    let scalar = |v: f64| (v * f64::from(SCALAR).exp2()).round() as i64 as u64;
    let buf = match (&sample.buf, &prediction.buf) {
        (Some(z), Some(e)) => {
            let out = s.ctx.rec.words(n)?;
            let (cz, ca, cb, cc) = (scalar(m.sample), scalar(m.conditional), scalar(m.unconditional), scalar(m.known));
            match known {
                Some(u) => s.ctx.rec.run(
                    &Kernel::new("guidance").with("KNOWN"),
                    args![n: n, guided: guided, cz: cz, ca: ca, cb: cb, cc: cc],
                    bufs![z: z, e: e, u: u, out: &out],
                    n,
                )?,
                None => s.ctx.rec.run(
                    &Kernel::new("guidance"),
                    args![n: n, guided: guided, cz: cz, ca: ca, cb: cb],
                    bufs![z: z, e: e, out: &out],
                    n,
                )?,
            }
            Some(out)
        }
        _ => None,
    };
    Ok(Share { n, k, f: sample.f + SCALAR, buf })
}

/// Carries one network's result to another's input: opened masked, rounded to the port's fraction bits, lifted to Z_2^64.
///
/// Cost: 1 round, at most 28 bits an element each way; the lift's correction offline. Magnitudes below 2^12.
pub fn carry(s: &mut Secure, x: &Share, port: u32) -> Result<Share, ExecError> {
    let shift = x.f.saturating_sub(port);
    let wire = open(&mut s.ctx, x, shift, ((x.k - shift) / 4 * 4).min(SAMPLE_RING))?;
    Ok(lift(&mut s.ctx, &wire, 64)?)
}

/// Opens a result to the client alone: the server sends its share. Returns the reals at the client.
///
/// Cost: the share's `k` bits rounded down to a multiple of 4, at most 28, server to client; half a round.
pub fn reveal_to_client(s: &mut Secure, x: &Share) -> Result<Option<Vec<f32>>, ExecError> {
    let k = (x.k / 4 * 4).min(SAMPLE_RING);
    let bytes = protocol::packed_bytes(x.n, k);
    match s.ctx.role {
        Role::Dealer => Ok(None),
        Role::Server => {
            let msg = s.ctx.pack(x.words(), x.n, k)?;
            s.ctx.server_to_client(Some(&msg), bytes)?;
            Ok(None)
        }
        Role::Client => {
            let msg = s.ctx.server_to_client(None, bytes)?.expect("the client receives");
            let out = s.ctx.unpack_plus(&msg, x.words(), x.n, k)?;
            let words: Vec<u64> = s.ctx.rec.read_slice(&out, x.n)?;
            let unit = f64::from(x.f).exp2();
            Ok(Some(words.iter().map(|w| ((((w << (64 - k)) as i64) >> (64 - k)) as f64 / unit) as f32).collect()))
        }
    }
}
